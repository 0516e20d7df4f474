//! Jobs: pieces of work, each with one life from `pending` to exactly one end.

pub mod id;
pub mod input;
pub mod piece;
pub mod state;

pub use id::{ArtifactId, IdError, JobId, KeyId, UploadId};
pub use piece::Piece;
pub use state::{Fact, State, StoredArtifact};

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::event::EventId;
use crate::event::payload::{Canceled, End, Failed, Progress};

/// What a job makes, and by which worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A post, written by a language model, with a narration if asked for.
    Blog,
    /// A narration of a given text.
    Voiceover,
    /// The next message of a conversation, written by a language model, with a narration if asked
    /// for.
    Chat,
    /// A video, made by a model of the catalog.
    Video,
    /// An image, made by a model of the catalog.
    Image,
    /// A video of somebody who speaks or sings a given sound, made by a model of the catalog.
    Lipsync,
    /// Whatever a worker outside of this server makes; it pushes the events itself.
    External,
}

impl Kind {
    /// Every kind that this server knows.
    pub const ALL: [Self; 7] = [
        Self::Blog,
        Self::Voiceover,
        Self::Chat,
        Self::Video,
        Self::Image,
        Self::Lipsync,
        Self::External,
    ];

    /// The word on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blog => "blog",
            Self::Voiceover => "voiceover",
            Self::Chat => "chat",
            Self::Video => "video",
            Self::Image => "image",
            Self::Lipsync => "lipsync",
            Self::External => "external",
        }
    }

    /// What kind of file a model of the catalog makes for it; `file` for what none makes.
    #[must_use]
    pub const fn file_kind(self) -> &'static str {
        match self {
            Self::Video | Self::Lipsync => "video",
            Self::Image => "image",
            Self::Blog | Self::Voiceover | Self::Chat | Self::External => "file",
        }
    }

    /// Whether a model of the catalog makes it.
    #[must_use]
    pub const fn is_media(self) -> bool {
        matches!(self, Self::Video | Self::Image | Self::Lipsync)
    }

    /// Whether an identical task in flight may stand in for another one. Not where two that are
    /// alike are still two: two conversations may say the same, and what an external worker is
    /// asked for is its own business.
    #[must_use]
    pub const fn is_merged(self) -> bool {
        !matches!(self, Self::Chat | Self::External)
    }
}

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Waiting for a worker.
    Pending,
    /// A worker has it.
    Running,
    /// Ended well.
    Completed,
    /// Ended badly.
    Failed,
    /// Ended because someone asked for it.
    Canceled,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Running, Self::Completed, Self::Failed, Self::Canceled];

    /// The word on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }

    /// Whether the job is over.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Canceled)
    }
}

/// A word that is none of the allowed ones.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{word}' is not one of {allowed}")]
pub struct UnknownWord {
    word: String,
    allowed: String,
}

/// The one of these that is written like this.
///
/// # Errors
/// [`UnknownWord`], which names them all.
pub(crate) fn find_word<T: Copy>(
    word: &str,
    all: &[T],
    as_str: impl Fn(T) -> &'static str,
) -> Result<T, UnknownWord> {
    all.iter().copied().find(|one| as_str(*one) == word).ok_or_else(|| UnknownWord {
        word: word.chars().take(64).collect(),
        allowed: all.iter().map(|one| as_str(*one)).collect::<Vec<_>>().join(", "),
    })
}

impl FromStr for Kind {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        find_word(word, &Self::ALL, Self::as_str)
    }
}

impl FromStr for Status {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        find_word(word, &Self::ALL, Self::as_str)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A job as the database knows it.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// What it makes.
    pub kind: Kind,
    /// Where it is in its life.
    pub status: Status,
    /// Whose it is; jobs of a project share a stream.
    pub project_id: String,
    /// Which run this is: 0 before the first.
    pub attempt: u32,
    /// The run that readers were told of; lower than `attempt` between a claim and its event.
    pub told_attempt: u32,
    /// The newest status that readers were told of, whatever other programs have written into `status`;
    /// nothing while they were told none.
    pub told_status: Option<Status>,
    /// How far readers were told that the run is, in percent, whatever is in `progress`.
    pub told_percent: u8,
    /// How many runs a dead process took with it; a drain does not count.
    pub failures: u32,
    /// The model of the catalog that makes it, by its slug.
    pub model: Option<String>,
    /// In which line it waits, and whose permits bound how many such jobs run at once; nothing for
    /// a job that this server does not run.
    pub lane: Option<String>,
    /// What it costs at most, in micro-credits: held from its submit to its end; 0 for nothing.
    pub hold: i64,
    /// What it did cost, in micro-credits; nothing when that is not known, or was all that was
    /// held.
    pub cost: Option<i64>,
    /// What was asked for, as it was validated at submit.
    pub input: Value,
    /// How far it is.
    pub progress: Progress,
    /// When it was submitted, in UTC milliseconds.
    pub created_at: i64,
    /// When its current attempt started.
    pub started_at: Option<i64>,
    /// When anything of it last changed.
    pub updated_at: i64,
    /// When it ended.
    pub ended_at: Option<i64>,
    /// Its newest committed event.
    pub last_event_id: EventId,
    /// Its terminal event, once that is committed.
    pub end_event_id: Option<EventId>,
    /// Events up to here have left the database.
    pub trimmed_through: EventId,
    /// How it ended, once it did.
    pub end: Option<End>,
    /// The job that this one tries again.
    pub retry_of: Option<JobId>,
    /// How long an external worker may be silent, in milliseconds.
    pub silence_limit_ms: Option<i64>,
    /// The file that a client waits for, handed out at submit.
    pub file_id: Option<ArtifactId>,
}

impl Job {
    /// Whether a narration is part of it: such jobs are looked at more often.
    #[must_use]
    pub fn has_voiceover(&self) -> bool {
        match self.kind {
            Kind::Voiceover => true,
            Kind::Blog | Kind::Chat => self.input["voiceover"].as_bool().unwrap_or(false),
            Kind::Video | Kind::Image | Kind::Lipsync | Kind::External => false,
        }
    }

    /// The end that these columns describe.
    ///
    /// A worker that only knows the database may have written a status and nothing else; its job
    /// still gets a whole terminal event.
    #[must_use]
    pub fn end_of(
        status: Status,
        result: Option<Value>,
        error: (Option<String>, Option<String>, bool),
        reason: Option<String>,
    ) -> Option<End> {
        let (code, message, retryable) = error;
        Some(match status {
            Status::Pending | Status::Running => return None,
            Status::Completed => End::Completed(match result {
                Some(object @ Value::Object(_)) => object,
                Some(other) => serde_json::json!({ "result": other }),
                None => serde_json::json!({}),
            }),
            Status::Failed => End::Failed(Failed {
                code: code.unwrap_or_else(|| "failed".into()),
                message: message.unwrap_or_else(|| "the job failed".into()),
                retryable,
            }),
            Status::Canceled => {
                End::Canceled(Canceled { reason: reason.unwrap_or_else(|| "canceled".into()) })
            }
        })
    }
}

#[cfg(test)]
impl Job {
    /// A job of an external worker that was submitted this moment, for tests.
    pub(crate) fn sample() -> Self {
        Self {
            id: JobId::generate(),
            kind: Kind::External,
            status: Status::Pending,
            model: None,
            lane: None,
            hold: 0,
            cost: None,
            project_id: "p".into(),
            attempt: 0,
            told_attempt: 0,
            told_status: None,
            told_percent: 0,
            failures: 0,
            input: serde_json::json!({}),
            progress: Progress::default(),
            created_at: 1,
            started_at: None,
            updated_at: 1,
            ended_at: None,
            last_event_id: EventId::ZERO,
            end_event_id: None,
            trimmed_through: EventId::ZERO,
            end: None,
            retry_of: None,
            silence_limit_ms: None,
            file_id: None,
        }
    }
}
