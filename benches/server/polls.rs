//! How often each provider is asked about 100 jobs of about a minute each, beside a poll every two
//! seconds: counted by the simulator, twenty times as fast as real.
//!
//! The simulator runs in this process, by so much slower than the server takes it for that its work
//! is a minute long: videos take 33 to 63 s of its own time, images 5.5 to 6.5 s. What a fixed
//! interval takes is reckoned from how long each piece of work was.

use std::net::TcpListener;
use std::process::Stdio;

use serde_json::Value;
use tailwater::simulator::{self, Options, Simulator};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use crate::process::Server;
use crate::studio::{self, PROVIDERS};

const JOBS: usize = 100;

/// How many times faster than a real provider the server takes the simulator for.
const SPEED: f64 = 20.0;

/// The same for the simulator itself, so that a video takes a minute in the server's eyes.
const VIDEO_SPEED: f64 = 16.0;
const IMAGE_SPEED: f64 = 2.0;

/// The interval that is compared with, in milliseconds.
const FIXED_MS: f64 = 2_000.0;

/// Where the providers' keys are given.
const KEYS: [&str; 5] =
    ["REPLICATE_API_TOKEN", "FAL_KEY", "RUNWAYML_API_SECRET", "MINIMAX_API_KEY", "BFL_API_KEY"];

/// Starts the simulator on the runtime.
fn simulate(runtime: &Runtime, speed: f64) -> Simulator {
    let started = simulator::start(Options { speed }, CancellationToken::new());
    runtime.block_on(started).expect("it has ports")
}

/// Starts a server over these providers; with callbacks, it says where it is.
fn serve(data: &TempDir, bases: &[String], callbacks: bool) -> Server {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let listen = free.expect("a port").to_string();
    let (speed, public) = (SPEED.to_string(), format!("http://{listen}"));
    let flags = PROVIDERS.map(|provider| format!("--{provider}-base-url"));
    let mut options = vec!["--listen", &listen, "--simulator-speed", &speed, "--workers", "100"];
    options.extend(["--start-jitter", "0s", "--demo-credits", "1000000"]);
    options.extend(flags.iter().zip(bases).flat_map(|(flag, base)| [flag.as_str(), base]));
    options.extend(if callbacks { vec!["--public-url", &public] } else { vec![] });
    let keys = KEYS.map(|name| (name, "simulated-key"));
    Server::start_with(data.path(), &options, &keys, Stdio::null())
}

/// How long a piece of work took in the server's eyes, in milliseconds.
#[expect(clippy::cast_precision_loss, reason = "minutes in milliseconds")]
fn length_ms(operation: &Value) -> f64 {
    let at = |name: &str| operation[name].as_i64().expect("a time");
    (at("ended_at") - at("started_at")) as f64 * SPEED
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn measure(server: &Server, callbacks: bool, provider: &str, base: &str) {
    let before = studio::counts_at(base);
    let began = before["operations"].as_array().expect("a list").len();
    let submit = |number| studio::submit(server.address, provider, &format!("kite {number}"));
    let jobs: Vec<_> = (0..JOBS).map(submit).collect();
    jobs.iter().for_each(|job| studio::completed(server, job));
    let after = studio::counts_at(base);
    let count = |name: &str| {
        after[name].as_u64().expect("a count") - before[name].as_u64().expect("a count")
    };
    let operations = &after["operations"].as_array().expect("a list")[began..];
    assert_eq!(operations.len(), JOBS);
    let lengths: Vec<_> = operations.iter().map(length_ms).collect();
    let mean = lengths.iter().sum::<f64>() / (1000.0 * JOBS as f64);
    let fixed: f64 = lengths.iter().map(|length| (length / FIXED_MS).ceil()).sum();
    let (polls, results) = (count("polls"), count("results"));
    let (saved, callbacks) =
        (100.0 * (1.0 - polls as f64 / fixed), if callbacks { "on" } else { "off" });
    println!(
        "| {provider} | {callbacks} | {mean:.0} s | {fixed} | {polls} | {saved:.1} % | {results} |"
    );
}

pub(crate) fn run() {
    rustls::crypto::ring::default_provider().install_default().expect("nobody was first");
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let (videos, images) = (simulate(&runtime, VIDEO_SPEED), simulate(&runtime, IMAGE_SPEED));
    let bases = PROVIDERS.map(|provider| {
        let simulator = if provider == "bfl" { &images } else { &videos };
        simulator.media(provider).expect("it is played").to_owned()
    });
    println!("| {JOBS} jobs | callbacks | mean length | every 2 s | polls | saved | results |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for callbacks in [false, true] {
        let data = TempDir::new().expect("a temporary folder");
        let server = serve(&data, &bases, callbacks);
        for (provider, base) in PROVIDERS.iter().zip(&bases) {
            measure(&server, callbacks, provider, base);
        }
        server.stop();
    }
}
