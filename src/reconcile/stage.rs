//! How often a job is looked at, by its stage. Pollers are told the same intervals.

use std::time::Duration;

use crate::job::Status;

/// The time until a job should be looked at again.
///
/// `elapsed` is the time since its current attempt started. A job with a narration is looked at
/// most often, since its last file decides whether a page can play.
#[must_use]
pub fn interval(status: Status, elapsed: Duration, has_voiceover: bool) -> Duration {
    let milliseconds = match status {
        Status::Running | Status::Completed if has_voiceover => 200,
        Status::Pending => 1000,
        Status::Running if elapsed < Duration::from_secs(30) => 300,
        Status::Running if elapsed < Duration::from_secs(120) => 500,
        Status::Running => 1000,
        Status::Completed | Status::Failed | Status::Canceled => 500,
    };
    Duration::from_millis(milliseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(status: Status, seconds: u64, has_voiceover: bool) -> u128 {
        interval(status, Duration::from_secs(seconds), has_voiceover).as_millis()
    }

    #[test]
    fn a_voiceover_job_is_looked_at_five_times_a_second() {
        assert_eq!(milliseconds(Status::Running, 500, true), 200);
        assert_eq!(milliseconds(Status::Completed, 0, true), 200);
    }

    #[test]
    fn a_pending_job_is_looked_at_once_a_second() {
        assert_eq!(milliseconds(Status::Pending, 0, false), 1000);
        assert_eq!(milliseconds(Status::Pending, 0, true), 1000);
    }

    #[test]
    fn the_first_half_minute_is_quick() {
        assert_eq!(milliseconds(Status::Running, 29, false), 300);
    }

    #[test]
    fn up_to_two_minutes_is_slower() {
        assert_eq!(milliseconds(Status::Running, 30, false), 500);
        assert_eq!(milliseconds(Status::Running, 119, false), 500);
    }

    #[test]
    fn a_long_run_is_looked_at_once_a_second() {
        assert_eq!(milliseconds(Status::Running, 120, false), 1000);
    }

    #[test]
    fn an_ended_job_is_looked_at_twice_a_second() {
        assert_eq!(milliseconds(Status::Completed, 0, false), 500);
        assert_eq!(milliseconds(Status::Failed, 0, true), 500);
        assert_eq!(milliseconds(Status::Canceled, 0, false), 500);
    }
}
