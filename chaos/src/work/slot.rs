//! The places in which there is always a job.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::reader::{self, How};
use crate::record::{History, Scope};
use crate::world::{PATIENCE, World};

use super::groups::Board;
use super::producer::Producer;
use super::{Task, cancel, submit};

/// How often a worker that is done looks whether a log was damaged.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// A job that was accepted.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Its id.
    pub(crate) job: String,
    /// What it is called in its prompt, and the key of its submit.
    pub(crate) name: String,
    /// What was asked for.
    pub(crate) task: Task,
    /// How often logs had been damaged when it was accepted.
    pub(crate) damages: usize,
}

impl Record {
    /// A job that nobody here knows of: its submit was repeated after a damaged log had taken the
    /// first one, and the answer was lost.
    pub(crate) fn stray(job: String, damages: usize) -> Self {
        let name = format!("stray {job}");
        Self { job, name, task: Task::Voiceover, damages }
    }

    /// A record for tests.
    #[cfg(test)]
    pub(crate) fn of(job: &str, task: Task) -> Self {
        Self { job: job.to_owned(), name: "1".to_owned(), task, damages: 0 }
    }
}

/// How many jobs and readers there are.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    /// How many jobs are in flight.
    pub(crate) jobs: usize,
    /// How many readers each has.
    pub(crate) readers: usize,
    /// How many events an external one has at most.
    pub(crate) events: u64,
    /// How many of them are canceled, in percent.
    pub(crate) cancels: u8,
    /// Whose jobs they are.
    pub(crate) project: String,
}

impl Slots {
    /// Keeps all slots filled until there was enough, and lets everything come to its end; gives what
    /// was accepted and what was seen. What does not end in time is a violation.
    pub(crate) async fn run(
        self,
        world: Arc<World>,
        board: Arc<Board>,
        mut random: fastrand::Rng,
    ) -> (Vec<Record>, Vec<History>) {
        let mut slots = JoinSet::new();
        for slot in 0..self.jobs {
            let (world, board) = (Arc::clone(&world), Arc::clone(&board));
            slots.spawn(run(self.clone(), world, board, slot, random.fork()));
        }
        let (mut records, mut histories) = (Vec::new(), Vec::new());
        while let Some(done) = slots.join_next().await {
            if let Ok((more_records, more_histories)) = done {
                records.extend(more_records);
                histories.extend(more_histories);
            }
        }
        (records, histories)
    }
}

async fn run(
    slots: Slots,
    world: Arc<World>,
    board: Arc<Board>,
    slot: usize,
    mut random: fastrand::Rng,
) -> (Vec<Record>, Vec<History>) {
    let (mut records, mut histories) = (Vec::new(), Vec::new());
    let mut count = 0;
    while !world.enough.is_cancelled() {
        let name = format!("{slot}-{count}");
        count += 1;
        let task = Task::draw(slot, slots.events, &mut random);
        let damages = world.damages();
        let project = &slots.project;
        let Some(job) = submit::submit(&world, &name, &task, project, &mut random).await else {
            continue;
        };
        board.put(&job);
        let record = Record { job, name, task, damages };
        histories.extend(one(&slots, &world, &record, &mut random).await);
        records.push(record);
    }
    (records, histories)
}

/// Feeds and watches a job until every reader knows its end; gives what they saw.
async fn one(
    slots: &Slots,
    world: &Arc<World>,
    record: &Record,
    random: &mut fastrand::Rng,
) -> Vec<History> {
    let mut readers = JoinSet::new();
    for nth in 0..slots.readers {
        let how = if nth % 4 == 3 { How::Poll } else { How::Stream };
        let name = format!("{how:?} {nth} of {} ({})", record.job, record.name);
        let scope = Scope::Job(record.job.clone());
        let reader = reader::spawn(Arc::clone(world), name, scope, how, random.fork());
        readers.spawn(async move { reader.await.ok() });
    }
    let submits_again = {
        let (world, record) = (Arc::clone(world), record.clone());
        let (project, random) = (slots.project.clone(), random.fork());
        tokio::spawn(async move { submit_again(&world, &record, &project, random).await })
    };
    let produces = {
        let (world, record, random) = (Arc::clone(world), record.clone(), random.fork());
        tokio::spawn(async move { produce(&world, &record, random).await })
    };
    let cancels = {
        let (world, record, mut random) = (Arc::clone(world), record.clone(), random.fork());
        let is_chosen = random.u8(0..100) < slots.cancels;
        tokio::spawn(async move {
            if is_chosen {
                cancel::cancel(&world, &record.job, random).await;
            }
        })
    };
    let mut histories = Vec::new();
    let all = async {
        while let Some(read) = readers.join_next().await {
            histories.extend(read.ok().flatten());
        }
    };
    let in_time = tokio::time::timeout(PATIENCE * 2, all).await;
    submits_again.abort();
    produces.abort();
    cancels.abort();
    if in_time.is_err() {
        let name = &record.name;
        world.violate(format!("{} ({name}): readers wait for its end for ever", record.job));
    }
    histories
}

/// Sends what an external worker has to send; once more after each damage to a log, which may have
/// taken what was durable, the end too.
async fn produce(world: &World, record: &Record, mut random: fastrand::Rng) {
    let Task::External { events } = record.task else { return };
    loop {
        let damages = world.damages();
        let random = random.fork();
        Producer { world, job: &record.job, events, padding: 0, random }.produce().await;
        while world.damages() == damages {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// Submits the same again whenever the plan asks for it.
async fn submit_again(world: &World, record: &Record, project: &str, mut random: fastrand::Rng) {
    let mut orders = world.orders.subscribe();
    let mut obeyed = orders.borrow().resend.0;
    while orders.changed().await.is_ok() {
        let (number, percent) = orders.borrow_and_update().resend;
        let is_new = std::mem::replace(&mut obeyed, number) < number;
        if is_new && random.u8(0..100) < percent {
            submit::again(world, &record.name, &record.task, project, &record.job).await;
        }
    }
}
