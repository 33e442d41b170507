use super::*;
use crate::audit::entry::{Code, Object};

fn code(text: &str) -> Code {
    Code::parse(text).unwrap()
}

fn entry(event: Event, request: &str) -> Entry {
    let mut entry = Entry::new(event, Outcome::Allow);
    entry.object = Object { kind: code("case"), reference: Some([7; 16]) };
    entry.request.id = code(request);
    entry
}

fn with_fields(event: Event, request: &str, fields: &[&str]) -> Entry {
    let fields = fields.iter().map(|field| code(field)).collect();
    Entry { fields, ..entry(event, request) }
}

/// A case from its acceptance to a withdrawal of consent, with one release.
fn story() -> Vec<Entry> {
    let step = Entry { why: code("transitionCase:intake"), ..entry(Event::CaseTransition, "d") };
    let mut intent = with_fields(Event::ReleaseIntent, "c", &["names", "address"]);
    intent.actor.subject = code("p-anna");
    let mut accepted = with_fields(Event::ReferralAccepted, "a", &["names"]);
    accepted.actor.partner = Some(Uuid::from_u128(5));
    vec![
        accepted,
        with_fields(Event::AssignmentMade, "b", &["to:p-anna"]),
        Entry { purpose: code("intake"), ..intent },
        entry(Event::ReleaseDone, "c"),
        step,
        entry(Event::ConsentWithdrawn, "e"),
        Entry { outcome: Outcome::Deny, ..entry(Event::ReleaseIntent, "f") },
    ]
}

fn file() -> CaseOnFile {
    CaseOnFile {
        id: "case".into(),
        object: hex(&[7; 16]),
        state: "on-hold".into(),
        facts_version: 3,
        version: 4,
        assignee: Some("anna".into()),
        assignments: vec![(1, "anna".into(), "lea".into())],
        releases: vec![("anna".into(), "intake".into(), vec!["names".into(), "address".into()])],
        pairings: 0,
        partner: Some(Uuid::from_u128(5)),
        referral_withdrawn: Some(false),
    }
}

fn run(entries: &[Entry], file: &CaseOnFile) -> Vec<&'static str> {
    let mut books = Books::default();
    for (seq, entry) in (0..).zip(entries) {
        books.enter(seq, entry);
    }
    books.compare(file, |account, name| name == format!("p-{account}"));
    books.close(0, 0).findings.into_iter().map(|finding| finding.rule).collect()
}

#[test]
fn what_matches_is_silent() {
    assert_eq!(run(&story(), &file()), [""; 0]);
    let mut books = Books::default();
    (0..).zip(&story()).for_each(|(seq, entry)| books.enter(seq, entry));
    books.compare(&file(), |_, _| true);
    let closed = books.close(0, 0);
    assert_eq!((closed.cases, closed.intents, closed.open_intents), (1, 1, 0));
}

#[test]
fn aud_13_a_row_changed_without_an_entry_is_found() {
    let changed = |change: &dyn Fn(&mut CaseOnFile)| {
        let mut file = file();
        change(&mut file);
        run(&story(), &file)
    };
    assert_eq!(changed(&|_| ()), [""; 0]);
    let state = "a case is in the state the ledger brought it to";
    assert_eq!(changed(&|f| f.state = "searching".into()), [state]);
    assert_eq!(changed(&|f| f.state = "intake".into()), [""; 0], "consent may still suffice");
    assert_eq!(changed(&|f| f.facts_version = 2), ["every version of consent has its entry"]);
    assert_eq!(changed(&|f| f.version = 7), ["every change of a case has its entry"]);
    let holder = "a case is held by whom it was last assigned to";
    assert_eq!(changed(&|f| f.assignee = Some("bert".into())), [holder]);
    let assigned = "every assignment has its entry";
    // Both rows changed alike: the ledger knows to whom it was.
    let handed = changed(&|f| {
        f.assignee = Some("bert".into());
        f.assignments[0].1 = "bert".into();
    });
    assert_eq!(handed, [assigned]);
    assert_eq!(changed(&|f| f.assignments[0].2 = "territory".into()), [assigned]);
    assert_eq!(changed(&|f| f.assignments.push((2, "anna".into(), "lea".into()))), [assigned]);
    let release = "every release of an identity has its intent, and every intent its release";
    assert_eq!(changed(&|f| f.releases.clear()), [release]);
    assert_eq!(
        changed(&|f| f.releases.push(("anna".into(), "intake".into(), Vec::new()))),
        [release]
    );
    assert_eq!(changed(&|f| drop(f.releases[0].2.pop())), [release]);
    assert_eq!(changed(&|f| f.releases[0].0 = "bert".into()), [release], "who opened it");
    let sender = "a referral belongs to the partner that sent it";
    assert_eq!(changed(&|f| f.partner = Some(Uuid::from_u128(6))), [sender]);
    let withdrawn = "a referral is withdrawn when the ledger says so, and only then";
    assert_eq!(changed(&|f| f.referral_withdrawn = Some(true)), [withdrawn]);
    assert_eq!(changed(&|f| f.referral_withdrawn = None), [withdrawn]);
    let unknown = changed(&|f| f.object = hex(&[8; 16]));
    assert_eq!(
        unknown,
        ["an entry about a case has its case", "a case has its entry referral.accepted"]
    );
}

#[test]
fn an_intent_has_at_most_one_outcome_and_an_outcome_its_intent() {
    let with = |extra: Entry| run(&[story(), vec![extra]].concat(), &file());
    let twice = "an intent has at most one outcome";
    assert_eq!(with(entry(Event::ReleaseAborted, "c")), [twice]);
    let orphan = "an outcome follows its intent";
    assert_eq!(with(entry(Event::ReleaseDone, "z")), [orphan]);
    // What was refused is not released.
    assert_eq!(with(entry(Event::ReleaseDone, "f")), [orphan]);
    let mut elsewhere = story();
    elsewhere[3].object.reference = Some([9; 16]);
    assert_eq!(run(&elsewhere, &file()), [orphan]);
    // A crash before the outcome is no contradiction; it is counted.
    let mut crashed = story();
    crashed.remove(3);
    assert_eq!(run(&crashed, &file()), [""; 0]);
}

#[test]
fn erased_cases_and_figures_are_counted() {
    let books = || {
        let mut books = Books::default();
        (0..).zip(&story()).for_each(|(seq, entry)| books.enter(seq, entry));
        books
    };
    let count = |unnamed, figures| books().close(unnamed, figures).findings.len();
    assert_eq!(count(1, 0), 1, "a key that went without a word");
    let mut erased = books();
    let mut said = story().remove(0);
    said.event = Event::EraseDone;
    erased.enter(99, &said);
    assert_eq!(erased.close(1, 0).findings.len(), 0, "one case erased, its name forgotten");
    assert_eq!((count(0, 0), count(2, 0), count(1, 1)), (1, 2, 2));
}
