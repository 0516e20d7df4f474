//! Bodies of requests and answers.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::event::payload::Progress;

/// What to make.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Submit {
    /// `blog`, `voiceover`, `chat`, `video`, `image`, `lipsync` or `external`.
    pub kind: String,
    /// Which model of the catalog makes it, by its slug: for videos, images and lip-sync.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What the kind, or the model, needs.
    pub input: Value,
    /// Whose it is; jobs of a project share a stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// Whether an identical task in flight may run twice.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_duplicate: bool,
    /// The job that this one tries again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<String>,
    /// Who is to be told how it ends: an https address that takes Standard Webhooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_url: Option<String>,
    /// The same key again gets the same job; sent as a header.
    #[serde(skip)]
    pub idempotency_key: Option<String>,
}

/// The answer to a submit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Submitted {
    /// The job.
    pub job_id: String,
    /// The file that a client can wait for.
    #[serde(default)]
    pub file_id: Option<String>,
    /// Its status, usually `pending`.
    pub status: String,
    /// Where to watch it, with a ticket where one is needed.
    pub stream_url: String,
    /// Whether it is an identical task that was in flight already.
    #[serde(default)]
    pub deduplicated: bool,
    /// Everything else that the server said.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// A job as the server shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JobView {
    /// Its id.
    pub id: String,
    /// What it makes.
    pub kind: String,
    /// Where it is in its life.
    pub status: String,
    /// Which run this is: 0 before the first.
    #[serde(default)]
    pub attempt: u32,
    /// How far it is.
    #[serde(default)]
    pub progress: Progress,
    /// When it was submitted, in UTC milliseconds.
    #[serde(default)]
    pub created_at: i64,
    /// Everything else that the server said.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// Which jobs to list.
#[derive(Clone, Debug, Default, Serialize)]
pub struct JobFilter {
    /// Only jobs with this status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Only jobs of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Only jobs of this project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// At most so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Only jobs older than this one: [`JobPage::next`] of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

/// A page of jobs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JobPage {
    /// The jobs, newest first.
    pub jobs: Vec<JobView>,
    /// What to ask for as `before` to get the next page; nothing on the last.
    #[serde(default)]
    pub next: Option<String>,
}
