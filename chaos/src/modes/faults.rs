//! A run with faults: everything is broken, one thing after the other, then everything is checked.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use crate::check::{Evidence, Job, fetch};
use crate::clock::Clock;
use crate::disk::Disk;
use crate::failure::Failure;
use crate::options::{Faults, Options};
use crate::plan::{Kind, Plan};
use crate::proxy::Proxy;
use crate::reader::{self, How};
use crate::record::{History, Scope};
use crate::say;
use crate::simulator::Simulator;
use crate::strike::Striker;
use crate::work::{Board, Record, Slots};
use crate::world::{PATIENCE, World};

use super::stage::{self, Stage};
use super::{Outcome, report};

/// Whose jobs they are.
const PROJECT: &str = "chaos";

/// How many groups read several jobs at once.
const GROUPS: usize = 4;

/// How many jobs are asked for at a time in the end.
const AT_A_TIME: usize = 8;

/// What the server is told: small bounds, so that they are reached, and short times.
const FLAGS: [&str; 26] = [
    "--workers",
    "20",
    "--simulator-speed",
    "1000",
    "--start-jitter",
    "0s",
    "--keep-alive",
    "500ms",
    "--stall-timeout",
    "4s",
    "--max-stream-age",
    "20s",
    "--memory-limit",
    "16M",
    "--journal-limit",
    "2M",
    "--retention-memory",
    "2s",
    "--demo-credits",
    "1000000",
    "--requests-per-minute",
    "replicate=1000000,minimax=1000000",
    "--engine",
    "fanout",
    "--log",
    "tailwater=info,warn",
];

/// Runs, checks, reports.
///
/// # Errors
/// When the run came to nothing.
pub(super) async fn run(options: &Options) -> Result<Outcome, Failure> {
    let faults = options.faults();
    let stage = Stage::new()?;
    let disk = Disk::new(stage.path().join("disk"))?;
    let data = disk.path().join("data");
    let outcome = on_stage(options, &faults, &stage, disk).await;
    let (outcome, _disk) = outcome?;
    if outcome == Outcome::Violated || options.keep {
        stage.keep(&data);
    }
    Ok(outcome)
}

async fn on_stage(
    options: &Options,
    faults: &Faults,
    stage: &Stage,
    disk: Disk,
) -> Result<(Outcome, Disk), Failure> {
    let began = Instant::now();
    let mut random = fastrand::Rng::with_seed(faults.seed ^ 0x7461_696c);
    let mut striker = set_up(options, faults, stage, disk, &mut random).await?;
    let world = Arc::clone(&striker.world);
    let kinds = kinds(faults, &striker);
    say::line(&format!(
        "seed {}: {} faults of {} kinds, {} jobs with {} readers each",
        faults.seed,
        faults.faults,
        kinds.len(),
        faults.jobs,
        faults.readers
    ));
    striker.server.start().await?;
    let everybody = Everybody::begin(&world, faults, &mut random);
    let struck = strike_all(&mut striker, faults, kinds, began).await;
    world.enough.cancel();
    if let Err(failure) = &struck {
        world.violate(format!("the server could not be had back: {failure}"));
        world.over.cancel();
    }
    say::line("enough: everything comes to its end");
    let (mut records, mut histories, project) = everybody.end().await;
    for (record, history) in std::mem::take(&mut striker.floods) {
        records.push(record);
        histories.push(history);
    }
    struck?;
    let findings = check(&mut striker, &mut records, histories, project).await?;
    let violated = world.violated();
    let told = report::Told { faults, striker: &striker, findings: &findings, began, violated };
    report::print(&told, options.report);
    let outcome = if violated == 0 { Outcome::Clean } else { Outcome::Violated };
    Ok((outcome, striker.disk))
}

async fn set_up(
    options: &Options,
    faults: &Faults,
    stage: &Stage,
    disk: Disk,
    random: &mut fastrand::Rng,
) -> Result<Striker, Failure> {
    let simulator = Simulator::start(&stage::program(options)?, 1000.0).await?;
    let variables = simulator.variables().clone();
    let wants_clock = faults.only.is_empty() || faults.only.contains(&Kind::Clock);
    let clock = if wants_clock { Clock::find(stage.path())? } else { None };
    let data = disk.path().join("data");
    let server = stage.server(options, data, &FLAGS, variables, clock)?;
    let address = server.setup().address;
    let proxy = Proxy::start(address, random.fork()).await?;
    Ok(Striker {
        world: Arc::new(World::new(proxy.address(), address)),
        server,
        disk,
        simulator,
        proxy,
        random: random.fork(),
        project: PROJECT.to_owned(),
        counts: BTreeMap::new(),
        starts: Vec::new(),
        ends: Vec::new(),
        floods: Vec::new(),
        hours: 0,
        memory: 0,
    })
}

/// The kinds of faults that are asked for and possible. What is left out is said, never passed over.
fn kinds(faults: &Faults, striker: &Striker) -> Vec<Kind> {
    let asked = if faults.only.is_empty() { Kind::ALL.to_vec() } else { faults.only.clone() };
    let possible = |kind: &Kind| match striker.left_out(*kind) {
        Some(why) => {
            say::line(&format!("LEFT OUT: {}: {why}", kind.title()));
            false
        }
        None => true,
    };
    asked.into_iter().filter(possible).collect()
}

/// Strikes until there was enough.
async fn strike_all(
    striker: &mut Striker,
    faults: &Faults,
    kinds: Vec<Kind>,
    began: Instant,
) -> Result<(), Failure> {
    let world = Arc::clone(&striker.world);
    for (step, number) in Plan::new(faults.seed, kinds, faults.short).zip(1..) {
        if !world.wait_for(&step.moment).await {
            world.violate(format!("nothing happens any more: '{}' never comes", step.moment));
            return Ok(());
        }
        let total = world.tally.total();
        say::line(&format!("{number:4}  {} {}: {}", total, step.moment, step.fault));
        // One life with each engine.
        let engine = if number % 2 == 0 { "fanout" } else { "hyper" };
        striker.server.set_flag("--engine", engine);
        striker.strike(&step.fault).await?;
        let enough = number >= faults.faults && world.tally.total() >= faults.deliveries;
        let late = faults.minutes.is_some_and(|most| began.elapsed() >= minutes(most));
        if enough || late {
            return Ok(());
        }
    }
    Ok(())
}

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

/// Those who submit, feed and read.
struct Everybody {
    world: Arc<World>,
    slots: tokio::task::JoinHandle<(Vec<Record>, Vec<History>)>,
    groups: Vec<tokio::task::JoinHandle<Vec<History>>>,
    project: tokio::task::JoinHandle<History>,
}

impl Everybody {
    fn begin(world: &Arc<World>, faults: &Faults, random: &mut fastrand::Rng) -> Self {
        let board = Arc::new(Board::default());
        let slots = Slots {
            jobs: faults.jobs,
            readers: faults.readers,
            events: faults.events,
            project: PROJECT.to_owned(),
        };
        let (name, scope) =
            ("reader of the project".to_owned(), Scope::Project(PROJECT.to_owned()));
        let project = reader::spawn(Arc::clone(world), name, scope, How::Stream, random.fork());
        let groups = (0..GROUPS)
            .map(|_| Arc::clone(&board).read(Arc::clone(world), random.fork()))
            .collect();
        let slots = tokio::spawn(slots.run(Arc::clone(world), board, random.fork()));
        Self { world: Arc::clone(world), slots, groups, project }
    }

    /// Waits until every job has ended and was read; the reader of the project goes on.
    async fn end(self) -> (Vec<Record>, Vec<History>, tokio::task::JoinHandle<History>) {
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
        (records, histories, self.project)
    }
}

/// What counts is what is in the database, so a process is asked that knows nothing else.
async fn check(
    striker: &mut Striker,
    records: &mut Vec<Record>,
    mut histories: Vec<History>,
    project: tokio::task::JoinHandle<History>,
) -> Result<crate::check::Findings, Failure> {
    let world = Arc::clone(&striker.world);
    end_strays(striker, records).await?;
    if striker.server.terminate().await?.0 != Some(0) {
        world.violate("the last SIGTERM did not end the server in order".to_owned());
    }
    striker.server.start().await?;
    let jobs = futures_util::stream::iter(records.iter())
        .map(|record| fetch(&world, &record.job))
        .buffered(AT_A_TIME)
        .collect::<Vec<Result<Option<Job>, Failure>>>()
        .await
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    let newest =
        jobs.iter().flatten().filter_map(|job| job.events.last()).map(|seen| seen.id).max();
    wait_for_project(&world, newest.unwrap_or(0)).await;
    world.over.cancel();
    histories.extend(project.await.ok());
    say::line(&format!("{} jobs and {} readers are checked", jobs.len(), histories.len()));
    let data = striker.server.setup().data.clone();
    let evidence = Evidence {
        world: &world,
        data: &data,
        simulator: &striker.simulator,
        records: records.as_slice(),
        jobs: &jobs,
    };
    let mut findings = evidence.check().await?;
    evidence.readers(&histories, &mut findings.verdict).await?;
    Ok(findings)
}

async fn wait_for_project(world: &World, newest: u64) {
    let read = async {
        while world.project_has() < newest {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, read).await.is_err() {
        let has = world.project_has();
        world.violate(format!("the reader of the project has {has}, and never {newest}"));
    }
}

/// Ends jobs that nobody here knows of, and takes them into the books.
async fn end_strays(striker: &Striker, records: &mut Vec<Record>) -> Result<(), Failure> {
    let world = &striker.world;
    let known: std::collections::HashSet<_> =
        records.iter().map(|record| record.job.clone()).collect();
    for job in all_jobs(&striker.server.setup().data).await? {
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

async fn all_jobs(data: &Path) -> Result<Vec<String>, Failure> {
    let file = data.join(tailwater::db::FILE);
    let mut database = SqliteConnectOptions::new().filename(file).read_only(true).connect().await?;
    Ok(sqlx::query_scalar("select id from job order by id").fetch_all(&mut database).await?)
}
