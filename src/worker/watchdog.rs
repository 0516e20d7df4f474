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

/// How far the clocks may come apart between two looks, in milliseconds, without a break.
const APART_MS: u64 = 5_000;

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
        let since = listening.look(now, Instant::now());
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

/// How long producers have been listened to.
///
/// Their silence is counted by the wall clock, since it spans processes. Where that clock and the one
/// that only goes on come apart, it was set, or the machine slept: nobody could be heard then, and
/// that is no silence.
#[derive(Debug)]
struct Listening {
    /// Since when without a break, in UTC milliseconds.
    since: i64,
    /// Both clocks at the last look.
    looked_at: (i64, Instant),
}

impl Listening {
    const fn begin(wall: i64, clock: Instant) -> Self {
        Self { since: wall, looked_at: (wall, clock) }
    }

    /// Since when, at the moment that both clocks show.
    fn look(&mut self, wall: i64, clock: Instant) -> i64 {
        let (wall_before, clock_before) = self.looked_at;
        self.looked_at = (wall, clock);
        let passed = clock.saturating_duration_since(clock_before).as_millis();
        let passed = i64::try_from(passed).unwrap_or(i64::MAX);
        if wall.saturating_sub(wall_before).abs_diff(passed) > APART_MS {
            self.since = wall;
        }
        self.since
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

    #[test]
    fn time_that_a_machine_sleeps_is_no_silence() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut listening = Listening::begin(1_000_000, at(0));
        assert_eq!(listening.look(1_001_000, at(1)), 1_000_000);
        // Looks that are late for other reasons are looks all the same.
        assert_eq!(listening.look(1_091_000, at(91)), 1_000_000);
        // Asleep for an hour; then the clock is set back.
        assert_eq!(listening.look(4_692_000, at(92)), 4_692_000);
        assert_eq!(listening.look(4_693_000, at(93)), 4_692_000);
        assert_eq!(listening.look(94_000, at(94)), 94_000);
    }
}
