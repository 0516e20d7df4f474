//! How long a submit takes at 100 a second, beside a bare write and fsync in the same folder.
//!
//! An open loop: each submit is due at its time, whatever became of the ones before, and is
//! measured from that time, with a connection of its own. `SQLite` with the default durability: an
//! answer means that the job is on the disk.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::figures::Sorted;
use crate::process::Server;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const ROUNDS: usize = 5;
const SUBMITS: u32 = 1_000;
const INTERVAL: Duration = Duration::from_millis(10);

/// Submits a post; gives how long it took since it was due.
async fn submit(address: SocketAddr, number: u32, due: Instant) -> Duration {
    tokio::time::sleep_until(due.into()).await;
    let input = format!(r#"{{"topic":"tides, part {number}","words":600,"voiceover":true}}"#);
    let body = format!(r#"{{"kind":"blog","input":{input},"allow_duplicate":true}}"#);
    let length = body.len();
    let request = format!(
        "POST /api/jobs HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = vec![0; 4096];
    let read = stream.read(&mut answer).await.expect("an answer");
    let took = due.elapsed();
    assert!(answer[..read].starts_with(b"HTTP/1.1 202"), "every submit is taken");
    took
}

async fn submits(address: SocketAddr) -> Sorted {
    let start = Instant::now() + Duration::from_millis(100);
    let mut running: JoinSet<_> =
        (0..SUBMITS).map(|number| submit(address, number, start + INTERVAL * number)).collect();
    let mut took = Vec::new();
    while let Some(one) = running.join_next().await {
        took.push(one.expect("no panic"));
    }
    Sorted::new(took)
}

/// What the disk itself takes for one page.
fn fsyncs(folder: &Path) -> Sorted {
    let mut file = File::create(folder.join("fsync")).expect("a file");
    let write = |_| {
        let start = Instant::now();
        file.write_all(&[7; 4096]).expect("room");
        file.sync_data().expect("a disk");
        start.elapsed()
    };
    Sorted::new((0..300).map(write).collect())
}

fn row(name: &str, sorted: &Sorted) {
    let (p50, p99, longest) = (sorted.median(), sorted.p99(), sorted.longest());
    println!("| {name} | {p50:.2?} | {p99:.2?} | {longest:.2?} |");
}

pub(crate) fn run() {
    let data = TempDir::new().expect("a temporary folder");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    println!("| 100 submits a second | p50 | p99 | longest |\n| --- | --- | --- | --- |");
    for round in 1..=ROUNDS {
        row(&format!("a bare write and fsync, round {round}"), &fsyncs(data.path()));
        let server = Server::start(&data.path().join("data"), &["--workers", "0"], Stdio::null());
        row(&format!("submit, round {round}"), &runtime.block_on(submits(server.address)));
        server.stop();
    }
}
