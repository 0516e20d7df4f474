//! The loop that polls for many.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fastrand::Rng;
use mio::{Events, Interest, Poll, Token};

use super::poller::{Answer, News, Poller};
use super::{Board, Plan};
use crate::loadtest::measure::Bins;
use crate::loadtest::socket;
use crate::loadtest::system::now_ns;

/// Over how long the first requests are spread, in nanoseconds.
const SPREAD: u64 = 1_000_000_000;

/// How long a client waits that was told nothing, in milliseconds.
const USUAL_WAIT_MS: u64 = 1_000;

/// How many findings are told in words.
const TOLD: usize = 20;

/// What polling clients have seen.
#[derive(Clone, Debug, Default)]
pub(in crate::loadtest) struct Polls {
    /// Answers.
    pub(in crate::loadtest) answers: u64,
    /// Answers that said that nothing is new.
    pub(in crate::loadtest) unchanged: u64,
    /// Answers that asked to come later.
    pub(in crate::loadtest) later: u64,
    /// Connections that were lost, and answers that made no sense.
    pub(in crate::loadtest) failed: u64,
    /// States that were older than one before, or the same under another tag.
    pub(in crate::loadtest) backward: u64,
    /// Clients that have had an answer.
    pub(in crate::loadtest) begun: u64,
    /// Clients that have seen their job's end.
    pub(in crate::loadtest) ended: u64,
    /// From when a request was due to its answer.
    pub(in crate::loadtest) answered: Bins,
    /// From the job's end to the answer that had it.
    pub(in crate::loadtest) end_seen: Bins,
    pub(in crate::loadtest) findings: Vec<String>,
}

/// Polling clients and what they have seen.
pub(super) struct Client {
    plan: Plan,
    board: Arc<Board>,
    poll: Poll,
    pollers: Vec<Poller>,
    /// When each asks next.
    due: BinaryHeap<Reverse<(u64, usize)>>,
    polls: Polls,
    random: Rng,
}

impl Client {
    pub(super) fn new(plan: Plan, board: Arc<Board>) -> io::Result<Self> {
        let jobs = plan.paths.len().max(1);
        let mut random = Rng::with_seed(plan.seed);
        let clients = plan.clients as usize;
        let now = now_ns();
        let due = (0..clients).map(|place| Reverse((now + random.u64(..SPREAD), place))).collect();
        Ok(Self {
            poll: Poll::new()?,
            pollers: (0..clients).map(|place| Poller::new(place % jobs)).collect(),
            due,
            plan,
            board,
            polls: Polls::default(),
            random,
        })
    }

    pub(super) fn run(mut self) -> io::Result<Polls> {
        let mut events = Events::with_capacity(1024);
        while !self.board.stop.load(Ordering::Acquire) {
            let now = now_ns();
            let next = self.due.peek().map_or(u64::MAX, |Reverse((at, _))| *at);
            let wait =
                Duration::from_nanos(next.saturating_sub(now)).min(Duration::from_millis(20));
            match self.poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                self.look(event.token().0);
            }
            self.ask_all(now_ns());
            self.board.publish(&self.polls);
        }
        Ok(self.polls)
    }

    fn ask_all(&mut self, now: u64) {
        while let Some(Reverse((at, place))) = self.due.peek().copied() {
            if at > now {
                break;
            }
            self.due.pop();
            self.pollers[place].asked = Some(at);
            if self.ask(place).is_err() {
                self.lost(place, "cannot connect");
            }
        }
    }

    fn ask(&mut self, place: usize) -> io::Result<()> {
        let poller = &mut self.pollers[place];
        if poller.socket.is_none() {
            let mut socket = socket::connect(self.plan.target.address, None, false)?;
            let interests = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut socket, Token(place), interests)?;
            poller.socket = Some(socket);
        }
        poller.send(&self.plan.target, &self.plan.paths[poller.job])
    }

    fn look(&mut self, place: usize) {
        let poller = &mut self.pollers[place];
        let sent = poller.send(&self.plan.target, &self.plan.paths[poller.job]);
        let tag = poller.tag().to_owned();
        match sent.and_then(|()| poller.receive()) {
            Ok(None) => {}
            Ok(Some(answer)) => self.answered(place, &tag, answer),
            // Nothing was asked: the server does not keep a connection for ever.
            Err(_) if poller.asked.is_none() => poller.hang_up(),
            Err(_) => self.lost(place, "lost its connection"),
        }
    }

    fn lost(&mut self, place: usize, how: &str) {
        self.polls.failed += 1;
        self.tell(place, how);
        self.pollers[place].hang_up();
        self.again(place, USUAL_WAIT_MS);
    }

    fn answered(&mut self, place: usize, tag: &str, answer: Answer) {
        let now = now_ns();
        let poller = &mut self.pollers[place];
        let asked = poller.asked.take().unwrap_or(now);
        self.polls.answers += 1;
        self.polls.answered.record(now.saturating_sub(asked));
        let known = poller.known.as_ref().and_then(|state| state.poll_after_ms);
        let asked_for = answer.retry_after.map(|seconds| 1_000 * seconds);
        match answer.news {
            News::Unchanged => self.polls.unchanged += 1,
            News::Later => self.polls.later += 1,
            News::Other(what) => {
                self.polls.failed += 1;
                self.tell(place, &format!("got {what}"));
            }
            News::Changed(state) => {
                let wait = state.poll_after_ms;
                self.changed(place, tag, state, now);
                return self.again(place, wait.unwrap_or(USUAL_WAIT_MS));
            }
        }
        self.again(place, known.or(asked_for).unwrap_or(USUAL_WAIT_MS));
    }

    fn changed(&mut self, place: usize, tag: &str, state: super::poller::State, now: u64) {
        let poller = &mut self.pollers[place];
        let before = poller.known.as_ref().map(|known| known.last_event_id);
        let is_back = before.is_some_and(|before| state.last_event_id < before);
        let is_same = !tag.is_empty() && tag == poller.tag();
        self.polls.begun += u64::from(before.is_none());
        if state.has_ended() && !poller.has_ended {
            poller.has_ended = true;
            self.polls.ended += 1;
            let ended_at = self.board.ended_at.load(Ordering::Acquire);
            self.polls.end_seen.record(now.saturating_sub(ended_at));
        }
        poller.known = Some(state);
        if is_back || is_same {
            self.polls.backward += 1;
            self.tell(place, "was told an older state, or the same one anew");
        }
    }

    /// Asks again after so long, with a tenth of it left to chance; not once the job has ended.
    fn again(&mut self, place: usize, wait_ms: u64) {
        if self.pollers[place].has_ended {
            return;
        }
        let wait = wait_ms * 1_000_000;
        let jitter = self.random.u64(..=wait / 10);
        self.due.push(Reverse((now_ns() + wait + jitter, place)));
    }

    fn tell(&mut self, place: usize, what: &str) {
        if self.polls.findings.len() < TOLD {
            let job = self.pollers[place].job;
            self.polls.findings.push(format!("client {place} of job {job} {what}"));
        }
    }
}
