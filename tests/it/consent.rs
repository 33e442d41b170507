//! Consent: the vectors of the contract, the boundaries, and laws that hold for any message.
#![cfg(test)]

use buurtpoort::cli::consent::evaluate_json;
use buurtpoort::consent::{Decision, Outcome, evaluate, missing_is_only_signatures};
use buurtpoort::domain::age::BirthDate;
use buurtpoort::domain::consent::{
    Action, Authority, AuthorityType, Category, Consent, Purpose, Reason, Recipient, Request,
    Signature, SignatureDecision, SubjectFacts, SubjectRef, Switches,
};
use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const VECTORS: &str = include_str!("../data/consent.json");

#[test]
fn every_vector_of_the_contract() {
    let contract: Value = serde_json::from_str(VECTORS).unwrap();
    let vectors = contract["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 65);

    let answer: Value = serde_json::from_str(&evaluate_json(VECTORS).unwrap()).unwrap();

    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), vectors.len());
    for (vector, result) in vectors.iter().zip(results) {
        assert_eq!(vector["id"], result["id"]);
        for part in ["decision", "reasons", "missing"] {
            assert_eq!(vector["expected"][part], result[part], "{}", vector["id"]);
        }
    }
}

#[test]
fn reasons_are_those_of_the_contract_in_its_order() {
    let contract: Value = serde_json::from_str(VECTORS).unwrap();
    let ours: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(contract["reasonOrder"], json!(ours));
}

#[test]
fn labels_and_dates_do_not_print() {
    let (request, consent) = (request(), consent());
    let shown = format!("{request:?} {consent:?}");
    for secret in ["child1", "parent1", "2018", "sha256", "nijmegen"] {
        assert!(!shown.contains(secret), "{secret}");
    }
    assert!(shown.contains("Referral"), "control");
}

// One vector at a time: the first of the contract, changed.

fn base() -> Value {
    let contract: Value = serde_json::from_str(VECTORS).unwrap();
    contract["vectors"][0]["input"].clone()
}

fn with(changes: &[(&str, Value)]) -> (Vec<String>, Vec<String>) {
    let mut input = base();
    for (pointer, value) in changes {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        input.pointer_mut(parent).unwrap()[key] = value.clone();
    }
    let document = json!({"vectors": [{"id": "X", "input": input}]}).to_string();
    let answer: Value = serde_json::from_str(&evaluate_json(&document).unwrap()).unwrap();
    let words = |part: &str| serde_json::from_value(answer["results"][0][part].clone()).unwrap();
    (words("reasons"), words("missing"))
}

#[track_caller]
fn expect(changes: &[(&str, Value)], reasons: &[&str], missing: &[&str]) {
    let (got, absent) = with(changes);
    assert_eq!((got, absent), (words(reasons), words(missing)));
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn signed(by: &[(&str, &str)]) -> Value {
    let at = "2026-03-01T09:00:00Z";
    by.iter().map(|(who, what)| json!({"ref": who, "decision": what, "at": at})).collect()
}

const SIGNATURES: &str = "/consent/signatures";
const BIRTH: &str = "/subjects/0/birthDate";

#[test]
fn pol_16_parents_do_not_sign_for_a_competent_16_year_old() {
    expect(&[(BIRTH, json!("2010-01-01"))], &["youth-missing"], &["child1"]);
}

#[test]
fn pol_16_authority_that_is_not_established_denies_whatever_was_signed() {
    let kind = "/subjects/0/authority/type";
    for (kind_of, reason) in [
        (json!("TijdelijkGeenGezag"), "authority-vacant"),
        (json!("GezagNietTeBepalen"), "authority-unknown"),
        (json!("Anders"), "authority-unknown"),
        (json!(null), "authority-unknown"),
    ] {
        expect(&[(kind, kind_of.clone())], &[reason], &[]);
        expect(&[(kind, kind_of), ("/subjects/0/authority/holders", json!([]))], &[reason], &[]);
    }
    expect(&[("/subjects/0/authority", json!(null))], &["authority-unknown"], &[]);
    expect(
        &[("/subjects/0/authority/underInvestigation", json!(true))],
        &["authority-under-investigation"],
        &[],
    );
    expect(&[(kind, json!("EenhoofdigOuderlijkGezag"))], &["authority-unknown"], &[]);
    expect(&[("/subjects/0/authority/underInvestigation", json!(false))], &[], &[]);
}

#[test]
fn a_child_does_not_hold_authority_over_itself() {
    for (kind, holders) in [
        ("EenhoofdigOuderlijkGezag", json!(["child1"])),
        ("GezamenlijkGezag", json!(["parent1", "child1"])),
        ("Voogdij", json!(["parent1", "child1"])),
    ] {
        let authority = json!({"type": kind, "holders": holders});
        let all = signed(&[("parent1", "given"), ("child1", "given")]);
        expect(
            &[("/subjects/0/authority", authority), (SIGNATURES, all)],
            &["authority-unknown"],
            &[],
        );
    }
}

#[test]
fn holders_sign_for_a_16_year_old_whose_competence_is_denied_or_not_stated() {
    for competent in [json!(false), json!(null)] {
        let changes = [
            (BIRTH, json!("2010-01-01")),
            ("/subjects/0/competent", competent),
            (SIGNATURES, signed(&[("child1", "given")])),
        ];
        expect(&changes, &["authority-holder-missing"], &["parent1", "parent2"]);
    }
}

#[test]
fn a_withdrawal_counts_from_its_own_instant() {
    let whole = |at: &str| [("/consent/withdrawnAt", json!(at))];
    expect(&whole("2026-03-10T10:00:00Z"), &["consent-withdrawn"], &[]);
    expect(&whole("2026-03-10T10:00:00.001Z"), &[], &[]);
    let last = |at: &str| {
        let mut all = signed(&[("parent1", "given"), ("parent2", "given")]);
        let withdrawn = json!({"ref": "parent2", "decision": "withdrawn", "at": at});
        all.as_array_mut().unwrap().push(withdrawn);
        [(SIGNATURES, all)]
    };
    expect(&last("2026-03-10T10:00:00Z"), &["consent-withdrawn"], &[]);
    expect(&last("2026-03-10T10:00:00.001Z"), &[], &[]);
    expect(&last("2026-03-01T09:00:00Z"), &["consent-withdrawn"], &[]);
}

#[test]
fn authority_is_of_no_importance_once_the_youth_decides() {
    expect(
        &[
            (BIRTH, json!("2010-03-10")),
            ("/subjects/0/authority/type", json!("GezagNietTeBepalen")),
            (SIGNATURES, signed(&[("child1", "given")])),
        ],
        &[],
        &[],
    );
}

#[test]
fn a_curator_or_mentor_signs_for_an_adult_who_cannot_decide() {
    let adult = |extra: Value| {
        let mut adult = json!({"ref": "child1", "birthDate": "2003-01-01", "competent": false});
        adult.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        ("/subjects", json!([adult]))
    };
    let mentor = (SIGNATURES, signed(&[("mentor1", "given")]));
    for extra in [
        json!({"representative": "mentor1"}),
        json!({"representative": {"type": "mentor", "ref": "mentor1"}}),
        json!({"representatives": [{"ref": "mentor1"}]}),
        json!({"mentor": "mentor1"}),
        json!({"authority": {"type": "Mentorschap", "holders": ["mentor1"]}}),
    ] {
        expect(&[adult(extra.clone()), mentor.clone()], &[], &[]);
        let self_signed = (SIGNATURES, signed(&[("child1", "given")]));
        expect(&[adult(extra), self_signed], &["representative-missing"], &["mentor1"]);
    }
    expect(&[adult(json!({})), mentor], &["representative-missing", "signer-not-entitled"], &[]);
}

#[test]
fn every_adult_in_the_message_signs_for_themselves() {
    let family = json!([
        {"ref": "parent1", "birthDate": "1988-01-01"},
        {"ref": "partner1", "role": "other-adult", "birthDate": null},
        base()["subjects"][0],
    ]);
    let all = ("/consent/subjects", json!(["parent1", "partner1", "child1"]));
    let changes = [("/subjects", family), all];
    expect(&changes, &["adult-missing"], &["partner1"]);
    let [subjects, covered] = changes;
    let signatures = signed(&[("parent1", "given"), ("parent2", "given"), ("partner1", "given")]);
    expect(&[subjects, covered, (SIGNATURES, signatures)], &[], &[]);
}

#[test]
fn leaplings_decide_from_1_march_in_common_years() {
    let at = |at: &str| ("/at", json!(at));
    let born = (BIRTH, json!("2010-02-28"));
    let leapling = |years: &str| (BIRTH, json!(format!("{years}-02-29")));
    let own = (SIGNATURES, signed(&[("child1", "given")]));
    let early = ("/consent/validFrom", json!("2026-02-01T00:00:00Z"));
    let signed_early =
        (SIGNATURES, json!([{"ref": "child1", "decision": "given", "at": "2026-02-02T09:00:00Z"}]));
    expect(&[at("2026-02-28T10:00:00Z"), born, signed_early.clone(), early.clone()], &[], &[]);
    expect(&[at("2026-02-28T10:00:00Z"), leapling("2008"), signed_early, early], &[], &[]);
    // 18 on 1 March 2026: an adult now, who signs for themselves
    expect(
        &[at("2026-03-01T10:00:00Z"), leapling("2008"), (SIGNATURES, signed(&[]))],
        &["adult-missing"],
        &["child1"],
    );
    expect(&[at("2026-03-01T10:00:00Z"), leapling("2008"), own], &[], &[]);
}

#[test]
fn an_incomplete_date_requires_what_every_possible_age_requires() {
    let all = signed(&[("parent1", "given"), ("parent2", "given"), ("child1", "given")]);
    for born in [json!("2010-03"), json!("2014"), json!("2014-03"), json!(null)] {
        let born = (BIRTH, born);
        expect(std::slice::from_ref(&born), &["youth-missing"], &["child1"]);
        expect(&[born, (SIGNATURES, all.clone())], &[], &[]);
    }
    // 17 or 18 and not competent: the holders and a representative
    let incompetent = ("/subjects/0/competent", json!(false));
    expect(&[(BIRTH, json!("2008")), incompetent], &["representative-missing"], &[]);
    // competence not stated at 16: both
    expect(
        &[(BIRTH, json!("2010-01-01")), ("/subjects/0/competent", json!(null))],
        &["youth-missing"],
        &["child1"],
    );
}

#[test]
fn a_term_includes_its_first_instant_and_not_its_last() {
    let from = |text: &str| ("/consent/validFrom", json!(text));
    let until = |text: Value| ("/consent/validUntil", text);
    let at = |text: &str| ("/at", json!(text));
    expect(&[from("2026-03-10T10:00:00Z")], &[], &[]);
    expect(&[from("2026-03-10T10:00:00.001Z")], &["not-yet-valid"], &[]);
    expect(&[until(json!("2026-03-10T10:00:00.001Z"))], &[], &[]);
    expect(&[until(json!("2026-03-10T10:00:00Z"))], &["expired"], &[]);
    expect(&[until(json!(null)), at("2027-02-28T23:59:59Z")], &[], &[]);
    expect(&[until(json!(null)), at("2027-03-01T00:00:00Z")], &["expired"], &[]);
    expect(&[("/consent/validFrom", json!(null))], &["not-yet-valid"], &[]);
}

#[test]
fn nothing_is_covered_that_was_not_named() {
    for purpose in ["pairing", "feedback", "monitoring", "contact", "coordination", "statistics"] {
        let (reasons, _) = with(&[("/purpose", json!(purpose))]);
        assert!(reasons.contains(&"purpose-not-covered".to_owned()), "{purpose}");
    }
    expect(&[("/purpose", json!("audit"))], &["purpose-unknown"], &[]);
    expect(&[("/categories", json!([]))], &["category-not-covered"], &[]);
    expect(&[("/subjects", json!([])), (SIGNATURES, json!([]))], &["subject-not-covered"], &[]);
    expect(&[("/recipient", json!(null))], &["recipient-not-covered"], &[]);
    expect(&[("/consent", json!({}))], &["consent-missing"], &[]);
    expect(&[("/consent", json!(null))], &["consent-missing"], &[]);
}

#[test]
fn health_needs_consent_in_so_many_words() {
    let asked = ("/categories", json!(["identity", "health"]));
    let given = ("/consent/categories", json!(["identity", "health"]));
    expect(&[asked.clone(), given.clone()], &[], &[]);
    for vague in [json!(false), json!(null), json!("yes")] {
        let vague = ("/consent/explicit", vague);
        expect(&[asked.clone(), given.clone(), vague], &["consent-not-explicit"], &[]);
    }
    expect(&[("/consent/explicit", json!(false))], &[], &[]);
}

#[test]
fn what_never_passes_never_passes() {
    let also = |word: &str| json!(["identity", word]);
    let listed = |word: &str| [("/categories", also(word)), ("/consent/categories", also(word))];
    expect(&listed("bsn"), &["bsn-not-allowed"], &[]);
    for word in ["criminal", "religion", "nationality", "diagnosis", "debts"] {
        expect(&listed(word), &["category-forbidden"], &[]);
    }
    let report = &["child-protection-report-outside-gateway"];
    expect(&[("/purpose", json!("child-protection-report"))], report, &[]);
    expect(&[("/childProtectionReport", json!(true))], report, &[]);
    expect(&[("/childProtectionReport", json!(true)), ("/consent", json!(null))], report, &[]);
    expect(&[("/recipient", json!("veilig-thuis:gelderland-zuid"))], report, &[]);
    expect(&[("/childProtectionReport", json!(false))], &[], &[]);
}

#[test]
fn presumed_or_conditional_consent_is_none() {
    expect(&[("/consent/kind", json!("presumed"))], &["consent-implied"], &[]);
    expect(&[("/consent/kind", json!("explicit"))], &[], &[]);
    expect(&[("/consent/conditional", json!(true))], &["consent-not-free"], &[]);
    expect(&[("/consent/evidence", json!(" "))], &["evidence-missing"], &[]);
}

#[test]
fn one_parent_is_presumed_to_speak_for_both_only_within_limits() {
    let one = (SIGNATURES, signed(&[("parent1", "given")]));
    let on = ("/policy", json!({"oneParentPresumption": true}));
    let poh = ("/channel", json!("poh-j"));
    let presumed = [one, on, poh];
    expect(&presumed, &[], &[]);
    let denied = (&["authority-holder-missing"][..], &["parent2"][..]);
    let also = |change: (&'static str, Value)| {
        presumed.iter().cloned().chain([change]).collect::<Vec<_>>()
    };
    expect(&also(("/contestedDivorce", json!(true))), denied.0, denied.1);
    expect(&also(("/otherParentObjects", json!(true))), denied.0, denied.1);
    expect(&also(("/policy", json!({}))), denied.0, denied.1);
    expect(&also(("/policy", json!({"oneParentPresumption": "true"}))), denied.0, denied.1);
    expect(&also(("/channel", json!("regieteam"))), denied.0, denied.1);
    expect(
        &[
            also(("/categories", json!(["health"]))),
            vec![("/consent/categories", json!(["health"]))],
        ]
        .concat(),
        denied.0,
        denied.1,
    );
    expect(
        &[also(("/purpose", json!("pairing"))), vec![("/consent/purposes", json!(["pairing"]))]]
            .concat(),
        denied.0,
        denied.1,
    );
    for (decision, reason) in [("refused", "consent-refused"), ("withdrawn", "consent-withdrawn")] {
        let opposed = signed(&[("parent1", "given"), ("parent2", decision)]);
        expect(&also((SIGNATURES, opposed)), &[reason], &[]);
    }
    let (reasons, missing) = with(&also((SIGNATURES, json!([]))));
    assert_eq!((reasons, missing.len()), (words(denied.0), 2), "not without a single signature");
}

#[test]
fn an_objection_stops_what_it_is_against() {
    let statistics = ("/purpose", json!("statistics"));
    expect(&[statistics.clone(), ("/objection", json!(true))], &["objection"], &[]);
    expect(&[statistics, ("/objections", json!(["statistics"]))], &["objection"], &[]);
    expect(&[("/objections", json!(["statistics"]))], &[], &[]);
    expect(&[("/objection", json!(true))], &["objection"], &[]);
    expect(&[("/objection", json!(false))], &[], &[]);
}

#[test]
fn a_court_replaces_one_of_two_parents() {
    let replaced = |who: Value| ("/consent/replacedByCourt", who);
    let one = (SIGNATURES, signed(&[("parent1", "given")]));
    expect(&[one.clone(), replaced(json!(["parent2"]))], &[], &[]);
    expect(
        &[one, replaced(json!(["parent1", "parent2"]))],
        &["authority-holder-missing"],
        &["parent2"],
    );
    let guardian = json!({"type": "Voogdij", "holders": ["guardian1"]});
    expect(
        &[
            ("/subjects/0/authority", guardian),
            (SIGNATURES, json!([])),
            replaced(json!(["guardian1"])),
        ],
        &["authority-holder-missing"],
        &["guardian1"],
    );
    let adult = json!([{"ref": "parent2", "birthDate": "1988-01-01"}, base()["subjects"][0]]);
    expect(
        &[
            ("/subjects", adult),
            ("/consent/subjects", json!(["parent2", "child1"])),
            (SIGNATURES, signed(&[("parent1", "given"), ("parent2", "refused")])),
            replaced(json!(["parent2"])),
        ],
        &["consent-refused"],
        &[],
    );
}

#[test]
fn contact_is_about_the_registrant_and_nothing_else() {
    let parent = json!({"ref": "parent1", "birthDate": "1988-01-01"});
    let changes = |categories: Value, applicant: Value| {
        vec![
            ("/purpose", json!("contact")),
            ("/categories", categories),
            ("/subjects", json!([parent, base()["subjects"][0]])),
            ("/consent/purposes", json!(["contact"])),
            ("/consent/subjects", json!(["parent1"])),
            (SIGNATURES, signed(&[("parent1", "given")])),
            ("/applicant", applicant),
        ]
    };
    let own = json!(["identity", "contact"]);
    expect(&changes(own.clone(), json!("parent1")), &[], &[]);
    let more = json!(["identity", "contact", "support-request"]);
    expect(&changes(more, json!("parent1")), &["category-not-covered"], &[]);
    expect(&changes(own.clone(), json!("stranger1")), &["subject-not-covered"], &[]);
    expect(
        &changes(own, json!(null)),
        &["authority-holder-missing", "subject-not-covered"],
        &["parent2"],
    );
}

#[test]
fn an_identity_goes_to_the_assigned_coordinator_only() {
    let release =
        |assigned: Value| vec![("/action", json!("release-identity")), ("/assignedTo", assigned)];
    expect(&release(json!("buurtgezinnen:nijmegen")), &[], &[]);
    expect(&release(json!("coordinator:c2")), &["not-assigned"], &[]);
    expect(&release(json!(null)), &["not-assigned"], &[]);
    let nobody = [release(json!(null)), vec![("/recipient", json!(null))]].concat();
    expect(&nobody, &["recipient-not-covered", "not-assigned"], &[]);
    expect(&[("/action", json!("something-else"))], &["not-assigned"], &[]);
}

#[test]
fn a_malformed_vector_is_named_and_its_value_is_not() {
    let mut input = base();
    input["subjects"][0]["birthDate"] = json!("2018-02-30");
    let document =
        json!({"vectors": [{"id": "C01", "input": base()}, {"id": "C99", "input": input}]});
    let error = evaluate_json(&document.to_string()).unwrap_err().to_string();
    assert!(error.starts_with("vector C99: `birthDate` must be"), "{error}");
    assert!(!error.contains("02-30"));
    let error = evaluate_json(r#"{"vectors": [{"input": {"at": "gisteren"}}]}"#).unwrap_err();
    assert!(error.to_string().starts_with("vector number 0: `at` must be an instant"));
}

#[test]
fn a_referral_waits_only_for_signatures() {
    let outcome = |changed: &dyn Fn(&mut Consent)| {
        let mut consent = consent();
        changed(&mut consent);
        evaluate(&request(), Some(&consent), Switches::default())
    };
    assert!(missing_is_only_signatures(&outcome(&|it| it.signatures.truncate(1))));
    assert!(!missing_is_only_signatures(&outcome(&|_| {})), "allowed: nothing to wait for");
    assert!(!missing_is_only_signatures(&outcome(&|it| {
        it.signatures.truncate(1);
        it.evidence = None;
    })));
}

// Laws.

fn label(text: &str) -> SubjectRef {
    SubjectRef::parse(text).unwrap()
}

fn recipient(text: &str) -> Recipient {
    Recipient::parse(text).unwrap()
}

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn child(name: &str, born: &str) -> SubjectFacts {
    SubjectFacts {
        reference: label(name),
        birth: BirthDate::parse(born).unwrap(),
        adult: false,
        competent: Some(true),
        authority: Some(Authority {
            kind: Some(AuthorityType::GezamenlijkOuderlijkGezag),
            holders: ["parent1", "parent2"].map(label).into(),
            under_investigation: false,
        }),
        representatives: BTreeSet::new(),
    }
}

fn request() -> Request {
    Request {
        at: instant("2026-03-10T10:00:00Z"),
        purpose: Some(Purpose::Referral),
        recipient: Some(recipient("buurtgezinnen:nijmegen")),
        categories: [Category::Identity, Category::SupportRequest].into(),
        other_categories: false,
        subjects: vec![child("child1", "2018-05-01")],
        applicant: None,
        action: Action::Process,
        plan_participants: BTreeSet::new(),
        contains_bsn: false,
        child_protection_report: false,
        from_poh_j: false,
        contested_divorce: false,
        other_parent_objects: false,
        objection: false,
    }
}

fn consent() -> Consent {
    Consent {
        purposes: [Purpose::Referral].into(),
        recipients: [recipient("buurtgezinnen:nijmegen")].into(),
        categories: [Category::Identity, Category::SupportRequest].into(),
        subjects: [label("child1")].into(),
        signatures: ["parent1", "parent2"].map(|who| given(who, 0)).into(),
        replaced_by_court: BTreeSet::new(),
        valid_from: Some(instant("2026-03-01T00:00:00Z")),
        valid_until: None,
        withdrawn_at: None,
        evidence: Some("sha256:ab".to_owned()),
        notice_version: Some("2026-01".to_owned()),
        explicit: true,
        implied: false,
        conditional: false,
    }
}

fn given(who: &str, hour: i64) -> Signature {
    decided(who, SignatureDecision::Given, hour)
}

fn decided(who: &str, decision: SignatureDecision, hour: i64) -> Signature {
    Signature { signer: label(who), decision, at: instant("2026-03-01T09:00:00Z") + hour.hours() }
}

prop_compose! {
    fn subject()(
        name in prop::sample::select(vec!["child1", "child2", "parent1"]),
        born in prop::sample::select(vec![
            "2018-05-01", "2013-01-01", "2010-01-01", "2009", "2014", "2005-06-01", "2010-03",
            "2008",
        ]),
        unknown in prop::bool::weighted(0.1),
        competent in prop::sample::select(vec![Some(true), Some(true), Some(false), None]),
        kind in prop::option::weighted(0.95, prop::sample::select(AuthorityType::ALL)),
        holders in prop::sample::subsequence(vec!["parent1", "parent2", "guardian1"], 0..=3),
        usual in prop::bool::weighted(0.7),
        adult in any::<bool>(),
        represented in prop::bool::weighted(0.3),
    ) -> SubjectFacts {
        let mut subject = child(name, born);
        if unknown {
            subject.birth = BirthDate::UNKNOWN;
        }
        subject.competent = competent;
        subject.adult = adult;
        subject.representatives = represented.then(|| label("mentor1")).into_iter().collect();
        if name == "parent1" {
            subject.authority = None;
        } else if let Some(authority) = subject.authority.as_mut().filter(|_| !usual) {
            authority.kind = kind;
            authority.holders = holders.into_iter().map(label).collect();
        }
        subject
    }
}

fn anyone() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "child1",
        "child2",
        "parent1",
        "parent2",
        "guardian1",
        "mentor1",
        "stranger1",
    ])
}

prop_compose! {
    fn signature()(
        who in anyone(),
        decision in prop::sample::select(vec![
            SignatureDecision::Given,
            SignatureDecision::Given,
            SignatureDecision::Given,
            SignatureDecision::Given,
            SignatureDecision::Refused,
            SignatureDecision::Withdrawn,
        ]),
        hour in -48_i64..400,
    ) -> Signature {
        decided(who, decision, hour)
    }
}

prop_compose! {
    fn any_request()(
        subjects in prop::collection::vec(subject(), 1..3),
        purpose in prop::option::weighted(0.98, prop::sample::select(vec![
            Purpose::Referral, Purpose::Referral, Purpose::Contact, Purpose::Coordination,
        ])),
        applicant in prop::option::of(anyone()),
        from_poh_j in any::<bool>(),
        at in 0_i64..200,
        health in prop::bool::weighted(0.2),
        release in any::<bool>(),
    ) -> Request {
        let mut request = request();
        request.subjects = subjects;
        request.purpose = purpose;
        request.applicant = applicant.map(label);
        request.from_poh_j = from_poh_j;
        request.at += at.hours();
        if health {
            request.categories.insert(Category::Health);
        }
        if release {
            let to = request.recipient.clone();
            request.action = Action::ReleaseIdentity { to: to.clone(), assigned_to: to };
        }
        request
    }
}

prop_compose! {
    /// A request, and a consent that those it is about have often all signed.
    fn any_case()(
        request in any_request(),
        extra in prop::collection::vec(signature(), 0..3),
        everyone in prop::bool::weighted(0.7),
        replaced_by_court in prop::collection::btree_set(anyone(), 0..2),
        evidence in prop::option::weighted(0.95, Just("sha256:ab".to_owned())),
        explicit in prop::bool::weighted(0.9),
        one_parent_presumption in any::<bool>(),
    ) -> (Request, Consent, Switches) {
        let mut signatures = extra;
        if everyone {
            let people: BTreeSet<SubjectRef> = request.subjects.iter().flat_map(known).collect();
            let sign = |signer| Signature { signer, ..given("parent1", 0) };
            signatures.extend(people.into_iter().map(sign));
        }
        let consent = Consent {
            signatures,
            purposes: [Purpose::Referral, Purpose::Contact].into(),
            categories: [Category::Identity, Category::SupportRequest, Category::Health].into(),
            subjects: ["child1", "child2", "parent1"].map(label).into(),
            replaced_by_court: replaced_by_court.into_iter().map(label).collect(),
            evidence,
            explicit,
            ..consent()
        };
        (request, consent, Switches { one_parent_presumption, ..Switches::default() })
    }
}

/// The subject and everyone with a standing towards them.
fn known(subject: &SubjectFacts) -> Vec<SubjectRef> {
    let holders = subject.authority.iter().flat_map(|it| &it.holders);
    let people = holders.chain(&subject.representatives).chain([&subject.reference]);
    people.cloned().collect()
}

/// Whom the purpose is about.
fn concerned(request: &Request) -> Vec<&SubjectFacts> {
    let contact = request.purpose == Some(Purpose::Contact);
    let alone = request.applicant.as_ref().filter(|_| contact);
    request.subjects.iter().filter(|it| alone.is_none_or(|who| it.reference == *who)).collect()
}

fn judge(request: &Request, consent: &Consent, switches: Switches) -> Outcome {
    evaluate(request, Some(consent), switches)
}

/// Enough of what is generated is allowed for the laws below to say something.
#[test]
fn the_generators_reach_both_answers() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut allowed = 0;
    for _ in 0..2_000 {
        let (request, consent, switches) = any_case().new_tree(&mut runner).unwrap().current();
        allowed += usize::from(judge(&request, &consent, switches).is_allowed());
    }
    assert!((100..1_900).contains(&allowed), "{allowed} of 2000");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_answer_is_well_formed(
        (request, consent, switches) in any_case(),
    ) {
        let outcome = judge(&request, &consent, switches);
        prop_assert_eq!(outcome.decision == Decision::Deny, !outcome.reasons.is_empty());
        prop_assert!(outcome.reasons.is_sorted_by(|a, b| a < b));
        prop_assert!(outcome.missing.is_sorted_by(|a, b| a < b));
        prop_assert!(outcome.missing.is_empty() || !outcome.is_allowed());
        prop_assert_eq!(
            evaluate(&request, None, switches).reasons.contains(&Reason::ConsentMissing), true
        );
    }

    #[test]
    fn the_order_of_signatures_and_subjects_is_of_no_importance(
        ((request, consent, switches), shuffled) in any_case().prop_flat_map(|case| {
            let signatures = Just(case.1.signatures.clone()).prop_shuffle();
            (Just(case), signatures)
        }),
    ) {
        let mut reordered = request.clone();
        reordered.subjects.reverse();
        let other = Consent { signatures: shuffled, ..consent.clone() };
        prop_assert_eq!(
            judge(&request, &consent, switches),
            judge(&reordered, &other, switches)
        );
    }

    #[test]
    fn a_subject_who_withdraws_is_always_heard(
        (request, mut consent, switches) in any_case(),
    ) {
        let signer = concerned(&request).first().map(|it| it.reference.clone());
        if signer.is_none() {
            return Ok(());
        }
        consent.signatures.extend(signer.map(|signer| Signature {
            signer,
            decision: SignatureDecision::Withdrawn,
            at: request.at,
        }));
        let outcome = judge(&request, &consent, switches);
        prop_assert!(outcome.reasons.contains(&Reason::ConsentWithdrawn));
    }

    #[test]
    fn asking_more_never_gets_more(
        (request, consent, switches) in any_case(),
        category in prop::sample::select(Category::ALL),
        subject in subject(),
        change in 0_u8..5,
    ) {
        let denied = judge(&request, &consent, switches);
        if denied.is_allowed() {
            return Ok(());
        }
        let mut more = request;
        match change {
            0 => _ = more.categories.insert(category),
            1 => more.subjects.push(subject),
            2 => more.contains_bsn = true,
            3 => more.objection = true,
            _ => more.action = Action::ReleaseIdentity { to: None, assigned_to: None },
        }
        // A second holder list can make a stranger of the first message known; that is new
        // knowledge about people, not a larger request.
        let strange = denied.reasons == [Reason::SignerNotEntitled];
        let unheard = denied.reasons == [Reason::SubjectNotCovered];
        if change == 1 && (strange || unheard) {
            return Ok(());
        }
        prop_assert!(!judge(&more, &consent, switches).is_allowed());
    }

    #[test]
    fn another_purpose_or_recipient_than_consented_is_denied(
        (request, consent, switches) in any_case(),
        purpose in prop::sample::select(Purpose::ALL),
    ) {
        let elsewhere = Request {
            recipient: Some(recipient("buurtgezinnen:meppel")),
            ..request.clone()
        };
        prop_assert!(!judge(&elsewhere, &consent, switches).is_allowed());
        let other = Request { purpose: Some(purpose), ..request };
        if consent.purposes.contains(&purpose) {
            return Ok(());
        }
        prop_assert!(!judge(&other, &consent, switches).is_allowed());
    }

    #[test]
    fn without_somebodys_signature_no_more_is_allowed(
        (request, consent, switches) in any_case(),
        at in any::<prop::sample::Index>(),
    ) {
        if judge(&request, &consent, switches).is_allowed() {
            return Ok(());
        }
        // Leaving out a no, or somebody who had no standing, can only help: that is not this law.
        let people: BTreeSet<SubjectRef> = request.subjects.iter().flat_map(known).collect();
        let given = |it: &Signature| {
            it.decision == SignatureDecision::Given && people.contains(&it.signer)
        };
        let mut fewer = consent.clone();
        let places: Vec<usize> =
            (0..fewer.signatures.len()).filter(|&at| given(&fewer.signatures[at])).collect();
        if places.is_empty() {
            return Ok(());
        }
        fewer.signatures.remove(places[at.index(places.len())]);
        prop_assert!(!judge(&request, &fewer, switches).is_allowed());
    }

    #[test]
    fn a_court_never_replaces_the_person_themselves(
        (request, consent, switches) in any_case(),
    ) {
        let by_court = concerned(&request).iter().map(|it| it.reference.clone()).collect();
        let plain = Consent { replaced_by_court: BTreeSet::new(), ..consent.clone() };
        let replaced = Consent { replaced_by_court: by_court, ..consent };
        let own = |outcome: &Outcome| {
            let own = [Reason::YouthMissing, Reason::AdultMissing];
            outcome.reasons.iter().filter(|it| own.contains(it)).copied().collect::<Vec<_>>()
        };
        prop_assert_eq!(
            own(&judge(&request, &plain, switches)),
            own(&judge(&request, &replaced, switches))
        );
    }

    #[test]
    fn what_is_decided_later_does_not_count_yet(
        (request, consent, switches) in any_case(),
        later in signature(),
    ) {
        let mut more = consent.clone();
        more.signatures.push(Signature { at: request.at + 1.second(), ..later });
        prop_assert_eq!(judge(&request, &consent, switches), judge(&request, &more, switches));
    }
}
