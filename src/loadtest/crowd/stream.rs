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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loadtest::payload::{Mark, write};
    use crate::loadtest::verify::Counts;
    use proptest::prelude::*;

    const WHO: Who = Who { reader: 0, job: 0 };

    fn reading(cursor: Cursor, exact: bool) -> Reading {
        Reading {
            lines: "host: host\r\n".to_owned(),
            paths: vec!["/x?offset=-1".to_owned()],
            cursor,
            terminal: Some("completed".to_owned()),
            exact: exact.then(|| "load".to_owned()),
            recording: None,
        }
    }

    fn data(sequence: u32, job: u32) -> String {
        let mut data = Vec::new();
        write(Mark { sequence, job, planned: 1 }, 90, &mut data);
        String::from_utf8(data).unwrap()
    }

    fn event(sequence: u32) -> String {
        format!("id: {}\nevent: load\ndata: {}\n\n", 100 + sequence, data(sequence, 0))
    }

    /// A response whose chunks are these.
    fn response(chunks: &[String]) -> String {
        let chunk = |chunk: &String| format!("{:x}\r\n{chunk}\r\n", chunk.len());
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        head.to_owned() + &chunks.iter().map(chunk).collect::<String>() + "0\r\n\r\n"
    }

    /// What a reader makes of a response that comes in pieces of these lengths.
    fn read(response: &str, reading: &Reading, cuts: &[usize]) -> (Stream, Desk, Standing) {
        let (mut stream, mut desk) = (Stream::new(WHO), Desk::default());
        let (mut rest, mut cuts) = (response.as_bytes(), cuts.iter().cycle());
        let mut standing = Standing::Waiting;
        while !rest.is_empty() {
            let (piece, more) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            standing = stream.push(piece, reading, &mut desk);
            rest = more;
        }
        (stream, desk, standing)
    }

    proptest! {
        #[test]
        fn a_stream_is_the_same_however_its_bytes_are_cut(
            cuts in prop::collection::vec(1_usize..300, 1..8),
        ) {
            let hello = "retry: 1000\n\nevent: hello\ndata: {}\n\n".to_owned();
            let end = "id: 200\nevent: completed\ndata: {}\n\n".to_owned();
            let chunks = [hello, event(0), ": keep-alive\n\n".to_owned(), event(1) + &event(2), end];
            let reading = reading(Cursor::LastEventId, true);
            let (stream, desk, standing) = read(&response(&chunks), &reading, &cuts);
            prop_assert_eq!(standing, Standing::Over);
            prop_assert_eq!(desk.ledger.counts, Counts { delivered: 3, ..Counts::default() });
            prop_assert_eq!(desk.comments, 1);
            prop_assert_eq!(stream.cursor(), b"200");
            prop_assert!(stream.has_ended());
        }
    }

    #[test]
    fn an_event_may_be_spread_over_chunks() {
        let whole = event(0);
        let (left, right) = whole.split_at(40);
        let chunks = [left.to_owned(), right.to_owned()];
        let (_, desk, _) = read(&response(&chunks), &reading(Cursor::None, true), &[7]);
        assert_eq!(desk.ledger.counts.delivered, 1);
    }

    #[test]
    fn what_a_server_wraps_around_our_data_does_not_matter_unless_it_should_be_untouched() {
        let list = format!("event: data\ndata:[{},{}]\n\n", data(0, 0), data(1, 0));
        let (_, desk, _) = read(&response(&[list]), &reading(Cursor::NextOffset, false), &[50]);
        assert_eq!(desk.ledger.counts, Counts { delivered: 2, ..Counts::default() });
        let wrapped = format!("event: load\ndata: {} \n\n", data(0, 0));
        let (_, desk, _) = read(&response(&[wrapped]), &reading(Cursor::None, true), &[50]);
        assert_eq!(desk.ledger.counts, Counts { damaged: 1, ..Counts::default() });
    }

    #[test]
    fn a_cursor_may_be_told_in_a_control_event() {
        let control = "event: control\ndata:{\"streamNextOffset\":\"0_17\",\"upToDate\":true}\n\n";
        let reading = reading(Cursor::NextOffset, false);
        let (stream, ..) = read(&response(&[control.to_owned()]), &reading, &[9]);
        assert_eq!(stream.cursor(), b"0_17");
        let request = String::from_utf8(reading.request(0, stream.cursor())).unwrap();
        assert!(request.starts_with("GET /x?offset=0_17 HTTP/1.1\r\n"), "{request}");
    }

    #[test]
    fn half_an_event_is_forgotten_at_the_next_connection_and_what_was_there_is_not() {
        let reading = reading(Cursor::LastEventId, true);
        let (mut stream, mut desk) = (Stream::new(WHO), Desk::default());
        let whole = response(&[event(0), event(1)]);
        stream.push(&whole.as_bytes()[..whole.len() - 60], &reading, &mut desk);
        assert_eq!(stream.cursor(), b"100");
        stream.restart();
        stream.push(response(&[event(1)]).as_bytes(), &reading, &mut desk);
        assert_eq!(desk.ledger.counts, Counts { delivered: 2, ..Counts::default() });
    }

    #[test]
    fn gaps_and_events_of_other_jobs_are_counted() {
        let gap = "event: gap\ndata: {}\n\n".to_owned();
        let stranger = format!("event: load\ndata: {}\n\n", data(0, 5));
        let (_, desk, _) = read(&response(&[gap, stranger]), &reading(Cursor::None, true), &[64]);
        assert_eq!((desk.ledger.counts.gaps, desk.ledger.counts.strangers), (1, 1));
    }

    #[test]
    fn another_answer_than_a_stream_is_refused() {
        let reading = reading(Cursor::None, true);
        let (.., standing) = read("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", &reading, &[9]);
        assert_eq!(standing, Standing::Refused(503));
        let (.., standing) = read("SSH-2.0\r\n\r\n", &reading, &[100]);
        assert_eq!(standing, Standing::Nonsense);
    }
}
