//! How the programme goes in a gemeente, beside what was agreed on: for the organisation that runs it. What leaves for
//! the gemeente is protected figures.

use crate::audit::entry::Event;
use crate::domain::age::midnight_in_amsterdam;
use crate::domain::municipality::Municipality;
use crate::domain::period::Year;
use crate::domain::programme::Target;
use crate::flow::{Done, FlowError, Gateway, plain};
use crate::policy::Allowed;
use crate::policy::action::ReadProgress;
use crate::policy::facts::Facts;
use crate::store::tally;
use std::sync::Arc;

/// A year in a gemeente.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// What was agreed on, if anything.
    pub target: Option<Target>,
    /// What was done so far.
    pub done: tally::Done,
}

impl Progress {
    /// The budget of the year by the pairings made so far, in whole euro; nothing where there is none of either.
    #[must_use]
    pub fn euro_a_pairing(&self) -> Option<i64> {
        let budget = i64::from(self.target?.budget_euro);
        budget.checked_div(self.done.pairings)
    }
}

/// Counts a year in a gemeente of the caller's organisation.
///
/// # Errors
/// [`FlowError::NotFound`] when the policies refuse.
pub async fn read(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ReadProgress>,
    municipality: Municipality,
    year: Year,
) -> Result<Done<Progress>, FlowError> {
    let partner = allowed.subject().partner;
    let (permit, committed) =
        plain::settle(gateway, &allowed, partner, &Facts::Bare, Event::StatsRead).await?;
    let start = |year| midnight_in_amsterdam(year, 1, 1).map(jiff::Timestamp::as_millisecond);
    let (Some(from), Some(until)) = (start(year.number()), start(year.number() + 1)) else {
        return Err(FlowError::NotFound);
    };
    let pool = &gateway.store.pool;
    let done = tally::done(pool, permit.object(), municipality, (from, until)).await?;
    let targets = gateway.targets.load();
    let own = |one: &&Target| (one.municipality, one.year) == (municipality, year);
    let target = targets.iter().find(own).copied();
    Ok(Done { value: Progress { target, done }, committed })
}
