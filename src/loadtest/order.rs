//! What a load test is asked for.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::LoadError;
use super::adapter::Adapter;
use super::payload::SMALLEST;

/// What happens in a load test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// One job, many readers.
    Fanout,
    /// Many jobs, a reader each.
    ManyJobs,
    /// Jobs at the pace at which a model writes.
    Tokens,
    /// Readers that wait: what one costs.
    Idle,
    /// All readers are cut off and come back at once.
    Storm,
    /// A part of the readers reads a byte a second.
    Slow,
    /// A long job is read from its beginning, from memory and from the database.
    Replay,
    /// Clients that ask again and again, as the server tells them to.
    Poll,
    /// Some of each.
    Mixed,
}

impl Scenario {
    /// All of them, as they are named.
    pub const ALL: [(&str, Self); 9] = [
        ("fanout", Self::Fanout),
        ("many-jobs", Self::ManyJobs),
        ("tokens", Self::Tokens),
        ("idle", Self::Idle),
        ("storm", Self::Storm),
        ("slow", Self::Slow),
        ("replay", Self::Replay),
        ("poll", Self::Poll),
        ("mixed", Self::Mixed),
    ];

    /// The name on the command line and in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        let named = Self::ALL.iter().find(|(_, scenario)| *scenario == self);
        named.map_or("", |(name, _)| name)
    }

    /// What is done unless something else is said.
    #[must_use]
    pub fn usual(self) -> Usual {
        let usual =
            |jobs, readers, rate, size, seconds| Usual { jobs, readers, rate, size, seconds };
        match self {
            Self::Fanout => usual(1, 1_000, 100.0, 200, 10),
            Self::ManyJobs => usual(2_000, 2_000, 20.0, 200, 10),
            Self::Tokens => usual(200, 400, 60.0, 100, 20),
            Self::Idle => usual(1, 10_000, 0.0, 200, 20),
            Self::Storm => usual(1, 10_000, 10.0, 200, 6),
            Self::Slow => usual(1, 1_000, 50.0, 200, 20),
            Self::Replay => usual(1, 1, 0.0, 200, 0),
            Self::Poll => usual(50, 1_000, 2.0, 200, 20),
            Self::Mixed => usual(20, 1_000, 20.0, 200, 20),
        }
    }
}

/// The measures of a scenario.
#[derive(Clone, Copy, Debug)]
pub struct Usual {
    /// How many jobs.
    pub jobs: u32,
    /// How many readers of all jobs together.
    pub readers: u32,
    /// Events a second and job.
    pub rate: f64,
    /// Bytes of each event's data.
    pub size: usize,
    /// How long events are published, in seconds.
    pub seconds: u64,
}

impl Usual {
    /// How many readers so many jobs have: as usual, and at least one each.
    #[must_use]
    pub const fn readers_of(self, jobs: u32) -> u32 {
        if self.readers > jobs { self.readers } else { jobs }
    }
}

/// A load test, as it was asked for.
#[derive(Clone, Debug)]
pub struct Order {
    /// What happens.
    pub scenario: Scenario,
    /// On which kind of server.
    pub adapter: Adapter,
    /// Where it is; without it one is started.
    pub server: Option<String>,
    /// Where events are published, where that is elsewhere.
    pub publish: Option<String>,
    /// The key for a server that is there already and wants one.
    pub key: Option<SecretString>,
    /// The processes of a server that is there already.
    pub server_pids: Vec<u32>,
    /// What the server that is started is told besides.
    pub server_arguments: Vec<String>,
    /// The core that the server that is started stays on.
    pub server_core: Option<usize>,
    /// The core that all the rest stays on.
    pub client_core: Option<usize>,
    /// How many jobs.
    pub jobs: u32,
    /// How many readers of all jobs together.
    pub readers: u32,
    /// Events a second and job.
    pub rate: f64,
    /// Bytes of each event's data.
    pub size: usize,
    /// How long events are published.
    pub duration: Duration,
    /// How many events of each job, where the rate and the duration do not say.
    pub events: Option<u32>,
    /// Each event is sent when the one before it is answered, as fast as that goes.
    pub closed: bool,
    /// How many times as fast a recording is played.
    pub speed: f64,
    /// The recording.
    pub recording: Option<PathBuf>,
    /// What chance begins with.
    pub seed: u64,
    /// In how many processes readers are; without it as many as their descriptors need.
    pub processes: Option<u32>,
    /// How many addresses of this machine readers come from; without it as many as their ports need.
    pub source_addresses: Option<u8>,
    /// Of a hundred readers, how many are slow.
    pub slow_percent: u32,
    /// How long nothing may come of what is due before it counts as lost.
    pub patience: Duration,
    /// The command as it was given, for the report.
    pub command: String,
}

/// The most events of one job: a sequence has to fit, and memory.
const MOST_EVENTS: f64 = 50_000_000.0;

impl Order {
    /// Refuses what can never do.
    ///
    /// # Errors
    /// [`LoadError::Arguments`], naming what is allowed.
    pub fn check(&self) -> Result<(), LoadError> {
        let refuse = |text: String| Err(LoadError::Arguments(text));
        if self.jobs == 0 || self.readers == 0 {
            return refuse("--jobs and --readers are at least 1".to_owned());
        }
        if self.readers < self.jobs {
            return refuse(format!(
                "{} jobs need at least as many readers, and there are {}",
                self.jobs, self.readers
            ));
        }
        if self.size < SMALLEST && self.recording.is_none() {
            return refuse(format!("--size is at least {SMALLEST}: an event says what it is"));
        }
        if self.slow_percent > 90 {
            return refuse("--slow is at most 90: the others are measured".to_owned());
        }
        let tailwater_only = matches!(self.scenario, Scenario::Poll | Scenario::Mixed);
        if tailwater_only && self.adapter != Adapter::Tailwater {
            return refuse(format!("'{}' knows only tailwater", self.scenario.name()));
        }
        if self.recording.is_some() {
            if self.closed || self.scenario == Scenario::Slow {
                return refuse("a recording is played once, at its own times".to_owned());
            }
            if !matches!(self.adapter, Adapter::Tailwater | Adapter::Limit) {
                let adapter = self.adapter.name();
                return refuse(format!(
                    "a recording's events have names, which {adapter} does not keep"
                ));
            }
        }
        if f64::from(self.events.unwrap_or(0)) > MOST_EVENTS
            || self.rate * self.duration.as_secs_f64() > MOST_EVENTS
        {
            return refuse(format!("a job has at most {MOST_EVENTS} events"));
        }
        Ok(())
    }

    /// How many events each job has, where they are synthetic.
    #[must_use]
    pub fn events(&self) -> u32 {
        let by_rate = || {
            let events = (self.rate * self.duration.as_secs_f64()).round();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it was checked to be at most fifty million"
            )]
            let events = events.clamp(0.0, MOST_EVENTS) as u32;
            events
        };
        self.events.unwrap_or_else(by_rate)
    }
}
