//! A pairing (koppeling): one family and one support family, from introduction to end. A family may have
//! several, and so may a support family.

use crate::domain::case::CaseState;
use crate::domain::words::words;
use jiff::Timestamp;

words! {
    /// Where a pairing stands.
    PairingState {
        /// The families are to meet.
        Introduction = "introduction",
        /// They try it out.
        Trial = "trial",
        /// They go on.
        Paired = "paired",
        /// It is over.
        Ended = "ended",
    }
}

impl PairingState {
    /// The states a coordinator can move it to. A trial moves to a trial once: that is its extension.
    #[must_use]
    pub const fn next(self, extended: bool) -> &'static [Self] {
        match self {
            Self::Introduction => &[Self::Trial, Self::Ended],
            Self::Trial if extended => &[Self::Paired, Self::Ended],
            Self::Trial => &[Self::Trial, Self::Paired, Self::Ended],
            Self::Paired => &[Self::Ended],
            Self::Ended => &[],
        }
    }

    /// Whether this step tells either family something of the other.
    #[must_use]
    pub const fn tells(self) -> bool {
        !matches!(self, Self::Ended)
    }

    /// The state of the case while this is its furthest pairing.
    #[must_use]
    pub const fn of_case(self) -> Option<CaseState> {
        match self {
            Self::Introduction => Some(CaseState::Introduction),
            Self::Trial => Some(CaseState::Trial),
            Self::Paired => Some(CaseState::Paired),
            Self::Ended => None,
        }
    }
}

/// Where pairings in these states bring a case; nothing where none of them lives.
#[must_use]
pub fn furthest(states: impl IntoIterator<Item = PairingState>) -> Option<CaseState> {
    let living = states.into_iter().filter(|state| *state != PairingState::Ended);
    living.max().and_then(PairingState::of_case)
}

words! {
    /// Why a pairing ended.
    EndReason {
        /// What it was for was reached.
        GoalReached = "goal-reached",
        /// A family moved.
        Moved = "moved",
        /// It did not fit.
        Mismatch = "mismatch",
        /// The family stopped.
        FamilyStopped = "family-stopped",
        /// The support family stopped.
        SupportFamilyStopped = "support-family-stopped",
        /// More was needed.
        Escalated = "escalated",
    }
}

words! {
    /// Where a child lives after it: the continuum of family forms (`NJi`), lightest first.
    NextForm {
        /// At home, with nobody.
        Home = "home",
        /// At home, with a support family.
        SupportFamily = "support-family",
        /// In a foster family (pleeggezin).
        FosterFamily = "foster-family",
        /// In a family home (gezinshuis).
        FamilyHome = "family-home",
        /// In an institution.
        Residential = "residential",
    }
}

words! {
    /// What became of professional help.
    ProfessionalHelp {
        /// It was not needed.
        Prevented = "prevented",
        /// There was less of it.
        Reduced = "reduced",
        /// It ended.
        Ended = "ended",
        /// It stayed as it was.
        Unchanged = "unchanged",
        /// There was more of it.
        Increased = "increased",
    }
}

words! {
    /// What became of a child's social contacts.
    SocialContacts {
        /// More.
        More = "more",
        /// As many.
        Same = "same",
        /// Fewer.
        Less = "less",
    }
}

words! {
    /// Whether an out-of-home placement was avoided.
    PlacementAvoided {
        /// It was.
        Yes = "yes",
        /// It was not.
        No = "no",
        /// None was at hand.
        NotApplicable = "not-applicable",
    }
}

/// How long steps take: `policies/programme.toml`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Terms {
    /// Months for which a certificate of conduct that was seen counts.
    pub vog_months: u8,
    /// Shortest trial, in months.
    pub trial_least_months: u8,
    /// Longest trial, in months.
    pub trial_most_months: u8,
    /// Months a trial can be extended by, once.
    pub extension_months: u8,
    /// Months between evaluations.
    pub evaluation_months: u8,
}

/// Why the end of a trial is not one.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TrialRule {
    /// Too short or too long.
    #[error("must lie within the months a trial may take")]
    Length,
    /// A longer extension than there is.
    #[error("must lie after the present end, and no further than the one extension there is")]
    Extension,
}

impl Terms {
    /// Whether a trial from `from` may end at `until`.
    ///
    /// # Errors
    /// [`TrialRule::Length`].
    pub fn trial(&self, from: Timestamp, until: Timestamp) -> Result<(), TrialRule> {
        let after = |months| crate::domain::age::months_later(from, months);
        let least = after(self.trial_least_months).ok_or(TrialRule::Length)?;
        let most = after(self.trial_most_months).ok_or(TrialRule::Length)?;
        // Until a day: the day itself counts, whatever the hour it began at.
        let day = jiff::SignedDuration::from_hours(24);
        // Compared first: a day far away has no day after it.
        let fits = until <= most && until.checked_add(day).is_ok_and(|end| end > least);
        if fits { Ok(()) } else { Err(TrialRule::Length) }
    }

    /// Whether a trial that would end at `was` may end at `until` instead.
    ///
    /// # Errors
    /// [`TrialRule::Extension`].
    pub fn extension(&self, was: Timestamp, until: Timestamp) -> Result<(), TrialRule> {
        let most = crate::domain::age::months_later(was, self.extension_months);
        let fits = was < until && most.is_some_and(|most| until <= most);
        if fits { Ok(()) } else { Err(TrialRule::Extension) }
    }

    /// When the next evaluation is due after one, or after the beginning.
    #[must_use]
    pub fn next_evaluation(&self, from: Timestamp) -> Option<Timestamp> {
        crate::domain::age::months_later(from, self.evaluation_months)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms {
        vog_months: 36,
        trial_least_months: 1,
        trial_most_months: 2,
        extension_months: 1,
        evaluation_months: 6,
    };

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_trial_takes_one_to_two_months() {
        let from = at("2026-03-01T09:00:00Z");
        for (until, fits) in [
            ("2026-03-20T00:00:00Z", false),
            ("2026-04-01T00:00:00Z", true),
            ("2026-05-01T00:00:00Z", true),
            ("2026-05-03T00:00:00Z", false),
            ("9999-12-30T00:00:00Z", false),
        ] {
            assert_eq!(TERMS.trial(from, at(until)).is_ok(), fits, "{until}");
        }
    }

    #[test]
    fn it_is_extended_by_a_month_at_most_and_once() {
        let was = at("2026-05-01T00:00:00Z");
        assert!(TERMS.extension(was, at("2026-06-01T00:00:00Z")).is_ok());
        assert!(TERMS.extension(was, at("2026-06-03T00:00:00Z")).is_err());
        assert!(TERMS.extension(was, was).is_err());
        assert!(PairingState::Trial.next(false).contains(&PairingState::Trial));
        assert!(!PairingState::Trial.next(true).contains(&PairingState::Trial));
    }

    #[test]
    fn the_furthest_pairing_says_where_the_case_is() {
        use PairingState::{Ended, Introduction, Paired, Trial};
        assert_eq!(furthest([]), None);
        assert_eq!(furthest([Ended, Ended]), None);
        assert_eq!(furthest([Introduction, Ended]), Some(CaseState::Introduction));
        assert_eq!(furthest([Introduction, Trial]), Some(CaseState::Trial));
        assert_eq!(furthest([Paired, Trial, Introduction]), Some(CaseState::Paired));
    }

    #[test]
    fn every_living_state_can_end() {
        for state in [PairingState::Introduction, PairingState::Trial, PairingState::Paired] {
            assert!(state.next(true).contains(&PairingState::Ended));
        }
        assert!(PairingState::Ended.next(false).is_empty());
    }
}
