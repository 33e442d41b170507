//! `buurtpoort audit reconcile`.

use crate::audit::entry;
use crate::audit::reconcile::{Books, CaseOnFile, Finding, Reconciled};
use crate::cli::Failure;
use crate::cli::audit::{Opened, OutputArgs, Progress, incomplete, tell};
use crate::crypto::digest::hex;
use crate::crypto::keyring::Keyring;
use crate::domain::partner::Slug;
use crate::flow::witness::account_id;
use crate::ids::{CaseId, PartnerId};
use crate::store::cases::{self, CaseRow};
use crate::store::census::{self, Census};
use crate::store::{Pool, StoreError, facts, witness};
use serde_json::json;
use std::collections::BTreeSet;
use std::process::ExitCode;

/// Rows read at a time.
const PAGE: u32 = 1_000;
/// How often the books are taken anew while a gateway writes.
const TRIES: usize = 4;

/// Compares ledger and rows, and tells what does not match.
pub(super) async fn run(args: &OutputArgs) -> Result<ExitCode, Failure> {
    let opened = Opened::open(&args.config).await?;
    let done = reconciled(&opened.pool, &opened.keyring).await.map_err(incomplete)?;
    let ok = done.findings.is_empty();
    let mut text = format!(
        "{}: {} cases, {} intents to release, {} of them without an outcome yet",
        if ok { "reconciled" } else { "NOT RECONCILED" },
        done.cases,
        done.intents,
        done.open_intents,
    );
    for finding in &done.findings {
        text.push_str("\n  ");
        text.push_str(&told(finding));
    }
    let findings: Vec<_> = done
        .findings
        .iter()
        .map(|f| json!({"case": f.case, "seq": f.seq, "rule": f.rule}))
        .collect();
    let object = json!({"result": if ok { "ok" } else { "mismatch" }, "cases": done.cases,
        "intents": done.intents, "openIntents": done.open_intents, "findings": findings});
    tell(args.json, ok, &text, &object)
}

fn told(finding: &Finding) -> String {
    let case = finding.case.as_ref().map(|case| format!("case {case}: "));
    let seq = finding.seq.map(|seq| format!("ledger entry {seq}: "));
    format!("{}{}{}", case.unwrap_or_default(), seq.unwrap_or_default(), finding.rule)
}

/// Compares ledger and rows. Beside a gateway that writes, what does not match at one look and does at the
/// next was still being written; only what stays is told.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn reconciled(pool: &Pool, keyring: &Keyring) -> Result<Reconciled, StoreError> {
    let mut before: Option<BTreeSet<Finding>> = None;
    let mut tries = 0;
    loop {
        let size = witness::head(pool).await?.size;
        let mut done = once(pool, keyring, size).await?;
        let grew = witness::head(pool).await?.size != size;
        if let Some(before) = &before {
            done.findings.retain(|finding| before.contains(finding));
        }
        tries += 1;
        if done.findings.is_empty() || !grew || tries == TRIES {
            return Ok(done);
        }
        before = Some(done.findings);
    }
}

async fn once(pool: &Pool, keyring: &Keyring, size: u64) -> Result<Reconciled, StoreError> {
    let mut books = books(pool, size).await?;
    let census = census::take(pool).await?;
    let mut after = CaseId::from_uuid(uuid::Uuid::nil());
    let (mut seen, mut unnamed) = (0, 0);
    let mut progress = Progress::of("cases", census.cases);
    loop {
        let page = cases::list_all(pool, after, i64::from(PAGE)).await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        for row in &page {
            seen += 1;
            match on_file(keyring, row, &census) {
                Ok(Some(file)) => {
                    let named = |account: &str, name: &str| {
                        is_named(keyring, row.organisation, account, name)
                    };
                    books.compare(&file, named);
                }
                Ok(None) => unnamed += 1,
                // Its facts do not open: rolled back, moved or changed.
                Err(_) => books.compare(&unreadable(row), |_, _| false),
            }
        }
        progress.at(seen);
    }
    Ok(books.close(unnamed, census.figures))
}

async fn books(pool: &Pool, size: u64) -> Result<Books, StoreError> {
    let mut books = Books::default();
    let mut progress = Progress::of("entries", size);
    let mut next = 0;
    while next < size {
        let from = i64::try_from(next).or(Err(StoreError::Corrupt("ledger size")))?;
        let page = witness::entries(pool, from, PAGE).await?;
        if page.is_empty() {
            break;
        }
        for row in page.iter().filter(|row| row.seq < size) {
            let (position, entry) =
                entry::decode(&row.leaf).or(Err(StoreError::Corrupt("audit_entry.leaf")))?;
            books.enter(position.seq, &entry);
        }
        next = page.last().map_or(u64::MAX, |row| row.seq.saturating_add(1));
        progress.at(next);
    }
    Ok(books)
}

/// What the rows say about a case; nothing where its key is gone.
fn on_file(
    keyring: &Keyring,
    row: &CaseRow,
    census: &Census,
) -> Result<Option<CaseOnFile>, StoreError> {
    let Some((_, memory)) = facts::open(keyring, row)? else { return Ok(None) };
    let assignments = census.assignments.get(&row.id).into_iter().flatten();
    let releases = census.releases.get(&row.id).into_iter().flatten();
    let referral = census.referrals.get(&row.referral).filter(|sent| sent.case == row.id);
    Ok(Some(CaseOnFile {
        id: row.id.to_string(),
        object: hex(memory.audit_reference.uuid().as_bytes()),
        state: row.state.as_str().to_owned(),
        facts_version: row.facts_version,
        version: row.version,
        assignee: row.assignee.as_ref().map(|name| name.as_str().to_owned()),
        assignments: assignments
            .map(|a| (a.version, a.coordinator.clone(), a.by.clone()))
            .collect(),
        releases: releases
            .map(|r| (r.person.clone(), r.purpose.clone(), r.groups.clone()))
            .collect(),
        pairings: census.pairings.get(&row.id).copied().unwrap_or_default(),
        partner: referral.map(|sent| sent.partner.uuid()),
        referral_withdrawn: referral.map(|sent| sent.status == "withdrawn"),
    }))
}

fn unreadable(row: &CaseRow) -> CaseOnFile {
    CaseOnFile { id: row.id.to_string(), object: "unreadable".to_owned(), ..CaseOnFile::default() }
}

/// Whether an account of an organisation goes by `name` in the ledger, under the key that made the name.
fn is_named(keyring: &Keyring, organisation: PartnerId, account: &str, name: &str) -> bool {
    let Ok(account) = Slug::parse(account) else { return false };
    let version = name.split('.').nth(2).and_then(|version| version.parse().ok());
    let Some(version) = version else { return false };
    let id = account_id(organisation, &account);
    let made = keyring.pseudonym_at(version, ["ledger", "audit", "all"], "person", id);
    made.is_ok_and(|made| made.as_str() == name)
}
