//! `GET /api/admin/jobs/{id}/stream`: one job's whole story, and then whatever comes to it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::db::webhooks::Filter;
use crate::db::{DbError, RESULT_LIMIT};
use crate::event::payload::End;
use crate::event::{Event, EventId, now_ms};
use crate::http::guard::{Admin, Call, May};
use crate::http::problem::Problem;
use crate::http::segment::Segment;
use crate::job::{Job, Kind, Status};
use crate::outward::shown;
use crate::store::Log;
use crate::telemetry::trace::TraceId;
use crate::telemetry::trail;

use super::entries::{Run, is_frequent, of_event, row};
use super::feed::{self, Feed, Gone};
use super::figures::milliseconds;
use super::now::PATIENCE;
use super::{explain, jobs};

/// How soon what is new is told.
const LOOK: Duration = Duration::from_millis(250);

/// How often the job itself and its readers are looked at.
const HEAD: Duration = Duration::from_secs(1);

/// How often readers are told at least, so that whoever looks notices a connection that is gone.
const SIGN: Duration = Duration::from_secs(5);

/// How many events are read at a time.
const PAGE: usize = 500;

/// How many readers are listed that hyper serves.
const READERS: usize = 50;

/// Streams `job`, one `entry` after the other, and `readers`.
///
/// # Errors
/// [`crate::http::Code::UnknownJob`].
#[utoipa::path(
    get, path = "/api/admin/jobs/{id}/stream", operation_id = "stream_story", tag = "operator",
    security(("key" = ["admin"])),
    params(("id" = String, Path, description = "The job")),
    responses((
        status = 200, description = "Server-sent events without ids: job, entry, readers",
        body = String, content_type = "text/event-stream",
    )),
    extensions(("x-problems" = json!([
        crate::http::Code::UnknownJob, crate::http::Code::Unavailable,
    ]))),
)]
pub(super) async fn stream(
    May { call, .. }: May<Admin>,
    Segment(id): Segment,
) -> Result<Response, Problem> {
    let log = call.log(&id).await?;
    trail::begin(log.job.as_str());
    feed::open(&call, |feed| Teller::new(feed, call.clone(), log).tell())
}

/// Tells one who looks.
struct Teller {
    feed: Feed,
    call: Call,
    log: Arc<Log>,
    /// The last event that was told.
    told: EventId,
    /// What is made of events of which there may be thousands: between two that are told by themselves,
    /// all of a name are one entry.
    runs: HashMap<String, Run>,
    /// What was told of the rows, by key.
    rows: HashMap<String, Value>,
    trail: u64,
    /// Notes that were told, with how often they had happened.
    notes: HashMap<u64, (u32, i64)>,
    head: Value,
    readers: Value,
    /// When readers are told although nothing of them has changed.
    sign_due: Instant,
}

impl Teller {
    fn new(feed: Feed, call: Call, log: Arc<Log>) -> Self {
        Self {
            feed,
            call,
            log,
            told: EventId::ZERO,
            runs: HashMap::new(),
            rows: HashMap::new(),
            trail: 0,
            notes: HashMap::new(),
            head: Value::Null,
            readers: Value::Null,
            sign_due: Instant::now(),
        }
    }

    async fn tell(mut self) -> Result<(), Gone> {
        let mut head_due = Instant::now();
        loop {
            if head_due <= Instant::now() {
                head_due = Instant::now() + HEAD;
                if let Err(error) = self.look_at_rows().await? {
                    tracing::debug!(%error, "a job's rows cannot be shown at the moment");
                }
                self.tell_readers().await?;
                self.feed.breathe().await?;
            }
            if let Err(error) = self.tell_events().await? {
                tracing::debug!(%error, "a job's events cannot be shown at the moment");
            }
            self.tell_notes().await?;
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The job itself, and entries of what its rows say.
    async fn look_at_rows(&mut self) -> Result<Result<(), DbError>, Gone> {
        // What events say is told without a database that does not answer.
        let (head, entries) = match timeout(PATIENCE, self.rows()).await {
            Ok(Ok(Some(found))) => found,
            Ok(Err(error)) => return Ok(Err(error)),
            Ok(Ok(None)) | Err(_) => return Ok(Ok(())),
        };
        if head != self.head {
            self.feed.say("job", &json!({ "job": head })).await?;
            self.head = head;
        }
        for entry in entries {
            let key = entry["key"].as_str().unwrap_or_default().to_owned();
            if self.rows.get(&key) != Some(&entry) {
                self.feed.say("entry", &entry).await?;
                self.rows.insert(key, entry);
            }
        }
        Ok(Ok(()))
    }

    async fn rows(&self) -> Result<Option<(Value, Vec<Value>)>, DbError> {
        let db = self.call.store.db();
        let Some(job) = db.job(&self.log.job).await? else { return Ok(None) };
        let place = match self.log.standing().status {
            Status::Pending => jobs::place(&self.call, &job.id).await?,
            _ => None,
        };
        let filter = Filter { job: Some(job.id.clone()), limit: 20, ..Filter::default() };
        let webhooks = db.webhooks(&filter).await?;
        let mut entries = vec![row("submit", "submit", job.created_at, "submitted", None)];
        let operation = db.operation(&job.id).await?;
        // At a provider the limit counts from its start there, whoever has taken the job up since.
        let began = operation.as_ref().map(|it| it.started_at.unwrap_or(it.intended_at));
        if let Some(operation) = &operation {
            let provider = &operation.provider;
            entries.push(row(
                "intent",
                "request",
                operation.intended_at,
                &format!("meant to start at {provider}"),
                Some(&format!("attempt {}", operation.attempt)),
            ));
            if let Some(at) = operation.started_at {
                let handle = operation.handle.as_ref().map(|handle| handle["id"].to_string());
                entries.push(row(
                    "started",
                    "request",
                    at,
                    &format!("{provider} took it"),
                    handle.as_deref(),
                ));
            }
        }
        for entry in db.ledger_of(&job.id).await? {
            let amount = crate::credits::Micro::new(entry.amount);
            let title = format!("{} of {amount} credits", entry.entry);
            entries.push(row(
                &format!("ledger-{}", entry.id),
                "credit",
                entry.at,
                &title,
                Some(&entry.account),
            ));
        }
        for webhook in &webhooks {
            let at = webhook.attempted_at.unwrap_or(webhook.created_at);
            let title =
                format!("webhook {}, {} attempts", webhook.status.as_str(), webhook.attempts);
            let detail = webhook.last_error.as_deref().or(Some(&webhook.endpoint));
            entries.push(row(&format!("webhook-{}", webhook.id), "webhook", at, &title, detail));
        }
        let mut head = jobs::shape(&self.call, &job, place.as_ref());
        let webhooks = webhooks.iter().map(|webhook| {
            json!({
                "id": webhook.id,
                "url": shown(webhook.url.expose_secret()),
                "status": webhook.status.as_str(),
                "attempts": webhook.attempts,
                "next_at": webhook.next_at,
                "last_status": webhook.last_status,
                "last_error": webhook.last_error,
            })
        });
        let (_, notes) = trail::of(job.id.as_str());
        head["webhooks"] = webhooks.collect::<Vec<_>>().into();
        head["explanation"] =
            explain::sentence(&self.call, &job, &self.log, &notes, place, began, now_ms()).into();
        head["runner"] = self.runner(&job).into();
        head["hold"] = job.hold.into();
        head["cost"] = json!(job.cost);
        head["trace_id"] = TraceId::of_job(job.id.as_str()).to_string().into();
        head["input"] = job.input.clone();
        head["result"] = match &job.end {
            Some(End::Completed(result)) if result.to_string().len() <= RESULT_LIMIT => {
                result.clone()
            }
            _ => Value::Null,
        };
        head["retry_of"] = json!(job.retry_of);
        Ok(Some((head, entries)))
    }

    /// Who runs it.
    fn runner(&self, job: &Job) -> &'static str {
        if self.log.standing().status != Status::Running {
            "nobody"
        } else if job.kind == Kind::External {
            "its own worker"
        } else if self.call.queue.runs(&job.id) {
            "this server"
        } else if self.call.store.cluster().is_some() {
            "another node"
        } else {
            "nobody"
        }
    }

    async fn tell_events(&mut self) -> Result<Result<(), DbError>, Gone> {
        while self.told < self.log.last() {
            let read = self.call.store.read(&self.log, self.told, EventId::MAX, PAGE).await;
            let events = match read {
                Ok(events) => events,
                Err(error) => return Ok(Err(error)),
            };
            let Some(last) = events.last() else {
                // They were given up.
                self.told = self.log.last();
                break;
            };
            self.told = last.id;
            for entry in self.entries(&events) {
                self.feed.say("entry", &entry).await?;
            }
        }
        Ok(Ok(()))
    }

    /// Entries of some events; those that grew are told again, once.
    fn entries(&mut self, events: &[Event]) -> Vec<Value> {
        let mut entries: Vec<(EventId, Value)> = Vec::new();
        for event in events {
            let name = event.frame.name();
            if !is_frequent(name) {
                self.runs.clear();
            }
            let fresh = Run { first: event.id, name: name.to_owned(), at: event.at, times: 0 };
            let run = self.runs.entry(name.to_owned()).or_insert(fresh);
            run.times += 1;
            let entry = of_event(run, event);
            match entries.iter_mut().rev().find(|(first, _)| *first == run.first) {
                Some((_, told)) => *told = entry,
                None => entries.push((run.first, entry)),
            }
            if !is_frequent(name) {
                self.runs.clear();
            }
        }
        entries.into_iter().map(|(_, entry)| entry).collect()
    }

    async fn tell_notes(&mut self) -> Result<(), Gone> {
        let (version, notes) = trail::of(self.log.job.as_str());
        if version == self.trail {
            return Ok(());
        }
        self.trail = version;
        for note in notes {
            let state = (note.times, note.until);
            if self.notes.insert(note.number, state) == Some(state) {
                continue;
            }
            let entry = json!({
                "key": format!("note-{}", note.number),
                "at": note.at,
                "until_at": (note.times > 1).then_some(note.until),
                "kind": note.about.as_str(),
                "title": note.title,
                "detail": note.detail,
                "times": note.times,
                "id": null,
                "data": null,
                "level": if note.is_trouble { "warn" } else { "info" },
            });
            self.feed.say("entry", &entry).await?;
        }
        Ok(())
    }

    /// Who reads the job, and how far behind.
    async fn tell_readers(&mut self) -> Result<(), Gone> {
        let mut readers = Vec::new();
        if let Some(engine) = &self.call.engine {
            for (number, place) in engine.places(&self.log).await.into_iter().enumerate() {
                readers.push(json!({
                    "key": format!("engine-{number}"),
                    "transport": "stream",
                    "after": place.after,
                    "behind": self.log.count_after(place.after),
                    "since": null,
                    // By whole seconds: the list is sent again whenever it changes.
                    "silent_ms": milliseconds(place.silent) / 1000 * 1000,
                }));
            }
        }
        for reader in self.call.readers.of(&self.log.job, READERS) {
            readers.push(json!({
                "key": format!("hyper-{}", reader.key),
                "transport": reader.transport.as_str(),
                "after": reader.after,
                "behind": self.log.count_after(reader.after),
                "since": reader.since,
                "silent_ms": null,
            }));
        }
        let view = json!({
            "readers": readers,
            "head": self.log.last(),
            "durable_through": self.call.store.journal().durable_through(),
        });
        if view != self.readers || self.sign_due <= Instant::now() {
            self.sign_due = Instant::now() + SIGN;
            self.feed.say("readers", &view).await?;
            self.readers = view;
        }
        Ok(())
    }
}
