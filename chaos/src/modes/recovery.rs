//! How soon everything is back after a `kill -9` under many running jobs, each with a reader that
//! behaves as a native `EventSource`: it waits as long as it was told before it comes back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::{Value, json};
use tailwater::event::parse::{Item, Parser};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::options::{self, Options};
use crate::say;
use crate::server::Server;
use crate::simulator::Simulator;
use crate::world::{PATIENCE, World};

use super::stage::{self, Stage};
use super::{Outcome, report};

/// How soon a server must listen after a `kill -9`.
const SERVING: Duration = Duration::from_secs(1);

/// How soon every reader must be live again.
const LIVE: Duration = Duration::from_secs(5);

/// How long a reader waits that was told nothing: what browsers do.
const USUAL_RETRY: Duration = Duration::from_secs(3);

/// How often what is waited for is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// Which life of the server each reader is live in.
type Lives = Arc<Vec<watch::Sender<u64>>>;

/// What one round took.
struct Round {
    listens: Duration,
    serves: Duration,
    /// Of each reader, until it was live again.
    live: Vec<Duration>,
    /// How many jobs of those that ran were running again when all readers were live.
    running: u64,
}

/// Measures, and says whether the figures were reached.
///
/// # Errors
/// When the run came to nothing.
pub(super) async fn run(
    options: &Options,
    recovery: &options::Recovery,
) -> Result<Outcome, Failure> {
    let stage = Stage::new()?;
    // At the pace of a real model, so that the jobs are in the middle of it.
    let simulator = Simulator::start(&stage::program(options)?, stage::HOME, 1.0).await?;
    let workers = recovery.jobs.min(1000).to_string();
    let flags = ["--workers", &workers, "--log", "tailwater=info,warn"];
    let data = stage.path().join("data");
    let mut server = stage.server(options, data, &flags, simulator.variables().clone(), None)?;
    server.start().await?;
    let address = server.setup().address;
    let world = Arc::new(World::new(address, address));
    let jobs = submit(&world, recovery.jobs).await?;
    let lives: Lives = Arc::new(jobs.iter().map(|_| watch::Sender::new(0)).collect());
    let stop = CancellationToken::new();
    let mut readers = JoinSet::new();
    for (nth, job) in jobs.into_iter().enumerate() {
        let url = world.direct(&format!("/api/jobs/{job}/stream"));
        let (http, lives) = (world.http.clone(), Arc::clone(&lives));
        readers.spawn(stop.clone().run_until_cancelled_owned(async move {
            read(&http, &url, &lives[nth]).await;
        }));
    }
    let mut rounds = Vec::new();
    for number in 1..=recovery.rounds {
        until_live(&world, &lives).await?;
        until_running(&world, recovery.jobs).await?;
        let round = round(&world, &mut server, &lives).await?;
        say::line(&format!(
            "{number}: listens after {:.2?}, serves after {:.2?}, every reader is live after {:.2?}",
            round.listens,
            round.serves,
            round.live.last().copied().unwrap_or_default()
        ));
        rounds.push(round);
    }
    stop.cancel();
    server.terminate().await?;
    Ok(tell(recovery.jobs, &rounds))
}

async fn submit(world: &World, count: usize) -> Result<Vec<String>, Failure> {
    let mut jobs = Vec::new();
    for nth in 0..count {
        // Half of them write at length, half are an external worker's.
        let body = if nth % 2 == 0 {
            let input = json!({ "topic": format!("[slow] tides {nth}"), "words": 5000 });
            json!({ "kind": "blog", "input": input })
        } else {
            json!({ "kind": "external" })
        };
        let answer = World::once(world.http.post(world.direct("/api/jobs")).json(&body)).await;
        let (_, answer) = answer.ok_or_else(|| Failure::Server("no answer to a submit".into()))?;
        let job = answer["job_id"].as_str();
        let job = job.ok_or_else(|| Failure::Server(format!("a submit was answered {answer}")))?;
        if nth % 2 == 1 {
            let url = world.direct(&format!("/api/jobs/{job}/events?durable=true"));
            let step = json!({ "type": "step", "data": {} });
            World::once(world.http.post(url).json(&step)).await;
        }
        jobs.push(job.to_owned());
    }
    Ok(jobs)
}

/// Reads for ever; notes in which life it was let in.
async fn read(http: &Client, url: &str, life: &watch::Sender<u64>) {
    let mut retry = USUAL_RETRY;
    let mut cursor = String::new();
    loop {
        let mut request = http.get(url);
        if !cursor.is_empty() {
            request = request.header("last-event-id", &cursor);
        }
        if let Ok(mut response) = request.send().await
            && response.status() == 200
        {
            let mut parser = Parser::new(16 << 20);
            while let Ok(Some(bytes)) = response.chunk().await {
                parser.push(&bytes);
                while let Some(Ok(item)) = parser.poll() {
                    match item {
                        Item::Retry(milliseconds) => retry = Duration::from_millis(milliseconds),
                        Item::Message(message) if message.event == "hello" => {
                            let hello: Value =
                                serde_json::from_str(&message.data).unwrap_or_default();
                            life.send_replace(hello["head"].as_u64().unwrap_or(0) >> 32);
                        }
                        Item::Message(message) => cursor = message.last_event_id,
                        Item::Comment(_) => {}
                    }
                }
            }
        }
        tokio::time::sleep(retry).await;
    }
}

async fn until_live(world: &World, lives: &Lives) -> Result<(), Failure> {
    let (_, ready) = world
        .ask("/readyz")
        .await
        .ok_or_else(|| Failure::Server("the server does not answer".into()))?;
    let now = ready["head"].as_u64().unwrap_or(0) >> 32;
    let all = async {
        for life in lives.iter() {
            life.subscribe().wait_for(|life| *life >= now).await.ok();
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, all).await;
    in_time.map_err(|_| Failure::Server("some readers were never let in".into()))
}

async fn until_running(world: &World, jobs: usize) -> Result<(), Failure> {
    let blogs = jobs.div_ceil(2) as u64;
    let running = async {
        while count_running(world).await < blogs {
            tokio::time::sleep(LOOK).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, running).await;
    in_time.map_err(|_| Failure::Server("the jobs do not run".into()))
}

async fn count_running(world: &World) -> u64 {
    let ready = world.ask("/readyz").await;
    ready.and_then(|(_, ready)| ready["running_jobs"].as_u64()).unwrap_or(0)
}

async fn round(world: &World, server: &mut Server, lives: &Lives) -> Result<Round, Failure> {
    let before = lives.iter().map(|life| *life.borrow()).max().unwrap_or(0);
    server.kill().await?;
    let began = Instant::now();
    let mut live = JoinSet::new();
    for life in lives.iter() {
        let mut life = life.subscribe();
        live.spawn(async move {
            life.wait_for(|now| *now > before).await.ok();
            began.elapsed()
        });
    }
    server.start().await?;
    let listens = began.elapsed();
    let body = json!({ "kind": "external" });
    loop {
        let submit = world.http.post(world.direct("/api/jobs")).json(&body);
        if World::once(submit).await.is_some_and(|(status, _)| status == 202) {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    let serves = began.elapsed();
    let all = tokio::time::timeout(PATIENCE, live.join_all()).await;
    let mut live = all.map_err(|_| Failure::Server("some readers never came back".into()))?;
    live.sort_unstable();
    Ok(Round { listens, serves, live, running: count_running(world).await })
}

fn tell(jobs: usize, rounds: &[Round]) -> Outcome {
    let times = |of: fn(&Round) -> Duration| rounds.iter().map(of).collect::<Vec<_>>();
    let last = |round: &Round| round.live.last().copied().unwrap_or_default();
    let middle = |round: &Round| round.live.get(round.live.len() / 2).copied().unwrap_or_default();
    let (serves, live) = (times(|round| round.serves), times(last));
    say::plain("\n| what | middle, longest of the rounds |\n| --- | ---: |");
    say::plain(&format!("| running jobs, each with a reader | {jobs} |"));
    say::plain(&format!("| rounds | {} |", rounds.len()));
    for (what, times) in [
        ("`kill -9` to listening", times(|round| round.listens)),
        ("to the first submit that is taken", serves.clone()),
        ("to half of the readers live again", times(middle)),
        ("to every reader live again", live.clone()),
    ] {
        say::plain(&format!("| {what} | {} |", report::spread(&times)));
    }
    let running: Vec<_> = rounds.iter().map(|round| round.running.to_string()).collect();
    say::plain(&format!("| jobs that ran again by then | {} |\n", running.join(", ")));
    let reached = serves.iter().all(|took| *took < SERVING) && live.iter().all(|took| *took < LIVE);
    say::line(if reached { "both figures are reached" } else { "a figure is not reached" });
    if reached { Outcome::Clean } else { Outcome::Violated }
}
