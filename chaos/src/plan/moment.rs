//! When something happens: conditions over what readers have got, never over time.

use std::sync::atomic::{AtomicU64, Ordering};

/// Events that a moment may be the nth of, and how many of each may be waited for at most.
pub(super) const NAMES: [(&str, u64); 6] = [
    ("status", 12),
    ("progress", 12),
    ("content", 60),
    ("artifact_ready", 6),
    ("tts_completed", 2),
    ("completed", 8),
];

/// What all readers together have got so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    total: AtomicU64,
    by_name: [AtomicU64; NAMES.len()],
}

impl Tally {
    /// Counts an event of this name.
    pub(crate) fn count(&self, name: &str) {
        self.total.fetch_add(1, Ordering::Relaxed);
        if let Some(place) = NAMES.iter().position(|(known, _)| *known == name) {
            self.by_name[place].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many there were of all names.
    pub(crate) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// What has to be reached for this moment, counted from now.
    pub(crate) fn goal(&self, moment: &Moment) -> Goal {
        match moment {
            Moment::AtOnce => Goal { name: None, count: 0 },
            Moment::After(count) => Goal { name: None, count: self.total() + count },
            Moment::At(place, count) => Goal { name: Some(*place), count: self.of(*place) + count },
        }
    }

    /// Whether it is reached.
    pub(crate) fn has_reached(&self, goal: &Goal) -> bool {
        goal.name.map_or_else(|| self.total(), |place| self.of(place)) >= goal.count
    }

    fn of(&self, place: usize) -> u64 {
        self.by_name[place].load(Ordering::Relaxed)
    }
}

/// A count that a tally has to reach.
#[derive(Debug)]
pub(crate) struct Goal {
    name: Option<usize>,
    count: u64,
}

/// A moment of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// As soon as the step before is over.
    AtOnce,
    /// After so many more events.
    After(u64),
    /// At the so manieth event of this place of [`NAMES`] from here, in the instant in which a reader
    /// has it: before the journal has committed it, as a rule.
    At(usize, u64),
}

impl Moment {
    /// The next moment of a seed.
    pub(super) fn draw(random: &mut fastrand::Rng, short: bool) -> Self {
        let longest = if short { 3_000 } else { 20_000 };
        match random.u8(0..20) {
            0 => Self::AtOnce,
            1..=12 => Self::After(random.u64(1..=longest)),
            _ => {
                let place = random.usize(..NAMES.len());
                Self::At(place, random.u64(1..=NAMES[place].1))
            }
        }
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtOnce => write!(formatter, "at once"),
            Self::After(count) => write!(formatter, "after {count} events"),
            Self::At(place, count) => write!(formatter, "at {} {count}", NAMES[*place].0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_counted_from_when_it_is_waited_for() {
        let tally = Tally::default();
        tally.count("content");
        let goal = tally.goal(&Moment::After(2));
        tally.count("step");
        assert!(!tally.has_reached(&goal));
        tally.count("step");
        assert!(tally.has_reached(&goal));
        assert!(tally.has_reached(&tally.goal(&Moment::AtOnce)));
    }

    #[test]
    fn a_moment_of_a_name_counts_that_name_alone() {
        let tally = Tally::default();
        let completed = NAMES.iter().position(|(name, _)| *name == "completed").unwrap();
        let goal = tally.goal(&Moment::At(completed, 1));
        tally.count("status");
        assert!(!tally.has_reached(&goal));
        tally.count("completed");
        assert!(tally.has_reached(&goal));
    }
}
