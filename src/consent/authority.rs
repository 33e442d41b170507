//! Who must sign for one subject, by age, competence and authority.

use crate::domain::age::{Ages, BirthDate};
use crate::domain::consent::{Authority, AuthorityType, Reason, SubjectFacts, SubjectRef};
use jiff::civil::Date;
use std::collections::BTreeSet;

/// What one subject requires: the union over every age they can have.
#[derive(Debug)]
pub(super) struct Requirement<'a> {
    /// Signature of the subject, and the reason to give when it lacks.
    pub(super) own: Option<Reason>,
    /// Holders of authority.
    pub(super) holders: Holders<'a>,
    /// Signature of a curator or mentor.
    pub(super) representative: bool,
}

/// The holders of authority who must sign.
#[derive(Debug)]
pub(super) enum Holders<'a> {
    /// None: the subject decides, or an adult's representative.
    NotNeeded,
    /// All of these.
    All(&'a Authority),
    /// Cannot be told, and everything that is why.
    NotEstablished(Vec<Reason>),
}

/// Ages at which the rules change, in completed years.
const CONSENTS_BESIDE_PARENTS: u16 = 12;
const CONSENTS_ALONE: u16 = 16;
const OF_AGE: u16 = 18;

impl<'a> Requirement<'a> {
    /// What `subject` requires on `day`.
    ///
    /// Where competence is not stated, a minor of 12 and over is treated both as competent and as
    /// not: the young person and the holders must sign. An adult is competent unless stated
    /// otherwise or under a representative.
    pub(super) fn of(subject: &'a SubjectFacts, day: Date) -> Self {
        let Ages { youngest, oldest } = ages(subject, day);
        let adult = oldest >= OF_AGE;
        let minor = youngest < OF_AGE;
        let may_be_competent = subject.competent != Some(false);
        let may_be_incompetent = subject.competent != Some(true);

        let under_16 = youngest < CONSENTS_ALONE;
        let youth_consents = minor && oldest >= CONSENTS_BESIDE_PARENTS && may_be_competent;
        let represented = subject.competent == Some(false)
            || (may_be_incompetent && !subject.representatives.is_empty());
        let representative = adult && represented;

        let own = if youth_consents {
            Some(Reason::YouthMissing)
        } else if adult && !represented {
            Some(Reason::AdultMissing)
        } else {
            None
        };
        let holders = if under_16 || (minor && may_be_incompetent) {
            established(subject)
        } else {
            Holders::NotNeeded
        };
        Self { own, holders, representative }
    }
}

fn ages(subject: &SubjectFacts, day: Date) -> Ages {
    let ages = subject.birth.ages_on(day);
    if subject.birth == BirthDate::UNKNOWN && subject.adult && subject.authority.is_none() {
        Ages { youngest: OF_AGE, ..ages }
    } else {
        ages
    }
}

/// The holders, if the source leaves no doubt about who they are: a sort of authority with the
/// number of holders the BRP gives for it, none of whom is the child, and no investigation running.
fn established(subject: &SubjectFacts) -> Holders<'_> {
    let Some(authority) = &subject.authority else {
        return Holders::NotEstablished(vec![Reason::AuthorityUnknown]);
    };
    let count = authority.holders.len();
    let own_holder = authority.holders.contains(&subject.reference);
    let doubt = match authority.kind {
        Some(AuthorityType::TijdelijkGeenGezag) => Some(Reason::AuthorityVacant),
        Some(AuthorityType::GezamenlijkOuderlijkGezag | AuthorityType::GezamenlijkGezag)
            if count == 2 && !own_holder =>
        {
            None
        }
        Some(AuthorityType::EenhoofdigOuderlijkGezag) if count == 1 && !own_holder => None,
        Some(AuthorityType::Voogdij) if count >= 1 && !own_holder => None,
        _ => Some(Reason::AuthorityUnknown),
    };
    let investigation =
        authority.under_investigation.then_some(Reason::AuthorityUnderInvestigation);
    let why: Vec<Reason> = doubt.into_iter().chain(investigation).collect();
    if why.is_empty() { Holders::All(authority) } else { Holders::NotEstablished(why) }
}

/// The holders a court's decision stands in for. A court replaces one of two who hold authority
/// together (BW 1:253a), never a sole holder, a guardian, or both.
pub(super) fn replaced<'a>(
    authority: &'a Authority,
    by_court: &BTreeSet<SubjectRef>,
) -> BTreeSet<&'a SubjectRef> {
    let joint = matches!(
        authority.kind,
        Some(AuthorityType::GezamenlijkOuderlijkGezag | AuthorityType::GezamenlijkGezag)
    );
    let named: BTreeSet<&SubjectRef> =
        authority.holders.iter().filter(|holder| by_court.contains(*holder)).collect();
    if joint && named.len() < authority.holders.len() { named } else { BTreeSet::new() }
}
