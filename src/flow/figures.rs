//! Figures for gemeenten: what was published, for those who read it. Publishing is in `flow::publish`.

use crate::audit::entry::Event;
use crate::domain::access::{Condition, Conditions, Field, Level, Use};
use crate::domain::municipality::Municipality;
use crate::flow::{Done, FlowError, Gateway, plain};
use crate::ids::StatisticsReleaseId;
use crate::policy::action::{ListStatistics, ReadDefinitions, ReadStatistics};
use crate::policy::facts::Facts;
use crate::policy::{Action, Allowed};
use crate::statistics::contract::{Contract, Region};
use crate::statistics::protect::Rules;
use crate::statistics::release::Published;
use crate::store::StoreError;
use crate::store::figures::{self, FiguresRow};
use std::sync::Arc;

/// Lists the releases about the caller's own gemeenten, and about the regions they lie in.
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
    if sees_counts(&allowed) {
        let pool = &gateway.store.pool;
        for municipality in &subject.municipalities {
            value.extend(figures::list(pool, municipality.as_str()).await?);
        }
        // Of a region those that were about the caller's gemeenten when they were sealed, whatever it is made of now.
        for row in figures::of_regions(pool).await? {
            let own = about(&row).iter().any(|one| subject.municipalities.contains(one));
            value.extend(own.then_some(row));
        }
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
    let about = row.as_ref().and_then(|row| reader(row, &allowed));
    let (object, facts) = about.map_or((nowhere, Facts::Absent), |about| (about, Facts::Bare));
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

/// The gemeenten a release is about: its own, or those of its region when it was sealed.
#[must_use]
pub fn about(row: &FiguresRow) -> Vec<Municipality> {
    let codes = Published::read(&row.body).map(|read| read.municipalities).unwrap_or_default();
    codes.iter().filter_map(|code| Municipality::parse(code).ok()).collect()
}

/// Whose release it is, to decide about: a gemeente of the caller that it is about, else the first it is about.
fn reader<A: Action>(row: &FiguresRow, allowed: &Allowed<A>) -> Option<Municipality> {
    let about = about(row);
    let own = |one: &&Municipality| allowed.subject().municipalities.contains(one);
    about.iter().find(own).or(about.first()).copied()
}

/// What the figures of the caller's gemeenten mean.
#[derive(Clone, Debug)]
pub struct Definitions {
    /// For gemeenten without a contract.
    pub threshold: Rules,
    /// The contracts of the caller's gemeenten.
    pub contracts: Vec<Contract>,
    /// The regions they lie in.
    pub regions: Vec<Region>,
}

/// The rules by which figures are protected, for those who read them.
///
/// # Errors
/// [`FlowError::NotFound`] when the policies refuse.
pub async fn definitions(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ReadDefinitions>,
) -> Result<Done<Definitions>, FlowError> {
    let subject = Arc::clone(allowed.subject());
    let (_, committed) =
        plain::settle(gateway, &allowed, subject.partner, &Facts::Bare, Event::StatsRead).await?;
    let disclosure = gateway.disclosure.load();
    let own = |municipality: &Municipality| subject.municipalities.contains(municipality);
    let contracts = disclosure.contracts.iter().filter(|one| own(&one.municipality));
    let regions = disclosure.regions.iter().filter(|one| one.municipalities.iter().any(own));
    let value = Definitions {
        threshold: disclosure.threshold,
        contracts: contracts.cloned().collect(),
        regions: regions.cloned().collect(),
    };
    Ok(Done { value, committed })
}
