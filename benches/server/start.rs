//! How soon a server listens, and what it holds in memory when it has nothing to do.
//!
//! With the default settings, so with the simulator. Run it with `--profile release`: that is the
//! binary that people have.

use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::figures::Sorted;
use crate::process::Server;
use tempfile::TempDir;

const STARTS: usize = 20;

/// How long a server is left alone before its memory is looked at.
const IDLE: Duration = Duration::from_secs(5);

fn row(name: &str, sorted: &Sorted) {
    let (fastest, p50, longest) = (sorted.per_mille(0), sorted.median(), sorted.longest());
    println!("| {name} | {fastest:.1?} | {p50:.1?} | {longest:.1?} |");
}

pub(crate) fn run() {
    let (mut fresh, mut again) = (Vec::new(), Vec::new());
    let data = TempDir::new().expect("a temporary folder");
    for index in 0..STARTS {
        let folder = data.path().join(index.to_string());
        for measured in [&mut fresh, &mut again] {
            let start = Instant::now();
            let server = Server::start(&folder, &[], Stdio::null());
            measured.push(start.elapsed());
            server.stop();
        }
    }
    println!("| from start to listening | fastest | p50 | slowest |\n| --- | --- | --- | --- |");
    row("a new data folder", &Sorted::new(fresh));
    row("an existing one", &Sorted::new(again));
    let server = Server::start(&data.path().join("0"), &[], Stdio::null());
    thread::sleep(IDLE);
    let (now, peak) = (server.memory("VmRSS"), server.memory("VmHWM"));
    println!("\nidle: {now} kB resident, {peak} kB at most since its start");
}
