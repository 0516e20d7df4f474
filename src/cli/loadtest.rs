//! `tailwater loadtest`.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::loadtest::{self, LoadError, Report, Screen};

use super::serve::Interrupts;
use super::{Failure, args, out};

/// Standard output, as an argument.
const STDOUT: &str = "-";

pub(super) async fn run(args: args::LoadTest) -> Result<u8, Failure> {
    let order = args.order(command_line());
    let mut interrupts = Interrupts::listen().map_err(|error| Failure {
        message: format!("signals cannot be listened to: {error}"),
        code: 1,
    })?;
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    // It blocks: nothing of the load is on a runtime.
    let mut work = tokio::task::spawn_blocking(move || {
        let screen = Bar::new();
        let report = loadtest::run(&order, &screen, &told);
        screen.finish();
        report
    });
    let (ended, code) = tokio::select! {
        ended = &mut work => (ended, None),
        code = interrupts.next() => {
            stop.store(true, Ordering::Release);
            (work.await, Some(code))
        }
    };
    let ended = ended.map_err(|error| Failure { message: error.to_string(), code: 1 })?;
    match (ended, code) {
        (Err(LoadError::Interrupted), Some(code)) => Ok(code),
        (ended, _) => show(&ended?, &args),
    }
}

/// Runs what a load test starts of this program.
pub(super) async fn run_part(
    part: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> Result<u8, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure { message: error.to_string(), code: 1 };
    let ended = tokio::task::spawn_blocking(part).await.map_err(|error| failed(&error))?;
    ended.map(|()| 0).map_err(|error| failed(&error))
}

/// Writes the report everywhere it is wanted; the exit code says whether all held.
fn show(report: &Report, args: &args::LoadTest) -> Result<u8, Failure> {
    let as_json = args.json.as_deref().map(|path| (path, out::json(&json!(report))));
    match &as_json {
        Some((path, text)) if path.as_os_str() == STDOUT => drop(out::print(text)),
        Some((path, text)) => write(path, text)?,
        None => {}
    }
    if as_json.is_none_or(|(path, _)| path.as_os_str() != STDOUT) {
        out::print(&report.to_text()).ok();
    }
    if let Some(path) = &args.html {
        write(path, &report.to_html())?;
    }
    Ok(u8::from(!report.passed()))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| Failure {
        message: format!("{} cannot be written: {error}", path.display()),
        code: 1,
    })
}

/// The command as somebody may type it again.
fn command_line() -> String {
    let words = std::env::args().skip(1).map(|word| {
        let is_plain =
            |symbol: char| symbol.is_ascii_alphanumeric() || "-_./:=,@%+".contains(symbol);
        if !word.is_empty() && word.chars().all(is_plain) {
            return word;
        }
        format!("'{}'", word.replace('\'', r"'\''"))
    });
    std::iter::once("tailwater".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// A progress bar on standard error, or where that is no terminal a line for each phase.
struct Bar {
    bar: Option<ProgressBar>,
    phase: Mutex<String>,
}

impl Bar {
    fn new() -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("{msg:24} {bar:30} {human_pos}/{human_len} {elapsed}");
            ProgressBar::new(0).with_style(style.expect("the template is valid"))
        });
        Self { bar, phase: Mutex::default() }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Screen for Bar {
    fn phase(&self, what: &str, total: u64) {
        if let Some(bar) = &self.bar {
            bar.set_message(what.to_owned());
            bar.set_length(total);
            bar.set_position(0);
            return;
        }
        let mut phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        if *phase != what {
            what.clone_into(&mut phase);
            out::note(what);
        }
    }

    fn progress(&self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        }
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        let code = if error.is_bad_input() { 2 } else { 1 };
        Self { message: error.to_string(), code }
    }
}
