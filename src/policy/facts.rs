//! Facts about an object, read by the store inside the deciding transaction and handed to the engine.

use crate::domain::partner::Slug;
use crate::ids::PartnerId;

/// What the policies may know about a case.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CaseFacts {
    /// The organisation the case belongs to.
    pub organisation: PartnerId,
    /// The coordinator who holds it.
    pub assignee: Option<Slug>,
    /// Whether the case is neither closed nor on hold.
    pub open: bool,
    /// Release purposes that the consent found at this instant covers.
    pub consented: Vec<&'static str>,
}

impl CaseFacts {
    /// Facts of a case that belongs to nobody, for objects that are not there.
    pub(super) const fn nobodys() -> Self {
        let organisation = PartnerId::from_uuid(uuid::Uuid::nil());
        Self { organisation, assignee: None, open: false, consented: Vec::new() }
    }
}

/// What the policies may know about a support family.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SupportFacts {
    /// The organisation it registered with.
    pub organisation: PartnerId,
    /// The coordinator who looks after it.
    pub coordinator: Slug,
    /// She, and the coordinators of the families it is paired with.
    pub holders: Vec<Slug>,
    /// Whether it has not left.
    pub open: bool,
}

/// Facts about the object of one question.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Facts {
    /// The object is not there. Every question about it is refused, as if it were another's.
    Absent,
    /// A case.
    Case(CaseFacts),
    /// A referral, by the partner that sent it.
    Referral {
        /// The partner that sent it.
        partner: PartnerId,
    },
    /// A support family.
    SupportFamily(SupportFacts),
    /// An object about which nothing but its key is known: a partner, a gemeente.
    Bare,
}

/// What the caller adds to a question.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Circumstance {
    /// Nothing.
    #[default]
    None,
    /// For what the identity is to be opened.
    Purpose(&'static str),
    /// What `consent::evaluate` found: `full`, `contact` or `none`.
    Consent(&'static str),
    /// Whether the person named may be given the case.
    Eligible(bool),
    /// Whether a step of a pairing tells either family something.
    Tells(bool),
    /// Whether the family consented to coordination, and whether the caller's organisation takes part.
    Coordination {
        /// The family consented to it at this instant.
        consented: bool,
        /// The caller's organisation takes part in the plan.
        participant: bool,
    },
}
