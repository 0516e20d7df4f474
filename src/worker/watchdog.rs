//! Ends external jobs whose worker has gone silent, so that no stream stays open over a job that
//! nobody runs.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::event::now_ms;
use crate::event::payload::End;
use crate::job::Job;
use crate::queue::Queue;

/// How often silence is looked for.
const LOOK: Duration = Duration::from_secs(1);

/// How many silent jobs are ended at a time.
const BATCH: u32 = 100;

/// By how much the time of day may move against the monotonic clock between two looks, in
/// milliseconds: the shortest limit there is. A clock that is steered moves far less.
const STEP_MS: i64 = 1_000;

/// Since when silence counts.
///
/// Rows have the time of day, and that can be set: an hour forward, and every producer would have been
/// silent for an hour. So whenever it moves otherwise than time passes, listening begins anew.
#[derive(Debug)]
struct Listening {
    since: i64,
    /// The time of day at the last look, and when that was.
    last: (i64, Instant),
}

impl Listening {
    const fn begin(now: i64, at: Instant) -> Self {
        Self { since: now, last: (now, at) }
    }

    /// Since when silence counts, in UTC milliseconds, at this time of day and this instant.
    fn since(&mut self, now: i64, at: Instant) -> i64 {
        let (before, then) = std::mem::replace(&mut self.last, (now, at));
        let passed = i64::try_from((at - then).as_millis()).unwrap_or(i64::MAX / 2);
        if (now - before - passed).abs() > STEP_MS {
            tracing::warn!(
                by_ms = now - before - passed,
                "the clock was set: silence counts from now"
            );
            self.since = now;
        }
        self.since
    }
}

/// Looks until it is told to stop.
pub(super) async fn run(queue: Queue, limit: Duration, stop: CancellationToken) {
    let limit_ms = i64::try_from(limit.as_millis()).unwrap_or(i64::MAX / 2);
    let mut listening = Listening::begin(now_ms(), Instant::now());
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        let now = now_ms();
        let since = listening.since(now, Instant::now());
        if !queue.store().keeps() {
            continue;
        }
        match queue.store().db().silent_jobs(now, since, limit_ms, BATCH).await {
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_000_000_000;
    const HOUR: i64 = 3_600_000;

    /// Found by `scripts/chaos --seed 11`: an hour forward ended every external job as silent.
    #[test]
    fn a_clock_that_is_set_is_no_silence() {
        let start = Instant::now();
        let mut listening = Listening::begin(NOW, start);
        let second = |n| start + Duration::from_secs(n);
        assert_eq!(listening.since(NOW + 1_000, second(1)), NOW);
        // A look that comes late, and a clock that is steered.
        assert_eq!(listening.since(NOW + 9_300, second(9)), NOW);
        let forward = NOW + HOUR + 10_000;
        assert_eq!(listening.since(forward, second(10)), forward);
        assert_eq!(listening.since(forward + 1_000, second(11)), forward);
        let back = NOW + 12_000;
        assert_eq!(listening.since(back, second(12)), back);
    }
}
