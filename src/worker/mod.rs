//! Workers: they run jobs, one file for each kind of work.
//!
//! A worker appends what happens to the job's log, where readers see it at once, and ends the job
//! through the queue. It never writes to the database and never speaks to a reader.

pub mod asked;
mod blog;
pub mod chat;
pub mod chunks;
mod download;
mod gate;
mod lane;
pub mod makers;
pub mod markdown;
mod media;
pub mod narrate;
pub mod retry;
pub mod run;
pub mod sentences;
pub mod voiceover;
pub mod watchdog;
mod writer;
mod written;

pub use gate::Health;
pub use makers::Makers;
pub use run::{Done, Halt, Run};

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::artifact::Artifacts;
use crate::outward::Outward;
use crate::provider::chat::Chat;
use crate::provider::speech::Speech;
use crate::queue::Queue;

use download::Downloader;
use lane::Lane;

/// How workers behave.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many jobs run at once per provider; 0 runs none.
    pub permits: usize,
    /// How long one run of a job that writes or speaks may take in all.
    pub time_limit: Duration,
    /// How long an external worker may be silent where its job does not say otherwise.
    pub silence_limit: Duration,
    /// The largest file that is fetched from a provider, in bytes.
    pub output_limit: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            permits: 3,
            time_limit: Duration::from_secs(600),
            silence_limit: Duration::from_secs(600),
            output_limit: 1 << 30,
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
    /// Make images and videos.
    pub makers: Makers,
    /// Fetches what they made.
    downloader: Arc<Downloader>,
    /// How workers behave.
    pub options: Options,
    /// Bounds the jobs that write.
    chat_permits: Arc<Semaphore>,
    /// Bounds the jobs that speak, alone or as the second half of a post.
    speech_permits: Arc<Semaphore>,
}

impl Workshop {
    /// A workshop over these services; files are fetched by `outward`.
    #[must_use]
    pub fn new(
        queue: Queue,
        artifacts: Artifacts,
        chat: Chat,
        speech: Speech,
        makers: Makers,
        outward: Arc<Outward>,
        options: Options,
    ) -> Self {
        let permits = || Arc::new(Semaphore::new(options.permits.min(Semaphore::MAX_PERMITS)));
        let bounds = download::Options { limit: options.output_limit, ..Default::default() };
        Self {
            chat_permits: permits(),
            speech_permits: permits(),
            queue,
            artifacts,
            chat,
            speech,
            makers,
            downloader: Arc::new(Downloader::new(outward, bounds)),
            options,
        }
    }

    /// Runs jobs until `draining` is set, then waits until the running ones are handed back.
    pub async fn run(self, draining: CancellationToken) {
        let tasks = TaskTracker::new();
        if self.options.permits > 0 {
            for lane in self.lanes() {
                tasks.spawn(lane.run(self.clone(), tasks.clone(), draining.clone()));
            }
        }
        for maker in self.makers.all() {
            let maker = Arc::clone(maker);
            tasks.spawn(media::cancel_abandoned(self.clone(), maker, draining.clone()));
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

    /// Every lane of the queue.
    fn lanes(&self) -> Vec<Lane> {
        let own = [("chat", &self.chat_permits), ("speech", &self.speech_permits)];
        let own = own.map(|(name, permits)| Lane {
            name: name.to_owned(),
            maker: None,
            permits: vec![Arc::clone(permits)],
            // Each process writes and speaks with as many jobs as it is told to.
            pools: Vec::new(),
        });
        own.into_iter().chain(self.makers.lanes()).collect()
    }
}
