//! `buurtpoort audit tail`.

use crate::audit::entry;
use crate::audit::verify::StoredLeaf;
use crate::cli::audit::{Opened, TailArgs, incomplete};
use crate::cli::{Failure, print};
use crate::store::witness;
use serde_json::json;
use std::process::ExitCode;
use std::time::Duration;

/// How often `--follow` looks.
const PERIOD: Duration = Duration::from_millis(500);
/// Most entries of one look.
const PAGE: u32 = 1_000;

/// Prints the last entries, and with `--follow` those that come.
pub(super) async fn run(args: &TailArgs) -> Result<ExitCode, Failure> {
    let opened = Opened::open(&args.output.config).await?;
    let size = witness::head(&opened.pool).await.map_err(incomplete)?.size;
    let mut next = i64::try_from(size.saturating_sub(args.lines.into())).map_err(incomplete)?;
    loop {
        let page = witness::entries(&opened.pool, next, PAGE).await.map_err(incomplete)?;
        for row in &page {
            print(&line(row, args.output.json))?;
            next = next.saturating_add(1);
        }
        if page.is_empty() {
            if !args.follow {
                return Ok(ExitCode::SUCCESS);
            }
            tokio::time::sleep(PERIOD).await;
        }
    }
}

/// The exact leaf with `--json`, else what matters of it in one line.
fn line(row: &StoredLeaf, whole: bool) -> String {
    let Ok((position, entry)) = entry::decode(&row.leaf) else {
        return json!({"seq": row.seq, "problem": "not a ledger entry"}).to_string();
    };
    if whole {
        return String::from_utf8_lossy(&row.leaf).into_owned();
    }
    let at = jiff::Timestamp::from_microsecond(position.ts_us).unwrap_or_default();
    format!(
        "{:>8}  {at:.6}  {:<20} {:<5} {:<16} {:<32} {}",
        position.seq,
        entry.event.as_str(),
        entry.outcome.as_str(),
        entry.actor.role.as_str(),
        row.object.as_deref().unwrap_or("-"),
        entry.why.as_str(),
    )
}
