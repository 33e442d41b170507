//! A referral comes in: consent is judged, identity is sealed, one commit keeps both with their ledger
//! entry. Without consent nothing is kept.

use crate::audit::entry::Event;
use crate::audit::grown::Inclusion;
use crate::crypto::digest::hex;
use crate::domain::case::Stage;
use crate::domain::identity::{Disclosure, FieldGroup, Secret};
use crate::domain::partner::{Slug, Territory};
use crate::domain::referral::{NewReferral, ReferralStatus};
use crate::flow::links;
use crate::flow::on_case::ledger_object;
use crate::flow::standing::{Basis, Standing};
use crate::flow::witness::ledger_name;
use crate::flow::{Done, FlowError, Gateway, Once};
use crate::ids::{AuditReference, CaseId, DeliveryId, FamilyId, ReferralId};
use crate::policy::Allowed;
use crate::policy::action::SubmitReferral;
use crate::policy::facts::{Circumstance, Facts};
use crate::policy::verdict::Note;
use crate::store::StoreError;
use crate::store::cases::AssignmentRow;
use crate::store::effect::{Effect, Rows};
use crate::store::facts::{self, CaseMemory};
use crate::store::health::State;
use crate::store::idempotency::Remembered;
use crate::store::referrals::{AcceptedReferral, OutboxRow};
use crate::store::writer::{Found, Question};
use crate::store::{cases, identities, ledger, referrals};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use std::sync::Arc;

/// What the referrer is told.
#[derive(Debug)]
pub struct Submitted {
    /// Id of the referral.
    pub id: ReferralId,
    /// `received`, `assigned` or `awaiting-consent`.
    pub status: ReferralStatus,
    /// When.
    pub received_at: Timestamp,
    /// Compact JWS over id, digest of the request, time, ledger index and tree head.
    pub receipt: String,
    /// Whether this repeats an earlier answer.
    pub replayed: bool,
}

/// Takes a referral in. `digest` is the SHA-256 of the canonical request, for the receipt.
///
/// # Errors
/// [`StoreError::Low`] while space runs out; [`FlowError::Consent`] with all reasons, and nothing is kept; [`FlowError::Rule`] where the partner
/// may not refer in this capacity or nobody serves the gemeente; [`FlowError::KeyReused`].
pub async fn submit(
    gateway: &Arc<Gateway>,
    allowed: Allowed<SubmitReferral>,
    new: NewReferral,
    once: Once,
    digest: [u8; 32],
) -> Result<Done<Submitted>, FlowError> {
    if gateway.store.writer.health().state() != State::Ok {
        return Err(StoreError::Low.into());
    }
    let now = gateway.clock.now();
    let territory = territory_of(gateway, &allowed, &new)?;
    let standing = standing_of(gateway, &new, now);
    let prepared = Arc::new(prepare(gateway, &allowed, new, &territory, &standing, now)?);
    let question = Question { idempotency: Some(once.scope), ..Question::default() };
    let subject = Arc::clone(allowed.subject());
    let outcome = standing.referral.clone();
    let decide = move |found: &Found| decide(&allowed, &prepared, &standing, once, found);
    let (answer, committed) = gateway.store.writer.write(question, now, decide).await?;
    let value = match answer {
        Answer::Replay(remembered) => replay(gateway, remembered, once, digest, &committed).await?,
        Answer::New { verdict, id, status } => {
            let permit = verdict.settle(&committed).or(Err(FlowError::from(outcome)))?;
            let index = permit.ledger_index();
            let receipt = receipt(gateway, id, digest, now, index, &committed)?;
            tracing::debug!(request_id = %subject.request, "referral accepted");
            Submitted { id, status, received_at: now, receipt, replayed: false }
        }
    };
    Ok(Done { value, committed })
}

fn territory_of(
    gateway: &Gateway,
    allowed: &Allowed<SubmitReferral>,
    new: &NewReferral,
) -> Result<Territory, FlowError> {
    let register = gateway.register.load();
    let named = register.named(allowed.subject().partner_name.as_str());
    let Some(partner) = named.filter(|partner| partner.sources.contains(&new.source)) else {
        return Err(FlowError::Rule {
            pointer: "/source",
            code: "source-not-registered",
            rule: "must be a capacity this partner is registered for",
        });
    };
    let profile = &new.profile;
    let served = register.territory(profile.municipality, profile.district).cloned();
    let served = served.ok_or(FlowError::Rule {
        pointer: "/municipality",
        code: "municipality-not-served",
        rule: "must be a gemeente that Buurtgezinnen serves",
    })?;
    if !partner.municipalities.contains(&profile.municipality) {
        return Err(FlowError::Rule {
            pointer: "/municipality",
            code: "municipality-not-registered",
            rule: "must be a gemeente this partner is registered for",
        });
    }
    Ok(served)
}

fn standing_of(gateway: &Gateway, new: &NewReferral, now: Timestamp) -> Standing {
    gateway.consent.load().standing(
        Basis {
            subjects: &new.subjects,
            applicant: new.applicant.as_ref(),
            consent: new.consent.as_ref(),
            tells_health: new.tells_health,
            source: new.source,
            municipality: new.profile.municipality,
        },
        now,
    )
}

/// A referral ready to be written, if the verdict is yes.
#[derive(Debug)]
struct Prepared {
    accepted: AcceptedReferral,
    audit_reference: AuditReference,
    assignment: Option<AssignmentRow>,
    /// The ledger's name for whom the territory gives the case to.
    to: Option<String>,
    groups: Vec<&'static str>,
}

/// Where a referral stands when it is taken in.
const fn first_status(standing: &Standing, is_assigned: bool) -> ReferralStatus {
    match standing.stage {
        Some(Stage::Contact) => ReferralStatus::AwaitingConsent,
        _ if is_assigned => ReferralStatus::Assigned,
        _ => ReferralStatus::Received,
    }
}

fn prepare(
    gateway: &Gateway,
    allowed: &Allowed<SubmitReferral>,
    mut new: NewReferral,
    territory: &Territory,
    standing: &Standing,
    now: Timestamp,
) -> Result<Prepared, FlowError> {
    let (id, case) = (ReferralId::new(), CaseId::new());
    let audit_reference = AuditReference::new();
    let unavailable = StoreError::Unavailable("case key");
    let (key, wrapped) =
        gateway.keyring.new_case_key(&gateway.entropy, case.uuid()).or(Err(unavailable))?;
    let assignee = territory.automatic.then(|| territory.coordinator.clone());
    let name = |to: &Slug| ledger_name(&gateway.keyring, territory.organisation, to);
    let to = assignee.as_ref().map(name).transpose()?;
    let tags = links::tags(&gateway.keyring, territory.organisation, &new.likeness)?;
    let status = first_status(standing, assignee.is_some());
    let registrant = new.registrant.take();
    let view = take(&mut new.disclosures, FieldGroup::Summary);
    let view = view.unwrap_or_else(|| Secret::new("{}".to_owned()));
    let reference = take(&mut new.disclosures, FieldGroup::Reference);
    new.disclosures
        .extend(registrant.map(|content| Disclosure { group: FieldGroup::Registrant, content }));
    let groups = new.disclosures.iter().map(|d| d.group.as_str()).collect();
    let identity = identities::pack(&gateway.entropy, &key, case, 1, &new.disclosures)?;
    let memory = CaseMemory {
        audit_reference,
        family: FamilyId::new(),
        subjects: new.subjects,
        applicant: new.applicant,
        consent: new.consent,
        plan_participants: new.plan_participants,
        tells_health: new.tells_health,
        asked: new.asked,
        goals: new.goals,
        reference,
        history: Vec::new(),
        view,
    };
    let facts = facts::seal(&gateway.entropy, &key, case, 1, &memory)?;
    let accepted = AcceptedReferral {
        id,
        case,
        partner: allowed.subject().partner,
        organisation: territory.organisation,
        assignee: assignee.clone(),
        source: new.source,
        urgency: new.urgency,
        status,
        profile: new.profile,
        facts,
        identity,
        key: wrapped,
        tags,
        received_ms: now.as_millisecond(),
    };
    let assignment = assignee.map(|to| by_territory(case, to, now)).transpose()?;
    Ok(Prepared { accepted, audit_reference, assignment, to, groups })
}

/// Takes out a group that is kept with the facts, not with the identity.
fn take(disclosures: &mut Vec<Disclosure>, group: FieldGroup) -> Option<Secret> {
    let index = disclosures.iter().position(|disclosure| disclosure.group == group)?;
    Some(disclosures.swap_remove(index).content)
}

fn by_territory(case: CaseId, to: Slug, now: Timestamp) -> Result<AssignmentRow, FlowError> {
    let corrupt = StoreError::Corrupt("account name");
    let by = Slug::parse("territory").or(Err(corrupt))?;
    Ok(AssignmentRow { case, version: 1, coordinator: to, by, at_ms: now.as_millisecond() })
}

enum Answer {
    Replay(Remembered),
    New { verdict: crate::policy::Verdict<SubmitReferral>, id: ReferralId, status: ReferralStatus },
}

fn decide(
    allowed: &Allowed<SubmitReferral>,
    prepared: &Prepared,
    standing: &Standing,
    once: Once,
    found: &Found,
) -> (Effect, Answer) {
    let subject = allowed.subject();
    if let Some(remembered) = &found.remembered {
        return (Effect::nothing(subject.request), Answer::Replay(remembered.clone()));
    }
    let consent = standing.stage.map_or("none", |stage| stage.as_str());
    let verdict = allowed.decide(subject.partner, &Facts::Bare, &Circumstance::Consent(consent));
    let first = standing.referral.reasons.first().map(|reason| reason.as_str());
    let note = Note {
        refused_as: Some(Event::ReferralRefused),
        basis: "consent:1".to_owned(),
        object: ledger_object("case", prepared.audit_reference),
        fields: prepared.groups.clone(),
        to: prepared.to.clone(),
        why: first.into_iter().collect(),
        ..Note::default()
    };
    let entry = verdict.entry(Event::ReferralAccepted, &note);
    let rows = verdict.when_allowed(|| rows(prepared, once));
    let accepted = &prepared.accepted;
    let answer = Answer::New { verdict, id: accepted.id, status: accepted.status };
    (Effect::new(subject.request, entry, rows), answer)
}

fn rows(prepared: &Prepared, once: Once) -> Rows {
    let accepted = &prepared.accepted;
    let notify = prepared.assignment.as_ref().map(|_| OutboxRow {
        id: DeliveryId::new(),
        partner: accepted.organisation,
        kind: "nl.buurtpoort.casus-toegewezen",
        object: accepted.case.uuid(),
        created_ms: accepted.received_ms,
    });
    Rows {
        accepted: Some(Box::new(accepted.clone())),
        assignment: prepared.assignment.clone(),
        idempotency: Some(once.row(201, accepted.id.uuid(), accepted.received_ms)),
        outbox: notify.into_iter().collect(),
        ..Rows::default()
    }
}

/// The first answer again: same id, status and time; the receipt is signed anew over today's head.
async fn replay(
    gateway: &Gateway,
    remembered: Remembered,
    once: Once,
    digest: [u8; 32],
    committed: &crate::audit::committed::Committed,
) -> Result<Submitted, FlowError> {
    if remembered.body != once.body {
        return Err(FlowError::KeyReused);
    }
    let id = ReferralId::from_uuid(remembered.resource);
    let row = referrals::find(&gateway.store.pool, id).await?.ok_or(FlowError::NotFound)?;
    let received_at = crate::clock::from_millisecond(row.received_ms);
    let index = index_of_acceptance(gateway, row.case).await?;
    let receipt = receipt(gateway, id, digest, received_at, index, committed)?;
    Ok(Submitted { id, status: row.accepted_as, received_at, receipt, replayed: true })
}

/// Index of the ledger entry of an acceptance, found by the ledger's own name for the case. No column
/// holds it: whoever reads the database could follow it from the case to every entry about it.
async fn index_of_acceptance(gateway: &Gateway, case: CaseId) -> Result<u64, FlowError> {
    let pool = &gateway.store.pool;
    let row = cases::find(pool, case).await?.ok_or(FlowError::NotFound)?;
    let (_, memory) = facts::open(&gateway.keyring, &row)?.ok_or(FlowError::NotFound)?;
    let name = hex(memory.audit_reference.uuid().as_bytes());
    Ok(ledger::first(pool, &name, Event::ReferralAccepted.as_str()).await?)
}

/// Signs what was accepted: the referrer can show it later, and it names nobody. The first answer also
/// shows the entry in the tree; a repetition, over a head of today, would have to read the whole ledger for
/// that and leaves it out.
fn receipt(
    gateway: &Gateway,
    id: ReferralId,
    digest: [u8; 32],
    at: Timestamp,
    index: u64,
    committed: &crate::audit::committed::Committed,
) -> Result<String, FlowError> {
    let head = committed.head();
    let (leaf, path) = committed.inclusion(index).as_ref().map(proof_members).unwrap_or_default();
    let payload = format!(
        "{{\"digest\":\"sha-256:{}\",\"id\":\"{id}\",{leaf}\"ledgerIndex\":{index},{path}\
         \"receivedAt\":\"{at}\",\"treeHead\":{{\"rootHash\":\"{}\",\"size\":{}}}}}",
        hex(&digest),
        hex(&head.root),
        head.size
    );
    let signed = gateway.keyring.sign_jws("bp-receipt+jwt", payload.as_bytes(), &gateway.entropy);
    Ok(signed.or(Err(StoreError::Unavailable("receipt key")))?)
}

/// The two members of a receipt that show the entry in the tree, each with a comma behind it.
fn proof_members(inclusion: &Inclusion) -> (String, String) {
    let hashes: Vec<String> =
        inclusion.path.iter().map(|hash| format!("\"{}\"", STANDARD.encode(hash))).collect();
    let leaf = format!("\"leafHash\":\"{}\",", hex(&inclusion.leaf_hash));
    (leaf, format!("\"proof\":[{}],", hashes.join(",")))
}
