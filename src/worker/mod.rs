//! Workers: they run jobs, one file for each kind of work.
//!
//! A worker appends what happens to the job's log, where readers see it at once, and ends the job
//! through the queue. It never writes to the database and never speaks to a reader.

pub mod blog;
pub mod chunks;
pub mod lane;
pub mod markdown;
pub mod narrate;
pub mod retry;
pub mod run;
pub mod sentences;
pub mod voiceover;
pub mod watchdog;

pub use run::{Halt, Run};

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::artifact::Artifacts;
use crate::provider::chat::Chat;
use crate::provider::speech::Speech;
use crate::queue::Queue;

/// How workers behave.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many jobs run at once per provider; 0 runs none.
    pub permits: usize,
    /// How long one run of a job may take in all.
    pub time_limit: Duration,
    /// How long an external worker may be silent where its job does not say otherwise.
    pub silence_limit: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            permits: 3,
            time_limit: Duration::from_secs(600),
            silence_limit: Duration::from_secs(600),
        }
    }
}

/// What workers work with; cheap to clone.
#[derive(Clone, Debug)]
pub struct Workshop {
    /// Where jobs come from and end.
    pub queue: Queue,
    /// Where files go.
    pub artifacts: Artifacts,
    /// Writes text.
    pub chat: Chat,
    /// Speaks text.
    pub speech: Speech,
    /// How workers behave.
    pub options: Options,
    /// Bounds the jobs that write.
    chat_permits: Arc<Semaphore>,
    /// Bounds the jobs that speak, alone or as the second half of a post.
    speech_permits: Arc<Semaphore>,
}

impl Workshop {
    /// A workshop over these services.
    #[must_use]
    pub fn new(
        queue: Queue,
        artifacts: Artifacts,
        chat: Chat,
        speech: Speech,
        options: Options,
    ) -> Self {
        let permits = || Arc::new(Semaphore::new(options.permits.min(Semaphore::MAX_PERMITS)));
        Self {
            chat_permits: permits(),
            speech_permits: permits(),
            queue,
            artifacts,
            chat,
            speech,
            options,
        }
    }

    /// Runs jobs until `draining` is set, then waits until the running ones are handed back.
    pub async fn run(self, draining: CancellationToken) {
        let tasks = TaskTracker::new();
        if self.options.permits > 0 {
            for (provider, permits) in
                [("chat", &self.chat_permits), ("speech", &self.speech_permits)]
            {
                let lane = lane::Lane {
                    workshop: self.clone(),
                    provider,
                    permits: Arc::clone(permits),
                    runs: tasks.clone(),
                };
                tasks.spawn(lane.run(draining.clone()));
            }
        }
        tasks.spawn(watchdog::run(
            self.queue.clone(),
            self.options.silence_limit,
            draining.clone(),
        ));
        draining.cancelled().await;
        tasks.close();
        tasks.wait().await;
    }
}
