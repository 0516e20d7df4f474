//! How fast events of an external worker are taken in: one producer, one connection, NDJSON.
//!
//! The server has one core and the client another one. The lines are made beforehand, so that the
//! client does nothing but hand bytes to its socket.

use std::fmt::Write as _;
use std::io::Write;
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::process::{Server, receive};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde_json::Value;
use tempfile::TempDir;

/// How many bytes a line has, with its end.
const LINE_BYTES: usize = 200;

/// How many events a burst has: with what is said about each, they are within the bound of what may
/// wait for the database.
const BURST: usize = 400_000;

/// How often a burst is measured, each time with a server of its own.
const ROUNDS: usize = 3;

/// How many events are pushed until all are durable: several times what may be in memory.
const SUSTAINED: usize = 2_000_000;

/// How many events a slow producer pushes, one by one, and how long it waits in between.
const SLOW: usize = 1_000;
const PAUSE: Duration = Duration::from_millis(10);

const KINDS: [&str; 4] = ["content", "content, counted", "log", "frame.rendered"];

/// A line of [`LINE_BYTES`].
fn line(kind: &str, index: usize) -> String {
    let (start, end) = match kind {
        "log" => (r#"{"type":"log","data":{"level":"info","line":""#.to_owned(), r#""}}"#.into()),
        "content" => (
            format!(r#"{{"type":"content","data":{{"index":{index},"offset":{index},"text":""#),
            r#""}}"#.into(),
        ),
        "content, counted" => (
            format!(r#"{{"type":"content","data":{{"index":{index},"offset":{index},"text":""#),
            format!(r#""}},"producer_seq":{}}}"#, index + 1),
        ),
        other => {
            (format!(r#"{{"type":"{other}","data":{{"frame":{index},"note":""#), r#""}}"#.into())
        }
    };
    let text = "a line of text ".repeat(LINE_BYTES / 15 + 1);
    let room = LINE_BYTES - 1 - start.len() - end.len();
    format!("{start}{}{end}\n", &text[..room])
}

/// So many lines of events of a kind.
pub(crate) fn lines(kind: &str, count: usize) -> Vec<u8> {
    let mut lines = String::with_capacity(count * LINE_BYTES);
    (0..count).for_each(|index| {
        write!(lines, "{}", line(kind, index)).expect("a string grows");
    });
    lines.into_bytes()
}

/// Keeps this thread, and what it starts from now on, on one core.
fn stay_on(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).expect("there are two cores");
}

/// A server on core 0; the caller stays on core 1.
fn server(data: &TempDir) -> Server {
    stay_on(0);
    let server = Server::start(data.path(), &["--workers", "0"], Stdio::null());
    stay_on(1);
    server
}

fn start_push(server: &Server, job: &str, query: &str, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).expect("it listens");
    stream.set_nodelay(true).expect("a TCP stream");
    let head = format!(
        "POST /api/jobs/{job}/events{query} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/x-ndjson\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("it reads");
    stream
}

/// Pushes a body so often; gives the answer.
pub(crate) fn push(server: &Server, job: &str, query: &str, body: &[u8], times: usize) -> Value {
    let mut stream = start_push(server, job, query, times * body.len());
    for _ in 0..times {
        stream.write_all(body).expect("it reads");
    }
    receive(stream)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn row(server: &Server, name: &str, events: usize, took: Duration, cpu: Duration) {
    let rate = events as f64 / took.as_secs_f64();
    let cost = 1e6 * cpu.as_secs_f64() / events as f64;
    let peak = server.memory("VmHWM") / 1000;
    println!("| {name} | {events} | {took:.2?} | {rate:.0} | {cost:.2} µs | {peak} MB |");
}

fn burst(kind: &str) {
    let body = lines(kind, BURST);
    for round in 1..=ROUNDS {
        let data = TempDir::new().expect("a temporary folder");
        let server = server(&data);
        let job = server.submit();
        let (start, before) = (Instant::now(), server.cpu_time());
        let answer = push(&server, &job, "", &body, 1);
        let (took, cpu) = (start.elapsed(), server.cpu_time() - before);
        assert_eq!(answer["appended"], BURST);
        row(&server, &format!("burst of {kind}, round {round}"), BURST, took, cpu);
        server.stop();
    }
}

fn sustained(kind: &str) {
    let data = TempDir::new().expect("a temporary folder");
    let server = server(&data);
    let job = server.submit();
    let body = lines(kind, 10_000);
    let (start, before) = (Instant::now(), server.cpu_time());
    let answer = push(&server, &job, "?durable=true", &body, SUSTAINED / 10_000);
    let (took, cpu) = (start.elapsed(), server.cpu_time() - before);
    assert_eq!(answer["appended"], SUSTAINED);
    assert_eq!(answer["durable"], true);
    row(&server, &format!("all of {kind} durable"), SUSTAINED, took, cpu);
}

/// A hundred events a second of one job, each of which the journal commits by itself.
fn slow() {
    let data = TempDir::new().expect("a temporary folder");
    let server = server(&data);
    let job = server.submit();
    let line = line("content", 0).into_bytes();
    let mut stream = start_push(&server, &job, "?durable=true", SLOW * line.len());
    let (start, before) = (Instant::now(), server.cpu_time());
    for index in 1..=SLOW {
        stream.write_all(&line).expect("it reads");
        let due = start + PAUSE * u32::try_from(index).expect("a small number");
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    assert_eq!(receive(stream)["appended"], SLOW);
    row(&server, "one each 10 ms", SLOW, start.elapsed(), server.cpu_time() - before);
}

pub(crate) fn run() {
    let cores = sched_getaffinity(None).expect("the cores of this thread");
    println!("| | events | took | a second | CPU each | peak |");
    println!("| --- | --- | --- | --- | --- | --- |");
    KINDS.into_iter().for_each(burst);
    ["content", "log"].into_iter().for_each(sustained);
    slow();
    sched_setaffinity(None, &cores).expect("they were allowed before");
}
