//! The faults of a cluster: of its nodes, of what they stand on, and of what lies between.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;

use super::fault::hold;
use super::{Draw, fault};

/// For how long a node is taken to live that says nothing, as the runs have it.
pub(crate) const LEASE: Duration = Duration::from_secs(3);

/// How many nodes there are, and how many NATS servers.
pub(crate) const COUNT: usize = 3;

/// The kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub enum Kind {
    /// A node is killed, and started again.
    Kill,
    /// A node is stopped in order, and started again.
    Restart,
    /// All nodes are killed at once, and started again.
    All,
    /// A node stands still, for less than its lease or for longer.
    Pause,
    /// A node gets a tenth of its time.
    Slow,
    /// The node that archives stands still for longer than its lease.
    Archiver,
    /// A node is cut off from NATS, and not from its readers.
    CutNats,
    /// A node is cut off from its readers, and not from NATS.
    CutReaders,
    /// A node is cut off from Postgres.
    CutPostgres,
    /// The NATS server that leads the stream is killed.
    Leader,
    /// Some NATS server is killed, or stopped in order.
    Nats,
    /// Postgres is killed.
    Postgres,
    /// Postgres is stopped, or stands still, for half a minute.
    PostgresAway,
    /// The balancer reads its settings again.
    Reload,
    /// The balancer is killed.
    Balancer,
    /// Every connection of clients cut, halved or blackholed at once.
    Network,
    /// A provider down, refusing, or cut off in the middle of its answers.
    Provider,
    /// Readers that take nothing for a while.
    Stall,
    /// Readers that leave and return with old and invented cursors.
    Cursors,
    /// Producers and submitters that send everything again.
    Resend,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::Kill,
        Self::Restart,
        Self::All,
        Self::Pause,
        Self::Slow,
        Self::Archiver,
        Self::CutNats,
        Self::CutReaders,
        Self::CutPostgres,
        Self::Leader,
        Self::Nats,
        Self::Postgres,
        Self::PostgresAway,
        Self::Reload,
        Self::Balancer,
        Self::Network,
        Self::Provider,
        Self::Stall,
        Self::Cursors,
        Self::Resend,
    ];

    /// What it is, in a table.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Kill => "a node: `kill -9`",
            Self::Restart => "a node: SIGTERM, and a start",
            Self::All => "all nodes at once: `kill -9`",
            Self::Pause => "a node: SIGSTOP, shorter or longer than its lease",
            Self::Slow => "a node that gets a tenth of its time",
            Self::Archiver => "the node that archives: SIGSTOP, longer than its lease",
            Self::CutNats => "a node cut off from NATS alone",
            Self::CutReaders => "a node cut off from readers alone",
            Self::CutPostgres => "a node cut off from Postgres alone",
            Self::Leader => "the stream's leader: `kill -9`",
            Self::Nats => "a NATS server: `kill -9`, or stopped in order",
            Self::Postgres => "Postgres: `kill -9`",
            Self::PostgresAway => "Postgres away or standing still",
            Self::Reload => "nginx reloaded",
            Self::Balancer => "nginx: `kill -9`",
            Self::Network => fault::Kind::Network.title(),
            Self::Provider => fault::Kind::Provider.title(),
            Self::Stall => fault::Kind::Stall.title(),
            Self::Cursors => fault::Kind::Cursors.title(),
            Self::Resend => fault::Kind::Resend.title(),
        }
    }

    /// Whether it is a cable that is pulled, which takes networks of one's own.
    pub(crate) const fn is_cut(self) -> bool {
        matches!(self, Self::CutNats | Self::CutReaders | Self::CutPostgres)
    }
}

/// One fault.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    /// Started again after so long.
    Kill {
        node: usize,
        hold: Duration,
    },
    Restart {
        node: usize,
    },
    All {
        hold: Duration,
    },
    Pause {
        node: usize,
        hold: Duration,
    },
    Slow {
        node: usize,
        hold: Duration,
    },
    Archiver {
        hold: Duration,
    },
    /// From the network of this name.
    Cut {
        node: usize,
        network: &'static str,
        hold: Duration,
    },
    Leader {
        hold: Duration,
    },
    Nats {
        server: usize,
        orderly: bool,
        hold: Duration,
    },
    Postgres {
        hold: Duration,
    },
    /// Stopped, or standing still.
    PostgresAway {
        still: bool,
        hold: Duration,
    },
    Reload,
    Balancer {
        hold: Duration,
    },
    /// One of those that a server alone has.
    Alone(fault::Fault),
}

impl Draw for Kind {
    type Fault = Fault;

    fn draw(self, random: &mut fastrand::Rng, short: bool) -> Fault {
        let node = random.usize(1..=COUNT);
        let cut = |network, random: &mut fastrand::Rng| {
            let hold = LEASE.mul_f64(0.5 + random.f64() * if short { 1.5 } else { 3.0 });
            Fault::Cut { node, network, hold }
        };
        match self {
            Self::Kill => {
                // Half of them for longer than the others wait for it.
                let extra = if random.bool() { LEASE } else { Duration::ZERO };
                Fault::Kill { node, hold: extra + hold(random, 2000, short) }
            }
            Self::Restart => Fault::Restart { node },
            Self::All => Fault::All { hold: hold(random, 3000, short) },
            Self::Pause => {
                let most = if short { 1.5 } else { 3.0 };
                Fault::Pause { node, hold: LEASE.mul_f64(0.2 + random.f64() * most) }
            }
            Self::Slow => Fault::Slow { node, hold: hold(random, 20_000, short) },
            Self::Archiver => {
                let most = if short { 0.5 } else { 2.0 };
                Fault::Archiver { hold: LEASE.mul_f64(1.2 + random.f64() * most) }
            }
            Self::CutNats => cut("nats", random),
            Self::CutReaders => cut("readers", random),
            Self::CutPostgres => cut("postgres", random),
            Self::Leader => Fault::Leader { hold: hold(random, 6000, short) },
            Self::Nats => Fault::Nats {
                server: random.usize(1..=COUNT),
                orderly: random.bool(),
                hold: hold(random, 6000, short),
            },
            Self::Postgres => Fault::Postgres { hold: hold(random, 2000, short) },
            Self::PostgresAway => {
                let hold = Duration::from_secs(if short { 10 } else { 30 });
                Fault::PostgresAway { still: random.bool(), hold }
            }
            Self::Reload => Fault::Reload,
            Self::Balancer => Fault::Balancer { hold: hold(random, 2000, short) },
            Self::Network => Fault::Alone(fault::Kind::Network.draw(random, short)),
            Self::Provider => Fault::Alone(fault::Kind::Provider.draw(random, short)),
            Self::Stall => Fault::Alone(fault::Kind::Stall.draw(random, short)),
            Self::Cursors => Fault::Alone(fault::Kind::Cursors.draw(random, short)),
            Self::Resend => Fault::Alone(fault::Kind::Resend.draw(random, short)),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill { node, hold } => {
                write!(formatter, "kill -9 of node {node}, a start after {hold:.1?}")
            }
            Self::Restart { node } => write!(formatter, "SIGTERM to node {node}, and a start"),
            Self::All { hold } => {
                write!(formatter, "kill -9 of all nodes, starts after {hold:.1?}")
            }
            Self::Pause { node, hold } => {
                write!(formatter, "node {node} stands still for {hold:.1?}")
            }
            Self::Slow { node, hold } => {
                write!(formatter, "node {node} gets a tenth of its time for {hold:.1?}")
            }
            Self::Archiver { hold } => {
                write!(formatter, "the node that archives stands still for {hold:.1?}")
            }
            Self::Cut { node, network, hold } => {
                write!(formatter, "node {node} is cut off from {network} for {hold:.1?}")
            }
            Self::Leader { hold } => {
                write!(formatter, "kill -9 of the stream's leader, a start after {hold:.1?}")
            }
            Self::Nats { server, orderly, hold } => {
                let how = if *orderly { "SIGTERM to" } else { "kill -9 of" };
                write!(formatter, "{how} NATS server {server}, a start after {hold:.1?}")
            }
            Self::Postgres { hold } => {
                write!(formatter, "kill -9 of Postgres, a start after {hold:.1?}")
            }
            Self::PostgresAway { still: true, hold } => {
                write!(formatter, "Postgres stands still for {hold:.1?}")
            }
            Self::PostgresAway { still: false, hold } => {
                write!(formatter, "Postgres is stopped for {hold:.1?}")
            }
            Self::Reload => write!(formatter, "nginx is reloaded"),
            Self::Balancer { hold } => {
                write!(formatter, "kill -9 of nginx, a start after {hold:.1?}")
            }
            Self::Alone(fault) => write!(formatter, "{fault}"),
        }
    }
}
