//! What verbs have in common that need no fact from the transaction: decide, record, go on.

use crate::audit::committed::Committed;
use crate::audit::entry::Event;
use crate::flow::{FlowError, Gateway};
use crate::policy::action::Action;
use crate::policy::facts::{Circumstance, Facts};
use crate::policy::verdict::Note;
use crate::policy::{Allowed, Permit};
use crate::store::effect::{Effect, Rows};
use crate::store::writer::Question;
use std::sync::Arc;

/// Decides from `facts` alone and records the verdict; the permit says that it was yes.
pub(super) async fn settle<A: Action>(
    gateway: &Arc<Gateway>,
    allowed: &Allowed<A>,
    object: A::Object,
    facts: &Facts,
    granted: Event,
) -> Result<(Permit<A>, Committed), FlowError> {
    let verdict = allowed.decide(object, facts, &Circumstance::None);
    let entry = verdict.entry(granted, &Note::default());
    let request = allowed.subject().request;
    let decide = move |_: &_| (Effect::new(request, entry.clone(), Rows::default()), ());
    let now = gateway.clock.now();
    let ((), committed) = gateway.store.writer.write(Question::default(), now, decide).await?;
    Ok((verdict.settle(&committed)?, committed))
}
