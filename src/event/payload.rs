//! The data of our own events, as it stands on the wire.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// `status`: the job is waiting, running, or was taken up again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AttemptStatus)]
pub struct Status {
    /// `pending` or `running`; an end has an event of its own.
    pub status: String,
    /// Which run of the job this is, from 1; 0 before the first. A reader that sees it rise drops
    /// the text it has.
    pub attempt: u32,
}

/// `progress`: how far the job is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// 0 to 100; 100 only when everything a reader waits for has been announced.
    #[schema(maximum = 100)]
    pub percent: u8,
    /// What the job is doing, in one word: `queued`, `writing`, `narrating`,
    /// `starting`, `generating`, `downloading`, `finishing`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stage: String,
    /// The same for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Which part of a narration is done, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<u32>,
    /// How many parts the narration has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<u32>,
}

/// `content`: a piece of text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Content {
    /// Which piece of this attempt, from 0.
    pub index: u64,
    /// Where it begins in the text, in Unicode scalar values.
    pub offset: u64,
    /// At most 500 Unicode scalar values, unless an external worker sent more.
    pub text: String,
    /// The attempt whose text this is.
    pub attempt: u32,
}

/// `log`: a line from the worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = LogLine)]
pub struct Log {
    /// The line.
    pub line: String,
    /// `debug`, `info`, `warn` or `error`.
    pub level: String,
}

/// `artifact_ready`: a file can be fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ArtifactReady {
    /// The file.
    pub artifact: Artifact,
}

/// A file that a job made, as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Artifact {
    /// Handed out at submit.
    pub id: String,
    /// `markdown`, `html`, `voice`, `image`, `video` or `file`.
    pub kind: String,
    /// Its media type.
    pub media_type: String,
    /// Where to fetch it, relative to the server.
    pub url: String,
    /// Its size.
    pub bytes: u64,
    /// How long it plays, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// How wide a picture of it is, in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// How high a picture of it is, in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
}

/// `tts_completed`: a narration can be played.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TtsCompleted {
    /// The voice artifact.
    pub artifact_id: String,
    /// Where to fetch it.
    pub url: String,
    /// How long it plays, in milliseconds.
    pub duration_ms: u64,
    /// The voice that speaks.
    pub voice: String,
}

/// `failed`: why the job ended badly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failed {
    /// One of the codes of `PROTOCOL.md`, or an external worker's own.
    pub code: String,
    /// The same for people; never our internals.
    pub message: String,
    /// Whether the same submit may go better another time.
    #[serde(default)]
    pub retryable: bool,
}

/// `canceled`: who wanted it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Canceled {
    /// What the caller gave as the reason.
    pub reason: String,
}

/// How a job ended: the data of its terminal event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// `completed`, with a summary of the result.
    Completed(Value),
    /// `failed`.
    Failed(Failed),
    /// `canceled`.
    Canceled(Canceled),
}

impl End {
    /// The job's last status, which is also the event's name.
    #[must_use]
    pub const fn status(&self) -> &'static str {
        match self {
            Self::Completed(_) => "completed",
            Self::Failed(_) => "failed",
            Self::Canceled(_) => "canceled",
        }
    }

    /// A `failed` of ours.
    #[must_use]
    pub fn failed(code: &str, message: impl Into<String>, retryable: bool) -> Self {
        Self::Failed(Failed { code: code.into(), message: message.into(), retryable })
    }
}
