//! The queue: jobs in, claims out, ends written; nothing here runs a job.

pub mod claim;
pub mod end;
pub mod submit;

pub use claim::Claimed;
pub use end::{EndError, Ended};
pub use submit::{Submission, SubmitError, Task};

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

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
    /// Wakes the workers when a job was put into the queue.
    submitted: Notify,
    /// The jobs that run in this process, and how to stop them.
    running: Mutex<HashMap<JobId, Running>>,
    /// Ends that are being written: they are finished even when whoever asked has gone away.
    ends: TaskTracker,
    /// Set when the server goes down: no new work.
    draining: CancellationToken,
}

#[derive(Clone, Debug)]
struct Running {
    attempt: u32,
    cancel: CancellationToken,
    reason: Arc<Mutex<Option<String>>>,
}

impl Queue {
    /// A queue over this store; no job is taken or given out once `draining` is set.
    #[must_use]
    pub fn new(store: Store, draining: CancellationToken) -> Self {
        Self {
            shared: Arc::new(Shared {
                store,
                submitted: Notify::new(),
                running: Mutex::default(),
                ends: TaskTracker::new(),
                draining,
            }),
        }
    }

    /// The store behind the queue.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// Waits until a job may have been put into the queue. Registered when it is called, so that
    /// a look at the queue after the call and before the wait misses nothing.
    pub fn submitted(&self) -> tokio::sync::futures::Notified<'_> {
        self.shared.submitted.notified()
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
