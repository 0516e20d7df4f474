//! How long it takes from the end of the work at a provider to `completed` at a reader of the job's
//! stream, with callbacks and without; the file is fetched and stored in between.
//!
//! The end is when the simulator says that it was, in whole milliseconds of the same clock.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use tailwater::db;
use tailwater::event::now_ms;
use tempfile::TempDir;

use crate::figures::Sorted;
use crate::process::Server;
use crate::studio::{self, PROVIDERS};

const JOBS: usize = 100;

/// How many times faster than a real provider the simulator is.
const SPEED: &str = "100";

/// Reads a job's stream to its end; gives when it came, in UTC milliseconds.
fn read_to_end(server: &Server, job: &str) -> i64 {
    let mut stream = server.get(&format!("/api/jobs/{job}/stream"));
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    while memchr::memmem::find(&seen, b"event: completed").is_none() {
        let read = stream.read(&mut buffer).expect("the stream goes on");
        assert!(read > 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&buffer[..read]);
    }
    now_ms()
}

/// Submits, and reads each job in a thread of its own from then on; gives when each came to its
/// end.
fn run_jobs(server: &Server, provider: &str) -> HashMap<String, i64> {
    let submit = |number| studio::submit(server.address, provider, &format!("kite {number}"));
    thread::scope(|scope| {
        let read = |job: String| scope.spawn(move || (read_to_end(server, &job), job));
        let readers: Vec<_> = (0..JOBS).map(submit).map(read).collect();
        let joined = readers.into_iter().map(|reader| reader.join().expect("no panic"));
        joined.map(|(at, job)| (job, at)).collect()
    })
}

/// The provider's id of each job's work.
async fn operations(data: &Path, jobs: &HashMap<String, i64>) -> HashMap<String, String> {
    let (db, writer, _) = db::open(data).await.expect("the server's database");
    let mut operations = HashMap::new();
    for job in jobs.keys() {
        let row = db.operation(&job.parse().expect("an id")).await.expect("it answers");
        let handle = row.and_then(|row| row.handle).expect("it was started");
        let id = handle["id"].as_str().expect("an id").to_owned();
        operations.insert(id, job.clone());
    }
    db.close().await;
    drop(writer);
    operations
}

/// From the end at the provider to the reader, for each job.
async fn latencies(server: &Server, data: &Path, provider: &str) -> Sorted {
    let ends = run_jobs(server, provider);
    let operations = operations(data, &ends).await;
    let counts = studio::counts(server, provider);
    let latency = |operation: &serde_json::Value| {
        let job = &operations[operation["id"].as_str().expect("an id")];
        let ended_at = operation["ended_at"].as_i64().expect("it is over");
        Duration::from_millis(u64::try_from(ends[job] - ended_at).expect("first the provider"))
    };
    Sorted::new(counts["operations"].as_array().expect("a list").iter().map(latency).collect())
}

fn measure(server: &Server, data: &Path, callbacks: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    for provider in PROVIDERS {
        let sorted = runtime.block_on(latencies(server, data, provider));
        let (p50, p99, longest) = (sorted.median(), sorted.p99(), sorted.longest());
        println!("| {provider} | {callbacks} | {p50:.1?} | {p99:.1?} | {longest:.1?} |");
    }
}

pub(crate) fn run() {
    println!("| {JOBS} jobs | callbacks | p50 | p99 | longest |\n| --- | --- | --- | --- | --- |");
    for (callbacks, public) in
        [("on", ["--public-url", "http://tailwater.test"].as_slice()), ("off", &[])]
    {
        let data = TempDir::new().expect("a temporary folder");
        let mut options = vec!["--simulator-speed", SPEED, "--workers", "5"];
        options.extend(["--demo-credits", "1000000"]);
        options.extend(public);
        let server = Server::start(data.path(), &options, Stdio::null());
        measure(&server, data.path(), callbacks);
        server.stop();
    }
}
