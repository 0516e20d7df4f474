//! Ends external jobs whose worker has gone silent, so that no stream stays open over a job that
//! nobody runs.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::event::now_ms;
use crate::event::payload::End;
use crate::job::Job;
use crate::queue::Queue;

/// How often silence is looked for.
const LOOK: Duration = Duration::from_secs(1);

/// How many silent jobs are ended at a time.
const BATCH: u32 = 100;

/// Looks until it is told to stop.
pub(super) async fn run(queue: Queue, limit: Duration, stop: CancellationToken) {
    let limit_ms = i64::try_from(limit.as_millis()).unwrap_or(i64::MAX / 2);
    let since = now_ms();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        match queue.store().db().silent_jobs(now_ms(), since, limit_ms, BATCH).await {
            Ok(jobs) => {
                for job in jobs {
                    end_silent(&queue, &job, limit_ms).await;
                }
            }
            Err(error) => tracing::debug!(%error, "cannot look for silent jobs"),
        }
    }
}

async fn end_silent(queue: &Queue, job: &Job, default_limit_ms: i64) {
    let log = match queue.store().open(&job.id).await {
        Ok(Some(log)) => log,
        Ok(None) => return,
        Err(error) => return tracing::debug!(job = %job.id, %error, "cannot load a silent job"),
    };
    // Events that are not committed yet are not silence.
    if log.last() > job.last_event_id {
        return;
    }
    let seconds = job.silence_limit_ms.unwrap_or(default_limit_ms) / 1000;
    let message = format!("the producer has sent no event for {seconds} s");
    match queue.end(&log, None, End::failed("producer_silent", message, true)).await {
        Ok(_) => tracing::info!(job = %job.id, seconds, "ended a job whose producer is silent"),
        Err(error) => tracing::warn!(job = %job.id, %error, "cannot end a silent job"),
    }
}
