//! The faults, each with what it was drawn with.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;

use super::Draw;

/// The kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub enum Kind {
    /// `kill -9`, and a start.
    Kill,
    /// SIGTERM, and a start.
    Term,
    /// No room on the disk.
    Disk,
    /// The database locked by somebody else.
    Lock,
    /// A start on a data folder that is read-only.
    Readonly,
    /// `kill -9`, and damage to the end of the write-ahead log.
    Wal,
    /// The artifact folder gone, replaced, read-only.
    Artifacts,
    /// A provider down, refusing, or cut off in the middle of its answers.
    Provider,
    /// The clock an hour forward, or back.
    Clock,
    /// Every connection cut, halved or blackholed at once.
    Network,
    /// More events than the memory and the journal hold.
    Memory,
    /// Readers that take nothing for a while.
    Stall,
    /// Readers that leave and return with old and invented cursors.
    Cursors,
    /// Producers and submitters that send everything again.
    Resend,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Kill,
        Self::Term,
        Self::Disk,
        Self::Lock,
        Self::Readonly,
        Self::Wal,
        Self::Artifacts,
        Self::Provider,
        Self::Clock,
        Self::Network,
        Self::Memory,
        Self::Stall,
        Self::Cursors,
        Self::Resend,
    ];

    /// What it is, in a table.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Kill => "`kill -9`",
            Self::Term => "SIGTERM",
            Self::Disk => "disk full",
            Self::Lock => "database locked",
            Self::Readonly => "start on a read-only folder",
            Self::Wal => "write-ahead log damaged",
            Self::Artifacts => "artifact storage failing",
            Self::Provider => "provider down, refusing, cut off",
            Self::Clock => "clock an hour forward or back",
            Self::Network => "all connections cut, halved, blackholed",
            Self::Memory => "memory and journal bound reached",
            Self::Stall => "readers that stall",
            Self::Cursors => "readers with old and invented cursors",
            Self::Resend => "ingest and submit sent again",
        }
    }
}

/// How a write-ahead log is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Break {
    /// Cut off in the middle of one of the last so many frames.
    Cut(u32),
    /// Bits of one of the last so many frames flipped.
    Flip(u32),
}

/// What happens to the artifact folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ArtifactTrouble {
    /// Renamed away.
    Gone,
    /// A file stands in its place.
    Replaced,
    /// Nothing can be written into it.
    ReadOnly,
}

/// What happens to the providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProviderTrouble {
    /// Nobody answers.
    Down,
    /// 503 to everything.
    Refusing,
    /// The request arrives, the connection breaks before or within the answer.
    Cut,
    /// Nothing is ever answered.
    Silent,
}

/// What happens to all connections that are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Storm {
    /// They break.
    Cut,
    /// They are open, and nothing comes any more.
    Hole,
    /// Their direction from the server ends; the other one stays open.
    Half,
}

/// One fault.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    Kill,
    Term,
    /// For so long; then, maybe, a `kill -9` while it still is.
    Disk {
        hold: Duration,
        kill: bool,
    },
    Lock {
        hold: Duration,
        kill: bool,
    },
    Readonly,
    Wal(Break),
    Artifacts {
        trouble: ArtifactTrouble,
        hold: Duration,
        kill: bool,
    },
    Provider {
        trouble: ProviderTrouble,
        hold: Duration,
        kill: bool,
    },
    Clock {
        hours: i32,
    },
    Network(Storm),
    /// So many kilobytes, as fast as they go, while the database is locked.
    Memory {
        kilobytes: u64,
    },
    /// A share of the readers, in percent, for so long.
    Stall {
        percent: u8,
        hold: Duration,
    },
    Cursors {
        percent: u8,
    },
    Resend {
        percent: u8,
    },
}

const ARTIFACTS: [ArtifactTrouble; 3] =
    [ArtifactTrouble::Gone, ArtifactTrouble::Replaced, ArtifactTrouble::ReadOnly];

const PROVIDERS: [ProviderTrouble; 4] = [
    ProviderTrouble::Down,
    ProviderTrouble::Refusing,
    ProviderTrouble::Cut,
    ProviderTrouble::Silent,
];

const STORMS: [Storm; 3] = [Storm::Cut, Storm::Hole, Storm::Half];

impl Draw for Kind {
    type Fault = Fault;

    fn draw(self, random: &mut fastrand::Rng, short: bool) -> Fault {
        match self {
            Self::Kill => Fault::Kill,
            Self::Term => Fault::Term,
            Self::Disk => Fault::Disk { hold: hold(random, 6000, short), kill: random.bool() },
            // A third of them for as long as a backup by hand would take.
            Self::Lock => {
                let long = !short && random.u8(0..3) == 0;
                let hold = if long { Duration::from_secs(30) } else { hold(random, 5000, short) };
                Fault::Lock { hold, kill: random.bool() }
            }
            Self::Readonly => Fault::Readonly,
            Self::Wal => {
                let frames = 1 << random.u32(0..8);
                Fault::Wal(if random.bool() { Break::Cut(frames) } else { Break::Flip(frames) })
            }
            Self::Artifacts => {
                let hold = hold(random, 4000, short);
                let trouble = ARTIFACTS[random.usize(..ARTIFACTS.len())];
                Fault::Artifacts { trouble, hold, kill: random.bool() }
            }
            Self::Provider => {
                let hold = hold(random, 6000, short);
                let trouble = PROVIDERS[random.usize(..PROVIDERS.len())];
                Fault::Provider { trouble, hold, kill: random.bool() }
            }
            Self::Clock => Fault::Clock { hours: if random.bool() { 1 } else { -1 } },
            Self::Network => Fault::Network(STORMS[random.usize(..STORMS.len())]),
            Self::Memory => {
                Fault::Memory { kilobytes: if short { 8 << 10 } else { random.u64(16..=64) << 10 } }
            }
            Self::Stall => {
                let hold = hold(random, 8000, short);
                Fault::Stall { percent: random.u8(10..=80), hold }
            }
            Self::Cursors => Fault::Cursors { percent: random.u8(10..=90) },
            Self::Resend => Fault::Resend { percent: random.u8(30..=100) },
        }
    }
}

impl Fault {
    /// Its kind.
    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Self::Kill => Kind::Kill,
            Self::Term => Kind::Term,
            Self::Disk { .. } => Kind::Disk,
            Self::Lock { .. } => Kind::Lock,
            Self::Readonly => Kind::Readonly,
            Self::Wal(_) => Kind::Wal,
            Self::Artifacts { .. } => Kind::Artifacts,
            Self::Provider { .. } => Kind::Provider,
            Self::Clock { .. } => Kind::Clock,
            Self::Network(_) => Kind::Network,
            Self::Memory { .. } => Kind::Memory,
            Self::Stall { .. } => Kind::Stall,
            Self::Cursors { .. } => Kind::Cursors,
            Self::Resend { .. } => Kind::Resend,
        }
    }
}

/// How long something lasts, in milliseconds at most.
pub(super) fn hold(random: &mut fastrand::Rng, longest_ms: u64, short: bool) -> Duration {
    let longest_ms = if short { longest_ms.min(2500) } else { longest_ms };
    Duration::from_millis(random.u64(longest_ms / 5..=longest_ms))
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let then = |kill: bool| if kill { ", then kill -9" } else { "" };
        match self {
            Self::Kill => write!(formatter, "kill -9"),
            Self::Term => write!(formatter, "SIGTERM"),
            Self::Disk { hold, kill } => {
                write!(formatter, "disk full for {hold:.1?}{}", then(*kill))
            }
            Self::Lock { hold, kill } => {
                write!(formatter, "database locked for {hold:.1?}{}", then(*kill))
            }
            Self::Readonly => write!(formatter, "kill -9, a start on a read-only folder"),
            Self::Wal(Break::Cut(frames)) => {
                write!(formatter, "kill -9, log cut in the last {frames} frames")
            }
            Self::Wal(Break::Flip(frames)) => {
                write!(formatter, "kill -9, bits flipped in the last {frames} frames of the log")
            }
            Self::Artifacts { trouble, hold, kill } => {
                write!(formatter, "artifacts {trouble:?} for {hold:.1?}{}", then(*kill))
            }
            Self::Provider { trouble, hold, kill } => {
                write!(formatter, "providers {trouble:?} for {hold:.1?}{}", then(*kill))
            }
            Self::Clock { hours } => write!(formatter, "clock {hours:+} h"),
            Self::Network(storm) => write!(formatter, "all connections {storm:?}"),
            Self::Memory { kilobytes } => {
                write!(formatter, "{kilobytes} KB of events while the database is locked")
            }
            Self::Stall { percent, hold } => {
                write!(formatter, "{percent} % of the readers stall for {hold:.1?}")
            }
            Self::Cursors { percent } => {
                write!(formatter, "{percent} % of the readers return with other cursors")
            }
            Self::Resend { percent } => {
                write!(formatter, "{percent} % of the producers and submitters send again")
            }
        }
    }
}
