//! How many requests everybody makes a second.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use governor::clock::{Clock, MonotonicClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

use super::Who;

/// How many are remembered before those who were quiet are forgotten for the first time.
const ROOM: usize = 1 << 10;

/// A rate for each of many.
///
/// Who made no request for as long as a burst takes to come back is as good as unknown. They are
/// forgotten whenever there are twice as many as were left the last time, so that this costs a
/// request nothing on average, and takes room for those who are active only.
#[derive(Debug)]
pub(super) struct Rate {
    limiter: RateLimiter<Who, HashMapStateStore<Who>, MonotonicClock>,
    tidy_at: AtomicUsize,
}

impl Rate {
    /// So many a second, and twice that at once after a pause.
    pub(super) fn per_second(most: NonZeroU32) -> Self {
        let quota = Quota::per_second(most).allow_burst(most.saturating_mul(TWO));
        let limiter = RateLimiter::new(quota, HashMapStateStore::default(), MonotonicClock);
        Self { limiter, tidy_at: AtomicUsize::new(ROOM) }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// After how long the next one is within the rate.
    pub(super) fn check(&self, who: &Who) -> Result<(), Duration> {
        let checked = self.limiter.check_key(who);
        if self.limiter.len() >= self.tidy_at.load(Ordering::Relaxed) {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
            self.tidy_at.store(ROOM.max(2 * self.limiter.len()), Ordering::Relaxed);
        }
        checked.map_err(|early| early.wait_time_from(self.limiter.clock().now()))
    }
}

const TWO: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn key(name: &str) -> Who {
        Who::Key(Arc::from(name))
    }

    #[test]
    fn who_is_over_his_rate_is_told_when_to_come_and_nobody_else_is() {
        let rate = Rate::per_second(NonZeroU32::MIN);
        assert_eq!([rate.check(&key("a")), rate.check(&key("a"))], [Ok(()), Ok(())]);
        let wait = rate.check(&key("a")).unwrap_err();
        assert!(wait <= Duration::from_secs(1), "{wait:?}");
        assert_eq!(rate.check(&key("b")), Ok(()));
    }

    #[test]
    fn those_who_are_quiet_are_forgotten() {
        // A burst comes back in two nanoseconds: whoever asked is quiet at once.
        let rate = Rate::per_second(NonZeroU32::new(1_000_000_000).unwrap());
        for number in 0..20 * ROOM {
            rate.check(&key(&number.to_string())).unwrap();
        }
        assert!(rate.limiter.len() < 2 * ROOM, "{}", rate.limiter.len());
    }
}
