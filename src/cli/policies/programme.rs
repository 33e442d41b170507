//! `programme.toml`: how long the steps of the programme take.

use crate::cli::Failure;
use crate::domain::municipality::Municipality;
use crate::domain::pairing::Terms;
use crate::domain::period::Year;
use crate::domain::programme::Target;
use crate::domain::term::Retention;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    support_family: SupportFamily,
    trial: Trial,
    evaluation: Evaluation,
    retention: Kept,
    #[serde(default)]
    target: Vec<Agreed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Agreed {
    municipality: String,
    year: i16,
    pairings: u32,
    budget_euro: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Kept {
    withdrawn_days: u16,
    never_paired_months: u8,
    paired_months: u8,
    jeugdwet20: Vec<String>,
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
pub(super) fn read(text: &str) -> Result<(Terms, Retention, Vec<Target>), Failure> {
    let bad = |rule: &str| Failure::new(format!("policies: programme.toml: {rule}"));
    let File { support_family, trial, evaluation, retention, target } =
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
    if retention.withdrawn_days == 0
        || retention.never_paired_months == 0
        || retention.paired_months == 0
    {
        return Err(bad(
            "nothing is deleted on the day itself: terms are at least a day or a month",
        ));
    }
    let codes = retention.jeugdwet20.iter().map(|code| Municipality::parse(code));
    let jeugdwet20 = codes.collect::<Result<_, _>>().map_err(|error| bad(&error.to_string()))?;
    let retention = Retention {
        withdrawn_days: retention.withdrawn_days,
        never_paired_months: retention.never_paired_months,
        paired_months: retention.paired_months,
        jeugdwet20,
    };
    let targets = target.iter().map(agreed).collect::<Result<Vec<_>, _>>();
    let targets = targets.map_err(|rule| bad(&rule))?;
    let twice = |(at, one): (usize, &Target)| {
        let mut before = targets.iter().take(at);
        before.any(|other| (other.municipality, other.year) == (one.municipality, one.year))
    };
    if targets.iter().enumerate().any(twice) {
        return Err(bad("target: one for a gemeente and year"));
    }
    Ok((terms, retention, targets))
}

fn agreed(one: &Agreed) -> Result<Target, String> {
    Ok(Target {
        municipality: Municipality::parse(&one.municipality).map_err(|error| error.to_string())?,
        year: Year::parse(one.year).map_err(|error| error.to_string())?,
        pairings: one.pairings,
        budget_euro: one.budget_euro,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../../policies/programme.toml");

    #[test]
    fn the_shipped_file_is_read_and_a_wrong_one_is_not() {
        assert_eq!(read(SHIPPED).unwrap().0.trial_most_months, 2);
        assert_eq!(read(SHIPPED).unwrap().1.withdrawn_days, 30);
        for (from, to) in [
            ("every-months = 6", "every-months = 0"),
            ("most-months = 2", "most-months = 0"),
            ("vog-months = 36", "vog-years = 3"),
            ("withdrawn-days = 30", "withdrawn-days = 0"),
            ("jeugdwet20 = []", "jeugdwet20 = [\"Nijmegen\"]"),
        ] {
            let failure = read(&SHIPPED.replace(from, to)).unwrap_err();
            assert!(failure.message.starts_with("policies: programme.toml: "), "{to}");
        }
    }

    #[test]
    fn targets_are_one_a_gemeente_and_year() {
        const SHIPPED: &str = include_str!("../../../policies/programme.toml");
        let with = |more: &str| read(&format!("{SHIPPED}{more}")).map(|(_, _, targets)| targets);
        let one = "\n[[target]]\nmunicipality = \"GM0119\"\nyear = 2026\npairings = 15\nbudget-euro = 58000\n";
        let targets = with(one).unwrap_or_default();
        assert_eq!(
            targets.first().map(|target| (target.pairings, target.budget_euro)),
            Some((15, 58_000))
        );
        assert!(with("").is_ok_and(|targets| targets.is_empty()), "control");
        for bad in
            [format!("{one}{one}"), one.replace("GM0119", "Meppel"), one.replace("2026", "1926")]
        {
            assert!(with(&bad).is_err(), "{bad}");
        }
    }
}
