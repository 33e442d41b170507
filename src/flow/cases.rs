//! Cases seen without opening an identity: lists, one case, who opened it, who held it.

use crate::audit::entry::Event;
use crate::crypto::seal::{self, CaseKey};
use crate::domain::access::{Condition, Conditions, Field, Level, Use};
use crate::domain::age::{AgeBand, date_in_amsterdam};
use crate::domain::case::{CaseState, Stage};
use crate::domain::consent::{Reason, SubjectRef};
use crate::domain::identity::Secret;
use crate::domain::municipality::{District, Municipality};
use crate::domain::partner::Role;
use crate::domain::referral::{Composition, Source, Urgency};
use crate::domain::term::Deadline;
use crate::flow::on_case::{OpenCase, Which, Wish, on_case, standing_of};
use crate::flow::release::reason_place;
use crate::flow::standing::Standing;
use crate::flow::{Done, FlowError, Gateway, deadlines, plain};
use crate::ids::{CaseId, PartnerId};
use crate::policy::action::{ListAssignments, ListCases, ListReleases, ReadCase};
use crate::policy::facts::{Circumstance, Facts};
use crate::policy::sight::Sight;
use crate::policy::verdict::Note;
use crate::policy::{Action, Allowed, Subject};
use crate::store::StoreError;
use crate::store::access::{self, AccessRow};
use crate::store::cases::{self, AssignmentRow, CaseRow};
use crate::store::effect::Rows;
use crate::store::facts::{self, CaseMemory};
use crate::store::pairings::{self, PairingRow};
use jiff::Timestamp;
use std::sync::Arc;
use uuid::Uuid;

/// Where to go on in a list: the last row's instant and id.
pub type After = (i64, Uuid);

/// What is shown of a case without opening the identity. What no rule grants is not here.
#[derive(Debug)]
pub struct CaseView {
    /// Id.
    pub id: CaseId,
    /// Where the case stands.
    pub state: CaseState,
    /// Milliseconds since the epoch.
    pub received_ms: i64,
    /// Milliseconds since the epoch.
    pub changed_ms: i64,
    /// Counts changes, from 1.
    pub version: i32,
    /// `full`, `contact` or nothing.
    pub stage: Option<Stage>,
    /// Why consent is not full, whose signature lacks and how long it lasts: for the coordinator.
    pub consent: Option<ConsentDetail>,
    /// In which capacity it was referred: all of group `referrer` that is shown here.
    pub source: Option<Source>,
    /// How soon somebody should look; shown with the capacity.
    pub urgency: Option<Urgency>,
    /// Gemeente and wijk: group `area`.
    pub area: Option<(Municipality, Option<District>)>,
    /// Group `household`.
    pub household: Option<Composition>,
    /// Bands of the children's ages today, youngest first: group `age-band`.
    pub age_bands: Option<Vec<AgeBand>>,
    /// Codes and dayparts, where any of them is shown: JSON of the HTTP floor.
    pub view: Option<Secret>,
    /// How clearly the parts of `view` may be shown.
    pub levels: ViewLevels,
    /// Days that must not pass, soonest first: for the coordinator.
    pub deadlines: Vec<Deadline>,
    /// The same family under the same pseudonym, for this organisation: for the coordinator.
    pub pseudonym: Option<String>,
}

/// How clearly the codes of a case may be shown, group by group.
#[derive(Clone, Copy, Debug, Default)]
pub struct ViewLevels {
    /// Number of children.
    pub household: Option<Level>,
    /// Codes, dayparts, frequency.
    pub support: Option<Level>,
    /// Call the referrer first.
    pub signal: Option<Level>,
    /// Language, without its region: for the assigner.
    pub language: Option<Level>,
}

/// What the coordinator who holds a case is told of its consent.
#[derive(Debug)]
pub struct ConsentDetail {
    /// Why consent is not full.
    pub reasons: Vec<Reason>,
    /// Who still has to sign.
    pub missing: Vec<SubjectRef>,
    /// First instant after the consent's term.
    pub until: Option<Timestamp>,
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
    let (permit, committed) =
        plain::settle(gateway, &allowed, subject.partner, &Facts::Bare, Event::CaseRead).await?;
    let pool = &gateway.store.pool;
    let rows = match allowed.role() {
        Role::Assigner => cases::list_unassigned(pool, permit.object(), after, limit).await?,
        _ => cases::list_of(pool, permit.object(), &subject.person, after, limit).await?,
    };
    let pairings = match allowed.role() {
        Role::Assigner => Vec::new(),
        _ => pairings::of_coordinator(pool, permit.object(), &subject.person).await?,
    };
    let waiting = match allowed.role() {
        Role::Assigner => Vec::new(),
        _ => access::waiting(pool, permit.object(), &subject.person).await?,
    };
    let beside = Beside { pairings: &pairings, waiting: &waiting };
    let views = rows.iter().filter_map(|row| view(gateway, &allowed, row, beside, now).transpose());
    Ok(Done { value: views.collect::<Result<_, _>>()?, committed })
}

/// What was read beside the rows of cases.
#[derive(Clone, Copy)]
struct Beside<'a> {
    pairings: &'a [PairingRow],
    waiting: &'a [AccessRow],
}

/// Opens the facts of a row and shows what may be shown, its own of what stands `beside` it too; `None` after erasure.
fn view<A: Action>(
    gateway: &Gateway,
    allowed: &Allowed<A>,
    row: &CaseRow,
    beside: Beside<'_>,
    now: Timestamp,
) -> Result<Option<CaseView>, StoreError> {
    let Some((_, memory)) = facts::open(&gateway.keyring, row)? else {
        return Ok(None);
    };
    let standing = standing_of(&gateway.consent.load(), row, &memory, now);
    let seen = Seen::of(allowed, row, standing.stage);
    let mut deadlines = Vec::new();
    if seen.role != Role::Assigner {
        deadlines.extend(deadlines::of_consent(&memory, now));
    }
    if seen.level(Field::AgeBand) == Some(Level::Clear) {
        deadlines.extend(deadlines::of_subjects(&memory, now));
    }
    if seen.level(Field::Pairing) == Some(Level::ReadWrite) {
        let own = beside.pairings.iter().filter(|pairing| pairing.case == row.id);
        deadlines.extend(deadlines::of_pairings(own));
    }
    if seen.role != Role::Assigner {
        let own = beside.waiting.iter().filter(|request| request.case == row.id);
        deadlines.extend(deadlines::of_access(own));
    }
    deadlines.sort_unstable();
    let view = shown(gateway, allowed.subject(), &seen, row, memory, standing, now)?;
    Ok(Some(CaseView { deadlines, ..view }))
}

/// What one caller sees of one case.
struct Seen {
    role: Role,
    stage: Option<Stage>,
    sight: Sight,
}

impl Seen {
    fn of<A: Action>(allowed: &Allowed<A>, row: &CaseRow, stage: Option<Stage>) -> Self {
        let role = allowed.role();
        let purpose = if role == Role::Assigner { Use::Assignment } else { Use::Intake };
        let conditions = Conditions::of(&[Condition::Logged])
            .with(Condition::Assigned, holds(allowed.subject(), row));
        Self { role, stage, sight: allowed.sight(purpose, conditions) }
    }

    /// How clearly a group is shown. Full consent covers what a case shows. Stage `contact` covers none
    /// of it but the safety signal: to call the referrer first protects the family that is to be called.
    fn level(&self, field: Field) -> Option<Level> {
        let covered = match self.stage {
            Some(Stage::Full) => true,
            Some(Stage::Contact) => field == Field::SafetySignal,
            None => false,
        };
        self.sight.with(Condition::ConsentValid, covered).level(field)
    }
}

/// Whether the caller holds the case.
pub(super) fn holds(subject: &Subject, row: &CaseRow) -> bool {
    row.organisation == subject.partner && row.assignee.as_ref() == Some(&subject.person)
}

fn shown(
    gateway: &Gateway,
    subject: &Subject,
    seen: &Seen,
    row: &CaseRow,
    memory: CaseMemory,
    standing: Standing,
    now: Timestamp,
) -> Result<CaseView, StoreError> {
    let levels = ViewLevels {
        household: seen.level(Field::Household),
        support: seen.level(Field::SupportRequestCodes),
        signal: seen.level(Field::SafetySignal),
        // In clear it comes with a release.
        language: seen.level(Field::PreferredLanguage).filter(|l| *l == Level::Generalised),
    };
    let referrer = seen.level(Field::Referrer).is_some();
    let area = seen.level(Field::Area).is_some();
    let bands = seen.level(Field::AgeBand).is_some();
    let any = [levels.household, levels.support, levels.signal, levels.language];
    // A pseudonym follows a family from case to case: shown with what the case tells of it, in clear only.
    let follows = levels.support == Some(Level::Clear);
    let until = memory.consent.as_ref().and_then(|consent| consent.valid_until);
    let (reasons, missing) = (standing.referral.reasons, standing.referral.missing);
    Ok(CaseView {
        id: row.id,
        state: row.state,
        received_ms: row.received_ms,
        changed_ms: row.changed_ms,
        version: row.version,
        stage: standing.stage,
        consent: (seen.role != Role::Assigner).then_some(ConsentDetail { reasons, missing, until }),
        source: referrer.then_some(row.source),
        urgency: referrer.then_some(row.urgency),
        area: area.then_some((row.profile.municipality, row.profile.district)),
        household: levels.household.map(|_| row.profile.composition),
        age_bands: bands.then(|| age_bands(&memory, now)),
        deadlines: Vec::new(),
        pseudonym: follows.then(|| pseudonym(gateway, subject, &memory)).transpose()?,
        view: any.iter().any(Option::is_some).then_some(memory.view),
        levels,
    })
}

fn pseudonym(
    gateway: &Gateway,
    subject: &Subject,
    memory: &CaseMemory,
) -> Result<String, StoreError> {
    let (reader, family) = (subject.partner.to_string(), memory.family.uuid());
    let made = gateway.keyring.pseudonym(&reader, "casework", "all", "family", family);
    Ok(made.or(Err(StoreError::Unavailable("pseudonym key")))?.as_str().to_owned())
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
    let asking = allowed.clone();
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
    let pairings = pairings::of_case(&gateway.store.pool, row.id).await?;
    let waiting = access::of_case(&gateway.store.pool, row.id).await?;
    let beside = Beside { pairings: &pairings, waiting: &waiting };
    let value = view(gateway, &asking, &row, beside, now)?.ok_or(FlowError::NotFound)?;
    Ok(Done { value, committed: done.committed })
}

/// One line of "who opened this identity".
#[derive(Debug)]
pub struct ReleaseLine {
    /// The release as recorded; its reason is still sealed there.
    pub release: cases::PastRelease,
    /// The reason, opened: only for the coordinator who holds the case, while consent covers anything.
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
    let asking = allowed.clone();
    let wish = |_: &OpenCase<'_>, _| Wish {
        granted: Event::AuditRead,
        note: Note::default(),
        outcome: Ok((Rows::default(), ())),
    };
    let nothing = |_: &OpenCase<'_>| Circumstance::None;
    let (permit, done) =
        on_case(gateway, allowed, case, Which::Case(case), None, nothing, wish).await?;
    if role == Role::PrivacyOfficer {
        let sight = asking.sight(Use::Audit, Conditions::of(&[Condition::Logged]));
        let seen = sight.allows(Field::Logs, Level::Pseudonymised);
        seen.then_some(()).ok_or(FlowError::NotFound)?;
    }
    let row =
        cases::find(&gateway.store.pool, permit.object()).await?.ok_or(FlowError::NotFound)?;
    let (key, memory) = facts::open(&gateway.keyring, &row)?.ok_or(FlowError::NotFound)?;
    let rules = gateway.consent.load();
    let covered = standing_of(&rules, &row, &memory, gateway.clock.now()).stage.is_some();
    let past = cases::releases(&gateway.store.pool, row.id).await?;
    let line = |release: cases::PastRelease| {
        let person = shown_person(&own, &subject, role, row.organisation, &release)?;
        let reason = if role == Role::Coordinator && covered {
            Some(reason_of(&key, row.id, &release)?)
        } else {
            None
        };
        Ok::<_, FlowError>(ReleaseLine { release, reason, person })
    };
    let value = past.into_iter().map(line).collect::<Result<_, _>>()?;
    Ok(Done { value, committed: done.committed })
}

/// Why an identity was opened, opened itself.
pub(super) fn reason_of(
    key: &CaseKey,
    case: CaseId,
    release: &cases::PastRelease,
) -> Result<Secret, StoreError> {
    const CORRUPT: StoreError = StoreError::Corrupt("release reason");
    let name = release.id.to_string();
    let text = seal::open(key, &reason_place(case, &name), &release.reason).or(Err(CORRUPT))?;
    Ok(Secret::new(str::from_utf8(&text).or(Err(CORRUPT))?.to_owned()))
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
