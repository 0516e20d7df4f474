//! A shard: one thread, one readiness loop, a table of readers.

mod behind;
mod line;
mod news;
mod time;

use std::any::Any;
use std::collections::HashMap;
use std::io;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;

use crate::event::frame::chunk;

use super::batch::Batch;
use super::bell::{Ask, Bell, Inbox, Life};
use super::fetch::Fetcher;
use super::reader::{BEHIND, Reader, State, row_number};
use super::wheel::{Key, Wheel};
use super::{Handover, Options, Place};

use line::Lines;
use time::{DRAIN_STEP, later};

/// What the bell is called among the sockets.
const BELL: Token = Token(usize::MAX);

/// Why a reader is told to leave whose key was revoked.
const REVOKED: &str = "revoked";

/// Of how many readers of a log a shard says where they stand.
const MOST_PLACES: usize = 50;

/// How many sockets are told of at a time.
const EVENTS: usize = 1024;

/// What a thread of the engine works with.
#[derive(Debug)]
pub(super) struct Shard {
    /// Ends first: before a connection is closed by a panic, no other is given here.
    _life: Life,
    place: u32,
    options: Options,
    fetcher: Fetcher,
    poll: Poll,
    bell: Arc<Bell>,
    readers: Slab<Reader>,
    /// What is held for some readers, by their rows: most have nothing, and a row has no room for it.
    held: HashMap<usize, Box<dyn Any + Send>>,
    lines: Lines,
    wheel: Wheel,
    /// The zero of the shard's clock.
    start: Instant,
    /// How many readers there ever were: no two have the same turn.
    turns: u32,
    /// Readers that have had their turn and could take more.
    again: Vec<Key>,
    places_at: Instant,
    drain_from: Option<Instant>,
    /// How many readers of all shards leave at the same time.
    leaving: usize,
    batch: Batch,
    /// The keep-alives, as a comment, as an event.
    keep_alives: [Bytes; 2],
}

impl Shard {
    pub(super) fn new(place: u32, options: Options, fetcher: Fetcher) -> io::Result<Self> {
        let poll = Poll::new()?;
        let bell = Arc::new(Bell::new(Waker::new(poll.registry(), BELL)?));
        let start = Instant::now();
        Ok(Self {
            _life: Life(Arc::clone(&bell)),
            place,
            fetcher,
            poll,
            bell,
            // Memory that nobody has written to yet costs nothing, and rows that move do.
            readers: Slab::with_capacity(options.room / options.shards.max(1)),
            held: HashMap::new(),
            lines: Lines::default(),
            wheel: Wheel::new(options.keep_alive, start),
            start,
            turns: 0,
            again: Vec::new(),
            places_at: start,
            drain_from: None,
            leaving: 0,
            batch: Batch::default(),
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
            // Whoever rang has perhaps more to append, and on a busy core goes on with it first: the
            // more there is at once, the less each event costs. On a free core this is nothing.
            std::thread::yield_now();
            self.bell.take(&mut inbox);
            inbox.grown.drain(..).for_each(|(log, since)| self.grow(&log, since));
            inbox.adopted.drain(..).for_each(|handover| self.adopt(handover));
            inbox.fetched.drain(..).for_each(|fetched| self.take_page(fetched));
            inbox.revoked.drain(..).for_each(|key| self.revoke(key));
            inbox.asked.drain(..).for_each(|ask| self.tell_places_of(ask));
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

    /// Says where the readers of a log stand.
    fn tell_places_of(&self, ask: Ask) {
        let clock = self.clock();
        let theirs = self.lines.of(&ask.log).into_iter().flat_map(|line| {
            let theirs = self.readers.iter().filter(move |(_, reader)| reader.line == line);
            theirs.take(MOST_PLACES).map(move |(_, reader)| {
                let line = &self.lines[line];
                let (after, spoke) = if reader.is_live() {
                    (line.tail, later(reader.spoke, line.spoke))
                } else {
                    (reader.position, reader.spoke)
                };
                let silent = Duration::from_millis(u64::from(clock.wrapping_sub(spoke)));
                Place { after, silent }
            })
        });
        // Whoever asked has perhaps gone.
        drop(ask.reply.send(theirs.collect()));
    }

    // ── Coming and going ──

    fn adopt(&mut self, handover: Handover) {
        let Handover {
            socket,
            log,
            after,
            keep_alive_as_event,
            keep_alive_s,
            ends_at,
            key,
            revoked,
            held,
        } = handover;
        self.turns = self.turns.wrapping_add(1);
        let reader = Reader {
            socket: TcpStream::from_std(socket),
            line: self.lines.join(&log, self.place),
            seat: BEHIND,
            turn: self.turns,
            spoke: self.clock(),
            ends: self.clock_at(ends_at),
            key,
            state: State {
                hears_events_only: keep_alive_as_event,
                keep_alive_s,
                ..State::default()
            },
            position: after,
            rest: None,
        };
        let row = self.readers.insert(reader);
        if let Some(held) = held {
            self.held.insert(row, held);
        }
        let reader = &mut self.readers[row];
        // Edges only, of both kinds, registered once: a reader that falls behind costs no call.
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut reader.socket, Token(row), interest)
        {
            tracing::debug!(%error, "a stream cannot be taken over");
            return self.remove(row);
        }
        let timer = Key { row: row_number(row), turn: reader.turn };
        let keep_alive = reader.state.keep_alive(self.options.keep_alive);
        self.wheel.set(timer, Instant::now() + keep_alive.min(self.options.keep_alive));
        if revoked.is_cancelled() {
            return self.dismiss(row, REVOKED);
        }
        self.push_on(row);
    }

    /// Dismisses who came with a key that was revoked.
    fn revoke(&mut self, key: u32) {
        let theirs = self.readers.iter().filter(|(_, reader)| reader.key == key);
        let theirs: Vec<_> = theirs
            .filter(|(_, reader)| reader.state.leaves.is_none())
            .map(|(row, _)| row)
            .collect();
        theirs.into_iter().for_each(|row| self.dismiss(row, REVOKED));
    }

    fn remove(&mut self, row: usize) {
        self.stand_up(row);
        let mut reader = self.readers.remove(row);
        self.held.remove(&row);
        // Closing would do it as well; what fails here is gone already.
        drop(self.poll.registry().deregister(&mut reader.socket));
        self.bell.forget_reader();
        self.lines.leave(reader.line, self.place);
    }

    /// Takes a reader out of those who are live; it keeps its place in the log.
    fn stand_up(&mut self, row: usize) {
        let reader = &mut self.readers[row];
        let seat = mem::replace(&mut reader.seat, BEHIND);
        if seat == BEHIND {
            return;
        }
        let line = &mut self.lines[reader.line];
        reader.position = line.tail;
        reader.spoke = later(reader.spoke, line.spoke);
        line.live.swap_remove(seat as usize);
        if let Some(&moved) = line.live.get(seat as usize) {
            self.readers[moved as usize].seat = seat;
        }
    }

    /// The row of a reader that is still there.
    fn row(&self, key: Key) -> Option<usize> {
        let row = key.row as usize;
        self.readers.get(row).is_some_and(|reader| reader.turn == key.turn).then_some(row)
    }
}
