//! How the hosts are that are told: one that does not answer is left alone for a while.
//!
//! A circuit breaker for each endpoint (scheme, host and port). After some failures in a row it is
//! open: nothing is sent there, and no delivery loses a try. At growing intervals one delivery is let
//! through; when that is heard, all are. This is known in memory only: a new process finds it out
//! again.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::backoff;

/// How many failures in a row open the circuit.
const FAILURES: u32 = 5;

/// How many are sent to one endpoint at once.
const AT_ONCE: usize = 2;

/// About how long an endpoint is left alone first; each time twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(30);

/// About how long at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// What is known of an endpoint is forgotten when it was not asked for this long.
const MEMORY: Duration = Duration::from_secs(2 * 3600);

/// Every endpoint of which there is anything to know.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    known: HashMap<String, Endpoint>,
}

#[derive(Debug)]
struct Endpoint {
    in_flight: usize,
    /// How many times in a row it did not answer.
    failures: u32,
    /// The length of the pause that runs or ran last.
    pause: Duration,
    /// When the next one is let through, while the circuit is open.
    resumes_at: Instant,
    /// When anything was last sent there.
    used_at: Instant,
}

impl Endpoint {
    fn is_open(&self) -> bool {
        self.failures >= FAILURES
    }

    fn has_room(&self, now: Instant) -> bool {
        if self.is_open() {
            self.in_flight == 0 && now >= self.resumes_at
        } else {
            self.in_flight < AT_ONCE
        }
    }
}

impl Endpoints {
    /// Lets one delivery through, if there is room.
    pub(super) fn enter(&mut self, name: &str, now: Instant) -> bool {
        let endpoint = self.known.entry(name.to_owned()).or_insert(Endpoint {
            in_flight: 0,
            failures: 0,
            pause: Duration::ZERO,
            resumes_at: now,
            used_at: now,
        });
        let has_room = endpoint.has_room(now);
        if has_room {
            endpoint.in_flight += 1;
            endpoint.used_at = now;
        }
        has_room
    }

    /// Notes that a delivery is back, and whether the endpoint answered; nothing where that was not
    /// found out. Says whether the circuit is open now.
    pub(super) fn leave(&mut self, name: &str, answered: Option<bool>, now: Instant) -> bool {
        let Some(endpoint) = self.known.get_mut(name) else { return false };
        endpoint.in_flight -= 1;
        match answered {
            None => {}
            Some(true) => (endpoint.failures, endpoint.pause) = (0, Duration::ZERO),
            Some(false) => {
                endpoint.failures = endpoint.failures.saturating_add(1);
                // Of several that fail together, one opens it.
                if endpoint.is_open() && now >= endpoint.resumes_at {
                    endpoint.pause = (endpoint.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
                    let pause = endpoint.pause;
                    endpoint.resumes_at = now + backoff::jitter(pause * 4 / 5..pause * 6 / 5);
                }
            }
        }
        let is_open = endpoint.is_open();
        self.known.retain(|_, endpoint| {
            endpoint.in_flight > 0
                || (endpoint.failures > 0 && now.duration_since(endpoint.used_at) < MEMORY)
        });
        is_open
    }

    /// Lets the next one through at once, whatever is known.
    pub(super) fn try_now(&mut self, name: &str, now: Instant) {
        if let Some(endpoint) = self.known.get_mut(name) {
            endpoint.resumes_at = now;
        }
    }

    /// Those that nothing is sent to at the moment.
    pub(super) fn without_room(&self, now: Instant) -> Vec<String> {
        let without = self.known.iter().filter(|(_, endpoint)| !endpoint.has_room(now));
        without.map(|(name, _)| name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "https://a.example";

    /// Sends one and has it fail or be answered; whether the circuit is open then.
    fn once(endpoints: &mut Endpoints, answered: bool, now: Instant) -> bool {
        assert!(endpoints.enter(A, now));
        endpoints.leave(A, Some(answered), now)
    }

    #[test]
    fn few_are_sent_to_one_endpoint_at_once() {
        let (mut endpoints, now) = (Endpoints::default(), Instant::now());
        assert!(endpoints.enter(A, now) && endpoints.enter(A, now));
        assert!(!endpoints.enter(A, now));
        assert_eq!(endpoints.without_room(now), [A]);
        assert!(endpoints.enter("https://b.example", now));
        endpoints.leave(A, None, now);
        assert!(endpoints.enter(A, now));
    }

    #[test]
    fn failures_in_a_row_open_the_circuit_and_an_answer_closes_it() {
        let (mut endpoints, mut now) = (Endpoints::default(), Instant::now());
        for _ in 1..FAILURES {
            assert!(!once(&mut endpoints, false, now));
        }
        assert!(!once(&mut endpoints, true, now), "an answer in between begins the count anew");
        for failure in 1..=FAILURES {
            assert_eq!(once(&mut endpoints, false, now), failure == FAILURES);
        }
        // Nothing goes through, then one at growing intervals.
        let mut pause = FIRST_PAUSE;
        for _ in 0..8 {
            assert!(!endpoints.enter(A, now + pause * 79 / 100), "{pause:?}");
            assert_eq!(endpoints.without_room(now), [A]);
            now += pause * 6 / 5;
            assert!(endpoints.enter(A, now));
            assert!(!endpoints.enter(A, now), "one is enough to know");
            assert!(endpoints.leave(A, Some(false), now));
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        now += LONGEST_PAUSE * 6 / 5;
        assert!(!once(&mut endpoints, true, now));
        assert!(endpoints.enter(A, now) && endpoints.enter(A, now));
    }

    #[test]
    fn two_that_fail_together_are_one_reason_to_wait() {
        let (mut endpoints, now) = (Endpoints::default(), Instant::now());
        for _ in 2..FAILURES {
            once(&mut endpoints, false, now);
        }
        assert!(endpoints.enter(A, now) && endpoints.enter(A, now));
        endpoints.leave(A, Some(false), now);
        endpoints.leave(A, Some(false), now);
        assert!(endpoints.enter(A, now + FIRST_PAUSE * 6 / 5));
    }

    #[test]
    fn who_knows_better_is_let_through() {
        let (mut endpoints, now) = (Endpoints::default(), Instant::now());
        for _ in 0..FAILURES {
            once(&mut endpoints, false, now);
        }
        endpoints.try_now(A, now);
        assert!(endpoints.enter(A, now));
    }

    #[test]
    fn nothing_is_kept_of_those_who_are_well_or_long_gone() {
        let (mut endpoints, now) = (Endpoints::default(), Instant::now());
        once(&mut endpoints, true, now);
        assert!(endpoints.known.is_empty());
        once(&mut endpoints, false, now);
        assert!(endpoints.enter("https://b.example", now));
        endpoints.leave("https://b.example", Some(true), now + MEMORY);
        assert!(endpoints.known.is_empty());
    }
}
