//! One provider's jobs: a permit first, then a claim, then a run.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::event::payload::End;

use super::{Run, Workshop};

/// How often an idle lane looks at the queue by itself: a job that a process gave back in the
/// database alone is found too.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// The loop that takes a provider's jobs out of the queue.
pub(super) struct Lane {
    pub(super) workshop: Workshop,
    pub(super) provider: &'static str,
    pub(super) permits: Arc<Semaphore>,
    pub(super) runs: TaskTracker,
}

impl Lane {
    pub(super) async fn run(self, draining: CancellationToken) {
        while !draining.is_cancelled() {
            let permit = tokio::select! {
                permit = Arc::clone(&self.permits).acquire_owned() => permit,
                () = draining.cancelled() => return,
            };
            let Ok(permit) = permit else { return };
            // Registered before the claim: a submit in between is not slept through.
            let submitted = self.workshop.queue.submitted();
            tokio::pin!(submitted);
            submitted.as_mut().enable();
            match self.workshop.queue.claim(self.provider).await {
                Ok(Some(claimed)) => {
                    let run = Run::new(self.workshop.clone(), claimed, permit, draining.clone());
                    self.runs.spawn(supervise(run));
                }
                Ok(None) => {
                    drop(permit);
                    tokio::select! {
                        () = submitted => {}
                        () = tokio::time::sleep(LOOK_AGAIN) => {}
                        () = draining.cancelled() => return,
                    }
                }
                Err(error) => {
                    tracing::warn!(provider = self.provider, %error, "cannot claim a job");
                    tokio::select! {
                        () = tokio::time::sleep(LOOK_AGAIN) => {}
                        () = draining.cancelled() => return,
                    }
                }
            }
        }
    }
}

/// Runs a job, and ends it when its worker panics: no stream stays open over a job that nobody
/// runs.
async fn supervise(run: Run) {
    let (queue, log) = (run.workshop.queue.clone(), Arc::clone(&run.claimed.log));
    let attempt = run.attempt();
    let Err(panic) = tokio::spawn(run.finish_job()).await else { return };
    tracing::error!(job = %log.job, %panic, "a worker panicked");
    let end = End::failed("internal", "the worker failed by its own fault", true);
    if let Err(error) = queue.end(&log, Some(attempt), end).await {
        tracing::error!(job = %log.job, %error, "cannot end the job of a worker that panicked");
    }
}
