//! A case: what the coordinator's organisation works on, from the referral to the end.

use crate::domain::words::words;

words! {
    /// Where a case stands, seen by the coordinator.
    CaseState {
        /// Received, nobody has taken it up.
        New = "new",
        /// The coordinator gets to know the family.
        Intake = "intake",
        /// A support family is looked for.
        Searching = "searching",
        /// The families meet.
        Introduction = "introduction",
        /// The families try it out.
        Trial = "trial",
        /// The families are paired.
        Paired = "paired",
        /// The pairing is being evaluated.
        Evaluating = "evaluating",
        /// Ended.
        Closed = "closed",
        /// Waiting, for instance after consent was withdrawn.
        OnHold = "on-hold",
    }
}

impl CaseState {
    /// The states a coordinator can move the case to from here; `living` is where its pairings bring it,
    /// if any of them lives. What belongs to a pairing is not taken by hand, and a case with a living
    /// pairing comes back from waiting where that pairing is, and does not close.
    #[must_use]
    pub fn next(self, living: Option<Self>) -> Vec<Self> {
        match (self, living) {
            (Self::New, _) => vec![Self::Intake, Self::OnHold, Self::Closed],
            (Self::Intake | Self::Evaluating, _) => {
                vec![Self::Searching, Self::OnHold, Self::Closed]
            }
            (Self::Searching, _) => vec![Self::OnHold, Self::Closed],
            (Self::Introduction | Self::Trial | Self::Paired, _) => vec![Self::OnHold],
            (Self::OnHold, Some(pairing)) => vec![pairing],
            (Self::OnHold, None) => vec![Self::Intake, Self::Closed],
            (Self::Closed, _) => Vec::new(),
        }
    }

    /// Whether a family can be introduced to a support family from here.
    #[must_use]
    pub const fn takes_a_pairing(self) -> bool {
        matches!(
            self,
            Self::Searching | Self::Introduction | Self::Trial | Self::Paired | Self::Evaluating
        )
    }

    /// Whether anything about the family may still be released.
    #[must_use]
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Closed | Self::OnHold)
    }
}

words! {
    /// For what a coordinator opens an identity.
    ReleasePurpose {
        /// To get to know the family.
        Intake = "intake",
        /// To pair the family with a support family.
        Pairing = "pairing",
        /// To stay in touch with the pairing.
        Monitoring = "monitoring",
    }
}

words! {
    /// How much of the identity the consent that was found covers.
    Stage {
        /// Only the registrant's own name and contact data.
        Contact = "contact",
        /// All that the purpose needs.
        Full = "full",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_is_the_end_and_everything_can_reach_it() {
        assert!(CaseState::Closed.next(None).is_empty());
        for &state in CaseState::ALL {
            let mut reached = vec![state];
            while let Some(next) =
                reached.iter().flat_map(|s| s.next(None)).find(|s| !reached.contains(s))
            {
                reached.push(next);
            }
            assert!(reached.contains(&CaseState::Closed), "{state:?}");
        }
    }

    #[test]
    fn a_case_with_a_living_pairing_comes_back_to_it_and_does_not_close() {
        assert_eq!(CaseState::OnHold.next(Some(CaseState::Trial)), [CaseState::Trial]);
        assert!(!CaseState::Paired.next(Some(CaseState::Paired)).contains(&CaseState::Closed));
    }

    #[test]
    fn nothing_is_released_from_a_case_that_waits_or_ended() {
        let shut: Vec<_> = CaseState::ALL.iter().filter(|s| !s.is_open()).collect();
        assert_eq!(shut, [&CaseState::Closed, &CaseState::OnHold]);
    }
}
