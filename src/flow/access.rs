//! Somebody asks to see what is kept of them (AVG art. 15): the coordinator keeps the request with its day, and
//! answers it with everything that the rules let a data subject see.
//!
//! # Invariants
//! * Nothing is opened without a permit and a committed `release.intent`, as for every release: who was shown what
//!   stands among the releases.
//! * What a data subject may see is decided group by group by the rules of that role (`policies/fields.cedar`), on the
//!   coordinator's word that identity and the rights of others were looked at.

use crate::audit::entry::{self, Event, Object, Outcome};
use crate::audit::export::Line;
use crate::audit::verify::StoredLeaf;
use crate::crypto::digest::hex;
use crate::domain::access::{Condition, Conditions, Field, Use};
use crate::domain::age::{date_in_amsterdam, midnight_in_amsterdam, months_later};
use crate::domain::case::{CaseState, Stage};
use crate::domain::consent::{Consent, SubjectRef};
use crate::domain::identity::{Disclosure, FieldGroup, Secret};
use crate::domain::partner::Role;
use crate::domain::referral::{GoalStatus, Profile, Source};
use crate::flow::cases::reason_of;
use crate::flow::on_case::{OpenCase, Which, Wish, basis, ledger_object, on_case, standing_of};
use crate::flow::release::{conclude, seal_reason};
use crate::flow::{Done, FlowError, Gateway, Once};
use crate::ids::{AccessRequestId, CaseId, ReleaseId};
use crate::policy::action::SeeToAccess;
use crate::policy::facts::Circumstance;
use crate::policy::verdict::{Note, entry_of};
use crate::policy::{Allowed, Permit};
use crate::store::access::{self, AccessRow};
use crate::store::cases::{PastRelease, ReleaseRow};
use crate::store::effect::Rows;
use crate::store::pairings::{self, EvaluationRow, PairingRow};
use crate::store::{StoreError, cases as rows, facts, identities, witness};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use std::sync::Arc;

/// Months within which a request is answered (AVG art. 12 lid 3).
const MONTHS: u8 = 1;
/// The purpose under which an answer stands among the releases.
const PURPOSE: &str = "access-request";

/// A request as it was kept.
#[derive(Debug)]
pub struct Asked {
    /// Its row.
    pub row: AccessRow,
    /// Whether this repeats an earlier answer.
    pub replayed: bool,
}

/// Keeps that somebody asked, on a day; today where none is given.
///
/// # Errors
/// [`FlowError::NotFound`] when the case is not the caller's; [`FlowError::Rule`] for somebody who is not in the
/// referral, or a day to come.
pub async fn request(
    gateway: &Arc<Gateway>,
    allowed: Allowed<SeeToAccess>,
    case: CaseId,
    (subject, received): (SubjectRef, Option<Date>),
    once: Once,
) -> Result<Done<Asked>, FlowError> {
    let wish = move |found: &OpenCase<'_>, now: Timestamp| Wish {
        granted: Event::AccessRequested,
        note: Note { basis: basis(found.row), ..Note::default() },
        outcome: asked(found, &subject, received, now).map(|mut row| {
            if let Some(remembered) = found.remembered {
                row.id = AccessRequestId::from_uuid(remembered.resource);
                return (Rows::default(), Asked { row, replayed: true });
            }
            let idempotency = Some(once.row(201, row.id.uuid(), now.as_millisecond()));
            let access = Some(row.clone());
            (Rows { idempotency, access, ..Rows::default() }, Asked { row, replayed: false })
        }),
    };
    let nothing = |_: &OpenCase<'_>| Circumstance::None;
    let which = Which::Case(case);
    let (permit, mut done) =
        on_case(gateway, allowed, case, which, Some(once), nothing, wish).await?;
    if done.value.replayed {
        // As it was kept: today's day would begin another term.
        let kept = access::of_case(&gateway.store.pool, permit.object()).await?;
        let first = kept.into_iter().find(|row| row.id == done.value.row.id);
        done.value.row = first.ok_or(FlowError::NotFound)?;
    }
    Ok(done)
}

fn asked(
    found: &OpenCase<'_>,
    subject: &SubjectRef,
    received: Option<Date>,
    now: Timestamp,
) -> Result<AccessRow, FlowError> {
    const WHO: FlowError = FlowError::Rule {
        pointer: "/subject",
        code: "subject-unknown",
        rule: "must be the label of somebody in the referral",
    };
    const WHEN: FlowError = FlowError::Rule {
        pointer: "/receivedOn",
        code: "in-the-future",
        rule: "must not lie in the future, nor more than a year back",
    };
    let known = found.memory.subjects.iter().any(|one| one.reference == *subject);
    known.then_some(()).ok_or(WHO)?;
    let today = date_in_amsterdam(now);
    let day = received.unwrap_or(today);
    let earliest = today.checked_sub(12.months()).or(Err(WHEN))?;
    (earliest <= day && day <= today).then_some(()).ok_or(WHEN)?;
    let start = midnight_in_amsterdam(day.year(), day.month(), day.day()).ok_or(WHEN)?;
    let due = months_later(start, MONTHS).ok_or(WHEN)?;
    Ok(AccessRow {
        id: AccessRequestId::new(),
        case: found.row.id,
        subject: subject.clone(),
        received_ms: start.as_millisecond(),
        due_ms: due.as_millisecond(),
        answered_ms: None,
    })
}

/// Requests about a case, oldest first.
///
/// # Errors
/// [`FlowError::NotFound`] when the case is not the caller's.
pub async fn list(
    gateway: &Arc<Gateway>,
    allowed: Allowed<SeeToAccess>,
    case: CaseId,
) -> Result<Done<Vec<AccessRow>>, FlowError> {
    let wish = |_: &OpenCase<'_>, _| Wish {
        granted: Event::CaseRead,
        note: Note { why: vec!["access-requests"], ..Note::default() },
        outcome: Ok((Rows::default(), ())),
    };
    let nothing = |_: &OpenCase<'_>| Circumstance::None;
    let (permit, Done { committed, .. }) =
        on_case(gateway, allowed, case, Which::Case(case), None, nothing, wish).await?;
    Ok(Done { value: access::of_case(&gateway.store.pool, permit.object()).await?, committed })
}

/// On whose word a request is answered.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    /// That whoever asks is who they say.
    pub identity_verified: bool,
    /// That it was looked at whether others are harmed by what is shown (AVG art. 15 lid 4).
    pub rights_of_others_checked: bool,
    /// That the privacy officer looked at the safety signal.
    pub officer_review: bool,
}

/// Everything that is kept of somebody, for them.
#[derive(Debug)]
pub struct Answer {
    /// The request that is answered.
    pub request: AccessRow,
    /// When.
    pub at: Timestamp,
    /// State of the case, and in which capacity, when and where the family was referred.
    pub case: (CaseState, Source, Timestamp, Profile),
    /// The consent as it stands, and what it covers.
    pub consent: (Option<Consent>, &'static str),
    /// Who takes part in the plan, by OIN.
    pub participants: Vec<String>,
    /// The groups, opened.
    pub disclosures: Vec<Disclosure>,
    /// Where the goals of the plan stand today, by label.
    pub goals: Vec<(String, GoalStatus)>,
    /// Pairings with their evaluations.
    pub pairings: Vec<(PairingRow, Vec<EvaluationRow>)>,
    /// Whether it is for who registered the family: to others no word and no wijk of it is told.
    pub for_registrant: bool,
    /// Who opened the identity, when, for what, and, in words, why.
    pub releases: Vec<(PastRelease, Option<Secret>)>,
    /// What was said with decisions and steps, oldest first: JSON of the HTTP floor.
    pub history: Vec<Secret>,
    /// What the ledger says about the case, up to this answer.
    pub log: Vec<Line>,
    /// Whether this repeats an earlier answer: everything was opened again, and recorded again.
    pub replayed: bool,
}

/// What is about to be shown, as it was committed.
struct Intent {
    request: AccessRow,
    at: Timestamp,
    groups: Vec<FieldGroup>,
    object: Object,
    reference: String,
    sees: Sees,
    replayed: bool,
}

/// What this subject may be shown at all.
#[derive(Clone, Copy)]
struct Sees {
    /// Anything that is sealed. While the family has not consented in full, or has the case on hold, nothing is opened
    /// by way of a request: who holds the case could make one up.
    sealed: bool,
    /// What is about the family as a whole, and what was written about it in words. Only who registered it: an address
    /// may be hidden from another parent.
    family: bool,
}

impl Sees {
    fn of(found: &OpenCase<'_>, request: Option<&AccessRow>) -> Self {
        let full = found.standing.stage == Some(Stage::Full);
        let applicant = found.memory.applicant.as_ref();
        Self {
            sealed: full && found.row.state != CaseState::OnHold,
            family: applicant.is_some() && request.map(|row| &row.subject) == applicant,
        }
    }

    const fn words(self) -> bool {
        self.sealed && self.family
    }
}

/// Answers a request: everything that the rules let a data subject see. Each answer is a release.
///
/// # Errors
/// [`FlowError::NotFound`] when the case is not the caller's; [`FlowError::Rule`] for a request that is not of this
/// case, or where identity or the rights of others were not looked at.
pub async fn answer(
    gateway: &Arc<Gateway>,
    allowed: Allowed<SeeToAccess>,
    case: CaseId,
    (request, word): (AccessRequestId, Word),
    once: Once,
) -> Result<Done<Answer>, FlowError> {
    let pool = &gateway.store.pool;
    let known = access::of_case(pool, case).await?.into_iter().find(|row| row.id == request);
    let (subject, role) = (Arc::clone(allowed.subject()), allowed.role());
    let (own, asking) = (Arc::clone(gateway), allowed.clone());
    let wish = move |found: &OpenCase<'_>, now: Timestamp| {
        let sees = Sees::of(found, known.as_ref());
        let groups = groups(&asking, word, sees);
        let object = ledger_object("case", found.memory.audit_reference);
        let names: Vec<_> = groups.iter().map(|group| group.as_str()).collect();
        let rows = shown(&own, found, (known.as_ref(), &asking, word), &names, once, now);
        Wish {
            granted: Event::ReleaseIntent,
            note: Note {
                purpose: Some(PURPOSE),
                refused_as: Some(Event::ReleaseIntent),
                basis: basis(found.row),
                fields: names,
                object: object.clone(),
                ..Note::default()
            },
            outcome: rows.map(|(rows, request)| {
                let reference = hex(found.memory.audit_reference.uuid().as_bytes());
                let replayed = found.remembered.is_some();
                (rows, Intent { request, at: now, groups, object, reference, sees, replayed })
            }),
        }
    };
    let nothing = |_: &OpenCase<'_>| Circumstance::None;
    let which = Which::Case(case);
    let (permit, Done { value: intent, committed }) =
        on_case(gateway, allowed, case, which, Some(once), nothing, wish).await?;
    let opened = identities::open_for_access(pool, &gateway.keyring, &permit, &intent.groups).await;
    let (object, id) = (intent.object.clone(), intent.request.id);
    let gathered = match opened {
        Ok(opened) => gather(gateway, &permit, intent, opened).await,
        Err(error) => Err(error.into()),
    };
    let event = if gathered.is_ok() { Event::ReleaseDone } else { Event::ReleaseAborted };
    let mut entry = entry_of(&subject, role, event, Outcome::Allow);
    entry.object = object;
    // Answered once there is an answer, and not before.
    let answered = gathered.is_ok().then_some((id, gateway.clock.now().as_millisecond()));
    conclude(gateway, entry, subject.request, answered);
    Ok(Done { value: gathered?, committed })
}

/// Groups that hold an item for each person, of which everybody is shown their own.
const BY_PERSON: [FieldGroup; 4] =
    [FieldGroup::Names, FieldGroup::BirthDate, FieldGroup::Authority, FieldGroup::ConsentEvidence];

/// The groups this subject may see.
fn groups(allowed: &Allowed<SeeToAccess>, word: Word, sees: Sees) -> Vec<FieldGroup> {
    if !sees.sealed {
        return Vec::new();
    }
    let held = Conditions::of(&[Condition::Logged])
        .with(Condition::IdentityVerified, word.identity_verified)
        .with(Condition::RightsOfOthersChecked, word.rights_of_others_checked)
        .with(Condition::OfficerReview, word.officer_review);
    let sight = allowed.sight_of(Role::DataSubject, Use::AccessRequest, held);
    let opened = |group: &&FieldGroup| {
        let own = sees.family || BY_PERSON.contains(group);
        own && **group != FieldGroup::Registrant
            && Field::of(**group).is_some_and(|field| sight.is_clear(field))
    };
    FieldGroup::ALL.iter().filter(opened).copied().collect()
}

/// The answer as a release, and the request that is answered by it.
fn shown(
    gateway: &Gateway,
    found: &OpenCase<'_>,
    (request, asking, word): (Option<&AccessRow>, &Allowed<SeeToAccess>, Word),
    groups: &[&'static str],
    once: Once,
    now: Timestamp,
) -> Result<(Rows, AccessRow), FlowError> {
    const UNKNOWN: FlowError = FlowError::Rule {
        pointer: "/request",
        code: "request-unknown",
        rule: "must be a request about this case",
    };
    const ANSWERED: FlowError = FlowError::Rule {
        pointer: "/request",
        code: "request-answered",
        rule: "must be a request that waits, or was answered within a day",
    };
    const UNCHECKED: FlowError = FlowError::Rule {
        pointer: "",
        code: "not-verified",
        rule: "identity must be verified and the rights of others checked",
    };
    let request = request.ok_or(UNKNOWN)?.clone();
    let checked = word.identity_verified && word.rights_of_others_checked;
    checked.then_some(()).ok_or(UNCHECKED)?;
    // Answered once, and for a day after: a request is not a key to the case.
    let day = 86_400_000;
    let open = request.answered_ms.is_none_or(|at| now.as_millisecond() < at.saturating_add(day));
    open.then_some(()).ok_or(ANSWERED)?;
    let (id, at_ms) = (ReleaseId::new(), now.as_millisecond());
    let reason = Secret::new(format!("access request {}", request.id));
    let release = ReleaseRow {
        id,
        case: found.row.id,
        person: asking.subject().person.clone(),
        purpose: PURPOSE,
        stage: found.standing.stage_word(),
        field_groups: groups.join(" "),
        reason: seal_reason(gateway, found, id, &reason)?,
        at_ms,
    };
    let remember = found.remembered.is_none();
    let rows = Rows {
        release: Some(release),
        idempotency: remember.then(|| once.row(201, request.id.uuid(), at_ms)),
        ..Rows::default()
    };
    Ok((rows, request))
}

async fn gather(
    gateway: &Gateway,
    permit: &Permit<SeeToAccess>,
    intent: Intent,
    disclosures: Vec<Disclosure>,
) -> Result<Answer, FlowError> {
    let (pool, case) = (&gateway.store.pool, permit.object());
    let row = rows::find(pool, case).await?.ok_or(FlowError::NotFound)?;
    let (key, memory) = facts::open(&gateway.keyring, &row)?.ok_or(FlowError::NotFound)?;
    let rules = gateway.consent.load();
    let standing = standing_of(&rules, &row, &memory, gateway.clock.now());
    let mut paired = Vec::new();
    for pairing in pairings::of_case(pool, case).await? {
        let evaluations = pairings::evaluations(pool, pairing.id).await?;
        paired.push((pairing, evaluations));
    }
    let mut releases = Vec::new();
    for release in rows::releases(pool, case).await? {
        let words = intent.sees.words();
        let reason = words.then(|| reason_of(&key, case, &release)).transpose()?;
        releases.push((release, reason));
    }
    // Up to this very release: what comes after it would differ from answer to answer.
    let mut log = witness::about(pool, &intent.reference).await?;
    log.retain(|row| row.seq <= permit.ledger_index());
    let line = |row: &StoredLeaf| {
        let (position, entry) =
            entry::decode(&row.leaf).or(Err(StoreError::Corrupt("audit_entry")))?;
        Ok(Line { position, entry, leaf_hash: row.leaf_hash })
    };
    Ok(Answer {
        request: intent.request,
        at: intent.at,
        case: (row.state, row.source, crate::clock::from_millisecond(row.received_ms), row.profile),
        consent: (memory.consent, standing.stage_word()),
        participants: memory.plan_participants,
        goals: memory.goals,
        disclosures,
        pairings: paired,
        releases,
        history: if intent.sees.words() { memory.history } else { Vec::new() },
        for_registrant: intent.sees.family,
        replayed: intent.replayed,
        log: log.iter().map(line).collect::<Result<_, StoreError>>()?,
    })
}
