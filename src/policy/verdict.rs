//! The chain from "this role may ask" to "yes, and it is written down".

use crate::audit::committed::Committed;
use crate::audit::entry::{
    Actor, Code, Entry, Event, Object as LedgerObject, Outcome, PolicyStamp, RequestStamp,
};
use crate::domain::access::{Condition, Conditions, Use};
use crate::domain::partner::Role;
use crate::policy::action::Action;
use crate::policy::engine::{Decided, Engine};
use crate::policy::facts::{Circumstance, Facts};
use crate::policy::permit::Permit;
use crate::policy::sight::Sight;
use crate::policy::subject::Subject;
use std::marker::PhantomData;
use std::sync::Arc;

/// Proof that this caller's role may ask for `A`. To which object is for [`Self::decide`].
#[derive(Debug)]
pub struct Allowed<A: Action> {
    subject: Arc<Subject>,
    engine: Arc<Engine>,
    role: Role,
    action: PhantomData<fn() -> A>,
}

impl<A: Action> Clone for Allowed<A> {
    fn clone(&self) -> Self {
        let (subject, engine) = (Arc::clone(&self.subject), Arc::clone(&self.engine));
        Self { subject, engine, role: self.role, action: PhantomData }
    }
}

impl<A: Action> Allowed<A> {
    /// Asks the rules in memory; never waits.
    #[must_use]
    pub fn ask(subject: Arc<Subject>, engine: Arc<Engine>) -> Option<Self> {
        let role = engine.role_for::<A>(&subject)?;
        Some(Self { subject, engine, role, action: PhantomData })
    }

    /// Who asks.
    #[must_use]
    pub fn subject(&self) -> &Arc<Subject> {
        &self.subject
    }

    /// In which role.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// The same proof in another role of the caller's, where that role may ask too.
    #[must_use]
    pub fn in_role(self, role: Role) -> Option<Self> {
        let may = self.engine.may_ask::<A>(&self.subject, role);
        may.then_some(Self { role, ..self })
    }

    /// What may be seen of an object this action is about, for `purpose` and under `conditions`; that
    /// the token is bound is added from what is known of the caller.
    #[must_use]
    pub fn sight(&self, purpose: Use, conditions: Conditions) -> Sight {
        let conditions = conditions.with(Condition::TokenBound, self.subject.bound);
        Sight::new(Arc::clone(&self.engine), self.role, purpose, conditions)
    }

    /// What somebody in another role would see of one object, for whom the caller answers: a coordinator for a
    /// data subject.
    #[must_use]
    pub fn sight_of(&self, role: Role, purpose: Use, conditions: Conditions) -> Sight {
        let conditions = conditions.with(Condition::TokenBound, self.subject.bound);
        Sight::new(Arc::clone(&self.engine), role, purpose, conditions)
    }

    /// Decides about one object from facts that were read in the deciding transaction.
    #[must_use]
    pub fn decide(
        &self,
        object: A::Object,
        facts: &Facts,
        circumstance: &Circumstance,
    ) -> Verdict<A> {
        let decided =
            self.engine.decide::<A>(&self.subject, self.role, object, facts, circumstance);
        Verdict {
            subject: Arc::clone(&self.subject),
            policy: self.engine.hash(),
            role: self.role,
            object,
            decided,
            action: PhantomData,
        }
    }
}

/// A sealed yes or no. What it says comes out of [`Self::settle`] alone.
#[derive(Debug)]
pub struct Verdict<A: Action> {
    subject: Arc<Subject>,
    policy: [u8; 32],
    role: Role,
    object: A::Object,
    decided: Decided,
    action: PhantomData<fn() -> A>,
}

/// The policies said no. Carries nothing: the edge answers "not there".
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("refused")]
pub struct Refused;

/// What a ledger entry says beyond who, what and whether.
#[derive(Clone, Debug, Default)]
pub struct Note {
    /// Purpose, where the caller gave one; else the action's own.
    pub purpose: Option<&'static str>,
    /// Event of a refusal, where it is not `access.denied`.
    pub refused_as: Option<Event>,
    /// The consent the permission rests on, such as `consent:2`.
    pub basis: String,
    /// The ledger's name for the object.
    pub object: LedgerObject,
    /// Field groups disclosed or changed.
    pub fields: Vec<&'static str>,
    /// To whom a case is given, by the ledger's pseudonym of that account; written as `to:…` among the fields.
    pub to: Option<String>,
    /// Reason codes.
    pub why: Vec<&'static str>,
}

impl<A: Action> Verdict<A> {
    /// The ledger entry for this verdict: `granted` when it is yes, `access.denied` when it is no.
    #[must_use]
    pub fn entry(&self, granted: Event, note: &Note) -> Entry {
        let allow = self.decided.allow;
        let refused = note.refused_as.unwrap_or(Event::AccessDenied);
        let (event, outcome) =
            if allow { (granted, Outcome::Allow) } else { (refused, Outcome::Deny) };
        let mut entry = entry_of(&self.subject, self.role, event, outcome);
        entry.why = code(&[&[A::NAME], note.why.as_slice()].concat().join(":"));
        entry.purpose = code(note.purpose.unwrap_or(A::PURPOSE));
        entry.basis = code(&note.basis);
        entry.object = note.object.clone();
        if allow {
            let to = note.to.iter().map(|to| code(&format!("to:{to}")));
            entry.fields = note.fields.iter().map(|name| code(name)).chain(to).collect();
        }
        entry.policy = PolicyStamp {
            hash: Some(self.policy),
            rules: self.decided.rules.iter().map(|rule| code(rule)).collect(),
        };
        entry
    }

    /// Makes what is written along with the entry, if the verdict is yes. Says nothing to the caller.
    pub fn when_allowed<E: Default>(&self, effect: impl FnOnce() -> E) -> E {
        if self.decided.allow { effect() } else { E::default() }
    }

    /// Opens the verdict against the proof that this request's entry is in the ledger.
    ///
    /// # Errors
    /// [`Refused`] when the policies said no, and when the proof is of another request.
    pub fn settle(self, committed: &Committed) -> Result<Permit<A>, Refused> {
        if self.decided.allow && committed.covers(self.subject.request) {
            Ok(Permit::new(self.object, committed.index()))
        } else {
            Err(Refused)
        }
    }
}

/// An entry that says who asked, in which role and in which request, and nothing else yet.
#[must_use]
pub fn entry_of(subject: &Subject, role: Role, event: Event, outcome: Outcome) -> Entry {
    let mut entry = Entry::new(event, outcome);
    entry.actor = Actor {
        organisation: code(subject.number.as_str()),
        partner: Some(subject.partner.uuid()),
        role: code(role.as_str()),
        certificate: subject.certificate,
        subject: code(&subject.pseudonym),
        token: Some(subject.token),
    };
    entry.request =
        RequestStamp { id: code(&subject.request.to_string()), trace: code(&subject.trace) };
    entry
}

/// Text for the ledger; what does not fit its alphabet becomes the word `unfit`, so that nothing
/// written by a caller can get in.
fn code(text: &str) -> Code {
    Code::parse(text).unwrap_or_else(|_| Code::parse("unfit").unwrap_or_default())
}
