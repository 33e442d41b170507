//! A region: the sum of what was published of its gemeenten, and of nothing else.

use super::{Draft, PublishError, write};
use crate::domain::period::{Period, Quarter};
use crate::flow::Gateway;
use crate::statistics::contract::{Disclosure, Region};
use crate::statistics::release::{Cell, Head, Published, body, quoted};
use crate::statistics::seal::Sealed;
use crate::store::StoreError;
use crate::store::counts::Booking;
use crate::store::figures::{self, FiguresKey, FiguresRow};
use std::sync::Arc;

/// Adds up a quarter of a region, once it was published of each of its gemeenten. Nothing is drawn and nothing is
/// spent: whoever has the parts has the sum.
pub(super) async fn add_up(
    gateway: &Arc<Gateway>,
    disclosure: &Disclosure,
    region: &Region,
    quarter: Quarter,
) -> Result<(), PublishError> {
    let period = Period::Quarter(quarter);
    let mut parts = Vec::new();
    for municipality in &region.municipalities {
        let told = disclosure.contract(*municipality);
        let all = figures::list(&gateway.store.pool, municipality.as_str()).await?;
        match all.into_iter().find(|row| row.key.period == period) {
            Some(row) if told.is_some() => parts.push(read(&row)?),
            _ => return Ok(()),
        }
    }
    let [first, ..] = Quarter::all_of(quarter.year());
    let starts = region.municipalities.iter().filter_map(|one| disclosure.contract(*one));
    // A year of some and a half year of others is the year of none.
    let whole = starts.map(|contract| contract.from).all(|from| from <= first);
    let cells = sums(&parts, whole);
    if cells.is_empty() {
        return Ok(());
    }
    let codes: Vec<String> = region.municipalities.iter().map(|one| quoted(one.as_str())).collect();
    let fields = vec![
        ("method", "{\"name\":\"sum-of-published\"}".to_owned()),
        ("municipalities", format!("[{}]", codes.join(","))),
        ("period", quoted(&period.to_string())),
        ("region", quoted(&region.name)),
        ("unit", quoted("family")),
    ];
    let draft = Draft {
        key: FiguresKey { area: region.name.clone(), period },
        body: body(&cells, &Head { fields }, true),
        year: quarter.year(),
        disclosed: Vec::new(),
        commitment: Vec::new(),
        approved: "contract".to_owned(),
        sealed: Sealed::default(),
        booking: Booking::default(),
        readers: region.municipalities.clone(),
    };
    write(gateway, draft).await
}

fn read(row: &FiguresRow) -> Result<Published, PublishError> {
    Ok(Published::read(&row.body).or(Err(StoreError::Corrupt("release")))?)
}

/// Sums of the figures that every gemeente published; what one of them has not is not in the sum, nor what was told
/// exactly: who knows the others would know the last.
fn sums(parts: &[Published], whole_year: bool) -> Vec<Cell> {
    let Some((first, others)) = parts.split_first() else {
        return Vec::new();
    };
    let value = |part: &Published, cell: &Cell| {
        let same = |other: &&Cell| (&other.table, &other.place) == (&cell.table, &cell.place);
        part.cells.iter().find(same).and_then(|found| found.value)
    };
    let sum = |cell: &Cell| {
        let rest: Option<i64> = others.iter().map(|part| value(part, cell)).sum();
        rest.zip(cell.value).map(|(rest, own)| Cell { value: Some(rest + own), ..cell.clone() })
    };
    let told = |cell: &&Cell| {
        let by_district = cell.place.iter().any(|(name, _)| name == "district");
        let of_year = cell.table.starts_with("year.");
        !by_district && (cell.table.starts_with("quarter.") || (of_year && whole_year))
    };
    first.cells.iter().filter(told).filter_map(sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(cells: &str) -> Published {
        let text = format!(
            "{{\"cells\":[{cells}],\"method\":{{}},\"municipality\":\"GM0119\",\"period\":\"2026Q1\",\"unit\":\"family\"}}"
        );
        Published::read(&text).unwrap()
    }

    #[test]
    fn a_region_is_the_sum_of_what_all_its_gemeenten_published() {
        let cell = |table: &str, value: i64| {
            format!(
                "{{\"table\":\"{table}\",\"value\":{value},\"where\":{{\"quarter\":\"2026Q1\"}}}}"
            )
        };
        let all = [
            cell("quarter.referrals", 6),
            cell("year.referrals", 18),
            cell("exact.pairings-made", 7),
            cell("quarter.pairings-made", 3),
        ];
        let one = part(&all.join(","));
        let other = part(&all[..3].join(","));
        let told = |whole: bool| -> Vec<(String, Option<i64>)> {
            let cells = sums(&[one.clone(), other.clone()], whole);
            cells.into_iter().map(|cell| (cell.table, cell.value)).collect()
        };
        let quarter = ("quarter.referrals".to_owned(), Some(12));
        assert_eq!(told(false), std::slice::from_ref(&quarter));
        assert_eq!(told(true), [quarter, ("year.referrals".to_owned(), Some(36))]);
    }
}
