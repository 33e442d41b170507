//! Reads a leaf without building a tree of JSON values: what a verifier does a million times.
//!
//! For `audit::entry::json` alone. Invariant: it accepts every canonical leaf; what it does not accept is left
//! to the slow reader, which names the rule. Absent: strictness about order, spacing and unknown members; `decode`
//! writes again and compares.

use serde::Deserialize;
use uuid::Uuid;

use super::{
    Actor, Code, Entry, Event, LEAF_VERSION, Object, Outcome, PolicyStamp, Position, RequestStamp,
};
use crate::crypto::digest::unhex;

#[derive(Deserialize)]
struct RawLeaf<'a> {
    v: u64,
    log: &'a str,
    seq: u64,
    prev: &'a str,
    ts: i64,
    boot: &'a str,
    ev: &'a str,
    out: &'a str,
    why: &'a str,
    #[serde(borrow)]
    actor: RawActor<'a>,
    purpose: &'a str,
    basis: &'a str,
    #[serde(borrow)]
    obj: RawObject<'a>,
    #[serde(borrow)]
    fields: Vec<&'a str>,
    #[serde(borrow)]
    policy: RawPolicy<'a>,
    #[serde(borrow)]
    req: RawRequest<'a>,
    commit: Option<&'a str>,
}

#[derive(Deserialize)]
struct RawActor<'a> {
    org: &'a str,
    partner: Option<&'a str>,
    role: &'a str,
    cert: Option<&'a str>,
    sub: &'a str,
    jti: Option<&'a str>,
}

#[derive(Deserialize)]
struct RawObject<'a> {
    kind: &'a str,
    #[serde(rename = "ref")]
    reference: Option<&'a str>,
}

#[derive(Deserialize)]
struct RawPolicy<'a> {
    hash: Option<&'a str>,
    #[serde(borrow)]
    rules: Vec<&'a str>,
}

#[derive(Deserialize)]
struct RawRequest<'a> {
    id: &'a str,
    trace: &'a str,
}

/// The entry, if the bytes are plain enough.
pub(super) fn read(bytes: &[u8]) -> Option<(Position, Entry)> {
    let leaf: RawLeaf<'_> = serde_json::from_slice(bytes).ok()?;
    if leaf.v != LEAF_VERSION {
        return None;
    }
    let position = Position {
        log: code(leaf.log)?,
        seq: leaf.seq,
        prev: unhex(leaf.prev)?,
        ts_us: leaf.ts,
        boot: unhex(leaf.boot)?,
    };
    let entry = Entry {
        event: Event::parse(leaf.ev)?,
        outcome: Outcome::parse(leaf.out)?,
        why: code(leaf.why)?,
        actor: actor(&leaf.actor)?,
        purpose: code(leaf.purpose)?,
        basis: code(leaf.basis)?,
        object: Object { kind: code(leaf.obj.kind)?, reference: bytes_of(leaf.obj.reference)? },
        fields: codes(&leaf.fields)?,
        policy: PolicyStamp {
            hash: bytes_of(leaf.policy.hash)?,
            rules: codes(&leaf.policy.rules)?,
        },
        request: RequestStamp { id: code(leaf.req.id)?, trace: code(leaf.req.trace)? },
        commit: bytes_of(leaf.commit)?,
    };
    Some((position, entry))
}

fn actor(raw: &RawActor<'_>) -> Option<Actor> {
    let partner = match raw.partner {
        Some(text) => Some(Uuid::try_parse(text).ok()?),
        None => None,
    };
    Some(Actor {
        organisation: code(raw.org)?,
        partner,
        role: code(raw.role)?,
        certificate: bytes_of(raw.cert)?,
        subject: code(raw.sub)?,
        token: bytes_of(raw.jti)?,
    })
}

fn code(text: &str) -> Option<Code> {
    Code::parse(text).ok()
}

fn codes(texts: &[&str]) -> Option<Vec<Code>> {
    texts.iter().map(|text| code(text)).collect()
}

/// Nothing, bytes, or neither.
#[expect(clippy::option_option, reason = "absent, present and wrong are three things")]
fn bytes_of<const N: usize>(text: Option<&str>) -> Option<Option<[u8; N]>> {
    text.map_or(Some(None), |text| unhex(text).map(Some))
}
