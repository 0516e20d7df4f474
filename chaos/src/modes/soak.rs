//! The events of a day of token streams, as fast as they go, with a small memory: does it grow?

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use crate::failure::Failure;
use crate::options::{self, Options};
use crate::say;
use crate::usage;
use crate::world::World;

use super::stage::Stage;
use super::{Outcome, report};

/// How many tokens one job has: an hour of them is told in jobs of about this length.
const TOKENS_A_JOB: u64 = 20_000;

/// How many tokens one request carries.
const BATCH: u64 = 2_000;

/// How often the memory is looked at.
const SAMPLE: Duration = Duration::from_millis(500);

/// Which part of the samples is left out at the beginning, while caches fill: a fifth.
const WARM_UP: usize = 5;

/// How many samples a verdict needs at least: half a minute's, after which a young process has warmed up.
const LEAST: usize = 60;

/// By how much a process may seem to grow over a whole run, in bytes: an allocator's own breath.
const BREATH: f64 = 16.0 * 1024.0 * 1024.0;

/// What the server is told: small bounds, so that everything is evicted all the time.
const FLAGS: [&str; 10] = [
    "--memory-limit",
    "32M",
    "--journal-limit",
    "16M",
    "--retention-memory",
    "1s",
    "--retention-database",
    "1m",
    "--workers",
    "0",
];

/// Pushes, samples, and says whether the memory is flat.
///
/// # Errors
/// When the run came to nothing.
pub(super) async fn run(options: &Options, soak: &options::Soak) -> Result<Outcome, Failure> {
    let stage = Stage::new()?;
    let data = stage.path().join("data");
    let mut server = stage.server(options, data.clone(), &FLAGS, Default::default(), None)?;
    server.start().await?;
    let address = server.setup().address;
    let world = Arc::new(World::new(address, address));
    let total = soak.hours * 3600 * soak.rate * soak.streams as u64;
    say::line(&format!(
        "{} hours of {} streams with {} tokens a second: {} events",
        soak.hours,
        soak.streams,
        soak.rate,
        report::grouped(total)
    ));
    let began = Instant::now();
    let pushed = Arc::new(AtomicU64::new(0));
    let mut streams = JoinSet::new();
    for _ in 0..soak.streams {
        let (world, pushed) = (Arc::clone(&world), Arc::clone(&pushed));
        streams.spawn(async move { stream(&world, &pushed, total).await });
    }
    let mut samples = Vec::new();
    let pid = server.pid();
    while !streams.is_empty() {
        tokio::select! {
            Some(done) = streams.join_next() => {
                let done = done.map_err(|error| Failure::Server(format!("a stream: {error}")))?;
                done?;
            }
            () = tokio::time::sleep(SAMPLE) => {
                if let Some(memory) = pid.and_then(usage::memory) {
                    samples.push((pushed.load(Ordering::Relaxed), memory));
                }
            }
        }
    }
    let took = began.elapsed();
    let disk = folder_size(&data);
    server.terminate().await?;
    Ok(tell(soak, total, took, &samples, disk))
}

/// Has one job after the other told, until there were enough tokens altogether.
async fn stream(world: &World, pushed: &AtomicU64, total: u64) -> Result<(), Failure> {
    let mut bodies = Vec::new();
    while pushed.load(Ordering::Relaxed) < total {
        let body = json!({ "kind": "external" });
        let submit = world.http.post(world.direct("/api/jobs")).json(&body);
        let answer = World::once(submit).await;
        let Some((_, answer)) = answer.filter(|(status, _)| *status == 202) else {
            // Full for the moment.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let job = answer["job_id"].as_str().unwrap_or_default();
        let url = world.direct(&format!("/api/jobs/{job}/events"));
        for batch in 0..TOKENS_A_JOB / BATCH {
            let at = usize::try_from(batch).unwrap_or_default();
            if bodies.len() <= at {
                bodies.push(lines(batch * BATCH));
            }
            let push = world.http.post(&url).body(bodies[at].clone());
            let answer = World::once(push).await;
            if answer.as_ref().is_none_or(|(status, _)| *status != 200) {
                return Err(Failure::Server(format!("a push was answered {answer:?}")));
            }
            pushed.fetch_add(BATCH, Ordering::Relaxed);
        }
        let end = json!({ "type": "completed", "data": {} });
        World::once(world.http.post(&url).json(&end)).await;
    }
    Ok(())
}

fn lines(from: u64) -> String {
    (from..from + BATCH)
        .map(|n| format!("{{\"type\":\"token\",\"data\":{{\"n\":{n},\"text\":\" and so\"}}}}\n"))
        .collect()
}

fn tell(
    soak: &options::Soak,
    total: u64,
    took: Duration,
    samples: &[(u64, u64)],
    disk: u64,
) -> Outcome {
    let warm = &samples[samples.len() / WARM_UP..];
    #[expect(clippy::cast_precision_loss, reason = "counts and bytes are far below 2^52")]
    let points: Vec<_> =
        warm.iter().map(|(count, memory)| (*count as f64, *memory as f64)).collect();
    let slope = usage::slope(&points).unwrap_or(f64::NAN);
    let span =
        points.last().map_or(0.0, |last| last.0) - points.first().map_or(0.0, |first| first.0);
    let grown = slope * span;
    let is_flat = grown < BREATH;
    let memory = |pick: fn(std::vec::IntoIter<u64>) -> Option<u64>| {
        let all: Vec<_> = warm.iter().map(|(_, memory)| *memory).collect();
        pick(all.into_iter()).unwrap_or(0) >> 20
    };
    say::plain("\n| what | |\n| --- | ---: |");
    for (what, value) in [
        ("events", report::grouped(total)),
        ("as", format!("{} h of {} streams, {} tokens/s", soak.hours, soak.streams, soak.rate)),
        ("time", format!("{:.0} s", took.as_secs_f64())),
        (
            "events a second",
            format!("{:.0}", u32::try_from(total).map_or(f64::NAN, f64::from) / took.as_secs_f64()),
        ),
        (
            "memory after the warm-up, least and most",
            format!("{} MB, {} MB", memory(Iterator::min), memory(Iterator::max)),
        ),
        (
            "grown over the run, by a line through all samples",
            format!("{:.1} MB", grown / 1_048_576.0),
        ),
        ("samples", samples.len().to_string()),
        ("data folder at the end", format!("{} MB", disk >> 20)),
    ] {
        say::plain(&format!("| {what} | {value} |"));
    }
    if samples.len() < LEAST {
        say::line("too short to say whether the memory is flat: more hours or streams");
        return Outcome::Violated;
    }
    say::line(if is_flat { "the memory is flat" } else { "the memory grows" });
    if is_flat { Outcome::Clean } else { Outcome::Violated }
}

/// How much the files in a folder have, in bytes, not below it.
fn folder_size(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|data| data.len()).sum()
}
