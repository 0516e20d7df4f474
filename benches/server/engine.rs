//! The event store as a server has it, without the server: a database in a temporary folder, the
//! journal at work, jobs to append to.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tailwater::db;
use tailwater::event::now_ms;
use tailwater::job::{Kind, Status};
use tailwater::queue::{Queue, Task};
use tailwater::store::{self, Journal, Log, Store};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// How many bytes the events of these benchmarks take on the wire.
pub(crate) const EVENT_BYTES: usize = 200;

/// A store whose journal runs on the runtime that it was opened on.
pub(crate) struct Engine {
    pub(crate) store: Store,
    pub(crate) queue: Queue,
    /// Where the database is, for as long as this lives.
    _folder: TempDir,
}

impl Engine {
    /// Opens a store with the usual bounds, but that a sweep drops at once what nobody uses.
    pub(crate) async fn open() -> Self {
        Self::open_in(TempDir::new().expect("a temporary folder")).await
    }

    /// The same with its database in this folder.
    pub(crate) async fn open_in(folder: TempDir) -> Self {
        let (readers, mut writer, _) = db::open(folder.path()).await.expect("a new database");
        let epochs = writer.begin_epoch(now_ms()).await.expect("an epoch");
        let options =
            store::Options { memory_retention: Duration::ZERO, ..store::Options::default() };
        let (journal, feed) = Journal::new(epochs.last_committed());
        let store = Store::new(readers, epochs, options, journal);
        tokio::spawn(store.clone().run_journal(writer, feed, CancellationToken::new()));
        let queue = Queue::new(store.clone(), Default::default(), CancellationToken::new());
        Self { store, queue, _folder: folder }
    }

    /// The log of a new job that is running.
    pub(crate) async fn job(&self) -> Arc<Log> {
        let kind = Kind::External;
        let task = Task {
            kind,
            input: json!({}),
            media: None,
            project_id: "default".into(),
            priority: 0,
            idempotency_key: None,
            allow_duplicate: true,
            retry_of: None,
            silence_limit_ms: None,
            chat: None,
            webhook: None,
        };
        let submission = self.queue.submit(task).await.expect("a job");
        let log = self.store.find(&submission.job.id).expect("it was made this moment");
        self.queue.tell_status(&log, Status::Running, 1).await.expect("it takes events");
        log
    }
}
