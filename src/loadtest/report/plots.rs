//! Curves over time, and of how many were done after how long.

use serde::Serialize;

use super::Report;
use crate::loadtest::crowd::Outcome;

/// The curves of a report.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Plots {
    /// Second by second, or what the time was divided into.
    pub over_time: Vec<Point>,
    /// After how many milliseconds which share, from 0 to 1, of the events was delivered.
    pub latency: Vec<(f64, f64)>,
}

/// What was seen in one piece of time.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Point {
    /// When it began, in seconds since the first event was due.
    pub at_s: f64,
    /// Events delivered in it, per second.
    pub per_second: f64,
    /// Latency of the events that were due in it, in milliseconds; none when there were none.
    pub p50_ms: Option<f64>,
    /// The same, p99.
    pub p99_ms: Option<f64>,
    /// The same, the longest.
    pub max_ms: Option<f64>,
}

impl Report {
    /// Takes the curves from what readers saw.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(super) fn plot(&mut self, outcome: &Outcome) {
        self.plots.latency = outcome.latency.curve();
        let Some(timeline) = &outcome.timeline else { return };
        let width = timeline.windows.width as f64 / 1e9;
        let windows = timeline.arrived.iter().zip(&timeline.latency).enumerate();
        let point = |(nth, (arrived, bins)): (usize, (&u64, &super::super::measure::Bins))| {
            let known = (bins.count() > 0).then_some(bins);
            Point {
                at_s: nth as f64 * width,
                per_second: *arrived as f64 / width,
                p50_ms: known.map(|bins| bins.percentile_ms(50.0)),
                p99_ms: known.map(|bins| bins.percentile_ms(99.0)),
                max_ms: known.map(|bins| bins.longest_ms()),
            }
        };
        self.plots.over_time = windows.map(point).collect();
        // The rest of the last events, in a window that began when all was due, looks like a collapse.
        let most = self.plots.over_time.iter().map(|point| point.per_second).fold(0.0, f64::max);
        let is_rest = |point: &Point| point.p50_ms.is_none() && point.per_second < most * 0.05;
        while self.plots.over_time.last().is_some_and(is_rest) {
            self.plots.over_time.pop();
        }
    }
}
