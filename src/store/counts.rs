//! What is counted for figures: codes and quarters of families, from rows that hold nothing sealed.
//!
//! The booking date: an event counts in the first quarter that is open when it is seen, and is then marked with it. What
//! comes late counts in the next quarter; what was counted stays counted when it is taken back later, and is left out of
//! tables to come only where the family objects.

use crate::domain::age::AgeBand;
use crate::domain::municipality::{District, Municipality};
use crate::domain::pairing::{EndReason, PlacementAvoided, ProfessionalHelp, SocialContacts};
use crate::domain::period::{Quarter, Year};
use crate::domain::referral::{Composition, Source};
use crate::statistics::contract::Contract;
use crate::statistics::tabulate::{Dimension, ELSEWHERE, Event, Kind, grade_band, waiting_band};
use crate::store::figures::SourceCount;
use crate::store::pool::{Conn, Joined, on_db};
use crate::store::{Pool, StoreError};
use sqlx::Row;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

const TERM: StoreError = StoreError::Corrupt("term of a count");

/// The codes of a family.
type Traits = Vec<(Dimension, String)>;

/// Which rows were counted in a quarter.
#[derive(Clone, Debug, Default)]
pub struct Booking {
    /// The quarter, as it is written.
    pub quarter: String,
    /// Cases.
    pub cases: Vec<Uuid>,
    /// Support families.
    pub support_families: Vec<Uuid>,
    /// Pairings that went on.
    pub made: Vec<Uuid>,
    /// Pairings that ended.
    pub ended: Vec<Uuid>,
}

/// What was counted for a quarter, with what was counted in the quarters of its year before it.
#[derive(Debug, Default)]
pub struct Counted {
    /// One for each family, kind and quarter.
    pub events: Vec<Event>,
    /// What is booked with this quarter.
    pub booking: Booking,
}

/// The stretch of time of one counting.
#[derive(Clone, Copy, Debug)]
struct Span {
    quarter: Quarter,
    /// From the start of the contract, in milliseconds since the epoch.
    from_ms: i64,
    /// First instant of the year.
    year_ms: i64,
    /// First instant after the quarter.
    until_ms: i64,
    /// Whether what was not booked yet counts too.
    open: bool,
}

impl Span {
    fn of(contract: &Contract, quarter: Quarter) -> Result<Self, StoreError> {
        let begins = |quarter: Quarter| {
            quarter.begins().map(jiff::Timestamp::as_millisecond).ok_or(StoreError::Corrupt("year"))
        };
        let [first, ..] = Quarter::all_of(quarter.year());
        Ok(Self {
            quarter,
            from_ms: begins(contract.from)?,
            year_ms: begins(first)?,
            until_ms: begins(quarter.next())?,
            open: true,
        })
    }

    /// The place in the year in which an event counts: where it is booked, else this quarter when it happened before
    /// its end. The second: whether it is booked now.
    fn place(&self, booked: Option<&str>, at_ms: i64) -> Option<(usize, bool)> {
        if let Some(text) = booked {
            let booked = Quarter::read(text).ok()?;
            return (booked.year() == self.quarter.year()).then_some((booked.place(), false));
        }
        let open = self.open && (self.from_ms..self.until_ms).contains(&at_ms);
        open.then_some((self.quarter.place(), true))
    }
}

/// Counts a quarter of a contract. Joins nothing that is sealed.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub async fn of_quarter(
    pool: &Pool,
    contract: &Contract,
    quarter: Quarter,
) -> Result<Counted, StoreError> {
    count(pool, contract, Span::of(contract, quarter)?).await
}

/// Counts a year that is closed, as it was counted: what came since is not in it.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub async fn of_closed_year(
    pool: &Pool,
    contract: &Contract,
    year: Year,
) -> Result<Counted, StoreError> {
    let [.., last] = Quarter::all_of(year);
    count(pool, contract, Span { open: false, ..Span::of(contract, last)? }).await
}

async fn count(pool: &Pool, contract: &Contract, span: Span) -> Result<Counted, StoreError> {
    let quarter = span.quarter;
    let mut counted = Counted::default();
    counted.booking.quarter = quarter.to_text();
    referrals(pool, contract, &span, &mut counted).await?;
    pairings(pool, contract, &span, &mut counted).await?;
    if contract.kinds.contains(&Kind::SupportFamilies) {
        support_families(pool, contract, &span, &mut counted).await?;
    }
    if quarter.closes_year() && contract.kinds.contains(&Kind::Evaluations) {
        evaluations(pool, contract, &span, &mut counted).await?;
    }
    Ok(counted)
}

/// The wijk as a contract tells it.
fn district(contract: &Contract, text: &str) -> (Dimension, String) {
    let known = District::parse(text).ok().filter(|one| contract.districts.contains(one));
    let code = known.map_or_else(|| ELSEWHERE.to_owned(), |one| one.to_string());
    (Dimension::District, code)
}

fn read<T, E>(parsed: Result<T, E>) -> Result<T, StoreError> {
    parsed.or(Err(TERM))
}

async fn referrals(
    pool: &Pool,
    contract: &Contract,
    span: &Span,
    counted: &mut Counted,
) -> Result<(), StoreError> {
    const SQL: &str = "SELECT c.id, c.received_ms, c.booked, c.source, c.youngest, c.composition, c.district \
        FROM case_file c JOIN referral r ON r.id = c.referral_id WHERE c.municipality = $1 \
        AND c.objected_ms IS NULL AND c.received_ms < $2 AND (c.booked IS NOT NULL OR r.status <> 'withdrawn') \
        ORDER BY c.received_ms, c.id";
    on_db!(pool, |db| {
        let query = sqlx::query(SQL).bind(contract.municipality.as_str()).bind(span.until_ms);
        for row in query.fetch_all(db).await? {
            let booked: Option<String> = row.try_get("booked")?;
            let Some((quarter, new)) = span.place(booked.as_deref(), row.try_get("received_ms")?)
            else {
                continue;
            };
            let text = |column: &str| row.try_get::<String, _>(column);
            let source = read(Source::parse(&text("source")?))?;
            let youngest = read(AgeBand::parse(&text("youngest")?))?;
            let household = read(Composition::parse(&text("composition")?))?;
            let traits = vec![
                district(contract, &text("district")?),
                (Dimension::Source, source.as_str().to_owned()),
                (Dimension::AgeBand, youngest.as_str().to_owned()),
                (Dimension::Household, household.as_str().to_owned()),
            ];
            counted.events.push(Event { kind: Kind::Referrals, quarter, traits, again: false });
            if new {
                counted.booking.cases.push(row.try_get("id")?);
            }
        }
    });
    Ok(())
}

/// A pairing that went on after its trial, as it is counted.
struct Pairing {
    id: Uuid,
    case: Uuid,
    paired_ms: i64,
    ended: Option<(i64, EndReason)>,
    booked_made: Option<String>,
    booked_ended: Option<String>,
    waited_ms: i64,
    household: Composition,
    district: (Dimension, String),
}

async fn pairings(
    pool: &Pool,
    contract: &Contract,
    span: &Span,
    counted: &mut Counted,
) -> Result<(), StoreError> {
    const SQL: &str = "SELECT p.id, p.case_id, p.introduced_ms, p.paired_ms, p.ended_ms, p.end_reason, p.booked_made, \
        p.booked_ended, c.received_ms, c.composition, c.district FROM pairing p JOIN case_file c ON c.id = p.case_id \
        WHERE c.municipality = $1 AND c.objected_ms IS NULL AND p.paired_ms IS NOT NULL AND p.paired_ms < $2 \
        ORDER BY p.paired_ms, p.id";
    let mut all = Vec::new();
    on_db!(pool, |db| {
        let query = sqlx::query(SQL).bind(contract.municipality.as_str()).bind(span.until_ms);
        for row in query.fetch_all(db).await? {
            let reason: Option<String> = row.try_get("end_reason")?;
            let reason = read(reason.map(|text| EndReason::parse(&text)).transpose())?;
            let ended: Option<i64> = row.try_get("ended_ms")?;
            let (introduced, received): (i64, i64) =
                (row.try_get("introduced_ms")?, row.try_get("received_ms")?);
            all.push(Pairing {
                id: row.try_get("id")?,
                case: row.try_get("case_id")?,
                paired_ms: row.try_get("paired_ms")?,
                ended: ended.zip(reason),
                booked_made: row.try_get("booked_made")?,
                booked_ended: row.try_get("booked_ended")?,
                waited_ms: introduced - received,
                household: read(Composition::parse(&row.try_get::<String, _>("composition")?))?,
                district: district(contract, &row.try_get::<String, _>("district")?),
            });
        }
    });
    made(span, counted, &all);
    ended(span, counted, &all);
    active(span, counted, &all);
    Ok(())
}

/// Adds events of one kind, in the order in which they count: of a family the first of the year counts in the tables.
fn add(counted: &mut Counted, kind: Kind, mut found: Vec<(usize, i64, Uuid, Traits)>) {
    found.sort_by_key(|(quarter, at_ms, ..)| (*quarter, *at_ms));
    let mut seen = HashSet::new();
    for (quarter, _, case, traits) in found {
        counted.events.push(Event { kind, quarter, traits, again: !seen.insert(case) });
    }
}

fn made(span: &Span, counted: &mut Counted, all: &[Pairing]) {
    let mut found = Vec::new();
    for pairing in all {
        let Some((quarter, new)) = span.place(pairing.booked_made.as_deref(), pairing.paired_ms)
        else {
            continue;
        };
        let traits = vec![
            pairing.district.clone(),
            (Dimension::Household, pairing.household.as_str().to_owned()),
            (Dimension::Waiting, waiting_band(pairing.waited_ms).to_owned()),
        ];
        found.push((quarter, pairing.paired_ms, pairing.case, traits));
        counted.booking.made.extend(new.then_some(pairing.id));
    }
    add(counted, Kind::PairingsMade, found);
}

fn ended(span: &Span, counted: &mut Counted, all: &[Pairing]) {
    let mut found = Vec::new();
    for pairing in all {
        let Some((at_ms, reason)) = pairing.ended else { continue };
        let Some((quarter, new)) = span.place(pairing.booked_ended.as_deref(), at_ms) else {
            continue;
        };
        let outcome = (Dimension::Outcome, reason.as_str().to_owned());
        found.push((quarter, at_ms, pairing.case, vec![pairing.district.clone(), outcome]));
        counted.booking.ended.extend(new.then_some(pairing.id));
    }
    add(counted, Kind::PairingsEnded, found);
}

/// Families that have a pairing at the end of the quarter.
fn active(span: &Span, counted: &mut Counted, all: &[Pairing]) {
    let there = |pairing: &&Pairing| pairing.ended.is_none_or(|(at, _)| at >= span.until_ms);
    let found = all.iter().filter(there).map(|pairing| {
        let traits = vec![pairing.district.clone()];
        (span.quarter.place(), pairing.paired_ms, pairing.case, traits)
    });
    add(counted, Kind::PairingsActive, found.collect());
}

async fn support_families(
    pool: &Pool,
    contract: &Contract,
    span: &Span,
    counted: &mut Counted,
) -> Result<(), StoreError> {
    const SQL: &str = "SELECT id, registered_ms, booked, district FROM support_family \
        WHERE municipality = $1 AND registered_ms < $2 ORDER BY registered_ms, id";
    on_db!(pool, |db| {
        let query = sqlx::query(SQL).bind(contract.municipality.as_str()).bind(span.until_ms);
        for row in query.fetch_all(db).await? {
            let booked: Option<String> = row.try_get("booked")?;
            let place = span.place(booked.as_deref(), row.try_get("registered_ms")?);
            if let Some((quarter, new)) = place {
                let traits = vec![district(contract, &row.try_get::<String, _>("district")?)];
                let kind = Kind::SupportFamilies;
                counted.events.push(Event { kind, quarter, traits, again: false });
                if new {
                    counted.booking.support_families.push(row.try_get("id")?);
                }
            }
        }
    });
    Ok(())
}

/// The last evaluation of each family in the year. They are never booked: an evaluation never comes late, as the
/// gateway itself says when it was made.
async fn evaluations(
    pool: &Pool,
    contract: &Contract,
    span: &Span,
    counted: &mut Counted,
) -> Result<(), StoreError> {
    const SQL: &str = "SELECT c.id AS case_id, e.professional_help, e.network_extended, e.social_contacts, e.grade, \
        e.placement_avoided FROM evaluation e JOIN pairing p ON p.id = e.pairing_id \
        JOIN case_file c ON c.id = p.case_id WHERE c.municipality = $1 AND c.objected_ms IS NULL \
        AND e.at_ms >= $2 AND e.at_ms < $3 ORDER BY e.at_ms, e.id";
    let mut last: HashMap<Uuid, Event> = HashMap::new();
    on_db!(pool, |db| {
        let query = sqlx::query(SQL).bind(contract.municipality.as_str());
        let from = span.year_ms.max(span.from_ms);
        for row in query.bind(from).bind(span.until_ms).fetch_all(db).await? {
            let text = |column: &str| row.try_get::<String, _>(column);
            let help = read(ProfessionalHelp::parse(&text("professional_help")?))?;
            let contacts = read(SocialContacts::parse(&text("social_contacts")?))?;
            let placement = read(PlacementAvoided::parse(&text("placement_avoided")?))?;
            let network =
                if row.try_get::<i32, _>("network_extended")? == 1 { "yes" } else { "no" };
            let traits = vec![
                (Dimension::ProfessionalHelp, help.as_str().to_owned()),
                (Dimension::NetworkExtended, network.to_owned()),
                (Dimension::SocialContacts, contacts.as_str().to_owned()),
                (Dimension::Grade, grade_band(row.try_get("grade")?).to_owned()),
                (Dimension::PlacementAvoided, placement.as_str().to_owned()),
            ];
            let (kind, quarter) = (Kind::Evaluations, span.quarter.place());
            let event = Event { kind, quarter, traits, again: false };
            last.insert(row.try_get("case_id")?, event);
        }
    });
    counted.events.extend(last.into_values());
    Ok(())
}

/// Marks what was counted with its quarter: one statement a table, as others wait for the head of the ledger meanwhile.
pub(super) async fn book(conn: &mut Conn<'_>, booking: &Booking) -> Result<(), StoreError> {
    const CASE_SQLITE: &str = "UPDATE case_file SET booked = $1 WHERE booked IS NULL AND id IN \
        (SELECT substr($2, key * 16 + 1, 16) FROM json_each($3))";
    const CASE_POSTGRES: &str =
        "UPDATE case_file SET booked = $1 WHERE booked IS NULL AND id = ANY($2)";
    const SUPPORT_SQLITE: &str = "UPDATE support_family SET booked = $1 WHERE booked IS NULL AND id IN \
        (SELECT substr($2, key * 16 + 1, 16) FROM json_each($3))";
    const SUPPORT_POSTGRES: &str =
        "UPDATE support_family SET booked = $1 WHERE booked IS NULL AND id = ANY($2)";
    const MADE_SQLITE: &str = "UPDATE pairing SET booked_made = $1 WHERE booked_made IS NULL AND id IN \
        (SELECT substr($2, key * 16 + 1, 16) FROM json_each($3))";
    const MADE_POSTGRES: &str =
        "UPDATE pairing SET booked_made = $1 WHERE booked_made IS NULL AND id = ANY($2)";
    const ENDED_SQLITE: &str = "UPDATE pairing SET booked_ended = $1 WHERE booked_ended IS NULL AND id IN \
        (SELECT substr($2, key * 16 + 1, 16) FROM json_each($3))";
    const ENDED_POSTGRES: &str =
        "UPDATE pairing SET booked_ended = $1 WHERE booked_ended IS NULL AND id = ANY($2)";
    let all = [
        (CASE_SQLITE, CASE_POSTGRES, &booking.cases),
        (SUPPORT_SQLITE, SUPPORT_POSTGRES, &booking.support_families),
        (MADE_SQLITE, MADE_POSTGRES, &booking.made),
        (ENDED_SQLITE, ENDED_POSTGRES, &booking.ended),
    ];
    for (sqlite, postgres, ids) in all.into_iter().filter(|(.., ids)| !ids.is_empty()) {
        match conn {
            Conn::Sqlite(db) => {
                let mut blobs = Joined::default();
                for id in ids {
                    blobs.push(id.as_bytes());
                }
                let places = serde_json::json!(vec![0; ids.len()]).to_string();
                let query = sqlx::query(sqlite).bind(booking.quarter.as_str());
                query.bind(blobs.0).bind(places).execute(&mut **db).await?;
            }
            Conn::Postgres(db) => {
                let query = sqlx::query(postgres).bind(booking.quarter.as_str());
                query.bind(ids.as_slice()).execute(&mut **db).await?;
            }
        }
    }
    Ok(())
}

/// Counts the referrals of one gemeente that were received from `from_ms` up to `until_ms`, by who referred them,
/// together with what was counted for the year before the gateway.
///
/// Referrals that were taken back are left out. One family per case.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn by_source(
    pool: &Pool,
    (municipality, year): (Municipality, Year),
    (from_ms, until_ms): (i64, i64),
) -> Result<Vec<SourceCount>, StoreError> {
    const SQL: &str = "SELECT source, CAST(SUM(families) AS BIGINT) AS families FROM ( \
        SELECT c.source, 1 AS families FROM case_file c JOIN referral r ON r.id = c.referral_id \
        WHERE c.municipality = $1 AND c.received_ms >= $2 AND c.received_ms < $3 \
        AND r.status <> 'withdrawn' AND c.objected_ms IS NULL \
        UNION ALL SELECT source, families FROM history_count WHERE municipality = $1 AND year = $4 \
        ) counted GROUP BY source ORDER BY source";
    on_db!(pool, |db| sqlx::query(SQL)
        .bind(municipality.as_str())
        .bind(from_ms)
        .bind(until_ms)
        .bind(i32::from(year.number()))
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| {
            let source: String = row.try_get("source")?;
            let families: i64 = row.try_get("families")?;
            Ok(SourceCount {
                source: Source::parse(&source).or(Err(StoreError::Corrupt("source")))?,
                families: u32::try_from(families).or(Err(StoreError::Corrupt("count")))?,
            })
        })
        .collect())
}
