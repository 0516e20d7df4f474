//! What one reader makes of the bytes that it gets.

use super::desk::Desk;
use super::plan::{Cursor, Reading};
use crate::loadtest::payload;
use crate::loadtest::verify::{Tracker, Who};
use crate::loadtest::wire::{Block, Framing, Piece, end_of_block};

/// The longest event that is read, in bytes. A server may send all that a reader missed as one.
const EVENT_LIMIT: usize = 1 << 30;

/// What has become of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its head is not here yet.
    Waiting,
    /// It streams.
    Streaming,
    /// The server ended it.
    Over,
    /// It is another answer than a stream, with this status.
    Refused(u16),
    /// It is not HTTP.
    Nonsense,
}

/// One reader's stream, over as many connections as it takes.
#[derive(Debug)]
pub(super) struct Stream {
    who: Who,
    framing: Framing,
    /// Before the end of the head: its bytes so far. Then: the beginning of an event.
    kept: Vec<u8>,
    /// Where in `kept` the last line begins that is not whole.
    searched: usize,
    tracker: Tracker,
    /// What the server is told at the next connection, empty before the first event.
    cursor: Vec<u8>,
    /// The terminal event was here.
    ended: bool,
}

impl Stream {
    pub(super) fn new(who: Who) -> Self {
        Self {
            who,
            framing: Framing::Head,
            kept: Vec::new(),
            searched: 0,
            tracker: Tracker::default(),
            cursor: Vec::new(),
            ended: false,
        }
    }

    /// A new connection: half an event is forgotten, as a browser does.
    pub(super) fn restart(&mut self) {
        self.framing = Framing::Head;
        self.kept.clear();
        self.searched = 0;
    }

    pub(super) const fn who(&self) -> Who {
        self.who
    }

    pub(super) const fn tracker(&self) -> &Tracker {
        &self.tracker
    }

    pub(super) fn cursor(&self) -> &[u8] {
        &self.cursor
    }

    /// Whether the job's end was here.
    pub(super) const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether the head of the response was here.
    pub(super) fn has_head(&self) -> bool {
        self.framing != Framing::Head
    }

    /// Takes bytes of the connection, cut anywhere.
    pub(super) fn push(&mut self, bytes: &[u8], reading: &Reading, desk: &mut Desk) -> Standing {
        if self.has_head() {
            return self.take(bytes, reading, desk);
        }
        self.kept.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.kept);
        let mut rest = held.as_slice();
        match self.framing.take(&mut rest) {
            Piece::Head(head) if head.status == 200 => self.take(rest, reading, desk),
            Piece::Head(head) if head.status >= 200 => Standing::Refused(head.status),
            Piece::More => {
                self.kept = held;
                Standing::Waiting
            }
            Piece::Head(_) => {
                let rest = rest.to_vec();
                self.push(&rest, reading, desk)
            }
            Piece::Body(_) | Piece::End | Piece::Nonsense => Standing::Nonsense,
        }
    }

    fn take(&mut self, mut bytes: &[u8], reading: &Reading, desk: &mut Desk) -> Standing {
        loop {
            match self.framing.take(&mut bytes) {
                Piece::Body(body) => self.events(body, reading, desk),
                Piece::More => return Standing::Streaming,
                Piece::End => return Standing::Over,
                Piece::Head(_) | Piece::Nonsense => return Standing::Nonsense,
            }
        }
    }

    /// Takes some of the body. Whole events are read where they are; only the beginning of one
    /// that is not whole is copied.
    fn events(&mut self, body: &[u8], reading: &Reading, desk: &mut Desk) {
        if self.kept.is_empty() {
            let used = self.blocks(body, reading, desk);
            self.kept.extend_from_slice(&body[used..]);
            return;
        }
        let mut held = std::mem::take(&mut self.kept);
        held.extend_from_slice(body);
        let used = self.blocks(&held, reading, desk);
        held.drain(..used);
        if held.len() > EVENT_LIMIT {
            desk.ledger.tell(self.who, || format!("an event has more than {EVENT_LIMIT} bytes"));
            desk.ledger.counts.damaged += 1;
            held.clear();
            self.searched = 0;
        }
        self.kept = held;
    }

    /// Reads whole blocks; gives how many bytes they took.
    fn blocks(&mut self, bytes: &[u8], reading: &Reading, desk: &mut Desk) -> usize {
        let (mut used, mut from) = (0, std::mem::take(&mut self.searched));
        loop {
            match end_of_block(&bytes[used..], from) {
                Ok(end) => {
                    self.block(&bytes[used..used + end], reading, desk);
                    used += end;
                    from = 0;
                }
                Err(line) => {
                    self.searched = line;
                    return used;
                }
            }
        }
    }

    fn block(&mut self, bytes: &[u8], reading: &Reading, desk: &mut Desk) {
        let block = Block::read(bytes);
        let Some(data) = &block.data else {
            desk.comments += u64::from(bytes.starts_with(b":"));
            return;
        };
        self.keep_cursor(&block, data, reading.cursor);
        if reading.terminal.as_ref().is_some_and(|name| block.event == name.as_bytes()) {
            self.ended = true;
        }
        if block.event == b"gap" {
            desk.ledger.counts.gaps += 1;
            desk.ledger.tell(self.who, || "the server told of a gap".to_owned());
        }
        self.check(&block, data, reading, desk);
    }

    fn keep_cursor(&mut self, block: &Block<'_>, data: &[u8], rule: Cursor) {
        let cursor = match rule {
            Cursor::LastEventId => block.id,
            Cursor::NextOffset => next_offset(data),
            Cursor::None => None,
        };
        if let Some(cursor) = cursor {
            self.cursor.clear();
            self.cursor.extend_from_slice(cursor);
        }
    }

    fn check(&mut self, block: &Block<'_>, data: &[u8], reading: &Reading, desk: &mut Desk) {
        if let Some(recording) = &reading.recording {
            if block.id.is_some() && !matches!(block.event, b"status" | b"snapshot") {
                let found = recording.find(block.event, data, self.tracker.next());
                self.note_recorded(found, recording.times(), desk);
            }
        } else if let Some(name) = &reading.exact {
            if block.event == name.as_bytes() {
                self.note(payload::exactly(data), desk);
            }
        } else {
            let mut rest = data;
            while let Some((mark, used)) = payload::next(rest) {
                self.note(mark, desk);
                rest = &rest[used..];
            }
        }
    }

    fn note(&mut self, mark: Result<payload::Mark, payload::Damaged>, desk: &mut Desk) {
        match mark {
            Err(payload::Damaged) => self.damaged(desk),
            Ok(mark) if mark.job != self.who.job => {
                desk.ledger.counts.strangers += 1;
                desk.ledger.tell(self.who, || format!("an event of job {} came", mark.job));
            }
            Ok(mark) => {
                if self.tracker.note(mark.sequence, self.who, &mut desk.ledger) {
                    desk.arrived(mark.planned);
                }
            }
        }
    }

    fn note_recorded(&mut self, found: Option<u32>, times: &[u64], desk: &mut Desk) {
        let Some(sequence) = found else { return self.damaged(desk) };
        if self.tracker.note(sequence, self.who, &mut desk.ledger) {
            let after = times.get(sequence as usize).copied().unwrap_or(0);
            desk.arrived(desk.played_from + after);
        }
    }

    fn damaged(&self, desk: &mut Desk) {
        desk.ledger.counts.damaged += 1;
        desk.ledger.tell(self.who, || {
            format!("an event at or behind {} is not what was published", self.tracker.next())
        });
    }
}

/// What a `durable-streams` server says for the next connection, in its control events.
fn next_offset(data: &[u8]) -> Option<&[u8]> {
    const FIELD: &[u8] = br#"{"streamNextOffset":""#;
    let rest = data.strip_prefix(FIELD)?;
    Some(&rest[..memchr::memchr(b'"', rest)?])
}
