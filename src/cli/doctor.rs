//! `tailwater doctor`.

use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::doctor::{self, DoctorError, Finding, Order, Remedy, Report, Screen, Verdict};

use super::serve::Interrupts;
use super::{Failure, args, out};

/// How wide the column of checks is: as the longest of them.
const CHECKS: usize = 19;

/// How wide a line is at most.
const WIDTH: usize = 100;

pub(super) async fn run(args: args::Doctor) -> Result<u8, Failure> {
    let loaded = crate::config::load(&args.flags, &crate::config::Environment::of_process())?;
    let order =
        Order { loaded, url: args.url, server: args.server, key: super::key(), idle: args.idle };
    let mut interrupts = Interrupts::listen().map_err(|error| Failure {
        message: format!("signals cannot be listened to: {error}"),
        code: 1,
    })?;
    let page = Page::new(args.json);
    tokio::select! {
        ended = doctor::run(&order, &page) => ended?,
        code = interrupts.next() => {
            page.bar.finish_and_clear();
            return Ok(code);
        }
    }
    let report = page.finish();
    if args.json {
        out::print(&out::json(&report.to_json())).ok();
    } else {
        out::print(&summary(&report)).ok();
    }
    Ok(u8::from(!report.is_well()))
}

/// Findings as they come on standard output, and on a terminal what is waited for.
struct Page {
    bar: ProgressBar,
    is_terminal: bool,
    is_json: bool,
    colours: bool,
    report: Mutex<Report>,
    /// What was told that mends something, and of which check.
    told: Mutex<Vec<(String, Vec<Remedy>)>>,
}

impl Page {
    fn new(is_json: bool) -> Self {
        let is_terminal = io::stderr().is_terminal();
        let bar = if is_terminal {
            let style = ProgressStyle::with_template("{spinner} {msg}");
            let style = style.expect("the template is valid");
            let bar = ProgressBar::new_spinner().with_style(style);
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        } else {
            ProgressBar::hidden()
        };
        let wants_none = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            bar,
            is_terminal,
            is_json,
            colours: io::stdout().is_terminal() && !wants_none,
            report: Mutex::default(),
            told: Mutex::default(),
        }
    }

    /// What mends it, with all proxies' lines, but each only once.
    fn mending(&self, finding: &Finding) -> String {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let before = told.iter().find(|(_, remedies)| *remedies == finding.remedies);
        match before {
            _ if finding.remedies.is_empty() => String::new(),
            Some((check, _)) => {
                let check = check.replace('.', " ");
                format!("{:width$}what mends it: as at '{check}'\n", "", width = CHECKS + 4)
            }
            None => {
                told.push((finding.check.clone(), finding.remedies.clone()));
                mending(&finding.remedies)
            }
        }
    }

    fn finish(self) -> Report {
        self.bar.finish_and_clear();
        self.report.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Screen for Page {
    fn found(&self, finding: Finding) {
        if !self.is_json {
            let mut text = shown(&finding, self.colours);
            text += &self.mending(&finding);
            self.bar.suspend(|| out::print(&text).ok());
        }
        self.report.lock().unwrap_or_else(PoisonError::into_inner).findings.push(finding);
    }

    fn phase(&self, what: &str) {
        if self.is_terminal {
            self.bar.set_message(what.to_owned());
        } else if !self.is_json {
            out::note(&format!("… {what}"));
        }
    }

    fn progress(&self, over: Duration, of: Duration) {
        let text =
            format!("watching streams that say nothing: {} of {} s", over.as_secs(), of.as_secs());
        if self.is_terminal {
            self.bar.set_message(text);
        } else if !self.is_json && over.as_secs().is_multiple_of(15) && over.as_secs() > 0 {
            out::note(&format!("… {text}"));
        }
    }
}

/// A finding as lines.
fn shown(finding: &Finding, colours: bool) -> String {
    let (sign, colour) = match finding.verdict {
        Verdict::Good => ("✓", "32"),
        Verdict::NotChecked => ("–", "2"),
        Verdict::Warning => ("!", "33"),
        Verdict::Fault => ("✗", "31"),
    };
    let sign = if colours { format!("\u{1b}[{colour}m{sign}\u{1b}[0m") } else { sign.to_owned() };
    let check = finding.check.replace('.', " ");
    let mut text = String::new();
    let lines = out::wrapped(&out::harmless(&finding.text), WIDTH - CHECKS - 4);
    for (number, line) in lines.iter().enumerate() {
        let (sign, check) = if number == 0 { (&*sign, &*check) } else { (" ", "") };
        writeln!(text, "{sign} {check:CHECKS$}  {line}").expect("a string takes everything");
    }
    text
}

/// The lines for each proxy.
fn mending(remedies: &[Remedy]) -> String {
    let mut text = format!("{:width$}what mends it:\n", "", width = CHECKS + 4);
    for Remedy { proxy, lines } in remedies {
        for (number, line) in lines.iter().enumerate() {
            let name = if number == 0 { proxy.name() } else { "" };
            let width = CHECKS + 4;
            writeln!(text, "{:width$}  {name:10}  {line}", "").expect("a string takes everything");
        }
    }
    text
}

fn summary(report: &Report) -> String {
    let (faults, warnings) = (report.count(Verdict::Fault), report.count(Verdict::Warning));
    let of = |number: usize, one: &str, many: &str| match number {
        0 => format!("no {many}"),
        1 => format!("1 {one}"),
        _ => format!("{number} {many}"),
    };
    format!("{}, {}\n", of(faults, "fault", "faults"), of(warnings, "warning", "warnings"))
}

impl From<DoctorError> for Failure {
    fn from(error: DoctorError) -> Self {
        match error {
            DoctorError::BadAddress { .. } => Self::bad_input(error.to_string()),
            DoctorError::Setup(_) => Self { message: error.to_string(), code: 1 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Proxy;

    #[test]
    fn findings_are_aligned_and_say_what_mends_them() {
        let fault =
            Finding::fault("path.silence", "what is silent for 10 s is cut").mended_by(vec![
                Remedy {
                    proxy: Proxy::Nginx,
                    lines: vec!["proxy_read_timeout 1h;", "send_timeout 1h;"],
                },
                Remedy { proxy: Proxy::Caddy, lines: vec!["# nothing"] },
            ]);
        let page = Page::new(true);
        assert_eq!(
            shown(&fault, false) + &page.mending(&fault),
            "✗ path silence         what is silent for 10 s is cut\n\
             \u{20}                      what mends it:\n\
             \u{20}                        nginx       proxy_read_timeout 1h;\n\
             \u{20}                                    send_timeout 1h;\n\
             \u{20}                        Caddy       # nothing\n"
        );
        assert!(page.mending(&fault).contains("as at 'path silence'"));
        let good = shown(&Finding::good("providers.replicate", "word ".repeat(40)), false);
        assert!(good.lines().count() == 3, "{good}");
        assert!(
            good.lines().skip(1).all(|line| line.starts_with(&" ".repeat(CHECKS + 4))),
            "{good}"
        );
    }

    #[test]
    fn colours_are_for_the_sign_alone() {
        let text = shown(&Finding::warning("clock", "it is off"), true);
        assert!(text.starts_with("\u{1b}[33m!\u{1b}[0m clock"), "{text:?}");
    }
}
