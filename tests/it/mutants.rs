//! Mistakes that somebody could make in the policies, and for each the properties that must notice it:
//! no more and no fewer. Written by hand from `policies/invariants.cedar`.

use Change::{Add, Drop, Replace};
use buurtpoort::cli::policies::Sources;
use buurtpoort::policy::engine::PolicyFile;

/// Every mutant; the first opens identities to any coordinator.
pub(crate) fn all() -> Vec<Mutant> {
    let groups = [
        of_identity(),
        of_forbids(),
        of_cases(),
        of_pairings(),
        that_bar_pairing(),
        of_others(),
        that_shut(),
        that_hide(),
        of_the_whole(),
    ];
    groups.into_iter().flatten().collect()
}

/// A change to the set, and every property it must break: no more and no fewer.
pub(crate) struct Mutant {
    pub(crate) what: &'static str,
    change: Vec<Change>,
    pub(crate) breaks: Vec<&'static str>,
}

enum Change {
    /// In rules or schema, wherever it stands.
    Replace(&'static str, &'static str),
    /// Takes the rule with this `@id` out.
    Drop(&'static str),
    /// One more rule.
    Add(&'static str, String),
}

impl Mutant {
    /// The set with the change.
    pub(crate) fn applied(&self, mut sources: Sources) -> Sources {
        for change in &self.change {
            match change {
                Replace(from, to) => {
                    let texts = sources.cedar.iter_mut().map(|file| &mut file.text);
                    let mut found = 0;
                    for text in texts.chain([&mut sources.schema]) {
                        found += text.matches(from).count();
                        *text = text.replace(from, to);
                    }
                    assert!(found > 0, "{}: {from} is nowhere", self.what);
                }
                Drop(id) => {
                    let head = format!("@id(\"{id}\")");
                    let file = sources.cedar.iter_mut().find(|file| file.text.contains(&head));
                    let file = file.unwrap_or_else(|| panic!("{}: no rule {id}", self.what));
                    let (before, rest) = file.text.split_once(&head).expect("found");
                    let (_, after) = rest.split_once(';').expect("an end");
                    file.text = format!("{before}{after}");
                }
                Add(name, text) => {
                    let text = format!("@id(\"{name}\") {text}");
                    sources.cedar.push(PolicyFile { name: format!("{name}.cedar"), text });
                }
            }
        }
        sources
    }
}

fn rule(effect: &str, role: &str, action: &str, condition: &str) -> Change {
    let role = if role.is_empty() { String::new() } else { format!(" is Buurtpoort::{role}") };
    let action = if action.is_empty() {
        String::new()
    } else {
        format!(" == Buurtpoort::Action::\"{action}\"")
    };
    Add("one-more", format!("{effect} (principal{role}, action{action}, resource) {condition};"))
}

fn mutant(what: &'static str, change: Vec<Change>, breaks: &[&'static str]) -> Mutant {
    Mutant { what, change, breaks: breaks.to_vec() }
}

/// Who may be shown an identity.
pub(crate) const IDENTITY: &str = "identity-only-for-its-coordinator-as-consented";
const YES: &str = "every-role-can-be-told-yes";

fn of_identity() -> Vec<Mutant> {
    vec![
        mutant(
            "any coordinator opens, and the forbid is gone",
            vec![
                Replace(
                    "resource has assignee &&\n  principal == resource.assignee &&\n  resource.open &&\n  \
                     resource.consented.contains(context.purpose)",
                    "resource.open && resource.consented.contains(context.purpose)",
                ),
                Drop("no-identity-without-assignment"),
            ],
            &[IDENTITY, "identity-never-without-assignment"],
        ),
        mutant(
            "without consent, and the forbid is gone",
            vec![
                Replace(
                    "resource.open &&\n  resource.consented.contains(context.purpose)",
                    "resource.open",
                ),
                Drop("no-identity-without-consent"),
            ],
            &[IDENTITY, "identity-never-without-consent"],
        ),
        mutant(
            "from a shut case, and the forbid is gone",
            vec![
                Replace(
                    "resource.open &&\n  resource.consented.contains(context.purpose)",
                    "resource.consented.contains(context.purpose)",
                ),
                Drop("no-identity-from-a-shut-case"),
            ],
            &[IDENTITY, "identity-never-from-a-shut-case"],
        ),
    ]
}

/// Ceilings that a permit for everything breaks.
const BEYOND_EVERYTHING: &[&str] = &[
    "a-case-only-for-its-coordinator",
    "a-referrer-refers-only-for-itself",
    "a-referrer-sees-only-its-own",
    "a-support-family-is-registered-in-ones-own-name",
    "a-support-family-moved-only-by-its-coordinator",
    "a-support-family-read-only-within-the-organisation",
    "assignment-only-within-the-organisation",
    "cases-listed-only-within-the-organisation",
    "deliveries-only-by-who-runs-the-gateway",
    "fields-only-in-the-way-of-the-role",
    "figures-listed-only-for-oneself",
    "figures-only-for-the-gemeente-they-are-about",
    "support-families-listed-only-within-the-organisation",
    "the-ledger-read-only-by-the-privacy-officer",
    "the-ledger-witnessed-in-ones-own-name",
    "who-had-it-only-within-the-organisation",
    "who-looked-only-for-its-coordinator-and-the-officer",
];

fn of_forbids() -> Vec<Mutant> {
    vec![
        mutant(
            "the forbid about assignment alone",
            vec![Drop("no-identity-without-assignment")],
            &["identity-never-without-assignment"],
        ),
        mutant(
            "the forbid about consent alone",
            vec![Drop("no-identity-without-consent")],
            &["identity-never-without-consent"],
        ),
        mutant(
            "the forbid about shut cases alone",
            vec![Drop("no-identity-from-a-shut-case")],
            &["identity-never-from-a-shut-case"],
        ),
        mutant(
            "the forbid about consent, for one purpose",
            vec![Replace(
                "unless { resource.consented.contains(context.purpose) };",
                "unless { resource.consented.contains(context.purpose) || context.purpose == \"intake\" };",
            )],
            &["identity-never-without-consent"],
        ),
        mutant(
            "unbound tokens",
            vec![Drop("no-token-without-its-certificate")],
            &["nothing-on-an-unbound-token", IDENTITY],
        ),
        mutant(
            "unbound tokens of one role",
            vec![Replace(
                "unless { principal.bound };",
                "unless { principal.bound || principal is Buurtpoort::Operator };",
            )],
            &["nothing-on-an-unbound-token"],
        ),
        mutant(
            "a permit for everything: the forbids hold, the ceilings do not",
            vec![rule("permit", "", "", "")],
            BEYOND_EVERYTHING,
        ),
    ]
}

fn of_cases() -> Vec<Mutant> {
    let cases = "no-gemeente-and-no-operator-at-a-case";
    vec![
        mutant(
            "a gemeente reads a case",
            vec![
                Replace("transitionCase appliesTo { principal: [Coordinator]", "transitionCase appliesTo { principal: [Coordinator, Municipality]"),
                rule("permit", "Municipality", "readCase", "when { resource.open }"),
                Add("two", "permit (principal is Buurtpoort::Municipality, action == Buurtpoort::Action::\"decideCaseConsent\", resource);".to_owned()),
                Add("three", "permit (principal is Buurtpoort::Municipality, action == Buurtpoort::Action::\"transitionCase\", resource);".to_owned()),
            ],
            &[cases, "a-case-only-for-its-coordinator"],
        ),
        mutant(
            "the operator sees who looked",
            vec![
                Replace("principal: [Coordinator, PrivacyOfficer]", "principal: [Coordinator, PrivacyOfficer, Operator]"),
                rule("permit", "Operator", "listReleases", ""),
            ],
            &[cases, "who-looked-only-for-its-coordinator-and-the-officer"],
        ),
        mutant(
            "the privacy officer reads a case",
            vec![
                Replace("action readCase, decideCaseConsent", "action readCase appliesTo { principal: [Coordinator, PrivacyOfficer], resource: [Case] };\n  action decideCaseConsent"),
                rule("permit", "PrivacyOfficer", "readCase", ""),
            ],
            &["a-case-only-for-its-coordinator"],
        ),
        mutant("any coordinator reads", vec![rule("permit", "Coordinator", "readCase", "when { resource.open }")], &["a-case-only-for-its-coordinator"]),
        mutant("a colleague sees who looked", vec![rule("permit", "Coordinator", "listReleases", "when { principal.partner == resource.organisation }")], &["who-looked-only-for-its-coordinator-and-the-officer"]),
        mutant("cases of others are listed", vec![rule("permit", "Coordinator", "listCases", "")], &["cases-listed-only-within-the-organisation"]),
        mutant("an assigner gives to anybody", vec![Replace(" && context.eligible", "")], &["assignment-only-within-the-organisation"]),
        mutant("an assigner of another organisation looks", vec![rule("permit", "Assigner", "listAssignments", "")], &["who-had-it-only-within-the-organisation"]),
    ]
}

fn of_pairings() -> Vec<Mutant> {
    let opened = "who-a-support-family-is-only-to-those-who-work-with-it";
    vec![
        mutant(
            "a family is introduced without consent",
            vec![Drop("no-pairing-without-consent")],
            &["nobody-is-introduced-without-consent-to-pairing"],
        ),
        mutant(
            "a family is told of another without consent",
            vec![Drop("no-telling-without-consent")],
            &["nothing-is-told-without-consent-to-pairing"],
        ),
        mutant(
            "the forbid about support families alone",
            vec![Drop("no-support-identity-to-others")],
            &[opened],
        ),
        mutant(
            "any coordinator opens a support family, and the forbid is gone",
            vec![
                Drop("no-support-identity-to-others"),
                rule("permit", "Coordinator", "releaseSupportIdentity", "when { resource.open }"),
            ],
            &[opened, "a-support-family-opened-only-by-who-works-with-it"],
        ),
        mutant(
            "support families of others are listed",
            vec![rule("permit", "Coordinator", "listSupportFamilies", "")],
            &["support-families-listed-only-within-the-organisation"],
        ),
        mutant(
            "support families of others are read",
            vec![rule("permit", "Coordinator", "readSupportFamily", "")],
            &["a-support-family-read-only-within-the-organisation"],
        ),
        mutant(
            "a colleague moves a support family",
            vec![rule(
                "permit",
                "Coordinator",
                "transitionSupportFamily",
                "when { principal.partner == resource.organisation }",
            )],
            &["a-support-family-moved-only-by-its-coordinator"],
        ),
        mutant(
            "a support family registered in another's name",
            vec![rule("permit", "Referrer", "registerSupportFamily", "")],
            &["a-support-family-is-registered-in-ones-own-name"],
        ),
    ]
}

fn that_bar_pairing() -> Vec<Mutant> {
    vec![
        mutant(
            "a pairing cannot be ended",
            vec![rule("forbid", "", "movePairing", "unless { context.tells || resource.open }")],
            &["the-coordinator-ends-a-pairing"],
        ),
        mutant(
            "nothing is proposed",
            vec![rule("forbid", "", "proposeSupport", "")],
            &["the-coordinator-pairs", YES],
        ),
        mutant(
            "support families stay shut",
            vec![rule("forbid", "", "releaseSupportIdentity", "")],
            &["the-coordinator-works-with-support-families", YES],
        ),
    ]
}

fn of_others() -> Vec<Mutant> {
    vec![
        mutant(
            "a referrer follows another's",
            vec![Replace(
                "when { principal.partner == resource.partner }",
                "when { principal.bound }",
            )],
            &["a-referrer-sees-only-its-own"],
        ),
        mutant(
            "a referrer refers for another",
            vec![rule("permit", "Referrer", "submitReferral", "")],
            &["a-referrer-refers-only-for-itself"],
        ),
        mutant(
            "a family is referred without consent",
            vec![Drop("no-referral-without-consent")],
            &["no-referral-ever-without-consent"],
        ),
        mutant(
            "a gemeente reads a neighbour's figures",
            vec![Replace("principal.gemeenten.contains(resource)", "principal.bound")],
            &["figures-only-for-the-gemeente-they-are-about"],
        ),
        mutant(
            "a gemeente lists in another's name",
            vec![rule("permit", "Municipality", "listStatistics", "")],
            &["figures-listed-only-for-oneself"],
        ),
        mutant(
            "an officer of another organisation reads the ledger",
            vec![rule("permit", "PrivacyOfficer", "listAuditEntries", "")],
            &["the-ledger-read-only-by-the-privacy-officer"],
        ),
        mutant(
            "an assigner sees in clear",
            vec![rule(
                "permit",
                "Assigner",
                "seeField",
                "when { context.level == \"clear\" && resource == Buurtpoort::Field::\"household\" }",
            )],
            &["fields-only-in-the-way-of-the-role"],
        ),
        mutant("keys may be shown", vec![Drop("nobody-sees-keys")], &["keys-are-shown-to-nobody"]),
        mutant(
            "goals without consent",
            vec![Drop("no-goals-without-consent"), rule("permit", "CaseManager", "readGoals", "")],
            &["goals-only-for-a-participant-as-consented"],
        ),
        mutant(
            "a head in another's name",
            vec![rule("permit", "", "readCheckpoint", "")],
            &["the-ledger-witnessed-in-ones-own-name"],
        ),
    ]
}

fn that_shut() -> Vec<Mutant> {
    vec![
        mutant(
            "one purpose is barred",
            vec![rule("forbid", "", "releaseIdentity", "when { context.purpose == \"pairing\" }")],
            &["the-coordinator-opens-hers"],
        ),
        mutant(
            "a shut case cannot be moved",
            vec![rule("forbid", "", "transitionCase", "unless { resource.open }")],
            &["the-coordinator-works-on-hers"],
        ),
        mutant(
            "a case is handed out once",
            vec![rule("forbid", "", "assignCase", "when { resource has assignee }")],
            &["the-assigner-hands-out"],
        ),
        mutant(
            "consent to contact is not enough",
            vec![rule("forbid", "", "submitReferral", "when { context.consent == \"contact\" }")],
            &["the-referrer-refers"],
        ),
        mutant(
            "no way back",
            vec![rule("forbid", "", "withdrawReferral", "")],
            &["the-referrer-follows-its-own", YES],
        ),
        mutant(
            "figures are shut",
            vec![rule("forbid", "", "readStatistics", "")],
            &["the-gemeente-reads-its-own-figures", YES],
        ),
        mutant(
            "the officer sees open cases only",
            vec![rule("forbid", "PrivacyOfficer", "listReleases", "unless { resource.open }")],
            &["the-officer-sees-who-looked"],
        ),
        mutant(
            "the operator is no witness",
            vec![rule("forbid", "Operator", "readCheckpoint", "")],
            &["everybody-can-witness-the-ledger", YES],
        ),
    ]
}

fn that_hide() -> Vec<Mutant> {
    vec![
        mutant(
            "names are hidden for one purpose",
            vec![rule(
                "forbid",
                "Coordinator",
                "seeField",
                "when { context.purpose == \"intake\" }",
            )],
            &["the-coordinator-sees-names-of-hers"],
        ),
        mutant(
            "goals are shut",
            vec![rule("forbid", "", "readGoals", "")],
            &["the-participant-reads-goals", YES],
        ),
        mutant(
            "an operator of another organisation sees deliveries",
            vec![rule("permit", "Operator", "listDeliveries", "")],
            &["deliveries-only-by-who-runs-the-gateway"],
        ),
        mutant(
            "no message is tried again",
            vec![rule("forbid", "", "retryDelivery", "")],
            &["the-operator-sees-what-was-delivered", YES],
        ),
        mutant(
            "the officer reads no entries",
            vec![rule("forbid", "", "listAuditEntries", "")],
            &["the-officer-reads-the-ledger", YES],
        ),
    ]
}

fn of_the_whole() -> Vec<Mutant> {
    vec![
        mutant(
            "everything is shut",
            vec![rule("forbid", "", "", "")],
            &[
                "everybody-can-witness-the-ledger",
                YES,
                "the-assigner-hands-out",
                "the-coordinator-ends-a-pairing",
                "the-coordinator-opens-hers",
                "the-coordinator-pairs",
                "the-coordinator-sees-names-of-hers",
                "the-coordinator-works-on-hers",
                "the-coordinator-works-with-support-families",
                "the-gemeente-reads-its-own-figures",
                "the-officer-reads-the-ledger",
                "the-officer-sees-who-looked",
                "the-operator-sees-what-was-delivered",
                "the-participant-reads-goals",
                "the-referrer-follows-its-own",
                "the-referrer-refers",
            ],
        ),
        mutant(
            "a rule that overflows",
            vec![rule("forbid", "", "readCheckpoint", "when { 9223372036854775807 + 1 == 0 }")],
            &["no-rule-ever-fails"],
        ),
        mutant(
            "a new action that nobody thought about",
            vec![
                Replace(
                    "action readCheckpoint",
                    "action dissolveCase appliesTo { principal: [Coordinator], resource: [Case] };\n  action readCheckpoint",
                ),
                rule(
                    "permit",
                    "Coordinator",
                    "dissolveCase",
                    "when { resource has assignee && principal == resource.assignee }",
                ),
            ],
            &["every-action-has-a-ceiling"],
        ),
    ]
}
