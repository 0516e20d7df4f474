//! How long to wait before a provider is asked again.

use std::time::Duration;

use crate::backoff::jitter;
use crate::catalog::Polling;

/// How long before a poll that only looks whether a callback was lost: longer than most work takes.
const SAFETY_NET: Duration = Duration::from_secs(90);

/// The longest time between two of those.
const LONGEST_NET: Duration = Duration::from_secs(300);

/// The waits between polls of one piece of work.
///
/// Each lies between the policy's first interval and a step that doubles up to its ceiling, spread
/// over the whole of it, so that work that was started together is not polled together.
#[derive(Debug)]
pub(super) struct Pace {
    polling: Polling,
    /// Whether the provider calls back: then polls are a safety net.
    is_called_back: bool,
    /// Whether the next wait is a short one.
    is_soon: bool,
    step: Duration,
}

impl Pace {
    pub(super) fn new(polling: Polling, is_called_back: bool) -> Self {
        Self { step: polling.first, polling, is_called_back, is_soon: false }
    }

    /// The next wait, for a provider at its real speed. `ahead` is how many are in front of the
    /// work in the provider's own queue.
    pub(super) fn next(&mut self, ahead: Option<u32>) -> Duration {
        let Polling { first, ceiling, per_position } = self.polling;
        if std::mem::take(&mut self.is_soon) {
            return jitter(first..first * 2);
        }
        if let Some(ahead) = ahead.filter(|_| !per_position.is_zero()) {
            // Nothing can be ready before those in front are.
            let wait = (first + per_position.saturating_mul(ahead)).min(ceiling.max(first));
            return self.rarer(jitter(wait..wait + wait / 4));
        }
        self.step = self.step.saturating_mul(2).min(ceiling.max(first));
        self.rarer(jitter(first..self.step))
    }

    /// The next wait is a short one, whatever the policy says: there is reason to look.
    pub(super) fn hurry(&mut self) {
        self.is_soon = true;
    }

    fn rarer(&self, wait: Duration) -> Duration {
        if !self.is_called_back {
            return wait;
        }
        (SAFETY_NET + wait).min(LONGEST_NET)
    }
}

/// About how many polls work of this length takes at a provider that does not call back.
pub(super) fn polls_within(polling: Polling, length: Duration) -> u64 {
    let mut pace = Pace::new(polling, false);
    let (mut at, mut polls) = (pace.next(None), 1);
    while at < length {
        at += pace.next(None).max(Duration::from_millis(100));
        polls += 1;
    }
    polls
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn replicate() -> Polling {
        Polling { first: 5 * SECOND, ceiling: 30 * SECOND, per_position: Duration::ZERO }
    }

    #[test]
    fn what_a_callback_saves_is_counted_by_the_usual_pace() {
        assert_eq!(polls_within(replicate(), Duration::ZERO), 1);
        let polls = polls_within(replicate(), 60 * SECOND);
        // Between one each 30 s and one each 5 s.
        assert!((3..=13).contains(&polls), "{polls}");
    }

    /// How many polls it takes to see the end of work of this length.
    fn polls(mut pace: Pace, length: Duration) -> u32 {
        let (mut at, mut count) = (Duration::ZERO, 0);
        while at < length {
            at += pace.next(None);
            count += 1;
        }
        count
    }

    #[test]
    fn waits_grow_from_the_first_to_the_ceiling_and_are_never_shorter_than_the_first() {
        let mut longest = [Duration::ZERO; 6];
        for _ in 0..500 {
            let mut pace = Pace::new(replicate(), false);
            for longest in &mut longest {
                let wait = pace.next(None);
                assert!((5 * SECOND..30 * SECOND).contains(&wait), "{wait:?}");
                *longest = wait.max(*longest);
            }
        }
        for (longest, step) in longest.into_iter().zip([10, 20, 30, 30, 30, 30]) {
            assert!(longest < step * SECOND && longest > step * SECOND * 4 / 5, "{longest:?}");
        }
    }

    #[test]
    fn a_minute_of_work_takes_at_most_two_fifths_of_the_polls_of_every_two_seconds() {
        let mean = (0..200).map(|_| polls(Pace::new(replicate(), false), 60 * SECOND)).sum::<u32>();
        assert!(f64::from(mean) / 200.0 <= 0.4 * 30.0, "{mean}");
    }

    #[test]
    fn work_that_is_called_back_is_not_polled_before_a_minute_and_a_half() {
        let mut pace = Pace::new(replicate(), true);
        assert!(pace.next(None) >= 90 * SECOND);
        pace.hurry();
        assert!(pace.next(None) < 10 * SECOND);
    }

    #[test]
    fn a_long_queue_at_the_provider_is_asked_about_less_often() {
        let polling = Polling { first: 2 * SECOND, ceiling: 10 * SECOND, per_position: SECOND };
        let mut pace = Pace::new(polling, false);
        assert!((2 * SECOND..3 * SECOND).contains(&pace.next(Some(0))));
        assert!((7 * SECOND..9 * SECOND).contains(&pace.next(Some(5))));
        assert!(pace.next(Some(1_000)) <= 13 * SECOND);
    }
}
