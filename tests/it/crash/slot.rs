//! One of the places in which there is always a job.

use std::sync::Arc;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::browser::{self, History};
use super::producer;
use super::world::World;

/// How many readers each job has.
const READERS: usize = 2;

/// A job that has ended, and who watched it.
#[derive(Debug)]
pub struct Record {
    pub job: String,
    pub kind: &'static str,
    pub readers: Vec<History>,
    /// How often the server was killed between its submit and its end.
    pub kills: usize,
}

/// Has one job after the other made, until there were enough.
pub async fn run(
    world: Arc<World>,
    slot: usize,
    mut random: fastrand::Rng,
    enough: CancellationToken,
) -> Vec<Record> {
    let mut records = Vec::new();
    while !enough.is_cancelled() {
        let name = format!("{slot}-{}", records.len());
        records.push(one(&world, slot, &name, &mut random).await);
    }
    records
}

async fn one(world: &Arc<World>, slot: usize, name: &str, random: &mut fastrand::Rng) -> Record {
    let before = world.kills();
    let task = task(slot, name, random);
    let kind = if slot < 4 {
        "external"
    } else if slot < 6 {
        "voiceover"
    } else {
        "blog"
    };
    let job = submit(world, name, &task).await;
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let (world, job) = (Arc::clone(world), job.clone());
            tokio::spawn(async move { browser::read_job(&world, &job).await })
        })
        .collect();
    if kind == "external" {
        producer::produce(world, &job, random.fork()).await;
    }
    let mut histories = Vec::new();
    for reader in readers {
        histories.push(reader.await.expect("a reader does not fail"));
    }
    Record { job, kind, readers: histories, kills: world.kills() - before }
}

/// Four external jobs, two narrations, four posts with a narration, ten without.
fn task(slot: usize, name: &str, random: &mut fastrand::Rng) -> Value {
    match slot {
        0..4 => json!({ "kind": "external", "input": { "name": name } }),
        4..6 => {
            let text = format!("This is narration {name}. It is short.");
            json!({ "kind": "voiceover", "input": { "text": text } })
        }
        _ => json!({
            "kind": "blog",
            "input": {
                "topic": format!("what harbour {name} knows about tides"),
                "words": random.u64(100..=400),
                "voiceover": slot < 10,
            },
        }),
    }
}

/// Submits under a key until there is an answer; the same key never makes a second job.
async fn submit(world: &World, name: &str, task: &Value) -> String {
    let url = world.url("/api/jobs");
    let (status, answer) =
        world.ask(|| world.http.post(&url).header("idempotency-key", name).json(task)).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    answer["job_id"].as_str().expect("an id").to_owned()
}
