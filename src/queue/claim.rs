//! A job's way out of the queue, to the worker that runs it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::db::DbError;
use crate::db::claims::{Claim, HandBack, Relane, TakeOver};
use crate::db::permits::Permit;
use crate::event::payload::End;
use crate::event::{EventId, now_ms};
use crate::job::{Job, Status};
use crate::store::{JournalError, Log};
use crate::telemetry::metrics::metrics;
use crate::telemetry::trail::{self, About};

use super::pools::Pools;
use super::{MAX_ATTEMPTS, Queue, Running};

/// How long to wait before looking again for a log that the database did not give.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// How many jobs that nobody can run are ended at a time.
const AT_ONCE: usize = 64;

/// How many ends without an event are announced at a time.
const ENDS: u32 = 500;

/// A job that this process runs. Dropping it lets go of the job, which is then nobody's until the
/// next start; a worker ends it or hands it back first.
#[derive(Debug)]
pub struct Claimed {
    /// The job, running.
    pub job: Job,
    /// Where its events go.
    pub log: Arc<Log>,
    /// Set when somebody cancels the job.
    pub cancel: CancellationToken,
    /// Set when the job is to be handed back for another run.
    pub let_go: CancellationToken,
    /// Notified when the provider said by itself that there is news of the job.
    pub called_back: Arc<Notify>,
    reason: Arc<Mutex<Option<String>>>,
    pools: Mutex<Option<Pools>>,
    queue: Queue,
}

impl Claimed {
    /// Why the job was canceled.
    #[must_use]
    pub fn cancel_reason(&self) -> String {
        let reason = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        reason.clone().unwrap_or_else(|| "canceled".into())
    }

    /// Lets another job of the cluster use what this one has of its pools.
    pub fn give_permits_back(&self) {
        drop(self.pools.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Gives the job back to the queue, for another process to run it; this is no failure.
    ///
    /// # Errors
    /// When the database could not be told: the next start takes the job over.
    pub async fn hand_back(&self) -> Result<(), JournalError> {
        let change =
            HandBack { job: self.job.id.clone(), attempt: self.job.attempt, now: now_ms() };
        let journal = self.queue.store().journal();
        if journal.change_after(self.log.last(), change).await? {
            trail::note(self.job.id.as_str(), About::Note, "handed back to the queue", None);
            // A reader learns that the job waits again; a refusal means that it has ended.
            drop(self.queue.tell_status(&self.log, Status::Pending, self.job.attempt).await);
            if let Some(lane) = &self.job.lane {
                self.queue.wake_lane(lane);
            }
        }
        Ok(())
    }
}

/// Tells who looks that a job is run here from now on.
fn note_claim(lane: &str, job: &Job) {
    if job.attempt == 1 {
        let waited = now_ms().saturating_sub(job.created_at);
        let waited = Duration::from_millis(waited.try_into().unwrap_or(0));
        let seconds = metrics().queue_wait_seconds.with_label_values(&[lane]);
        seconds.observe(waited.as_secs_f64());
    }
    let title = format!("attempt {} is run by this server", job.attempt);
    trail::note(job.id.as_str(), About::Lease, title, Some(format!("in the lane {lane}")));
}

impl Drop for Claimed {
    fn drop(&mut self) {
        let mut running = self.queue.running();
        if running.get(&self.job.id).is_some_and(|entry| entry.attempt == self.job.attempt) {
            running.remove(&self.job.id);
        }
    }
}

impl Queue {
    /// Takes the next job of a lane, if there is one, and tells its readers that it runs. In a cluster it
    /// takes one permit of each of these pools with it.
    ///
    /// # Errors
    /// When the journal ended.
    pub async fn claim(
        &self,
        lane: &str,
        pools: &[Permit],
    ) -> Result<Option<Claimed>, JournalError> {
        if self.shared.draining.is_cancelled() || self.store().is_degraded() {
            return Ok(None);
        }
        let pools = if self.store().cluster().is_some() { pools } else { &[] };
        let epoch = self.store().runner();
        let permits = pools.to_vec();
        let claim = Claim { lane: lane.into(), epoch, permits, now: now_ms() };
        let taken = self.store().journal().change_after(EventId::ZERO, claim).await?;
        let Some(job) = taken.job() else { return Ok(None) };
        note_claim(lane, &job);
        let pools = Pools::new(self, lane, epoch, pools);
        let log = self.open_claimed(&job).await;
        let running = Running {
            attempt: job.attempt,
            cancel: CancellationToken::new(),
            let_go: CancellationToken::new(),
            reason: Arc::default(),
            called_back: Arc::default(),
        };
        self.running().insert(job.id.clone(), running.clone());
        // Refused when the job was canceled this moment: the worker's first append finds out.
        drop(self.tell_status(&log, Status::Running, job.attempt).await);
        Ok(Some(Claimed {
            job,
            log,
            cancel: running.cancel,
            let_go: running.let_go,
            called_back: running.called_back,
            reason: running.reason,
            pools: Mutex::new(Some(pools)),
            queue: self.clone(),
        }))
    }

    /// The log of a job that is ours, however often the database has to be asked.
    async fn open_claimed(&self, job: &Job) -> Arc<Log> {
        loop {
            match self.store().open(&job.id).await {
                Ok(Some(log)) => return log,
                Ok(None) => return self.store().create(job),
                Err(error) => {
                    tracing::warn!(job = %job.id, %error, "cannot load a claimed job's log yet");
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            }
        }
    }

    /// Puts back into the queue what a dead process was running, ends what has failed too often,
    /// and announces ends whose events a crash took. Called once, at start.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn recover(&self) -> Result<(), RecoverError> {
        let take_over =
            TakeOver { epoch: self.store().epoch(), most_failures: MAX_ATTEMPTS, now: now_ms() };
        let orphans = self.store().journal().change_after(EventId::ZERO, take_over).await?;
        self.end_exhausted(orphans).await;
        self.announce_ends().await
    }

    /// Ends those jobs of dead processes that have failed too often.
    pub(super) async fn end_exhausted(&self, orphans: Vec<Job>) {
        let mut given_up = Vec::new();
        for job in orphans {
            let failures = job.failures;
            tracing::info!(job = %job.id, failures, "taking over a job of a dead process");
            if failures >= MAX_ATTEMPTS {
                let message = format!("the server died {failures} times while it ran this job");
                given_up.push((job, End::failed("attempts_exhausted", message, true)));
            }
        }
        self.end_unfenced(given_up).await;
    }

    /// Announces ends that are committed and have no event.
    pub(super) async fn announce_ends(&self) -> Result<(), RecoverError> {
        let mut unreadable = 0;
        loop {
            let unannounced = self.store().db().unannounced_ends(ENDS).await?;
            for job in &unannounced {
                if let Err(error) = self.store().announce_end_of(job).await {
                    tracing::error!(%job, %error, "cannot announce the end of a job");
                    unreadable += 1;
                }
            }
            if unannounced.len() < ENDS as usize || unreadable >= ENDS {
                return Ok(());
            }
            self.store().journal().wait_durable(self.store().head()).await?;
        }
    }

    /// Moves jobs that wait to the lanes that their models have now, and ends those whose models
    /// are not there any more. Called once, at start.
    ///
    /// # Errors
    /// When the journal ended.
    pub async fn relane(&self, lanes: HashMap<String, String>) -> Result<(), JournalError> {
        let orphans = self.store().journal().change_after(EventId::ZERO, Relane { lanes }).await?;
        if self.store().cluster().is_some() {
            // A node of another version may have their models.
            return Ok(());
        }
        let ends = orphans.into_iter().map(|job| {
            let model = job.model.as_deref().unwrap_or_default();
            let message = format!("the catalog has no model '{model}' any more");
            (job, End::failed("unknown_model", message, false))
        });
        self.end_unfenced(ends).await;
        Ok(())
    }

    async fn end_unfenced(&self, ends: impl IntoIterator<Item = (Job, End)>) {
        // Many at a time, which are then committed together.
        let ends = stream::iter(ends).for_each_concurrent(AT_ONCE, async |(job, end)| {
            let log = self.open_claimed(&job).await;
            if let Err(error) = self.end(&log, None, end).await {
                tracing::error!(job = %job.id, %error, "cannot end a job that nobody can run");
            }
        });
        ends.await;
    }
}

/// Why the start could not take over what was left.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// A change failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A look failed.
    #[error(transparent)]
    Db(#[from] DbError),
}
