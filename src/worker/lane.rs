//! One lane's jobs: permits first, then a claim, then a run.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::db::permits::Permit;
use crate::event::payload::End;
use crate::telemetry::trace::job_span;

use super::makers::Maker;
use super::{Run, Workshop};

/// How often an idle lane looks at the queue by itself: a job that a process gave back in the
/// database alone is found too.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// A line in which jobs wait.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    pub(super) name: String,
    /// The provider that makes its media; nothing for text and speech.
    pub(super) maker: Option<Arc<Maker>>,
    /// What a job in it needs, in the order in which it is taken.
    pub(super) permits: Vec<Arc<Semaphore>>,
    /// What it needs of pools that bound all nodes of a cluster together.
    pub(super) pools: Vec<Permit>,
}

impl Lane {
    /// Takes jobs out of the queue and runs them, until it is told to stop.
    pub(super) async fn run(
        self,
        workshop: Workshop,
        runs: TaskTracker,
        draining: CancellationToken,
    ) {
        let submitted = workshop.queue.lane(&self.name);
        loop {
            let permits = tokio::select! {
                permits = self.permits() => permits,
                () = draining.cancelled() => return,
            };
            // Registered before the claim: a submit in between is not slept through.
            let submitted = submitted.notified();
            tokio::pin!(submitted);
            submitted.as_mut().enable();
            match workshop.queue.claim(&self.name, &self.pools).await {
                Ok(Some(claimed)) => {
                    let run = Run::new(workshop.clone(), claimed, permits, draining.clone());
                    let span = job_span(run.claimed.job.id.as_str(), "run");
                    runs.spawn(supervise(run).instrument(span));
                    continue;
                }
                Ok(None) => drop(permits),
                Err(error) => {
                    drop(permits);
                    tracing::warn!(lane = self.name, %error, "cannot claim a job");
                }
            }
            tokio::select! {
                () = submitted => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                () = draining.cancelled() => return,
            }
        }
    }

    /// Everything that the next job needs; waits while its provider is paused.
    async fn permits(&self) -> Vec<OwnedSemaphorePermit> {
        loop {
            if let Some(maker) = &self.maker {
                maker.gate.open().await;
            }
            let mut held = Vec::with_capacity(self.permits.len());
            for permits in &self.permits {
                held.extend(Arc::clone(permits).acquire_owned().await);
            }
            // The jobs that held them may be why the provider is paused now.
            if self.maker.as_ref().is_none_or(|maker| maker.gate.is_open()) {
                return held;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider;
    use crate::worker::makers::tests::makers;

    #[tokio::test(start_paused = true)]
    async fn a_provider_that_is_paused_while_a_job_waits_for_a_permit_gets_no_job() {
        let makers = makers(1);
        let lane = makers.lanes().into_iter().find(|lane| lane.name == "fal").unwrap();
        let maker = lane.maker.clone().unwrap();
        let held = lane.permits().await;
        let fails_at_last = async {
            for _ in 0..5 {
                maker.gate.note(&Err::<(), _>(provider::Error::Broken { message: "no".into() }));
            }
            drop(held);
        };
        let began = tokio::time::Instant::now();
        futures_util::future::join(lane.permits(), fails_at_last).await;
        assert!(began.elapsed() >= Duration::from_secs(30));
    }
}
