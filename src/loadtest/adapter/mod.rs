//! The servers that the same scenario runs on: how a job is made on each, how its events are
//! published, and how they are read.

mod durable;
mod nchan;
mod sse;
mod tailwater;

use super::LoadError;
use super::crowd::{Cursor, Reading};
use super::publish::{Dialect, Way};
use super::recording::Recording;
use super::target::Target;
use super::wire::{Answer, call};

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adapter {
    /// This program's server.
    Tailwater,
    /// nginx with Nchan, configured as `scripts/bench-peers` does.
    Nchan,
    /// The `durable-streams` crate's server.
    DurableStreams,
    /// Anything that streams events at one URL and may take them at another.
    Sse,
    /// One `write` for each reader and event, and nothing else: what the machine can do.
    Limit,
}

impl Adapter {
    /// All of them, as they are named.
    pub const ALL: [(&str, Self); 5] = [
        ("tailwater", Self::Tailwater),
        ("nchan", Self::Nchan),
        ("durable-streams", Self::DurableStreams),
        ("sse", Self::Sse),
        ("limit", Self::Limit),
    ];

    /// The name on the command line and in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        let named = Self::ALL.iter().find(|(_, adapter)| *adapter == self);
        named.map_or("", |(name, _)| name)
    }
}

/// What is asked of a server.
#[derive(Debug)]
pub(super) struct Wish<'a> {
    pub(super) target: &'a Target,
    pub(super) jobs: u32,
    /// Each event is to be answered before the next one.
    pub(super) one_by_one: bool,
    /// Tells the jobs of this run from those of others.
    pub(super) run: u64,
    pub(super) recording: Option<&'a Recording>,
    /// Where events are published, if that is another address.
    pub(super) publish: Option<&'a Target>,
}

/// Jobs that are ready to be published to and read.
#[derive(Debug)]
pub(super) struct Jobs {
    pub(super) reading: Reading,
    pub(super) ways: Vec<Way>,
    pub(super) dialect: Dialect,
    /// The body of what ends a job.
    pub(super) last: Option<String>,
    /// The server's names of the jobs.
    pub(super) names: Vec<String>,
}

impl Adapter {
    /// Makes the jobs.
    ///
    /// # Errors
    /// When the server refuses, or is of another kind.
    pub(super) fn prepare(self, wish: &Wish<'_>) -> Result<Jobs, LoadError> {
        match self {
            Self::Tailwater => tailwater::prepare(wish),
            Self::Nchan => Ok(nchan::prepare(wish)),
            Self::DurableStreams => durable::prepare(wish),
            Self::Sse => sse::prepare(wish),
            Self::Limit => Ok(limit(wish)),
        }
    }
}

fn limit(wish: &Wish<'_>) -> Jobs {
    let path = |job: u32| format!("{}/{:x}-{job}", wish.target.base, wish.run);
    let paths: Vec<_> = (0..wish.jobs).map(path).collect();
    let way = |path: &String| match wish.one_by_one {
        true => Way::Each(head(wish.target, path, "")),
        false => Way::Stream(head(wish.target, path, "transfer-encoding: chunked\r\n\r\n")),
    };
    Jobs {
        ways: paths.iter().map(way).collect(),
        dialect: Dialect::Block,
        last: None,
        names: paths.clone(),
        reading: Reading {
            lines: wish.target.lines.clone(),
            paths,
            cursor: Cursor::LastEventId,
            terminal: None,
            exact: Some(super::publish::EVENT.to_owned()),
            recording: wish.recording.map(Recording::expected),
        },
    }
}

/// The head of a request that pushes events; the path has the base in it.
fn head(target: &Target, path: &str, headers: &str) -> String {
    format!("POST {path} HTTP/1.1\r\n{}{headers}", target.lines)
}

/// Asks a server for something that it has to grant.
fn must(target: &Target, request: &[u8], what: &str) -> Result<Answer, LoadError> {
    let answer = call(target.address, request).map_err(|error| {
        LoadError::server(format!("at {} cannot be asked: {error}", target.address))
    })?;
    if (200..300).contains(&answer.head.status) {
        return Ok(answer);
    }
    let said: String = String::from_utf8_lossy(&answer.body).chars().take(300).collect();
    Err(LoadError::server(format!("refused {what} with status {}: {said}", answer.head.status)))
}
