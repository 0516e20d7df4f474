//! What a server holds in memory while 10,000 jobs wait.
//!
//! Submitted over HTTP, all slots of their provider busy. Then the same jobs after a restart, when
//! no log of theirs is in memory.

use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::Server;
use crate::studio;

const JOBS: usize = 10_000;
const CLIENTS: usize = 8;

/// How long a server is left alone before its memory is looked at.
const IDLE: Duration = Duration::from_secs(5);

fn start(data: &Path, more: &[&str]) -> Server {
    let options = [&["--demo-credits", "1000000"], more].concat();
    Server::start(data, &options, Stdio::null())
}

fn submit_all(server: &Server) {
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            scope.spawn(move || {
                for number in (client..JOBS).step_by(CLIENTS) {
                    studio::submit(server.address, "fal", &format!("[never] kite {number}"));
                }
            });
        }
    });
}

fn row(name: &str, server: &Server) {
    thread::sleep(IDLE);
    let (now, peak) = (server.memory("VmRSS"), server.memory("VmHWM"));
    println!("| {name} | {now} kB | {peak} kB |");
}

pub(crate) fn run() {
    println!("| | resident | at most since its start |\n| --- | --- | --- |");
    for (name, more) in
        [("", [].as_slice()), (", `--retention-memory 0s`", &["--retention-memory", "0s"])]
    {
        let data = TempDir::new().expect("a temporary folder");
        let server = start(data.path(), more);
        row(&format!("idle{name}"), &server);
        submit_all(&server);
        row(&format!("10,000 jobs wait{name}"), &server);
        server.stop();
        let server = start(data.path(), more);
        row(&format!("the same after a restart{name}"), &server);
        server.stop();
    }
}
