//! A run with the faults of a cluster: everything is broken, one thing after the other, then everything
//! is checked as for a single server, and all nodes are held against each other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::check::{Evidence, Findings};
use crate::cluster::{Pages, Services, Striker};
use crate::database::Database;
use crate::failure::Failure;
use crate::options::{Cluster, Options};
use crate::plan::Plan;
use crate::plan::cluster::{Kind, LEASE};
use crate::proxy::Proxy;
use crate::record::History;
use crate::say;
use crate::simulator::Simulator;
use crate::work::{Record, Slots};
use crate::world::{PATIENCE, World};

use super::everybody::{self, Everybody, Projects};
use super::faults::{FLAGS, PROJECT, minutes};
use super::stage::{self, Stage};
use super::{Outcome, report};

/// How many jobs of a hundred are canceled.
const CANCELS: u8 = 8;

/// How often it is looked whether the nodes are level.
const LOOK: Duration = Duration::from_millis(50);

/// Runs, checks, reports.
///
/// # Errors
/// When the run came to nothing.
pub(super) async fn run(options: &Options, cluster: &Cluster) -> Result<Outcome, Failure> {
    let (began, cluster) = (Instant::now(), cluster.whole());
    let stage = Stage::new()?;
    let mut random = fastrand::Rng::with_seed(cluster.seed ^ 0x7461_696c);
    let mut striker = set_up(options, &mut random).await?;
    let outcome = break_and_check(options, &cluster, &mut striker, random, began).await;
    if options.keep || !matches!(outcome, Ok(Outcome::Clean)) {
        stage.keep(striker.services.folder());
    }
    outcome
}

async fn set_up(options: &Options, random: &mut fastrand::Rng) -> Result<Striker, Failure> {
    let services = Services::around()?;
    let simulator = Simulator::start(&stage::program(options)?, services.ours()?, 1000.0).await?;
    let (mut proxies, mut backs) = (Vec::new(), Vec::new());
    proxies.push(Proxy::start(services.address("nginx")?, random.fork()).await?);
    for (node, number) in Services::nodes().zip(1_u32..) {
        let address = services.address(&node)?;
        backs.push(address);
        proxies.push(Proxy::start(address, random.fork()).await?);
        services.equip(&node, simulator.variables(), &flags(number))?;
    }
    services.start_nodes().await?;
    let fronts = proxies.iter().map(Proxy::address).collect();
    Ok(Striker {
        world: Arc::new(World::of_many(fronts, backs)),
        services,
        simulator,
        proxies,
        random: random.fork(),
        counts: BTreeMap::new(),
        starts: Vec::new(),
        ends: Vec::new(),
        memory: 0,
    })
}

/// What a node is told: as a server alone, and that it is waited for not too long. One of them has the
/// other engine.
fn flags(node: u32) -> Vec<String> {
    let mut flags: Vec<_> = FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
    for flag in &mut flags {
        if flag == "fanout" && node == 2 {
            "hyper".clone_into(flag);
        }
    }
    flags.extend(["--lease".to_owned(), format!("{}s", LEASE.as_secs())]);
    flags
}

async fn break_and_check(
    options: &Options,
    cluster: &Cluster,
    striker: &mut Striker,
    mut random: fastrand::Rng,
    began: Instant,
) -> Result<Outcome, Failure> {
    let world = Arc::clone(&striker.world);
    let kinds = kinds(cluster, striker);
    // Each kind once, of those that are possible.
    let faults = if cluster.short { cluster.faults.min(kinds.len()) } else { cluster.faults };
    let cluster = &Cluster { faults, ..cluster.clone() };
    say::line(&format!(
        "seed {}: {} faults of {} kinds, {} jobs with {} readers each",
        cluster.seed,
        cluster.faults,
        kinds.len(),
        cluster.jobs,
        cluster.readers
    ));
    let slots = Slots {
        jobs: cluster.jobs,
        readers: cluster.readers,
        events: cluster.events,
        cancels: CANCELS,
        project: PROJECT.to_owned(),
    };
    let everybody = Everybody::begin(&world, slots, &mut random);
    let struck = strike_all(striker, cluster, kinds, began).await;
    world.enough.cancel();
    if let Err(failure) = &struck {
        world.violate(format!("the cluster could not be had back: {failure}"));
        world.over.cancel();
    }
    say::line("enough: everything comes to its end");
    let (mut records, histories, projects) = everybody.end().await;
    struck?;
    let findings = check(striker, &mut records, histories, projects).await?;
    let violated = world.violated();
    let told = report::Told {
        seed: cluster.seed,
        again: "scripts/chaos cluster",
        counts: striker.counts.iter().map(|(kind, count)| (kind.title(), *count)).collect(),
        starts: &striker.starts,
        ends: &striker.ends,
        memory: striker.memory,
        findings: &findings,
        began,
        violated,
    };
    report::print(&told, options.report);
    Ok(if violated == 0 { Outcome::Clean } else { Outcome::Violated })
}

/// The kinds of faults that are asked for and possible. What is left out is said, never passed over.
fn kinds(cluster: &Cluster, striker: &Striker) -> Vec<Kind> {
    let asked = if cluster.only.is_empty() { Kind::ALL.to_vec() } else { cluster.only.clone() };
    let is_possible = |kind: &Kind| {
        let is_possible = striker.services.is_cuttable() || !kind.is_cut();
        if !is_possible {
            let title = kind.title();
            say::line(&format!("LEFT OUT: {title}: no network namespaces here (they take root)"));
        }
        is_possible
    };
    asked.into_iter().filter(is_possible).collect()
}

/// Strikes until there was enough.
async fn strike_all(
    striker: &mut Striker,
    cluster: &Cluster,
    kinds: Vec<Kind>,
    began: Instant,
) -> Result<(), Failure> {
    let world = Arc::clone(&striker.world);
    for (step, number) in Plan::new(cluster.seed, kinds, cluster.short).zip(1..) {
        if !world.wait_for(&step.moment).await {
            world.violate(format!("nothing happens any more: '{}' never comes", step.moment));
            return Ok(());
        }
        let total = world.tally.total();
        say::line(&format!("{number:4}  {} {}: {}", total, step.moment, step.fault));
        striker.strike(step.kind, &step.fault).await?;
        let enough = number >= cluster.faults && world.tally.total() >= cluster.deliveries;
        let late = cluster.minutes.is_some_and(|most| began.elapsed() >= minutes(most));
        if enough || late {
            return Ok(());
        }
    }
    Ok(())
}

/// What counts is what is in the database, so nodes are asked that know nothing else; before that, they
/// are asked for what they have in memory.
async fn check(
    striker: &mut Striker,
    records: &mut Vec<Record>,
    mut histories: Vec<History>,
    projects: Projects,
) -> Result<Findings, Failure> {
    let world = Arc::clone(&striker.world);
    let database = Database::Postgres(striker.services.database()?);
    everybody::end_strays(&world, &database, records).await?;
    striker.must_live().await?;
    wait_until_level(&world).await;
    let names: Vec<_> = records.iter().map(|record| record.job.clone()).collect();
    let before = compare(&world, &names, None).await?;
    striker.services.act_on_nodes("stop").await?;
    striker.services.start_nodes().await?;
    wait_until_level(&world).await;
    compare(&world, &names, Some(&before)).await?;
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
    if findings.verdict.taken_back > 0 {
        let count = findings.verdict.taken_back;
        world.violate(format!("{count} deliveries were taken back: a cluster loses nothing"));
    }
    for name in Services::nodes() {
        for line in striker.services.log(&name).lines().filter(|line| line.contains("panicked")) {
            world.violate(format!("{name}: {line}"));
        }
    }
    Ok(findings)
}

/// Waits until all nodes have folded the same, and the database has all of it.
async fn wait_until_level(world: &World) {
    let level = async {
        loop {
            let mut places = Vec::new();
            for node in 0..world.nodes() {
                let ready = world.ask_node(node, "/readyz").await.map(|(_, ready)| ready);
                let ready = ready.unwrap_or_default();
                places.extend([ready["head"].as_u64(), ready["durable_through"].as_u64()]);
            }
            if places[0].is_some() && places.iter().all(|place| *place == places[0]) {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    if tokio::time::timeout(PATIENCE, level).await.is_err() {
        world.violate("the nodes never have the same".to_owned());
    }
}

/// Holds what all nodes say of these jobs against each other, and against what was said before; gives it.
async fn compare(world: &World, jobs: &[String], before: Option<&Pages>) -> Result<Pages, Failure> {
    let reads = (0..world.nodes()).map(|node| Pages::read(world, node, jobs));
    let read: Vec<Pages> =
        futures_util::future::join_all(reads).await.into_iter().collect::<Result<_, _>>()?;
    let mut read = read.into_iter();
    let first = read.next().unwrap_or_default();
    let others: Vec<_> = read.collect();
    let others = others.iter().zip(2..).map(|(pages, node)| (format!("node {node} and 1"), pages));
    let past = before.map(|pages| ("before the restart and after it".to_owned(), pages));
    for (who, pages) in others.chain(past) {
        for difference in first.differences(pages) {
            world.violate(format!("{who}: {difference}"));
        }
    }
    Ok(first)
}
