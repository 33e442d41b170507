//! What every verb on a support family has in common: read, open the facts, decide, write. As `on_case`.

use crate::audit::entry::{Event, Outcome};
use crate::crypto::seal::CaseKey;
use crate::domain::partner::Slug;
use crate::domain::support_family::SupportState;
use crate::flow::on_case::ledger_object;
use crate::flow::{Done, FlowError, Gateway, Once};
use crate::ids::{PartnerId, SupportFamilyId};
use crate::policy::facts::{Circumstance, Facts, SupportFacts};
use crate::policy::verdict::Note;
use crate::policy::{Action, Allowed, Permit, Verdict};
use crate::store::StoreError;
use crate::store::effect::{Effect, Rows};
use crate::store::support_facts::{self, SupportMemory};
use crate::store::support_families::SupportRow;
use crate::store::writer::{Found, FoundSupport, Question};
use jiff::Timestamp;
use std::sync::Arc;

/// A support family as it was found inside the deciding transaction.
pub(super) struct OpenSupport<'a> {
    pub(super) row: &'a SupportRow,
    pub(super) key: &'a CaseKey,
    pub(super) memory: &'a SupportMemory,
    /// How many pairings of it live.
    pub(super) living: i64,
    /// Whether the key of the request was used before.
    pub(super) remembered: bool,
}

/// A question about one support family.
pub(super) struct Asked {
    pub(super) id: SupportFamilyId,
    pub(super) event: Event,
    pub(super) once: Option<Once>,
    pub(super) fields: Vec<&'static str>,
    pub(super) why: Option<&'static str>,
}

/// Reads a support family inside the transaction, decides, writes.
pub(super) async fn on_support<A, T>(
    gateway: &Arc<Gateway>,
    allowed: Allowed<A>,
    asked: Asked,
    step: impl Fn(&OpenSupport<'_>, Timestamp) -> Result<(Rows, T), FlowError> + Send + 'static,
) -> Result<(Permit<A>, Done<T>), FlowError>
where
    A: Action<Object = SupportFamilyId>,
    T: Send + 'static,
{
    let now = gateway.clock.now();
    let own = Arc::clone(gateway);
    let question = Question {
        support: Some(asked.id),
        idempotency: asked.once.map(|once| once.scope),
        register: Some(allowed.subject().register),
        ..Question::default()
    };
    let decide = move |found: &Found| decided(&own, &allowed, &asked, found, now, &step);
    let ((verdict, outcome), committed) = gateway.store.writer.write(question, now, decide).await?;
    let permit = verdict.settle(&committed)?;
    let value = outcome.unwrap_or(Err(FlowError::NotFound))?;
    Ok((permit, Done { value, committed }))
}

type Answer<A, T> = (Verdict<A>, Option<Result<T, FlowError>>);

fn decided<A, T>(
    gateway: &Gateway,
    allowed: &Allowed<A>,
    asked: &Asked,
    found: &Found,
    now: Timestamp,
    step: &impl Fn(&OpenSupport<'_>, Timestamp) -> Result<(Rows, T), FlowError>,
) -> (Effect, Answer<A, T>)
where
    A: Action<Object = SupportFamilyId>,
{
    let request = allowed.subject().request;
    let opened = found.support.as_ref().and_then(|support| {
        let opened = support_facts::open(&gateway.keyring, &support.row).ok().flatten();
        opened.map(|(key, memory)| (support, key, memory))
    });
    let Some((support, key, memory)) = opened else {
        // As long as another's takes.
        let instead = found.support_instead.as_ref();
        std::hint::black_box(instead.map(|row| support_facts::open(&gateway.keyring, row).is_ok()));
        let verdict = allowed.decide(asked.id, &nobodys(), &Circumstance::None);
        let entry = verdict.entry(Event::AccessDenied, &Note::default());
        return (Effect::new(request, entry, Rows::default()), (verdict, None));
    };
    let open = OpenSupport {
        row: &support.row,
        key: &key,
        memory: &memory,
        living: support.living,
        remembered: found.remembered.is_some(),
    };
    let verdict = allowed.decide(asked.id, &facts_of(support), &Circumstance::None);
    let reused = found.remembered.as_ref().zip(asked.once).is_some_and(|(r, o)| r.body != o.body);
    let outcome = match (found.register_moved, reused) {
        (true, _) => Err(StoreError::Busy.into()),
        (_, true) => Err(FlowError::KeyReused),
        _ => step(&open, now),
    };
    let note = Note {
        object: ledger_object("support-family", memory.audit_reference),
        fields: asked.fields.clone(),
        why: asked.why.into_iter().collect(),
        ..Note::default()
    };
    let mut entry = verdict.entry(asked.event, &note);
    let (rows, outcome) = match outcome {
        Ok((rows, value)) => (verdict.when_allowed(|| rows), Ok(value)),
        Err(error) => {
            verdict.when_allowed(|| entry.outcome = Outcome::Error);
            (Rows::default(), Err(error))
        }
    };
    (Effect::new(request, entry, rows), (verdict, Some(outcome)))
}

fn facts_of(support: &FoundSupport) -> Facts {
    let row = &support.row;
    let mut holders = support.paired_with.clone();
    holders.push(row.coordinator.clone());
    Facts::SupportFamily(SupportFacts {
        organisation: row.organisation,
        coordinator: row.coordinator.clone(),
        holders,
        open: row.state != SupportState::Left,
    })
}

/// Facts of a support family that is nobody's, decided on in place of one that is not there.
fn nobodys() -> Facts {
    Slug::parse("nobody").map_or(Facts::Absent, |coordinator| {
        Facts::SupportFamily(SupportFacts {
            organisation: PartnerId::from_uuid(uuid::Uuid::nil()),
            coordinator,
            holders: Vec::new(),
            open: false,
        })
    })
}
