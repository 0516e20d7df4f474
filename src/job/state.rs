//! What is known of a job, as a fold over its events.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::payload::{Artifact, End, Progress};

use super::{ArtifactId, Piece, Status};

/// The most text, in bytes, that is kept in memory for a snapshot; more keeps its newest part.
pub const TEXT_LIMIT: usize = 1 << 20;

/// What an event says, for those who must act on it: the fold below, and the journal, which
/// projects it into rows.
#[derive(Clone, Debug)]
pub enum Fact {
    /// The job's status or attempt changed.
    Status {
        /// `Pending` or `Running`.
        status: Status,
        /// Which run this is.
        attempt: u32,
    },
    /// The job came further.
    Progress(Progress),
    /// A piece of text.
    Content(Piece),
    /// A file is stored.
    ArtifactReady(Box<StoredArtifact>),
    /// A narration can be played.
    TtsCompleted {
        /// The file.
        artifact: ArtifactId,
        /// The run that made the file.
        attempt: u32,
    },
    /// The job is over.
    End(End),
    /// Nothing that a snapshot shows.
    Other,
}

/// A file in artifact storage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredArtifact {
    /// The file as clients see it.
    pub view: Artifact,
    /// Its id.
    pub id: ArtifactId,
    /// The run that made it.
    pub attempt: u32,
    /// A name for people who download it.
    pub name: String,
    /// Its place in artifact storage, or nothing when `view.url` is the place.
    pub path: Option<String>,
    /// SHA-256 of its bytes, in hex.
    pub sha256: Option<String>,
    /// The voice that speaks in it.
    pub voice: Option<String>,
}

/// The text that the current attempt has written so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// How many Unicode scalar values stand before `text`; above 0 only past [`TEXT_LIMIT`].
    pub offset: u64,
    /// The text.
    pub text: String,
}

/// What is known of one job: enough to decide about the next event and to draw a snapshot.
#[derive(Clone, Debug)]
pub struct State {
    /// Where the job is in its life.
    pub status: Status,
    /// Which run is current; events of lower ones are refused.
    pub attempt: u32,
    /// Whether an event has told readers the status.
    pub told: bool,
    /// How far it is.
    pub progress: Progress,
    /// How far events have told that it is.
    pub told_percent: u8,
    /// The newest of each file.
    pub artifacts: Vec<StoredArtifact>,
    /// How it ended, once it did.
    pub end: Option<End>,
    /// Files that were announced, with the run that made them and whether as a narration.
    announced: Vec<(u32, ArtifactId, bool)>,
    /// The last `producer_seq` of each producer.
    pub producers: BTreeMap<String, u64>,
    /// The text so far, or nothing when it has to be read back from the events first.
    pub text: Option<Text>,
}

impl State {
    /// A job of which nothing has happened yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            status: Status::Pending,
            attempt: 0,
            told: false,
            progress: Progress::default(),
            told_percent: 0,
            artifacts: Vec::new(),
            end: None,
            announced: Vec::new(),
            producers: BTreeMap::new(),
            text: Some(Text { offset: 0, text: String::new() }),
        }
    }

    /// Whether `artifact_ready` (or with `narration`, `tts_completed`) of this file is known.
    #[must_use]
    pub fn has_announced(&self, attempt: u32, id: &ArtifactId, narration: bool) -> bool {
        self.announced
            .iter()
            .any(|(run, file, kind)| *run == attempt && file == id && *kind == narration)
    }

    /// Folds one event in.
    pub fn apply(&mut self, fact: &Fact) {
        match fact {
            Fact::Status { status, attempt } => {
                if *attempt > self.attempt {
                    self.text = Some(Text { offset: 0, text: String::new() });
                    self.progress = Progress::default();
                    self.told_percent = 0;
                }
                self.told = true;
                self.status = *status;
                self.attempt = *attempt;
            }
            Fact::Progress(progress) => {
                self.progress = progress.clone();
                self.told_percent = progress.percent;
            }
            Fact::Content(piece) => {
                if let Some(text) = &mut self.text {
                    text.push(piece.as_str());
                }
            }
            Fact::ArtifactReady(stored) => {
                self.announced.push((stored.attempt, stored.id.clone(), false));
                self.artifacts.retain(|artifact| artifact.id != stored.id);
                self.artifacts.push(stored.as_ref().clone());
            }
            Fact::TtsCompleted { artifact, attempt } => {
                self.announced.push((*attempt, artifact.clone(), true));
            }
            Fact::End(end) => {
                self.status = match end {
                    End::Completed(_) => Status::Completed,
                    End::Failed(_) => Status::Failed,
                    End::Canceled(_) => Status::Canceled,
                };
                self.end = Some(end.clone());
            }
            Fact::Other => {}
        }
    }

    /// The last `producer_seq` of a producer; 0 for one that has not counted yet.
    #[must_use]
    pub fn last_of_producer(&self, producer: &str) -> u64 {
        let last = if producer.is_empty() {
            self.producers.first_key_value().filter(|(name, _)| name.is_empty()).map(|(_, seq)| seq)
        } else {
            self.producers.get(producer)
        };
        last.copied().unwrap_or(0)
    }

    /// Marks a file as announced by an event that an earlier process committed.
    pub fn restore_artifact(&mut self, stored: StoredArtifact, narrated: bool) {
        self.announced.push((stored.attempt, stored.id.clone(), false));
        if narrated {
            self.announced.push((stored.attempt, stored.id.clone(), true));
        }
        self.artifacts.push(stored);
    }

    /// How many bytes of memory the state takes, roughly.
    #[must_use]
    pub fn weight(&self) -> usize {
        let text = self.text.as_ref().map_or(0, |text| text.text.capacity());
        size_of::<Self>() + text + self.artifacts.len() * 256 + self.producers.len() * 64
    }
}

/// Notes a producer's last `producer_seq`.
///
/// The usual producer has no name, which stands before all others and is not searched for: glibc's
/// `memcmp` is slow with the addresses that empty texts have, and was a fifth of an append.
pub fn count_producer(producers: &mut BTreeMap<String, u64>, producer: &str, seq: u64) {
    if producer.is_empty()
        && let Some(mut first) = producers.first_entry()
        && first.key().is_empty()
    {
        first.insert(seq);
        return;
    }
    match producers.get_mut(producer) {
        Some(last) => *last = seq,
        None => drop(producers.insert(producer.to_owned(), seq)),
    }
}

impl Default for State {
    fn default() -> Self {
        Self::new()
    }
}

impl Text {
    /// Adds a piece; past the limit the older half goes, and the offset says how much.
    pub fn push(&mut self, piece: &str) {
        self.text.push_str(piece);
        if self.text.len() > TEXT_LIMIT {
            let cut = self.text.ceil_char_boundary(self.text.len() - TEXT_LIMIT / 2);
            self.offset += self.text[..cut].chars().count() as u64;
            self.text.drain(..cut);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_attempt_begins_with_an_empty_text() {
        let mut state = State::new();
        state.apply(&Fact::Status { status: Status::Running, attempt: 1 });
        state.apply(&Fact::Content("half a sen".into()));
        state.apply(&Fact::Status { status: Status::Running, attempt: 2 });
        assert_eq!(state.text.unwrap().text, "");
        assert_eq!(state.attempt, 2);
    }

    #[test]
    fn each_producer_has_its_count_and_so_has_the_one_without_a_name() {
        let mut state = State::new();
        for (producer, seq) in [("b", 1), ("", 1), ("b", 2), ("", 7), ("a", 3)] {
            count_producer(&mut state.producers, producer, seq);
        }
        let last = ["", "a", "b", "c"].map(|producer| state.last_of_producer(producer));
        assert_eq!(last, [7, 3, 2, 0]);
    }

    #[test]
    fn the_text_of_a_snapshot_is_bounded_and_says_where_it_begins() {
        let mut text = Text { offset: 0, text: String::new() };
        let piece = "ä".repeat(1000);
        for _ in 0..2000 {
            text.push(&piece);
        }
        assert!(text.text.len() <= TEXT_LIMIT);
        assert_eq!(text.offset + text.text.chars().count() as u64, 2_000_000);
    }
}
