//! When each event is due: known before the first one is sent, so that a server which falls behind
//! is measured by what it owes and not by what it managed (no coordinated omission).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

/// How the events of a job lie in time.
#[derive(Clone, Debug)]
pub(super) enum Pace {
    /// As far apart from each other as the rate says.
    Even,
    /// As a model writes: at the rate on average, each gap between a quarter and seven quarters.
    Uneven,
    /// At these times after the job's beginning, in nanoseconds.
    Recorded(Arc<[u64]>),
}

/// What is to be sent.
#[derive(Clone, Debug)]
pub(super) struct Load {
    pub(super) jobs: u32,
    /// Events per second and job.
    pub(super) rate: f64,
    /// Events per job.
    pub(super) events: u32,
    pub(super) pace: Pace,
    pub(super) seed: u64,
}

/// An event that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    /// After the beginning, in nanoseconds.
    pub(super) at: u64,
    pub(super) job: u32,
}

/// All events of all jobs, in the order in which they are due.
#[derive(Debug)]
pub(super) struct Schedule {
    load: Load,
    /// The next event of each job.
    next: BinaryHeap<Reverse<Due>>,
    /// How many events of each job are still to come, the next one included.
    left: Vec<u32>,
    random: Rng,
}

impl Schedule {
    /// The jobs' beginnings are spread over one gap, so that they do not beat in time.
    pub(super) fn new(load: Load) -> Self {
        let gap = gap(load.rate);
        let first = |job: u32| match &load.pace {
            Pace::Even | Pace::Uneven => gap / u64::from(load.jobs.max(1)) * u64::from(job),
            Pace::Recorded(times) => times.first().copied().unwrap_or(0),
        };
        let has_events = load.events > 0;
        let jobs = (0..load.jobs).filter(|_| has_events);
        let next = jobs.map(|job| Reverse(Due { at: first(job), job })).collect();
        let left = vec![load.events; load.jobs as usize];
        let random = Rng::with_seed(load.seed);
        Self { load, next, left, random }
    }

    /// How long it takes from the first event to the last, about.
    pub(super) fn duration(load: &Load) -> Duration {
        Duration::from_nanos(match &load.pace {
            Pace::Even | Pace::Uneven => gap(load.rate).saturating_mul(u64::from(load.events)),
            Pace::Recorded(times) => times.last().copied().unwrap_or(0),
        })
    }

    fn following(&mut self, due: Due, nth: u32) -> u64 {
        let gap = gap(self.load.rate);
        match &self.load.pace {
            Pace::Even => due.at + gap,
            Pace::Uneven => due.at + self.random.u64(gap / 4..=gap / 4 * 7),
            Pace::Recorded(times) => times.get(nth as usize).copied().unwrap_or(due.at),
        }
    }
}

impl Iterator for Schedule {
    type Item = Due;

    fn next(&mut self) -> Option<Due> {
        let Reverse(due) = self.next.pop()?;
        let left = &mut self.left[due.job as usize];
        *left -= 1;
        if *left > 0 {
            let nth = self.load.events - *left;
            let at = self.following(due, nth);
            self.next.push(Reverse(Due { at, ..due }));
        }
        Some(due)
    }
}

/// The time between two events of a job, in nanoseconds.
fn gap(rate: f64) -> u64 {
    let seconds = if rate > 0.0 { 1.0 / rate } else { 0.0 };
    let gap = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    u64::try_from(gap.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(jobs: u32, rate: f64, events: u32, pace: Pace) -> Load {
        Load { jobs, rate, events, pace, seed: 7 }
    }

    #[test]
    fn one_job_is_as_even_as_a_clock() {
        let times: Vec<_> =
            Schedule::new(load(1, 100.0, 4, Pace::Even)).map(|due| due.at).collect();
        assert_eq!(times, [0, 10_000_000, 20_000_000, 30_000_000]);
    }

    #[test]
    fn several_jobs_are_spread_and_in_order() {
        let all: Vec<_> = Schedule::new(load(4, 10.0, 3, Pace::Even)).collect();
        assert_eq!(all.len(), 12);
        assert!(all.is_sorted());
        assert_eq!(all[1], Due { at: 25_000_000, job: 1 });
        assert_eq!(all[4], Due { at: 100_000_000, job: 0 });
    }

    #[test]
    fn uneven_gaps_keep_the_rate_and_the_seed_keeps_the_gaps() {
        let times = |seed| {
            let load = Load { seed, ..load(1, 100.0, 2_000, Pace::Uneven) };
            Schedule::new(load).map(|due| due.at).collect::<Vec<_>>()
        };
        assert_eq!(times(1), times(1));
        assert_ne!(times(1), times(2));
        let last = times(1)[1_999];
        assert!((19_000_000_000..21_000_000_000).contains(&last), "{last}");
    }

    #[test]
    fn a_recording_keeps_its_times() {
        let pace = Pace::Recorded([5, 5, 90].into());
        let times: Vec<_> = Schedule::new(load(2, 1.0, 3, pace)).map(|due| due.at).collect();
        assert_eq!(times, [5, 5, 5, 5, 90, 90]);
    }

    #[test]
    fn nothing_is_due_where_there_are_no_events() {
        assert_eq!(Schedule::new(load(3, 1.0, 0, Pace::Even)).count(), 0);
    }
}
