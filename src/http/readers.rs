//! Who reads through hyper at the moment, and up to where; the engine knows its own readers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use slab::Slab;

use crate::event::{EventId, now_ms};
use crate::job::JobId;

/// The readers of this process that hyper serves; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Readers {
    seats: Arc<Mutex<Slab<Entry>>>,
}

#[derive(Debug)]
struct Entry {
    /// The jobs that it reads; none for a project, whose jobs come and go.
    jobs: Vec<JobId>,
    transport: Transport,
    after: Arc<AtomicU64>,
    since: i64,
}

/// How a reader gets its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Server-sent events.
    Stream,
    /// A request that waits for the next event.
    Poll,
}

impl Transport {
    /// The word on the wire, and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Poll => "poll",
        }
    }
}

/// A reader's place in the list, for as long as it reads.
#[derive(Debug)]
pub struct Seat {
    readers: Readers,
    key: usize,
    after: Arc<AtomicU64>,
}

/// A reader as others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reader {
    /// Which one it is: no other has the same number at the same time.
    pub key: usize,
    /// How it gets its events.
    pub transport: Transport,
    /// The last event that it has.
    pub after: EventId,
    /// When it came, in UTC milliseconds.
    pub since: i64,
}

impl Readers {
    /// One reader more, of these jobs, who has everything up to an event.
    #[must_use]
    pub fn sit_down(&self, jobs: Vec<JobId>, transport: Transport, after: EventId) -> Seat {
        let after = Arc::new(AtomicU64::new(after.get()));
        let entry = Entry { jobs, transport, after: Arc::clone(&after), since: now_ms() };
        let key = self.lock().insert(entry);
        Seat { readers: self.clone(), key, after }
    }

    /// How many there are of a kind.
    #[must_use]
    pub fn count(&self, transport: Transport) -> usize {
        self.lock().iter().filter(|(_, entry)| entry.transport == transport).count()
    }

    /// How many lack an event of their jobs, and how many events the one lacks that lacks most; `missing`
    /// tells how many a job has behind one. Those of a project are left out: its jobs come and go.
    #[must_use]
    pub fn behind(&self, missing: impl Fn(&JobId, EventId) -> usize) -> (usize, usize) {
        let seats = self.lock();
        let lacks = seats.iter().map(|(_, entry)| {
            let after = entry.after();
            entry.jobs.iter().map(|job| missing(job, after)).sum::<usize>()
        });
        lacks
            .filter(|lacks| *lacks > 0)
            .fold((0, 0), |(count, most), lacks| (count + 1, most.max(lacks)))
    }

    /// Those of a job, at most so many.
    #[must_use]
    pub fn of(&self, job: &JobId, most: usize) -> Vec<Reader> {
        let seats = self.lock();
        let theirs = seats.iter().filter(|(_, entry)| entry.jobs.contains(job));
        let reader = |(key, entry): (usize, &Entry)| Reader {
            key,
            transport: entry.transport,
            after: entry.after(),
            since: entry.since,
        };
        theirs.take(most).map(reader).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Slab<Entry>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn after(&self) -> EventId {
        EventId::from_u64(self.after.load(Ordering::Relaxed)).unwrap_or_default()
    }
}

impl Seat {
    /// The reader has everything up to this event.
    pub fn moves_to(&self, after: EventId) {
        self.after.store(after.get(), Ordering::Relaxed);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.readers.lock().remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_is_listed_while_it_reads_and_where_it_is() {
        let (readers, job) = (Readers::default(), JobId::generate());
        let seat = readers.sit_down(vec![job.clone()], Transport::Stream, EventId::ZERO);
        let poll = readers.sit_down(Vec::new(), Transport::Poll, EventId::ZERO);
        let id = EventId::new(1, 7).unwrap();
        seat.moves_to(id);
        let [reader] = readers.of(&job, 10)[..] else { panic!("one reads it") };
        assert_eq!((reader.after, reader.transport), (id, Transport::Stream));
        assert_eq!((readers.count(Transport::Stream), readers.count(Transport::Poll)), (1, 1));
        assert_eq!(readers.behind(|_, after| 9 - usize::from(after == id)), (1, 8));
        assert_eq!(readers.behind(|_, _| 0), (0, 0));
        drop((seat, poll));
        assert!(readers.of(&job, 10).is_empty());
        assert_eq!(readers.count(Transport::Poll), 0);
    }
}
