//! What a provider counts: the other side of every test that says "started once".

use std::collections::HashMap;
use std::sync::Mutex;

use serde::Serialize;
use tokio::time::Instant;

/// How many refused requests are remembered for [`Counts::early`]; when there are more, all are
/// forgotten.
const MAX_REMEMBERED: usize = 1000;

/// What has arrived at one provider so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Requests that start work, answered well or not.
    pub starts: u64,
    /// Pieces of work that were ever started.
    pub started: u64,
    /// Requests for the state of work.
    pub polls: u64,
    /// Requests for the result of work, where that is not in its state.
    pub results: u64,
    /// Requests to cancel work.
    pub cancels: u64,
    /// Callbacks that were answered with 2xx, forged ones among them.
    pub callbacks: u64,
    /// Attempts at a callback that were answered otherwise or not at all.
    pub callbacks_refused: u64,
    /// Output files that were handed out.
    pub downloads: u64,
    /// Requests that came sooner than a `retry-after` had allowed.
    pub early: u64,
    /// Downloads that carried an API key, which is not for the host of files to see.
    pub leaked_keys: u64,
    /// Downloads that were refused because the address had expired.
    pub expired: u64,
}

/// Counts for one provider.
#[derive(Debug, Default)]
pub(super) struct Tally {
    counts: Mutex<Counts>,
    allowed: Mutex<HashMap<u64, Instant>>,
}

impl Tally {
    pub(super) fn counts(&self) -> Counts {
        *self.counts.lock().expect("no code that holds this lock panics")
    }

    /// Changes the counts.
    pub(super) fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock().expect("no code that holds this lock panics"));
    }

    /// Remembers that a request may come again only at `at`.
    pub(super) fn allow(&self, request: u64, at: Instant) {
        let mut allowed = self.allowed.lock().expect("no code that holds this lock panics");
        if allowed.len() >= MAX_REMEMBERED {
            allowed.clear();
        }
        allowed.insert(request, at);
    }

    /// Counts a request that comes sooner than it was allowed to.
    pub(super) fn arrive(&self, request: u64) {
        let mut allowed = self.allowed.lock().expect("no code that holds this lock panics");
        if allowed.remove(&request).is_some_and(|at| Instant::now() < at) {
            drop(allowed);
            self.count(|counts| counts.early += 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_what_comes_too_soon_is_early() {
        let tally = Tally::default();
        let wait = Duration::from_secs(1);
        tally.allow(1, Instant::now() + wait);
        tokio::time::advance(wait).await;
        tally.arrive(1);
        assert_eq!(tally.counts().early, 0);
        tally.allow(1, Instant::now() + wait);
        tally.arrive(2);
        tally.arrive(1);
        tally.arrive(1);
        assert_eq!(tally.counts().early, 1);
    }
}
