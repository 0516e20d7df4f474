//! How long a submit takes by each provider's own routes, while all slots are busy and 1,000 jobs
//! wait: every model of the catalog in turn, with its example, 50 a second.
//!
//! An open loop, as in `submit`. In the same seconds, by the same client: `GET /healthz` of the
//! same server, as often, and ten times a second 4 kB appended to a file on the same disk and
//! synced, so that a busy machine shows in them too.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::figures::Sorted;
use crate::process::{Server, get};
use crate::studio::{self, PROVIDERS};

const ROUNDS: usize = 3;
const WAITING: usize = 1_000;
const SUBMITS: u32 = 1_000;
const INTERVAL: Duration = Duration::from_millis(20);
const SYNCS: u32 = 200;
const SYNC_INTERVAL: Duration = Duration::from_millis(100);

/// How many jobs of a provider run at once.
const SLOTS: u64 = 3;

/// A submit of one model, as it goes out.
struct Model {
    provider: String,
    request: String,
}

/// Every model that is not retired, with its example.
fn models(server: SocketAddr) -> Vec<Model> {
    let view = get(server, "/api/models");
    let models = view["models"].as_array().expect("models").iter();
    let models = models.filter(|model| model["retired"]["refused"] != true);
    models.map(model).collect()
}

fn model(view: &Value) -> Model {
    let route = view["route"].as_str().expect("a route");
    let mut body = view["example"].clone();
    body["allow_duplicate"] = json!(true);
    if !route.ends_with("/submit") {
        body["model"] = view["slug"].clone();
    }
    let (body, provider) = (body.to_string(), view["provider"].as_str().expect("a name"));
    let length = body.len();
    let request = format!(
        "POST {route} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    Model { provider: provider.to_owned(), request }
}

/// Takes every slot of every provider for good, and leaves as many jobs waiting as are asked for.
fn occupy(server: &Server) {
    for number in 0..WAITING / PROVIDERS.len() + SLOTS as usize {
        for provider in PROVIDERS {
            studio::submit(server.address, provider, &format!("[never] kite {number}"));
        }
    }
    for provider in PROVIDERS {
        studio::until(|| studio::counts(server, provider)["started"] == SLOTS);
    }
}

/// Sends a request when it is due; gives how long it took since then.
async fn timed(address: SocketAddr, request: String, expected: &str, due: Instant) -> Duration {
    tokio::time::sleep_until(due.into()).await;
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = vec![0; 4096];
    let read = stream.read(&mut answer).await.expect("an answer");
    let took = due.elapsed();
    let answer = String::from_utf8_lossy(&answer[..read]);
    assert!(answer.starts_with(expected), "{request}\n{answer}");
    took
}

/// Submits at the pace, and looks at the server's health between two of them.
async fn round(address: SocketAddr, models: &[Model]) -> BTreeMap<String, Vec<Duration>> {
    let start = Instant::now() + Duration::from_millis(100);
    let mut running = JoinSet::new();
    for number in 0..SUBMITS {
        let due = start + INTERVAL * number;
        let model = &models[number as usize % models.len()];
        let (provider, request) = (model.provider.clone(), model.request.clone());
        running
            .spawn(async move { (provider, timed(address, request, "HTTP/1.1 202", due).await) });
        running.spawn(async move {
            let request =
                "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".into();
            let took = timed(address, request, "HTTP/1.1 200", due + INTERVAL / 2).await;
            ("healthz".to_owned(), took)
        });
    }
    let mut measured: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
    while let Some(one) = running.join_next().await {
        let (name, took) = one.expect("no panic");
        measured.entry(name).or_default().push(took);
    }
    measured
}

/// What the disk itself takes for one page, at the pace.
fn syncs(folder: &Path) -> Vec<Duration> {
    let mut file = File::create(folder.join("sync")).expect("a file");
    let start = Instant::now();
    let write = |number| {
        let due = start + SYNC_INTERVAL * number;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let start = Instant::now();
        file.write_all(&[7; 4096]).expect("room");
        file.sync_data().expect("a disk");
        start.elapsed()
    };
    (0..SYNCS).map(write).collect()
}

fn row(round: usize, name: &str, measured: Vec<Duration>) {
    let sorted = Sorted::new(measured);
    let (p50, p99, longest) = (sorted.median(), sorted.p99(), sorted.longest());
    println!("| {round} | {name} | {p50:.2?} | {p99:.2?} | {longest:.2?} |");
}

pub(crate) fn run() {
    let data = TempDir::new().expect("a temporary folder");
    let options = ["--demo-credits", "1000000"];
    let server = Server::start(&data.path().join("data"), &options, Stdio::null());
    let models = models(server.address);
    occupy(&server);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    println!("{} models\n", models.len());
    println!("| round | 50 submits a second | p50 | p99 | longest |");
    println!("| --- | --- | --- | --- | --- |");
    for number in 1..=ROUNDS {
        let before = server.cpu_time();
        let folder = data.path().to_owned();
        let syncs = thread::spawn(move || syncs(&folder));
        let mut measured = runtime.block_on(round(server.address, &models));
        let health = measured.remove("healthz").expect("it was asked for");
        for (provider, measured) in &measured {
            row(number, provider, measured.clone());
        }
        row(number, "all submits", measured.into_values().flatten().collect());
        row(number, "`GET /healthz`", health);
        row(number, "append of 4 kB and sync", syncs.join().expect("no panic"));
        let cpu = (server.cpu_time() - before) / SUBMITS;
        println!("| {number} | CPU of the server a submit | {cpu:.2?} | | |");
    }
}
