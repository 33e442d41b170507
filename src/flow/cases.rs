//! Cases seen without opening an identity: lists, one case, who opened it, who held it.

use crate::audit::entry::Event;
use crate::crypto::seal;
use crate::domain::age::{AgeBand, date_in_amsterdam};
use crate::domain::case::Stage;
use crate::domain::consent::{Reason, SubjectRef};
use crate::domain::identity::Secret;
use crate::domain::partner::Role;
use crate::flow::on_case::{OpenCase, Which, Wish, on_case, standing_of};
use crate::flow::release::reason_place;
use crate::flow::standing::Standing;
use crate::flow::{Done, FlowError, Gateway, plain};
use crate::ids::{CaseId, PartnerId};
use crate::policy::action::{ListAssignments, ListCases, ListReleases, ReadCase};
use crate::policy::facts::{Circumstance, Facts};
use crate::policy::verdict::Note;
use crate::policy::{Allowed, Subject};
use crate::store::StoreError;
use crate::store::cases::{self, AssignmentRow, CaseRow};
use crate::store::effect::Rows;
use crate::store::facts::{self, CaseMemory};
use jiff::Timestamp;
use std::sync::Arc;
use uuid::Uuid;

/// Where to go on in a list: the last row's instant and id.
pub type After = (i64, Uuid);

/// What is known of a case without opening the identity.
#[derive(Debug)]
pub struct CaseView {
    /// The row.
    pub row: CaseRow,
    /// Bands of the children's ages today, youngest first.
    pub age_bands: Vec<AgeBand>,
    /// `full`, `contact` or nothing.
    pub stage: Option<Stage>,
    /// Why consent is not full.
    pub reasons: Vec<Reason>,
    /// Who still has to sign.
    pub missing: Vec<SubjectRef>,
    /// First instant after the consent's term.
    pub until: Option<Timestamp>,
    /// The same family under the same pseudonym, for this organisation.
    pub pseudonym: String,
    /// Codes and dayparts: JSON of the HTTP floor.
    pub view: Secret,
}

/// Lists a page: the coordinator's own cases, or those nobody holds, for the assigner.
///
/// # Errors
/// [`FlowError::NotFound`] when the policies refuse.
pub async fn list(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ListCases>,
    after: After,
    limit: i64,
) -> Result<Done<Vec<CaseView>>, FlowError> {
    let now = gateway.clock.now();
    let subject = Arc::clone(allowed.subject());
    let role = allowed.role();
    let (permit, committed) =
        plain::settle(gateway, &allowed, subject.partner, &Facts::Bare, Event::CaseRead).await?;
    let pool = &gateway.store.pool;
    let rows = match role {
        Role::Assigner => cases::list_unassigned(pool, permit.object(), after, limit).await?,
        _ => cases::list_of(pool, permit.object(), &subject.person, after, limit).await?,
    };
    let views = rows.into_iter().filter_map(|row| view(gateway, &subject, row, now).transpose());
    Ok(Done { value: views.collect::<Result<_, _>>()?, committed })
}

/// Opens the facts of a row and shows what may be shown; `None` after erasure.
fn view(
    gateway: &Gateway,
    subject: &Subject,
    row: CaseRow,
    now: Timestamp,
) -> Result<Option<CaseView>, StoreError> {
    let Some((_, memory)) = facts::open(&gateway.keyring, &row)? else {
        return Ok(None);
    };
    let standing = standing_of(&gateway.consent.load(), &row, &memory, now);
    shown(gateway, subject, row, memory, standing, now).map(Some)
}

fn shown(
    gateway: &Gateway,
    subject: &Subject,
    row: CaseRow,
    memory: CaseMemory,
    standing: Standing,
    now: Timestamp,
) -> Result<CaseView, StoreError> {
    let pseudonym = gateway
        .keyring
        .pseudonym(&subject.partner.to_string(), "casework", "all", "family", memory.family.uuid())
        .or(Err(StoreError::Unavailable("pseudonym key")))?;
    Ok(CaseView {
        age_bands: age_bands(&memory, now),
        stage: standing.stage,
        reasons: standing.referral.reasons,
        missing: standing.referral.missing,
        until: memory.consent.as_ref().and_then(|consent| consent.valid_until),
        pseudonym: pseudonym.as_str().to_owned(),
        view: memory.view,
        row,
    })
}

/// Bands of everyone in the message who is of an age Buurtgezinnen serves.
fn age_bands(memory: &CaseMemory, now: Timestamp) -> Vec<AgeBand> {
    let today = date_in_amsterdam(now);
    let mut bands: Vec<AgeBand> = memory
        .subjects
        .iter()
        .filter(|subject| !subject.adult)
        .map(|subject| AgeBand::of(subject.birth.ages_on(today).youngest))
        .filter(|band| *band != AgeBand::Over23)
        .collect();
    bands.sort_unstable();
    bands
}

/// Reads one case.
///
/// # Errors
/// [`FlowError::NotFound`] when it is not the caller's.
pub async fn read(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ReadCase>,
    case: CaseId,
) -> Result<Done<CaseView>, FlowError> {
    let subject = Arc::clone(allowed.subject());
    let wish = |_: &OpenCase<'_>, _| Wish {
        granted: Event::CaseRead,
        note: Note::default(),
        outcome: Ok((Rows::default(), ())),
    };
    let nothing = |_: &OpenCase<'_>| Circumstance::None;
    let (permit, done) =
        on_case(gateway, allowed, case, Which::Case(case), None, nothing, wish).await?;
    let now = gateway.clock.now();
    let row = cases::find(&gateway.store.pool, permit.object()).await?;
    let row = row.ok_or(FlowError::NotFound)?;
    let value = view(gateway, &subject, row, now)?.ok_or(FlowError::NotFound)?;
    Ok(Done { value, committed: done.committed })
}

/// One line of "who opened this identity".
#[derive(Debug)]
pub struct ReleaseLine {
    /// The release as recorded; its reason is still sealed there.
    pub release: cases::PastRelease,
    /// The reason, opened: only for the coordinator who holds the case.
    pub reason: Option<Secret>,
    /// Who, as a pseudonym of the reader's organisation; the coordinator reads the account itself.
    pub person: String,
}

/// Who opened the identity, when and why.
///
/// # Errors
/// [`FlowError::NotFound`] when the case is not there or not the caller's.
pub async fn releases(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ListReleases>,
    case: CaseId,
) -> Result<Done<Vec<ReleaseLine>>, FlowError> {
    let role = allowed.role();
    let subject = Arc::clone(allowed.subject());
    let own = Arc::clone(gateway);
    let wish = |_: &OpenCase<'_>, _| Wish {
        granted: Event::AuditRead,
        note: Note::default(),
        outcome: Ok((Rows::default(), ())),
    };
    let nothing = |_: &OpenCase<'_>| Circumstance::None;
    let (permit, done) =
        on_case(gateway, allowed, case, Which::Case(case), None, nothing, wish).await?;
    let row =
        cases::find(&gateway.store.pool, permit.object()).await?.ok_or(FlowError::NotFound)?;
    let (key, _) = facts::open(&gateway.keyring, &row)?.ok_or(FlowError::NotFound)?;
    let past = cases::releases(&gateway.store.pool, row.id).await?;
    let line = |release: cases::PastRelease| {
        let name = release.id.to_string();
        let person = shown_person(&own, &subject, role, row.organisation, &release)?;
        let reason = if role == Role::Coordinator {
            let text = seal::open(&key, &reason_place(row.id, &name), &release.reason)
                .or(Err(StoreError::Corrupt("release reason")))?;
            let text = str::from_utf8(&text).or(Err(StoreError::Corrupt("release reason")))?;
            Some(Secret::new(text.to_owned()))
        } else {
            None
        };
        Ok::<_, FlowError>(ReleaseLine { release, reason, person })
    };
    let value = past.into_iter().map(line).collect::<Result<_, _>>()?;
    Ok(Done { value, committed: done.committed })
}

fn shown_person(
    gateway: &Gateway,
    subject: &Subject,
    role: Role,
    organisation: PartnerId,
    release: &cases::PastRelease,
) -> Result<String, FlowError> {
    if role == Role::Coordinator {
        return Ok(release.person.as_str().to_owned());
    }
    let id = crate::flow::witness::account_id(organisation, &release.person);
    let reader = subject.partner.to_string();
    let pseudonym = gateway.keyring.pseudonym(&reader, "audit", "all", "person", id);
    Ok(pseudonym.or(Err(StoreError::Unavailable("pseudonym key")))?.as_str().to_owned())
}

/// To whom a case was handed, oldest first.
///
/// # Errors
/// [`FlowError::NotFound`] when the case is not of the caller's organisation.
pub async fn assignments(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ListAssignments>,
    case: CaseId,
) -> Result<Done<Vec<AssignmentRow>>, FlowError> {
    let wish = |_: &OpenCase<'_>, _| Wish {
        granted: Event::CaseRead,
        note: Note::default(),
        outcome: Ok((Rows::default(), ())),
    };
    let nothing = |_: &OpenCase<'_>| Circumstance::None;
    let (permit, done) =
        on_case(gateway, allowed, case, Which::Case(case), None, nothing, wish).await?;
    let value = cases::assignments(&gateway.store.pool, permit.object()).await?;
    Ok(Done { value, committed: done.committed })
}
