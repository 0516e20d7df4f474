//! What the server says about itself: log lines on standard error.
//!
//! Standard output belongs to what a command was asked for, so that scripts can read it; the log
//! never goes there.

pub mod metrics;
mod one_line;
pub mod trace;
pub mod trail;

use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use one_line::OneLine;

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people: one coloured line when standard error is a terminal, plain otherwise.
    #[default]
    Human,
    /// For machines: one JSON object a line.
    Json,
}

/// A log filter that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the log filter cannot be read: {reason}")]
pub struct BadFilter {
    reason: String,
}

/// Why the process cannot say what it does.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log.
    #[error(transparent)]
    Log(#[from] BadFilter),
    /// The way to the collector of traces.
    #[error("traces cannot be sent: {0}")]
    Traces(String),
}

/// Starts the log of this process, and sends spans to a collector where the environment names one and the
/// program was built to. A log that was started before stays as it is, so that tests
/// which start several servers in one process need no order.
///
/// `filter` is a list of `module=level` as in `tailwater=debug,warn`
/// (<https://docs.rs/tracing-subscriber>, `EnvFilter`).
///
/// # Errors
/// When the filter cannot be read, or the environment names a collector that cannot be.
pub fn install(filter: &str, format: Format) -> Result<(), TelemetryError> {
    let filter = read(filter)?;
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let registry = tracing_subscriber::registry().with(lines(filter, format, colour, io::stderr));
    #[cfg(feature = "otlp")]
    let registry = registry.with(trace::layer().map_err(TelemetryError::Traces)?);
    // Fails only when a log was started before.
    registry.try_init().ok();
    if cfg!(not(feature = "otlp")) && std::env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT").is_some() {
        tracing::warn!(
            "no traces are sent to OTEL_EXPORTER_OTLP_ENDPOINT: this program was built without the \
             feature 'otlp'"
        );
    }
    Ok(())
}

/// Sends what is left of the traces. Blocks until that is done.
pub fn finish() {
    #[cfg(feature = "otlp")]
    trace::finish();
}

/// Whether [`install`] would take this filter.
///
/// # Errors
/// Says what is wrong with it.
pub fn check(filter: &str) -> Result<(), BadFilter> {
    read(filter).map(drop)
}

fn read(filter: &str) -> Result<EnvFilter, BadFilter> {
    EnvFilter::builder().parse(filter).map_err(|error| BadFilter { reason: error.to_string() })
}

/// The log's lines.
fn lines<S, W>(filter: EnvFilter, format: Format, colour: bool, writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(OneLine { writer, colour });
    match format {
        Format::Human => lines.with_ansi(colour).with_target(false).with_filter(filter).boxed(),
        Format::Json => lines.json().flatten_event(true).with_filter(filter).boxed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_checked_before_it_is_used() {
        assert!(check("tailwater=info,warn").is_ok());
        assert!(check("debug").is_ok());
        let error = check("tailwater=loud").unwrap_err().to_string();
        assert!(error.contains("log filter"), "{error}");
    }

    /// A log that is read again.
    #[derive(Clone, Debug, Default)]
    struct Log(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_comes_from_outside_forges_no_line_in_either_format() {
        let hostile = "x\n2026-11-26T00:00:00Z ERROR forged\u{1b}[2J\r\u{2028}";
        for format in [Format::Human, Format::Json] {
            let log = Log::default();
            let writer = log.clone();
            let writer = OneLine { writer: move || writer.clone(), colour: false };
            let lines = tracing_subscriber::fmt().with_writer(writer);
            let say = || tracing::warn!(name = %hostile, debug = ?hostile, "{hostile}");
            match format {
                Format::Human => {
                    tracing::subscriber::with_default(lines.with_ansi(false).finish(), say);
                }
                Format::Json => tracing::subscriber::with_default(lines.json().finish(), say),
            }
            let written = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
            assert_eq!(written.lines().count(), 1, "{written}");
            assert!(written.ends_with('\n') && !written.contains(['\r', '\u{1b}', '\u{2028}']));
        }
    }

    #[test]
    fn the_log_can_be_started_twice() {
        install("error", Format::Human).unwrap();
        install("error", Format::Json).unwrap();
    }
}
