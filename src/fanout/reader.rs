//! A reader: a row of a shard's table.

use std::num::NonZeroU16;
use std::time::Duration;

use bytes::Bytes;
use mio::net::TcpStream;

use crate::event::EventId;

use super::batch::Batch;

/// The seat of a reader who is behind.
pub(super) const BEHIND: u32 = u32::MAX;

/// A reader. There are thousands, so it has what it needs and nothing besides.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) socket: TcpStream,
    /// Which line it stands in: whose events it reads.
    pub(super) line: u32,
    /// Its place among those who are live, or [`BEHIND`].
    pub(super) seat: u32,
    /// Which of the readers that had this row it is.
    pub(super) turn: u32,
    /// When it last took a byte, in milliseconds of the shard's clock; of a live reader the line
    /// may know better.
    pub(super) spoke: u32,
    /// When its stream has lasted long enough, in milliseconds of the shard's clock.
    pub(super) ends: u32,
    /// The number of the key that it came with, or 0.
    pub(super) key: u32,
    pub(super) state: State,
    /// Of one who is behind: the last event of which it has every byte, or of which `rest` has.
    pub(super) position: EventId,
    /// Bytes that were begun, or are its own; they come before anything else.
    pub(super) rest: Option<Box<Rest>>,
}

/// What else there is to know of a reader.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State {
    /// It cannot hear comments.
    pub(super) hears_events_only: bool,
    /// After how many seconds of silence it wants to hear something, where it has said so.
    pub(super) keep_alive_s: Option<NonZeroU16>,
    /// A page of the database is on its way to it.
    pub(super) is_fetching: bool,
    /// It is in the list of those who are to be written to again.
    pub(super) is_queued: bool,
    /// Why it is told to leave, as soon as it can take it.
    pub(super) leaves: Option<&'static str>,
}

impl State {
    /// After how much silence it hears that the stream is alive, who has asked for nothing else.
    pub(super) fn keep_alive(&self, usual: Duration) -> Duration {
        self.keep_alive_s.map_or(usual, |seconds| Duration::from_secs(seconds.get().into()))
    }
}

/// Bytes on their way to one reader.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) bytes: Bytes,
    pub(super) sent: usize,
    /// Whether the stream ends with them.
    pub(super) is_last: bool,
}

impl Reader {
    pub(super) const fn is_live(&self) -> bool {
        self.seat != BEHIND
    }

    /// Notes how many bytes of some events a reader has, who is behind.
    pub(super) fn note_part(&mut self, batch: &Batch, sent: usize, now: u32) {
        if let Some((position, rest)) = batch.place_at(sent) {
            self.spoke = now;
            self.position = position;
            self.rest = rest;
        }
    }
}

impl Rest {
    /// Bytes of which so many are on their way already.
    pub(super) fn begun(bytes: Bytes, sent: usize) -> Box<Self> {
        Box::new(Self { bytes, sent, is_last: false })
    }

    /// The last bytes of a stream.
    pub(super) fn last(bytes: Bytes) -> Box<Self> {
        Box::new(Self { bytes, sent: 0, is_last: true })
    }
}

/// Rows fit 32 bits: a process has fewer descriptors.
pub(super) fn row_number(row: usize) -> u32 {
    u32::try_from(row).expect("a process has fewer descriptors")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_is_small() {
        // A debug build of mio keeps something more of each socket.
        assert!(size_of::<Reader>() <= 80, "{}", size_of::<Reader>());
    }
}
