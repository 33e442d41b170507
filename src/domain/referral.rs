//! A referral: a professional, or a family itself, asks for a support family.

use crate::domain::age::AgeBand;
use crate::domain::consent::{Consent, SubjectFacts, SubjectRef};
use crate::domain::identity::{Disclosure, Secret};
use crate::domain::likeness::Feature;
use crate::domain::municipality::{District, Municipality};
use crate::domain::person::Hint;
use crate::domain::words::words;

words! {
    /// In which capacity somebody refers. The names of the institutions stay Dutch.
    Source {
        /// Wijkteam.
        Wijkteam = "wijkteam",
        /// Praktijkondersteuner huisartsenzorg jeugd.
        PohJ = "poh-j",
        /// Regieteam.
        Regieteam = "regieteam",
        /// Doorbraakcoach.
        Doorbraakcoach = "doorbraakcoach",
        /// The family itself.
        SelfRegistered = "self",
        /// Any other professional.
        Other = "other",
    }
}

impl Source {
    /// Whether a referral from here must come with a plan; elsewhere a plan is refused.
    #[must_use]
    pub const fn has_plan(self) -> bool {
        matches!(self, Self::Regieteam | Self::Doorbraakcoach)
    }
}

words! {
    /// How soon somebody should look at it.
    Urgency {
        /// In turn.
        Regular = "regular",
        /// Before others.
        Urgent = "urgent",
    }
}

words! {
    /// Where a referral stands, as its referrer sees it.
    ReferralStatus {
        /// Received.
        Received = "received",
        /// A coordinator has it.
        Assigned = "assigned",
        /// The coordinator and the family are in touch.
        InContact = "in-contact",
        /// Paired with a support family.
        Paired = "paired",
        /// Ended without a pairing.
        NotPaired = "not-paired",
        /// Ended.
        Completed = "completed",
        /// Signatures are being collected.
        AwaitingConsent = "awaiting-consent",
        /// Waiting.
        OnHold = "on-hold",
        /// Not taken up.
        Declined = "declined",
        /// Taken back by the referrer.
        Withdrawn = "withdrawn",
    }
}

words! {
    /// Who a subject is in the household.
    SubjectRole {
        /// A parent.
        Parent = "parent",
        /// A child or young person.
        Youth = "youth",
        /// Another adult whose data is in the message.
        OtherAdult = "other-adult",
    }
}

words! {
    /// Composition of the household.
    Composition {
        /// One parent.
        OneParent = "one-parent",
        /// Two parents.
        TwoParent = "two-parent",
        /// A blended family.
        Blended = "blended",
        /// A foster family.
        Foster = "foster",
        /// Any other.
        Other = "other",
    }
}

words! {
    /// What support is asked for.
    SupportCode {
        /// Relieve the parent.
        RelieveParent = "relieve-parent",
        /// Support in bringing up the children.
        ParentingSupport = "parenting-support",
        /// A wider network.
        Network = "network",
        /// Rest for a child.
        RestForChild = "rest-for-child",
        /// A hand with practical things.
        PracticalHelp = "practical-help",
        /// Questions about money.
        MoneyQuestions = "money-questions",
        /// Language and taking part.
        LanguageAndTakingPart = "language-and-taking-part",
        /// Anything else.
        Other = "other",
    }
}

words! {
    /// A part of the week.
    Daypart {
        /// Weekday morning.
        WeekdayMorning = "weekday-morning",
        /// Weekday afternoon.
        WeekdayAfternoon = "weekday-afternoon",
        /// Weekday evening.
        WeekdayEvening = "weekday-evening",
        /// Weekend morning.
        WeekendMorning = "weekend-morning",
        /// Weekend afternoon.
        WeekendAfternoon = "weekend-afternoon",
        /// Weekend evening.
        WeekendEvening = "weekend-evening",
        /// A night.
        Night = "night",
    }
}

words! {
    /// How often.
    Frequency {
        /// More than once a week.
        SeveralTimesAWeek = "several-times-a-week",
        /// Once a week.
        Weekly = "weekly",
        /// Every other week.
        Fortnightly = "fortnightly",
        /// Once a month.
        Monthly = "monthly",
        /// As it suits.
        Flexible = "flexible",
    }
}

words! {
    /// What to mind during a visit. No diagnoses.
    AttentionPoint {
        /// Allergy.
        Allergy = "allergy",
        /// Physical disability.
        PhysicalDisability = "physical-disability",
        /// Easily overwhelmed.
        StimulusSensitive = "stimulus-sensitive",
        /// Takes medicine during the visit.
        MedicationDuringVisit = "medication-during-visit",
        /// Anything else.
        Other = "other",
    }
}

words! {
    /// Who already helps.
    Involved {
        /// Wijkteam.
        Wijkteam = "wijkteam",
        /// Youth care.
        YouthCare = "youth-care",
        /// Gecertificeerde instelling.
        GuardianInstitution = "guardian-institution",
        /// School.
        School = "school",
        /// Nobody.
        None = "none",
    }
}

words! {
    /// Sort of plan a referral can belong to.
    PlanType {
        /// Integral plan of a regieteam.
        IntegraalPlanVanAanpak = "integraal-plan-van-aanpak",
        /// Plan of a doorbraakcoach, with a horizon of three to six months.
        Maatwerkplan = "maatwerkplan",
    }
}

words! {
    /// Where a goal of a plan stands.
    GoalStatus {
        /// Not begun.
        Open = "open",
        /// Being worked on.
        InProgress = "in-progress",
        /// Reached.
        Reached = "reached",
        /// Given up.
        Stopped = "stopped",
    }
}

/// What a coordinator may know of the family before opening its identity, and what figures count.
/// No name, no date, no place finer than a wijk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Profile {
    /// Gemeente.
    pub municipality: Municipality,
    /// Wijk, where known.
    pub district: Option<District>,
    /// Composition of the household.
    pub composition: Composition,
    /// Age band of the youngest child at the referral.
    pub youngest: AgeBand,
}

/// What is asked for, as far as matching needs. Codes, nothing in words.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SupportAsked {
    /// What.
    pub codes: Vec<SupportCode>,
    /// When.
    pub dayparts: Vec<Daypart>,
    /// Whether a child would stay the night.
    pub sleepover: bool,
    /// The language the family is best reached in, as a tag.
    pub language: Option<String>,
    /// The address may be told to another family: it was said not to be confidential.
    pub address_may_be_told: bool,
    /// Children in the household, where it was said.
    pub children: Option<u8>,
}

/// A referral that passed every rule of form. Consent has not been looked at yet.
#[derive(Debug)]
pub struct NewReferral {
    /// In which capacity.
    pub source: Source,
    /// How soon.
    pub urgency: Urgency,
    /// What may be known without opening the identity.
    pub profile: Profile,
    /// Who registers, by label: the one whose contact data stage `contact` may release.
    pub applicant: Option<SubjectRef>,
    /// What consent is judged on, one entry a subject.
    pub subjects: Vec<SubjectFacts>,
    /// Who takes part in the plan, by OIN, where there is one.
    pub plan_participants: Vec<String>,
    /// The consent that came along.
    pub consent: Option<Consent>,
    /// Goals of the plan, by label, and where each stands.
    pub goals: Vec<(String, GoalStatus)>,
    /// Whether attention points about health were sent.
    pub tells_health: bool,
    /// What is asked for, in codes.
    pub asked: SupportAsked,
    /// The field groups to seal.
    pub disclosures: Vec<Disclosure>,
    /// The registrant's own name, sealed apart for stage `contact`.
    pub registrant: Option<Secret>,
    /// By what the family may be known again.
    pub likeness: Vec<Feature>,
    /// What the referrer is warned about.
    pub warnings: Vec<(String, Hint)>,
}
