//! How many statements the database gets while 20 jobs are watched by 20, and by 2,000 readers.
//!
//! The server says each statement in its log (`sqlx::query=debug`), and its lines are counted.
//! Needs 2,100 file descriptors in each process (`ulimit -n 8192`).

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::process::{ChildStderr, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::process::Server;
use tempfile::TempDir;

const JOBS: usize = 20;
const ROUNDS: usize = 3;

/// From when to when after its start a job is looked at: within the stage of 0.3 s.
const FROM: Duration = Duration::from_secs(8);
const WINDOW: Duration = Duration::from_secs(15);

/// Counts the statements that a server's log shows, for as long as it runs.
fn count_statements(log: ChildStderr) -> Arc<AtomicU64> {
    let count = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&count);
    thread::spawn(move || {
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            if line.contains(r#""sqlx::query""#) {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    count
}

/// Jobs that run, just started.
fn running_jobs(server: &Server) -> Vec<String> {
    let start = |job: &String| server.push(job, br#"{"type":"log","data":{"line":"x"}}"#);
    (0..JOBS).map(|_| server.submit()).inspect(start).collect()
}

/// Opens a reader and waits until it has its first event.
fn watch(server: &Server, job: &str) -> TcpStream {
    let mut stream = server.get(&format!("/api/jobs/{job}/stream"));
    let (mut seen, mut buffer) = (Vec::new(), [0; 1024]);
    while memchr::memmem::find(&seen, b"\nid: ").is_none() {
        let read = stream.read(&mut buffer).expect("the stream begins");
        seen.extend_from_slice(&buffer[..read]);
    }
    stream
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn round(server: &Server, count: &AtomicU64, readers: usize) -> String {
    let jobs = running_jobs(server);
    let start = Instant::now();
    let streams: Vec<_> = (0..readers).map(|index| watch(server, &jobs[index % JOBS])).collect();
    let connected = start.elapsed();
    thread::sleep(FROM.checked_sub(connected).expect("they connect in a few seconds"));
    let (cpu, before) = (server.cpu_time(), count.load(Ordering::Relaxed));
    thread::sleep(WINDOW);
    let statements = count.load(Ordering::Relaxed) - before;
    let cpu = server.cpu_time() - cpu;
    drop(streams);
    for job in &jobs {
        server.push(job, br#"{"type":"completed","data":{}}"#);
    }
    let rate = statements as f64 / WINDOW.as_secs_f64();
    let share = 100.0 * cpu.as_secs_f64() / WINDOW.as_secs_f64();
    format!("| {readers} | {rate:.1} | {share:.1} % | {connected:.2?} |")
}

pub(crate) fn run() {
    let data = TempDir::new().expect("a temporary folder");
    let options = ["--workers", "0", "--log", "sqlx::query=debug", "--log-format", "json"];
    let mut server = Server::start(data.path(), &options, Stdio::piped());
    let count = count_statements(server.child.stderr.take().expect("it was piped"));
    println!("| readers of {JOBS} jobs | statements per second | CPU of one core | connected in |");
    println!("| --- | --- | --- | --- |");
    for _ in 0..ROUNDS {
        for readers in [JOBS, 100 * JOBS] {
            println!("{}", round(&server, &count, readers));
        }
    }
    server.stop();
}
