//! A job's way into the queue.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tracing::Instrument;

use crate::credits::{self, Micro};
use crate::db::artifacts::Reserved;
use crate::db::chats::InChat;
use crate::db::jobs::{Submit, Submitted};
use crate::db::projects::{Full, Room};
use crate::event::payload::{Progress, Status as StatusPayload};
use crate::event::{Draft, EventId, EventType, now_ms};
use crate::job::{ArtifactId, Fact, Job, JobId, Kind, Status};
use crate::store::{JournalError, Log, Proposal, Source};
use crate::telemetry::metrics::metrics;
use crate::telemetry::trace::job_span;

use super::Queue;

/// What a client asks for, checked.
#[derive(Clone, Debug)]
pub struct Task {
    /// What is to be made.
    pub kind: Kind,
    /// The kind's input in its normal form, from [`crate::job::input::check`] or from the model's
    /// row in the catalog.
    pub input: Value,
    /// What a kind that a model of the catalog makes has besides.
    pub media: Option<Media>,
    /// Whose job it is.
    pub project_id: String,
    /// Higher goes first; 0 is usual.
    pub priority: i32,
    /// The client's own key: the same submit again gets the same job.
    pub idempotency_key: Option<String>,
    /// Whether an identical task in flight is no reason to hold this one back.
    pub allow_duplicate: bool,
    /// The job that this one tries again.
    pub retry_of: Option<JobId>,
    /// How long an external worker may be silent, in milliseconds.
    pub silence_limit_ms: Option<i64>,
    /// The chat that it is the newest job of, where it is one's.
    pub chat: Option<InChat>,
    /// Who is to be told how it ends: a URL that was looked at, whose query may be a secret.
    pub webhook: Option<SecretString>,
}

/// What a model of the catalog makes, and what that takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// The model's slug.
    pub model: String,
    /// In which line the job waits.
    pub lane: String,
    /// What it costs at most, in micro-credits.
    pub hold: i64,
    /// The media type that its file is expected to have.
    pub media_type: String,
}

/// What became of a submit.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The job.
    pub job: Job,
    /// Whether this is the answer of an earlier submit with the same key.
    pub repeated: bool,
    /// Whether an identical task was in flight already.
    pub deduplicated: bool,
}

/// Why a job was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The event store is at its bound.
    #[error("the event store is full")]
    Full,
    /// The server is going down.
    #[error("the server is going down")]
    Draining,
    /// The database takes no writes.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// There is no job with the id of `retry_of`.
    #[error("there is no job {0} to try again")]
    UnknownRetry(JobId),
    /// The project has all that it may have.
    #[error("the project has all that it may have")]
    ProjectFull(Full),
    /// The account has less than the job may cost, in micro-credits.
    #[error(
        "the job may cost {} credits, and {} are available",
        Micro::new(*needed), Micro::new(*available)
    )]
    Short {
        /// What new jobs may hold.
        available: i64,
        /// What this one was to hold.
        needed: i64,
    },
}

impl Queue {
    /// Puts a job into the queue. It is there for good once this returns.
    ///
    /// # Errors
    /// [`SubmitError`]; no job was made then.
    pub async fn submit(&self, task: Task) -> Result<Submission, SubmitError> {
        if self.shared.draining.is_cancelled() {
            return Err(SubmitError::Draining);
        }
        if self.store().is_full() {
            return Err(SubmitError::Full);
        }
        let retry_of = task.retry_of.clone();
        let row = row(task, self.room());
        let span = job_span(row.job.id.as_str(), "submit");
        let outcome = self.store().journal().change(row).instrument(span).await?;
        let (job, repeated, deduplicated) = match outcome {
            Submitted::New(job) => {
                metrics().jobs_submitted_total.with_label_values(&[job.kind.as_str()]).inc();
                self.announce(&job).await;
                (job, false, false)
            }
            Submitted::Repeated(job) => (job, true, false),
            Submitted::Duplicate(job) => (job, false, true),
            Submitted::KeyReused => return Err(SubmitError::KeyReused),
            Submitted::UnknownRetry => {
                return Err(SubmitError::UnknownRetry(retry_of.expect("it was looked for")));
            }
            Submitted::Full(full) => return Err(SubmitError::ProjectFull(full)),
            Submitted::Short { available, needed } => {
                return Err(SubmitError::Short { available, needed });
            }
        };
        Ok(Submission { job, repeated, deduplicated })
    }

    /// Tells of a new job whoever waits for one. In a cluster nobody who submits waits for the others.
    async fn announce(&self, job: &Job) {
        let log = self.store().create(job);
        let queue = self.clone();
        let telling = async move {
            // A job that is there already, since somebody was faster, keeps what it has.
            drop(queue.tell_status(&log, Status::Pending, 0).await);
        };
        if self.store().cluster().is_some() {
            tokio::spawn(telling);
        } else {
            telling.await;
        }
        if let Some(lane) = &job.lane {
            self.wake_lane(lane);
        }
    }

    /// Tells readers a job's status.
    ///
    /// # Errors
    /// When a later attempt runs the job, or it has ended.
    pub async fn tell_status(
        &self,
        log: &Arc<Log>,
        status: Status,
        attempt: u32,
    ) -> Result<(), crate::store::Refusal> {
        let payload = StatusPayload { status: status.as_str().into(), attempt };
        let proposal = Proposal {
            attempt,
            source: Source::Worker,
            fact: Fact::Status { status, attempt },
            draft: Draft::new(EventType::Status, &payload, now_ms()),
            producer: None,
        };
        self.store().append(log, [proposal]).await.map(drop)
    }
}

fn row(task: Task, room: Room) -> Submit {
    let artifacts = reserved(&task);
    let model = task.media.as_ref().map(|media| media.model.clone());
    let identity = json!([task.project_id, task.kind, model, task.input]);
    let mut request = vec![
        identity.clone(),
        json!(task.priority),
        json!(task.retry_of),
        json!(task.silence_limit_ms),
    ];
    // One key used in two chats is not one request: each has its own answer.
    request.extend(task.chat.as_ref().map(|chat| chat.chat_id.as_str().into()));
    if let Some(webhook) = &task.webhook {
        request.push(json!({ "webhook_url": webhook.expose_secret() }));
    }
    let may_merge = task.kind.is_merged() && !task.allow_duplicate;
    let accounts = credits::accounts_of(&task.project_id).into();
    let hold = task.media.as_ref().map_or(0, |media| media.hold);
    let now = now_ms();
    let job = Job {
        id: JobId::generate(),
        kind: task.kind,
        status: Status::Pending,
        project_id: task.project_id,
        attempt: 0,
        told_attempt: 0,
        told_status: None,
        told_percent: 0,
        failures: 0,
        lane: lane(task.kind, task.media),
        model,
        hold,
        cost: None,
        input: task.input,
        progress: Progress { stage: "queued".into(), ..Progress::default() },
        created_at: now,
        started_at: None,
        updated_at: now,
        ended_at: None,
        last_event_id: EventId::ZERO,
        end_event_id: None,
        trimmed_through: EventId::ZERO,
        end: None,
        retry_of: task.retry_of,
        silence_limit_ms: task.silence_limit_ms,
        file_id: artifacts.first().map(|artifact| artifact.id.clone()),
    };
    Submit {
        job,
        priority: task.priority,
        idempotency_key: task.idempotency_key,
        request_hash: digest(&request.into()),
        duplicate_key: may_merge.then(|| digest(&identity)),
        accounts,
        artifacts,
        chat: task.chat,
        webhook: task.webhook,
        room,
    }
}

/// In which line a job waits.
fn lane(kind: Kind, media: Option<Media>) -> Option<String> {
    match kind {
        Kind::Blog | Kind::Chat => Some("chat".into()),
        Kind::Voiceover => Some("speech".into()),
        Kind::Video | Kind::Image | Kind::Lipsync => media.map(|media| media.lane),
        Kind::External => None,
    }
}

/// The files that a job will make; the first is the one that a client waits for.
fn reserved(task: &Task) -> Vec<Reserved> {
    let file = |kind, media_type: &str| Reserved {
        id: ArtifactId::generate(),
        kind,
        media_type: media_type.to_owned(),
    };
    let media = |kind| task.media.iter().map(|media| file(kind, &media.media_type)).collect();
    match task.kind {
        Kind::Blog | Kind::Chat => {
            let mut files = vec![file("markdown", "text/markdown")];
            if task.kind == Kind::Blog {
                files.push(file("html", "text/html"));
            }
            if task.input["voiceover"].as_bool().unwrap_or(false) {
                files.push(file("voice", "audio/wav"));
            }
            files
        }
        Kind::Voiceover => vec![file("voice", "audio/wav")],
        Kind::Video | Kind::Image | Kind::Lipsync => media(task.kind.file_kind()),
        Kind::External => Vec::new(),
    }
}

/// SHA-256 in hex of a JSON value; object keys are in order, since the map type sorts them.
#[must_use]
pub fn digest(value: &Value) -> String {
    let hash = Sha256::digest(value.to_string());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
