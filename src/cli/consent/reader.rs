//! From the JSON of a vector to the facts [`evaluate`](crate::consent::evaluate) takes.

use super::{Rule, birth_date};
use crate::domain::bsn::contains_bsn;
use crate::domain::consent::{
    Action, Authority, AuthorityType, Category, Consent, NotALabel, Purpose, Recipient, Request,
    Signature, SignatureDecision, SubjectFacts, SubjectRef, Switches,
};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

type Object = Map<String, Value>;

/// One vector, read.
pub(super) struct Case {
    pub(super) request: Request,
    pub(super) consent: Option<Consent>,
    pub(super) switches: Switches,
}

/// Reads the `input` of a vector.
pub(super) fn read(input: &Object) -> Result<Case, Rule> {
    let at = instant(input, "at")?.ok_or(Rule::Instant("at"))?;
    let consent = match input.get("consent") {
        None | Some(Value::Null) => None,
        Some(Value::Object(fields)) if fields.is_empty() => None,
        Some(Value::Object(fields)) => Some(consent(fields, at)?),
        Some(_) => return Err(Rule::Object("consent")),
    };
    let policy = input.get("policy").or_else(|| input.get("switches"));
    let presumption = policy.and_then(|it| it.get("oneParentPresumption"));
    let switches = Switches {
        one_parent_presumption: presumption == Some(&Value::Bool(true)),
        ..Switches::default()
    };
    Ok(Case { request: request(input, at)?, consent, switches })
}

fn request(input: &Object, at: Timestamp) -> Result<Request, Rule> {
    let word = |key| input.get(key).and_then(Value::as_str);
    let purpose = word("purpose").and_then(|text| Purpose::parse(text).ok());
    let (categories, other_categories) = categories(input)?;
    let recipient = recipient(input, "recipient")?;
    let plan = input.get("plan").and_then(Value::as_object);
    let participants = match plan {
        Some(plan) if !input.contains_key("planParticipants") => {
            labels(plan, "participants", Recipient::parse)?
        }
        _ => labels(input, "planParticipants", Recipient::parse)?,
    };
    Ok(Request {
        at,
        purpose,
        categories,
        other_categories,
        subjects: list(input, "subjects")?.iter().map(subject).collect::<Result<_, _>>()?,
        applicant: labels(input, "applicant", SubjectRef::parse)?.pop_first(),
        action: action(input, recipient.as_ref())?,
        recipient,
        plan_participants: participants,
        contains_bsn: flag(input, &["bsn"]) || texts(input).any(contains_bsn),
        child_protection_report: is_child_protection_report(input),
        from_poh_j: word("channel").or_else(|| word("source")) == Some("poh-j"),
        contested_divorce: flag(input, &["contested", "divorce", "scheiding"]),
        other_parent_objects: flag(input, &["parentobject", "ouderbezwaar", "conflict"]),
        objection: objects(input, word("purpose")),
    })
}

/// Whether an objection against `purpose` is on record, with the request, the consent or a subject.
fn objects(input: &Object, purpose: Option<&str>) -> bool {
    let subjects = input.get("subjects").and_then(Value::as_array).into_iter().flatten();
    let parts = subjects.chain(input.get("consent")).filter_map(Value::as_object);
    std::iter::once(input).chain(parts).flatten().any(|(key, value)| {
        let key = key.to_ascii_lowercase();
        let meant =
            (key.contains("objection") || key.contains("bezwaar")) && !key.contains("parent");
        meant && truthy(value) && !only_other_purposes(value, purpose)
    })
}

/// An objection that names purposes, and not this one.
fn only_other_purposes(value: &Value, purpose: Option<&str>) -> bool {
    let named = |value: &Value| {
        let word = value.as_str().or_else(|| value.get("purpose").and_then(Value::as_str));
        word.filter(|word| Purpose::parse(word).is_ok()).map(str::to_owned)
    };
    let one = std::slice::from_ref(value);
    let values = value.as_array().map_or(one, Vec::as_slice);
    values.iter().all(|value| named(value).is_some_and(|word| Some(word.as_str()) != purpose))
}

/// A report to Veilig Thuis or the Raad, whichever field says so.
fn is_child_protection_report(input: &Object) -> bool {
    let reports = |text: &str| {
        let text = text.to_ascii_lowercase().replace(['-', '_', ' '], "");
        ["childprotection", "protectionreport", "veiligthuis", "raadvoordekinderbescherming"]
            .iter()
            .any(|word| text.contains(word))
    };
    let named = ["purpose", "action", "kind", "type", "recipient"].iter();
    let mut words = named.filter_map(|key| input.get(*key)).filter_map(Value::as_str);
    let categories = input.get("categories").and_then(Value::as_array).into_iter().flatten();
    words.any(reports)
        || categories.filter_map(Value::as_str).any(reports)
        || input.iter().any(|(key, value)| reports(key) && truthy(value))
}

/// What is not plainly something else is held to the rule for releases.
fn action(input: &Object, to: Option<&Recipient>) -> Result<Action, Rule> {
    let word = match input.get("action") {
        None | Some(Value::Null) => "process",
        Some(value) => value.as_str().unwrap_or_default(),
    };
    if matches!(word, "process" | "submit" | "refer" | "referral" | "accept" | "receive") {
        return Ok(Action::Process);
    }
    let assigned_to = recipient(input, "assignedTo")?;
    Ok(Action::ReleaseIdentity { to: to.cloned(), assigned_to })
}

fn categories(fields: &Object) -> Result<(BTreeSet<Category>, bool), Rule> {
    let words = list(fields, "categories")?;
    let known: BTreeSet<Category> = words.iter().filter_map(category).collect();
    Ok((known, words.iter().any(|word| category(word).is_none())))
}

fn category(value: &Value) -> Option<Category> {
    Category::parse(value.as_str()?).ok()
}

fn subject(value: &Value) -> Result<SubjectFacts, Rule> {
    let fields = value.as_object().ok_or(Rule::Object("subjects"))?;
    let reference = labels(fields, "ref", SubjectRef::parse)?.pop_first();
    let role = fields.get("role").and_then(Value::as_str);
    let (authority, mut representatives) = authority(fields)?;
    for key in ["representative", "representatives", "legalRepresentative", "curator", "mentor"] {
        representatives.extend(labels(fields, key, SubjectRef::parse)?);
    }
    Ok(SubjectFacts {
        reference: reference.ok_or(Rule::NoLabel("ref"))?,
        birth: birth_date(fields.get("birthDate"))?,
        adult: matches!(role, Some("parent" | "other-adult")),
        competent: fields.get("competent").and_then(Value::as_bool),
        authority,
        representatives,
    })
}

/// Authority over a minor, or the curator or mentor where that is what it says.
fn authority(subject: &Object) -> Result<(Option<Authority>, BTreeSet<SubjectRef>), Rule> {
    let nothing = Object::new();
    let (fields, word) = match subject.get("authority") {
        None | Some(Value::Null) => return Ok((None, BTreeSet::new())),
        Some(Value::String(word)) => (&nothing, Some(word.as_str())),
        Some(Value::Object(fields)) => (fields, fields.get("type").and_then(Value::as_str)),
        Some(_) => return Err(Rule::Object("authority")),
    };
    let holders = labels(fields, "holders", SubjectRef::parse)?;
    if matches!(
        word.map(str::to_ascii_lowercase).as_deref(),
        Some("curatele" | "curator" | "mentorschap" | "mentor")
    ) {
        return Ok((None, holders));
    }
    let doubt = ["investigation", "onderzoek"];
    let authority = Authority {
        kind: word.and_then(|word| AuthorityType::parse(word).ok()),
        holders,
        under_investigation: flag(fields, &doubt) || flag(subject, &doubt),
    };
    Ok((Some(authority), BTreeSet::new()))
}

fn consent(fields: &Object, at: Timestamp) -> Result<Consent, Rule> {
    let text = |key| fields.get(key).and_then(Value::as_str).map(str::to_owned);
    let purposes = list(fields, "purposes")?.iter().filter_map(Value::as_str);
    let withdrawn = fields.get("withdrawn").is_some_and(truthy).then_some(at);
    let unfree =
        ["free", "freelyGiven"].iter().any(|key| fields.get(*key) == Some(&Value::Bool(false)));
    Ok(Consent {
        purposes: purposes.filter_map(|word| Purpose::parse(word).ok()).collect(),
        recipients: labels(fields, "recipients", Recipient::parse)?,
        categories: categories(fields)?.0,
        subjects: labels(fields, "subjects", SubjectRef::parse)?,
        signatures: list(fields, "signatures")?.iter().map(signature).collect::<Result<_, _>>()?,
        replaced_by_court: labels(fields, "replacedByCourt", SubjectRef::parse)?,
        valid_from: instant(fields, "validFrom")?,
        valid_until: instant(fields, "validUntil")?,
        withdrawn_at: instant(fields, "withdrawnAt")?.or(withdrawn),
        evidence: text("evidence"),
        notice_version: text("noticeVersion"),
        explicit: fields.get("explicit") == Some(&Value::Bool(true)),
        implied: fields.get("implied").is_some_and(truthy) || !is_express(fields.get("kind")),
        conditional: fields.get("conditional").is_some_and(truthy) || unfree,
    })
}

/// A kind of consent that is not known to be given in so many words counts as presumed.
fn is_express(kind: Option<&Value>) -> bool {
    const EXPRESS: [&str; 8] =
        ["explicit", "express", "expressed", "given", "written", "oral", "informed", "active"];
    match kind {
        None | Some(Value::Null) => true,
        Some(kind) => kind.as_str().is_some_and(|word| EXPRESS.contains(&word)),
    }
}

fn signature(value: &Value) -> Result<Signature, Rule> {
    let fields = value.as_object().ok_or(Rule::Object("signatures"))?;
    let signer = labels(fields, "ref", SubjectRef::parse)?.pop_first();
    let word = fields.get("decision").and_then(Value::as_str).unwrap_or_default();
    Ok(Signature {
        signer: signer.ok_or(Rule::NoLabel("signatures.ref"))?,
        decision: SignatureDecision::parse(word).unwrap_or(SignatureDecision::Refused),
        at: instant(fields, "at")?.ok_or(Rule::Instant("signatures.at"))?,
    })
}

/// The instant in a field; `None` when absent or null.
fn instant(fields: &Object, key: &'static str) -> Result<Option<Timestamp>, Rule> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let parsed = value.as_str().and_then(|text| text.parse().ok());
            parsed.map(Some).ok_or(Rule::Instant(key))
        }
    }
}

fn list<'a>(fields: &'a Object, key: &'static str) -> Result<&'a [Value], Rule> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(&[]),
        Some(value) => value.as_array().map(Vec::as_slice).ok_or(Rule::List(key)),
    }
}

/// Labels in a field: one or a list, each a string or an object that holds one.
fn labels<T: Ord>(
    fields: &Object,
    key: &'static str,
    parse: impl Fn(&str) -> Result<T, NotALabel>,
) -> Result<BTreeSet<T>, Rule> {
    let values = match fields.get(key) {
        None | Some(Value::Null | Value::Bool(_)) => return Ok(BTreeSet::new()),
        Some(Value::Array(values)) => values.as_slice(),
        Some(value) => std::slice::from_ref(value),
    };
    let text = |value: &Value| {
        let inner = ["ref", "signer", "id", "oin"].iter().find_map(|key| value.get(*key));
        inner.unwrap_or(value).as_str().map(str::to_owned)
    };
    let label = |value| {
        let text = text(value).ok_or(Rule::NoLabel(key))?;
        parse(&text).map_err(|not| Rule::Label(key, not))
    };
    values.iter().map(label).collect()
}

fn recipient(fields: &Object, key: &'static str) -> Result<Option<Recipient>, Rule> {
    Ok(labels(fields, key, Recipient::parse)?.pop_first())
}

/// Whether a field whose name contains one of `words` holds anything but a no.
fn flag(fields: &Object, words: &[&str]) -> bool {
    fields.iter().any(|(key, value)| {
        let key = key.to_ascii_lowercase();
        truthy(value) && words.iter().any(|word| key.contains(word))
    })
}

/// Free text in the message, to be scanned.
fn texts(fields: &Object) -> impl Iterator<Item = &str> {
    let named = |(key, _): &(&String, &Value)| key.to_ascii_lowercase().contains("text");
    fields.iter().filter(named).filter_map(|(_, value)| value.as_str())
}

fn truthy(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !matches!(text.as_str(), "" | "no" | "none" | "false"),
        Value::Array(values) => !values.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}
