//! What a load test found: figures, checks, plots.

mod chart;
mod checks;
mod figures;
mod html;
mod plots;
mod table;

pub use checks::Check;
pub use figures::Figure;
pub(super) use figures::Replayed;
pub use plots::{Plots, Point};

use serde::Serialize;

use super::Order;
use super::verify::Counts;

/// The report of one load test.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What happened.
    pub scenario: &'static str,
    /// On which kind of server.
    pub adapter: &'static str,
    /// The command as it was given.
    pub command: String,
    /// When it began, in UTC milliseconds.
    pub started_at: i64,
    /// Where it ran.
    pub machine: Machine,
    /// What was asked for.
    pub settings: Settings,
    /// What was measured.
    pub figures: Vec<Figure>,
    /// What had to hold.
    pub checks: Vec<Check>,
    /// What readers got, counted.
    pub counts: Counts,
    /// The first things that were wrong, in words.
    pub findings: Vec<String>,
    /// Curves.
    pub plots: Plots,
    /// What a reader of the report should know.
    pub notes: Vec<String>,
}

/// Where a load test ran.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's name, where the system says it.
    pub processor: String,
    /// How many cores this process may use.
    pub cores: usize,
    /// The system and its version.
    pub system: String,
    /// This program's version.
    pub version: &'static str,
    /// How many processes wanted to run in the minute before, on average.
    pub load_average: String,
}

/// What was asked for, in numbers.
#[derive(Clone, Debug, Serialize)]
pub struct Settings {
    /// How many jobs.
    pub jobs: u32,
    /// How many readers of all jobs together.
    pub readers: u32,
    /// Events a second and job; none when they go as fast as they are answered.
    pub rate: Option<f64>,
    /// Bytes of each event's data.
    pub size: usize,
    /// How long events are published.
    pub seconds: f64,
    /// The core of the server that was started.
    pub server_core: Option<usize>,
    /// The core of the readers and the producer.
    pub client_core: Option<usize>,
    /// What chance began with.
    pub seed: u64,
}

impl Report {
    pub(super) fn new(order: &Order) -> Self {
        Self {
            scenario: order.scenario.name(),
            adapter: order.adapter.name(),
            command: order.command.clone(),
            started_at: crate::event::now_ms(),
            machine: Machine::here(),
            settings: Settings {
                jobs: order.jobs,
                readers: order.readers,
                rate: (!order.closed).then_some(order.rate),
                size: order.size,
                seconds: order.duration.as_secs_f64(),
                server_core: order.server_core,
                client_core: order.client_core,
                seed: order.seed,
            },
            figures: Vec::new(),
            checks: Vec::new(),
            counts: Counts::default(),
            findings: Vec::new(),
            plots: Plots::default(),
            notes: Vec::new(),
        }
    }

    /// Whether everything held that had to.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.passed)
    }

    /// Says how many descriptors one process may have: it bounds what a test can do.
    pub(super) fn note_descriptors(&mut self, limit: usize) {
        self.note(format!("one process may have {limit} descriptors here"));
    }

    /// Says something that a reader of the report should know.
    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

impl Machine {
    fn here() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let processor = read("/proc/cpuinfo")
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
            .map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.to_owned());
        let release = read("/proc/sys/kernel/osrelease");
        Self {
            processor,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            system: format!("{} {}", std::env::consts::OS, release.trim()),
            version: env!("CARGO_PKG_VERSION"),
            load_average: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
        }
    }
}
