//! A store, its journal and its database, to which a program's steps are done.

use std::fs;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::content;
use super::model::{JobModel, Model};
use crate::db::ends::{Finish, Finished};
use crate::db::jobs::Submit;
use crate::db::{self, FILE};
use crate::event::payload::{Canceled, End};
use crate::event::{EventId, now_ms};
use crate::job::Job;
use crate::store::{Journal, Log, Options, Store};

/// A database with its tables, which is copied: to migrate one takes longer than a program.
static MIGRATED: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = TempDir::new().unwrap();
    let path = folder.path().to_owned();
    let migrate = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (db, writer, _) = db::open(&path).await.unwrap();
            db.close().await;
            writer.close().await;
        });
    };
    // It is asked for from within a runtime.
    std::thread::spawn(migrate).join().unwrap();
    folder
});

/// One process over the database.
struct Process {
    store: Store,
    stop: CancellationToken,
    journal: JoinHandle<()>,
}

pub(super) struct World {
    process: Process,
    folder: TempDir,
    pub(super) model: Model,
    /// Told apart in every event.
    count: usize,
}

impl World {
    pub(super) async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::copy(MIGRATED.path().join(FILE), folder.path().join(FILE)).unwrap();
        let process = Process::start(&folder).await;
        let model = Model { epoch: 1, head: process.store.head(), ..Model::default() };
        Self { process, folder, model, count: 0 }
    }

    pub(super) const fn store(&self) -> &Store {
        &self.process.store
    }

    /// The log of a job. Held no longer than a step: whoever holds one keeps it in memory.
    pub(super) async fn log(&self, job: usize) -> Arc<Log> {
        self.store().open(&self.model.jobs[job].id).await.unwrap().unwrap()
    }

    pub(super) async fn submit(&mut self) {
        let job = Job::sample();
        let row = Submit::sample(job.clone());
        self.store().journal().change(row).await.unwrap();
        drop(self.store().create(&job));
        let (id, trimmed) = (job.id, EventId::ZERO);
        self.model.jobs.push(JobModel { id, events: Vec::new(), is_finished: false, trimmed });
    }

    /// Appends events with so many bytes of text each, in one step.
    pub(super) async fn append(&mut self, job: usize, sizes: &[usize]) {
        if self.model.jobs[job].is_finished {
            return;
        }
        let texts: Vec<_> = sizes.iter().map(|size| self.text(*size)).collect();
        let log = self.log(job).await;
        let proposals = texts.iter().map(|text| content(text));
        let appended = self.store().append_now(&log, proposals).unwrap();
        assert_eq!(appended.admitted as usize, sizes.len());
        self.model.publish(job, texts.into_iter().map(Some).collect(), appended.last);
    }

    fn text(&mut self, size: usize) -> String {
        self.count += 1;
        format!("{}:{}|", self.count, "x".repeat(size))
    }

    /// Ends a job as the queue does: its final row first, then the event.
    pub(super) async fn end(&mut self, job: usize) {
        if self.model.jobs[job].is_finished {
            return;
        }
        let log = self.log(job).await;
        let end = End::Canceled(Canceled { reason: "enough".into() });
        let (attempt, cost, now) = (None, None, now_ms() - 1000);
        let finish = Finish { job: log.job.clone(), attempt, end: end.clone(), cost, now };
        let finished = self.store().journal().change_after(log.last(), finish).await;
        assert!(matches!(finished, Ok(Finished::Now)), "{finished:?}");
        self.store().announce_end(&log, &end, Some(now)).await;
        self.model.jobs[job].is_finished = true;
        self.model.publish(job, vec![None], log.last());
    }

    pub(super) async fn commit(&self) {
        let head = self.store().head();
        self.store().journal().wait_durable(head).await.unwrap();
        let newest = self.model.jobs.iter().map(JobModel::last).max();
        assert!(self.store().journal().durable_through() >= newest.unwrap_or_default());
    }

    /// Drops some bytes of a job's durable events from memory.
    pub(super) async fn forget(&self, job: usize, bytes: usize) {
        let durable = self.store().journal().durable_through();
        self.log(job).await.lock().trim(durable, bytes);
    }

    /// Gives up the stored events of jobs that have ended.
    pub(super) async fn retain(&mut self) {
        // What is given up is written with whatever waits, which is durable only then.
        let durable = self.store().journal().durable_through();
        self.store().trim_database().await;
        for job in &mut self.model.jobs {
            if job.has_ended() && job.last() <= durable && job.trimmed == EventId::ZERO {
                job.trimmed = EventId::from_u64(job.last().get() - 1).unwrap();
            }
        }
    }

    /// The next process: after a stop, in which everything is committed, or a crash.
    pub(super) async fn restart(&mut self, is_crash: bool) {
        let Process { store, stop, journal } = &mut self.process;
        let durable = if is_crash {
            let durable = store.journal().durable_through();
            journal.abort();
            drop(journal.await);
            durable
        } else {
            stop.cancel();
            journal.await.unwrap();
            self.model.head
        };
        store.db().close().await;
        self.process = Process::start(&self.folder).await;
        self.model.restart(durable);
        // A final row whose event a crash took is told of when its job is next looked at.
        for job in 0..self.model.jobs.len() {
            if self.model.jobs[job].is_finished && !self.model.jobs[job].has_ended() {
                let last = self.log(job).await.last();
                self.model.publish(job, vec![None], last);
            }
        }
    }

    pub(super) async fn close(self) {
        self.process.stop.cancel();
        self.process.journal.await.unwrap();
        self.process.store.db().close().await;
    }
}

impl Process {
    async fn start(folder: &TempDir) -> Self {
        let (db, mut writer, _) = db::open(folder.path()).await.unwrap();
        writer.leave_out_sync().await;
        let epochs = writer.begin_epoch(now_ms()).await.unwrap();
        let (journal, feed) = Journal::new(epochs.last_committed());
        let options = Options {
            // So a sweep takes out of memory whatever it may.
            memory_limit: 0,
            memory_retention: Duration::ZERO,
            database_retention: Duration::ZERO,
            // The journal commits when a step asks for it, and not by the clock.
            commit_interval: Duration::from_secs(3600),
            ..Options::default()
        };
        let store = Store::new(db, epochs, options, journal);
        let stop = CancellationToken::new();
        let journal = tokio::spawn(store.clone().run_journal(writer, feed, stop.clone()));
        Self { store, stop, journal }
    }
}
