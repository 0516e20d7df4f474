//! A shard: one thread, one readiness loop, a table of readers.

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mio::event::Event as Readiness;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;

use crate::event::frame::{LAST_CHUNK, chunk};
use crate::event::{Event, EventId};
use crate::store::{Log, Look, Watch};

use super::bell::{Bell, Inbox};
use super::fetch::{Ask, Fetched, Fetcher};
use super::outlet::{self, Written};
use super::reader::{BEHIND, Reader, Rest, State};
use super::wheel::{Key, Wheel};
use super::{Handover, Options};

/// What the bell is called among the sockets.
const BELL: Token = Token(usize::MAX);

/// How many sockets are told of at a time.
const EVENTS: usize = 1024;

/// How many events one write may have: the system takes 1,024 pieces (`IOV_MAX`).
const PIECES: usize = 1000;

/// How many bytes one write may have.
const BYTES: usize = 256 << 10;

/// How much a reader who catches up is given before the others have their turn.
const TURN_BYTES: usize = 1 << 20;

/// How often places in the queue are looked at.
const PLACES: Duration = Duration::from_secs(1);

/// How often the readers of a shard that drains are looked at.
const DRAIN_STEP: Duration = Duration::from_millis(20);

/// A log, and those who read it here.
#[derive(Debug)]
struct Line {
    log: Arc<Log>,
    _watch: Watch,
    /// How many readers there are, live or behind.
    readers: u32,
    /// The last event that all live readers have.
    tail: EventId,
    /// When they last got one, in milliseconds of the shard's clock.
    spoke: u32,
    /// The rows of the readers that are live.
    live: Vec<u32>,
    /// The place in the queue that they were told.
    place: Option<u32>,
}

/// What a thread of the engine works with.
#[derive(Debug)]
pub(super) struct Shard {
    place: u32,
    options: Options,
    fetcher: Fetcher,
    poll: Poll,
    bell: Arc<Bell>,
    readers: Slab<Reader>,
    lines: Slab<Line>,
    /// Lines by the address of their log, which lives as long as its line.
    by_log: HashMap<usize, u32>,
    wheel: Wheel,
    /// The zero of the shard's clock.
    start: Instant,
    /// How many readers there ever were: no two have the same turn.
    turns: u32,
    /// Readers that have had their turn and could take more.
    again: Vec<Key>,
    places_at: Instant,
    drain_from: Option<Instant>,
    /// Used again and again, so that a look allocates nothing.
    batch: Vec<Event>,
    /// The keep-alives, as a comment, as an event.
    keep_alives: [Bytes; 2],
}

impl Shard {
    pub(super) fn new(place: u32, options: Options, fetcher: Fetcher) -> io::Result<Self> {
        let poll = Poll::new()?;
        let bell = Arc::new(Bell::new(Waker::new(poll.registry(), BELL)?));
        let start = Instant::now();
        Ok(Self {
            place,
            fetcher,
            poll,
            bell,
            readers: Slab::new(),
            lines: Slab::new(),
            by_log: HashMap::new(),
            wheel: Wheel::new(options.keep_alive, start),
            start,
            turns: 0,
            again: Vec::new(),
            places_at: start,
            drain_from: None,
            batch: Vec::with_capacity(PIECES),
            keep_alives: [false, true].map(|as_event| chunk(&options.words.keep_alive(as_event))),
            options,
        })
    }

    pub(super) fn bell(&self) -> Arc<Bell> {
        Arc::clone(&self.bell)
    }

    /// Serves until the bell says that it is over.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        let mut inbox = Inbox::default();
        while !self.bell.is_stopping() {
            if let Err(error) = self.poll.poll(&mut events, Some(self.patience()))
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "a shard cannot wait for its sockets");
                return;
            }
            self.bell.take(&mut inbox);
            inbox.grown.drain(..).for_each(|log| self.grow(&log));
            inbox.adopted.drain(..).for_each(|handover| self.adopt(handover));
            inbox.fetched.drain(..).for_each(|fetched| self.take_page(fetched));
            events.iter().filter(|event| event.token() != BELL).for_each(|event| self.heed(event));
            mem::take(&mut self.again).into_iter().for_each(|key| self.resume(key));
            self.keep_time(Instant::now());
        }
    }

    /// How long the shard may sleep.
    fn patience(&self) -> Duration {
        if !self.again.is_empty() {
            return Duration::ZERO;
        }
        let until_due = self.wheel.due_at().saturating_duration_since(Instant::now());
        // At least a millisecond, which is what the system counts in.
        let until_due = until_due.max(Duration::from_millis(1));
        if self.drain_from.is_some() { until_due.min(DRAIN_STEP) } else { until_due }
    }

    fn clock(&self) -> u32 {
        self.clock_at(Instant::now())
    }

    /// A time in milliseconds of the shard's clock, which goes for 49 days; a stream lasts hours.
    #[expect(clippy::cast_possible_truncation, reason = "the clock wraps, and differences do not")]
    fn clock_at(&self, at: Instant) -> u32 {
        at.saturating_duration_since(self.start).as_millis() as u32
    }

    // ── Coming and going ──

    fn adopt(&mut self, handover: Handover) {
        let Handover { socket, log, after, keep_alive_as_event, ends_at } = handover;
        let line = self.line_of(&log);
        self.turns = self.turns.wrapping_add(1);
        let reader = Reader {
            socket: TcpStream::from_std(socket),
            line,
            seat: BEHIND,
            turn: self.turns,
            spoke: self.clock(),
            ends: self.clock_at(ends_at),
            state: State { hears_events_only: keep_alive_as_event, ..State::default() },
            position: after,
            rest: None,
        };
        let row = self.readers.insert(reader);
        let reader = &mut self.readers[row];
        // Edges only, of both kinds, registered once: a reader that falls behind costs no call.
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut reader.socket, Token(row), interest)
        {
            tracing::debug!(%error, "a stream cannot be taken over");
            return self.remove(row);
        }
        let key = Key { row: row_number(row), turn: reader.turn };
        self.wheel.set(key, Instant::now() + self.options.keep_alive);
        self.push_on(row);
    }

    fn line_of(&mut self, log: &Arc<Log>) -> u32 {
        let address = Arc::as_ptr(log).addr();
        let line = *self.by_log.entry(address).or_insert_with(|| {
            // Before the first look, so that nothing falls between.
            log.hear(self.place, true);
            let line = Line {
                log: Arc::clone(log),
                _watch: log.watch(),
                readers: 0,
                tail: EventId::ZERO,
                spoke: 0,
                live: Vec::new(),
                place: None,
            };
            row_number(self.lines.insert(line))
        });
        self.lines[line as usize].readers += 1;
        line
    }

    fn remove(&mut self, row: usize) {
        self.stand_up(row);
        let mut reader = self.readers.remove(row);
        // Closing would do it as well; what fails here is gone already.
        drop(self.poll.registry().deregister(&mut reader.socket));
        self.bell.forget_reader();
        let line = &mut self.lines[reader.line as usize];
        line.readers -= 1;
        if line.readers == 0 {
            line.log.hear(self.place, false);
            self.by_log.remove(&Arc::as_ptr(&line.log).addr());
            self.lines.remove(reader.line as usize);
        }
    }

    /// Takes a reader out of those who are live; it keeps its place in the log.
    fn stand_up(&mut self, row: usize) {
        let reader = &mut self.readers[row];
        let seat = mem::replace(&mut reader.seat, BEHIND);
        if seat == BEHIND {
            return;
        }
        let line = &mut self.lines[reader.line as usize];
        reader.position = line.tail;
        reader.spoke = later(reader.spoke, line.spoke);
        line.live.swap_remove(seat as usize);
        if let Some(&moved) = line.live.get(seat as usize) {
            self.readers[moved as usize].seat = seat;
        }
    }

    // ── A log grows ──

    fn grow(&mut self, log: &Arc<Log>) {
        log.looked(self.place);
        if let Some(&line) = self.by_log.get(&Arc::as_ptr(log).addr()) {
            self.advance(line as usize);
        }
    }

    /// Gives those who are live everything up to the log's end.
    fn advance(&mut self, line: usize) {
        while !self.lines[line].live.is_empty() {
            let mut batch = mem::take(&mut self.batch);
            let Line { log, tail, .. } = &self.lines[line];
            let look = log.collect(*tail, PIECES, BYTES, &mut batch);
            let goes_on = match look {
                Look::Found(()) => self.hand_round(line, &batch),
                Look::Nothing { ended: false } => false,
                Look::Nothing { ended: true } | Look::Stored { .. } => self.send_away(line),
            };
            batch.clear();
            self.batch = batch;
            if !goes_on {
                return;
            }
        }
    }

    /// Writes some events to everybody who is live; whether there may be more.
    fn hand_round(&mut self, line: usize, batch: &[Event]) -> bool {
        let (slices, total) = slices(batch);
        let now = self.clock();
        let mut seat = self.lines[line].live.len();
        while seat > 0 {
            // From the end: whoever stands up is replaced by one who has been served.
            seat -= 1;
            let row = self.lines[line].live[seat] as usize;
            match outlet::write(&self.readers[row].socket, &slices, total) {
                Written::Whole => {}
                Written::Part(sent) => {
                    self.stand_up(row);
                    note_part(&mut self.readers[row], batch, sent, now);
                }
                Written::Broken => self.remove(row),
            }
            if !self.lines.contains(line) {
                return false;
            }
        }
        let line = &mut self.lines[line];
        if let Some(last) = batch.last() {
            line.tail = last.id;
            line.spoke = now;
        }
        true
    }

    /// The log is over, or its newest events are in the database only: each reader for itself.
    fn send_away(&mut self, line: usize) -> bool {
        for row in self.lines[line].live.clone() {
            self.stand_up(row as usize);
            self.push_on(row as usize);
        }
        false
    }

    // ── One reader ──

    fn heed(&mut self, event: &Readiness) {
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

    fn resume(&mut self, key: Key) {
        if let Some(row) = self.row(key) {
            self.readers[row].state.is_queued = false;
            self.push_on(row);
        }
    }

    /// The row of a reader that is still there.
    fn row(&self, key: Key) -> Option<usize> {
        let row = key.row as usize;
        self.readers.get(row).is_some_and(|reader| reader.turn == key.turn).then_some(row)
    }

    /// Writes to a reader who is behind, until it is live, full, gone, or has had its turn.
    fn push_on(&mut self, row: usize) {
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
        match outlet::write(&reader.socket, &[IoSlice::new(left)], left.len()) {
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
        let mut batch = mem::take(&mut self.batch);
        let reader = &mut self.readers[row];
        let log = &self.lines[reader.line as usize].log;
        let look = log.collect(reader.position, PIECES, BYTES, &mut batch);
        let mut flow = Flow::Full;
        if look == Look::Found(()) {
            let (slices, total) = slices(&batch);
            *given += total;
            let (sent, after) = match outlet::write(&reader.socket, &slices, total) {
                Written::Whole => (total, Flow::On),
                Written::Part(sent) => (sent, Flow::Full),
                Written::Broken => (0, Flow::Gone),
            };
            note_part(reader, &batch, sent, now);
            flow = after;
        }
        batch.clear();
        self.batch = batch;
        match look {
            Look::Found(()) => flow,
            Look::Stored { .. } => self.fetch(row),
            Look::Nothing { ended: true } => {
                let bytes = Bytes::from_static(LAST_CHUNK);
                self.readers[row].rest = Some(Box::new(Rest { bytes, sent: 0, is_last: true }));
                Flow::On
            }
            Look::Nothing { ended: false } => self.sit_down(row),
        }
    }

    /// A reader has all that there is: it is live, once the others have it too.
    fn sit_down(&mut self, row: usize) -> Flow {
        let (line, position) = (self.readers[row].line as usize, self.readers[row].position);
        if self.lines[line].live.is_empty() {
            self.lines[line].tail = position;
        } else if self.lines[line].tail != position {
            // The shard has not been told yet of what this reader has found already.
            self.lines[line].log.looked(self.place);
            self.advance(line);
            if self.lines[line].tail != position && !self.lines[line].live.is_empty() {
                return Flow::On;
            }
            self.lines[line].tail = position;
        }
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
        let log = Arc::clone(&self.lines[reader.line as usize].log);
        let key = Key { row: row_number(row), turn: reader.turn };
        let ask = Ask { bell: Arc::clone(&self.bell), key, log, after: reader.position };
        reader.state.is_fetching = self.fetcher.ask(ask);
        if !reader.state.is_fetching {
            self.queue(row);
        }
        Flow::Full
    }

    fn take_page(&mut self, fetched: Fetched) {
        let Fetched { key, bytes, position } = fetched;
        let Some(row) = self.row(key) else { return };
        let reader = &mut self.readers[row];
        reader.state.is_fetching = false;
        reader.position = position;
        if !bytes.is_empty() {
            reader.rest = Some(Box::new(Rest { bytes, sent: 0, is_last: false }));
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
    fn say(&mut self, row: usize, words: Bytes) {
        let now = self.clock();
        let reader = &mut self.readers[row];
        reader.spoke = now;
        match outlet::write(&reader.socket, &[IoSlice::new(&words)], words.len()) {
            Written::Whole => {}
            Written::Broken => self.remove(row),
            Written::Part(sent) => {
                self.stand_up(row);
                self.readers[row].rest =
                    Some(Box::new(Rest { bytes: words, sent, is_last: false }));
            }
        }
    }

    /// Tells a reader to come back, as soon as it can take it.
    fn dismiss(&mut self, row: usize, reason: &'static str) {
        let reader = &mut self.readers[row];
        if reader.state.leaves.replace(reason).is_none() {
            self.stand_up(row);
            self.push_on(row);
        }
    }

    /// The last that a reader gets.
    fn part_with(&mut self, row: usize, reason: &'static str) {
        let bye = chunk(&self.options.words.bye(reason));
        let bytes = [&bye, LAST_CHUNK].concat().into();
        self.readers[row].rest = Some(Box::new(Rest { bytes, sent: 0, is_last: true }));
    }

    // ── Time ──

    fn keep_time(&mut self, now: Instant) {
        while let Some(due) = self.wheel.turn(now) {
            for &key in &due {
                if let Some(row) = self.row(key) {
                    self.look_at(row, key, now);
                }
            }
            self.wheel.reuse(due);
        }
        if now >= self.places_at {
            self.places_at = now + PLACES;
            self.tell_places();
        }
        if self.bell.is_draining() {
            self.drain(now);
        }
    }

    /// A reader's timer came up.
    fn look_at(&mut self, row: usize, key: Key, now: Instant) {
        let clock = self.clock_at(now);
        let reader = &self.readers[row];
        let line = &self.lines[reader.line as usize];
        let is_live = reader.is_live();
        let spoke = if is_live { later(reader.spoke, line.spoke) } else { reader.spoke };
        let silent = Duration::from_millis(u64::from(clock.wrapping_sub(spoke)));
        if !is_live && !reader.state.is_fetching && silent >= self.options.stall {
            return self.remove(row);
        }
        if is_past(clock, reader.ends) && reader.state.leaves.is_none() {
            self.dismiss(row, "max_age");
        } else if is_live && silent >= self.options.keep_alive {
            let words = self.keep_alives[usize::from(reader.state.hears_events_only)].clone();
            self.say(row, words);
        }
        if self.row(key).is_none() {
            return;
        }
        let next = if is_live && silent < self.options.keep_alive {
            now + (self.options.keep_alive - silent)
        } else {
            now + self.options.keep_alive
        };
        self.wheel.set(key, next);
    }

    fn tell_places(&mut self) {
        for line in 0..self.lines.capacity() {
            let Some(found) = self.lines.get_mut(line) else { continue };
            let place = found.log.position();
            if place == found.place {
                continue;
            }
            found.place = place;
            if let Some(place) = place {
                let words = chunk(&self.options.words.place(place));
                for row in found.live.clone() {
                    self.say(row as usize, words.clone());
                }
            }
        }
    }

    /// Tells the readers whose moment has come; the moments are spread over the drain.
    fn drain(&mut self, now: Instant) {
        let from = *self.drain_from.get_or_insert(now);
        let share = now.duration_since(from).as_secs_f64() / self.options.drain.as_secs_f64();
        let due: Vec<_> = self
            .readers
            .iter()
            .filter(|(_, reader)| reader.state.leaves.is_none())
            .filter(|(_, reader)| moment(reader.turn) <= share)
            .map(|(row, _)| row)
            .collect();
        due.into_iter().for_each(|row| self.dismiss(row, "draining"));
    }
}

/// The bytes of some events, as one write takes them, and how many they are.
fn slices(batch: &[Event]) -> (Vec<IoSlice<'_>>, usize) {
    let slices: Vec<_> = batch.iter().map(|event| IoSlice::new(event.frame.chunk())).collect();
    let total = slices.iter().map(|slice| slice.len()).sum();
    (slices, total)
}

/// What became of writing to a reader.
enum Flow {
    /// It can take more.
    On,
    /// It waits: for room, for a page, for its turn, or for news.
    Full,
    /// It is gone, or has had everything.
    Gone,
}

/// Notes how much of some events a reader has. One of which it has a part is kept for it, so that its
/// log may drop it meanwhile.
fn note_part(reader: &mut Reader, batch: &[Event], mut sent: usize, now: u32) {
    if sent > 0 {
        reader.spoke = now;
    }
    for event in batch {
        if sent == 0 {
            return;
        }
        let length = event.frame.chunk().len();
        reader.position = event.id;
        if sent < length {
            let bytes = event.frame.shared_chunk();
            reader.rest = Some(Box::new(Rest { bytes, sent, is_last: false }));
            return;
        }
        sent -= length;
    }
}

/// When in a drain a reader is told, from 0 to 1: spread, and the same each time it is asked.
fn moment(turn: u32) -> f64 {
    f64::from(turn.wrapping_mul(0x9E37_79B1)) / f64::from(u32::MAX)
}

/// The later of two times of a clock that wraps.
const fn later(one: u32, other: u32) -> u32 {
    if is_past(one, other) { one } else { other }
}

/// Whether a clock that wraps has reached a time.
const fn is_past(clock: u32, time: u32) -> bool {
    clock.wrapping_sub(time) < u32::MAX / 2
}

/// Rows fit 32 bits: a process has fewer descriptors.
fn row_number(row: usize) -> u32 {
    u32::try_from(row).expect("a process has fewer descriptors")
}
