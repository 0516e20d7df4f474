//! When a provider may be asked again, and how well it is.
//!
//! One gate stands before each provider, for all of its jobs: what one request learns (a
//! `Retry-After`, a failure) holds for the others too.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use serde::Serialize;
use tokio::time::{Instant, sleep, sleep_until};
use utoipa::ToSchema;

use crate::backoff::jitter;
use crate::provider;

/// How many requests in a row have to fail before a provider is paused.
const FAULTS: u32 = 5;

/// How long a provider is paused first, and at most; each pause is twice as long as the one before.
const PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// For how long after its newest failure a provider is said to be failing: whoever chooses one by its
/// health would not find out that it is well again.
const FAILING: Duration = Duration::from_secs(60);

/// Starts closer than this count as several together.
const TOGETHER: Duration = Duration::from_millis(500);

/// How often a start looks again for its place under the rate.
const RATE_LOOK: Duration = Duration::from_millis(20);

/// How a gate behaves.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    /// How many starts a minute the provider takes.
    pub(super) starts_per_minute: Option<std::num::NonZeroU32>,
    /// Over how long several starts are spread.
    pub(super) start_jitter: Duration,
    /// How many times faster than a real provider this one is: pauses are that much shorter.
    pub(super) speed: f64,
}

/// How well a provider is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Health {
    /// `ok`, `limited` (it asked us to wait), `failing`, or `paused` (no job is started).
    pub status: &'static str,
    /// In how many milliseconds it is asked again, where it is limited or paused.
    pub resumes_in_ms: Option<u64>,
    /// How many of its answers in a row were failures.
    pub failures: u32,
    /// The code of the newest failure, while it lasts.
    pub reason: Option<&'static str>,
}

/// The gate before one provider.
#[derive(Debug)]
pub(super) struct Gate {
    options: Options,
    rate: Option<DefaultDirectRateLimiter>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The provider asked not to be asked before.
    not_before: Option<Instant>,
    /// Over how long those who waited for that come back.
    spread: Duration,
    paused_until: Option<Instant>,
    /// Failures in a row.
    faults: u32,
    /// Whether some of them were starts: then only a start shows that it is well again. Without
    /// funds, or with its queue broken, a provider still answers polls.
    starts_fail: bool,
    newest_fault: Option<Instant>,
    /// Pauses in a row.
    pauses: u32,
    reason: Option<&'static str>,
    last_start: Option<Instant>,
}

impl Gate {
    pub(super) fn new(options: Options) -> Self {
        let rate = options.starts_per_minute.map(|starts| {
            // One at a time: a burst would be over the limit in any window but the first.
            RateLimiter::direct(Quota::per_minute(starts).allow_burst(std::num::NonZeroU32::MIN))
        });
        Self { options, rate, state: Mutex::default() }
    }

    /// Waits until the provider may be asked anything.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(super) async fn ready(&self) {
        loop {
            let (until, spread) = {
                let state = self.lock();
                match state.not_before.filter(|until| *until > Instant::now()) {
                    Some(until) => (until, state.spread),
                    None => return,
                }
            };
            sleep_until(until + jitter(Duration::ZERO..spread)).await;
        }
    }

    /// Whether the provider may be asked anything now.
    pub(super) fn is_ready(&self) -> bool {
        self.lock().not_before.is_none_or(|until| until <= Instant::now())
    }

    /// Waits until the provider may be asked to start something: not at the same moment as others,
    /// and under its rate.
    ///
    /// # Cancel safety
    /// A place under the rate may be lost.
    pub(super) async fn start_turn(&self) {
        let together = {
            let now = Instant::now();
            let last = self.lock().last_start.replace(now);
            last.is_some_and(|last| now.duration_since(last) < TOGETHER)
        };
        if together {
            sleep(jitter(Duration::ZERO..self.options.start_jitter)).await;
        }
        loop {
            self.ready().await;
            if let Some(rate) = &self.rate {
                while rate.check().is_err() {
                    sleep(RATE_LOOK).await;
                }
            }
            // A place under the rate may be minutes away: somebody was perhaps told to wait.
            if self.is_ready() {
                return;
            }
        }
    }

    /// How far apart starts are, where the provider has a rate.
    pub(super) fn start_gap(&self) -> Option<Duration> {
        self.options.starts_per_minute.map(|starts| Duration::from_secs(60) / starts.get())
    }

    /// Waits while no job of the provider's is to be taken out of the queue: it is paused, or has
    /// asked not to be asked. What waits there loses no time of its limit.
    pub(super) async fn open(&self) {
        while let Some(until) = self.shut_until() {
            sleep_until(until).await;
        }
    }

    /// Whether jobs of the provider's are taken out of the queue.
    pub(super) fn is_open(&self) -> bool {
        self.shut_until().is_none()
    }

    fn shut_until(&self) -> Option<Instant> {
        let state = self.lock();
        let until = state.paused_until.max(state.not_before)?;
        (until > Instant::now()).then_some(until)
    }

    /// Learns from the answer to a start.
    pub(super) fn note_start<T>(&self, answer: &Result<T, provider::Error>) {
        self.learn(answer, true);
    }

    /// Learns from any other answer.
    pub(super) fn note<T>(&self, answer: &Result<T, provider::Error>) {
        self.learn(answer, false);
    }

    fn learn<T>(&self, answer: &Result<T, provider::Error>, is_start: bool) {
        match answer {
            Ok(_) => self.note_well(is_start),
            Err(error) => self.note_failure(error, is_start),
        }
    }

    fn note_well(&self, is_start: bool) {
        let mut state = self.lock();
        if state.starts_fail && !is_start {
            return;
        }
        state.starts_fail = false;
        state.faults = 0;
        state.pauses = 0;
        state.reason = None;
    }

    fn note_failure(&self, error: &provider::Error, is_start: bool) {
        let now = Instant::now();
        let mut state = self.lock();
        if let Some(wait) = error.retry_after() {
            let until = now + wait;
            if state.not_before.is_none_or(|before| before < until) {
                state.not_before = Some(until);
                state.spread = wait / 5;
            }
        }
        if !is_fault(error) {
            return;
        }
        state.faults = state.faults.saturating_add(1);
        state.starts_fail |= is_start;
        state.newest_fault = Some(now);
        state.reason = Some(error.code());
        if state.faults >= FAULTS && state.paused_until.is_none_or(|until| until <= now) {
            let pause = PAUSE.saturating_mul(1 << state.pauses.min(6)).min(LONGEST_PAUSE);
            state.paused_until = Some(now + pause.div_f64(self.options.speed.max(1.0)));
            state.pauses += 1;
            tracing::warn!(code = error.code(), ?pause, "a provider keeps failing; it is paused");
        }
    }

    /// How well the provider is.
    pub(super) fn health(&self) -> Health {
        let now = Instant::now();
        let state = self.lock();
        let left =
            |until: Option<Instant>| until.and_then(|until| until.checked_duration_since(now));
        let paused = left(state.paused_until).filter(|left| !left.is_zero());
        let limited = left(state.not_before).filter(|left| !left.is_zero());
        let failing = FAILING.div_f64(self.options.speed.max(1.0));
        let is_failing = state.faults > 0
            && state.newest_fault.is_some_and(|at| now.duration_since(at) < failing);
        let (status, wait) = match (paused, limited) {
            (Some(wait), _) => ("paused", Some(wait)),
            (None, Some(wait)) => ("limited", Some(wait)),
            (None, None) if is_failing => ("failing", None),
            (None, None) => ("ok", None),
        };
        Health {
            status,
            resumes_in_ms: wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            failures: state.faults,
            reason: state.reason,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an error says something about the provider, and not about one request.
fn is_fault(error: &provider::Error) -> bool {
    match error {
        provider::Error::OutOfFunds { .. }
        | provider::Error::Unauthorised { .. }
        | provider::Error::Busy { .. }
        | provider::Error::Broken { .. }
        | provider::Error::Truncated { .. }
        | provider::Error::Timeout { .. }
        | provider::Error::Transport { .. }
        | provider::Error::AmbiguousStart { .. }
        | provider::Error::Protocol { .. } => true,
        provider::Error::RefusedInput { .. }
        | provider::Error::Moderated { .. }
        | provider::Error::RateLimited { .. }
        | provider::Error::Expired { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn gate(options: &Options) -> Gate {
        Gate::new(Options { speed: 1.0, ..options.clone() })
    }

    fn broken() -> Result<(), provider::Error> {
        Err(provider::Error::Broken { message: "no".into() })
    }

    fn limited(wait: Duration) -> Result<(), provider::Error> {
        Err(provider::Error::RateLimited { message: String::new(), retry_after: Some(wait) })
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_asks_before_the_time_that_one_of_them_was_told() {
        let gate = gate(&Options::default());
        gate.note(&limited(10 * SECOND));
        gate.note(&limited(SECOND));
        let began = Instant::now();
        let waits = (0..20).map(|_| async {
            gate.ready().await;
            began.elapsed()
        });
        let waits = futures_util::future::join_all(waits).await;
        assert!(waits.iter().all(|wait| (10 * SECOND..=12 * SECOND + SECOND / 10).contains(wait)));
        assert!(waits.iter().max() > waits.iter().min(), "they come back together");
    }

    #[tokio::test(start_paused = true)]
    async fn no_job_is_taken_for_a_provider_that_asked_not_to_be_asked() {
        let gate = gate(&Options::default());
        assert!(gate.is_open());
        gate.note(&limited(3600 * SECOND));
        assert!(!gate.is_open());
        let began = Instant::now();
        gate.open().await;
        assert!(began.elapsed() >= 3600 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lone_start_does_not_wait_and_several_are_spread() {
        let gate = gate(&Options { start_jitter: 2 * SECOND, ..Options::default() });
        let began = Instant::now();
        gate.start_turn().await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        for _ in 0..5 {
            gate.start_turn().await;
        }
        assert!(began.elapsed() > Duration::ZERO);
        tokio::time::advance(SECOND).await;
        let later = Instant::now();
        gate.start_turn().await;
        assert_eq!(later.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_that_keeps_failing_is_paused_longer_each_time_and_a_success_ends_that() {
        let gate = gate(&Options::default());
        for _ in 0..FAULTS - 1 {
            gate.note(&broken());
        }
        assert_eq!(gate.health().status, "failing");
        gate.note(&broken());
        assert_eq!((gate.health().status, gate.health().reason), ("paused", Some("broken")));
        let began = Instant::now();
        gate.open().await;
        assert!(began.elapsed() >= PAUSE);
        gate.note(&broken());
        let began = Instant::now();
        gate.open().await;
        assert!(began.elapsed() >= 2 * PAUSE);
        gate.note(&Ok::<_, provider::Error>(()));
        assert_eq!(gate.health().status, "ok");
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_that_starts_nothing_is_paused_though_it_answers_polls() {
        let gate = gate(&Options::default());
        let broke = || Err::<(), _>(provider::Error::OutOfFunds { message: String::new() });
        for _ in 0..FAULTS {
            gate.note_start(&broke());
            gate.note(&Ok::<_, provider::Error>(()));
        }
        assert_eq!((gate.health().status, gate.health().reason), ("paused", Some("out_of_funds")));
        gate.open().await;
        gate.note_start(&Ok::<_, provider::Error>(()));
        assert_eq!(gate.health().failures, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_told_for_a_while_and_not_for_ever() {
        let gate = gate(&Options::default());
        gate.note_start(&broken());
        assert_eq!(gate.health().status, "failing");
        tokio::time::advance(FAILING).await;
        assert_eq!(gate.health().status, "ok");
    }

    #[test]
    fn what_is_wrong_with_one_request_is_no_fault_of_the_provider() {
        let gate = gate(&Options::default());
        for _ in 0..2 * FAULTS {
            gate.note(&Err::<(), _>(provider::Error::Moderated { message: String::new() }));
        }
        assert_eq!(gate.health().status, "ok");
    }

    #[tokio::test]
    async fn starts_keep_to_the_rate() {
        let starts = std::num::NonZeroU32::new(600);
        let gate = gate(&Options { starts_per_minute: starts, ..Options::default() });
        let began = std::time::Instant::now();
        for _ in 0..4 {
            gate.start_turn().await;
        }
        // Four starts at ten a second: three tenths of a second at least.
        assert!(began.elapsed() >= Duration::from_millis(290));
    }

    #[tokio::test]
    async fn a_start_that_waits_for_the_rate_hears_that_it_is_to_wait_longer() {
        // One place is 100 ms away.
        let starts = std::num::NonZeroU32::new(600);
        let gate = gate(&Options { starts_per_minute: starts, ..Options::default() });
        gate.start_turn().await;
        let began = Instant::now();
        let told = async { gate.note(&limited(SECOND / 2)) };
        futures_util::future::join(gate.start_turn(), told).await;
        assert!(began.elapsed() >= SECOND / 2, "{:?}", began.elapsed());
    }
}
