//! `consent evaluate` and `bsn scan`: the rules on vectors from a file, for whoever wants to check
//! them without a gateway.
//!
//! Input is read leniently, because others write vectors too; doubt is read as what allows least. A
//! word that is none of ours covers nothing, a flag against is believed in any form, a flag in
//! favour only as `true`.
//!
//! # Invariants
//! * An error names the vector and the rule, never a value.
//!
//! # Not here
//! No file access: text in, text out. Not the wire form of a referral, which is strict.

use crate::consent::{Outcome, evaluate};
use crate::domain::age::{BirthDate, NotABirthDate};
use crate::domain::bsn::contains_bsn;
use crate::domain::consent::NotALabel;
use serde::Serialize;
use serde_json::{Map, Value};

mod reader;

/// Why vectors could not be read.
#[derive(Debug, thiserror::Error)]
pub enum VectorError {
    /// Not JSON.
    #[error("must be JSON")]
    NotJson(#[source] serde_json::Error),
    /// No list of vectors.
    #[error("must be an object with a list `vectors`")]
    NoVectors,
    /// One vector is malformed.
    #[error("vector {which}: {rule}")]
    Vector {
        /// Its `id`, or its place in the list counted from 0.
        which: String,
        /// What was expected.
        rule: Rule,
    },
    /// The answer could not be written.
    #[error("the results could not be written as JSON")]
    Unwritable(#[source] serde_json::Error),
}

/// A rule that a vector broke.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Rule {
    /// No `input`.
    #[error("`input` must be an object")]
    Input,
    /// No `text`.
    #[error("`text` must be a string")]
    Text,
    /// Wrong type.
    #[error("`{0}` must be an object")]
    Object(&'static str),
    /// Wrong type.
    #[error("`{0}` must be a list")]
    List(&'static str),
    /// Not an instant.
    #[error("`{0}` must be an instant such as 2026-03-10T10:00:00Z")]
    Instant(&'static str),
    /// Not a label.
    #[error("`{0}` {1}")]
    Label(&'static str, NotALabel),
    /// Not a label at all.
    #[error("`{0}` must be a label")]
    NoLabel(&'static str),
    /// Not a date of birth.
    #[error("`birthDate` {0}")]
    BirthDate(#[from] NotABirthDate),
}

#[derive(Serialize)]
struct Results<T> {
    results: Vec<T>,
}

#[derive(Serialize)]
struct Judged {
    id: Value,
    decision: &'static str,
    reasons: Vec<&'static str>,
    missing: Vec<String>,
}

impl Judged {
    fn of(id: Value, outcome: &Outcome) -> Self {
        Self {
            id,
            decision: outcome.decision.as_str(),
            reasons: outcome.reasons.iter().map(|reason| reason.as_str()).collect(),
            missing: outcome.missing.iter().map(|signer| signer.as_str().to_owned()).collect(),
        }
    }
}

/// Evaluates `{vectors: [{id, input}]}`; answers `{results: [{id, decision, reasons, missing}]}` in
/// the same order.
///
/// # Errors
/// [`VectorError`] for the first vector that cannot be read; then nothing is answered.
pub fn evaluate_json(input: &str) -> Result<String, VectorError> {
    each(input, |index, vector| {
        let id = vector.get("id").cloned().unwrap_or_else(|| Value::from(index));
        let input = vector.get("input").and_then(Value::as_object).ok_or(Rule::Input)?;
        let case = reader::read(input)?;
        let outcome = evaluate(&case.request, case.consent.as_ref(), case.switches);
        Ok(Judged::of(id, &outcome))
    })
}

/// Scans `{vectors: [{text}]}`; answers `{results: [bool]}` in the same order, `true` where the
/// text holds a BSN.
///
/// # Errors
/// [`VectorError`] for the first vector that cannot be read; then nothing is answered.
pub fn scan_json(input: &str) -> Result<String, VectorError> {
    each(input, |_, vector| {
        let text = vector.get("text").and_then(Value::as_str).ok_or(Rule::Text)?;
        Ok(contains_bsn(text))
    })
}

fn each<T: Serialize>(
    input: &str,
    judge: impl Fn(usize, &Map<String, Value>) -> Result<T, Rule>,
) -> Result<String, VectorError> {
    let document: Value = serde_json::from_str(input).map_err(VectorError::NotJson)?;
    let vectors =
        document.get("vectors").and_then(Value::as_array).ok_or(VectorError::NoVectors)?;
    let none = Map::new();
    let mut results = Vec::with_capacity(vectors.len());
    for (index, vector) in vectors.iter().enumerate() {
        let vector = vector.as_object().unwrap_or(&none);
        let result = judge(index, vector).map_err(|rule| {
            let id = vector.get("id").and_then(Value::as_str);
            let which = id.map_or_else(|| format!("number {index}"), str::to_owned);
            VectorError::Vector { which, rule }
        })?;
        results.push(result);
    }
    serde_json::to_string_pretty(&Results { results }).map_err(VectorError::Unwritable)
}

/// A date of birth: text, a bare year, or nothing.
fn birth_date(value: Option<&Value>) -> Result<BirthDate, Rule> {
    match value {
        None | Some(Value::Null) => Ok(BirthDate::UNKNOWN),
        Some(Value::String(text)) => Ok(BirthDate::parse(text)?),
        Some(other) => Ok(BirthDate::parse(&other.to_string())?),
    }
}
