//! Lines for people, on standard output, each with the time since the start of the run.

use std::io::Write as _;
use std::sync::OnceLock;
use std::time::Instant;

static START: OnceLock<Instant> = OnceLock::new();

/// Says a line, with the seconds since the first one.
pub(crate) fn line(text: &str) {
    let start = START.get_or_init(Instant::now);
    plain(&format!("{:8.1} s  {text}", start.elapsed().as_secs_f64()));
}

/// Says a line as it is. That nobody listens is no reason to end a run.
pub(crate) fn plain(text: &str) {
    writeln!(std::io::stdout().lock(), "{text}").ok();
}
