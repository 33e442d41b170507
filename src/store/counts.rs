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
use crate::store::pool::{Conn, on_conn, on_db};
use crate::store::{Pool, StoreError};
use sqlx::Row;
use std::collections::HashMap;
use uuid::Uuid;

const TERM: StoreError = StoreError::Corrupt("term of a count");

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
        })
    }

    /// The place in the year in which an event counts: where it is booked, else this quarter when it happened before
    /// its end. The second: whether it is booked now.
    fn place(&self, booked: Option<&str>, at_ms: i64) -> Option<(usize, bool)> {
        if let Some(text) = booked {
            let booked = Quarter::read(text).ok()?;
            return (booked.year() == self.quarter.year()).then_some((booked.place(), false));
        }
        let open = (self.from_ms..self.until_ms).contains(&at_ms);
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
    let span = Span::of(contract, quarter)?;
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
            counted.events.push(Event { kind: Kind::Referrals, quarter, traits });
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
    const SQL: &str = "SELECT p.id, p.introduced_ms, p.paired_ms, p.ended_ms, p.end_reason, p.booked_made, \
        p.booked_ended, c.received_ms, c.composition, c.district FROM pairing p JOIN case_file c ON c.id = p.case_id \
        WHERE c.municipality = $1 AND c.objected_ms IS NULL AND p.paired_ms IS NOT NULL AND p.paired_ms < $2 \
        ORDER BY p.paired_ms, p.id";
    on_db!(pool, |db| {
        let query = sqlx::query(SQL).bind(contract.municipality.as_str()).bind(span.until_ms);
        for row in query.fetch_all(db).await? {
            let reason: Option<String> = row.try_get("end_reason")?;
            let reason = read(reason.map(|text| EndReason::parse(&text)).transpose())?;
            let ended: Option<i64> = row.try_get("ended_ms")?;
            let (introduced, received): (i64, i64) =
                (row.try_get("introduced_ms")?, row.try_get("received_ms")?);
            count_pairing(
                span,
                counted,
                Pairing {
                    id: row.try_get("id")?,
                    paired_ms: row.try_get("paired_ms")?,
                    ended: ended.zip(reason),
                    booked_made: row.try_get("booked_made")?,
                    booked_ended: row.try_get("booked_ended")?,
                    waited_ms: introduced - received,
                    household: read(Composition::parse(&row.try_get::<String, _>("composition")?))?,
                    district: district(contract, &row.try_get::<String, _>("district")?),
                },
            );
        }
    });
    Ok(())
}

/// A pairing is made, ends, and is there at the end of the quarter in between.
fn count_pairing(span: &Span, counted: &mut Counted, pairing: Pairing) {
    let Pairing { id, paired_ms, ended, booked_made, booked_ended, district, .. } = pairing;
    if let Some((quarter, new)) = span.place(booked_made.as_deref(), paired_ms) {
        let traits = vec![
            district.clone(),
            (Dimension::Household, pairing.household.as_str().to_owned()),
            (Dimension::Waiting, waiting_band(pairing.waited_ms).to_owned()),
        ];
        counted.events.push(Event { kind: Kind::PairingsMade, quarter, traits });
        counted.booking.made.extend(new.then_some(id));
    }
    let place = ended.and_then(|(at, reason)| {
        span.place(booked_ended.as_deref(), at).map(|place| (place, reason))
    });
    if let Some(((quarter, new), reason)) = place {
        let traits = vec![district.clone(), (Dimension::Outcome, reason.as_str().to_owned())];
        counted.events.push(Event { kind: Kind::PairingsEnded, quarter, traits });
        counted.booking.ended.extend(new.then_some(id));
    }
    if ended.is_none_or(|(at, _)| at >= span.until_ms) {
        let (kind, quarter) = (Kind::PairingsActive, span.quarter.place());
        counted.events.push(Event { kind, quarter, traits: vec![district] });
    }
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
                counted.events.push(Event { kind: Kind::SupportFamilies, quarter, traits });
                if new {
                    counted.booking.support_families.push(row.try_get("id")?);
                }
            }
        }
    });
    Ok(())
}

/// The last evaluation of each pairing in the year. They are never booked: an evaluation never comes late, as the
/// gateway itself says when it was made.
async fn evaluations(
    pool: &Pool,
    contract: &Contract,
    span: &Span,
    counted: &mut Counted,
) -> Result<(), StoreError> {
    const SQL: &str = "SELECT e.pairing_id, e.professional_help, e.network_extended, e.social_contacts, e.grade, \
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
            let event = Event { kind: Kind::Evaluations, quarter: span.quarter.place(), traits };
            last.insert(row.try_get("pairing_id")?, event);
        }
    });
    counted.events.extend(last.into_values());
    Ok(())
}

/// Marks what was counted with its quarter.
pub(super) async fn book(conn: &mut Conn<'_>, booking: &Booking) -> Result<(), StoreError> {
    const CASE: &str = "UPDATE case_file SET booked = $2 WHERE id = $1 AND booked IS NULL";
    const SUPPORT: &str = "UPDATE support_family SET booked = $2 WHERE id = $1 AND booked IS NULL";
    const MADE: &str = "UPDATE pairing SET booked_made = $2 WHERE id = $1 AND booked_made IS NULL";
    const ENDED: &str =
        "UPDATE pairing SET booked_ended = $2 WHERE id = $1 AND booked_ended IS NULL";
    let all = [
        (CASE, &booking.cases),
        (SUPPORT, &booking.support_families),
        (MADE, &booking.made),
        (ENDED, &booking.ended),
    ];
    for (sql, ids) in all {
        for id in ids {
            on_conn!(conn, |db| sqlx::query(sql)
                .bind(*id)
                .bind(booking.quarter.as_str())
                .execute(&mut **db)
                .await?
                .rows_affected());
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
