//! When to kill: conditions over what readers have seen.

use std::collections::BTreeMap;

/// What all readers together have seen so far.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// How many events.
    pub total: u64,
    /// The newest id.
    pub newest: u64,
    /// How many of each name.
    pub by_name: BTreeMap<String, u64>,
}

impl Seen {
    fn of(&self, name: &str) -> u64 {
        self.by_name.get(name).copied().unwrap_or(0)
    }
}

/// Events to kill at, and how many of each may be waited for at most: a narration takes long.
const NAMES: [(&str, u64); 7] = [
    ("status", 12),
    ("progress", 12),
    ("content", 12),
    ("step", 12),
    ("artifact_ready", 6),
    ("tts_completed", 2),
    ("completed", 6),
];

/// A moment of a process's life.
#[derive(Clone, Debug)]
pub enum Moment {
    /// As soon as it listens.
    AtOnce,
    /// After so many more events.
    After(u64),
    /// At the so manieth event of this name from here, in the instant in which a reader has it:
    /// before the journal has committed it, as a rule.
    At(&'static str, u64),
}

impl Moment {
    /// The next moment of a seed.
    pub fn draw(random: &mut fastrand::Rng) -> Self {
        match random.u8(0..20) {
            0 => Self::AtOnce,
            1..=11 => Self::After(random.u64(1..=700)),
            _ => {
                let (name, most) = NAMES[random.usize(..NAMES.len())];
                Self::At(name, random.u64(1..=most))
            }
        }
    }

    /// Whether it has come, counted from what was seen before.
    pub fn is_here(&self, before: &Seen, now: &Seen) -> bool {
        match self {
            Self::AtOnce => true,
            Self::After(count) => now.total >= before.total + count,
            Self::At(name, count) => now.of(name) >= before.of(name) + count,
        }
    }
}
