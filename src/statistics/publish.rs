//! The body of a release: canonical JSON, made once, served byte for byte ever after.
//!
//! Cells follow SDMX: `OBS_STATUS` `A` (shown) or `Q` (suppressed), `CONF_STATUS` `F` (free) or `C`
//! (confidential). A hidden cell has no value, never 0.

use crate::domain::municipality::Municipality;
use crate::domain::period::Year;
use crate::statistics::protect::{Figure, Rules, protect};
use crate::statistics::tabulate::ReferralsBySource;
use std::fmt::Write;

/// Id of the one table of this release.
pub const TABLE: &str = "year.referrals.source";

/// The canonical body of one gemeente's figures about one year: keys sorted, no spaces.
#[must_use]
pub fn body(
    municipality: Municipality,
    year: Year,
    counts: &ReferralsBySource,
    rules: Rules,
) -> String {
    let families: Vec<u32> = counts.cells().iter().map(|(_, families)| *families).collect();
    let table = protect(&families, rules);
    let mut out = String::from("{\"cells\":[");
    for ((source, _), figure) in counts.cells().iter().zip(&table.cells) {
        cell(&mut out, Some(source.as_str()), *figure);
        out.push(',');
    }
    cell(&mut out, None, table.total);
    // Writing to a String cannot fail.
    let _infallible = write!(
        out,
        "],\"method\":{{\"name\":\"suppress-and-round\",\"rounding\":{},\"threshold\":{}}},\
         \"municipality\":\"{municipality}\",\"period\":\"{}\",\"table\":\"{TABLE}\",\
         \"unit\":\"family\"}}",
        rules.base(),
        rules.threshold(),
        year.number()
    );
    out
}

fn cell(out: &mut String, source: Option<&str>, figure: Figure) {
    let (conf, obs, value) = match figure {
        Figure::Hidden => ("C", "Q", "null".to_owned()),
        Figure::Shown(families) => ("F", "A", families.to_string()),
    };
    let place = source.map_or_else(|| "{}".to_owned(), |s| format!("{{\"source\":\"{s}\"}}"));
    let _infallible = write!(
        out,
        "{{\"confStatus\":\"{conf}\",\"obsStatus\":\"{obs}\",\"value\":{value},\"where\":{place}}}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::referral::Source;

    #[test]
    fn a_body_is_canonical_and_hides_without_saying_why() {
        let counts = ReferralsBySource::new([
            (Source::Wijkteam, 41),
            (Source::PohJ, 28),
            (Source::Regieteam, 12),
            (Source::SelfRegistered, 7),
        ]);
        let rules = Rules::new(10, 5).unwrap();
        let gm = Municipality::parse("GM0268").unwrap();
        let body = body(gm, Year::parse(2025).unwrap(), &counts, rules);
        assert!(body.contains(
            "{\"confStatus\":\"F\",\"obsStatus\":\"A\",\"value\":40,\"where\":{\"source\":\"wijkteam\"}}"
        ));
        assert!(body.contains(
            "{\"confStatus\":\"C\",\"obsStatus\":\"Q\",\"value\":null,\"where\":{\"source\":\"self\"}}"
        ));
        assert!(body.ends_with("\"unit\":\"family\"}"));
        assert!(!body.contains(' '));
    }
}
