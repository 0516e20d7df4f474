//! Serves the streams of many readers at about the cost of the system call that each write is.
//!
//! # For a reader who has never written an event loop
//!
//! A server that gives each connection a task pays for the task on every event: it is woken, put in
//! a queue, polled, finds its event, writes, registers to be woken again. Here nobody is woken but
//! the *shard*, a thread that has thousands of readers in a table. It sleeps in `epoll_wait`, the
//! system call that waits for any of many sockets, and for a *bell* that appends ring. A reader is a
//! row of that table: a socket, a log, a position in it. No task, no channel, no buffer.
//!
//! When an event is appended to a log, the bell of each shard with readers of it rings, once,
//! however much is appended before the shard looks. The shard takes from the log what is new, and
//! hands the same bytes to the socket of every reader that stands at its end: the log keeps events
//! framed as chunks of an HTTP body, so nothing is encoded here. What has piled up is laid out once, in
//! one piece, and goes to each reader in one `write` (`batch`).
//!
//! A socket that takes only a part is full: its reader is not fast enough. It leaves the row of those
//! that are *live* and is *behind*: its position says where it is, and that it is written to again
//! when the system says that there is room. Nobody waits for it, and nothing is kept for it; when it
//! comes back it takes from the log what it missed. Where that has left memory, a helper on the
//! asynchronous side fetches a page from the database (`fetch`).
//!
//! What happens without an event (a keep-alive, an age reached, a reader that takes nothing for too
//! long) hangs on one `wheel` a shard.
//!
//! A connection comes here when HTTP is through with it: `http` answers the request and
//! hands the socket over with [`Engine::adopt`]. TLS and HTTP/2 stay there, on followers.

mod batch;
mod bell;
mod fetch;
mod outlet;
mod reader;
mod shard;
mod wheel;

#[cfg(all(test, feature = "shuttle"))]
mod interleavings;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::io;
use std::net::TcpStream;
use std::num::NonZeroU16;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::event::EventId;
use crate::store::{Gap, Listener, Log, Snapshot, Store};

use bell::Bell;
use shard::Shard;

/// What the engine's streams keep to.
#[derive(Clone)]
pub struct Options {
    /// How many threads; one a core is right.
    pub shards: usize,
    /// How many readers there may be without their rows being moved; more are served as well.
    pub room: usize,
    /// How long a stream is without bytes before it says that it is alive.
    pub keep_alive: Duration,
    /// How long a reader may take no byte before it is closed.
    pub stall: Duration,
    /// Over how long the streams of a server that goes down are told to come back.
    pub drain: Duration,
    /// How the wire says what is not an event of a log.
    pub words: Arc<dyn Words>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { shards, room, keep_alive, stall, drain, words: _ } = self;
        formatter
            .debug_struct("Options")
            .field("shards", shards)
            .field("room", room)
            .field("keep_alive", keep_alive)
            .field("stall", stall)
            .field("drain", drain)
            .finish_non_exhaustive()
    }
}

/// How the wire says what is about a stream and not about its job. What these bytes are is `http`'s
/// business; the engine puts each into a chunk of its own.
pub trait Words: Send + Sync {
    /// That the stream is alive: as a comment, or as an event for who cannot hear comments.
    fn keep_alive(&self, as_event: bool) -> Bytes;
    /// A job's place in the queue, from 1.
    fn place(&self, position: u32) -> Bytes;
    /// That the stream ends now and why, and when to come back, as so many readers do.
    fn bye(&self, reason: &str, readers: usize) -> Bytes;
    /// That events are gone, and what the job is so far.
    fn gap(&self, gap: &Gap, snapshot: &Snapshot) -> Bytes;
}

/// A stream whose head is written, on its way to a shard.
#[derive(Debug)]
pub struct Handover {
    /// The connection, with nothing in it that was read and not used.
    pub socket: TcpStream,
    /// Whose events.
    pub log: Arc<Log>,
    /// The last event that the reader has.
    pub after: EventId,
    /// Whether the reader cannot hear comments.
    pub keep_alive_as_event: bool,
    /// After how many seconds of silence it wants to hear that the stream is alive, where that is not
    /// what everybody is told.
    pub keep_alive_s: Option<NonZeroU16>,
    /// When the stream has lasted long enough.
    pub ends_at: Instant,
    /// The number of the key that the reader came with, or 0.
    pub key: u32,
    /// Canceled when that key is revoked.
    pub revoked: CancellationToken,
    /// What is dropped when the reader has left; mostly nothing.
    pub held: Option<Box<dyn Any + Send>>,
}

/// Where a reader stands.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The last event that it has.
    pub after: EventId,
    /// How long it has taken no byte.
    pub silent: Duration,
}

/// The shards, and the way to them.
#[derive(Debug)]
pub struct Engine {
    bells: Vec<Arc<Bell>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    next: AtomicUsize,
}

impl Engine {
    /// Starts the shards. Appends to the store reach them from now on.
    ///
    /// # Errors
    /// When the system gives no thread or no `epoll` instance.
    pub fn start(store: &Store, options: &Options) -> io::Result<Self> {
        let (mut bells, mut threads) = (Vec::new(), Vec::new());
        let fetcher = fetch::Fetcher::start(store.clone(), Arc::clone(&options.words));
        for place in 0..options.shards.clamp(1, 32) {
            let place = u32::try_from(place).expect("at most 32");
            let shard = Shard::new(place, options.clone(), fetcher.clone())?;
            bells.push(shard.bell());
            let thread = std::thread::Builder::new().name(format!("fanout-{place}"));
            threads.push(thread.spawn(move || shard.run())?);
        }
        let listeners = bells.iter().map(|bell| Arc::clone(bell) as Arc<dyn Listener>);
        store.set_listeners(listeners.collect());
        Ok(Self { bells, threads: Mutex::new(threads), next: AtomicUsize::new(0) })
    }

    /// Gives a stream to a shard, in turns: readers of one log are on all of them. Where no shard is
    /// left alive the connection is closed, and its reader comes back.
    pub fn adopt(&self, handover: Handover) {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.bells.len();
        let (before, from) = self.bells.split_at(turn);
        if let Some(bell) = from.iter().chain(before).find(|bell| !bell.is_dead()) {
            bell.adopt(handover);
        }
    }

    /// How many readers there are.
    #[must_use]
    pub fn readers(&self) -> usize {
        self.bells.iter().map(|bell| bell.readers()).sum()
    }

    /// How many readers have not all that there is, and how many events the one lacks that is furthest
    /// behind; as of a second ago at most.
    #[must_use]
    pub fn behind(&self) -> (usize, usize) {
        let each = self.bells.iter().map(|bell| bell.behind());
        each.fold((0, 0), |(readers, most), (behind, lag)| (readers + behind, most.max(lag)))
    }

    /// Where the readers of a log stand, some of them where there are very many.
    pub async fn places(&self, log: &Arc<Log>) -> Vec<Place> {
        let asked: Vec<_> = self
            .bells
            .iter()
            .filter(|bell| !bell.is_dead())
            .map(|bell| {
                let (reply, answer) = oneshot::channel();
                bell.ask(bell::Ask { log: Arc::clone(log), reply });
                answer
            })
            .collect();
        let mut places = Vec::new();
        for answer in asked {
            // A shard that ends has no readers.
            places.extend(answer.await.unwrap_or_default());
        }
        places
    }

    /// Ends the streams of everybody who came with the key of this number. It must have been
    /// canceled before: whoever is on the way to a shard is looked at there.
    pub fn revoke(&self, key: u32) {
        self.bells.iter().for_each(|bell| bell.revoke(key));
    }

    /// Tells every reader to come back, one after the other; those who come from now on as well.
    pub fn drain(&self) {
        self.bells.iter().for_each(|bell| bell.drain());
    }

    /// Ends what is left, and waits for the threads. Blocks for as long as a write may take.
    pub fn stop(&self) {
        self.bells.iter().for_each(|bell| bell.stop());
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            // A shard that panicked has said so itself.
            drop(thread.join());
        }
    }
}
