//! How long to wait before trying again, as data.
//!
//! A retry policy is an iterator of delays; nothing here sleeps or loops. Delays grow
//! exponentially up to a ceiling and are then jittered over their whole range ("full jitter"): a
//! fleet that failed together comes back spread out. The jitter is applied after the ceiling, since
//! jitter applied before it lets every waiter meet again at the ceiling.
//!
//! What a server says by `Retry-After` is a floor under such a delay: see [`no_sooner_than`].

use std::ops::Range;
use std::time::{Duration, SystemTime};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// The longest wait that a server's `Retry-After` can ask of us; a longer one is shortened to this. A
/// day is what providers' daily limits say. How long a job waits at all is for its time limit.
pub const LONGEST_HINT: Duration = Duration::from_secs(24 * 3600);

/// How often, and how far apart, something is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The longest first delay; each next one may be twice as long.
    pub first: Duration,
    /// What no delay exceeds.
    pub ceiling: Duration,
    /// How many delays there are, thus how many further tries; `None` goes on for ever.
    pub retries: Option<usize>,
}

impl Policy {
    /// The delays before each further try, drawn anew for each call.
    #[must_use]
    pub fn delays(&self) -> Delays {
        let steps = ExponentialBuilder::new()
            .with_factor(2.0)
            .with_min_delay(self.first)
            .with_max_delay(self.ceiling);
        Delays {
            steps: match self.retries {
                Some(retries) => steps.with_max_times(retries).build(),
                None => steps.without_max_times().build(),
            },
        }
    }
}

/// The delays of a [`Policy`], each between zero and its step.
#[derive(Debug)]
pub struct Delays {
    steps: ExponentialBackoff,
}

impl Iterator for Delays {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let step = self.steps.next()?;
        Some(jitter(Duration::ZERO..step))
    }
}

/// A random duration from the range, to the nanosecond; the start of it when the range is empty.
#[must_use]
pub fn jitter(range: Range<Duration>) -> Duration {
    let width = range.end.saturating_sub(range.start);
    let width = u64::try_from(width.as_nanos()).unwrap_or(u64::MAX);
    if width == 0 {
        return range.start;
    }
    range.start + Duration::from_nanos(fastrand::u64(..width))
}

/// A delay that respects a server's hint: at least the hint, and up to a fifth more, so that all who
/// were given the same hint do not come back in the same instant.
#[must_use]
pub fn no_sooner_than(delay: Duration, hint: Option<Duration>) -> Duration {
    match hint {
        Some(hint) => delay.max(jitter(hint..hint + hint / 5)),
        None => delay,
    }
}

/// Reads the value of `Retry-After`: whole seconds or an HTTP date (RFC 9110 § 10.2.3), from zero
/// to [`LONGEST_HINT`]. `now` is what a date counts from; one in the past means "at once". `None` for
/// anything else, as if the header were absent.
#[must_use]
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // Only overflow can fail here, and that is a long time.
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let at = httpdate::parse_http_date(value).ok()?;
        at.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(LONGEST_HINT))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn policy(retries: Option<usize>) -> Policy {
        Policy { first: SECOND, ceiling: 8 * SECOND, retries }
    }

    #[test]
    fn delays_double_up_to_the_ceiling_and_are_spread_over_their_whole_range() {
        let mut longest = [Duration::ZERO; 6];
        let mut shortest = [Duration::MAX; 6];
        for _ in 0..2_000 {
            for (at, delay) in policy(Some(6)).delays().enumerate() {
                longest[at] = longest[at].max(delay);
                shortest[at] = shortest[at].min(delay);
            }
        }
        for (at, seconds) in [1, 2, 4, 8, 8, 8].into_iter().enumerate() {
            let step = seconds * SECOND;
            assert!(longest[at] <= step && longest[at] > step * 9 / 10, "{longest:?}");
            assert!(shortest[at] < step / 10, "{shortest:?}");
        }
    }

    #[test]
    fn a_policy_ends_after_its_retries_and_goes_on_for_ever_without() {
        assert_eq!(policy(Some(3)).delays().count(), 3);
        assert_eq!(policy(Some(0)).delays().count(), 0);
        assert_eq!(policy(None).delays().take(500).count(), 500);
    }

    #[test]
    fn jitter_stays_inside_its_range_and_an_empty_range_is_its_start() {
        for _ in 0..1_000 {
            let drawn = jitter(SECOND..2 * SECOND);
            assert!(drawn >= SECOND && drawn < 2 * SECOND);
        }
        assert_eq!(jitter(SECOND..SECOND), SECOND);
        assert_eq!(jitter(Range { start: 2 * SECOND, end: SECOND }), 2 * SECOND);
    }

    #[test]
    fn a_hint_is_a_floor_and_is_spread_too() {
        assert_eq!(no_sooner_than(SECOND, None), SECOND);
        assert_eq!(no_sooner_than(60 * SECOND, Some(10 * SECOND)), 60 * SECOND);
        for _ in 0..1_000 {
            let wait = no_sooner_than(SECOND, Some(10 * SECOND));
            assert!(wait >= 10 * SECOND && wait < 12 * SECOND);
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_is_clamped() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let read = |value| retry_after(value, now).map(|wait| wait.as_secs());
        assert_eq!(read("17"), Some(17));
        assert_eq!(read(" 0 "), Some(0));
        assert_eq!(read("86400"), Some(86_400));
        assert_eq!(read("99999999999999999999999999"), Some(86_400));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:47 GMT"), Some(10));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:07 GMT"), Some(0));
        assert_eq!(read("Sat, 06 Nov 2094 08:49:37 GMT"), Some(86_400));
        for junk in ["", "soon", "-1", "1.5", "+3", "Sun, 99 Nov 1994 08:49:47 GMT"] {
            assert_eq!(read(junk), None, "{junk:?}");
        }
    }
}
