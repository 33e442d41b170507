//! The words of consent: who is asked, for what, and what they said.
//!
//! Plain facts for [`crate::consent::evaluate`]. People appear only under the label the sender gave
//! them in the message (`parent1`); a name has no place here.
//!
//! # Invariants
//! * The order of [`Reason`] is the order in which reasons are told.
//! * `Debug` shows no label, evidence or date of birth.
//!
//! # Not here
//! No rule: who must sign at which age is in [`crate::consent`]. No JSON.

use crate::domain::age::{AgeBand, BirthDate, date_in_amsterdam};
use crate::domain::words::words;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::fmt;

words! {
    /// For what data of a family may be used. None covers another.
    Purpose {
        /// Hand the family over to the coordinator's organisation.
        Referral = "referral",
        /// Release the registrant's own contact data, to collect the signatures that are missing.
        Contact = "contact",
        /// Tell the referrer how it goes.
        Feedback = "feedback",
        /// Tell the case manager of the plan how it goes.
        Coordination = "coordination",
        /// Choose the coordinator.
        Assignment = "assignment",
        /// Get to know the family.
        Intake = "intake",
        /// Pair the family with a support family.
        Pairing = "pairing",
        /// Stay in touch and evaluate.
        Monitoring = "monitoring",
        /// Count.
        Statistics = "statistics",
    }
}

words! {
    /// Sort of data that consent can be given for.
    Category {
        /// Names and dates of birth.
        Identity = "identity",
        /// Telephone, e-mail and address.
        Contact = "contact",
        /// What is asked for.
        SupportRequest = "support-request",
        /// Attention points about health: only on explicit consent.
        Health = "health",
        /// Composition of the household.
        Household = "household",
        /// Whether the referrer must be called first.
        SafetySignal = "safety-signal",
        /// Reference to the plan of a regieteam or doorbraakcoach.
        PlanReference = "plan-reference",
        /// Goals of that plan.
        PlanGoals = "plan-goals",
        /// Where the case stands.
        CaseStatus = "case-status",
        /// The pairing.
        Pairing = "pairing",
        /// Outcomes of evaluations.
        Evaluations = "evaluations",
        /// Burgerservicenummer: refused whatever was consented.
        Bsn = "bsn",
        /// Data on criminal matters: refused whatever was consented.
        Criminal = "criminal",
    }
}

words! {
    /// Why consent does not suffice, in the order of `reasonOrder` in `tests/data/consent.json`.
    Reason {
        /// The message holds a burgerservicenummer.
        BsnNotAllowed = "bsn-not-allowed",
        /// A category the gateway never passes on.
        CategoryForbidden = "category-forbidden",
        /// The purpose is none of ours.
        PurposeUnknown = "purpose-unknown",
        /// A report to Veilig Thuis or the Raad goes directly, not through the gateway.
        ChildProtectionReportOutsideGateway = "child-protection-report-outside-gateway",
        /// Consent was presumed, not given.
        ConsentImplied = "consent-implied",
        /// There is no consent.
        ConsentMissing = "consent-missing",
        /// Nothing shows that consent was given.
        EvidenceMissing = "evidence-missing",
        /// Unknown what the family was told.
        NoticeMissing = "notice-missing",
        /// Consent was a condition for other help.
        ConsentNotFree = "consent-not-free",
        /// Consent was withdrawn.
        ConsentWithdrawn = "consent-withdrawn",
        /// Somebody who must consent refuses.
        ConsentRefused = "consent-refused",
        /// The consent begins later.
        NotYetValid = "not-yet-valid",
        /// The consent is over.
        Expired = "expired",
        /// Who holds authority is not known.
        AuthorityUnknown = "authority-unknown",
        /// Nobody holds authority for the moment.
        AuthorityVacant = "authority-vacant",
        /// Who holds authority is being looked into.
        AuthorityUnderInvestigation = "authority-under-investigation",
        /// A holder of authority has not signed.
        AuthorityHolderMissing = "authority-holder-missing",
        /// The young person has not signed.
        YouthMissing = "youth-missing",
        /// An adult has not signed for themselves.
        AdultMissing = "adult-missing",
        /// No signature of the curator or mentor of an adult who cannot decide.
        RepresentativeMissing = "representative-missing",
        /// Somebody without standing signed.
        SignerNotEntitled = "signer-not-entitled",
        /// The consent is not about everyone in the message.
        SubjectNotCovered = "subject-not-covered",
        /// The consent is for another purpose.
        PurposeNotCovered = "purpose-not-covered",
        /// The consent names another recipient.
        RecipientNotCovered = "recipient-not-covered",
        /// The consent is for other data.
        CategoryNotCovered = "category-not-covered",
        /// Health was consented to, but not explicitly.
        ConsentNotExplicit = "consent-not-explicit",
        /// The recipient does not take part in the plan.
        NotAPlanParticipant = "not-a-plan-participant",
        /// The coordinator is not the one the case is assigned to.
        NotAssigned = "not-assigned",
        /// An objection to this use is on record.
        Objection = "objection",
    }
}

words! {
    /// Sorts of authority that have holders or an answer, named as in the BRP API (gezag v2).
    AuthorityType {
        /// Both parents.
        GezamenlijkOuderlijkGezag = "GezamenlijkOuderlijkGezag",
        /// One parent.
        EenhoofdigOuderlijkGezag = "EenhoofdigOuderlijkGezag",
        /// A parent together with somebody else.
        GezamenlijkGezag = "GezamenlijkGezag",
        /// A guardian, often a gecertificeerde instelling.
        Voogdij = "Voogdij",
        /// Nobody for the moment.
        TijdelijkGeenGezag = "TijdelijkGeenGezag",
        /// The BRP cannot tell.
        GezagNietTeBepalen = "GezagNietTeBepalen",
    }
}

words! {
    /// What a signer decided.
    SignatureDecision {
        /// Consents.
        Given = "given",
        /// Does not consent.
        Refused = "refused",
        /// Takes consent back.
        Withdrawn = "withdrawn",
    }
}

/// Text was not a label. The text itself is not repeated.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("must be a label of 1 to {max} letters, digits, hyphens, underscores{also}")]
pub struct NotALabel {
    max: usize,
    also: &'static str,
}

/// Defines a label: short ASCII text without spaces, not shown by `Debug`.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident, $max:literal, $extra:literal, $also:literal) => {
        $(#[$doc])*
        #[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(String);

        impl $name {
            /// # Errors
            /// [`NotALabel`] for other characters or lengths.
            pub fn parse(text: &str) -> Result<Self, NotALabel> {
                let fits = |b: u8| b.is_ascii_alphanumeric() || $extra.contains(&b);
                if (1..=$max).contains(&text.len()) && text.bytes().all(fits) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(NotALabel { max: $max, also: $also })
                }
            }

            /// The label as the sender wrote it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

label! {
    /// The sender's own label for somebody in the message, such as `parent1`.
    SubjectRef, 32, b"-_", ""
}

label! {
    /// Who receives, by organisation or function, such as `buurtgezinnen:nijmegen`; also an OIN.
    Recipient, 80, b"-_:./", ", colons, dots and slashes"
}

/// Who holds authority over a minor, as the source gives it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Authority {
    /// The sort; `None` when the source gives none that we know.
    pub kind: Option<AuthorityType>,
    /// Those who hold it.
    pub holders: BTreeSet<SubjectRef>,
    /// Whether the BRP marks it as being looked into.
    pub under_investigation: bool,
}

/// What consent needs to know of somebody whose data is in the message.
#[derive(Clone, Debug, PartialEq)]
pub struct SubjectFacts {
    /// The label.
    pub reference: SubjectRef,
    /// Date of birth.
    pub birth: BirthDate,
    /// Stated to be a parent or other adult. Counts only where no date of birth and no authority is
    /// given: then the person is taken to be of age.
    pub adult: bool,
    /// Able to weigh their own interests in this matter (wilsbekwaam); `None` when not stated.
    pub competent: Option<bool>,
    /// Authority, for a minor.
    pub authority: Option<Authority>,
    /// Curator or mentor, for an adult who cannot decide.
    pub representatives: BTreeSet<SubjectRef>,
}

/// Age band of the youngest child, today in Amsterdam; the oldest band where no child is named.
#[must_use]
pub fn youngest(subjects: &[SubjectFacts], now: Timestamp) -> AgeBand {
    let today = date_in_amsterdam(now);
    let children = subjects.iter().filter(|subject| !subject.adult);
    let bands = children.map(|subject| AgeBand::of(subject.birth.ages_on(today).youngest));
    bands.min().unwrap_or(AgeBand::From18To23)
}

/// One decision of one signer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signature {
    /// Who.
    pub signer: SubjectRef,
    /// What.
    pub decision: SignatureDecision,
    /// When.
    pub at: Timestamp,
}

/// Consent as it was recorded.
#[derive(Clone, PartialEq)]
pub struct Consent {
    /// For what.
    pub purposes: BTreeSet<Purpose>,
    /// To whom.
    pub recipients: BTreeSet<Recipient>,
    /// Which data.
    pub categories: BTreeSet<Category>,
    /// About whom.
    pub subjects: BTreeSet<SubjectRef>,
    /// Decisions, in any order.
    pub signatures: Vec<Signature>,
    /// Parents whose consent a court replaced (BW 1:253a).
    pub replaced_by_court: BTreeSet<SubjectRef>,
    /// First instant of the term; without it the consent never begins.
    pub valid_from: Option<Timestamp>,
    /// First instant after the term; `None` for the default term.
    pub valid_until: Option<Timestamp>,
    /// When the whole consent was withdrawn.
    pub withdrawn_at: Option<Timestamp>,
    /// Where the proof is, such as a digest.
    pub evidence: Option<String>,
    /// Version of the information the family was given.
    pub notice_version: Option<String>,
    /// Expressed in so many words, as health data requires (AVG 9 lid 2 a).
    pub explicit: bool,
    /// Presumed from behaviour, not given.
    pub implied: bool,
    /// Made a condition for other help.
    pub conditional: bool,
}

impl fmt::Debug for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consent")
            .field("purposes", &self.purposes)
            .field("categories", &self.categories)
            .field("signatures", &self.signatures.len())
            .finish_non_exhaustive()
    }
}

/// What is about to be done with the data.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// Take a message in, or pass something on, that needs no assignment.
    Process,
    /// Show an identity to a coordinator.
    ReleaseIdentity {
        /// The coordinator who asks.
        to: Option<Recipient>,
        /// The coordinator the case is assigned to.
        assigned_to: Option<Recipient>,
    },
}

/// One use of a family's data, to be judged on the consent for it.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each its own rule")]
pub struct Request {
    /// When. Ages are taken on this day in Europe/Amsterdam; decisions up to and including it
    /// count.
    pub at: Timestamp,
    /// For what; `None` when the word is none of ours.
    pub purpose: Option<Purpose>,
    /// To whom, as consent would name it.
    pub recipient: Option<Recipient>,
    /// Which data.
    pub categories: BTreeSet<Category>,
    /// Whether data is asked for, or sent, that is none of our categories.
    pub other_categories: bool,
    /// Everyone whose data is in the message.
    pub subjects: Vec<SubjectFacts>,
    /// Who registers: the only one that purpose `contact` is about.
    pub applicant: Option<SubjectRef>,
    /// What is about to be done.
    pub action: Action,
    /// Who takes part in the plan, for purpose `coordination`.
    pub plan_participants: BTreeSet<Recipient>,
    /// Whether a burgerservicenummer was found in the message.
    pub contains_bsn: bool,
    /// Whether this is a report to Veilig Thuis or the Raad voor de Kinderbescherming.
    pub child_protection_report: bool,
    /// Whether the message came from a POH-J.
    pub from_poh_j: bool,
    /// Whether the parents are known to be in a contested divorce.
    pub contested_divorce: bool,
    /// Whether the other parent is known to object.
    pub other_parent_objects: bool,
    /// Whether an objection to this purpose is on record (AVG 21).
    pub objection: bool,
}

/// Choices of policy, from `policies/consent.toml`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Switches {
    /// Whether one parent may be presumed to speak for both, within narrow limits. Default off.
    pub one_parent_presumption: bool,
    /// Term in calendar months of a consent that names no end. Default 12.
    pub default_term_months: u8,
}

impl Default for Switches {
    fn default() -> Self {
        Self { one_parent_presumption: false, default_term_months: 12 }
    }
}
