//! What a crowd of readers is told before it begins, and while it reads. All of it can be sent to
//! another process.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::loadtest::measure::{Bins, Timeline, Windows};
use crate::loadtest::recording::Expected;
use crate::loadtest::verify::Ledger;

/// How a server is read, whatever server it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::loadtest) struct Reading {
    /// The lines that every request has.
    pub(in crate::loadtest) lines: String,
    /// The path of each job's stream.
    pub(in crate::loadtest) paths: Vec<String>,
    pub(in crate::loadtest) cursor: Cursor,
    /// The name of the event that ends a job, after which the server ends the response.
    pub(in crate::loadtest) terminal: Option<String>,
    /// The name of our events where their data comes untouched; otherwise they are looked for in
    /// whatever comes.
    pub(in crate::loadtest) exact: Option<String>,
    /// What each job plays, where that is a recording.
    pub(in crate::loadtest) recording: Option<Expected>,
}

/// How a reader that comes back says what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::loadtest) enum Cursor {
    /// By the header `Last-Event-ID`.
    LastEventId,
    /// By the query parameter `offset`, which the server tells.
    NextOffset,
    /// Not at all: it begins anew.
    None,
}

impl Reading {
    /// The request for a job's stream, from a cursor on; empty is the beginning.
    pub(in crate::loadtest) fn request(&self, job: u32, cursor: &[u8]) -> Vec<u8> {
        let path = &self.paths[job as usize];
        let cursor = std::str::from_utf8(cursor).unwrap_or_default();
        let (path, header) = match self.cursor {
            Cursor::NextOffset if !cursor.is_empty() => {
                (path.replace("offset=-1", &format!("offset={cursor}")), String::new())
            }
            Cursor::LastEventId if !cursor.is_empty() => {
                (path.clone(), format!("last-event-id: {cursor}\r\n"))
            }
            Cursor::NextOffset | Cursor::LastEventId | Cursor::None => {
                (path.clone(), String::new())
            }
        };
        let lines = &self.lines;
        format!("GET {path} HTTP/1.1\r\n{lines}accept: text/event-stream\r\n{header}\r\n")
            .into_bytes()
    }
}

/// What one process, or thread, of readers is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::loadtest) struct Plan {
    pub(in crate::loadtest) target: SocketAddr,
    /// The addresses that readers connect from, in turns; none leaves it to the system.
    pub(in crate::loadtest) sources: Vec<IpAddr>,
    pub(in crate::loadtest) reading: Reading,
    /// Which of all readers these are. Reader n reads job n modulo the number of jobs.
    pub(in crate::loadtest) readers: Range<u32>,
    /// Those that read a byte a second.
    pub(in crate::loadtest) slow: Range<u32>,
    /// The core to stay on.
    pub(in crate::loadtest) core: Option<usize>,
}

/// What readers are told to do. Ranges are of all readers, and each crowd does its part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::loadtest) enum Command {
    /// Connect for the first time.
    Connect(Range<u32>),
    /// Break the connections.
    Cut(Range<u32>),
    /// Come back with the cursors; `heads` is how many events of each job there are by now.
    Return { readers: Range<u32>, heads: Vec<u32> },
    /// Measure anew, from when the first event of what follows is due.
    Begin(Windows),
    /// Look whether all is here, say what was found, and end.
    Finish { published: Vec<u32> },
}

/// Where readers are at the moment, counted.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(in crate::loadtest) struct Status {
    /// Have a stream now.
    pub(in crate::loadtest) open: u64,
    /// Have had the end of their job.
    pub(in crate::loadtest) ended: u64,
    /// Have given up.
    pub(in crate::loadtest) failed: u64,
    /// Connections that did not come about, and answers that were no streams.
    pub(in crate::loadtest) refused: u64,
    /// Streams that the server ended before the job's end.
    pub(in crate::loadtest) dropped: u64,
    /// Have come back and have what there was when they came.
    pub(in crate::loadtest) caught_up: u64,
    /// Events that came, by readers that are not slow.
    pub(in crate::loadtest) delivered: u64,
    /// Bytes that came.
    pub(in crate::loadtest) bytes: u64,
}

impl Status {
    pub(in crate::loadtest) fn add(&mut self, other: &Self) {
        self.open += other.open;
        self.ended += other.ended;
        self.failed += other.failed;
        self.refused += other.refused;
        self.dropped += other.dropped;
        self.caught_up += other.caught_up;
        self.delivered += other.delivered;
        self.bytes += other.bytes;
    }
}

/// What a crowd has seen.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::loadtest) struct Outcome {
    pub(in crate::loadtest) status: Status,
    pub(in crate::loadtest) ledger: Ledger,
    /// From the beginning of a connection to the head of the response.
    pub(in crate::loadtest) opening: Bins,
    /// From when an event was due to when it was here; since the last beginning.
    pub(in crate::loadtest) latency: Bins,
    pub(in crate::loadtest) timeline: Option<Timeline>,
    /// The same of the measurements before that.
    pub(in crate::loadtest) earlier: Vec<Bins>,
    /// From the command to return to when a reader had everything.
    pub(in crate::loadtest) catching_up: Bins,
    /// Comments, which is what keep-alives are.
    pub(in crate::loadtest) comments: u64,
    /// Bytes that slow readers took.
    pub(in crate::loadtest) slow_bytes: u64,
}

impl Outcome {
    pub(in crate::loadtest) fn add(&mut self, other: Self) {
        self.status.add(&other.status);
        self.ledger.add(other.ledger);
        self.opening.add(&other.opening);
        self.latency.add(&other.latency);
        match (&mut self.timeline, other.timeline) {
            (Some(ours), Some(theirs)) => ours.add(&theirs),
            (ours @ None, theirs) => *ours = theirs,
            (Some(_), None) => {}
        }
        self.earlier.resize_with(self.earlier.len().max(other.earlier.len()), Bins::default);
        for (ours, theirs) in self.earlier.iter_mut().zip(&other.earlier) {
            ours.add(theirs);
        }
        self.catching_up.add(&other.catching_up);
        self.comments += other.comments;
        self.slow_bytes += other.slow_bytes;
    }
}
