//! A body as a tree, for what concerns every field whatever its name: its digest, its text, and numbers
//! that may not stand anywhere.
//!
//! Borrows the names and texts of the body where they hold no escapes, so that a second reading beside
//! the one into a shape costs little. Invariants: a name stands once in an object; what is written is
//! what was read, a number as it is written by `serde_json`.

use crate::domain::bsn::contains_bsn;
use crate::http::wire::{FieldError, shape};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess};
use serde::{Serialize, Serializer};
use serde_json::Number;
use std::borrow::Cow;
use std::fmt;

/// One value and what is below it, in the order in which it came.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Flag(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(Cow<'a, str>),
    /// An array.
    List(Vec<Self>),
    /// An object.
    Object(Vec<(Cow<'a, str>, Self)>),
}

/// A body as a tree.
///
/// # Errors
/// As [`shape`]: one error for the whole body.
pub fn tree(body: &[u8]) -> Result<Tree<'_>, FieldError> {
    let tree: Tree<'_> = shape(body)?;
    Ok(tree)
}

impl Tree<'_> {
    /// Puts the members of every object in the order of their names: the same content, the same bytes.
    pub fn sort(&mut self) {
        match self {
            Self::List(items) => items.iter_mut().for_each(Tree::sort),
            Self::Object(members) => {
                members.sort_by(|one, other| one.0.cmp(&other.0));
                for (_, value) in members {
                    value.sort();
                }
            }
            _ => {}
        }
    }

    /// Places that hold a burgerservicenummer. Only called on a body whose field names are all known, so
    /// that a pointer holds no word of the sender's.
    #[must_use]
    pub fn bsn_places(&self) -> Vec<FieldError> {
        let mut found = Vec::new();
        self.walk(&mut String::new(), &mut found);
        found
    }

    fn walk(&self, path: &mut String, found: &mut Vec<FieldError>) {
        let holds = match self {
            Self::Text(text) => contains_bsn(text),
            Self::Number(number) => contains_bsn(&number.to_string()),
            _ => false,
        };
        if holds {
            let rule = "must not hold a burgerservicenummer (UAVG 46); leave the number out";
            found.push(FieldError::new(path, "bsn-not-allowed", rule));
        }
        let length = path.len();
        let mut descend = |key: &str, inner: &Self| {
            path.push('/');
            path.push_str(key);
            inner.walk(path, found);
            path.truncate(length);
        };
        match self {
            Self::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    descend(&index.to_string(), item);
                }
            }
            Self::Object(members) => {
                for (key, value) in members {
                    descend(key, value);
                }
            }
            _ => {}
        }
    }
}

/// Compact JSON.
impl fmt::Display for Tree<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string(self).or(Err(fmt::Error))?;
        f.write_str(&text)
    }
}

impl Serialize for Tree<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items),
            Self::Object(members) => {
                serializer.collect_map(members.iter().map(|(name, value)| (name, value)))
            }
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Tree<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

/// A name of a member, borrowed where it can be.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Tree::deserialize(deserializer)? {
            Tree::Text(name) => Ok(Self(name)),
            _ => Err(de::Error::custom("a name is a text")),
        }
    }
}

struct Visitor;

impl<'de> de::Visitor<'de> for Visitor {
    type Value = Tree<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Tree::Flag(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Tree::Number(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Tree::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("a finite number"))?;
        Ok(Tree::Number(number))
    }

    fn visit_borrowed_str<E: de::Error>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Tree::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Tree::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members: Vec<(Cow<'de, str>, Tree<'de>)> = Vec::new();
        while let Some((Name(name), value)) = map.next_entry::<Name<'de>, Tree<'de>>()? {
            if members.iter().any(|(known, _)| *known == name) {
                return Err(de::Error::custom("duplicate field"));
            }
            members.push((name, value));
        }
        Ok(Tree::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_and_sorting_forgets_the_order() {
        let text = r#"{"b":[1,-2,1.5,"é\"\n"],"a":{"d":null,"c":true}}"#;
        let mut read = tree(text.as_bytes()).unwrap();
        assert_eq!(read.to_string(), text);
        read.sort();
        assert_eq!(read.to_string(), r#"{"a":{"c":true,"d":null},"b":[1,-2,1.5,"é\"\n"]}"#);
        let mut value: serde_json::Value = serde_json::from_str(text).unwrap();
        value.sort_all_objects();
        assert_eq!(read.to_string(), value.to_string(), "the form that digests have always had");
    }

    #[test]
    fn inp_05_a_member_twice_is_refused_at_any_depth() {
        let error = tree(br#"{"a":[{"b":1,"b":2}]}"#).unwrap_err();
        assert_eq!(error.code, "duplicate-field");
        assert!(tree(br#"{"a":[{"b":1,"c":2}]}"#).is_ok());
    }

    #[test]
    fn a_bsn_is_found_wherever_it_stands() {
        let text = r#"{"a":[{"b":"nr 111222333"}],"c":123456782,"d":"x"}"#;
        let found = tree(text.as_bytes()).unwrap().bsn_places();
        let places: Vec<_> = found.into_iter().map(|e| e.pointer).collect();
        assert_eq!(places, ["/a/0/b", "/c"]);
    }
}
