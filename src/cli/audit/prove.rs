//! `buurtpoort audit prove|verify-proof`.

use crate::audit::proof::{Proof, ProofError, Receipt};
use crate::audit::{tree, vkey};
use crate::cli::audit::{INCOMPLETE, Opened, VerifyProofArgs, incomplete, tell};
use crate::cli::{Failure, print, read};
use crate::crypto::digest::{hex, sha256};
use crate::crypto::keyring::VerifyingKey;
use crate::http::referrals::shape::Referral;
use crate::http::wire;
use crate::store::witness;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Prints the proof of one entry under the signed head.
pub(super) async fn prove(opened: &Opened, seq: u64) -> Result<ExitCode, Failure> {
    let head = witness::head(&opened.pool).await.map_err(incomplete)?;
    if seq >= head.size {
        return Err(Failure::usage(format!("--seq: the ledger has {} entries", head.size)));
    }
    let from = i64::try_from(seq).or(Err(Failure::usage("--seq: out of range")))?;
    let row = witness::entries(&opened.pool, from, 1).await.map_err(incomplete)?;
    let hashes = witness::hashes(&opened.pool, head.size).await.map_err(incomplete)?;
    let path = usize::try_from(seq).ok().and_then(|at| tree::inclusion_proof(&hashes, at));
    let (Some(row), Some(path)) = (row.into_iter().next(), path) else {
        return Err(Failure { message: "the entry is not there".to_owned(), code: INCOMPLETE });
    };
    let proof = Proof { index: seq, leaf: row.leaf, path, note: head.checkpoint };
    // What does not hold is not handed out.
    match proof.verify(&opened.keyring.ledger_public_keys()) {
        Ok(_) => {
            print(&proof.to_text())?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => tell(false, false, &format!("NOT PROVEN: {error}"), &json!(null)),
    }
}

/// Checks a proof or a receipt with keys from files.
pub(super) fn verify_proof(args: &VerifyProofArgs) -> Result<ExitCode, Failure> {
    let text = read(&args.file)?;
    let keys = Keys::read(args)?;
    let proven = if text.starts_with("c2sp.org/tlog-proof") {
        entry(&text, &keys)
    } else {
        receipt(&bare(text.trim()), &keys, args)?
    };
    match proven {
        Ok((text, object)) => tell(args.json, true, &text, &object),
        Err(error) => {
            let object = json!({"result": "not proven", "rule": error.to_string()});
            tell(args.json, false, &format!("NOT PROVEN: {error}"), &object)
        }
    }
}

/// Keys from the files of `--key`.
struct Keys {
    ledger: Vec<VerifyingKey>,
    jwks: Option<String>,
}

impl Keys {
    fn read(args: &VerifyProofArgs) -> Result<Self, Failure> {
        let mut keys = Self { ledger: Vec::new(), jwks: None };
        for file in &args.key {
            let text = read(file)?;
            if text.trim_start().starts_with('{') {
                keys.jwks = Some(text);
                continue;
            }
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                let key = vkey::parse(line.trim());
                let (_, key) = key.ok_or_else(|| Failure::usage("--key: not a ledger key"))?;
                keys.ledger.push(key);
            }
        }
        Ok(keys)
    }
}

type Proven = Result<(String, Value), ProofError>;

fn entry(text: &str, keys: &Keys) -> Proven {
    let proof = Proof::parse(text)?;
    let (head, position, entry) = proof.verify(&keys.ledger)?;
    let told = format!(
        "PROVEN: entry {} of {} ({}, {}) stands in the signed tree of {} entries\n{}",
        position.seq,
        head.origin,
        entry.event.as_str(),
        entry.outcome.as_str(),
        head.size,
        String::from_utf8_lossy(&proof.leaf),
    );
    let object = json!({"result": "proven", "log": head.origin, "index": position.seq,
        "event": entry.event.as_str(), "outcome": entry.outcome.as_str(), "size": head.size,
        "rootHash": hex(&head.root)});
    Ok((told, object))
}

/// The receipt in the answer to a referral; what is no such answer stays as it is.
fn bare(text: &str) -> String {
    let answer: Option<Value> = serde_json::from_str(text).ok();
    let receipt = answer.as_ref().and_then(|answer| answer.get("receipt")?.as_str());
    receipt.unwrap_or(text).to_owned()
}

fn receipt(token: &str, keys: &Keys, args: &VerifyProofArgs) -> Result<Proven, Failure> {
    let jwks = keys.jwks.as_deref();
    let jwks =
        jwks.ok_or_else(|| Failure::usage("--key: a receipt needs the key set of the gateway"))?;
    let request = args.request.as_deref().map(read).transpose()?;
    let note = args.checkpoint.as_deref().map(read).transpose()?;
    Ok(receipt_under(token, jwks, request.as_deref(), note.as_deref(), &keys.ledger))
}

fn receipt_under(
    token: &str,
    jwks: &str,
    request: Option<&str>,
    note: Option<&str>,
    keys: &[VerifyingKey],
) -> Proven {
    let receipt = Receipt::verify(jwks, token)?;
    if let Some(request) = request {
        let same = digest(request).is_some_and(|digest| digest == receipt.digest);
        same.then_some(()).ok_or(ProofError::Digest)?;
    }
    if let Some(note) = note {
        receipt.is_under(&note_of(note), keys)?;
    }
    let told = format!(
        "PROVEN: referral {} was accepted at {} as entry {} of a tree of {} entries{}{}",
        receipt.id,
        receipt.received_at,
        receipt.index,
        receipt.size,
        if note.is_some() { ", which the ledger key signed" } else { "" },
        if request.is_some() { "; it is for this request" } else { "" },
    );
    let object = json!({"result": "proven", "id": receipt.id, "receivedAt": receipt.received_at,
        "index": receipt.index, "size": receipt.size, "rootHash": hex(&receipt.root),
        "signedHead": note.is_some(), "request": request.is_some()});
    Ok((told, object))
}

/// A note as it is, or as the header `Audit-Checkpoint` carries it.
fn note_of(text: &str) -> String {
    crate::audit::checkpoint::from_header(text.trim()).unwrap_or_else(|_| text.to_owned())
}

/// The digest of a request, whatever the order of its members.
fn digest(request: &str) -> Option<String> {
    // As strict as the gateway: a field that stands twice was never accepted.
    wire::shape::<Referral>(request.as_bytes()).ok()?;
    let mut tree = crate::http::tree::tree(request.as_bytes()).ok()?;
    tree.sort();
    Some(format!("sha-256:{}", hex(&sha256(tree.to_string().as_bytes()))))
}
