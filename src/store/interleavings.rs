//! Claims about the store that hold in whatever order its threads go on.
//!
//! Each test runs under some thousand schedules of shuttle, which chooses at every lock and atomic
//! who goes on: `cargo nextest run --features shuttle -E 'test(interleavings)'`. There is no
//! database: a thread that takes what is unwritten and keeps it in a list stands for the journal.
//! Of each test a mutation is named that it was seen to catch.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use shuttle::future::block_on;
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::Mutex;
use shuttle::{Config, Runner, thread};

use super::journal::Feed;
use super::log::{Log, Look};
use super::{Journal, Next, Options, Proposal, Source, Store, lock};
use crate::db::epochs::Epochs;
use crate::db::{self, Db};
use crate::event::parse::{Item, Parser};
use crate::event::{Draft, EventId, EventType};
use crate::job::{Fact, Job};

/// Schedules of each kind.
const SCHEDULES: usize = 2_000;

/// What the schedules are drawn from: the same ones in every run.
const SEED: u64 = 20_261_127;

/// Runs a test under random schedules, then under such as change their mind at few moments, which
/// find what needs one certain order of few steps.
pub(crate) fn explore(test: impl Fn() + Send + Sync + Clone + 'static) {
    let mut config = Config::new();
    // A thread has as much of the stack as in a debug build it needs.
    config.stack_size = 1 << 20;
    Runner::new(RandomScheduler::new_from_seed(SEED, SCHEDULES), config.clone()).run(test.clone());
    Runner::new(PctScheduler::new_from_seed(SEED, 3, SCHEDULES), config).run(test);
}

/// A database that is there and is not asked anything, opened once and outside of all schedules.
static NOWHERE: LazyLock<(Db, Epochs)> = LazyLock::new(|| {
    let open = || {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (db, mut writer, _) = db::open(folder.path()).await.unwrap();
            (db, writer.begin_epoch(0).await.unwrap())
        })
    };
    // Whoever asks first may be within a schedule.
    std::thread::spawn(open).join().unwrap()
});

/// A store whose journal is the test, and a log in it.
pub(crate) fn store() -> (Store, Arc<Log>, Feed) {
    let (db, epochs) = NOWHERE.clone();
    let (journal, feed) = Journal::new(EventId::ZERO);
    // So a sweep takes out of memory whatever it may.
    let options =
        Options { memory_limit: 0, memory_retention: Duration::ZERO, ..Options::default() };
    let store = Store::new(db, epochs, options, journal);
    let log = store.create(&Job::sample());
    (store, log, feed)
}

/// An event that says nothing.
pub(crate) fn proposal() -> Proposal {
    let draft = Draft::raw(EventType::Log, "{}", 0);
    let (source, fact) = (Source::Worker, Fact::Other);
    Proposal { attempt: 0, source, fact, draft, producer: None }
}

/// The ids of frames.
fn ids(frames: &[u8]) -> Vec<u64> {
    let mut parser = Parser::new(frames.len());
    parser.push(frames);
    let id = |item| match item {
        Ok(Item::Message(message)) => message.last_event_id.parse().unwrap(),
        other => panic!("{other:?}"),
    };
    std::iter::from_fn(|| parser.poll()).map(id).collect()
}

/// Appends events one after the other, to the log of a job wherever that is; gives their ids.
fn append(store: &Store, log: &Arc<Log>, count: usize) -> Vec<EventId> {
    (0..count).map(|_| store.append_now(log, [proposal()]).unwrap().last).collect()
}

/// Two writers and a follower that sleeps in between. Catches: looking before registering for the
/// wake-up in [`Follower::next`](super::Follower::next), where the follower then sleeps for ever.
#[test]
fn a_follower_that_sleeps_is_woken_and_gets_every_event_once() {
    explore(|| {
        let (store, log, _feed) = store();
        let mut follower = store.follow(&log, EventId::ZERO);
        let writers: Vec<_> = (0..2)
            .map(|_| {
                let (store, log) = (store.clone(), Arc::clone(&log));
                thread::spawn(move || append(&store, &log, 2))
            })
            .collect();
        let reader = thread::spawn(move || {
            let mut seen = Vec::new();
            while seen.len() < 4 {
                match block_on(follower.next()) {
                    Ok(Next::Page(page)) => seen.extend(ids(&page.bytes)),
                    other => panic!("{other:?}"),
                }
            }
            seen
        });
        let mut appended: Vec<u64> = Vec::new();
        for writer in writers {
            appended.extend(writer.join().unwrap().into_iter().map(EventId::get));
        }
        appended.sort_unstable();
        assert_eq!(reader.join().unwrap(), appended);
    });
}

/// Two jobs, of which each writer has one, and a reader of both. Catches: raising the head before
/// the event is in its log, or outside of the lock that gives out ids, where a reader passes over
/// an event that is published a moment later.
#[test]
fn whoever_sees_the_head_sees_every_event_up_to_it() {
    explore(|| {
        let (store, one, _feed) = store();
        let other = store.create(&Job::sample());
        let writers: Vec<_> = [&one, &other]
            .map(|log| {
                let (store, log) = (store.clone(), Arc::clone(log));
                thread::spawn(move || append(&store, &log, 2))
            })
            .into();
        let mut merge = store.merge_jobs(&[one, other], EventId::ZERO);
        let reader = thread::spawn(move || {
            let mut seen = Vec::new();
            while seen.len() < 4 {
                let events = block_on(merge.next()).unwrap().unwrap();
                seen.extend(events.into_iter().map(|merged| merged.event.id));
            }
            seen
        });
        let mut appended = Vec::new();
        for writer in writers {
            appended.extend(writer.join().unwrap());
        }
        appended.sort_unstable();
        assert_eq!(reader.join().unwrap(), appended);
    });
}

/// What the journal has committed.
type Committed = Arc<Mutex<Vec<EventId>>>;

/// Commits what is unwritten: into the list first, and only then it is durable.
fn commit(store: &Store, feed: &Feed, committed: &Committed) {
    let (events, _) = store.take_unwritten();
    let Some(last) = events.last().map(|unwritten| unwritten.event.id) else { return };
    lock(committed).extend(events.iter().map(|unwritten| unwritten.event.id));
    feed.commit(last);
}

/// A writer, the journal, a sweep, and a reader that stands at a position. Catches: a trim that does
/// not ask what is durable, where the reader is sent to the database for what is not there yet.
#[test]
fn what_is_not_durable_stays_in_memory() {
    explore(|| {
        let (store, log, feed) = store();
        let committed = Committed::default();
        let writer = {
            let (store, log) = (store.clone(), Arc::clone(&log));
            thread::spawn(move || append(&store, &log, 3))
        };
        let journal = {
            let (store, committed) = (store.clone(), Arc::clone(&committed));
            thread::spawn(move || {
                (0..2).for_each(|_| commit(&store, &feed, &committed));
                feed
            })
        };
        let sweeper = {
            let store = store.clone();
            thread::spawn(move || (0..2).for_each(|_| block_on(store.sweep())))
        };
        let read = |position: &mut EventId| {
            let mut events = Vec::new();
            match log.collect(*position, usize::MAX, &mut events) {
                Look::Found(()) => *position = events.last().unwrap().id,
                Look::Stored { through } => {
                    let stored = lock(&committed).clone();
                    let next = stored.into_iter().find(|id| *id > *position);
                    assert!(next.is_some_and(|id| id <= through), "it is in neither");
                    *position = next.unwrap();
                }
                Look::Nothing { .. } => return false,
            }
            true
        };
        let mut position = EventId::ZERO;
        for _ in 0..3 {
            read(&mut position);
        }
        let appended = writer.join().unwrap();
        sweeper.join().unwrap();
        drop(journal.join().unwrap());
        while read(&mut position) {}
        assert_eq!(Some(&position), appended.last());
    });
}

/// A writer that looks its log up each time, the journal, and a sweep that evicts. Catches: an
/// eviction that does not count who holds the log, after which events go into a log that nobody finds,
/// and a trim that does not ask what is durable. (That an eviction asks it too is not caught: the
/// journal holds the log as long as an event of it is not.)
#[test]
fn an_evicted_log_has_no_event_that_is_nowhere_else() {
    explore(|| {
        let (store, log, feed) = store();
        let (job, committed) = (log.job.clone(), Committed::default());
        drop(log);
        let writer = {
            let (store, job) = (store.clone(), job.clone());
            thread::spawn(move || {
                let mut appended = Vec::new();
                // Once it has left memory it would be loaded.
                while appended.len() < 3
                    && let Some(log) = store.find(&job)
                {
                    appended.extend(append(&store, &log, 1));
                }
                appended
            })
        };
        let journal = {
            let (store, committed) = (store.clone(), Arc::clone(&committed));
            thread::spawn(move || {
                (0..2).for_each(|_| commit(&store, &feed, &committed));
                feed
            })
        };
        let sweeper = {
            let store = store.clone();
            thread::spawn(move || (0..2).for_each(|_| block_on(store.sweep())))
        };
        let appended = writer.join().unwrap();
        sweeper.join().unwrap();
        drop(journal.join().unwrap());
        let (stored, found) = (lock(&committed).clone(), store.find(&job));
        for id in appended {
            let in_memory = found.as_ref().is_some_and(|log| {
                let before = EventId::from_u64(id.get() - 1).unwrap();
                matches!(log.events(before, id, 1), Look::Found(_))
            });
            assert!(in_memory || stored.contains(&id), "{id} is nowhere");
        }
    });
}
