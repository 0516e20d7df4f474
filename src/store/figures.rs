//! What the store takes, and how far the database is behind it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::event::now_ms;
use crate::job::Status;

use super::{Log, Store, lock};

impl Store {
    /// What all logs take in memory, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.shared.memory.load(Ordering::Relaxed)
    }

    /// What all logs may take in memory, in bytes.
    #[must_use]
    pub fn memory_limit(&self) -> usize {
        self.shared.options.memory_limit
    }

    /// How many logs are in memory.
    #[must_use]
    pub fn log_count(&self) -> usize {
        lock(&self.shared.logs).len()
    }

    /// How old the oldest event is that is not in the database yet.
    #[must_use]
    pub fn durable_lag(&self) -> Duration {
        let oldest = {
            let tail = lock(&self.shared.tail);
            // What is being written was taken from there, and is older.
            tail.written_since.or_else(|| tail.unwritten.front().map(|event| event.event.at))
        };
        let lag = oldest.map_or(0, |at| now_ms().saturating_sub(at));
        Duration::from_millis(lag.try_into().unwrap_or(0))
    }

    /// Whether the logs take more than they may: new jobs are then refused.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.memory() > self.shared.options.memory_limit
    }

    /// How many events are not in the database yet.
    #[must_use]
    pub fn not_durable(&self) -> usize {
        let tail = lock(&self.shared.tail);
        tail.unwritten.len() + tail.being_written
    }

    /// Whether the journal has room for more events.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.shared.unwritten_bytes.load(Ordering::Relaxed) < self.shared.options.journal_limit
    }

    /// Logs in memory of jobs that run.
    #[must_use]
    pub fn running(&self) -> Vec<Arc<Log>> {
        let logs: Vec<_> = lock(&self.shared.logs).values().cloned().collect();
        logs.into_iter().filter(|log| log.standing().status == Status::Running).collect()
    }

    /// Counts what a log has grown by, and tells retention when that passes the bound.
    pub(super) fn count_memory(&self, grown: usize) {
        let limit = self.shared.options.memory_limit;
        let used = self.shared.memory.fetch_add(grown, Ordering::Relaxed);
        if used <= limit && used + grown > limit {
            self.shared.tight.notify_one();
        }
    }
}
