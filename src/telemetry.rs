//! Logs and metrics: one JSON line an event on standard error, from an allow-list of fields.
//!
//! A field that is not on the list is left out, whoever logs it at whatever level: a library that
//! traces a buffer or a query cannot bring a name into the log.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::{Map, Value, json};
use std::fmt;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Fields that may be logged: identifiers made here, routes, codes, counts, times.
pub const FIELDS: &[&str] = &[
    "attempt",
    "cause",
    "code",
    "count",
    "database",
    "duration_ms",
    "erased",
    "error",
    "event",
    "kind",
    "listener",
    "method",
    "partner",
    "path",
    "policy",
    "port",
    "register",
    "request_id",
    "role",
    "route",
    "rule",
    "size",
    "state",
    "status",
    "trace_id",
    "version",
];

/// Whether `filter` is one: anything else would silently be `info`.
#[must_use]
pub fn is_filter(filter: &str) -> bool {
    EnvFilter::try_new(filter).is_ok()
}

/// Starts logging to standard error. `filter` is as `RUST_LOG` has it.
pub fn init(filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .event_format(Lines)
        .with_writer(std::io::stderr);
    // A second start, in a test, keeps the first.
    drop(logs.try_init());
    // The words of a panic can hold a value; where it happened cannot.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        tracing::error!(path = place, "panic");
    }));
}

/// Starts collecting metrics.
///
/// # Errors
/// When metrics were started before in this process.
pub fn metrics() -> Result<PrometheusHandle, String> {
    PrometheusBuilder::new().install_recorder().map_err(|error| error.to_string())
}

/// One JSON object a line.
#[derive(Debug)]
pub struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let meta = event.metadata();
        let own = meta.target().starts_with("buurtpoort");
        // Of what a library says in the ordinary course nothing would be left. Who asks for more sees at least where.
        if !own && *meta.level() == tracing::Level::INFO {
            return Ok(());
        }
        let mut allowed = Allowed { own, line: Map::new() };
        event.record(&mut allowed);
        let mut line = allowed.line;
        line.insert("level".to_owned(), json!(meta.level().as_str()));
        line.insert("target".to_owned(), json!(meta.target()));
        line.insert("time".to_owned(), json!(crate::clock::Clock::System.now().to_string()));
        writeln!(writer, "{}", Value::Object(line))
    }
}

struct Allowed {
    /// Whether the event is ours: the words of a library's message are never logged.
    own: bool,
    line: Map<String, Value>,
}

impl Allowed {
    fn put(&mut self, field: &Field, value: Value) {
        let name = field.name();
        if self.own && (name == "message" || FIELDS.contains(&name)) {
            self.line.insert(name.to_owned(), value);
        }
    }
}

impl Visit for Allowed {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, json!(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, json!(value));
    }
}
