//! Everybody who submits, feeds and reads during a run, to the end of all jobs.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::task::JoinHandle;

use crate::check::{Job, fetch};
use crate::database::Database;
use crate::failure::Failure;
use crate::reader::{self, How};
use crate::record::{History, Scope};
use crate::work::{Board, Record, Slots};
use crate::world::{PATIENCE, World};

/// How many groups read several jobs at once.
const GROUPS: usize = 4;

/// How many jobs are asked for at a time in the end.
const AT_A_TIME: usize = 8;

/// The readers of the project.
pub(super) type Projects = Vec<JoinHandle<History>>;

/// Those who submit, feed and read.
pub(super) struct Everybody {
    world: Arc<World>,
    slots: JoinHandle<(Vec<Record>, Vec<History>)>,
    groups: Vec<JoinHandle<Vec<History>>>,
    projects: Projects,
}

impl Everybody {
    /// Begins; the project is read once at each front.
    pub(super) fn begin(world: &Arc<World>, slots: Slots, random: &mut fastrand::Rng) -> Self {
        let board = Arc::new(Board::default());
        let readers = (0..world.fronts()).map(|front| {
            let (name, random) = ("reader of the project".to_owned(), random.fork());
            let scope = Scope::Project(slots.project.clone());
            reader::spawn_at(Arc::clone(world), front, name, scope, How::Stream, random)
        });
        let projects = readers.collect();
        let groups = (0..GROUPS)
            .map(|_| Arc::clone(&board).read(Arc::clone(world), random.fork()))
            .collect();
        let slots = tokio::spawn(slots.run(Arc::clone(world), board, random.fork()));
        Self { world: Arc::clone(world), slots, groups, projects }
    }

    /// Waits until every job has ended and was read; the readers of the project go on.
    pub(super) async fn end(self) -> (Vec<Record>, Vec<History>, Projects) {
        let (records, mut histories) = match self.slots.await {
            Ok(done) => done,
            Err(error) => {
                self.world.violate(format!("the jobs came to nothing: {error}"));
                (Vec::new(), Vec::new())
            }
        };
        for group in self.groups {
            match tokio::time::timeout(PATIENCE, group).await {
                Ok(Ok(read)) => histories.extend(read),
                _ => self.world.violate("a group of jobs is read for ever".to_owned()),
            }
        }
        (records, histories, self.projects)
    }
}

/// Waits until the readers of the project have this event, and ends them; gives what they saw.
pub(super) async fn end_projects(world: &World, projects: Projects, newest: u64) -> Vec<History> {
    let read = async {
        while world.project_has() < newest {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, read).await.is_err() {
        let has = world.project_has();
        world.violate(format!("the reader of the project has {has}, and never {newest}"));
    }
    world.over.cancel();
    let mut histories = Vec::new();
    for project in projects {
        histories.extend(project.await.ok());
    }
    histories
}

/// Ends jobs that nobody here knows of, and takes them into the books.
///
/// # Errors
/// When the database does not say which there are.
pub(super) async fn end_strays(
    world: &World,
    database: &Database,
    records: &mut Vec<Record>,
) -> Result<(), Failure> {
    let known: HashSet<_> = records.iter().map(|record| record.job.clone()).collect();
    for job in database.jobs().await? {
        if known.contains(&job) {
            continue;
        }
        if world.damages() == 0 {
            world.violate(format!("nobody has submitted {job}"));
        }
        let url = world.direct(&format!("/api/jobs/{job}/cancel"));
        World::once(world.http.post(url).json(&serde_json::json!({}))).await;
        records.push(Record::stray(job, world.damages()));
    }
    Ok(())
}

/// Everything that is there of each of these jobs.
///
/// # Errors
/// When the server does not say.
pub(super) async fn fetch_all(
    world: &World,
    records: &[Record],
) -> Result<Vec<Option<Job>>, Failure> {
    futures_util::stream::iter(records.iter())
        .map(|record| fetch(world, &record.job))
        .buffered(AT_A_TIME)
        .collect::<Vec<Result<Option<Job>, Failure>>>()
        .await
        .into_iter()
        .collect()
}

/// The newest id of all.
pub(super) fn newest(jobs: &[Option<Job>]) -> u64 {
    let last = jobs.iter().flatten().filter_map(|job| job.events.last());
    last.map(|seen| seen.id).max().unwrap_or(0)
}
