//! One reader: it is written to until it is live, full, gone, or has had its turn.

use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use mio::event::Event as Readiness;

use crate::event::frame::{LAST_CHUNK, chunk};
use crate::fanout::fetch::{Ask, Fetched};
use crate::fanout::outlet::{self, Written};
use crate::fanout::reader::{Rest, row_number};
use crate::fanout::wheel::Key;
use crate::store::Look;

use super::Shard;

/// How much a reader who catches up is given before the others have their turn.
const TURN_BYTES: usize = 1 << 20;

/// What became of writing to a reader.
enum Flow {
    /// It can take more.
    On,
    /// It waits: for room, for a page, for its turn, or for news.
    Full,
    /// It is gone, or has had everything.
    Gone,
}

impl Shard {
    pub(super) fn heed(&mut self, event: &Readiness) {
        let row = event.token().0;
        let Some(reader) = self.readers.get(row) else { return };
        // The socket is asked, and not the event believed: the row may have a new reader since.
        if (event.is_error() || event.is_readable()) && !outlet::listen(&reader.socket) {
            return self.remove(row);
        }
        if event.is_writable() && !self.readers[row].is_live() {
            self.push_on(row);
        }
    }

    pub(super) fn resume(&mut self, key: Key) {
        if let Some(row) = self.row(key) {
            self.readers[row].state.is_queued = false;
            self.push_on(row);
        }
    }

    /// Writes to a reader who is behind, until it is live, full, gone, or has had its turn.
    pub(super) fn push_on(&mut self, row: usize) {
        if self.readers[row].is_live() {
            // Its turn came after it had caught up by itself: it must not sit down twice.
            return;
        }
        let mut given = 0;
        loop {
            match self.write_rest(row) {
                Flow::On => {}
                Flow::Full => return,
                Flow::Gone => return self.remove(row),
            }
            let reader = &self.readers[row];
            if let Some(reason) = reader.state.leaves {
                self.part_with(row, reason);
            } else if reader.state.is_fetching {
                return;
            } else {
                match self.write_log(row, &mut given) {
                    Flow::On if given < TURN_BYTES => {}
                    Flow::On => return self.queue(row),
                    Flow::Full => return,
                    Flow::Gone => return self.remove(row),
                }
            }
        }
    }

    /// Writes what was begun.
    fn write_rest(&mut self, row: usize) -> Flow {
        let now = self.clock();
        let reader = &mut self.readers[row];
        let Some(rest) = &mut reader.rest else { return Flow::On };
        let left = &rest.bytes[rest.sent..];
        match outlet::write(&reader.socket, left) {
            Written::Broken => Flow::Gone,
            Written::Part(sent) => {
                rest.sent += sent;
                if sent > 0 {
                    reader.spoke = now;
                }
                Flow::Full
            }
            Written::Whole => {
                reader.spoke = now;
                let is_last = rest.is_last;
                reader.rest = None;
                if is_last { Flow::Gone } else { Flow::On }
            }
        }
    }

    /// Writes what the log has; at its end the reader is live, or has it all.
    fn write_log(&mut self, row: usize, given: &mut usize) -> Flow {
        let now = self.clock();
        let reader = &mut self.readers[row];
        let log = &self.lines[reader.line].log;
        let look = self.batch.fill(log, reader.position);
        let mut flow = Flow::Full;
        if look == Look::Found(()) {
            let bytes = self.batch.bytes();
            *given += bytes.len();
            let sent = match outlet::write(&reader.socket, bytes) {
                Written::Whole => {
                    flow = Flow::On;
                    self.batch.count(1);
                    bytes.len()
                }
                Written::Part(sent) => sent,
                Written::Broken => {
                    flow = Flow::Gone;
                    0
                }
            };
            reader.note_part(&self.batch, sent, now);
        }
        self.batch.clear();
        match look {
            Look::Found(()) => flow,
            Look::Stored { .. } => self.fetch(row),
            Look::Nothing { ended: true } => {
                self.readers[row].rest = Some(Rest::last(Bytes::from_static(LAST_CHUNK)));
                Flow::On
            }
            Look::Nothing { ended: false } => self.sit_down(row),
        }
    }

    /// A reader has all that there is: it is live, once the others have it too.
    fn sit_down(&mut self, row: usize) -> Flow {
        let (line, position) = (self.readers[row].line, self.readers[row].position);
        if !self.lines[line].live.is_empty() && self.lines[line].tail != position {
            // The shard has not been told yet of what this reader has found already.
            self.lines[line].log.looked(self.place);
            self.advance(line);
            if self.lines[line].tail != position {
                // There was more, and this reader needs it too, whoever is left of the others.
                return Flow::On;
            }
        }
        self.lines[line].tail = position;
        let line = &mut self.lines[line];
        self.readers[row].seat = row_number(line.live.len());
        line.live.push(row_number(row));
        if let Some(place) = line.log.position() {
            if line.live.len() == 1 {
                line.place = Some(place);
            }
            let words = chunk(&self.options.words.place(place));
            self.say(row, words);
        }
        Flow::Full
    }

    fn fetch(&mut self, row: usize) -> Flow {
        let reader = &mut self.readers[row];
        let log = Arc::clone(&self.lines[reader.line].log);
        let key = Key { row: row_number(row), turn: reader.turn };
        let ask = Ask { bell: Arc::clone(&self.bell), key, log, after: reader.position };
        reader.state.is_fetching = self.fetcher.ask(ask);
        if !reader.state.is_fetching {
            self.queue(row);
        }
        Flow::Full
    }

    pub(super) fn take_page(&mut self, fetched: Fetched) {
        let Fetched { key, bytes, position } = fetched;
        let Some(row) = self.row(key) else { return };
        let reader = &mut self.readers[row];
        reader.state.is_fetching = false;
        // One that was told to leave meanwhile has perhaps begun its last bytes.
        if reader.rest.is_none() {
            reader.position = position;
            reader.rest = (!bytes.is_empty()).then(|| Rest::begun(bytes, 0));
        }
        self.push_on(row);
    }

    fn queue(&mut self, row: usize) {
        let reader = &mut self.readers[row];
        if !mem::replace(&mut reader.state.is_queued, true) {
            self.again.push(Key { row: row_number(row), turn: reader.turn });
        }
    }

    /// Says something to a reader who is live; one that cannot take it whole is behind.
    pub(super) fn say(&mut self, row: usize, words: Bytes) {
        let now = self.clock();
        let reader = &mut self.readers[row];
        reader.spoke = now;
        match outlet::write(&reader.socket, &words) {
            Written::Whole => {}
            Written::Broken => self.remove(row),
            Written::Part(sent) => {
                self.stand_up(row);
                self.readers[row].rest = Some(Rest::begun(words, sent));
            }
        }
    }

    /// Tells a reader to come back, as soon as it can take it.
    pub(super) fn dismiss(&mut self, row: usize, reason: &'static str) {
        let reader = &mut self.readers[row];
        if reader.state.leaves.replace(reason).is_none() {
            self.stand_up(row);
            self.push_on(row);
        }
    }

    /// The last that a reader gets.
    fn part_with(&mut self, row: usize, reason: &'static str) {
        let bye = chunk(&self.options.words.bye(reason, self.leaving));
        let bytes = [&bye, LAST_CHUNK].concat().into();
        self.readers[row].rest = Some(Rest::last(bytes));
    }
}
