//! What is kept of a family, as names and values in words: for who may open it, and for who asks to see their own.

use crate::domain::identity::FieldGroup;
use crate::portal::words::{Lang, day, term, who};
use serde_json::Value;

/// A field group: who the family is, how it is reached, what it asks for.
pub struct Group {
    /// Its name, in words.
    pub words: String,
    /// Lists of names and values, one a person where it is about persons.
    pub items: Vec<Vec<(String, String)>>,
}

/// Each field group, who the family is first: lists of names and values, one a person where it is about persons.
#[must_use]
pub fn groups(lang: Lang, fields: &Value) -> Vec<Group> {
    let group = |one: &FieldGroup| {
        let name = one.as_str();
        let value = fields.get(name)?;
        let mut items = Vec::new();
        match value {
            Value::Array(people) if people.iter().all(Value::is_object) => {
                items.extend(people.iter().map(|one| person(lang, one)));
            }
            other => items.push(leaves(lang, name, other)),
        }
        items.retain(|item| !item.is_empty());
        Some(Group { words: term(lang, "field-group", name), items })
    };
    let all = FieldGroup::ALL.iter().filter_map(group);
    all.filter(|group| !group.items.is_empty()).collect()
}

/// What is said of one person, and who that is.
fn person(lang: Lang, value: &Value) -> Vec<(String, String)> {
    let own = |name: &str| value.get(name).and_then(Value::as_str);
    let (Some(label), Some(role)) = (own("ref"), own("role")) else {
        return leaves(lang, "", value);
    };
    let name = who(lang, label);
    let who =
        if name == label { format!("{} ({label})", term(lang, "subject", role)) } else { name };
    let fields = value.as_object().into_iter().flatten();
    let rest = fields.filter(|(name, _)| *name != "ref" && *name != "role");
    let mut told = vec![(term(lang, "field", "ref"), who)];
    told.extend(rest.flat_map(|(name, value)| leaves(lang, name, value)));
    // Only who it is: the group says nothing of this person.
    if told.len() == 1 { Vec::new() } else { told }
}

/// Every text within a value, with the name of its field.
#[must_use]
pub fn leaves(lang: Lang, name: &str, value: &Value) -> Vec<(String, String)> {
    match value {
        Value::Object(fields) => {
            fields.iter().flat_map(|(name, value)| leaves(lang, name, value)).collect()
        }
        Value::Array(all) if all.iter().any(|one| one.is_object() || one.is_array()) => {
            all.iter().flat_map(|one| leaves(lang, name, one)).collect()
        }
        Value::Array(all) if all.iter().all(Value::is_null) => Vec::new(),
        Value::Array(all) => {
            let words: Vec<String> = all.iter().map(|one| text(lang, name, one)).collect();
            vec![(label(lang, name), words.join(", "))]
        }
        Value::Null => Vec::new(),
        other => vec![(label(lang, name), text(lang, name, other))],
    }
}

fn label(lang: Lang, name: &str) -> String {
    let own = term(lang, "field", name);
    if own == name { term(lang, "field-group", name) } else { own }
}

fn text(lang: Lang, name: &str, value: &Value) -> String {
    let Value::String(code) = value else {
        return match value {
            Value::Bool(true) => lang.say("ja", "yes").to_owned(),
            Value::Bool(false) => lang.say("nee", "no").to_owned(),
            other => other.to_string(),
        };
    };
    if matches!(name, "ref" | "holders" | "signer" | "subjects") {
        return who(lang, code);
    }
    let list = match name {
        "codes" => "support",
        "dayparts" => "daypart",
        "frequency" => "frequency",
        "composition" => "household",
        "type" if term(lang, "plan", code) != *code => "plan",
        "type" => "authority",
        "status" => "goal",
        "health-attention-points" => "attention",
        "alreadyInvolved" => "involved",
        "decision" => "decision",
        "source" => "authority-source",
        "to" => "state",
        "preferred-language" => "language",
        "method" => "consent-method",
        _ => "",
    };
    let as_day =
        matches!(name, "birthDate" | "at" | "seenOn" | "agreedByFamilyOn" | "evaluationDate")
            .then(|| day(lang, code));
    as_day.filter(|day| !day.is_empty()).unwrap_or_else(|| term(lang, list, code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn people_are_told_by_place_and_their_values_in_words() {
        let fields = json!({
            "names": [{"ref": "parent1", "role": "parent", "name": {"surname": "Proefpersoon"}}, {"ref": "oma", "role": "other-adult", "name": {"surname": "X"}}],
            "birth-date": [{"ref": "parent1", "role": "parent", "birthDate": "1990-01-01"}, {"ref": "child1", "role": "youth"}],
            "authority": [{"ref": "child1", "role": "youth", "authority": {"type": "Voogdij", "holders": ["parent1"], "source": "brp"}}],
            "safety-signal": false,
            "summary": null,
        });
        let groups = groups(Lang::Nl, &fields);
        let told: Vec<_> = groups.iter().map(|one| (one.words.as_str(), one.items.len())).collect();
        assert_eq!(
            told,
            [("Namen", 2), ("Geboortedata", 1), ("Gezag", 1), ("Bel eerst de verwijzer", 1)]
        );
        let all: Vec<String> = groups
            .iter()
            .flat_map(|one| one.items.iter().flatten())
            .map(|(name, text)| format!("{name}: {text}"))
            .collect();
        for line in [
            "Wie: Ouder 1",
            "Wie: Andere volwassene (oma)",
            "Geboortedatum: 1 januari 1990",
            "Soort: Een voogd",
            "Bij wie: Ouder 1",
            "Bron: BRP",
        ] {
            assert!(all.iter().any(|one| one == line), "{line}: {all:?}");
        }
    }
}
