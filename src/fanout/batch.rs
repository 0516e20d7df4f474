//! What is new in a log, laid out once for all who take it.

use crate::event::{Event, EventId};
use crate::store::{Log, Look};
use crate::telemetry::metrics::metrics;

use super::reader::Rest;

/// How many bytes one write may have, unless a single event has more: half of what the system holds
/// for a peer.
const BYTES: usize = 256 << 10;

/// Consecutive events of a log, and their bytes in one piece. Used again and again, so that a look
/// at a log allocates nothing.
#[derive(Debug, Default)]
pub(super) struct Batch {
    events: Vec<Event>,
    /// Their chunks one after the other; empty for a single event, which lies in one piece already.
    joined: Vec<u8>,
}

impl Batch {
    /// Takes from a log what stands after an event, as much as goes into one write.
    pub(super) fn fill(&mut self, log: &Log, after: EventId) -> Look<()> {
        self.clear();
        let look = log.collect(after, BYTES, &mut self.events);
        if self.events.len() > 1 {
            // Once here, and not in each reader's write: the system is slow with lists of pieces.
            self.events.iter().for_each(|event| self.joined.extend_from_slice(event.frame.chunk()));
        }
        look
    }

    /// The chunks of all its events.
    pub(super) fn bytes(&self) -> &[u8] {
        match self.events.as_slice() {
            [event] => event.frame.chunk(),
            _ => &self.joined,
        }
    }

    /// The last of its events.
    pub(super) fn last(&self) -> Option<EventId> {
        self.events.last().map(|event| event.id)
    }

    /// Where a reader stands that took so many of its bytes: the last event of which it has any, and
    /// what it still needs of that one. That is kept for it, so that its log may drop the event.
    pub(super) fn place_at(&self, mut sent: usize) -> Option<(EventId, Option<Box<Rest>>)> {
        let mut place = None;
        for event in &self.events {
            if sent == 0 {
                break;
            }
            let length = event.frame.chunk().len();
            let rest = (sent < length).then(|| Rest::begun(event.frame.shared_chunk(), sent));
            place = Some((event.id, rest));
            sent = sent.saturating_sub(length);
        }
        place
    }

    /// Counts that so many readers were given all of it.
    pub(super) fn count(&self, readers: u64) {
        if readers > 0 {
            let metrics = metrics();
            metrics.deliveries_total.inc_by(readers * self.events.len() as u64);
            metrics.delivered_bytes_total.inc_by(readers * self.bytes().len() as u64);
        }
    }

    /// Lets go of the events: a log may be dropped whole only when nobody holds one.
    pub(super) fn clear(&mut self) {
        self.events.clear();
        self.joined.clear();
    }
}
