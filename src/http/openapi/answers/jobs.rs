//! Jobs, their events and their files.

use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::event::payload::{Artifact, Failed, Progress};
use crate::job::{Kind, Status};
use crate::store::{Gap, Snapshot};

/// Where a job is watched, polled and canceled.
#[derive(Debug, ToSchema)]
pub struct Links {
    /// For an `EventSource`; with a ticket where a key is needed.
    pub stream_url: String,
    /// The job.
    pub poll_url: String,
    /// Its events as pages.
    pub events_url: String,
    /// Ends it.
    pub cancel_url: String,
}

/// A job that was taken.
#[derive(Debug, ToSchema)]
pub struct Submitted {
    /// The job.
    pub job_id: String,
    /// The first file that it will make; nothing of an `external` one.
    #[schema(required)]
    pub file_id: Option<String>,
    /// Where it is in its life; at some routes in the provider's word.
    pub status: String,
    /// The model that makes it.
    #[schema(nullable = false)]
    pub model: Option<String>,
    /// It is an identical task that was in flight already.
    #[schema(nullable = false)]
    pub deduplicated: Option<bool>,
    /// The job once more, as pages know it.
    #[schema(nullable = false)]
    pub prediction_id: Option<String>,
    /// The job once more, at the routes of Runway and `MiniMax`.
    #[schema(nullable = false)]
    pub task_id: Option<String>,
    /// Who makes it, where the server may choose.
    #[schema(nullable = false)]
    pub provider: Option<String>,
    /// A sentence for people.
    #[schema(nullable = false)]
    pub message: Option<String>,
    /// What it may cost, in micro-credits.
    #[schema(nullable = false)]
    pub hold: Option<i64>,
    /// Nothing real is made.
    #[schema(nullable = false)]
    pub simulated: Option<bool>,
    /// What is to be known of the model, such as its end.
    #[schema(nullable = false)]
    pub notice: Option<String>,
    /// Where to watch it.
    #[serde(flatten)]
    pub links: Links,
}

/// A job with everything that its events made so far.
#[derive(Debug, ToSchema)]
pub struct Job {
    /// The job.
    pub id: String,
    /// The first file that it makes.
    #[schema(required)]
    pub file_id: Option<String>,
    /// What it makes.
    pub kind: Kind,
    /// Where it is in its life.
    pub status: Status,
    /// Which run is current; 0 before the first.
    pub attempt: u32,
    /// Whose it is.
    pub project_id: String,
    /// How far it is.
    pub progress: Progress,
    /// The text of the current run so far.
    pub text: String,
    /// How many Unicode scalar values stand before `text`.
    pub text_offset: u64,
    /// The files so far.
    pub artifacts: Vec<Artifact>,
    /// What it was asked for, in its normal form.
    #[schema(value_type = Object)]
    pub input: Map<String, Value>,
    /// The model that makes it.
    #[schema(required)]
    pub model: Option<String>,
    /// What it may cost, in micro-credits.
    pub hold: i64,
    /// What it did cost, in micro-credits.
    #[schema(required)]
    pub cost: Option<i64>,
    /// The job that it tries again.
    #[schema(required)]
    pub retry_of: Option<String>,
    /// When it was submitted.
    pub created_at: i64,
    /// When its first run began.
    #[schema(required)]
    pub started_at: Option<i64>,
    /// When something happened last.
    pub updated_at: i64,
    /// When it ended.
    #[schema(required)]
    pub ended_at: Option<i64>,
    /// The id to stream on from.
    pub last_event_id: u64,
    /// When to ask again; nothing once it has ended.
    #[schema(required)]
    pub poll_after_ms: Option<u64>,
    /// How it ended.
    #[serde(flatten)]
    pub end: End,
    /// Where to watch it.
    #[serde(flatten)]
    pub links: Links,
}

/// How a job ended: one of these once its status says so.
#[derive(Debug, ToSchema)]
pub struct End {
    /// Of a completed job: what its `completed` event says.
    #[schema(value_type = Option<Object>, nullable = false)]
    pub result: Option<Map<String, Value>>,
    /// Of a failed job: why.
    #[schema(nullable = false)]
    pub error: Option<Failed>,
    /// Of a canceled job: why.
    #[schema(nullable = false)]
    pub reason: Option<String>,
}

/// A job in a list.
#[derive(Debug, ToSchema)]
pub struct JobSummary {
    /// The job.
    pub id: String,
    /// What it makes.
    pub kind: Kind,
    /// Where it is in its life.
    pub status: Status,
    /// Which run is current; 0 before the first.
    pub attempt: u32,
    /// Whose it is.
    pub project_id: String,
    /// The model that makes it.
    #[schema(required)]
    pub model: Option<String>,
    /// How far it is.
    pub progress: Progress,
    /// What it was asked for; long texts are cut, nested values left out.
    #[schema(value_type = Option<Object>, required)]
    pub input: Option<Map<String, Value>>,
    /// When it was submitted.
    pub created_at: i64,
    /// When something happened last.
    pub updated_at: i64,
    /// When it ended.
    #[schema(required)]
    pub ended_at: Option<i64>,
    /// How it ended.
    #[serde(flatten)]
    pub end: End,
}

/// Jobs, newest first.
#[derive(Debug, ToSchema)]
pub struct JobPage {
    /// The jobs.
    pub jobs: Vec<JobSummary>,
    /// `before` of the next page; nothing on the last.
    #[schema(required)]
    pub next: Option<String>,
}

/// A project's jobs, newest first.
#[derive(Debug, ToSchema)]
pub struct Project {
    /// The project.
    pub project_id: String,
    /// Whether there are jobs and all have ended.
    pub completed: bool,
    /// How many go on.
    pub active: u32,
    /// The newest 200.
    pub jobs: Vec<JobSummary>,
    /// When to ask again; nothing while none goes on.
    #[schema(required)]
    pub poll_after_ms: Option<u64>,
}

/// What became of a cancel.
#[derive(Debug, ToSchema)]
pub struct CancelAnswer {
    /// The job.
    pub job_id: String,
    /// `canceling` where the end takes longer than the answer; of a chat that is stopped, how its job
    /// ended.
    pub status: String,
}

/// What became of a requeue.
#[derive(Debug, ToSchema)]
pub struct RequeueAnswer {
    /// The job.
    pub job_id: String,
    /// `first`: it waits, and is the next of its lane. `let_go`: its worker hands it back, and it is run
    /// anew.
    pub outcome: String,
}

/// The events behind a cursor.
#[derive(Debug, ToSchema)]
pub struct EventPage {
    /// The events, in order.
    pub events: Vec<PagedEvent>,
    /// The cursor of the next page; below `head` there is more already.
    pub next: u64,
    /// Whether the end is in this page or before it.
    pub ended: bool,
    /// The newest event of the job.
    pub head: u64,
    /// When to ask again; nothing once the job has ended.
    #[schema(required)]
    pub poll_after_ms: Option<u64>,
    /// Events are missing before this page.
    #[schema(nullable = false)]
    pub gap: Option<Gap>,
    /// Stands for everything up to the gap's end.
    #[schema(nullable = false)]
    pub snapshot: Option<Snapshot>,
}

/// An event in a page; `data` is that of the stream.
#[derive(Debug, ToSchema)]
pub struct PagedEvent {
    /// Rises across the whole server.
    pub id: u64,
    /// The event's name.
    #[schema(rename = "type")]
    pub kind: String,
    /// When it happened.
    pub at: i64,
    /// What it says.
    pub data: Value,
}

/// What became of a push.
#[derive(Debug, ToSchema)]
pub struct Pushed {
    /// How many events were taken, with those that were known already.
    pub appended: u64,
    /// The job's newest event.
    pub last_id: u64,
    /// Whether all of them are committed.
    pub durable: bool,
}

/// A file by its id, from its job's submit on.
#[derive(Debug, ToSchema)]
pub struct File {
    /// The file.
    pub id: String,
    /// The job that makes it.
    pub job_id: String,
    /// `completed` as soon as it is there, whatever becomes of the job.
    pub status: Status,
    /// Whether it is there.
    pub completed: bool,
    /// `markdown`, `html`, `voice`, `image`, `video` or `file`.
    pub kind: String,
    /// Its media type.
    pub media_type: String,
    /// Where to fetch it, once it is there.
    #[schema(required)]
    pub url: Option<String>,
    /// Its size, once it is there.
    #[schema(required)]
    pub bytes: Option<u64>,
    /// How long it plays.
    #[schema(required)]
    pub duration_ms: Option<u64>,
    /// How far the job is, in percent.
    pub progress: u8,
    /// Why the job failed.
    #[schema(nullable = false)]
    pub error: Option<Failed>,
    /// When to ask again; nothing once there is nothing to come.
    #[schema(required)]
    pub poll_after_ms: Option<u64>,
}
