//! Answers of the API's own handlers, called in this process, as values for a page.

use crate::http::body::JsonBody;
use crate::http::problem::Problem;
use crate::portal::form::Sent;
use crate::portal::words::{Lang, day, moment};
use actix_web::HttpResponse;
use actix_web::body::MessageBody;
use actix_web::web::Bytes;
use serde::Serialize;
use serde_json::Value;

/// What a handler answered, by JSON pointer. What is absent is empty: a page shows what the API tells and no more.
#[derive(Clone, Debug, Default)]
pub struct Told(pub Value);

impl Told {
    /// The body of an answer.
    ///
    /// # Errors
    /// [`Problem::Internal`] when it is not whole or not JSON.
    pub fn of(answer: HttpResponse) -> Result<Self, Problem> {
        let bytes = answer.into_body().try_into_bytes().or(Err(Problem::Internal))?;
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_slice(&bytes).map(Self).or(Err(Problem::Internal))
    }

    /// What a handler would answer with.
    ///
    /// # Errors
    /// [`Problem::Internal`] when it cannot be written.
    pub fn made(of: &impl Serialize) -> Result<Self, Problem> {
        serde_json::to_value(of).map(Self).or(Err(Problem::Internal))
    }

    /// Text, number or truth at a place.
    #[must_use]
    pub fn text(&self, pointer: &str) -> String {
        match self.0.pointer(pointer) {
            Some(Value::String(text)) => text.clone(),
            Some(other @ (Value::Number(_) | Value::Bool(_))) => other.to_string(),
            _ => String::new(),
        }
    }

    /// Whether there is anything at a place.
    #[must_use]
    pub fn has(&self, pointer: &str) -> bool {
        self.0.pointer(pointer).is_some_and(|value| match value {
            Value::Null => false,
            Value::Array(all) => !all.is_empty(),
            _ => true,
        })
    }

    /// Whether it is true at a place.
    #[must_use]
    pub fn is(&self, pointer: &str) -> bool {
        self.0.pointer(pointer) == Some(&Value::Bool(true))
    }

    /// A whole number at a place.
    #[must_use]
    pub fn number(&self, pointer: &str) -> Option<i64> {
        self.0.pointer(pointer).and_then(Value::as_i64)
    }

    /// The items of a list at a place.
    #[must_use]
    pub fn list(&self, pointer: &str) -> Vec<Self> {
        let all = self.0.pointer(pointer).and_then(Value::as_array);
        all.into_iter().flatten().cloned().map(Self).collect()
    }

    /// The words of a list at a place.
    #[must_use]
    pub fn words(&self, pointer: &str) -> Vec<String> {
        self.list(pointer).iter().map(|one| one.text("")).filter(|text| !text.is_empty()).collect()
    }

    /// The day of an instant or date at a place, in words.
    #[must_use]
    pub fn day(&self, lang: Lang, pointer: &str) -> String {
        day(lang, &self.text(pointer))
    }

    /// An instant at a place, in words.
    #[must_use]
    pub fn moment(&self, lang: Lang, pointer: &str) -> String {
        moment(lang, &self.text(pointer))
    }
}

/// A form as the body that its twin takes.
#[must_use]
pub fn body(sent: &Sent) -> JsonBody {
    body_of(&sent.json())
}

/// A value as the body that its twin takes.
#[must_use]
pub fn body_of(value: &Value) -> JsonBody {
    JsonBody(Bytes::from(value.to_string()))
}
