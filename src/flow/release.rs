//! An identity is released: to the assigned coordinator, for a consented purpose, after the ledger says
//! so and never before.

use crate::audit::entry::{Event, Outcome};
use crate::crypto::seal::{self, Place};
use crate::domain::access::{Condition, Conditions, Field, Use};
use crate::domain::case::{ReleasePurpose, Stage};
use crate::domain::identity::{Disclosure, FieldGroup, Secret};
use crate::domain::pairing::furthest;
use crate::domain::referral::{GoalStatus, ReferralStatus};
use crate::flow::cases::holds;
use crate::flow::on_case::{
    OpenCase, Which, Wish, basis, ledger_object, next_of, on_case, standing_of,
};
use crate::flow::{Done, FlowError, Gateway, Once};
use crate::ids::{AccessRequestId, CaseId, ReleaseId};
use crate::policy::action::ReleaseIdentity;
use crate::policy::facts::Circumstance;
use crate::policy::verdict::{Note, entry_of};
use crate::policy::{Allowed, Subject, fields};
use crate::store::cases::ReleaseRow;
use crate::store::effect::{Effect, Rows};
use crate::store::writer::Question;
use crate::store::{StoreError, identities, pairings, referrals};
use jiff::Timestamp;
use std::sync::Arc;

/// What a coordinator asks.
#[derive(Debug)]
pub struct Asked {
    /// For what.
    pub purpose: ReleasePurpose,
    /// Why, in the coordinator's words. Kept sealed.
    pub reason: Secret,
    /// The version of the case the caller has seen, if it said.
    pub expected: Option<i32>,
}

/// What a coordinator gets.
#[derive(Debug)]
pub struct Released {
    /// Id of the release.
    pub id: ReleaseId,
    /// When.
    pub at: Timestamp,
    /// For what.
    pub purpose: ReleasePurpose,
    /// How much consent covered.
    pub stage: Stage,
    /// The groups, opened.
    pub disclosures: Vec<Disclosure>,
    /// Where the goals of its plan stand today, by label.
    pub goals: Vec<(String, GoalStatus)>,
    /// Whether the key was used before: the identity was opened again, and recorded again.
    pub replayed: bool,
}

/// Opens the identity behind a case. Facts are read, the verdict is given and `release.intent` is
/// committed in one transaction; only then is anything opened. A crash in between leaves an intent
/// without an outcome: more is recorded than happened, never less.
///
/// # Errors
/// [`FlowError::NotFound`] when the case is not the caller's; [`FlowError::Consent`] when it is, and
/// consent does not cover the purpose at this instant; [`FlowError::State`] when it is closed or on
/// hold.
pub async fn release(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ReleaseIdentity>,
    case: CaseId,
    asked: Asked,
    once: Once,
) -> Result<Done<Released>, FlowError> {
    let subject = Arc::clone(allowed.subject());
    let role = allowed.role();
    let purpose = asked.purpose;
    let wanted = Wanted {
        gateway: Arc::clone(gateway),
        subject: Arc::clone(&subject),
        allowed: allowed.clone(),
        asked,
        id: ReleaseId::new(),
        once,
    };
    let wish = move |found: &OpenCase<'_>, now: Timestamp| wanted.wish(found, now);
    let circumstance = move |_: &OpenCase<'_>| Circumstance::Purpose(purpose.as_str());
    let asked = on_case(gateway, allowed, case, Which::Case(case), Some(once), circumstance, wish);
    let (permit, Done { value: intent, committed }) = match asked.await {
        Err(FlowError::NotFound) => {
            return Err(explain(gateway, &subject, case, purpose.as_str()).await);
        }
        other => other?,
    };
    let opened =
        identities::open(&gateway.store.pool, &gateway.keyring, &permit, &intent.groups).await;
    let event = if opened.is_ok() { Event::ReleaseDone } else { Event::ReleaseAborted };
    let mut entry = entry_of(&subject, role, event, Outcome::Allow);
    entry.object = intent.object.clone();
    conclude(gateway, entry, subject.request, None);
    let value = Released {
        id: intent.id,
        at: intent.at,
        purpose,
        stage: intent.stage,
        disclosures: opened?,
        goals: intent.goals,
        replayed: intent.replayed,
    };
    Ok(Done { value, committed })
}

/// What is about to be opened, as it was committed.
struct Intent {
    id: ReleaseId,
    at: Timestamp,
    stage: Stage,
    groups: Vec<FieldGroup>,
    goals: Vec<(String, GoalStatus)>,
    object: crate::audit::entry::Object,
    replayed: bool,
}

/// Who asks for what, as the decision needs it.
struct Wanted {
    gateway: Arc<Gateway>,
    subject: Arc<Subject>,
    allowed: Allowed<ReleaseIdentity>,
    asked: Asked,
    id: ReleaseId,
    once: Once,
}

impl Wanted {
    fn wish(&self, found: &OpenCase<'_>, now: Timestamp) -> Wish<Intent> {
        let stage = found.standing.stage.unwrap_or(Stage::Contact);
        let groups = self.groups(found, stage);
        let reasons = &found.standing.referral.reasons;
        let object = ledger_object("case", found.memory.audit_reference);
        let note = Note {
            purpose: Some(self.asked.purpose.as_str()),
            refused_as: Some(Event::ReleaseIntent),
            basis: basis(found.row),
            fields: groups.iter().map(|group| group.as_str()).collect(),
            why: reasons.first().map(|reason| reason.as_str()).into_iter().collect(),
            object: object.clone(),
            to: None,
        };
        let outcome = self.rows(found, stage, &note.fields, now).map(|rows| {
            // A replay is a release of its own: it opens the identity again, so it has its own row.
            let replayed = found.remembered.is_some();
            let goals = found.memory.goals.clone();
            (rows, Intent { id: self.id, at: now, stage, groups, goals, object, replayed })
        });
        Wish { granted: Event::ReleaseIntent, note, outcome }
    }

    /// The groups that consent and stage cover, of those that the policies let this coordinator see.
    fn groups(&self, found: &OpenCase<'_>, stage: Stage) -> Vec<FieldGroup> {
        let consent = found.memory.consent.as_ref();
        let categories: Vec<_> =
            consent.iter().flat_map(|consent| consent.categories.iter().copied()).collect();
        let held = Conditions::of(&[Condition::Logged])
            .with(Condition::Assigned, holds(&self.subject, found.row))
            .with(
                Condition::ConsentValid,
                found.standing.consented.contains(&self.asked.purpose.as_str()),
            )
            .with(Condition::HealthExplicit, consent.is_some_and(|consent| consent.explicit));
        let sight = self.allowed.sight(used_for(self.asked.purpose), held);
        let seen =
            |group: &FieldGroup| Field::of(*group).is_some_and(|field| sight.is_clear(field));
        fields::to_release(stage, &categories).into_iter().filter(seen).collect()
    }

    /// The release as a row, and the memory of the request.
    fn rows(
        &self,
        found: &OpenCase<'_>,
        stage: Stage,
        groups: &[&'static str],
        now: Timestamp,
    ) -> Result<Rows, FlowError> {
        if self.asked.expected.is_some_and(|version| version != found.row.version) {
            return Err(FlowError::Stale);
        }
        let at_ms = now.as_millisecond();
        let release = ReleaseRow {
            id: self.id,
            case: found.row.id,
            person: self.subject.person.clone(),
            purpose: self.asked.purpose.as_str(),
            stage: stage.as_str(),
            field_groups: groups.join(" "),
            reason: seal_reason(&self.gateway, found, self.id, &self.asked.reason)?,
            at_ms,
        };
        let remember = found.remembered.is_none();
        let idempotency = remember.then(|| self.once.row(201, self.id.uuid(), at_ms));
        Ok(Rows { release: Some(release), idempotency, ..Rows::default() })
    }
}

const fn used_for(purpose: ReleasePurpose) -> Use {
    match purpose {
        ReleasePurpose::Intake => Use::Intake,
        ReleasePurpose::Pairing => Use::Pairing,
        ReleasePurpose::Monitoring => Use::Monitoring,
    }
}

pub(super) fn seal_reason(
    gateway: &Gateway,
    found: &OpenCase<'_>,
    id: ReleaseId,
    reason: &Secret,
) -> Result<Vec<u8>, FlowError> {
    let name = id.to_string();
    let place = reason_place(found.row.id, &name);
    let sealed = seal::seal(&gateway.entropy, found.key, &place, reason.reveal().as_bytes());
    Ok(sealed.or(Err(StoreError::Unavailable("seal")))?)
}

/// A reason is bound to its case and its release.
pub(super) const fn reason_place(case: CaseId, release: &str) -> Place<'_> {
    Place { table: "identity_release", case: case.uuid(), group: release, version: 1 }
}

/// Tells the coordinator who holds the case why it stayed shut; everybody else learns nothing.
pub(super) async fn explain(
    gateway: &Gateway,
    subject: &Subject,
    case: CaseId,
    purpose: &str,
) -> FlowError {
    let found = crate::store::cases::find(&gateway.store.pool, case).await;
    let Ok(Some(row)) = found else {
        return FlowError::NotFound;
    };
    if !holds(subject, &row) {
        return FlowError::NotFound;
    }
    let Ok(Some((_, memory))) = crate::store::facts::open(&gateway.keyring, &row) else {
        return FlowError::NotFound;
    };
    let rules = gateway.consent.load();
    let standing = standing_of(&rules, &row, &memory, gateway.clock.now());
    if standing.consented.contains(&purpose) {
        let pairings = pairings::of_case(&gateway.store.pool, case).await.unwrap_or_default();
        let origin = referrals::find(&gateway.store.pool, row.referral).await.unwrap_or_default();
        let taken_back = origin.is_some_and(|origin| origin.status == ReferralStatus::Withdrawn);
        let living = furthest(pairings.iter().map(|pairing| pairing.state));
        let next = next_of(row.state, living, taken_back);
        FlowError::State { allowed: next.iter().map(|state| state.as_str()).collect() }
    } else if standing.referral.is_allowed() {
        FlowError::Consent {
            reasons: vec![crate::domain::consent::Reason::PurposeNotCovered],
            missing: Vec::new(),
        }
    } else {
        standing.referral.into()
    }
}

/// Writes the outcome behind the answer's back: it shares the next commit.
pub(super) fn conclude(
    gateway: &Arc<Gateway>,
    entry: crate::audit::entry::Entry,
    request: crate::ids::RequestId,
    access_answered: Option<(AccessRequestId, i64)>,
) {
    let gateway = Arc::clone(gateway);
    let now = gateway.clock.now();
    tokio::spawn(async move {
        let decide = move |_: &_| {
            let rows = Rows { access_answered, ..Rows::default() };
            (Effect::new(request, entry.clone(), rows), ())
        };
        let written = gateway.store.writer.write(Question::default(), now, decide).await;
        if written.is_err() {
            // The intent stands without an outcome: more is recorded than happened, never less.
            tracing::error!(request_id = %request, "outcome of a release not recorded");
        }
    });
}
