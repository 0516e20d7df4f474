//! What the readers of one thread write down together.

use crate::loadtest::measure::{Bins, Timeline, Windows};
use crate::loadtest::verify::Ledger;

/// Counts and times of many readers.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// The time, as of the last read.
    pub(super) now: u64,
    pub(super) ledger: Ledger,
    pub(super) opening: Bins,
    pub(super) latency: Bins,
    /// The latencies of earlier measurements.
    pub(super) earlier: Vec<Bins>,
    pub(super) timeline: Option<Timeline>,
    pub(super) catching_up: Bins,
    pub(super) comments: u64,
    pub(super) bytes: u64,
    pub(super) slow_bytes: u64,
    /// When a recording was begun to be played.
    pub(super) played_from: u64,
}

impl Desk {
    /// An event is here that was due then.
    pub(super) fn arrived(&mut self, planned: u64) {
        self.latency.record(self.now.saturating_sub(planned));
        if let Some(timeline) = &mut self.timeline {
            timeline.record(planned, self.now);
        }
    }

    /// Measures anew, and divides the time from now on.
    pub(super) fn begin(&mut self, windows: Windows) {
        let latency = std::mem::take(&mut self.latency);
        self.earlier.extend((latency.count() > 0).then_some(latency));
        self.timeline = Some(Timeline::new(windows));
        self.played_from = windows.start;
    }
}
