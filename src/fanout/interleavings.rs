//! Claims about the bell that hold in whatever order its threads go on, see
//! [`crate::store::interleavings`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Poll, Token, Waker};
use shuttle::thread::{self, JoinHandle};

use super::bell::{Bell, Inbox};
use crate::event::{Event, EventId};
use crate::job::{Job, JobId};
use crate::store::interleavings::{explore, proposal, store};
use crate::store::{Listener, Log, Look, Store};

/// A shard with a reader of each log, and no socket. Its turn is that of the real one.
struct Shard {
    poll: Poll,
    bell: Arc<Bell>,
    /// Where the readers stand, by job.
    positions: HashMap<JobId, EventId>,
    seen: Vec<Event>,
}

impl Shard {
    /// One that hears of the store's appends, and of these logs'.
    fn new(store: &Store, logs: &[&Arc<Log>]) -> Self {
        let poll = Poll::new().unwrap();
        let bell = Arc::new(Bell::new(Waker::new(poll.registry(), Token(0)).unwrap()));
        store.set_listeners(vec![Arc::clone(&bell) as Arc<dyn Listener>]);
        logs.iter().for_each(|log| log.hear(0, true));
        Self { poll, bell, positions: HashMap::new(), seen: Vec::new() }
    }

    /// One turn of a shard's loop, if it was woken: takes what came, and looks at each log.
    fn turn(&mut self) -> bool {
        let mut events = Events::with_capacity(4);
        self.poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        if events.is_empty() {
            return false;
        }
        let mut inbox = Inbox::default();
        self.bell.take(&mut inbox);
        for (log, _) in inbox.grown {
            log.looked(0);
            self.look(&log);
        }
        true
    }

    fn look(&mut self, log: &Log) {
        let position = self.positions.entry(log.job.clone()).or_default();
        while log.collect(*position, 1, &mut self.seen) == Look::Found(()) {
            *position = self.seen.last().unwrap().id;
        }
    }
}

fn append(store: &Store, log: &Arc<Log>, count: usize) -> JoinHandle<()> {
    let (store, log) = (store.clone(), Arc::clone(log));
    thread::spawn(move || {
        for _ in 0..count {
            store.append_now(&log, [proposal()]).unwrap();
        }
    })
}

/// Two logs grow, a shard looks. At the end it has been woken for everything. Catches: a bell that is
/// emptied before it may be rung again, and a shard that looks at a log before it says so: both lose a
/// ring.
#[test]
fn no_ring_is_lost() {
    explore(|| {
        let (store, one, _feed) = store();
        let other = store.create(&Job::sample());
        let mut shard = Shard::new(&store, &[&one, &other]);
        let writers = [&one, &other].map(|log| append(&store, log, 2));
        let shard = thread::spawn(move || {
            for _ in 0..3 {
                shard.turn();
                thread::yield_now();
            }
            shard
        });
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        let mut shard = shard.join().unwrap();
        while shard.turn() {}
        for log in [one, other] {
            assert_eq!(shard.positions.get(&log.job), Some(&log.last()));
        }
        assert_eq!(shard.seen.len(), 4);
    });
}

/// The last reader of a log leaves while it is written to, and another comes. Catches: a shard that
/// passes over a log without readers before it says that it looked, after which the next reader of
/// that log is never rung for.
#[test]
fn a_log_that_had_no_readers_rings_for_the_next_one() {
    explore(|| {
        let (store, log, _feed) = store();
        let mut shard = Shard::new(&store, &[&log]);
        let writer = append(&store, &log, 3);
        let reader = {
            let log = Arc::clone(&log);
            thread::spawn(move || {
                log.hear(0, false);
                shard.turn();
                log.hear(0, true);
                shard.look(&log);
                shard.turn();
                shard
            })
        };
        writer.join().unwrap();
        let mut shard = reader.join().unwrap();
        while shard.turn() {}
        assert_eq!(shard.positions.get(&log.job), Some(&log.last()));
    });
}
