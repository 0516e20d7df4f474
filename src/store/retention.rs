//! What leaves memory, and what leaves the database.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::db::segments::Trim;
use crate::event::now_ms;
use crate::job::JobId;
use crate::telemetry::metrics::metrics;

use super::log::Log;
use super::{Store, lock};

/// How often memory is looked after.
const SWEEP: Duration = Duration::from_secs(1);

/// How often it is looked after while it is past its bound.
const HURRY: Duration = Duration::from_millis(50);

/// How often the database is looked after.
const TRIM: Duration = Duration::from_secs(600);

/// How many jobs' events one transaction gives up.
const TRIM_BATCH: u32 = 50;

impl Store {
    /// Looks after the bounds until it is told to stop.
    pub async fn run_retention(self, stop: CancellationToken) {
        let mut trimmed_at = Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(if self.is_full() { HURRY } else { SWEEP }) => {}
                () = self.shared.tight.notified() => {}
            }
            self.sweep().await;
            if trimmed_at.elapsed() >= TRIM && self.keeps() {
                trimmed_at = Instant::now();
                self.trim_database().await;
            }
        }
    }

    /// Evicts what is over and old, then makes room: finished logs first, then the durable part of
    /// running ones.
    pub async fn sweep(&self) {
        let options = &self.shared.options;
        let _loading = self.shared.loading.lock().await;
        let mut logs: Vec<_> = lock(&self.shared.logs).values().cloned().collect();
        for log in &logs {
            if self.is_idle(log, options.memory_retention) {
                self.evict(&log.job);
            }
        }
        let used = self.weigh();
        if used <= options.memory_limit {
            return;
        }
        logs.sort_by_key(|log| log.last());
        for log in logs.iter().filter(|log| log.standing().ended) {
            log.lock().trim(self.journal().durable_through(), usize::MAX);
            self.evict(&log.job);
        }
        let excess = self.weigh().saturating_sub(options.memory_limit);
        self.trim_running(&logs, excess);
        self.weigh();
    }

    fn trim_running(&self, logs: &[Arc<Log>], mut excess: usize) {
        let durable = self.journal().durable_through();
        for log in logs {
            if excess == 0 {
                return;
            }
            excess = excess.saturating_sub(log.lock().trim(durable, excess));
        }
    }

    /// Whether a log has been of no use for a while: its job is over, or nobody has touched it.
    fn is_idle(&self, log: &Log, limit: Duration) -> bool {
        log.follower_count() == 0 && log.lock().used_at.elapsed() >= limit
    }

    /// Takes a log out of memory when everything of it is durable and nobody holds it.
    pub(super) fn evict(&self, job: &JobId) {
        let mut logs = lock(&self.shared.logs);
        let Some(log) = logs.get(job).cloned() else { return };
        let durable = log.last() <= self.journal().durable_through();
        // By this list a reader of the project finds the log: held, so that none takes it up while
        // it leaves.
        let mut siblings = lock(&log.project.logs);
        // The map holds one, the sweep's list another, this is a third; a fourth is somebody at
        // work.
        if durable && Arc::strong_count(&log) <= 3 {
            siblings.retain(|sibling| !std::ptr::eq(sibling.as_ptr(), Arc::as_ptr(&log)));
            log.project.evicted.fetch_max(log.last().get(), Ordering::Relaxed);
            logs.remove(job);
            metrics().log_evictions_total.inc();
        }
    }

    /// Counts what the logs in memory take, so that small errors of the running count do not add
    /// up.
    fn weigh(&self) -> usize {
        let used = lock(&self.shared.logs).values().map(|log| log.lock().weight()).sum();
        self.shared.memory.store(used, Ordering::Relaxed);
        lock(&self.shared.projects).retain(|_, project| Arc::strong_count(project) > 1);
        used
    }

    pub(super) async fn trim_database(&self) {
        let kept = i64::try_from(self.shared.options.database_retention.as_millis());
        let ended_before = now_ms() - kept.unwrap_or(i64::MAX / 2);
        loop {
            match self.trim_batch(ended_before).await {
                Ok(count) if count == TRIM_BATCH as usize => {}
                Ok(_) => return,
                Err(error) => return tracing::warn!(%error, "old events stay for now"),
            }
        }
    }

    /// Gives up the events of some jobs. Their logs are marked first, and none is loaded meanwhile,
    /// so that no reader passes over what is gone.
    async fn trim_batch(&self, ended_before: i64) -> Result<usize, Box<dyn Error + Send + Sync>> {
        let _loading = self.shared.loading.lock().await;
        let jobs = self.shared.db.trimmable(ended_before, TRIM_BATCH).await?;
        for (job, through) in &jobs {
            if let Some(log) = self.find(job) {
                log.set_trimmed_through(*through);
            }
        }
        let count = jobs.len();
        if count > 0 {
            self.journal().change(Trim { jobs }).await?;
        }
        Ok(count)
    }
}
