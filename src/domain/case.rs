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
    /// The states a coordinator can move the case to from here. The steps from `searching` on belong
    /// to a pairing and are not taken by hand.
    #[must_use]
    pub const fn next(self) -> &'static [Self] {
        match self {
            Self::New => &[Self::Intake, Self::OnHold, Self::Closed],
            Self::Intake => &[Self::Searching, Self::OnHold, Self::Closed],
            Self::Searching => &[Self::OnHold, Self::Closed],
            Self::Introduction | Self::Trial | Self::Paired | Self::Evaluating => &[Self::OnHold],
            Self::OnHold => &[Self::Intake, Self::Closed],
            Self::Closed => &[],
        }
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
        assert!(CaseState::Closed.next().is_empty());
        for &state in CaseState::ALL {
            let mut reached = vec![state];
            while let Some(next) =
                reached.iter().flat_map(|s| s.next()).find(|s| !reached.contains(s))
            {
                reached.push(*next);
            }
            assert!(reached.contains(&CaseState::Closed), "{state:?}");
        }
    }

    #[test]
    fn nothing_is_released_from_a_case_that_waits_or_ended() {
        let shut: Vec<_> = CaseState::ALL.iter().filter(|s| !s.is_open()).collect();
        assert_eq!(shut, [&CaseState::Closed, &CaseState::OnHold]);
    }
}
