//! The end of a job: one transaction, fenced by attempt.
//!
//! What the job held is captured or released in it too, by a trigger on the status.

use crate::event::payload::End;
use crate::job::{Job, JobId};

use super::sql::{self, Conn};
use super::{Change, jobs};

/// Writes a job's final row.
#[derive(Clone, Debug)]
pub struct Finish {
    /// The job.
    pub job: JobId,
    /// The attempt that ends it; nothing when whatever attempt is running is to end.
    pub attempt: Option<u32>,
    /// How it ends.
    pub end: End,
    /// What it did cost, in micro-credits; counts when it completes. Nothing when it cost all that
    /// was held for it.
    pub cost: Option<i64>,
    /// UTC milliseconds.
    pub now: i64,
}

/// What became of an end.
#[derive(Debug)]
pub enum Finished {
    /// The job ended now, as asked.
    Now,
    /// It had ended before; this is how.
    Before(Box<Job>),
    /// A later attempt runs it.
    Fenced {
        /// That attempt.
        current: u32,
    },
    /// There is no such job.
    Unknown,
}

impl Change for Finish {
    type Outcome = Finished;

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<Finished, sqlx::Error> {
        if self.update(tx).await? {
            return Ok(Finished::Now);
        }
        Ok(match jobs::find(tx.into(), &self.job).await? {
            None => Finished::Unknown,
            Some(job) if job.status.is_terminal() => Finished::Before(Box::new(job)),
            Some(job) => Finished::Fenced { current: job.attempt },
        })
    }
}

impl Finish {
    async fn update(&self, tx: &mut Conn<'_>) -> Result<bool, sqlx::Error> {
        let (result, failed, canceled) = match &self.end {
            End::Completed(result) => (Some(result.to_string()), None, None),
            End::Failed(failed) => (None, Some(failed), None),
            End::Canceled(canceled) => (None, None, Some(canceled.reason.as_str())),
        };
        let done = sql::query(
            "update job set status = ?1, result = ?2, error_code = ?3, error_message = ?4, \
                 error_retryable = ?5, cancel_reason = ?6, ended_at = ?7, updated_at = ?7, \
                 epoch = null, progress = case when ?1 = 'completed' then 100 else progress end, \
                 cost = case when ?1 = 'completed' then coalesce(?10, cost) else cost end \
             where id = ?8 and status in ('pending', 'running') and attempt = coalesce(?9, attempt)",
        )
        .bind(self.end.status())
        .bind(result)
        .bind(failed.map(|failed| failed.code.as_str()))
        .bind(failed.map(|failed| failed.message.as_str()))
        .bind(failed.is_some_and(|failed| failed.retryable))
        .bind(canceled)
        .bind(self.now)
        .bind(self.job.as_str())
        .bind(self.attempt.map(i64::from))
        .bind(self.cost)
        .execute(tx)
        .await?;
        Ok(done == 1)
    }
}
