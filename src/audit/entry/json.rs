//! The canonical JSON of a leaf: fixed fields in a fixed order, no spaces, no escapes.
//!
//! For `audit::entry` alone. Invariant: a [`Code`] needs no escaping, so writing is concatenation.
//! Absent: strictness about order and doubles when reading; `decode` writes again and compares.

use std::fmt::Write;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    Actor, Code, Entry, EntryError, Event, LEAF_VERSION, Object, Outcome, PolicyStamp, Position,
    RequestStamp, quick,
};
use crate::crypto::digest::{hex, unhex};

pub(super) fn write(entry: &Entry, position: &Position) -> String {
    let mut json = Writer(String::with_capacity(768));
    json.open();
    json.value("v", LEAF_VERSION);
    json.text("log", position.log.as_str());
    json.value("seq", position.seq);
    json.text("prev", &hex(&position.prev));
    json.value("ts", position.ts_us);
    json.text("boot", &hex(&position.boot));
    json.text("ev", entry.event.as_str());
    json.text("out", entry.outcome.as_str());
    json.text("why", entry.why.as_str());
    write_actor(&mut json, &entry.actor);
    json.text("purpose", entry.purpose.as_str());
    json.text("basis", entry.basis.as_str());
    json.object("obj");
    json.text("kind", entry.object.kind.as_str());
    json.bytes("ref", entry.object.reference.as_ref().map(<[u8; 16]>::as_slice));
    json.close();
    json.list("fields", &entry.fields);
    json.object("policy");
    json.bytes("hash", entry.policy.hash.as_ref().map(<[u8; 32]>::as_slice));
    json.list("rules", &entry.policy.rules);
    json.close();
    json.object("req");
    json.text("id", entry.request.id.as_str());
    json.text("trace", entry.request.trace.as_str());
    json.close();
    json.bytes("commit", entry.commit.as_ref().map(<[u8; 32]>::as_slice));
    json.close();
    json.0
}

fn write_actor(json: &mut Writer, actor: &Actor) {
    json.object("actor");
    json.text("org", actor.organisation.as_str());
    json.optional("partner", actor.partner.map(|id| id.hyphenated().to_string()).as_deref());
    json.text("role", actor.role.as_str());
    json.bytes("cert", actor.certificate.as_ref().map(<[u8; 32]>::as_slice));
    json.text("sub", actor.subject.as_str());
    json.bytes("jti", actor.token.as_ref().map(<[u8; 32]>::as_slice));
    json.close();
}

pub(super) fn read(bytes: &[u8]) -> Result<(Position, Entry), EntryError> {
    if let Some(read) = quick::read(bytes) {
        return Ok(read);
    }
    let value: Value = serde_json::from_slice(bytes).ok().ok_or(EntryError::Form)?;
    let fields = Fields(value.as_object().ok_or(EntryError::Form)?);
    if fields.0.get("v").and_then(Value::as_u64) != Some(LEAF_VERSION) {
        return Err(EntryError::UnknownVersion);
    }
    let position = Position {
        log: fields.code("log")?,
        seq: fields.value("seq")?.as_u64().ok_or(EntryError::Form)?,
        prev: fields.bytes("prev")?.ok_or(EntryError::Form)?,
        ts_us: fields.value("ts")?.as_i64().ok_or(EntryError::Form)?,
        boot: fields.bytes("boot")?.ok_or(EntryError::Form)?,
    };
    let (object, policy, request) =
        (fields.object("obj")?, fields.object("policy")?, fields.object("req")?);
    let entry = Entry {
        event: Event::parse(fields.text("ev")?).ok_or(EntryError::Form)?,
        outcome: Outcome::parse(fields.text("out")?).ok_or(EntryError::Form)?,
        why: fields.code("why")?,
        actor: read_actor(&fields.object("actor")?)?,
        purpose: fields.code("purpose")?,
        basis: fields.code("basis")?,
        object: Object { kind: object.code("kind")?, reference: object.bytes("ref")? },
        fields: fields.list("fields")?,
        policy: PolicyStamp { hash: policy.bytes("hash")?, rules: policy.list("rules")? },
        request: RequestStamp { id: request.code("id")?, trace: request.code("trace")? },
        commit: fields.bytes("commit")?,
    };
    Ok((position, entry))
}

fn read_actor(fields: &Fields<'_>) -> Result<Actor, EntryError> {
    let partner = match fields.optional("partner")? {
        Some(text) => Some(Uuid::try_parse(text).ok().ok_or(EntryError::Form)?),
        None => None,
    };
    Ok(Actor {
        organisation: fields.code("org")?,
        partner,
        role: fields.code("role")?,
        certificate: fields.bytes("cert")?,
        subject: fields.code("sub")?,
        token: fields.bytes("jti")?,
    })
}

struct Writer(String);

impl Writer {
    fn open(&mut self) {
        self.0.push('{');
    }

    fn close(&mut self) {
        self.0.push('}');
    }

    fn key(&mut self, key: &str) {
        if !self.0.ends_with('{') {
            self.0.push(',');
        }
        self.quoted(key);
        self.0.push(':');
    }

    fn quoted(&mut self, text: &str) {
        self.0.push('"');
        self.0.push_str(text);
        self.0.push('"');
    }

    fn object(&mut self, key: &str) {
        self.key(key);
        self.open();
    }

    fn value(&mut self, key: &str, number: impl std::fmt::Display) {
        self.key(key);
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{number}");
    }

    fn text(&mut self, key: &str, text: &str) {
        self.optional(key, Some(text));
    }

    fn bytes(&mut self, key: &str, bytes: Option<&[u8]>) {
        self.optional(key, bytes.map(hex).as_deref());
    }

    fn optional(&mut self, key: &str, text: Option<&str>) {
        self.key(key);
        match text {
            Some(text) => self.quoted(text),
            None => self.0.push_str("null"),
        }
    }

    fn list(&mut self, key: &str, codes: &[Code]) {
        self.key(key);
        self.0.push('[');
        for (at, code) in codes.iter().enumerate() {
            if at > 0 {
                self.0.push(',');
            }
            self.quoted(code.as_str());
        }
        self.0.push(']');
    }
}

struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    fn value(&self, key: &str) -> Result<&'a Value, EntryError> {
        self.0.get(key).ok_or(EntryError::Form)
    }

    fn object(&self, key: &str) -> Result<Fields<'a>, EntryError> {
        self.value(key)?.as_object().map(Fields).ok_or(EntryError::Form)
    }

    fn text(&self, key: &str) -> Result<&'a str, EntryError> {
        self.value(key)?.as_str().ok_or(EntryError::Form)
    }

    fn optional(&self, key: &str) -> Result<Option<&'a str>, EntryError> {
        match self.value(key)? {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text)),
            _ => Err(EntryError::Form),
        }
    }

    fn code(&self, key: &str) -> Result<Code, EntryError> {
        Code::parse(self.text(key)?)
    }

    fn bytes<const N: usize>(&self, key: &str) -> Result<Option<[u8; N]>, EntryError> {
        match self.optional(key)? {
            Some(text) => unhex(text).map(Some).ok_or(EntryError::Form),
            None => Ok(None),
        }
    }

    fn list(&self, key: &str) -> Result<Vec<Code>, EntryError> {
        let items = self.value(key)?.as_array().ok_or(EntryError::Form)?;
        items.iter().map(|item| Code::parse(item.as_str().ok_or(EntryError::Form)?)).collect()
    }
}
