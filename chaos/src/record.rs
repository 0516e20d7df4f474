//! What one reader saw, kept in 16 bytes an event, so that ten million of them fit into memory.

use std::hash::{DefaultHasher, Hasher as _};

use serde::Deserialize;

/// One event that a reader got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Its id.
    pub(crate) id: u64,
    /// What it says: see [`fingerprint`].
    pub(crate) content: u64,
}

/// A job's event as one number: whose it is, its name and its data to the byte.
pub(crate) fn fingerprint(job: &str, event: &str, data: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    for part in [job, event, data] {
        hasher.write(part.as_bytes());
        // No part of an event holds this byte.
        hasher.write_u8(0xff);
    }
    hasher.finish()
}

/// What a reader sends as its cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The last id that it has, as an honest reader does; 0 when it has none.
    Own(u64),
    /// An earlier one of its own: it wants to see again what came after.
    Old(u64),
    /// A number that nobody gave it.
    Invented(u64),
    /// No number at all.
    Foreign,
}

impl Sent {
    /// The number, where it is one.
    pub(crate) const fn number(self) -> Option<u64> {
        match self {
            Self::Own(id) | Self::Old(id) | Self::Invented(id) => Some(id),
            Self::Foreign => None,
        }
    }

    /// As it stands in a header.
    pub(crate) fn text(self) -> String {
        self.number().map_or_else(|| "yesterday:evening".to_owned(), |id| id.to_string())
    }
}

/// Why the server says that there is a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    /// The cursor is no id.
    InvalidCursor,
    /// The cursor is of an epoch that there never was.
    UnknownEpoch,
    /// A crash took the events that the reader has.
    LostInCrash,
    /// The cursor is above everything.
    AheadOfHead,
    /// Retention gave the events up.
    Trimmed,
}

/// What happens between events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// It came, with this cursor, and was let in.
    Open(Sent),
    /// It was told of a gap.
    Gap {
        /// The cursor that it came with, as the server understood it.
        from: Option<u64>,
        /// Where it goes on.
        to: u64,
        /// Why.
        reason: Reason,
    },
    /// It was told how things stand, up to this id where that has one.
    Snapshot(Option<u64>),
    /// It was told that nothing more will come.
    Over,
    /// It was told that there is no such job.
    Vanished,
}

/// Whose events a reader reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Those of this job.
    Job(String),
    /// Those of these jobs, on one connection.
    Jobs(Vec<String>),
    /// Those of all jobs, on one connection.
    Project(String),
}

/// Everything that one reader saw.
#[derive(Clone, Debug)]
pub(crate) struct History {
    /// Which reader it is, for people.
    pub(crate) name: String,
    /// Whose events it reads.
    pub(crate) scope: Scope,
    /// The events in the order in which they came.
    pub(crate) seen: Vec<Seen>,
    /// What happened between them, each with the number of events before it.
    pub(crate) marks: Vec<(usize, Mark)>,
}

impl History {
    /// A reader that has seen nothing.
    pub(crate) const fn new(name: String, scope: Scope) -> Self {
        Self { name, scope, seen: Vec::new(), marks: Vec::new() }
    }

    /// Notes what happened after the events so far.
    pub(crate) fn mark(&mut self, mark: Mark) {
        self.marks.push((self.seen.len(), mark));
    }

    /// Keeps no more memory than it needs, once nothing is added any more.
    pub(crate) fn close(&mut self) {
        self.seen.shrink_to_fit();
        self.marks.shrink_to_fit();
    }

    /// What it saw around its event of this number, for people.
    pub(crate) fn story(&self, at: usize) -> Vec<String> {
        const AROUND: usize = 6;
        let (from, to) = (at.saturating_sub(AROUND), (at + AROUND).min(self.seen.len()));
        let mut lines = Vec::new();
        let newest = self.marks.iter().rfind(|(place, _)| *place < from);
        lines.extend(newest.map(|(place, mark)| format!("  after {place} events: {mark:?}")));
        for place in from..=to {
            let marks = self.marks.iter().filter(|(before, _)| *before == place);
            lines.extend(marks.map(|(_, mark)| format!("  {mark:?}")));
            if let Some(seen) = self.seen.get(place).filter(|_| place < to) {
                let (epoch, n) = (seen.id >> 32, seen.id & 0xffff_ffff);
                let here = if place == at { "->" } else { "  " };
                lines.push(format!("{here} {} = {epoch}:{n} ({:016x})", seen.id, seen.content));
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_tells_job_name_and_data_apart() {
        let same = fingerprint("job_1", "step", "{}");
        assert_eq!(same, fingerprint("job_1", "step", "{}"));
        for other in [("job_2", "step", "{}"), ("job_1", "ste", "p{}"), ("job_1", "step", "{ }")] {
            assert_ne!(same, fingerprint(other.0, other.1, other.2));
        }
    }

    #[test]
    fn an_event_is_small() {
        assert_eq!(size_of::<Seen>(), 16);
    }

    #[test]
    fn a_story_shows_the_place_and_what_happened_there() {
        let mut history = History::new("a".into(), Scope::Job("job_1".into()));
        history.mark(Mark::Open(Sent::Own(0)));
        for n in 1..=20 {
            history.seen.push(Seen { id: (1 << 32) + n, content: n });
        }
        let story = history.story(10);
        assert!(
            story.iter().any(|line| line.starts_with("->") && line.contains("1:11 ")),
            "{story:?}"
        );
        assert!(story[0].contains("Own(0)"), "{story:?}");
    }
}
