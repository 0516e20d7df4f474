//! The arguments of a run.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::plan::{ClusterKind, Kind};

/// Break a server in every way that is known, and check what its readers saw.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "chaos",
    bin_name = "scripts/chaos",
    version,
    args_conflicts_with_subcommands = true
)]
pub struct Options {
    /// What to do; without it, faults of every kind.
    #[command(subcommand)]
    pub mode: Option<Mode>,
    /// Faults of every kind.
    #[command(flatten)]
    pub faults: Faults,
    /// The server's program; without it, the one beside this program.
    #[arg(long, value_name = "FILE", global = true)]
    pub tailwater: Option<PathBuf>,
    /// Print tables as docs/reliability.md has them, and nothing else at the end.
    #[arg(long, global = true)]
    pub report: bool,
    /// Keep the run's folder (database, artifacts, logs) although nothing was wrong.
    #[arg(long, global = true)]
    pub keep: bool,
}

/// What else there is to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Mode {
    /// Kill the server at random moments, and nothing else.
    Kills(Kills),
    /// Kill it under many running jobs, and measure how soon everything is back.
    Recovery(Recovery),
    /// Break the nodes of a cluster, what they stand on, and what lies between.
    Cluster(Cluster),
    /// Push the events of a day of token streams as fast as they go, and look at the memory.
    Soak(Soak),
}

/// How a run with faults of every kind goes.
#[derive(clap::Args, Clone, Debug)]
pub struct Faults {
    /// What the plan is drawn from; the same seed draws the same plan.
    #[arg(long, value_name = "N", default_value_t = 20, env = "TAILWATER_CHAOS_SEED")]
    pub seed: u64,
    /// How many faults there are at least.
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub faults: usize,
    /// How many events readers get at least; faults go on until then.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub deliveries: u64,
    /// After how many minutes no further fault is begun.
    #[arg(long, value_name = "N")]
    pub minutes: Option<u64>,
    /// Only these kinds of faults.
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', value_enum)]
    pub only: Vec<Kind>,
    /// How many jobs are in flight at any time.
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub jobs: usize,
    /// How many readers each job has.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub readers: usize,
    /// How many events an external job has at most.
    #[arg(long, value_name = "N", default_value_t = 3000)]
    pub events: u64,
    /// A run for CI: every kind of fault once, short ones, few jobs.
    #[arg(long)]
    pub short: bool,
}

/// How the server is killed over and over.
#[derive(clap::Args, Clone, Debug)]
pub struct Kills {
    /// What the plan is drawn from.
    #[arg(long, value_name = "N", default_value_t = 20, env = "TAILWATER_CHAOS_SEED")]
    pub seed: u64,
    /// How often.
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub count: usize,
    /// How many jobs are in flight at any time.
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub jobs: usize,
}

/// How a cluster is broken.
#[derive(clap::Args, Clone, Debug)]
pub struct Cluster {
    /// What the plan is drawn from; the same seed draws the same plan.
    #[arg(long, value_name = "N", default_value_t = 20, env = "TAILWATER_CHAOS_SEED")]
    pub seed: u64,
    /// How many faults there are at least.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub faults: usize,
    /// How many events readers get at least; faults go on until then.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub deliveries: u64,
    /// After how many minutes no further fault is begun.
    #[arg(long, value_name = "N")]
    pub minutes: Option<u64>,
    /// Only these kinds of faults.
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', value_enum)]
    pub only: Vec<ClusterKind>,
    /// How many jobs are in flight at any time.
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub jobs: usize,
    /// How many readers each job has.
    #[arg(long, value_name = "N", default_value_t = 6)]
    pub readers: usize,
    /// How many events an external job has at most.
    #[arg(long, value_name = "N", default_value_t = 1500)]
    pub events: u64,
    /// A run for CI: every kind of fault once, short ones, few jobs.
    #[arg(long)]
    pub short: bool,
}

impl Cluster {
    /// The same with everything that `--short` says.
    pub(crate) fn whole(&self) -> Self {
        if !self.short {
            return self.clone();
        }
        let faults = if self.only.is_empty() { ClusterKind::ALL.len() } else { self.only.len() };
        Self { faults, jobs: 20, readers: 4, events: 300, ..self.clone() }
    }
}

/// How a recovery is measured.
#[derive(clap::Args, Clone, Debug)]
pub struct Recovery {
    /// How many jobs run when the server is killed, each with a reader.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub jobs: usize,
    /// How often it is killed: a job whose process died three times is given up.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub rounds: usize,
}

/// How a day of token streams is pushed.
#[derive(clap::Args, Clone, Debug)]
pub struct Soak {
    /// How many jobs have tokens at the same time.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub streams: usize,
    /// How many hours of tokens.
    #[arg(long, value_name = "N", default_value_t = 24)]
    pub hours: u64,
    /// How many tokens a second a stream has.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub rate: u64,
}

impl Options {
    /// What a run with faults is to be, with everything that `--short` says.
    pub(crate) fn faults(&self) -> Faults {
        match &self.mode {
            Some(Mode::Kills(kills)) => Faults {
                seed: kills.seed,
                faults: kills.count,
                deliveries: 0,
                minutes: None,
                only: vec![Kind::Kill],
                jobs: kills.jobs,
                readers: 3,
                events: 400,
                short: false,
            },
            _ if self.faults.short => Faults {
                faults: Kind::ALL.len(),
                jobs: 24,
                readers: 4,
                events: 400,
                ..self.faults.clone()
            },
            _ => self.faults.clone(),
        }
    }
}
