//! How fast a job's history is replayed over HTTP, and how soon its first event comes.
//!
//! The reader is one blocking socket that counts bytes: it takes less of the machine than any
//! browser, so what is measured is the server, loopback and the reads.

use std::fmt::Write as _;
use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::figures::Sorted;
use crate::process::Server;
use tempfile::TempDir;

/// How often each replay is measured.
const ROUNDS: usize = 25;

/// How often each first byte is measured.
const LOOKS: usize = 200;

/// The lengths of history that are compared.
const HISTORIES: [usize; 6] = [10, 100, 1_000, 10_000, 100_000, 1_000_000];

/// How many events one push carries.
const PUSH: usize = 50_000;

/// Makes a job with so many events of about 200 bytes, and ends it.
fn history(server: &Server, events: usize) -> String {
    let job = server.submit();
    let text = "x".repeat(110);
    for first in (0..events).step_by(PUSH) {
        let mut lines = String::new();
        for index in first..events.min(first + PUSH) {
            let data = format!(r#"{{"index":{index},"offset":0,"text":"{text}","attempt":1}}"#);
            writeln!(lines, r#"{{"type":"content","data":{data}}}"#).expect("a string grows");
        }
        server.push(&job, lines.as_bytes());
    }
    server.push(&job, br#"{"type":"completed","data":{}}"#);
    job
}

/// One replay from the beginning.
struct Replay {
    /// Until the first event was there.
    first: Duration,
    /// Until the response ended.
    whole: Duration,
    bytes: usize,
}

/// Reads a job from its beginning to its end, or only to its first event.
fn replay(server: &Server, job: &str, to_the_end: bool) -> Replay {
    let mut buffer = vec![0; 1 << 20];
    let start = Instant::now();
    let mut stream = server.get(&format!("/api/jobs/{job}/stream"));
    let (mut bytes, mut first, mut head) = (0, None, Vec::new());
    loop {
        let read = stream.read(&mut buffer).expect("the response goes on");
        bytes += read;
        if first.is_none() {
            head.extend_from_slice(&buffer[..read]);
            first = memchr::memmem::find(&head, b"\nid: ").map(|_| start.elapsed());
        }
        if read == 0 || (first.is_some() && !to_the_end) {
            break;
        }
    }
    let first = first.expect("there is an event");
    Replay { first, whole: start.elapsed(), bytes }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn throughput(server: &Server, job: &str, place: &str) -> String {
    let before = server.cpu_time();
    let replays: Vec<_> = (0..ROUNDS).map(|_| replay(server, job, true)).collect();
    let cpu = (server.cpu_time() - before).as_secs_f64() / ROUNDS as f64;
    let took = Sorted::new(replays.iter().map(|replay| replay.whole).collect());
    let megabytes = replays[0].bytes as f64 / 1e6;
    let [slowest, median, fastest] = [took.longest(), took.median(), took.per_mille(0)]
        .map(|took| format!("{:.0}", megabytes / took.as_secs_f64()));
    let (cost, rate) = (1e3 * cpu / megabytes, megabytes / cpu);
    format!(
        "| {place} | {megabytes:.1} MB | {slowest} | {median} | {fastest} | {cost:.2} ms | \
         {rate:.0} |"
    )
}

fn first_events(server: &Server, jobs: &[(usize, String)], place: &str) -> Vec<String> {
    let first = |job: &str| replay(server, job, false).first;
    let row = |(events, job): &(usize, String)| {
        let unread = first(job);
        let looks = Sorted::new((0..LOOKS).map(|_| first(job)).collect());
        let (p50, p99) = (looks.median(), looks.p99());
        format!("| {place} | {events} | {unread:.2?} | {p50:.2?} | {p99:.2?} |")
    };
    jobs.iter().map(row).collect()
}

pub(crate) fn run() {
    let data = TempDir::new().expect("a temporary folder");
    let options = ["--memory-limit", "4G", "--workers", "0"];
    let server = Server::start(data.path(), &options, Stdio::null());
    let jobs: Vec<_> = HISTORIES.map(|events| (events, history(&server, events))).into();
    let longer = jobs.iter().find(|(events, _)| *events == 100_000).expect("it is in the list");
    let mut rates = vec![throughput(&server, &longer.1, "memory")];
    let mut firsts = first_events(&server, &jobs, "memory");
    server.stop();
    // A new process has none of the events in memory.
    let server = Server::start(data.path(), &options, Stdio::null());
    firsts.extend(first_events(&server, &jobs, "the database"));
    rates.push(throughput(&server, &longer.1, "the database"));
    println!(
        "| 100,000 events from | size | slowest, MB/s | median | fastest | CPU per MB | MB per CPU second |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |\n{}", rates.join("\n"));
    println!("\n| first event from | history | first request | p50 | p99 |");
    println!("| --- | --- | --- | --- | --- |\n{}", firsts.join("\n"));
}
