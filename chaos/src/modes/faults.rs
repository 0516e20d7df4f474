//! A run with faults: everything is broken, one thing after the other, then everything is checked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::check::Evidence;
use crate::clock::Clock;
use crate::database::Database;
use crate::disk::Disk;
use crate::failure::Failure;
use crate::options::{Faults, Options};
use crate::plan::{Kind, Plan};
use crate::proxy::Proxy;
use crate::record::History;
use crate::say;
use crate::simulator::Simulator;
use crate::strike::Striker;
use crate::work::{Record, Slots};
use crate::world::World;

use super::everybody::{self, Everybody, Projects};
use super::stage::{self, Stage};
use super::{Outcome, report};

/// Whose jobs they are.
pub(super) const PROJECT: &str = "chaos";

/// What the server is told: small bounds, so that they are reached, and short times.
pub(super) const FLAGS: [&str; 26] = [
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
    let slots = Slots {
        jobs: faults.jobs,
        readers: faults.readers,
        events: faults.events,
        cancels: 0,
        project: PROJECT.to_owned(),
    };
    let everybody = Everybody::begin(&world, slots, &mut random);
    let struck = strike_all(&mut striker, faults, kinds, began).await;
    world.enough.cancel();
    if let Err(failure) = &struck {
        world.violate(format!("the server could not be had back: {failure}"));
        world.over.cancel();
    }
    say::line("enough: everything comes to its end");
    let (mut records, mut histories, projects) = everybody.end().await;
    for (record, history) in std::mem::take(&mut striker.floods) {
        records.push(record);
        histories.push(history);
    }
    struck?;
    let findings = check(&mut striker, &mut records, histories, projects).await?;
    let violated = world.violated();
    let told = report::Told {
        seed: faults.seed,
        again: "scripts/chaos",
        counts: striker.counts.iter().map(|(kind, count)| (kind.title(), *count)).collect(),
        starts: &striker.starts,
        ends: &striker.ends,
        memory: striker.memory,
        findings: &findings,
        began,
        violated,
    };
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
    let simulator = Simulator::start(&stage::program(options)?, stage::HOME, 1000.0).await?;
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

pub(super) const fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

/// What counts is what is in the database, so a process is asked that knows nothing else.
async fn check(
    striker: &mut Striker,
    records: &mut Vec<Record>,
    mut histories: Vec<History>,
    projects: Projects,
) -> Result<crate::check::Findings, Failure> {
    let world = Arc::clone(&striker.world);
    let database = Database::within(&striker.server.setup().data);
    everybody::end_strays(&world, &database, records).await?;
    if striker.server.terminate().await?.0 != Some(0) {
        world.violate("the last SIGTERM did not end the server in order".to_owned());
    }
    striker.server.start().await?;
    let jobs = everybody::fetch_all(&world, records).await?;
    let newest = everybody::newest(&jobs);
    histories.extend(everybody::end_projects(&world, projects, newest).await);
    say::line(&format!("{} jobs and {} readers are checked", jobs.len(), histories.len()));
    let evidence = Evidence {
        world: &world,
        database: &database,
        simulator: &striker.simulator,
        records: records.as_slice(),
        jobs: &jobs,
    };
    let mut findings = evidence.check().await?;
    evidence.readers(&histories, &mut findings.verdict).await?;
    Ok(findings)
}
