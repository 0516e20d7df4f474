//! What a server's processes take of the machine, as Linux tells it.

use std::fs;
use std::time::Duration;

use crate::telemetry::metrics::{cpu_ticks, kilobytes};

/// The processes that are looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Processes(pub(super) Vec<u32>);

impl Processes {
    /// The processor time of all of them so far, in their own code and in the system on their
    /// behalf, in steps of 10 ms; none where it cannot be read.
    pub(super) fn cpu(&self) -> Option<Duration> {
        sum(&self.0, |id| cpu_ticks(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?))
            .map(|ticks| Duration::from_millis(10 * ticks))
    }

    /// The resident memory of all of them, in bytes; none where it cannot be read.
    ///
    /// From the page tables: the counters of `statm` are only brought up to date now and then, and
    /// can be off by more than a thousand readers take.
    pub(super) fn memory(&self) -> Option<u64> {
        sum(&self.0, |id| {
            let exact = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).ok();
            let exact = exact.and_then(|text| kilobytes(&text, "Rss:"));
            exact.or_else(|| {
                kilobytes(&fs::read_to_string(format!("/proc/{id}/status")).ok()?, "VmRSS:")
            })
        })
        .map(|kilobytes| 1024 * kilobytes)
    }
}

/// A sum over all processes; none when there is no process, or something is not known of one.
fn sum(processes: &[u32], of: impl Fn(u32) -> Option<u64>) -> Option<u64> {
    if processes.is_empty() {
        return None;
    }
    processes.iter().map(|id| of(*id)).sum()
}

/// The slope of a line through points, by least squares: how much memory a reader takes, whatever
/// the process took before the first.
#[expect(clippy::cast_precision_loss, reason = "counts of readers and bytes are far below 2^52")]
pub(super) fn slope(points: &[(u64, u64)]) -> Option<f64> {
    let count = points.len() as f64;
    let mean = |of: fn(&(u64, u64)) -> u64| {
        points.iter().map(|point| of(point) as f64).sum::<f64>() / count
    };
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let (mut products, mut squares) = (0.0, 0.0);
    for point in points {
        products += (point.0 as f64 - x) * (point.1 as f64 - y);
        squares += (point.0 as f64 - x).powi(2);
    }
    (squares > 0.0).then(|| products / squares)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_does_not_depend_on_where_the_line_begins() {
        let slope = slope(&[(1_000, 5_200_000), (5_000, 6_000_000), (10_000, 7_000_000)]);
        assert!((slope.unwrap() - 200.0).abs() < 0.001);
        assert_eq!(super::slope(&[(1_000, 5)]), None);
    }

    #[test]
    fn a_process_that_is_gone_is_not_guessed_at() {
        assert_eq!(Processes(vec![u32::MAX]).cpu(), None);
        assert_eq!(Processes::default().memory(), None);
    }
}
