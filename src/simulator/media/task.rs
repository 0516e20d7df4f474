//! The life of a task: a script of waits, told as the phase that a moment falls into.
//!
//! Nothing runs while a task does: its phase is computed from the time that has passed. Only what has to
//! happen by itself, a callback or a held answer, waits for it ([`Task::running`], [`Task::over`]).

use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::event::now_ms;
use crate::simulator::markers::Marker;

use super::host::Grant;
use super::order::Order;

/// How much slower `[slow]` is.
const SLOWNESS: f64 = 5.0;

/// How a task ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The output is there.
    Succeeded,
    /// It failed, for this reason if there is a particular one.
    Failed(Option<String>),
    /// Moderation refused it.
    Moderated,
    /// Its owner ended it.
    Canceled,
    /// The provider ended it.
    Aborted,
}

/// Where a task is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Phase {
    /// It waits for one of the account's slots.
    Throttled,
    /// It waits for a machine.
    Queued,
    /// It is being made; the fraction of it that is done, 0 to 1.
    Running(f64),
    /// It is over.
    Over(End),
}

/// When what happened, in Unix milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) created: i64,
    pub(super) running: Option<i64>,
    pub(super) over: Option<i64>,
    /// How long it ran until now or its end, in seconds at a real provider's pace.
    pub(super) run_seconds: f64,
    /// The same from its creation on.
    pub(super) total_seconds: f64,
}

/// One piece of work.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) order: Order,
    pub(super) changing: Mutex<Changing>,
    born: Instant,
    born_ms: i64,
    /// How many times faster than a real provider this one is made.
    pace: f64,
    /// From birth to the end of each phase, in real time; the last is none when it never ends.
    queued_at: Duration,
    running_at: Duration,
    over_at: Option<Duration>,
    end: End,
    woken: Notify,
}

/// What changes while a task lives.
#[derive(Debug, Default)]
pub(super) struct Changing {
    /// When it was ended before its time, and how.
    ended: Option<(Instant, End)>,
    /// It is kept no longer: the provider does not know it any more.
    pub(super) deleted: bool,
    /// How often it was asked for.
    pub(super) polls: u32,
    /// The output's current address.
    pub(super) grant: Option<Grant>,
    /// The answer that is given until this moment, where a provider looks only now and then.
    pub(super) snapshot: Option<(Instant, Value)>,
}

impl Task {
    /// A task that begins now; `speed` is how many times faster than real the simulator is.
    pub(super) fn new(order: Order, speed: f64) -> Self {
        let markers = &order.markers;
        let pace = if markers.has(Marker::Slow) { speed / SLOWNESS } else { speed };
        let (queued, running) = order.durations();
        let (share, end) = order.ending();
        let queued_at = order.throttled;
        let running_at = queued_at + queued.div_f64(pace);
        let over_at = running_at + running.mul_f64(share).div_f64(pace);
        let mut script = (Some(over_at).filter(|_| !markers.has(Marker::Never)), end);
        // Replicate: "aborted" before the start, "canceled" after it; it tells them apart itself.
        if let Some(deadline) = order.deadline.map(|deadline| deadline.div_f64(pace))
            && script.0.is_none_or(|over_at| deadline < over_at)
        {
            script = (Some(deadline), End::Aborted);
        }
        let (over_at, end) = script;
        Self {
            order,
            changing: Mutex::default(),
            born: Instant::now(),
            born_ms: now_ms(),
            pace,
            queued_at,
            running_at,
            over_at,
            end,
            woken: Notify::new(),
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.order.id
    }

    pub(super) fn has(&self, marker: Marker) -> bool {
        self.order.markers.has(marker)
    }

    /// Where it is now.
    pub(super) fn phase(&self) -> Phase {
        if let Some((_, end)) = self.ended_early() {
            return Phase::Over(end);
        }
        let age = self.born.elapsed();
        if self.over_at.is_some_and(|over_at| age >= over_at) {
            Phase::Over(self.end.clone())
        } else if age < self.queued_at {
            Phase::Throttled
        } else if age < self.running_at {
            Phase::Queued
        } else {
            Phase::Running(self.fraction(age))
        }
    }

    /// How it ended, if it is over.
    pub(super) fn end(&self) -> Option<End> {
        match self.phase() {
            Phase::Over(end) => Some(end),
            Phase::Throttled | Phase::Queued | Phase::Running(_) => None,
        }
    }

    /// Work that never ends comes ever closer to it.
    fn fraction(&self, age: Duration) -> f64 {
        let run = age.saturating_sub(self.running_at).as_secs_f64();
        match self.over_at {
            Some(over_at) => {
                let whole = over_at.saturating_sub(self.running_at).as_secs_f64();
                (run / whole).clamp(0.0, 0.99)
            }
            None => run / (run + 45.0 / self.pace),
        }
    }

    /// Ends it now, unless it is over; tells whether that changed anything.
    pub(super) fn end_early(&self, end: End) -> bool {
        if self.end().is_some() {
            return false;
        }
        let mut changing = self.changing();
        let changed = changing.ended.is_none();
        changing.ended.get_or_insert((Instant::now(), end));
        drop(changing);
        self.woken.notify_waiters();
        changed
    }

    /// When it is over by its script; none when it never is, or is over already.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.ended_early().is_some() { None } else { self.over_at.map(|at| self.born + at) }
    }

    pub(super) fn times(&self) -> Times {
        let early = self.ended_early().map(|(at, _)| at.saturating_duration_since(self.born));
        let age = self.born.elapsed();
        let over = early.or_else(|| self.over_at.filter(|over_at| age >= *over_at));
        let until = over.unwrap_or(age);
        let running = Some(self.running_at).filter(|running_at| until >= *running_at);
        let unix = |at: Duration| self.born_ms + i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
        let seconds = |span: Duration| span.as_secs_f64() * self.pace;
        Times {
            created: self.born_ms,
            running: running.map(unix),
            over: over.map(unix),
            run_seconds: seconds(until.saturating_sub(self.running_at)),
            total_seconds: seconds(until),
        }
    }

    /// Waits until it is being made, or is over.
    pub(super) async fn running(&self) {
        let at = Some(self.born + self.running_at);
        self.wait(at, |phase| matches!(phase, Phase::Running(_) | Phase::Over(_))).await;
    }

    /// Waits until it is over.
    pub(super) async fn over(&self) {
        self.wait(self.due(), |phase| matches!(phase, Phase::Over(_))).await;
    }

    async fn wait(&self, at: Option<Instant>, arrived: impl Fn(Phase) -> bool) {
        loop {
            let mut woken = std::pin::pin!(self.woken.notified());
            woken.as_mut().enable();
            if arrived(self.phase()) {
                return;
            }
            match at {
                Some(at) => tokio::select! {
                    () = sleep_until(at) => {}
                    () = woken => {}
                },
                None => woken.await,
            }
        }
    }

    fn ended_early(&self) -> Option<(Instant, End)> {
        self.changing().ended.clone()
    }

    pub(super) fn changing(&self) -> std::sync::MutexGuard<'_, Changing> {
        self.changing.lock().expect("no code that holds this lock panics")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn task(prompt: &str, speed: f64) -> Task {
        Task::new(Order::new("1".to_owned(), "video", &json!({ "prompt": prompt })), speed)
    }

    #[tokio::test(start_paused = true)]
    async fn a_film_waits_three_seconds_and_takes_half_a_minute_to_a_minute() {
        let started = Instant::now();
        let task = task("x", 1.0);
        assert_eq!(task.phase(), Phase::Queued);
        task.running().await;
        assert_eq!(started.elapsed().as_secs(), 3);
        task.over().await;
        assert_eq!(task.end(), Some(End::Succeeded));
        assert!((33..=63).contains(&started.elapsed().as_secs()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_one_takes_five_times_as_long() {
        let started = Instant::now();
        let task = task("x [slow]", 10.0);
        task.running().await;
        assert_eq!(started.elapsed().as_millis(), 1_500);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_ended_early_wakes_who_waits_for_it() {
        let task = task("x [never]", 1.0);
        let (ended, ()) = tokio::join!(async { task.end_early(End::Canceled) }, task.over());
        assert!(ended && !task.end_early(End::Aborted));
        assert_eq!(task.end(), Some(End::Canceled));
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_ends_comes_ever_closer() {
        let task = task("x [never]", 1.0);
        tokio::time::advance(Duration::from_secs(86_400)).await;
        let Phase::Running(fraction) = task.phase() else { panic!("{:?}", task.phase()) };
        assert!((0.99..1.0).contains(&fraction), "{fraction}");
    }
}
