//! Reading a body: every error at once, by JSON pointer and rule, never by value.
//!
//! Wire shapes derive `Deserialize` over [`Field`], which does not fail on a missing or wrongly typed
//! value but remembers it; [`Reading`] then goes through the shape once, parses each field into a
//! domain value and collects what is wrong. Malformed JSON, unknown and repeated fields stop the
//! reading at once: what they are called is not repeated either.

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{
    self, Deserialize, Deserializer, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess,
};
use serde::{Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;

/// What JSON a wire type is made from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shape {
    /// A string, number or boolean.
    Leaf,
    /// An object.
    Object,
    /// An array.
    Array,
}

/// A type that can stand in a [`Field`].
pub trait Wire {
    /// What JSON it is made from.
    const SHAPE: Shape;
}

impl Wire for String {
    const SHAPE: Shape = Shape::Leaf;
}
impl Wire for bool {
    const SHAPE: Shape = Shape::Leaf;
}
impl Wire for i64 {
    const SHAPE: Shape = Shape::Leaf;
}
impl<T> Wire for Vec<T> {
    const SHAPE: Shape = Shape::Array;
}

/// One field as it came.
#[derive(Debug, Default)]
pub enum Field<T> {
    /// Not there.
    #[default]
    Absent,
    /// `null`.
    Null,
    /// Of another type than the field has.
    Wrong,
    /// There.
    Present(T),
}

impl<'de, T: Wire + Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor(PhantomData))
    }
}

/// Always `null`, whatever it holds: a field is for reading. Only the description of the API asks for
/// it, to show what a missing field defaults to.
impl<T> Serialize for Field<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

struct FieldVisitor<T>(PhantomData<T>);

impl<T> FieldVisitor<T> {
    fn leaf<'de, V, E>(value: V) -> Field<T>
    where
        T: Wire + Deserialize<'de>,
        V: IntoDeserializer<'de, E>,
        E: de::Error,
    {
        if T::SHAPE != Shape::Leaf {
            return Field::Wrong;
        }
        T::deserialize(value.into_deserializer()).map_or(Field::Wrong, Field::Present)
    }
}

impl<'de, T: Wire + Deserialize<'de>> de::Visitor<'de> for FieldVisitor<T> {
    type Value = Field<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Field::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Self::leaf::<_, E>(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Self::leaf::<_, E>(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Self::leaf::<_, E>(value))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Field::Wrong)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Self::leaf::<_, E>(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        if T::SHAPE == Shape::Array {
            return T::deserialize(SeqAccessDeserializer::new(seq)).map(Field::Present);
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Wrong)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        if T::SHAPE == Shape::Object {
            return T::deserialize(MapAccessDeserializer::new(map)).map(Field::Present);
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Wrong)
    }
}

/// A JSON object, and nothing else: a struct's own reader also takes a list of its values in order.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> de::Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// One thing wrong with a body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FieldError {
    /// Where: an RFC 6901 pointer of known field names and indices.
    pub pointer: String,
    /// Which rule, as a code.
    pub code: &'static str,
    /// The rule in words.
    pub detail: String,
}

impl FieldError {
    /// An error at a place.
    #[must_use]
    pub fn new(pointer: &str, code: &'static str, detail: &str) -> Self {
        Self { pointer: pointer.to_owned(), code, detail: detail.to_owned() }
    }
}

/// Collects errors while a shape is gone through.
#[derive(Debug, Default)]
pub struct Reading {
    path: String,
    errors: Vec<FieldError>,
}

impl Reading {
    /// Records an error at a field of the present object.
    pub fn error(&mut self, at: &str, code: &'static str, detail: &str) {
        let pointer = if at.is_empty() { self.path.clone() } else { format!("{}/{at}", self.path) };
        self.errors.push(FieldError { pointer, code, detail: detail.to_owned() });
    }

    /// What was wrong so far.
    #[must_use]
    pub fn into_errors(self) -> Vec<FieldError> {
        self.errors
    }

    /// A field that may be missing or `null`, as it came.
    pub fn optional<'a, T>(&mut self, at: &str, field: &'a Field<T>) -> Option<&'a T> {
        match field {
            Field::Absent | Field::Null => None,
            Field::Wrong => {
                self.error(at, "wrong-type", "must be of the documented type");
                None
            }
            Field::Present(value) => Some(value),
        }
    }

    /// A field that must be there, as it came.
    pub fn required<'a, T>(&mut self, at: &str, field: &'a Field<T>) -> Option<&'a T> {
        if matches!(field, Field::Absent | Field::Null) {
            self.error(at, "missing", "is required");
        }
        self.optional(at, field)
    }

    /// Parses a field that may be missing.
    pub fn may<'a, T, U, E: fmt::Display>(
        &mut self,
        at: &str,
        field: &'a Field<T>,
        code: &'static str,
        parse: impl FnOnce(&'a T) -> Result<U, E>,
    ) -> Option<U> {
        let value = self.optional(at, field)?;
        self.parsed(at, code, parse(value))
    }

    /// Parses a field that must be there.
    pub fn need<'a, T, U, E: fmt::Display>(
        &mut self,
        at: &str,
        field: &'a Field<T>,
        code: &'static str,
        parse: impl FnOnce(&'a T) -> Result<U, E>,
    ) -> Option<U> {
        let value = self.required(at, field)?;
        self.parsed(at, code, parse(value))
    }

    fn parsed<U, E: fmt::Display>(
        &mut self,
        at: &str,
        code: &'static str,
        parsed: Result<U, E>,
    ) -> Option<U> {
        match parsed {
            Ok(value) => Some(value),
            Err(rule) => {
                self.error(at, code, &rule.to_string());
                None
            }
        }
    }

    /// Goes into a field that is an object.
    pub fn within<'a, T, U>(
        &mut self,
        at: &str,
        value: &'a T,
        read: impl FnOnce(&mut Self, &'a T) -> U,
    ) -> U {
        let length = self.path.len();
        self.path.push('/');
        self.path.push_str(at);
        let result = read(self, value);
        self.path.truncate(length);
        result
    }

    /// Goes through a field that is an array of `range` items; the result holds those that were right.
    pub fn list<'a, T, U>(
        &mut self,
        at: &str,
        field: &'a Field<Vec<Field<T>>>,
        range: std::ops::RangeInclusive<usize>,
        mut read: impl FnMut(&mut Self, &'a T) -> Option<U>,
    ) -> Vec<U> {
        let items =
            if *range.start() > 0 { self.required(at, field) } else { self.optional(at, field) };
        let Some(items) = items else {
            return Vec::new();
        };
        if !range.contains(&items.len()) {
            let rule = format!("must have {} to {} items", range.start(), range.end());
            self.error(at, "item-count", &rule);
        }
        let items = items.iter().take(*range.end()).enumerate();
        items
            .filter_map(|(index, item)| {
                self.within(&format!("{at}/{index}"), item, |reading, item| {
                    let item = reading.required("", item)?;
                    read(reading, item)
                })
            })
            .collect()
    }

    /// Goes through a field that is an array of terms.
    pub fn terms<T, E: fmt::Display>(
        &mut self,
        at: &str,
        field: &Field<Vec<Field<String>>>,
        range: std::ops::RangeInclusive<usize>,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<T> {
        self.list(at, field, range, |reading, text| reading.parsed("", "term", parse(text)))
    }
}

/// Reads a body into its shape.
///
/// # Errors
/// One error for the whole body: not JSON, an unknown field, a field twice, or not an object.
pub fn shape<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, FieldError> {
    let read = serde_json::from_slice::<Object<T>>(body).map(|object| object.0);
    read.map_err(|error| {
        // The message of the parser can hold the sender's words; only its kind is used.
        let text = error.to_string();
        let (code, rule) = if text.starts_with("unknown field") {
            ("unknown-field", "must hold documented fields only")
        } else if text.starts_with("duplicate field") {
            ("duplicate-field", "must hold each field once")
        } else if error.is_data() {
            ("wrong-type", "must be the documented object")
        } else {
            ("malformed", "must be well-formed JSON in UTF-8")
        };
        FieldError::new("", code, rule)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields, default, rename_all = "camelCase")]
    #[derive(Default)]
    struct Sample {
        name: Field<String>,
        count: Field<i64>,
        inner: Field<Inner>,
        list: Field<Vec<Field<Inner>>>,
    }

    #[derive(Debug, Default, serde::Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Inner {
        flag: Field<bool>,
    }

    impl Wire for Inner {
        const SHAPE: Shape = Shape::Object;
    }

    fn pointers(body: &str) -> Vec<(String, &'static str)> {
        let sample: Sample = match shape(body.as_bytes()) {
            Ok(sample) => sample,
            Err(error) => return vec![(error.pointer, error.code)],
        };
        let mut reading = Reading::default();
        reading.required("name", &sample.name);
        reading.optional("count", &sample.count);
        if let Some(inner) = reading.required("inner", &sample.inner) {
            reading.within("inner", inner, |r, inner| {
                r.required("flag", &inner.flag);
            });
        }
        reading.list("list", &sample.list, 0..=2, |r, inner| {
            r.required("flag", &inner.flag);
            Some(())
        });
        reading.into_errors().into_iter().map(|e| (e.pointer, e.code)).collect()
    }

    #[test]
    fn a_right_body_has_no_errors() {
        assert_eq!(pointers(r#"{"name":"x","inner":{"flag":true},"list":[{"flag":false}]}"#), []);
    }

    #[test]
    fn all_errors_come_at_once() {
        let found = pointers(r#"{"count":"x","inner":{"flag":1},"list":[{"flag":true},[],{}]}"#);
        let expected = [
            ("/name", "missing"),
            ("/count", "wrong-type"),
            ("/inner/flag", "wrong-type"),
            ("/list", "item-count"),
            ("/list/1", "wrong-type"),
        ];
        let found: Vec<_> = found.iter().map(|(p, c)| (p.as_str(), *c)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn inp_02_names_of_unknown_fields_are_not_repeated() {
        assert_eq!(pointers(r#"{"123456782":1}"#), [(String::new(), "unknown-field")]);
        let nested = r#"{"name":"x","inner":{"123456782":1}}"#;
        assert_eq!(pointers(nested), [(String::new(), "unknown-field")]);
    }

    #[test]
    fn inp_01_a_list_of_the_values_is_not_the_object() {
        assert_eq!(pointers(r#"["x", 1, {"flag": true}, []]"#), [(String::new(), "wrong-type")]);
    }

    #[test]
    fn inp_05_a_field_twice_is_refused() {
        assert_eq!(pointers(r#"{"name":"a","name":"b"}"#), [(String::new(), "duplicate-field")]);
    }

    #[test]
    fn inp_04_depth_is_bounded() {
        let deep = "[".repeat(100_000);
        assert_eq!(pointers(&format!("{{\"name\":{deep}")), [(String::new(), "malformed")]);
    }
}
