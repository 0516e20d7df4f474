//! Durations by the million, in a histogram that adds up without loss.

use hdrhistogram::Histogram;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Durations in nanoseconds, kept to three digits (`HdrHistogram`).
///
/// On the way from one process to another it is a list of values and how often each came. Every
/// histogram has the same buckets, so nothing is lost on the way.
#[derive(Clone, Debug)]
pub(super) struct Bins(Histogram<u64>);

impl Default for Bins {
    fn default() -> Self {
        Self(Histogram::new(3).expect("three digits are allowed"))
    }
}

impl Bins {
    /// Counts a duration.
    pub(super) fn record(&mut self, nanoseconds: u64) {
        self.0.record(nanoseconds).expect("it grows by itself");
    }

    /// Adds what others counted.
    pub(super) fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("it grows by itself");
    }

    /// How many were counted.
    pub(super) fn count(&self) -> u64 {
        self.0.len()
    }

    /// What so many of a hundred do not exceed, in milliseconds.
    pub(super) fn percentile_ms(&self, percentile: f64) -> f64 {
        milliseconds(self.0.value_at_percentile(percentile))
    }

    /// The longest, in milliseconds.
    pub(super) fn longest_ms(&self) -> f64 {
        milliseconds(self.0.max())
    }

    /// Points of the curve of how many were done after how long: milliseconds and a share of one.
    pub(super) fn curve(&self) -> Vec<(f64, f64)> {
        let total = self.count().max(1);
        let mut sum = 0;
        let mut points: Vec<(f64, f64)> = Vec::new();
        for bin in self.0.iter_recorded() {
            sum += bin.count_since_last_iteration();
            let point = (milliseconds(bin.value_iterated_to()), share(sum, total));
            // Finer than a plot can show.
            let is_near = |last: &(f64, f64)| point.1 - last.1 < 0.002 && point.1 < 0.995;
            if !points.last().is_some_and(is_near) {
                points.push(point);
            }
        }
        points
    }
}

/// A part of a whole, from 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(super) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Nanoseconds in milliseconds.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(super) fn milliseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}

impl Serialize for Bins {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bins = self.0.iter_recorded();
        serializer.collect_seq(bins.map(|bin| (bin.value_iterated_to(), bin.count_at_value())))
    }
}

impl<'de> Deserialize<'de> for Bins {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut bins = Self::default();
        for (value, count) in Vec::<(u64, u64)>::deserialize(deserializer)? {
            bins.0.record_n(value, count).map_err(serde::de::Error::custom)?;
        }
        Ok(bins)
    }
}

/// The seconds of a measurement, or what it was divided into.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Windows {
    /// When the first begins, in nanoseconds of the shared clock.
    pub(super) start: u64,
    /// How long each is, in nanoseconds.
    pub(super) width: u64,
    pub(super) count: usize,
}

/// The most windows that a measurement is divided into: as many as a plot has room for.
const MOST_WINDOWS: u64 = 120;

impl Windows {
    /// Divides so many nanoseconds, the time in which the last events arrive included.
    pub(super) fn over(start: u64, duration: u64) -> Self {
        let width = (duration / MOST_WINDOWS).max(100_000_000);
        let count = usize::try_from(duration / width + 20).expect("at most 140");
        Self { start, width, count }
    }

    fn index(&self, at: u64) -> usize {
        let window = at.saturating_sub(self.start) / self.width.max(1);
        usize::try_from(window).unwrap_or(usize::MAX).min(self.count.saturating_sub(1))
    }
}

/// What arrived, window by window.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Timeline {
    pub(super) windows: Windows,
    /// By when an event was due.
    pub(super) latency: Vec<Bins>,
    /// How many events arrived, by when they did.
    pub(super) arrived: Vec<u64>,
}

impl Timeline {
    pub(super) fn new(windows: Windows) -> Self {
        let latency = vec![Bins::default(); windows.count];
        Self { windows, latency, arrived: vec![0; windows.count] }
    }

    pub(super) fn record(&mut self, planned: u64, now: u64) {
        self.latency[self.windows.index(planned)].record(now.saturating_sub(planned));
        self.arrived[self.windows.index(now)] += 1;
    }

    /// Adds what others saw in the same windows.
    pub(super) fn add(&mut self, other: &Self) {
        for (ours, theirs) in self.latency.iter_mut().zip(&other.latency) {
            ours.add(theirs);
        }
        for (ours, theirs) in self.arrived.iter_mut().zip(&other.arrived) {
            *ours += theirs;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn histograms_add_up_without_loss_on_the_way_between_processes(
            values in prop::collection::vec(1_u64..10_000_000_000, 1..200),
            cut in 0_usize..200,
        ) {
            let (left, right) = values.split_at(cut.min(values.len()));
            let bins = |values: &[u64]| {
                let mut bins = Bins::default();
                values.iter().for_each(|value| bins.record(*value));
                bins
            };
            let sent = serde_json::to_string(&bins(right)).unwrap();
            let mut merged = bins(left);
            merged.add(&serde_json::from_str(&sent).unwrap());
            let whole = bins(&values);
            prop_assert_eq!(merged.count(), whole.count());
            for percentile in [1.0, 50.0, 99.0, 99.9] {
                prop_assert_eq!(
                    merged.0.value_at_percentile(percentile),
                    whole.0.value_at_percentile(percentile)
                );
            }
        }
    }

    #[test]
    fn the_curve_ends_with_all_of_them() {
        let mut bins = Bins::default();
        (1..=1000).for_each(|value| bins.record(value * 1_000_000));
        let curve = bins.curve();
        assert!(curve.windows(2).all(|pair| pair[0].1 < pair[1].1));
        let (last, share) = curve[curve.len() - 1];
        assert!((999.0..1002.0).contains(&last), "{last}");
        assert!((share - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn what_arrives_late_is_counted_when_it_arrives_and_measured_when_it_was_due() {
        let mut timeline = Timeline::new(Windows { start: 1000, width: 100, count: 3 });
        timeline.record(1000, 1150);
        timeline.record(1000, 99_999);
        assert_eq!(timeline.arrived, [0, 1, 1]);
        assert_eq!(timeline.latency[0].count(), 2);
    }
}
