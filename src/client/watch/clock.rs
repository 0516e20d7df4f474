//! The time of a watch.

use std::time::Duration;

use tokio::time::Instant;

/// A clock in milliseconds that stands still while the caller has the word: nothing is read from the
/// connection then, so what comes late was not silence.
#[derive(Debug, Default)]
pub(super) struct Clock {
    before: Duration,
    running_since: Option<Instant>,
}

impl Clock {
    pub(super) fn start(&mut self) {
        // A call that was dropped did not stop it: then it ran on.
        self.running_since.get_or_insert_with(Instant::now);
    }

    pub(super) fn stop(&mut self) {
        if let Some(since) = self.running_since.take() {
            self.before += since.elapsed();
        }
    }

    pub(super) fn now(&self) -> u64 {
        let running = self.running_since.map_or(Duration::ZERO, |since| since.elapsed());
        u64::try_from((self.before + running).as_millis()).unwrap_or(u64::MAX)
    }

    /// When it will be so late, if it goes on running.
    pub(super) fn at(&self, ms: u64) -> Instant {
        let left = Duration::from_millis(ms).saturating_sub(self.before);
        self.running_since.unwrap_or_else(Instant::now) + left
    }
}
