//! The policies against a table of who may ask what, written from `api.md` and not from the policies;
//! what does not load; and that no permit anywhere opens an identity that a forbid closes.

use crate::proofs::prove_and_record;
use crate::support::{ANNA, Engine as Database, LEA, World, on_both};
use buurtpoort::audit::entry::{Event, Outcome};
use buurtpoort::cli::policies::{COMPILED_IN, load};
use buurtpoort::cli::watch;
use buurtpoort::domain::municipality::Municipality;
use buurtpoort::domain::partner::{PartnerKind, Role, Slug};
use buurtpoort::domain::partner_number::PartnerNumber;
use buurtpoort::ids::{CaseId, PartnerId, ReferralId, RequestId};
use buurtpoort::policy::action::{
    AssignCase, ChangeGoals, CorrectCase, DecideCaseConsent, DecideLink, DecideReferralConsent,
    EraseCase, EvaluatePairing, ListAssignments, ListAuditEntries, ListCases, ListDeliveries,
    ListLinks, ListPairings, ListReferrals, ListReleases, ListStatistics, ListSupportFamilies,
    MovePairing, NAMES, ObjectToStatistics, PairCase, ProposeSupport, ReadAuditConsistency,
    ReadAuditProof, ReadCase, ReadCheckpoint, ReadDefinitions, ReadGoals, ReadProgress,
    ReadReferral, ReadStatistics, ReadSupportFamily, RegisterSupportFamily, ReleaseIdentity,
    ReleaseSupportIdentity, ReportProgramme, RetryDelivery, SeeField, SeeToAccess, SubmitReferral,
    TransitionCase, TransitionSupportFamily, WithdrawReferral,
};
use buurtpoort::policy::engine::{PolicyError, PolicyFile};
use buurtpoort::policy::facts::{CaseFacts, Circumstance, Facts};
use buurtpoort::policy::verdict::Note;
use buurtpoort::policy::{Action, Allowed, Engine, Subject};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

/// Every role a token can carry; nobody holds `data-subject`.
const EVERY: &[Role] = &[
    Role::Referrer,
    Role::CaseManager,
    Role::Assigner,
    Role::Coordinator,
    Role::Municipality,
    Role::PrivacyOfficer,
    Role::Operator,
];

/// One row of the table: the action, and the roles that may ask for it at all.
struct Row {
    name: &'static str,
    role_for: fn(&Engine, &Subject) -> Option<Role>,
    roles: &'static [Role],
}

fn row<A: Action>(roles: &'static [Role]) -> Row {
    Row { name: A::NAME, role_for: |engine, subject| engine.role_for::<A>(subject), roles }
}

/// `api.md`, "Resources", column "role".
fn table() -> Vec<Row> {
    use Role::{Assigner, Coordinator, Municipality, PrivacyOfficer, Referrer};
    vec![
        row::<SubmitReferral>(&[Referrer]),
        row::<ListReferrals>(&[Referrer]),
        row::<ReadReferral>(&[Referrer]),
        row::<DecideReferralConsent>(&[Referrer]),
        row::<WithdrawReferral>(&[Referrer]),
        row::<ListCases>(&[Coordinator, Assigner]),
        row::<ReadCase>(&[Coordinator]),
        row::<ReleaseIdentity>(&[Coordinator]),
        row::<ListReleases>(&[Coordinator, PrivacyOfficer]),
        row::<DecideCaseConsent>(&[Coordinator]),
        row::<TransitionCase>(&[Coordinator]),
        row::<AssignCase>(&[Assigner]),
        row::<ListAssignments>(&[Assigner]),
        row::<ListStatistics>(&[Municipality]),
        row::<ReadDefinitions>(&[Municipality]),
        row::<ReadStatistics>(&[Municipality]),
        row::<ReadCheckpoint>(EVERY),
        row::<ListAuditEntries>(&[PrivacyOfficer]),
        row::<ReadAuditProof>(&[PrivacyOfficer]),
        row::<ReadAuditConsistency>(&[PrivacyOfficer]),
        row::<ListDeliveries>(&[Role::Operator]),
        row::<RetryDelivery>(&[Role::Operator]),
        row::<ReadGoals>(&[Role::CaseManager]),
        row::<ProposeSupport>(&[Coordinator]),
        row::<PairCase>(&[Coordinator]),
        row::<MovePairing>(&[Coordinator]),
        row::<ListPairings>(&[Coordinator]),
        row::<EvaluatePairing>(&[Coordinator]),
        row::<ChangeGoals>(&[Coordinator]),
        row::<ListLinks>(&[Coordinator]),
        row::<DecideLink>(&[Coordinator]),
        row::<SeeToAccess>(&[Coordinator]),
        row::<ReadProgress>(&[Coordinator, Assigner]),
        row::<CorrectCase>(&[Coordinator]),
        row::<EraseCase>(&[Coordinator]),
        row::<ObjectToStatistics>(&[Coordinator]),
        row::<RegisterSupportFamily>(&[Referrer, Coordinator]),
        row::<ListSupportFamilies>(&[Coordinator]),
        row::<ReadSupportFamily>(&[Coordinator]),
        row::<TransitionSupportFamily>(&[Coordinator]),
        row::<ReleaseSupportIdentity>(&[Coordinator]),
        row::<ReportProgramme>(&[Referrer]),
        row::<SeeField>(&[
            Role::Referrer,
            Role::CaseManager,
            Role::Assigner,
            Role::Coordinator,
            Role::Municipality,
            Role::PrivacyOfficer,
            Role::DataSubject,
        ]),
    ]
}

fn partner(number: u128) -> PartnerId {
    PartnerId::from_uuid(uuid::Uuid::from_u128(number))
}

fn account(name: &str) -> Slug {
    Slug::parse(name).expect("an account")
}

/// Somebody at partner 1 in these roles, with a bound token.
pub(crate) fn subject(person: &str, roles: &[Role]) -> Subject {
    Subject {
        partner: partner(1),
        number: PartnerNumber::parse("00000099000000006000").expect("a number"),
        partner_name: account("buurtgezinnen"),
        kind: PartnerKind::Coordination,
        person: account(person),
        roles: roles.to_vec(),
        municipalities: vec![Municipality::parse("GM0268").expect("a gemeente")],
        bound: true,
        certificate: Some([1; 32]),
        token: [2; 32],
        register: 1,
        pseudonym: "p".repeat(20),
        request: RequestId::new(),
        trace: "0".repeat(31) + "1",
    }
}

fn compiled_in(kind: &str) -> Vec<PolicyFile> {
    let files = COMPILED_IN.iter().filter(|(name, _)| name.ends_with(kind));
    files.map(|(name, text)| file(name, text)).collect()
}

fn file(name: &str, text: &str) -> PolicyFile {
    PolicyFile { name: name.to_owned(), text: text.to_owned() }
}

fn schema() -> String {
    compiled_in(".cedarschema").remove(0).text
}

/// The set as it is built in, with one more file.
fn with(extra: &str) -> Result<Engine, PolicyError> {
    let mut files = compiled_in(".cedar");
    files.push(file("extra.cedar", extra));
    Engine::load(&schema(), &files, &[])
}

/// What the engine says, as the ledger would record it.
fn allows<A: Action>(
    engine: &Arc<Engine>,
    subject: &Subject,
    object: A::Object,
    facts: &Facts,
    circumstance: &Circumstance,
) -> bool {
    let allowed = Allowed::<A>::ask(Arc::new(subject.clone()), Arc::clone(engine));
    allowed.is_some_and(|allowed| {
        let verdict = allowed.decide(object, facts, circumstance);
        verdict.entry(Event::CaseRead, &Note::default()).outcome == Outcome::Allow
    })
}

fn case(assignee: Option<&str>) -> CaseFacts {
    CaseFacts {
        organisation: partner(1),
        assignee: assignee.map(account),
        open: true,
        consented: vec!["intake"],
    }
}

fn releases(engine: &Arc<Engine>, who: &Subject, facts: CaseFacts, purpose: &'static str) -> bool {
    let purpose = Circumstance::Purpose(purpose);
    allows::<ReleaseIdentity>(engine, who, CaseId::new(), &Facts::Case(facts), &purpose)
}

#[test]
fn pol_01_24_every_role_may_ask_for_what_the_table_says_and_nothing_else() {
    let engine = load(None).unwrap_or_else(|f| panic!("{}", f.message)).engine;
    let table = table();
    let named: BTreeSet<&str> = table.iter().map(|row| row.name).collect();
    assert_eq!(named, NAMES.iter().copied().collect(), "every action is in the table");
    for row in &table {
        for role in Role::ALL {
            let found = (row.role_for)(&engine, &subject("anna", &[*role]));
            let expected = row.roles.contains(role).then_some(*role);
            assert_eq!(found, expected, "{} as {role:?}", row.name);
        }
        assert_eq!((row.role_for)(&engine, &subject("anna", &[])), None, "{} without", row.name);
        // Of several roles the one that may is used, wherever it stands.
        let mut all = EVERY.to_vec();
        for _ in EVERY {
            all.rotate_left(1);
            let found = (row.role_for)(&engine, &subject("anna", &all));
            assert!(found.is_some_and(|role| row.roles.contains(&role)), "{}", row.name);
        }
    }
}

/// Roles that may ask, asking about what is theirs and what is not.
#[test]
fn pol_07_09_10_a_role_is_not_enough() {
    let engine = Arc::new(with("").expect("the set itself"));
    let (none, bare) = (Circumstance::None, Facts::Bare);
    let referrer = subject("wijkteam-1", &[Role::Referrer]);
    let sent_by = |number| Facts::Referral { partner: partner(number) };
    for (number, theirs) in [(1, true), (2, false)] {
        let facts = sent_by(number);
        let id = ReferralId::new();
        assert_eq!(allows::<ReadReferral>(&engine, &referrer, id, &facts, &none), theirs);
        assert_eq!(allows::<WithdrawReferral>(&engine, &referrer, id, &facts, &none), theirs);
        assert_eq!(allows::<DecideReferralConsent>(&engine, &referrer, id, &facts, &none), theirs);
        assert_eq!(
            allows::<ListReferrals>(&engine, &referrer, partner(number), &bare, &none),
            theirs
        );
        let full = Circumstance::Consent("full");
        assert_eq!(
            allows::<SubmitReferral>(&engine, &referrer, partner(number), &bare, &full),
            theirs
        );
    }
    let anna = subject("anna", &[Role::Coordinator]);
    for (assignee, hers) in [(Some("anna"), true), (Some("bert"), false), (None, false)] {
        let (facts, id) = (Facts::Case(case(assignee)), CaseId::new());
        assert_eq!(allows::<ReadCase>(&engine, &anna, id, &facts, &none), hers);
        assert_eq!(allows::<TransitionCase>(&engine, &anna, id, &facts, &none), hers);
        assert_eq!(allows::<DecideCaseConsent>(&engine, &anna, id, &facts, &none), hers);
        assert_eq!(allows::<ListReleases>(&engine, &anna, id, &facts, &none), hers);
    }
    // The same account name at another organisation is somebody else.
    let elsewhere = CaseFacts { organisation: partner(2), ..case(Some("anna")) };
    let facts = Facts::Case(elsewhere);
    assert!(!allows::<ReadCase>(&engine, &anna, CaseId::new(), &facts, &none));
    let adviser = subject("beleid-1", &[Role::Municipality]);
    for (code, own) in [("GM0268", true), ("GM0225", false)] {
        let place = Municipality::parse(code).expect("a gemeente");
        assert_eq!(allows::<ReadStatistics>(&engine, &adviser, place, &bare, &none), own);
    }
}

/// POL-30: an assigner hands out her organisation's cases, to those who may have them.
#[test]
fn pol_30_the_assigner_hands_out_what_is_of_her_organisation_to_the_eligible() {
    let engine = Arc::new(with("").expect("the set itself"));
    let lea = subject("lea", &[Role::Assigner]);
    for (organisation, eligible) in [(1, true), (1, false), (2, true), (2, false)] {
        let facts = Facts::Case(CaseFacts { organisation: partner(organisation), ..case(None) });
        let may = Circumstance::Eligible(eligible);
        let found = allows::<AssignCase>(&engine, &lea, CaseId::new(), &facts, &may);
        assert_eq!(found, organisation == 1 && eligible);
    }
}

#[test]
fn a_question_with_the_wrong_facts_or_none_is_refused() {
    let engine = Arc::new(with("").expect("the set itself"));
    let anna = subject("anna", &[Role::Coordinator]);
    let mine = Facts::Case(case(Some("anna")));
    let ask = |facts: &Facts, circumstance: &Circumstance| {
        allows::<ReleaseIdentity>(&engine, &anna, CaseId::new(), facts, circumstance)
    };
    let intake = Circumstance::Purpose("intake");
    assert!(ask(&mine, &intake), "the control");
    for facts in [Facts::Absent, Facts::Bare, Facts::Referral { partner: partner(1) }] {
        assert!(!ask(&facts, &intake), "{facts:?}");
    }
    let others = [Circumstance::None, Circumstance::Eligible(true), Circumstance::Consent("full")];
    for circumstance in others {
        assert!(!ask(&mine, &circumstance), "{circumstance:?}");
    }
}

/// POL-20, -22: what is wrong with a set is found when it is loaded.
#[test]
fn pol_20_22_a_set_with_a_mistake_is_not_loaded() {
    assert!(with("").is_ok(), "the control");
    assert!(
        with("@id(\"one-more\") forbid (principal, action, resource) unless { principal.bound };")
            .is_ok()
    );
    let when = |condition: &str| {
        let head = "@id(\"x\") permit (principal is Buurtpoort::Coordinator, action == \
            Buurtpoort::Action::\"readCase\", resource is Buurtpoort::Case) when { ";
        with(&format!("{head}{condition} }};"))
    };
    assert!(when("resource.open").is_ok(), "the control");
    let type_errors = [
        "resource.open == \"yes\"",
        "resource.assignee == principal",
        "resource.secret",
        "context.purpose == \"intake\"",
        "principal.gemeenten.contains(resource)",
        "1 + true == 2",
        // Facts of others than caller and object are not handed in.
        "resource has assignee && resource.assignee.bound",
    ];
    for condition in type_errors {
        assert!(matches!(when(condition), Err(PolicyError::Invalid(_))), "{condition}");
    }
    let unknown =
        "@id(\"x\") permit (principal, action == Buurtpoort::Action::\"dissolveCase\", resource);";
    assert!(matches!(with(unknown), Err(PolicyError::Invalid(_))));
    let anonymous =
        "permit (principal, action == Buurtpoort::Action::\"readCheckpoint\", resource);";
    assert!(matches!(with(anonymous), Err(PolicyError::Id(_))));
    let twice = "@id(\"coordinator-works-on-hers\") forbid (principal, action, resource);";
    assert!(matches!(with(twice), Err(PolicyError::Id(_))));
    assert!(matches!(with("permit (principal"), Err(PolicyError::Syntax { .. })));
    let template = "@id(\"x\") permit (principal == ?principal, action, resource);";
    assert!(matches!(with(template), Err(PolicyError::Template(_))), "it must not be passed over");
}

#[test]
fn a_schema_that_the_program_does_not_know_is_not_loaded() {
    let files = compiled_in(".cedar");
    let changed = |from: &str, to: &str| {
        let schema = schema();
        assert!(schema.contains(from), "{from}");
        Engine::load(&schema.replace(from, to), &files, &[])
    };
    assert!(changed("namespace", "namespace").is_ok(), "the control");
    let more = "action dissolveCase appliesTo { principal: [Coordinator], resource: [Case] };\n  action readStatistics";
    let more = changed("action readStatistics", more);
    assert!(matches!(more, Err(PolicyError::UnknownAction(name)) if name == "dissolveCase"));
    let fewer = changed(
        "action listAssignments appliesTo { principal: [Assigner], resource: [Case] };",
        "",
    );
    assert!(fewer.is_err());
    let role = changed(
        "principal: [Municipality], resource: [Gemeente]",
        "principal: [Municipality, Partner], resource: [Gemeente]",
    );
    assert!(role.is_err(), "a principal that is no role");
    assert!(changed("namespace Buurtpoort {", "namespace Buurtpoort {{").is_err());
}

/// An action that nobody is permitted is a mistake too, found when a directory is loaded.
#[test]
fn a_set_that_permits_nobody_an_action_is_not_loaded() {
    let place = tempfile::tempdir().expect("a directory");
    for (name, text) in COMPILED_IN {
        std::fs::write(place.path().join(name), text).expect("written");
    }
    assert!(load(Some(place.path())).is_ok(), "the control");
    std::fs::write(place.path().join("oversight.cedar"), "").expect("written");
    let failure = load(Some(place.path())).expect_err("nobody may read the checkpoint");
    assert!(failure.message.contains("readCheckpoint"), "{}", failure.message);
    for name in ["schema.cedarschema", "consent.toml", "disclosure.toml"] {
        std::fs::remove_file(place.path().join(name)).expect("removed");
        assert!(load(Some(place.path())).is_err(), "{name}");
    }
}

const PERMIT_ALL: &str = "@id(\"permit-all\") permit (principal, action, resource);";

/// POL-22, -12, -15, -17: the forbids hold whatever a permit elsewhere says.
#[test]
fn pol_22_a_permit_for_everything_opens_no_identity() {
    let engine = Arc::new(with(PERMIT_ALL).expect("it loads"));
    let anna = subject("anna", &[Role::Coordinator]);
    let others = Facts::Case(case(Some("bert")));
    let none = Circumstance::None;
    assert!(allows::<ReadCase>(&engine, &anna, CaseId::new(), &others, &none), "it does permit");
    assert!(releases(&engine, &anna, case(Some("anna")), "intake"), "the control");
    assert!(!releases(&engine, &anna, case(Some("bert")), "intake"), "another's");
    assert!(!releases(&engine, &anna, case(None), "intake"), "nobody's");
    assert!(!releases(&engine, &anna, case(Some("anna")), "pairing"), "not consented");
    let shut = CaseFacts { open: false, ..case(Some("anna")) };
    assert!(!releases(&engine, &anna, shut, "intake"), "closed or on hold");
    let elsewhere = CaseFacts { organisation: partner(2), ..case(Some("anna")) };
    assert!(!releases(&engine, &anna, elsewhere, "intake"), "another organisation's");
    let unbound = Subject { bound: false, ..anna };
    assert!(
        !releases(&engine, &unbound, case(Some("anna")), "intake"),
        "a token of any connection"
    );
    assert!(!allows::<ReadCase>(&engine, &unbound, CaseId::new(), &others, &none));
    let referrer = subject("wijkteam-1", &[Role::Referrer]);
    for (consent, enough) in [("full", true), ("contact", true), ("none", false), ("", false)] {
        let found = Circumstance::Consent(consent);
        let may = allows::<SubmitReferral>(&engine, &referrer, partner(2), &Facts::Bare, &found);
        assert_eq!(may, enough, "{consent}");
    }
}

static AS_BUILT: LazyLock<Arc<Engine>> =
    LazyLock::new(|| Arc::new(with("").expect("the set itself")));
static LAX: LazyLock<Arc<Engine>> = LazyLock::new(|| Arc::new(with(PERMIT_ALL).expect("it loads")));

const PURPOSES: [&str; 3] = ["intake", "pairing", "monitoring"];

prop_compose! {
    fn facts()(
        organisation in 1_u128..3,
        assignee in prop::option::of(prop::sample::select(vec!["anna", "bert", "lea"])),
        open: bool,
        consented in prop::sample::subsequence(PURPOSES.to_vec(), 0..=3),
    ) -> CaseFacts {
        let assignee = assignee.map(account);
        CaseFacts { organisation: partner(organisation), assignee, open, consented }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// An identity is opened exactly when the case is assigned to the one who asks, open, and consented
    /// to for that purpose, over a bound token; a lax permit changes nothing about it.
    #[test]
    fn an_identity_is_opened_on_all_conditions_together_or_not_at_all(
        facts in facts(),
        purpose in prop::sample::select(PURPOSES.to_vec()),
        person in prop::sample::select(vec!["anna", "bert", "lea"]),
        role in prop::sample::select(EVERY.to_vec()),
        bound: bool,
    ) {
        let who = Subject { bound, ..subject(person, &[role]) };
        let hers = facts.organisation == partner(1) && facts.assignee == Some(account(person));
        let expected = role == Role::Coordinator
            && hers
            && facts.open
            && facts.consented.contains(&purpose)
            && bound;
        prop_assert_eq!(releases(&AS_BUILT, &who, facts.clone(), purpose), expected);
        prop_assert_eq!(releases(&LAX, &who, facts, purpose), expected);
    }
}

/// The files of a demo's policies.
fn policies(world: &World) -> PathBuf {
    world.dir().join("policies")
}

on_both! {
    /// POL-21: a set that is wrong is not taken, the old one goes on; one that is right is, at once.
    async fn pol_21_a_broken_set_is_not_taken_and_a_good_one_is(world: World) {
        let (_, case) = world.assigned_case().await;
        let path = format!("/v1/cases/{case}/assignments");
        let hash = || world.booted.api.gateway.engine.load().hash();
        let first = hash();
        let extra = policies(world).join("extra.cedar");
        let closed = "@id(\"closed\") forbid (principal, action == Buurtpoort::Action::\"listAssignments\", resource) when { resource.open };";
        let anonymous = closed.replace("@id(\"closed\") ", "");
        for broken in ["forbid (", &anonymous, "@id(\"x\") forbid (principal, action, resource) when { resource.open };"] {
            std::fs::write(&extra, broken).expect("written");
            watch::reload_policies(&world.booted).await;
            assert_eq!(hash(), first, "{broken}");
            assert_eq!(world.get(LEA, &path).await.status, 200);
        }
        assert!(failures(world).await >= 3, "each is counted");
        std::fs::write(&extra, closed).expect("written");
        prove_and_record(world).await;
        watch::reload_policies(&world.booted).await;
        assert_ne!(hash(), first);
        assert_eq!(world.get(LEA, &path).await.status, 404, "the new rule holds");
        std::fs::remove_file(&extra).expect("removed");
        let consent = policies(world).join("consent.toml");
        let text = std::fs::read_to_string(&consent).expect("consent.toml");
        std::fs::write(&consent, text.replace("intake = ", "intaek = ")).expect("written");
        let second = hash();
        watch::reload_policies(&world.booted).await;
        assert_eq!(hash(), second, "engine and consent change together or not at all");
        std::fs::write(&consent, &text).expect("written");
        prove_and_record(world).await;
        watch::reload_policies(&world.booted).await;
        assert_eq!(hash(), first, "the same set has the same hash");
        assert_eq!(world.get(LEA, &path).await.status, 200);
    }
}

/// How many policy sets were not taken.
pub(crate) async fn failures(world: &World) -> u64 {
    let at = format!("http://{}/metrics", world.admin);
    let text = reqwest::get(at).await.expect("metrics").text().await.expect("text");
    let lines = text.lines().filter(|line| {
        line.starts_with("reload_failures_total{") && line.contains("what=\"policies\"")
    });
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// A directory that is gone is a set that is wrong.
#[actix_web::test]
async fn pol_20_a_missing_directory_keeps_the_old_set() {
    let world = World::raise(Database::Sqlite).await.expect("SQLite is always there");
    let hash = || world.booted.api.gateway.engine.load().hash();
    let first = hash();
    let away = world.dir().join("policies-away");
    std::fs::rename(policies(&world), &away).expect("moved");
    watch::reload_policies(&world.booted).await;
    assert_eq!(hash(), first);
    assert_eq!(world.get(ANNA, "/v1/cases").await.status, 200);
}
