//! What a job that runs has of the pools of a cluster.

use crate::db::permits::{GivePermits, Permit};
use crate::event::EventId;

use super::Queue;

/// One permit of each of some pools; they are given back when it is dropped. What a dead node has is free
/// by that it is dead.
#[derive(Debug)]
pub(super) struct Pools {
    queue: Queue,
    lane: String,
    node: i64,
    names: Vec<String>,
}

impl Pools {
    /// Those that this node took with a job of this lane.
    pub(super) fn new(queue: &Queue, lane: &str, node: i64, taken: &[Permit]) -> Self {
        let names = taken.iter().map(|permit| permit.pool.clone()).collect();
        Self { queue: queue.clone(), lane: lane.to_owned(), node, names }
    }
}

impl Drop for Pools {
    fn drop(&mut self) {
        if self.names.is_empty() {
            return;
        }
        let (queue, lane) = (self.queue.clone(), std::mem::take(&mut self.lane));
        let give = GivePermits { node: self.node, pools: std::mem::take(&mut self.names) };
        self.queue.shared.ends.spawn(async move {
            if let Err(error) = queue.store().journal().change_after(EventId::ZERO, give).await {
                tracing::warn!(lane, %error, "permits of the cluster are not given back");
            }
            queue.wake_lane(&lane);
        });
    }
}
