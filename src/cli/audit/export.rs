//! `buurtpoort audit export`.

use crate::audit::entry;
use crate::audit::export::{self, Line};
use crate::audit::verify::StoredLeaf;
use crate::cli::audit::{ExportArgs, Format, Opened, Progress, incomplete};
use crate::cli::{Failure, print};
use crate::crypto::digest::{hex, sha256};
use crate::ids::CaseId;
use crate::store::cases::{self, CaseRow};
use crate::store::{facts, witness};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::process::ExitCode;
use uuid::Uuid;

/// Rows read at a time.
const PAGE: u32 = 1_000;

/// Prints the records.
pub(super) async fn run(args: &ExportArgs) -> Result<ExitCode, Failure> {
    let opened = Opened::open(&args.output.config).await?;
    match (args.format, args.case) {
        (Format::Ledger, None) => ledger(&opened).await?,
        (Format::Ledger, Some(_)) => {
            return Err(Failure::usage("--case: the ledger is exported whole"));
        }
        (Format::Inzage, None) => return Err(Failure::usage("--case: whose data?")),
        (format, Some(case)) => of_case(&opened, format, args.output.json, case).await?,
        (format, None) => of_all(&opened, format).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Head and leaves with their columns, for a verifier that has no database.
async fn ledger(opened: &Opened) -> Result<(), Failure> {
    let head = witness::head(&opened.pool).await.map_err(incomplete)?;
    let keys = opened.key_texts(&head.log);
    print(
        &json!({"format": "buurtpoort-ledger@v1", "keys": keys, "head": {
        "log": head.log, "size": head.size, "root": hex(&head.root), "peaks": hex(&head.peaks),
        "last_hash": hex(&head.last_hash), "checkpoint": head.checkpoint}})
        .to_string(),
    )?;
    for_each(opened, i64::MIN, head.size, |row| {
        print(
            &json!([
                row.seq,
                STANDARD.encode(&row.leaf),
                hex(&row.leaf_hash),
                row.at_us,
                row.event,
                row.outcome,
                row.object
            ])
            .to_string(),
        )
    })
    .await
}

/// Reads the entries below `size`, page by page.
async fn for_each(
    opened: &Opened,
    first: i64,
    size: u64,
    mut each: impl FnMut(&StoredLeaf) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut progress = Progress::of("export", size);
    let (mut from, mut done) = (first, 0);
    loop {
        let page = witness::entries(&opened.pool, from, PAGE).await.map_err(incomplete)?;
        let Some(last) = page.last() else { return Ok(()) };
        for row in &page {
            // Rows behind the head came while we read.
            if row.seq >= size && row.seq != u64::MAX {
                return Ok(());
            }
            each(row)?;
            done += 1;
        }
        progress.at(done);
        from = i64::try_from(last.seq.saturating_add(1)).map_err(incomplete)?;
    }
}

async fn of_all(opened: &Opened, format: Format) -> Result<(), Failure> {
    let subjects = all_subjects(opened).await?;
    let size = witness::head(&opened.pool).await.map_err(incomplete)?.size;
    for_each(opened, 0, size, |row| {
        let line = line(row)?;
        records(format, &line, &subjects).iter().try_for_each(|record| print(&record.to_string()))
    })
    .await
}

async fn of_case(opened: &Opened, format: Format, json: bool, case: Uuid) -> Result<(), Failure> {
    let row = cases::find(&opened.pool, CaseId::from_uuid(case)).await.map_err(incomplete)?;
    let row = row.ok_or_else(|| {
        Failure::usage(
            "--case: there is no such case; the id of a referral is another than that of its case",
        )
    })?;
    let subjects = subjects_of(opened, &row)?;
    let Some((object, _)) = &subjects else {
        return Err(incomplete("the case is erased: its name in the ledger is gone"));
    };
    let about = witness::about(&opened.pool, object).await.map_err(incomplete)?;
    let known = subjects.clone().into_iter().collect();
    for row in &about {
        let line = line(row)?;
        match (format, json) {
            (Format::Inzage, true) => print(&export::inzage(&line).to_string())?,
            (Format::Inzage, false) => print(&export::inzage_text(&line))?,
            _ => records(format, &line, &known)
                .iter()
                .try_for_each(|record| print(&record.to_string()))?,
        }
    }
    Ok(())
}

fn line(row: &StoredLeaf) -> Result<Line, Failure> {
    let (position, entry) = entry::decode(&row.leaf)
        .map_err(|error| incomplete(format!("ledger entry {}: {error}", row.seq)))?;
    Ok(Line { position, entry, leaf_hash: row.leaf_hash })
}

/// Pseudonyms of the people of each case, by the ledger's name for it.
type Subjects = HashMap<String, Vec<String>>;

/// The records made from one entry. An entry about a case that is erased has one data subject, the case.
fn records(format: Format, line: &Line, subjects: &Subjects) -> Vec<Value> {
    if format == Format::Authzen {
        return export::authzen(line).into_iter().collect();
    }
    let Some(object) = line.object() else { return Vec::new() };
    let alone = vec![object.clone()];
    let people = subjects.get(&object).unwrap_or(&alone);
    let make = if format == Format::Nen7513 { export::nen7513 } else { export::logboek };
    (0..).zip(people).map(|(nth, subject)| make(line, nth, subject)).collect()
}

async fn all_subjects(opened: &Opened) -> Result<Subjects, Failure> {
    let mut known = Subjects::new();
    let mut after = CaseId::from_uuid(Uuid::nil());
    loop {
        let page = cases::list_all(&opened.pool, after, i64::from(PAGE)).await;
        let page = page.map_err(incomplete)?;
        let Some(last) = page.last() else { return Ok(known) };
        after = last.id;
        for row in &page {
            known.extend(subjects_of(opened, row)?);
        }
    }
}

/// The ledger's name for a case, and pseudonyms of its data subjects for the log of processing. Nothing
/// where the case is erased.
fn subjects_of(opened: &Opened, row: &CaseRow) -> Result<Option<(String, Vec<String>)>, Failure> {
    let opened_facts = facts::open(&opened.keyring, row).map_err(incomplete)?;
    let Some((_, memory)) = opened_facts else { return Ok(None) };
    let name = |label: &str| {
        let digest = sha256(format!("{}/{label}", memory.family.uuid()).as_bytes());
        let id = Uuid::from_slice(digest.get(..16).unwrap_or_default()).unwrap_or_default();
        opened.keyring.pseudonym("logboek", "audit", "all", "subject", id)
    };
    let people = memory.subjects.iter().map(|subject| name(subject.reference.as_str()));
    let people = people.map(|name| name.map(|name| name.as_str().to_owned()));
    let people: Vec<String> = people.collect::<Result<_, _>>().map_err(incomplete)?;
    Ok(Some((hex(memory.audit_reference.uuid().as_bytes()), people)))
}
