use super::*;

const SCHEMA: &str = "namespace N { entity P = { ok: Bool }; entity Q = { ok: Bool }; entity R;\
    action a appliesTo { principal: [P, Q], resource: [R] };\
    action b appliesTo { principal: [P], resource: [R] }; }";
const RULES: &str = "@id(\"p\") permit (principal, action, resource);\
    @id(\"f\") forbid (principal, action, resource) unless { principal.ok };";

fn file(text: &str) -> PolicyFile {
    PolicyFile { name: "made-up.cedar".to_owned(), text: text.to_owned() }
}

fn asked(invariant: &str) -> Result<Property, ProveError> {
    let all = properties(SCHEMA, &[file(RULES)], &file(invariant))?;
    Ok(all.into_iter().last().unwrap())
}

fn places(invariant: &str) -> Vec<String> {
    asked(invariant).unwrap().questions.iter().map(Question::place).collect()
}

#[test]
fn a_ceiling_stands_over_every_role_and_a_floor_under_its_own() {
    let about = |kind: &str, head: &str| {
        format!(
            "@id(\"i\") @kind(\"{kind}\") @says(\"so\") permit ({head}) when {{ principal.ok }};"
        )
    };
    let named = "principal is N::P, action == N::Action::\"a\", resource";
    let both = ["P asks a about a R", "Q asks a about a R"];
    assert_eq!(places(&about("ceiling", named)), both);
    assert_eq!(places(&about("guardrail", named)), both);
    // Once whether it promises anything, once whether the set keeps it.
    assert_eq!(places(&about("floor", named)), ["P asks a about a R"; 2]);
    let any = places(&about("ceiling", "principal, action, resource is N::R"));
    assert_eq!(any, ["P asks a about a R", "Q asks a about a R", "P asks b about a R"]);
    let nobody = "principal, action == N::Action::\"b\", resource is N::R";
    assert_eq!(places(&about("floor", nobody)), ["P asks b about a R"; 2]);
}

#[test]
fn a_property_about_no_request_is_refused() {
    let head = "principal is N::P, action == N::Action::\"b\", resource";
    let floor = format!("@id(\"i\") @kind(\"floor\") @says(\"so\") permit ({head});");
    assert!(asked(&floor).is_ok(), "the control");
    // Nobody in that role may ask any more.
    let schema = SCHEMA.replace("principal: [P], resource", "principal: [Q], resource");
    let told = properties(&schema, &[file(RULES)], &file(&floor)).err();
    assert!(matches!(told, Some(ProveError::Policies(PolicyError::Invalid(_)))), "{told:?}");
}

#[test]
fn a_property_that_is_not_written_as_one_is_refused() {
    let good = "@id(\"i\") @kind(\"ceiling\") @says(\"so\") permit (principal, action, resource);";
    assert!(asked(good).is_ok(), "the control");
    for (from, to) in [
        ("ceiling", "roof"),
        ("@kind(\"ceiling\")", ""),
        ("@says(\"so\")", ""),
        ("permit", "forbid"),
        ("(principal,", "(principal == N::P::\"x\","),
        ("resource)", "resource == N::R::\"x\")"),
    ] {
        let bad = good.replace(from, to);
        assert!(matches!(asked(&bad), Err(ProveError::Property { .. })), "{bad}");
    }
    let anonymous = good.replace("@id(\"i\")", "");
    assert!(matches!(asked(&anonymous), Err(ProveError::Policies(PolicyError::Id(_)))));
}

#[test]
fn only_a_ceiling_that_names_an_action_covers_it() {
    let flaws = |text: &str| {
        let all = properties(SCHEMA, &[file(RULES)], &file(text)).unwrap();
        all.into_iter().find(|one| one.id == "every-action-has-a-ceiling").unwrap().flaws
    };
    let with = |kind: &str, action: &str| {
        format!(
            "@id(\"{kind}\") @kind(\"{kind}\") @says(\"so\") permit (principal, {action}, resource);"
        )
    };
    assert_eq!(flaws(&with("ceiling", "action")), ["no ceiling names a", "no ceiling names b"]);
    let a = "action == N::Action::\"a\"";
    assert_eq!(flaws(&with("ceiling", a)), ["no ceiling names b"]);
    assert_eq!(flaws(&with("floor", a)).len(), 2);
    assert_eq!(flaws(&with("guardrail", a)).len(), 2);
    let ab = "action in [N::Action::\"a\", N::Action::\"b\"]";
    assert!(flaws(&with("ceiling", ab)).is_empty());
}

#[test]
fn a_forbid_turned_allows_what_it_refused() {
    let rules = named_policies(&[file(RULES)]).unwrap();
    let forbid = rules.iter().find(|rule| rule.effect() == Effect::Forbid).unwrap();
    let turned = turned(forbid).unwrap();
    assert_eq!(turned.effect(), Effect::Permit);
    let (one, other) = (forbid.to_json().unwrap(), turned.to_json().unwrap());
    assert_eq!(one["conditions"], other["conditions"]);
    assert_ne!(one["effect"], other["effect"]);
}
