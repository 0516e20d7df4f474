//! The end of a job, written once.
//!
//! The only event that is durable before it is visible: an end that a crash could take back would
//! be two ends.

use std::sync::Arc;
use std::sync::PoisonError;
use std::time::Duration;

use serde_json::Value;
use tracing::Instrument;

use crate::db::DbError;
use crate::db::ends::{Finish, Finished};
use crate::event::now_ms;
use crate::event::payload::{Canceled, End};
use crate::job::{JobId, Kind, Status};
use crate::store::{Follower, JournalError, Log, Next};
use crate::telemetry::metrics::metrics;
use crate::telemetry::trace::job_span;

use super::Queue;

/// How long a running worker has to flush what it holds before its job is ended over its head.
const CANCEL_GRACE: Duration = Duration::from_secs(2);

/// How long to wait before asking a database again that did not answer.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How a job ended, once somebody asked for an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As asked.
    Now,
    /// It had ended before, like this.
    Before(Status),
}

/// Why an end was not written.
#[derive(Debug, thiserror::Error)]
pub enum EndError {
    /// A later attempt runs the job.
    #[error("attempt {current} runs the job")]
    Fenced {
        /// That attempt.
        current: u32,
    },
    /// There is no such job.
    #[error("there is no such job")]
    Unknown,
    /// The journal ended, or the database refused.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The database does not answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Queue {
    /// Ends a job: everything of it so far is committed, then its final row, then readers see the
    /// terminal event. Goes on when the caller is dropped, and waits for a database that is down.
    ///
    /// # Errors
    /// [`EndError`]; the job did not end by this.
    pub async fn end(
        &self,
        log: &Arc<Log>,
        attempt: Option<u32>,
        end: End,
    ) -> Result<Ended, EndError> {
        self.finish(log, Finish { job: log.job.clone(), attempt, end, cost: None, now: now_ms() })
            .await
    }

    /// The same for a job that completes, with what it did cost in micro-credits. No more is taken
    /// than was held; nothing for the cost takes all of it.
    ///
    /// # Errors
    /// [`EndError`]; the job did not end by this.
    pub async fn complete(
        &self,
        log: &Arc<Log>,
        attempt: u32,
        result: Value,
        cost: Option<i64>,
    ) -> Result<Ended, EndError> {
        let (attempt, end) = (Some(attempt), End::Completed(result));
        self.finish(log, Finish { job: log.job.clone(), attempt, end, cost, now: now_ms() }).await
    }

    async fn finish(&self, log: &Arc<Log>, finish: Finish) -> Result<Ended, EndError> {
        let (queue, log) = (self.clone(), Arc::clone(log));
        let span = job_span(log.job.as_str(), "end");
        let writing = async move { queue.write_end(&log, finish).await }.instrument(span);
        let written = self.shared.ends.spawn(writing);
        written.await.unwrap_or(Err(EndError::Journal(JournalError::Stopped)))
    }

    async fn write_end(&self, log: &Arc<Log>, finish: Finish) -> Result<Ended, EndError> {
        let (end, now) = (finish.end.clone(), finish.now);
        match self.store().journal().change_after(log.last(), finish).await? {
            Finished::Now => {
                note_end(log, &end, now);
                self.store().announce_end(log, &end, Some(now)).await;
                let is_done = matches!(end, End::Completed(_));
                self.tell_over(is_done);
                if let Some(cluster) = self.store().cluster() {
                    cluster.call(if is_done { "done" } else { "ended" }.into(), Vec::new());
                }
                Ok(Ended::Now)
            }
            Finished::Before(job) => {
                if let Some(end) = job.end {
                    self.store().announce_end(log, &end, job.ended_at).await;
                }
                Ok(Ended::Before(job.status))
            }
            Finished::Fenced { current } => Err(EndError::Fenced { current }),
            Finished::Unknown => Err(EndError::Unknown),
        }
    }

    /// Tells whoever looks after what comes after an end.
    pub(super) fn tell_over(&self, is_done: bool) {
        self.shared.over.notify_one();
        if !is_done {
            self.shared.ended.notify_waiters();
        }
    }

    /// Cancels a job. One that runs here keeps what it has made so far: its worker is told, lets
    /// out what it holds and ends the job.
    ///
    /// # Errors
    /// [`EndError`]; the job is not canceled then.
    pub async fn cancel(&self, job: &JobId, reason: &str) -> Result<Ended, EndError> {
        let log = self.store().open(job).await?.ok_or(EndError::Unknown)?;
        let standing = log.standing();
        if standing.ended {
            return Ok(Ended::Before(standing.status));
        }
        if self.tell_worker_anywhere(&log, reason) {
            let follower = self.store().follow(&log, log.last());
            if tokio::time::timeout(CANCEL_GRACE, wait_for_end(follower)).await.is_ok() {
                return Ok(match log.standing().status {
                    Status::Canceled => Ended::Now,
                    other => Ended::Before(other),
                });
            }
        }
        self.end(&log, None, End::Canceled(Canceled { reason: reason.into() })).await
    }

    /// Tells the worker of a job to stop, on whatever node that is; false when there is none.
    fn tell_worker_anywhere(&self, log: &Log, reason: &str) -> bool {
        let job = &log.job;
        if self.tell_worker(job, reason) {
            return true;
        }
        let is_run = log.kind != Kind::External && log.standing().status == Status::Running;
        match self.store().cluster() {
            Some(cluster) if is_run => {
                cluster.call("cancel".into(), format!("{job} {reason}").into_bytes());
                true
            }
            _ => false,
        }
    }

    /// Tells the worker of a job that runs here to stop; false when nobody here runs it.
    pub(super) fn tell_worker(&self, job: &JobId, reason: &str) -> bool {
        let Some(running) = self.running().get(job).cloned() else { return false };
        running
            .reason
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(|| reason.into());
        running.cancel.cancel();
        true
    }
}

/// Counts an end that was written here.
fn note_end(log: &Log, end: &End, now: i64) {
    let labels = [log.kind.as_str(), end.status()];
    let metrics = metrics();
    metrics.jobs_ended_total.with_label_values(&labels).inc();
    let lasted = Duration::from_millis(now.saturating_sub(log.created_at).try_into().unwrap_or(0));
    metrics.job_seconds.with_label_values(&labels).observe(lasted.as_secs_f64());
}

async fn wait_for_end(mut follower: Follower) {
    loop {
        match follower.next().await {
            Ok(Next::Ended) => return,
            Ok(Next::Page(_) | Next::Aside(_) | Next::Gap(..)) => {}
            Err(_) => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}
