//! `tailwater serve`.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use tokio_util::sync::CancellationToken;

use crate::config::Flags;
use crate::server::{self, Banner, Signals};
use crate::telemetry;

use super::{Failure, out, settings};

pub(super) async fn run(flags: &Flags) -> Result<u8, Failure> {
    let settings = settings(flags)?.settings;
    telemetry::install(&settings.log, settings.log_format)
        .map_err(|error| Failure::bad_input(error.to_string()))?;
    telemetry::metrics::note_start();
    let interrupts = Interrupts::listen().map_err(|error| Failure {
        message: format!("signals cannot be listened to: {error}"),
        code: 1,
    })?;
    let signals = Signals { stop: CancellationToken::new(), abort: CancellationToken::new() };
    let (stop, abort) = (signals.stop.clone(), signals.abort.clone());
    let mut announce = |banner: &Banner| {
        // A script waits for this line; people read what follows.
        out::print(&format!("listening on {}://{}\n", scheme(banner), banner.address)).ok();
        out::note(&describe(banner));
    };
    // On the heap: it holds the whole server.
    let server = Box::pin(server::run(&settings, signals, &mut announce));
    let ended = tokio::select! {
        ended = server => ended.map(|()| 0).map_err(Failure::from),
        code = stop_then_abort(interrupts, &stop, &abort) => Ok(code),
    };
    tokio::task::spawn_blocking(telemetry::finish).await.ok();
    ended
}

/// The first signal stops the server in an orderly way; the second ends it at once, and its exit
/// code is the answer.
async fn stop_then_abort(
    mut interrupts: Interrupts,
    stop: &CancellationToken,
    abort: &CancellationToken,
) -> u8 {
    interrupts.next().await;
    out::note("stopping: running jobs are handed over; once more to stop at once");
    stop.cancel();
    let code = interrupts.next().await;
    abort.cancel();
    code
}

/// What a person wants to know when the server is up.
fn describe(banner: &Banner) -> String {
    let mut page = banner.address;
    if page.ip().is_unspecified() {
        page.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let version = env!("CARGO_PKG_VERSION");
    let mut lines = vec![
        format!("Tailwater {version}"),
        format!("  page       {}://{page}/", scheme(banner)),
        format!("  data       {}", banner.data.display()),
    ];
    lines.extend(banner.database.iter().map(|name| format!("  database   {name}")));
    lines.extend(banner.artifacts.iter().map(|place| format!("  artifacts  {place}")));
    if !banner.simulated.is_empty() {
        let names = listed(&banner.simulated);
        lines.push(format!(
            "  simulated  {names}: they have no key and no base URL (docs/providers.md)"
        ));
    }
    lines.extend(banner.voice_note.iter().map(|note| format!("  voice      {note}")));
    lines.extend(banner.notes.iter().map(|note| format!("  note       {note}")));
    lines.join("\n")
}

const fn scheme(banner: &Banner) -> &'static str {
    if banner.is_tls { "https" } else { "http" }
}

/// Names in a sentence: `a`, `a and b`, `a, b and c`.
fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [before @ .., last] => format!("{} and {last}", before.join(", ")),
    }
}

/// The signals that ask this process to end.
pub(super) struct Interrupts {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Interrupts {
    /// From here on these signals no longer end the process by themselves.
    #[cfg(unix)]
    pub(super) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { terminate, interrupt })
    }

    /// Waits for a signal and tells its exit code: 128 plus its number.
    #[cfg(unix)]
    pub(super) async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.terminate.recv() => 143,
            _ = self.interrupt.recv() => 130,
        }
    }

    #[cfg(not(unix))]
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    pub(super) async fn next(&mut self) -> u8 {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        130
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_banner_names_the_page_and_what_is_not_real() {
        let banner = Banner {
            address: "0.0.0.0:80".parse().unwrap(),
            is_tls: false,
            simulated: vec!["chat".to_owned(), "speech".to_owned()],
            voice_note: Some("a test tone".to_owned()),
            data: "./data".into(),
            database: None,
            artifacts: None,
            notes: vec!["something".to_owned()],
        };
        let text = describe(&banner);
        assert!(text.contains("page       http://127.0.0.1:80/\n"), "{text}");
        assert!(text.contains("chat and speech"), "{text}");
        assert!(text.contains("a test tone") && text.contains("note       something"), "{text}");
    }
}
