//! How long it takes from `append` to the bytes at a reader: 2,000 events a second over 200
//! streams, beside a bare TCP echo over loopback.
//!
//! Both send as many bytes, at the same pace, over as many connections, from the same thread to
//! the same kind of reader, and take turns second by second, so that a busy machine shows in both.
//! The echo is a round trip of one message; `append` to reader is the lock, the wake-up, the
//! follower, hyper and one way.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;

use serde::Serialize;
use tailwater::access::Access;
use tailwater::artifact::Artifacts;
use tailwater::catalog::Catalog;
use tailwater::event::{Draft, EventType, now_ms};
use tailwater::http::{self, App, Info, VoiceInfo};
use tailwater::job::Fact;
use tailwater::outward::Outward;
use tailwater::store::{Log, Proposal, Source};
use tailwater::worker::makers::{Bounds, Makers};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use crate::engine::{EVENT_BYTES, Engine};
use crate::figures::{Sorted, row};
use crate::stamps::{self, Clock, Measured, read, stamp, take};

const STREAMS: usize = 200;
const EVENTS_PER_SECOND: u32 = 2_000;

/// As many as the program has on the machine with two cores that the figures are from.
const SERVER_THREADS: usize = 2;

const ROUNDS: usize = 20;

/// The data of an event: when it was appended, in a form that a reader finds without parsing.
#[derive(Serialize)]
struct Stamped<'a> {
    sent: &'a str,
    filler: &'a str,
}

fn runtime(threads: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(threads).enable_all().build().expect("a runtime")
}

/// Serves the engine's jobs; gives the address.
async fn serve(engine: &Engine, folder: &Path) -> SocketAddr {
    let voice = VoiceInfo { kind: "tone", note: String::new() };
    let info = Info {
        voice,
        version: "",
        simulated: Vec::new(),
        simulators: Default::default(),
        voices: Vec::new(),
    };
    let makers = Makers::new(Catalog::builtin(), Vec::new(), &Bounds::default());
    let access = Access::open(&engine.store, Arc::new(|_| {})).await.expect("a database");
    let app = App {
        access,
        makers,
        large_bodies: Arc::new(tokio::sync::Semaphore::new(http::LARGE_BODIES)),
        under_way: http::uploads::UnderWay::default(),
        outward: Arc::new(Outward::new().expect("TLS")),
        webhooks: None,
        replays: Arc::default(),
        store: engine.store.clone(),
        queue: engine.queue.clone(),
        artifacts: Artifacts::open(folder).expect("a folder"),
        options: Arc::default(),
        engine: None,
        readers: tailwater::http::readers::Readers::default(),
        limits: Default::default(),
        draining: CancellationToken::new(),
        info: Arc::new(info),
    };
    let listener = http::serve::bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let (options, ends) = (Default::default(), Default::default());
    tokio::spawn(http::serve::serve(listener, http::router(app), options, ends));
    address
}

/// Jobs, each with a reader over HTTP that has seen its first event.
async fn watched_jobs(
    engine: &Engine,
    address: SocketAddr,
    clients: &Runtime,
    clock: Clock,
    measured: &Measured,
) -> Vec<Arc<Log>> {
    let mut logs = Vec::new();
    for _ in 0..STREAMS {
        let log = engine.job().await;
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        let head = format!("GET /api/jobs/{}/stream HTTP/1.1\r\nhost: localhost\r\n\r\n", log.job);
        stream.write_all(head.as_bytes()).await.expect("it reads");
        let mut seen = Vec::new();
        while memchr::memmem::find(&seen, b"\nid: ").is_none() {
            stream.read_buf(&mut seen).await.expect("the stream begins");
        }
        let stream = stream.into_std().expect("a socket");
        let (clock, measured) = (clock, Arc::clone(measured));
        clients.spawn(async move {
            read(TcpStream::from_std(stream).expect("a socket"), clock, measured).await;
        });
        logs.push(log);
    }
    logs
}

/// Connections to an echo, each with a reader; gives the sending halves.
async fn echoes(
    servers: &Runtime,
    clients: &Runtime,
    clock: Clock,
    measured: &Measured,
) -> Vec<std::net::TcpStream> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    servers.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.set_nodelay(true).expect("a socket");
            tokio::spawn(async move {
                let mut buffer = vec![0; 16 << 10];
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    stream.write_all(&buffer[..read]).await.expect("it reads");
                }
            });
        }
    });
    let mut senders = Vec::new();
    for _ in 0..STREAMS {
        let stream = std::net::TcpStream::connect(address).expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        stream.set_nonblocking(true).expect("a socket");
        let receiving = stream.try_clone().expect("a socket");
        let (clock, measured) = (clock, Arc::clone(measured));
        clients.spawn(async move {
            read(TcpStream::from_std(receiving).expect("a socket"), clock, measured).await;
        });
        senders.push(stream);
    }
    senders
}

fn propose(clock: Clock, filler: &str) -> Proposal {
    let sent = stamp(clock);
    let draft = Draft::new(EventType::Log, &Stamped { sent: &sent, filler }, now_ms());
    Proposal { attempt: 1, source: Source::Worker, fact: Fact::Other, draft, producer: None }
}

fn ratios(ours: &[Sorted], echo: &[Sorted], of: impl Fn(&Sorted) -> Duration) -> String {
    let pairs = ours.iter().zip(echo);
    let mut ratios: Vec<_> =
        pairs.map(|(one, other)| of(one).as_secs_f64() / of(other).as_secs_f64()).collect();
    ratios.sort_by(f64::total_cmp);
    let (lowest, median, highest) = (ratios[0], ratios[ROUNDS / 2], ratios[ROUNDS - 1]);
    format!("{median:.2} ({lowest:.2} to {highest:.2})")
}

pub(crate) fn run() {
    let (servers, clients) = (runtime(SERVER_THREADS), runtime(1));
    let folder = TempDir::new().expect("a temporary folder");
    let clock = Instant::now();
    let (at_readers, at_echo) = (Measured::default(), Measured::default());
    let (engine, logs, senders) = servers.block_on(async {
        let engine = Engine::open().await;
        let address = serve(&engine, folder.path()).await;
        let logs = watched_jobs(&engine, address, &clients, clock, &at_readers).await;
        let senders = echoes(&servers, &clients, clock, &at_echo).await;
        (engine, logs, senders)
    });
    let filler = "x".repeat(110);
    let message = |stamp: &str| format!("{stamp}{}", "x".repeat(EVENT_BYTES - stamp.len()));
    let (mut ours, mut echo) = (Vec::new(), Vec::new());
    let mut all = (Vec::new(), Vec::new());
    let mut frame = 0;
    for _ in 0..ROUNDS {
        let mut sent = 0;
        stamps::pace(EVENTS_PER_SECOND, STREAMS, |index| {
            let proposal = propose(clock, &filler);
            frame = proposal.draft.len();
            let appended = engine.store.append(&logs[index], [proposal]).now_or_never();
            appended.expect("alone it never waits").expect("the job runs");
            sent += 1;
        });
        let measured = take(&at_readers, sent);
        all.0.extend_from_slice(&measured);
        ours.push(Sorted::new(measured));
        stamps::pace(EVENTS_PER_SECOND, STREAMS, |index| {
            let message = message(&stamp(clock));
            std::io::Write::write_all(&mut &senders[index], message.as_bytes()).expect("it reads");
        });
        let measured = take(&at_echo, sent);
        all.1.extend_from_slice(&measured);
        echo.push(Sorted::new(measured));
    }
    println!("frames of at most {frame} bytes, echoes of {EVENT_BYTES}\n");
    println!("| {EVENTS_PER_SECOND} a second over {STREAMS} | measured | p50 | p99 | longest |");
    println!("| --- | --- | --- | --- | --- |");
    println!("{}", row("append to bytes at the reader", all.0));
    println!("{}", row("bare TCP echo", all.1));
    println!("\nratio of p50, round by round: {}", ratios(&ours, &echo, Sorted::median));
    println!("ratio of p99, round by round: {}", ratios(&ours, &echo, Sorted::p99));
}
