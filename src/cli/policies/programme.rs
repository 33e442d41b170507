//! `programme.toml`: how long the steps of the programme take.

use crate::cli::Failure;
use crate::domain::pairing::Terms;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    support_family: SupportFamily,
    trial: Trial,
    evaluation: Evaluation,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct SupportFamily {
    vog_months: u8,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(clippy::struct_field_names, reason = "the unit stands in every name of the file")]
struct Trial {
    least_months: u8,
    most_months: u8,
    extension_months: u8,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Evaluation {
    every_months: u8,
}

/// Reads the file.
///
/// # Errors
/// One line naming the rule.
pub(super) fn read(text: &str) -> Result<Terms, Failure> {
    let bad = |rule: &str| Failure::new(format!("policies: programme.toml: {rule}"));
    let File { support_family, trial, evaluation } =
        toml::from_str(text).map_err(|error| bad(error.message()))?;
    let terms = Terms {
        vog_months: support_family.vog_months,
        trial_least_months: trial.least_months,
        trial_most_months: trial.most_months,
        extension_months: trial.extension_months,
        evaluation_months: evaluation.every_months,
    };
    let all = [terms.vog_months, terms.trial_least_months, terms.evaluation_months];
    if all.contains(&0) || terms.trial_most_months < terms.trial_least_months {
        return Err(bad(
            "terms are at least a month, and the longest trial is no shorter than the shortest",
        ));
    }
    Ok(terms)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../../policies/programme.toml");

    #[test]
    fn the_shipped_file_is_read_and_a_wrong_one_is_not() {
        assert_eq!(read(SHIPPED).unwrap().trial_most_months, 2);
        for (from, to) in [
            ("every-months = 6", "every-months = 0"),
            ("most-months = 2", "most-months = 0"),
            ("vog-months = 36", "vog-years = 3"),
        ] {
            let failure = read(&SHIPPED.replace(from, to)).unwrap_err();
            assert!(failure.message.starts_with("policies: programme.toml: "), "{to}");
        }
    }
}
