//! How long it takes to claim the next of 10,000 jobs that wait in one lane, and to look up the
//! places of 1,000 watched ones among them.
//!
//! The statement alone, in a transaction that is then given up; and through the queue as a worker
//! claims: the journal's commit on the disk, the job's log, its event.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use tailwater::db::claims::Claim;
use tailwater::db::{self, Change};
use tailwater::event::now_ms;
use tailwater::job::{JobId, Kind};
use tailwater::queue::{Media, Task};
use tempfile::TempDir;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use crate::engine::Engine;
use crate::figures::Sorted;

const JOBS: usize = 10_000;
const CLAIMS: usize = 1_000;
const LOOKS: usize = 50;
const WATCHED: usize = 1_000;
const LANE: &str = "fal";

fn task(number: usize, projects: usize) -> Task {
    Task {
        kind: Kind::Video,
        input: json!({ "prompt": format!("kite {number}"), "duration": "8s" }),
        media: Some(Media {
            model: "veo3/text-to-video/fast".into(),
            lane: LANE.into(),
            hold: 0,
            media_type: "video/mp4".into(),
        }),
        project_id: format!("project-{}", number % projects),
        priority: 0,
        idempotency_key: None,
        allow_duplicate: true,
        retry_of: None,
        silence_limit_ms: None,
        chat: None,
        webhook: None,
    }
}

/// Puts the jobs into the queue; gives their ids.
async fn fill(engine: &Engine, projects: usize) -> Vec<JobId> {
    let mut jobs = Vec::new();
    while jobs.len() < JOBS {
        let submit = |number| {
            let (queue, task) = (engine.queue.clone(), task(number, projects));
            async move { queue.submit(task).await.expect("a job").job.id }
        };
        let batch: JoinSet<_> = (jobs.len()..jobs.len() + 500).map(submit).collect();
        jobs.extend(batch.join_all().await);
    }
    jobs
}

/// The statements of a claim, without a commit.
async fn statements(engine: &Engine, folder: &Path) -> Sorted {
    let opened = db::open(folder).await;
    let (_, mut writer, _) = opened.expect("the engine's database");
    let mut tx = writer.begin().await.expect("nobody writes");
    let mut took = Vec::new();
    for _ in 0..CLAIMS {
        let epoch = engine.store.epoch().into();
        let claim = Claim { lane: LANE.into(), epoch, permits: Vec::new(), now: now_ms() };
        let start = Instant::now();
        claim.apply(&mut tx.conn()).await.expect("it answers").job().expect("a job");
        took.push(start.elapsed());
    }
    tx.rollback().await.expect("nothing is kept");
    Sorted::new(took)
}

/// Claims as a worker does; with how many projects the claimed jobs were of.
async fn claims(engine: &Engine) -> (Sorted, usize) {
    let (mut took, mut projects) = (Vec::new(), HashSet::new());
    for _ in 0..CLAIMS {
        let start = Instant::now();
        let claimed = engine.queue.claim(LANE, &[]).await.expect("it answers").expect("a job");
        took.push(start.elapsed());
        projects.insert(claimed.job.project_id.clone());
    }
    (Sorted::new(took), projects.len())
}

async fn places(engine: &Engine, jobs: &[JobId]) -> Sorted {
    let watched: Vec<_> = jobs.iter().step_by(JOBS / WATCHED).cloned().collect();
    let mut took = Vec::new();
    for _ in 0..LOOKS {
        let start = Instant::now();
        let places = engine.store.db().queue_positions(&watched).await.expect("it answers");
        took.push(start.elapsed());
        assert_eq!(places.len(), WATCHED);
    }
    Sorted::new(took)
}

fn row(projects: usize, name: &str, sorted: &Sorted) {
    let (p50, p99, longest) = (sorted.median(), sorted.p99(), sorted.longest());
    println!("| {projects} | {name} | {p50:.2?} | {p99:.2?} | {longest:.2?} |");
}

async fn measure(projects: usize) {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().to_owned();
    let engine = Engine::open_in(folder).await;
    let start = Instant::now();
    let jobs = fill(&engine, projects).await;
    let filled: Duration = start.elapsed();
    row(projects, "places of 1,000 watched jobs", &places(&engine, &jobs).await);
    row(projects, "claim, the statements", &statements(&engine, &path).await);
    let start = Instant::now();
    let (sorted, served) = claims(&engine).await;
    let rate = CLAIMS as u128 * 1_000_000 / start.elapsed().as_micros();
    row(projects, "claim, by the queue", &sorted);
    let memory = engine.store.memory() / 1024;
    println!(
        "| {projects} | {rate} claims a second, of {served} projects | submitted in {filled:.1?} | \
         logs {memory} kB | |"
    );
}

pub(crate) fn run() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    println!("| projects | | p50 | p99 | longest |\n| --- | --- | --- | --- | --- |");
    for projects in [1, 10, 1_000] {
        runtime.block_on(measure(projects));
    }
}
