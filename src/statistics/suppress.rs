//! One table of a year for gemeenten without a contract of their own: families referred, by who referred them; small
//! cells hidden, the others rounded.

use crate::domain::municipality::Municipality;
use crate::domain::period::Year;
use crate::statistics::attack::{self, Broken};
use crate::statistics::protect::{Figure, Rules, protect};
use crate::statistics::release::{Cell, Head, body, quoted};
use crate::statistics::tabulate::ReferralsBySource;

/// Id of the one table of this release.
pub const TABLE: &str = "year.referrals.source";

/// Its cells, and last the total.
///
/// # Errors
/// [`Broken`] when the attack finds a hidden cell: then nothing is published.
pub fn cells(counts: &ReferralsBySource, rules: Rules) -> Result<Vec<Cell>, Broken> {
    let families: Vec<u32> = counts.cells().iter().map(|(_, families)| *families).collect();
    let table = protect(&families, rules);
    attack::hidden_cells(TABLE, &families, &table, rules)?;
    let cell =
        |place, figure: Figure| Cell { table: TABLE.to_owned(), place, value: value(figure) };
    let sources = counts.cells().iter().zip(&table.cells).map(|((source, _), figure)| {
        cell(vec![("source".to_owned(), source.as_str().to_owned())], *figure)
    });
    Ok(sources.chain([cell(Vec::new(), table.total)]).collect())
}

fn value(figure: Figure) -> Option<i64> {
    match figure {
        Figure::Hidden => None,
        Figure::Shown(families) => Some(i64::from(families)),
    }
}

/// The canonical body of one gemeente's figures about one year.
#[must_use]
pub fn release(municipality: Municipality, year: Year, cells: &[Cell], rules: Rules) -> String {
    let method = format!(
        "{{\"name\":\"suppress-and-round\",\"rounding\":{},\"threshold\":{}}}",
        rules.base(),
        rules.threshold()
    );
    let fields = vec![
        ("method", method),
        ("municipality", quoted(municipality.as_str())),
        ("period", quoted(&year.number().to_string())),
        ("table", quoted(TABLE)),
        ("unit", quoted("family")),
    ];
    body(cells, &Head { fields }, false)
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
        let cells = cells(&counts, rules).unwrap();
        let body = release(gm, Year::parse(2025).unwrap(), &cells, rules);
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
