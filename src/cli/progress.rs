//! How far a long piece of work is, for whoever waits for it.

use serde_json::json;
use std::io::Write;
use std::time::{Duration, Instant};

/// Says on standard error how far a long piece of work is: one JSON line every five seconds.
pub(super) struct Progress {
    what: &'static str,
    total: u64,
    told: Instant,
}

impl Progress {
    pub(super) fn of(what: &'static str, total: u64) -> Self {
        Self { what, total, told: Instant::now() }
    }

    pub(super) fn at(&mut self, done: u64) {
        if self.told.elapsed() < Duration::from_secs(5) {
            return;
        }
        self.told = Instant::now();
        let line = json!({"progress": self.what, "done": done, "of": self.total});
        // Nobody may be reading.
        let _told = writeln!(std::io::stderr(), "{line}");
    }
}
