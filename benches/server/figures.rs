//! What is said about many measurements.

use std::time::Duration;

/// Durations in order.
pub(crate) struct Sorted(Vec<Duration>);

impl Sorted {
    /// Sorts what was measured.
    pub(crate) fn new(mut measured: Vec<Duration>) -> Self {
        assert!(!measured.is_empty(), "something was measured");
        measured.sort_unstable();
        Self(measured)
    }

    /// The duration that so many of a thousand do not exceed.
    pub(crate) fn per_mille(&self, share: usize) -> Duration {
        self.0[(self.0.len() - 1) * share / 1000]
    }

    /// The middle one.
    pub(crate) fn median(&self) -> Duration {
        self.per_mille(500)
    }

    /// The 99th of a hundred.
    pub(crate) fn p99(&self) -> Duration {
        self.per_mille(990)
    }

    /// The longest.
    pub(crate) fn longest(&self) -> Duration {
        self.per_mille(1000)
    }
}

/// A line of a table: how many were measured, and how long they took.
pub(crate) fn row(name: &str, measured: Vec<Duration>) -> String {
    let count = measured.len();
    let sorted = Sorted::new(measured);
    let (p50, p99, longest) = (sorted.median(), sorted.p99(), sorted.longest());
    format!("| {name} | {count} | {p50:.1?} | {p99:.1?} | {longest:.1?} |")
}
