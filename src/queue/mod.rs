//! The queue: jobs in, claims out, ends written; nothing here runs a job.

pub mod claim;
pub mod end;
mod pools;
mod requeue;
mod space;
pub mod submit;
#[cfg(test)]
mod tests;
mod upkeep;

pub use claim::Claimed;
pub use end::{EndError, Ended};
pub use requeue::{RequeueError, Requeued};
pub use submit::{Media, Submission, SubmitError, Task, digest};

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::db::projects::Room;
use crate::job::JobId;
use crate::store::Store;

/// How often a job is run before it fails for good: each run that a dead process took counts, a
/// drain does not.
pub const MAX_ATTEMPTS: u32 = 3;

/// A handle on the queue; cheap to clone.
#[derive(Clone, Debug)]
pub struct Queue {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store: Store,
    /// Wakes the workers of a lane when a job was put into it.
    lanes: Mutex<HashMap<String, Arc<Notify>>>,
    /// The jobs that run in this process, and how to stop them.
    running: Mutex<HashMap<JobId, Running>>,
    /// Notified when a job ended that its provider may not have finished.
    ended: Arc<Notify>,
    /// Notified when any job ended.
    over: Arc<Notify>,
    /// Ends that are being written: they are finished even when whoever asked has gone away.
    ends: TaskTracker,
    /// How much each project may have.
    room: Room,
    /// Set when the server goes down: no new work.
    draining: CancellationToken,
}

#[derive(Clone, Debug)]
struct Running {
    attempt: u32,
    cancel: CancellationToken,
    /// Canceled when the worker is to hand the job back.
    let_go: CancellationToken,
    reason: Arc<Mutex<Option<String>>>,
    /// Notified when the provider called back.
    called_back: Arc<Notify>,
}

impl Queue {
    /// A queue over this store, in which a project has so much room; no job is taken or given out
    /// once `draining` is set.
    #[must_use]
    pub fn new(store: Store, room: Room, draining: CancellationToken) -> Self {
        Self {
            shared: Arc::new(Shared {
                store,
                lanes: Mutex::default(),
                running: Mutex::default(),
                ended: Arc::default(),
                over: Arc::default(),
                ends: TaskTracker::new(),
                room,
                draining,
            }),
        }
    }

    /// How much each project may have.
    #[must_use]
    pub fn room(&self) -> Room {
        self.shared.room
    }

    /// The store behind the queue.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// What is notified when a job was put into this lane. Register before a look at the queue, so
    /// that a submit between the look and the wait is not missed.
    #[must_use]
    pub fn lane(&self, lane: &str) -> Arc<Notify> {
        let mut lanes = self.shared.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(notify) = lanes.get(lane) {
            return Arc::clone(notify);
        }
        Arc::clone(lanes.entry(lane.to_owned()).or_default())
    }

    /// Wakes whoever waits for a job in a lane, on whatever node.
    pub(crate) fn wake_lane(&self, lane: &str) {
        self.lane(lane).notify_waiters();
        if let Some(cluster) = self.store().cluster() {
            cluster.call("lane".into(), lane.into());
        }
    }

    /// Tells the worker of a job that its provider called back; false when nobody here runs it. Those of
    /// other nodes are told too.
    #[must_use]
    pub fn call_back(&self, job: &JobId) -> bool {
        if self.tell_called_back(job) {
            return true;
        }
        if let Some(cluster) = self.store().cluster() {
            cluster.call("callback".into(), job.as_str().into());
        }
        false
    }

    fn tell_called_back(&self, job: &JobId) -> bool {
        let Some(running) = self.running().get(job).cloned() else { return false };
        running.called_back.notify_one();
        true
    }

    /// What is notified when a job ended other than well: what it had under way elsewhere is to be
    /// stopped.
    #[must_use]
    pub fn ended(&self) -> Arc<Notify> {
        Arc::clone(&self.shared.ended)
    }

    /// What is notified, once for whoever waits or will wait, when a job ended in whatever way:
    /// somebody may want to be told.
    #[must_use]
    pub fn over(&self) -> Arc<Notify> {
        Arc::clone(&self.shared.over)
    }

    /// How many jobs run in this process.
    #[must_use]
    pub fn running_count(&self) -> usize {
        self.running().len()
    }

    /// Waits until every end that was asked for is written or refused.
    pub async fn settle(&self) {
        self.shared.ends.close();
        self.shared.ends.wait().await;
    }

    fn running(&self) -> MutexGuard<'_, HashMap<JobId, Running>> {
        self.shared.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
