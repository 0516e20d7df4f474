//! Publishing.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::{LoadError, Stage};
use crate::loadtest::Scenario;
use crate::loadtest::order::Order;
use crate::loadtest::publish::{Board, Published, Publisher};
use crate::loadtest::schedule::{Load, Pace, Schedule};
use crate::loadtest::system::now_ns;

/// How long after it was asked for the first event is due, in nanoseconds.
const LEAD: u64 = 50_000_000;

/// A producer at work.
pub(in crate::loadtest) struct Playing {
    thread: JoinHandle<(Publisher, Result<Published, LoadError>)>,
    pub(in crate::loadtest) board: Arc<Board>,
}

impl Stage<'_> {
    /// What is published, as the order says.
    pub(in crate::loadtest) fn load(&self) -> Load {
        let pace = match &self.recording {
            Some(recording) => Pace::Recorded(Arc::clone(&recording.times)),
            None if self.order.scenario == Scenario::Tokens => Pace::Uneven,
            None => Pace::Even,
        };
        let events = match &self.recording {
            Some(recording) => u32::try_from(recording.times.len()).unwrap_or(u32::MAX),
            None => self.order.events(),
        };
        let Order { jobs, rate, seed, .. } = *self.order;
        Load { jobs, rate, events, pace, seed }
    }

    /// Begins to publish; readers measure from then on.
    pub(in crate::loadtest) fn play(&mut self, load: Load) -> Result<Playing, LoadError> {
        let start = now_ns() + LEAD;
        let duration = match self.order.closed {
            true => self.order.duration,
            false => Schedule::duration(&load),
        };
        let duration = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.begin(start, duration)?;
        let mut publisher = self.publisher.take().ok_or_else(|| {
            LoadError::Arguments("without --publish nothing can be published there".to_owned())
        })?;
        let board = publisher.board();
        let events = self.order.events.unwrap_or(u32::MAX);
        let closed = self.order.closed;
        let work = move || {
            let published = match closed {
                true => publisher.race(start + duration, events),
                false => publisher.play(Schedule::new(load), start),
            };
            (publisher, published)
        };
        let thread = thread::Builder::new()
            .name("publisher".to_owned())
            .spawn(work)
            .map_err(|error| LoadError::setup("publishing", &error))?;
        Ok(Playing { thread, board })
    }

    /// Waits until all is published.
    pub(in crate::loadtest) fn played(&mut self, playing: Playing) -> Result<Published, LoadError> {
        let expected = match self.order.closed {
            true => 0,
            false => u64::from(self.load().events) * u64::from(self.order.jobs),
        };
        self.screen.phase("publishing", expected);
        while !playing.thread.is_finished() {
            self.screen.progress(playing.board.sent().iter().map(|sent| u64::from(*sent)).sum());
            if let Err(error) = self.look() {
                playing.board.stop();
                return Err(error);
            }
        }
        let (publisher, published) = playing.thread.join().map_err(|_| LoadError::Readers)?;
        self.publisher = Some(publisher);
        published
    }

    /// How many events of each job there are.
    pub(in crate::loadtest) fn published(&self) -> Vec<u32> {
        self.publisher.as_ref().map(|publisher| publisher.board().sent()).unwrap_or_default()
    }

    /// How many deliveries that makes, to the readers that are not slow.
    pub(in crate::loadtest) fn due(&self) -> u64 {
        let published = self.published();
        let all = (0..self.order.readers).filter(|reader| !self.slow.contains(reader));
        let job = |reader: u32| reader as usize % self.order.jobs as usize;
        all.map(|reader| published.get(job(reader)).map_or(0, |events| u64::from(*events))).sum()
    }

    /// Ends the jobs.
    pub(in crate::loadtest) fn end_jobs(&mut self) -> Result<(), LoadError> {
        self.screen.phase("ending the jobs", 0);
        let last = self.jobs.last.as_deref();
        self.publisher.as_mut().map_or(Ok(()), |publisher| publisher.finish(last))
    }
}
