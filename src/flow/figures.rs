//! Figures for gemeenten: published once, served ever after.

use crate::audit::entry::{Code, Entry, Event, Object as LedgerObject, Outcome};
use crate::crypto::bits::Seed;
use crate::crypto::digest::{hex, sha256};
use crate::domain::access::{Condition, Conditions, Field, Level, Use};
use crate::domain::age::midnight_in_amsterdam;
use crate::domain::municipality::Municipality;
use crate::domain::period::Year;
use crate::flow::{Done, FlowError, Gateway, plain};
use crate::ids::{RequestId, StatisticsReleaseId};
use crate::policy::action::{ListStatistics, ReadDefinitions, ReadStatistics};
use crate::policy::facts::Facts;
use crate::policy::{Action, Allowed};
use crate::statistics::plan;
use crate::statistics::protect::Rules;
use crate::statistics::publish::body;
use crate::statistics::tabulate::ReferralsBySource;
use crate::store::StoreError;
use crate::store::effect::{Effect, Rows};
use crate::store::figures::{self, FiguresKey, FiguresRow};
use crate::store::writer::{Found, Question};
use std::sync::Arc;

/// Publishes one gemeente's figures about a year that is over. A second time returns what was
/// published the first time, and draws nothing anew.
///
/// # Errors
/// [`FlowError::State`] when the year is not over.
pub async fn publish(gateway: &Arc<Gateway>, key: FiguresKey) -> Result<FiguresRow, FlowError> {
    let now = gateway.clock.now();
    if !key.year.is_over(now) {
        return Err(FlowError::State { allowed: Vec::new() });
    }
    let pool = &gateway.store.pool;
    let (from, until) = bounds(key.year)?;
    let (body, fields) = if gateway.frozen.load().contains(&key.municipality) {
        // Drawn before it is known whether these figures were published before: then nobody sees this draw.
        let seed = Seed::fresh(&gateway.entropy).or(Err(StoreError::Unavailable("seed")))?;
        let counted = figures::counted(pool, key, (from, until)).await?;
        let body = plan::body(key.municipality, key.year, &counted, &seed);
        (
            body,
            vec![format!("tables:{}", plan::TABLES), format!("seed:{}", hex(&seed.commitment()))],
        )
    } else {
        let counted = figures::count(pool, key, from, until).await?;
        let counts = ReferralsBySource::new(counted.iter().map(|c| (c.source, c.families)));
        (body(key.municipality, key.year, &counts, gateway.disclosure), Vec::new())
    };
    let row = FiguresRow {
        id: StatisticsReleaseId::new(),
        key,
        sha256: sha256(body.as_bytes()),
        body,
        sealed_ms: now.as_millisecond(),
    };
    let (request, policy) = (RequestId::new(), gateway.engine.load().hash());
    let decide = move |found: &Found| {
        if found.published {
            return (Effect::nothing(request), ());
        }
        let mut entry = Entry::new(Event::StatsPublished, Outcome::Allow);
        entry.policy.hash = Some(policy);
        entry.object = figures_object();
        entry.fields = fields.iter().filter_map(|field| Code::parse(field).ok()).collect();
        entry.actor.role = Code::parse("operator").unwrap_or_default();
        entry.purpose = Code::parse("statistics").unwrap_or_default();
        entry.request.id = Code::parse(&request.to_string()).unwrap_or_default();
        let rows = Rows { figures: Some(row.clone()), ..Rows::default() };
        (Effect::new(request, entry, rows), ())
    };
    let question = Question { figures: Some(key), ..Question::default() };
    gateway.store.writer.write(question, now, decide).await?;
    let releases = figures::list(pool, key.municipality).await?;
    let published = releases.into_iter().find(|release| release.key == key);
    Ok(published.ok_or(StoreError::Corrupt("statistics_release"))?)
}

fn bounds(year: Year) -> Result<(i64, i64), FlowError> {
    let start = |year: i16| {
        let instant = midnight_in_amsterdam(year, 1, 1).ok_or(StoreError::Corrupt("year"));
        instant.map(jiff::Timestamp::as_millisecond)
    };
    Ok((start(year.number())?, start(year.number().saturating_add(1))?))
}

fn figures_object() -> LedgerObject {
    LedgerObject { kind: Code::parse("figures").unwrap_or_default(), reference: None }
}

/// Lists the releases about the caller's own gemeenten.
///
/// # Errors
/// [`FlowError::NotFound`] when the policies refuse.
pub async fn list(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ListStatistics>,
) -> Result<Done<Vec<FiguresRow>>, FlowError> {
    let subject = Arc::clone(allowed.subject());
    let (_, committed) =
        plain::settle(gateway, &allowed, subject.partner, &Facts::Bare, Event::StatsRead).await?;
    let mut value = Vec::new();
    let own = subject.municipalities.iter().filter(|_| sees_counts(&allowed));
    for municipality in own {
        value.extend(figures::list(&gateway.store.pool, *municipality).await?);
    }
    Ok(Done { value, committed })
}

/// Reads one release.
///
/// # Errors
/// [`FlowError::NotFound`] when it is not there or about another gemeente.
pub async fn read(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ReadStatistics>,
    id: StatisticsReleaseId,
) -> Result<Done<FiguresRow>, FlowError> {
    let row = figures::find(&gateway.store.pool, id).await?;
    // An absent release is decided about too, so that the refusal is on record like any other.
    let nowhere = Municipality::parse("GM0000").or(Err(StoreError::Corrupt("gemeente")))?;
    let (object, facts) =
        row.as_ref().map_or((nowhere, Facts::Absent), |row| (row.key.municipality, Facts::Bare));
    let (_, committed) = plain::settle(gateway, &allowed, object, &facts, Event::StatsRead).await?;
    let row = row.filter(|_| sees_counts(&allowed));
    Ok(Done { value: row.ok_or(FlowError::NotFound)?, committed })
}

/// Whether the caller may see what a release holds: counts of families, by who referred them. What was
/// published went through `statistics::protect` and cannot change since.
fn sees_counts<A: Action>(allowed: &Allowed<A>) -> bool {
    let protected = Conditions::of(&[Condition::DisclosureProtected, Condition::Logged]);
    allowed.sight(Use::Statistics, protected).allows(Field::Referrer, Level::Aggregate)
}

/// The rules by which figures are protected, for those who read them; and the caller's gemeenten whose figures are
/// measured, rounded and frozen instead.
///
/// # Errors
/// [`FlowError::NotFound`] when the policies refuse.
pub async fn definitions(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ReadDefinitions>,
) -> Result<Done<(Rules, Vec<Municipality>)>, FlowError> {
    let partner = allowed.subject().partner;
    let (_, committed) =
        plain::settle(gateway, &allowed, partner, &Facts::Bare, Event::StatsRead).await?;
    let own = allowed.subject().municipalities.iter();
    let all = gateway.frozen.load();
    let frozen = own.copied().filter(|one| all.contains(one)).collect();
    Ok(Done { value: (gateway.disclosure, frozen), committed })
}
