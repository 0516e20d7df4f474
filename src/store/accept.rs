//! The one gate: what becomes an event.

use crate::event::Draft;
use crate::job::{Fact, State, Status};

/// Who proposes an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A worker of this server, or the server itself.
    Worker,
    /// An external worker, over HTTP.
    Producer,
    /// The reconciler, which saw it in the database: it may only move a job forward.
    Database,
}

impl Source {
    /// The word in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Producer => "producer",
            Self::Database => "reconciler",
        }
    }
}

/// A producer's own count of its events, from 1, without holes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerSeq {
    /// Which producer; the empty name is the usual one.
    pub producer: String,
    /// Which of its events.
    pub seq: u64,
}

/// An event on its way in.
#[derive(Debug)]
pub struct Proposal {
    /// The run it belongs to.
    pub attempt: u32,
    /// Who proposes it.
    pub source: Source,
    /// What it says.
    pub fact: Fact,
    /// Its bytes, but for the id.
    pub draft: Draft,
    /// Its place among its producer's events, where the producer counts.
    pub producer: Option<ProducerSeq>,
}

/// What [`accept`] decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It becomes an event.
    Admit,
    /// It is known already, so nothing happens; to the proposer that is success.
    Ignore,
    /// It must not become an event.
    Refuse(Refusal),
}

/// Why an event was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A later attempt runs the job: whoever proposes this has lost it, and stops.
    #[error("attempt {attempt} is over; attempt {current} is running")]
    Fenced {
        /// The proposer's attempt.
        attempt: u32,
        /// The job's.
        current: u32,
    },
    /// Nothing follows a terminal event.
    #[error("the job is {0} and takes no more events")]
    Ended(Status),
    /// Events of this producer are missing in between.
    #[error("producer_seq {got} does not follow; {expected} is expected")]
    SequenceGap {
        /// The next one in order.
        expected: u64,
        /// The one that came.
        got: u64,
    },
}

impl Refusal {
    /// Whether it will be refused at any later time too. What is missing in between may still come, and
    /// so may the attempt that a later one belongs to.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Fenced { attempt, current } => *attempt < *current,
            Self::Ended(_) => true,
            Self::SequenceGap { .. } => false,
        }
    }

    /// The code on the wire.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Fenced { .. } => "fenced",
            Self::Ended(_) => "job_ended",
            Self::SequenceGap { .. } => "sequence_gap",
        }
    }
}

/// Admits, ignores or refuses an event, by what is known of its job.
///
/// Pure, and the same for worker, ingest, reconciler and reload, so that there is no second place
/// where an event could get in.
#[must_use]
pub fn accept(state: &State, proposal: &Proposal) -> Verdict {
    // A repeated event is fine even after the end; nothing else is, whatever its count.
    let count = proposal.producer.as_ref().map(|seq| (seq.seq, next_of(state, seq)));
    if count.is_some_and(|(got, expected)| got < expected) {
        return Verdict::Ignore;
    }
    if state.end.is_some() {
        return Verdict::Refuse(Refusal::Ended(state.status));
    }
    if let Some((got, expected)) = count.filter(|(got, expected)| got > expected) {
        return Verdict::Refuse(Refusal::SequenceGap { expected, got });
    }
    let raises = matches!(proposal.fact, Fact::Status { .. });
    if proposal.attempt < state.attempt || (proposal.attempt > state.attempt && !raises) {
        return Verdict::Refuse(Refusal::Fenced {
            attempt: proposal.attempt,
            current: state.attempt,
        });
    }
    if is_known(state, proposal) { Verdict::Ignore } else { Verdict::Admit }
}

/// The count that the producer's next new event has.
fn next_of(state: &State, seq: &ProducerSeq) -> u64 {
    state.last_of_producer(&seq.producer) + 1
}

fn is_known(state: &State, proposal: &Proposal) -> bool {
    match &proposal.fact {
        Fact::Status { status, attempt } => {
            state.told && *attempt == state.attempt && *status == state.status
        }
        Fact::ArtifactReady(stored) => state.has_announced(stored.attempt, &stored.id, false),
        Fact::TtsCompleted { artifact, attempt } => state.has_announced(*attempt, artifact, true),
        Fact::Progress(progress) => {
            proposal.source == Source::Database && progress.percent <= state.told_percent
        }
        Fact::Content(_) | Fact::End(_) | Fact::Other => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventType;
    use crate::event::payload::{End, Progress};
    use crate::job::StoredArtifact;
    use serde_json::json;

    fn proposal(attempt: u32, fact: Fact) -> Proposal {
        let draft = Draft::new(EventType::Log, &json!({}), 0);
        Proposal { attempt, source: Source::Worker, fact, draft, producer: None }
    }

    fn running(attempt: u32) -> State {
        let mut state = State::new();
        state.apply(&Fact::Status { status: Status::Running, attempt });
        state
    }

    fn voice(attempt: u32) -> StoredArtifact {
        StoredArtifact {
            view: crate::event::payload::Artifact {
                id: "file_1".into(),
                kind: "voice".into(),
                media_type: "audio/wav".into(),
                url: "/x".into(),
                bytes: 1,
                duration_ms: None,
                width: None,
                height: None,
            },
            id: "file_1".parse().unwrap(),
            attempt,
            name: String::new(),
            path: None,
            sha256: None,
            voice: None,
        }
    }

    #[test]
    fn a_worker_that_lost_its_job_is_told() {
        let refusal = Refusal::Fenced { attempt: 1, current: 2 };
        assert_eq!(accept(&running(2), &proposal(1, Fact::Other)), Verdict::Refuse(refusal));
    }

    #[test]
    fn only_a_status_raises_the_attempt() {
        assert!(matches!(accept(&running(1), &proposal(2, Fact::Other)), Verdict::Refuse(_)));
        let status = Fact::Status { status: Status::Running, attempt: 2 };
        assert_eq!(accept(&running(1), &proposal(2, status)), Verdict::Admit);
    }

    #[test]
    fn nothing_follows_the_end() {
        let mut state = running(1);
        state.apply(&Fact::End(End::failed("x", "y", false)));
        for fact in [Fact::Other, Fact::End(End::failed("x", "y", false))] {
            let refusal = Refusal::Ended(Status::Failed);
            assert_eq!(accept(&state, &proposal(1, fact)), Verdict::Refuse(refusal));
        }
    }

    #[test]
    fn a_known_file_is_ignored_but_a_new_attempts_is_not() {
        let mut state = running(1);
        state.apply(&Fact::ArtifactReady(voice(1).into()));
        let again = proposal(1, Fact::ArtifactReady(voice(1).into()));
        assert_eq!(accept(&state, &again), Verdict::Ignore);
        state.apply(&Fact::Status { status: Status::Running, attempt: 2 });
        let newer = proposal(2, Fact::ArtifactReady(voice(2).into()));
        assert_eq!(accept(&state, &newer), Verdict::Admit);
    }

    #[test]
    fn the_file_does_not_hide_its_narration() {
        let mut state = running(1);
        state.apply(&Fact::ArtifactReady(voice(1).into()));
        let narration = Fact::TtsCompleted { artifact: voice(1).id, attempt: 1 };
        assert_eq!(accept(&state, &proposal(1, narration)), Verdict::Admit);
    }

    #[test]
    fn the_database_only_moves_a_job_forward() {
        let mut state = running(1);
        let at = |percent| Fact::Progress(Progress { percent, ..Progress::default() });
        state.apply(&at(40));
        let seen = |percent| Proposal { source: Source::Database, ..proposal(1, at(percent)) };
        assert_eq!(accept(&state, &seen(40)), Verdict::Ignore);
        assert_eq!(accept(&state, &seen(39)), Verdict::Ignore);
        assert_eq!(accept(&state, &seen(41)), Verdict::Admit);
    }

    #[test]
    fn a_producer_may_repeat_and_may_not_skip() {
        let mut state = running(1);
        state.producers.insert("p".into(), 4);
        let with = |seq| Proposal {
            producer: Some(ProducerSeq { producer: "p".into(), seq }),
            ..proposal(1, Fact::Other)
        };
        assert_eq!(accept(&state, &with(4)), Verdict::Ignore);
        assert_eq!(accept(&state, &with(5)), Verdict::Admit);
        let gap = Refusal::SequenceGap { expected: 5, got: 6 };
        assert_eq!(accept(&state, &with(6)), Verdict::Refuse(gap));
    }

    #[test]
    fn after_the_end_a_hole_in_a_count_is_the_end() {
        let mut state = running(1);
        state.apply(&Fact::End(End::Completed(json!({}))));
        let later = Proposal {
            producer: Some(ProducerSeq { producer: String::new(), seq: 9 }),
            ..proposal(1, Fact::Other)
        };
        let refusal = Refusal::Ended(Status::Completed);
        assert_eq!(accept(&state, &later), Verdict::Refuse(refusal));
    }

    #[test]
    fn a_repeated_end_of_a_counting_producer_is_success() {
        let mut state = running(1);
        state.producers.insert(String::new(), 9);
        state.apply(&Fact::End(End::Completed(json!({}))));
        let again = Proposal {
            producer: Some(ProducerSeq { producer: String::new(), seq: 9 }),
            ..proposal(1, Fact::End(End::Completed(json!({}))))
        };
        assert_eq!(accept(&state, &again), Verdict::Ignore);
    }
}
