//! Answers that handlers put together by hand.

use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::event::payload::{Artifact, Failed, Progress};
use crate::job::{Kind, Status};
use crate::store::{Gap, Snapshot};
use crate::worker::Health;

use super::bodies::Scope;

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

/// What can be made.
#[derive(Debug, ToSchema)]
pub struct ModelPage {
    /// In the catalog's order.
    pub models: Vec<Model>,
}

/// A model of the catalog.
#[derive(Debug, ToSchema)]
pub struct Model {
    /// Its name here.
    pub slug: String,
    /// Its name for people.
    pub title: String,
    /// Who runs it.
    pub provider: String,
    /// The kind of job that it runs.
    pub kind: Kind,
    /// What it usually makes, and from what.
    pub mode: String,
    /// Everything that it can make.
    pub modes: Vec<String>,
    /// The route that takes its jobs.
    pub route: String,
    /// What it takes.
    pub inputs: Vec<Input>,
    /// What it costs.
    #[schema(value_type = Object)]
    pub cost: Map<String, Value>,
    /// How long a job may take.
    pub time_limit_ms: u64,
    /// An input that it takes.
    #[schema(value_type = Object)]
    pub example: Map<String, Value>,
    /// Whether a real answer of it was seen.
    pub confirmed: bool,
    /// Whether nothing real is made.
    pub simulated: bool,
    /// How well its provider is.
    pub health: Health,
}

/// An input of a model.
#[derive(Debug, ToSchema)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// `text`, `integer`, `number`, `boolean`, `uri`, `uris`, …
    #[schema(rename = "type")]
    pub kind: String,
    /// Whether it must be given.
    pub required: bool,
    /// What it is.
    pub meaning: String,
}

/// A job in the words of lip-sync pages.
#[derive(Debug, ToSchema)]
pub struct Prediction {
    /// The job.
    pub id: String,
    /// `starting`, `processing`, `succeeded`, `failed` or `canceled`.
    pub status: String,
    /// The video, once it is there.
    pub output: Option<String>,
    /// Why there is none.
    #[schema(nullable = false)]
    pub error: Option<String>,
    /// When to ask again.
    #[schema(required)]
    pub poll_after_ms: Option<u64>,
}

/// A job in Runway's words.
#[derive(Debug, ToSchema)]
pub struct RunwayTask {
    /// The job.
    pub id: String,
    /// `PENDING`, `RUNNING`, `SUCCEEDED`, `FAILED` or `CANCELLED`.
    pub status: String,
    /// When it was submitted, in ISO 8601.
    #[schema(rename = "createdAt")]
    pub created_at: String,
    /// 0 to 1, while it runs.
    #[schema(nullable = false)]
    pub progress: Option<f64>,
    /// The files.
    #[schema(nullable = false)]
    pub output: Option<Vec<String>>,
    /// Why there are none.
    #[schema(nullable = false)]
    pub failure: Option<String>,
    /// The same for programs.
    #[schema(rename = "failureCode", nullable = false)]
    pub failure_code: Option<String>,
    /// When to ask again.
    #[schema(required)]
    pub poll_after_ms: Option<u64>,
}

/// A job in `MiniMax`'s words.
#[derive(Debug, ToSchema)]
pub struct MinimaxTask {
    /// The job.
    pub task_id: String,
    /// `Queueing`, `Preparing`, `Processing`, `Success` or `Fail`.
    pub status: String,
    /// Always that the question was understood.
    #[schema(value_type = Object)]
    pub base_resp: Map<String, Value>,
    /// The file.
    pub file_id: Option<String>,
    /// Where it is.
    pub download_url: Option<String>,
    /// Why there is none.
    #[schema(nullable = false)]
    pub error: Option<Failed>,
    /// When to ask again.
    #[schema(required)]
    pub poll_after_ms: Option<u64>,
}

/// What there is to spend, in micro-credits and as texts for people.
#[derive(Debug, ToSchema)]
pub struct Credits {
    /// The account.
    pub account: String,
    /// What the texts count.
    pub currency: String,
    /// What can be spent.
    pub available: i64,
    /// The same for people.
    pub available_credits: String,
    /// What jobs in flight may cost.
    pub held: i64,
    /// The same for people.
    pub held_credits: String,
    /// What was ever given.
    pub granted: i64,
    /// The same for people.
    pub granted_credits: String,
    /// What completed jobs did cost.
    pub captured: i64,
    /// The same for people.
    pub captured_credits: String,
}

/// A movement of credits.
#[derive(Debug, ToSchema)]
pub struct LedgerEntry {
    /// Rises.
    pub id: i64,
    /// `grant`, `hold`, `capture` or `release`.
    pub entry: String,
    /// The job.
    #[schema(required)]
    pub job_id: Option<String>,
    /// What a grant was for.
    #[schema(required)]
    pub note: Option<String>,
    /// When.
    pub at: i64,
    /// How much, in micro-credits.
    pub amount: i64,
    /// The same for people.
    pub amount_credits: String,
    /// What can be spent afterwards.
    pub available_after: i64,
    /// The same for people.
    pub available_after_credits: String,
}

/// Movements, newest first.
#[derive(Debug, ToSchema)]
pub struct LedgerPage {
    /// The movements.
    pub entries: Vec<LedgerEntry>,
    /// `before` of the next page; nothing on the last.
    #[schema(required)]
    pub next: Option<i64>,
}

/// A key; its secret is told once, when it is made.
#[derive(Debug, ToSchema)]
pub struct Key {
    /// The key.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What it may.
    pub scopes: Vec<Scope>,
    /// The only project that it may see and act in.
    #[schema(required)]
    pub project_id: Option<String>,
    /// When it was made.
    pub created_at: i64,
    /// When it ends by itself.
    #[schema(required)]
    pub expires_at: Option<i64>,
    /// When it was revoked.
    #[schema(required)]
    pub revoked_at: Option<i64>,
    /// When it was used last, about.
    #[schema(required)]
    pub last_used_at: Option<i64>,
    /// The secret; only in the answer that makes it.
    #[schema(nullable = false)]
    pub key: Option<String>,
}

/// Every key, oldest first.
#[derive(Debug, ToSchema)]
pub struct KeyList {
    /// The keys.
    pub keys: Vec<Key>,
}

/// A key that opens nothing any more.
#[derive(Debug, ToSchema)]
pub struct Revoked {
    /// The key.
    pub id: String,
    /// Always true.
    pub revoked: bool,
}

/// What a page can carry in a URL; on a server without keys there is none, nor a need.
#[derive(Debug, ToSchema)]
pub struct Ticket {
    /// The ticket.
    #[schema(required)]
    pub ticket: Option<String>,
    /// Until when it is good.
    #[schema(required)]
    pub expires_at: Option<i64>,
    /// The stream, with the ticket in it.
    pub stream_url: String,
}

/// Who the caller is, and what it may.
#[derive(Debug, ToSchema)]
pub struct Session {
    /// `open` on a server without keys, `key`, `session` or `ticket`.
    pub kind: String,
    /// What it may.
    pub scopes: Vec<Scope>,
    /// The key, or the session.
    #[schema(nullable = false)]
    pub id: Option<String>,
    /// The only job that a ticket opens.
    pub job_id: Option<String>,
    /// The only project that it may see and act in.
    pub project_id: Option<String>,
    /// Until when.
    pub expires_at: Option<i64>,
}

/// Whether new jobs are taken.
#[derive(Debug, ToSchema)]
pub struct Readiness {
    /// Whether they are.
    pub ready: bool,
    /// Why not: `draining`, `database`, `memory` or `journal`.
    #[schema(required)]
    pub reason: Option<String>,
    /// The newest event of all.
    pub head: u64,
    /// The newest event that is committed.
    pub durable_through: u64,
    /// How many events are not committed yet.
    pub not_durable: u32,
    /// What events take in memory.
    pub memory_bytes: u64,
    /// How many jobs run.
    pub running_jobs: u64,
}
