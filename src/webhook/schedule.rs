//! When a delivery is tried again.

use std::time::Duration;

use crate::backoff;

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;

/// About how long to wait before each further try: eleven tries over a good day.
pub const DELAYS: [Duration; 10] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(2 * MINUTE),
    Duration::from_secs(10 * MINUTE),
    Duration::from_secs(30 * MINUTE),
    Duration::from_secs(HOUR),
    Duration::from_secs(2 * HOUR),
    Duration::from_secs(4 * HOUR),
    Duration::from_secs(8 * HOUR),
    Duration::from_secs(12 * HOUR),
];

/// The longest wait that a receiver's `Retry-After` can ask of us.
const LONGEST_HINT: Duration = Duration::from_secs(12 * HOUR);

/// How long to wait after the attempt `step`, counted from 0: a fifth less or more than the table
/// says, and no shorter than the receiver asks. Nothing after the last one.
pub(super) fn delay(
    delays: &[Duration],
    step: u32,
    retry_after: Option<Duration>,
) -> Option<Duration> {
    let delay = *delays.get(usize::try_from(step).ok()?)?;
    let jittered = backoff::jitter(delay * 4 / 5..delay * 6 / 5);
    Some(backoff::no_sooner_than(jittered, retry_after.map(|hint| hint.min(LONGEST_HINT))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tries_are_spread_over_a_good_day() {
        let hours = DELAYS.iter().sum::<Duration>().as_secs() / HOUR;
        assert!((24..30).contains(&hours), "{hours}");
        assert!(DELAYS.is_sorted());
    }

    #[test]
    fn a_delay_is_a_fifth_off_at_most_and_the_last_try_has_none() {
        for (step, usual) in (0_u32..).zip(DELAYS) {
            for _ in 0..100 {
                let drawn = delay(&DELAYS, step, None).unwrap();
                assert!(drawn >= usual * 4 / 5 && drawn < usual * 6 / 5, "{step}: {drawn:?}");
            }
        }
        assert_eq!(delay(&DELAYS, 10, None), None);
        assert_eq!(delay(&DELAYS, 10, Some(Duration::from_secs(1))), None);
        assert_eq!(delay(&DELAYS, u32::MAX, None), None);
    }

    #[test]
    fn a_receiver_may_ask_for_more_time_within_a_bound() {
        let ask = |seconds| delay(&DELAYS, 0, Some(Duration::from_secs(seconds))).unwrap();
        assert!(ask(1) < Duration::from_secs(6));
        assert!((Duration::from_secs(100)..Duration::from_secs(120)).contains(&ask(100)));
        assert!(ask(1_000_000) <= LONGEST_HINT * 6 / 5);
    }
}
