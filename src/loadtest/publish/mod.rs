//! The producer: one connection a job, on a schedule that does not wait for anybody, or as fast as
//! it is answered.
//!
//! Where a server takes a stream of events, each job's are one request that goes on; where it takes
//! one event a request, the next waits until the one before is answered. What is due and cannot be
//! sent yet waits here, and is late: readers count from when it was due.

mod feed;
mod script;

pub(super) use feed::{Feed, Way};
pub(super) use script::{Content, Dialect, EVENT, Script, chunk};

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use super::LoadError;
use super::measure::Bins;
use super::schedule::Schedule;
use super::system::now_ns;

/// How long nothing may come of what was sent, before the server is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long it waits for a socket at most, before it looks at the time.
const LOOK: Duration = Duration::from_millis(1);

/// What others see of a producer at work.
#[derive(Debug, Default)]
pub(super) struct Board {
    /// How many events of each job were handed to the system.
    sent: Vec<AtomicU32>,
    stop: AtomicBool,
}

impl Board {
    /// How many events of each job were sent by now.
    pub(super) fn sent(&self) -> Vec<u32> {
        self.sent.iter().map(|sent| sent.load(Ordering::Acquire)).collect()
    }

    /// Ends a run before its time.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

/// What a run of the producer tells of itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Published {
    pub(super) events: u64,
    /// From when an event was due to when the system had it.
    pub(super) lateness: Bins,
    /// From when a request was sent to its answer, where there is one for each event.
    pub(super) answers: Bins,
}

impl Published {
    /// Grows with whatever comes of what is sent.
    fn steps(&self) -> u64 {
        self.events + self.answers.count()
    }
}

/// The producer of all jobs.
#[derive(Debug)]
pub(super) struct Publisher {
    poll: Poll,
    feeds: Vec<Feed>,
    board: Arc<Board>,
}

impl Publisher {
    /// Connects; nothing is sent but the heads of requests.
    pub(super) fn connect(
        server: SocketAddr,
        script: &Script,
        ways: Vec<Way>,
    ) -> Result<Self, LoadError> {
        let setup = |error: io::Error| LoadError::setup("publishing", &error);
        let poll = Poll::new().map_err(setup)?;
        let mut feeds = Vec::with_capacity(ways.len());
        for (job, way) in (0..).zip(ways) {
            feeds.push(Feed::connect(job, server, script.clone(), way, &poll).map_err(setup)?);
        }
        let sent = feeds.iter().map(|_| AtomicU32::new(0)).collect();
        Ok(Self { poll, feeds, board: Arc::new(Board { sent, ..Board::default() }) })
    }

    /// What others may look at meanwhile.
    pub(super) fn board(&self) -> Arc<Board> {
        Arc::clone(&self.board)
    }

    /// Sends all that is scheduled, counted from `start`.
    ///
    /// # Errors
    /// When the server refuses an event or closes a connection.
    pub(super) fn play(&mut self, schedule: Schedule, start: u64) -> Result<Published, LoadError> {
        let mut published = Published::default();
        for due in schedule {
            let at = start + due.at;
            self.wait_until(at, &mut published)?;
            if self.board.is_stopped() {
                return Ok(published);
            }
            while self.feeds[due.job as usize].is_full() && !self.board.is_stopped() {
                self.look(Some(LOOK), &mut published)?;
            }
            self.feeds[due.job as usize].push(at);
            self.flush(due.job as usize, &mut published)?;
        }
        self.settle(&mut published)?;
        Ok(published)
    }

    /// Sends one event of each job after the other, each as soon as the one before it is answered,
    /// until `end` or so many of each.
    ///
    /// # Errors
    /// When the server refuses an event or closes a connection.
    pub(super) fn race(&mut self, end: u64, events: u32) -> Result<Published, LoadError> {
        let mut published = Published::default();
        let mut left = vec![events; self.feeds.len()];
        while now_ns() < end && !self.board.is_stopped() && left.iter().any(|left| *left > 0) {
            for (job, left) in left.iter_mut().enumerate().filter(|(_, left)| **left > 0) {
                if self.feeds[job].is_free() {
                    *left -= 1;
                    self.feeds[job].push(now_ns());
                    self.flush(job, &mut published)?;
                }
            }
            self.look(Some(LOOK), &mut published)?;
        }
        self.settle(&mut published)?;
        Ok(published)
    }

    /// Ends every job's request, after a last event if there is one, and waits for the answers.
    ///
    /// # Errors
    /// When an answer is not one of success, or does not come.
    pub(super) fn finish(&mut self, last: Option<&str>) -> Result<(), LoadError> {
        let mut published = Published::default();
        for job in 0..self.feeds.len() {
            self.feeds[job].end(last);
            self.flush(job, &mut published)?;
        }
        self.wait_for(|feed| feed.is_over(), &mut published)
    }

    fn settle(&mut self, published: &mut Published) -> Result<(), LoadError> {
        self.wait_for(Feed::is_free, published)
    }

    fn wait_for(
        &mut self,
        is_done: impl Fn(&Feed) -> bool,
        published: &mut Published,
    ) -> Result<(), LoadError> {
        let (mut before, mut since) = (published.steps(), Instant::now());
        while !self.feeds.iter().all(&is_done) {
            if published.steps() > before {
                (before, since) = (published.steps(), Instant::now());
            }
            if since.elapsed() > PATIENCE {
                return Err(LoadError::server("does not take, or does not answer, what is pushed"));
            }
            self.look(Some(LOOK), published)?;
        }
        Ok(())
    }

    /// Waits until it is time, and does meanwhile what can be done. The system's queue only knows
    /// whole milliseconds, so a wait that depends on no socket is one for the clock.
    fn wait_until(&mut self, at: u64, published: &mut Published) -> Result<(), LoadError> {
        loop {
            let left = at.saturating_sub(now_ns());
            if left == 0 || self.board.is_stopped() {
                return Ok(());
            }
            if self.feeds.iter().any(|feed| feed.is_waiting()) && left > 1_000_000 {
                self.look(Some(LOOK), published)?;
            } else {
                thread::park_timeout(Duration::from_nanos(left.min(50_000_000)));
            }
        }
    }

    fn look(&mut self, wait: Option<Duration>, published: &mut Published) -> Result<(), LoadError> {
        let mut events = Events::with_capacity(1024);
        match self.poll.poll(&mut events, wait) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                return Err(LoadError::setup("publishing", &error));
            }
            _ => {}
        }
        for event in &events {
            let Token(job) = event.token();
            self.flush(job, published)?;
        }
        Ok(())
    }

    fn flush(&mut self, job: usize, published: &mut Published) -> Result<(), LoadError> {
        let sent = self.feeds[job].flush(&self.poll, published)?;
        self.board.sent[job].store(sent, Ordering::Release);
        Ok(())
    }
}
