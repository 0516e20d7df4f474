//! How long an event takes from a producer at one node of a cluster to a reader at another, beside the same
//! bytes through NATS alone.
//!
//! All three send at the same pace, from the same thread, and take turns second by second, so that a busy
//! machine shows in all. The event is pushed by `POST` to the first node, goes through the replicated log, is
//! folded at the second and read there as a stream over HTTP. NATS alone is the same log without Tailwater:
//! published with its replicas' consent at one connection, delivered to a consumer at another. A call is
//! what NATS forwards without keeping it.
//!
//! Needs `scripts/with-postgres scripts/with-nats` before the command; without them it says so.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tailwater::nats::{Address, Log, Nats};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::engine::EVENT_BYTES;
use crate::figures::row;
use crate::ingest;
use crate::process::{Server, cpu_time_of};
use crate::stamps::{self, Clock, Measured, note_stamps, read, stamp, take};

const JOBS: usize = 50;
const EVENTS_PER_SECOND: u32 = 500;
const ROUNDS: usize = 20;

/// How many events are pushed as fast as they are taken.
const MANY: usize = 400_000;

/// A producer of one job: its connection to a node, over which it pushes one event after the other.
struct Producer {
    job: String,
    connection: TcpStream,
}

impl Producer {
    fn connect(node: SocketAddr, job: &str) -> Self {
        let connection = TcpStream::connect(node).expect("it listens");
        connection.set_nodelay(true).expect("a socket");
        let mut answers = connection.try_clone().expect("a socket");
        // What is answered is not looked at: that everything arrives is what shows that it was taken.
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while answers.read(&mut buffer).is_ok_and(|read| read > 0) {}
        });
        Self { job: job.to_owned(), connection }
    }

    fn push(&mut self, clock: Clock, filler: &str) {
        let sent = stamp(clock);
        let body = format!(r#"{{"type":"log","data":{{"line":"{sent}{filler}"}}}}"#);
        let (job, length) = (&self.job, body.len());
        let request = format!(
            "POST /api/jobs/{job}/events HTTP/1.1\r\nhost: localhost\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        self.connection.write_all(request.as_bytes()).expect("it reads");
    }
}

/// A node of the cluster, which runs no jobs of its own.
fn node(folder: &TempDir, number: u8, database: &str, events: &str) -> Server {
    let data = folder.path().join(format!("node-{number}"));
    let files = folder.path().join("files");
    std::fs::create_dir_all(&files).expect("a folder");
    let files = files.to_str().expect("a name");
    let options = [
        &["--database", database, "--events", events, "--artifacts", files][..],
        &["--listen", "127.0.0.1:0", "--workers", "0", "--log", "warn"][..],
    ];
    Server::start_with(&data, &options.concat(), &[], Stdio::inherit())
}

/// Opens a reader of a job, which has seen its first event when this returns.
fn follow(node: &Server, job: &str, clients: &Runtime, clock: Clock, measured: &Measured) {
    let mut stream = node.get(&format!("/api/jobs/{job}/stream"));
    let (mut seen, mut buffer) = (Vec::new(), [0; 1024]);
    while memchr::memmem::find(&seen, b"\nid: ").is_none() {
        let read = stream.read(&mut buffer).expect("the stream begins");
        seen.extend_from_slice(&buffer[..read]);
    }
    stream.set_nonblocking(true).expect("a socket");
    let measured = Arc::clone(measured);
    clients.spawn(async move {
        let stream = tokio::net::TcpStream::from_std(stream).expect("a socket");
        read(stream, clock, measured).await;
    });
}

/// The log of a cluster without nodes, its first entry read by a consumer that notes how old the stamps are.
async fn alone(events: &str, clock: Clock, kept: &Measured, called: &Measured) -> (Nats, Log) {
    let address: Address = format!("{events}/alone").parse().expect("an address");
    let nats = Nats::connect(&address, "producer").await.expect("NATS is there");
    let log = nats.begin_log(1).await.expect("a log");
    let other = Nats::connect(&address, "reader").await.expect("NATS is there");
    let of_other = other.log().await.expect("NATS is there").expect("it was begun");
    let mut entries = of_other.entries(1).await.expect("a consumer");
    log.put("job", "first", "x".into()).await.expect("it is taken");
    entries.next(1).await.expect("it is delivered");
    let mut calls = other.hear().await.expect("NATS is there");
    let (kept, called) = (Arc::clone(kept), Arc::clone(called));
    tokio::spawn(async move {
        while let Some(some) = entries.next(256).await {
            for entry in some {
                note_stamps(&mut entry.payload.to_vec(), clock, &kept);
            }
        }
    });
    tokio::spawn(async move {
        while let Some(call) = calls.next().await {
            note_stamps(&mut call.words.to_vec(), clock, &called);
        }
    });
    (nats, log)
}

/// The processes of the NATS servers.
fn nats_servers() -> Vec<u32> {
    let folder = std::env::var("TAILWATER_TEST_NATS_DIR").expect("scripts/with-nats sets it");
    let pid = |number| std::fs::read_to_string(format!("{folder}/nats-{number}/pid"));
    (1..=3).map(|number| pid(number).expect("a pid").trim().parse().expect("a pid")).collect()
}

/// Pushes many events to the first node as fast as it takes them, and says what that costs where.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn many(nodes: &[Server; 2]) {
    let servers = nats_servers();
    let of_nats = || servers.iter().map(|pid| cpu_time_of(*pid)).sum::<Duration>();
    let body = ingest::lines("content", MANY / 20);
    println!("\n| {MANY} events | a second | CPU each: first node | second node | three of NATS |");
    println!("| --- | --- | --- | --- | --- |");
    for _ in 0..3 {
        let job = nodes[0].submit();
        let (start, before) = (Instant::now(), nodes.each_ref().map(Server::cpu_time));
        let nats = of_nats();
        let answer = ingest::push(&nodes[0], &job, "?durable=true", &body, 20);
        assert_eq!(answer["appended"], MANY);
        let rate = MANY as f64 / start.elapsed().as_secs_f64();
        let each = |took: Duration| 1e6 * took.as_secs_f64() / MANY as f64;
        let [first, second] = [0, 1].map(|node| each(nodes[node].cpu_time() - before[node]));
        let nats = each(of_nats() - nats);
        println!("| all durable | {rate:.0} | {first:.2} µs | {second:.2} µs | {nats:.2} µs |");
    }
}

pub(crate) fn run() {
    let variable = |name| std::env::var(name).ok();
    let (Some(database), Some(events)) =
        (variable("TAILWATER_TEST_DATABASE"), variable("TAILWATER_TEST_EVENTS"))
    else {
        println!("left out: it needs scripts/with-postgres scripts/with-nats before the command");
        return;
    };
    let folder = TempDir::new().expect("a temporary folder");
    let clients = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let clients = clients.expect("a runtime");
    let clock = Instant::now();
    let (crossed, kept, called) = (Measured::default(), Measured::default(), Measured::default());

    let cluster = format!("{events}/crossing");
    let nodes = [1, 2].map(|number| node(&folder, number, &database, &cluster));
    let mut producers: Vec<_> = (0..JOBS)
        .map(|_| {
            let job = nodes[0].submit();
            follow(&nodes[1], &job, &clients, clock, &crossed);
            Producer::connect(nodes[0].address, &job)
        })
        .collect();
    let (nats, log) = clients.block_on(alone(&events, clock, &kept, &called));
    assert_eq!(log.replicas(), 3, "three servers keep it");

    let filler = "x".repeat(110);
    let message = || format!("{}{}", stamp(clock), "x".repeat(EVENT_BYTES - 22));
    let mut count = 0_u64;
    let mut all = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        let mut sent = 0;
        stamps::pace(EVENTS_PER_SECOND, JOBS, |index| {
            producers[index].push(clock, &filler);
            sent += 1;
        });
        all[0].extend(take(&crossed, sent));
        stamps::pace(EVENTS_PER_SECOND, JOBS, |_| {
            count += 1;
            let (log, id, message) = (log.clone(), count.to_string(), message());
            clients.spawn(async move {
                log.put("job", &id, message.into()).await.expect("it is taken");
            });
        });
        all[1].extend(take(&kept, sent));
        stamps::pace(EVENTS_PER_SECOND, JOBS, |_| {
            let (nats, message) = (nats.clone(), message());
            clients.spawn(async move { nats.call("job", message).await });
        });
        all[2].extend(take(&called, sent));
    }
    let [crossed, kept, called] = all;
    println!("| {EVENTS_PER_SECOND} a second, {JOBS} jobs | measured | p50 | p99 | longest |");
    println!("| --- | --- | --- | --- | --- |");
    println!("{}", row("pushed at one node, read at another", crossed));
    println!("{}", row("NATS alone: published with three replicas, consumed", kept));
    println!("{}", row("NATS alone: forwarded, not kept", called));
    many(&nodes);
    nodes.into_iter().for_each(Server::stop);
}
