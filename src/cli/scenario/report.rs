//! What was published beside what is counted from the gateway's own rows.

use super::programme::Programme;
use crate::cli::Failure;
use crate::crypto::keyring::Keyring;
use crate::domain::age::date_in_amsterdam;
use crate::store::tally::{self, Paired};
use crate::store::{Pool, cases, facts};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::fmt::Write;

/// One line of the comparison.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// Gemeente.
    pub town: &'static str,
    /// What is counted.
    pub what: &'static str,
    /// As it was published.
    pub published: String,
    /// As it was counted.
    pub counted: String,
    /// Whether the two agree.
    pub agrees: bool,
}

/// Compares programme by programme. `start` is the day the scenario began.
///
/// # Errors
/// When the rows cannot be read.
pub async fn compare(
    pool: &Pool,
    keyring: &Keyring,
    programmes: &[Programme],
    start: Timestamp,
) -> Result<Vec<Line>, Failure> {
    let (paired, supports) = (tally::paired(pool).await?, tally::support_families(pool).await?);
    let referred = tally::referred(pool).await?;
    let mut lines = Vec::new();
    for programme in programmes {
        let own: Vec<_> =
            paired.iter().filter(|one| one.municipality == programme.municipality).collect();
        let of = |counts: &std::collections::BTreeMap<String, usize>| {
            counts.get(programme.municipality).copied().unwrap_or_default()
        };
        let mut put = |what, published: String, counted: String, agrees| {
            lines.push(Line { town: programme.town, what, published, counted, agrees });
        };
        pairings(&mut put, programme, &own, start);
        if programme.months >= 24 || programme.pairings == [0, 0] {
            let (published, counted) = (programme.support_families, of(&supports));
            put(
                "support families registered",
                published.to_string(),
                counted.to_string(),
                published == counted,
            );
        }
        if let Some(euro) = programme.euro_a_year {
            let euro = euro * u64::try_from(programme.months / 12).unwrap_or(1);
            let each = euro.checked_div(u64::try_from(own.len()).unwrap_or_default());
            let counted = each.map_or("none".to_owned(), |each| format!("{each} euro"));
            put("cost per pairing", format!("of {euro} euro"), counted, each == Some(4_640));
        }
        if let (Some(children), Some(one_parent)) = (programme.children, programme.one_parent) {
            families(&mut put, &own, (children, one_parent));
            older(&mut put, pool, keyring, &own).await?;
        }
        let counted = of(&referred);
        let expected = own.len() + programme.others;
        put(
            "families referred",
            "not published".to_owned(),
            counted.to_string(),
            counted == expected,
        );
    }
    Ok(lines)
}

type Put<'p> = dyn FnMut(&'static str, String, String, bool) + 'p;

/// Pairings, of the first year and altogether.
fn pairings(put: &mut Put<'_>, programme: &Programme, own: &[&Paired], start: Timestamp) {
    let year = SignedDuration::from_hours(365 * 24);
    let first = start.checked_add(year).map_or(i64::MAX, Timestamp::as_millisecond);
    let counted = [
        own.iter().filter(|one| one.paired_ms < first).count(),
        own.iter().filter(|one| one.paired_ms >= first).count(),
    ];
    let all = own.len();
    match programme.town {
        "Druten" | "Heumen" | "Berg en Dal" => {
            put("pairings", "1 to 4".to_owned(), all.to_string(), (1..=4).contains(&all));
        }
        "Nijmegen" => {
            put("pairings", "29".to_owned(), all.to_string(), all == 29);
            put("target of year 1", "10".to_owned(), counted[0].to_string(), counted[0] >= 10);
            put(
                "target of year 2",
                "10-15 more".to_owned(),
                counted[1].to_string(),
                (10..=15).contains(&counted[1]),
            );
        }
        _ => {
            let published = programme.pairings;
            put(
                "pairings of year 1",
                published[0].to_string(),
                counted[0].to_string(),
                published[0] == counted[0],
            );
            put(
                "pairings of year 2",
                published[1].to_string(),
                counted[1].to_string(),
                published[1] == counted[1],
            );
        }
    }
}

/// Children, families with one parent, and who referred.
fn families(put: &mut Put<'_>, own: &[&Paired], (children, one_parent): (usize, usize)) {
    let counted: usize = own.iter().map(|one| one.children).sum();
    put("children taking part", children.to_string(), counted.to_string(), children == counted);
    let single = own.iter().filter(|one| one.composition == "one-parent").count();
    let told = format!("{single} of {}, {}", own.len(), percent(single, own.len()));
    put("families with one parent", "19 of 29, 66 %".to_owned(), told, single == one_parent);
    let by = own.iter().filter(|one| !matches!(one.source.as_str(), "self" | "other")).count();
    let told = format!("{by} of {}, {}", own.len(), percent(by, own.len()));
    let mostly = 2 * by > own.len() && by < own.len();
    put("referred by professionals", "most; some by themselves".to_owned(), told, mostly);
}

/// Children of 12 and over, from the dates of birth in the sealed facts: no row says them.
async fn older(
    put: &mut Put<'_>,
    pool: &Pool,
    keyring: &Keyring,
    own: &[&Paired],
) -> Result<(), Failure> {
    let (mut older, mut children) = (0, 0);
    for one in own {
        let day = date_in_amsterdam(crate::clock::from_millisecond(one.introduced_ms));
        let Some(row) = cases::find(pool, one.case).await? else { continue };
        let Some((_, memory)) = facts::open(keyring, &row)? else { continue };
        for child in memory.subjects.iter().filter(|subject| !subject.adult) {
            children += 1;
            older += usize::from(child.birth.ages_on(day).youngest >= 12);
        }
    }
    let counted = format!("{older} of {children}, {}", percent(older, children));
    // The nearest whole numbers of 38 children: 4 are 10.5 %, 5 are 13.2 %.
    let near = children == 38 && (older == 4 || older == 5);
    put("children of 12 and over", "12 %: no whole part of 38".to_owned(), counted, near);
    Ok(())
}

/// A share in per cent, to the tenth.
fn percent(part: usize, all: usize) -> String {
    let tenths = (2_000 * part + all).checked_div(2 * all).unwrap_or_default();
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// The comparison for a program.
#[must_use]
pub fn json(lines: &[Line]) -> Value {
    let line = |line: &Line| {
        json!({
            "town": line.town, "what": line.what, "published": line.published,
            "counted": line.counted, "agrees": line.agrees,
        })
    };
    json!({"lines": lines.iter().map(line).collect::<Vec<_>>()})
}

/// The comparison as text.
#[must_use]
pub fn told(lines: &[Line]) -> String {
    let mut text = format!("{:<12} {:<28} {:<32} {}\n", "gemeente", "", "published", "counted");
    for line in lines {
        let mark = if line.agrees { "" } else { "   DIFFERS" };
        let Line { town, what, published, counted, .. } = line;
        let _fits = writeln!(text, "{town:<12} {what:<28} {published:<32} {counted}{mark}");
    }
    text
}
