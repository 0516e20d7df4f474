//! Waiting for each other, with an eye on the clock and on whoever wants it all to end.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::{LoadError, Stage};
use crate::loadtest::crowd::Status;

/// How often it is looked whether something has happened.
const LOOK: Duration = Duration::from_millis(5);

/// How long a machine rests before something is measured.
const REST: Duration = Duration::from_millis(300);

impl Stage<'_> {
    /// Waits until a count is reached; false when nothing came for as long as there is patience.
    pub(in crate::loadtest) fn wait(
        &self,
        what: &str,
        total: u64,
        count: impl Fn(&Status) -> u64,
    ) -> Result<bool, LoadError> {
        self.wait_on(what, total, || count(&self.status()))
    }

    /// The same for a count of somebody else.
    pub(in crate::loadtest) fn wait_on(
        &self,
        what: &str,
        total: u64,
        count: impl Fn() -> u64,
    ) -> Result<bool, LoadError> {
        self.screen.phase(what, total);
        let (mut most, mut since) = (0, Instant::now());
        loop {
            let now = count();
            self.screen.progress(now);
            if now >= total {
                return Ok(true);
            }
            if now > most {
                (most, since) = (now, Instant::now());
            }
            if since.elapsed() > self.order.patience {
                return Ok(false);
            }
            self.look()?;
        }
    }

    /// Lets so much time pass.
    pub(in crate::loadtest) fn rest(&self, what: &str, time: Duration) -> Result<(), LoadError> {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.screen.phase(what, milliseconds(time));
        let start = Instant::now();
        while start.elapsed() < time {
            self.screen.progress(milliseconds(start.elapsed()));
            self.look()?;
        }
        Ok(())
    }

    /// Lets the machine come to rest.
    pub(in crate::loadtest) fn settle(&self) -> Result<(), LoadError> {
        self.rest("coming to rest", REST)
    }

    /// A short wait; fails when somebody wants it all to end.
    pub(super) fn look(&self) -> Result<(), LoadError> {
        if self.stop.load(Ordering::Acquire) {
            return Err(LoadError::Interrupted);
        }
        thread::park_timeout(LOOK);
        Ok(())
    }
}
