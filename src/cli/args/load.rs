//! The arguments of `loadtest` and `record`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::loadtest::{Adapter, Order, Scenario};

use super::Server;

#[derive(Args, Debug)]
pub(in crate::cli) struct LoadTest {
    /// What happens.
    #[arg(value_parser = PossibleValuesParser::new(Scenario::ALL.map(|(name, _)| name)))]
    scenario: String,
    /// The server to test; without it one is started on a temporary folder.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// What kind of server it is.
    #[arg(
        long,
        default_value = "tailwater",
        value_parser = PossibleValuesParser::new(Adapter::ALL.map(|(name, _)| name))
    )]
    adapter: String,
    /// Where events are published to an `sse` server: a POST each; without it, it is only read.
    #[arg(long, value_name = "URL")]
    publish: Option<String>,
    /// The processes of a server that is there already, to measure what they take.
    #[arg(long, value_name = "PID,…", value_delimiter = ',', requires = "server")]
    server_pid: Vec<u32>,
    /// Something that the server that is started is told, as in --server-arg=--keep-alive=1s.
    #[arg(long, value_name = "ARG", conflicts_with = "server", allow_hyphen_values = true)]
    server_arg: Vec<String>,
    /// The core that the server that is started stays on.
    #[arg(long, value_name = "N", conflicts_with = "server")]
    server_core: Option<usize>,
    /// The core that readers and producer stay on.
    #[arg(long, value_name = "N")]
    client_core: Option<usize>,
    /// How many jobs.
    #[arg(long, value_name = "N")]
    jobs: Option<u32>,
    /// How many readers of all jobs together.
    #[arg(long, value_name = "N")]
    readers: Option<u32>,
    /// Events a second and job.
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
    /// Bytes of each event's data.
    #[arg(long, value_name = "BYTES")]
    size: Option<usize>,
    /// How long events are published, in seconds.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    duration: Option<Duration>,
    /// How many events each job has, instead of what rate and duration say.
    #[arg(long, value_name = "N")]
    events: Option<u32>,
    /// Publish each event when the one before it is answered, as fast as that goes.
    #[arg(long)]
    closed: bool,
    /// Play this recording in every job.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// How many times as fast it is played.
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = speed, requires = "from")]
    speed: f64,
    /// How many of a hundred readers take a byte a second, in `slow` and `mixed`.
    #[arg(long, value_name = "PERCENT", default_value_t = 10)]
    slow: u32,
    /// What chance begins with.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// In how many processes readers are; otherwise as many as their descriptors need.
    #[arg(long, value_name = "N")]
    processes: Option<u32>,
    /// From how many addresses of this machine readers come; otherwise as many as their ports need.
    #[arg(long, value_name = "N")]
    source_addresses: Option<u8>,
    /// After how long without anything of what is due it counts as lost, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = seconds)]
    patience: Duration,
    /// Write the report as JSON; - is standard output.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) json: Option<PathBuf>,
    /// Write the report as a page with plots.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) html: Option<PathBuf>,
}

impl LoadTest {
    /// What is to be done, with what is usual for the scenario where nothing is said.
    pub(in crate::cli) fn order(&self, command: String) -> Order {
        let scenario = named(&Scenario::ALL, &self.scenario);
        let usual = scenario.usual();
        let jobs = self.jobs.unwrap_or(usual.jobs);
        Order {
            scenario,
            adapter: named(&Adapter::ALL, &self.adapter),
            server: self.server.clone(),
            publish: self.publish.clone(),
            key: super::super::key(),
            server_pids: self.server_pid.clone(),
            server_arguments: self.server_arg.clone(),
            server_core: self.server_core,
            client_core: self.client_core,
            jobs,
            readers: self.readers.unwrap_or_else(|| usual.readers_of(jobs)),
            rate: self.rate.unwrap_or(usual.rate),
            size: self.size.unwrap_or(usual.size),
            duration: self.duration.unwrap_or(Duration::from_secs(usual.seconds)),
            events: self.events,
            closed: self.closed,
            speed: self.speed,
            recording: self.from.clone(),
            seed: self.seed,
            processes: self.processes,
            source_addresses: self.source_addresses,
            slow_percent: self.slow,
            patience: self.patience,
            command,
        }
    }
}

/// What has this name; the parser let no other one through.
fn named<T: Copy>(all: &[(&str, T)], name: &str) -> T {
    let found = all.iter().find(|(known, _)| *known == name);
    found.map(|(_, one)| *one).expect("the parser knows the names")
}

fn rate(text: &str) -> Result<f64, String> {
    number(text, 0.0, 1e6).ok_or_else(|| "a number from 0 to 1000000 is allowed".to_owned())
}

fn speed(text: &str) -> Result<f64, String> {
    number(text, 0.01, 1e4).ok_or_else(|| "a number from 0.01 to 10000 is allowed".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = number(text, 0.0, 86_400.0).map(Duration::from_secs_f64);
    seconds.ok_or_else(|| "a number of seconds from 0 to 86400 is allowed".to_owned())
}

fn number(text: &str, least: f64, most: f64) -> Option<f64> {
    text.parse().ok().filter(|number| (least..=most).contains(number))
}

#[derive(Args, Debug)]
pub(in crate::cli) struct Record {
    /// The job's id, or any link to it.
    #[arg(value_name = "JOB|URL")]
    pub(in crate::cli) target: String,
    #[command(flatten)]
    pub(in crate::cli) server: Server,
}

/// Where the server that only writes listens.
#[derive(Args, Debug)]
pub(in crate::cli) struct Limit {
    pub(in crate::cli) listen: SocketAddr,
}
