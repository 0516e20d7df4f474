//! How jobs and files look to a client.

use std::time::Duration;

use serde_json::{Value, json};

use crate::access::Subject;
use crate::db::DbError;
use crate::db::artifacts::ArtifactRow;
use crate::event::now_ms;
use crate::event::payload::{End, Progress};
use crate::job::{Job, Status};
use crate::reconcile::stage;
use crate::store::{Snapshot, Standing};

use super::guard::{self, Call};
use super::{App, conditional};

/// A path on this server as clients reach it.
pub(super) fn link(app: &App, path: &str) -> String {
    link_below(base(app), path)
}

/// What clients reach this server by; empty where that is not known.
fn base(app: &App) -> &str {
    app.options.public_url.as_deref().unwrap_or_default()
}

/// A path below what clients reach this server by.
fn link_below(base: &str, path: &str) -> String {
    format!("{base}{path}")
}

/// A path with a ticket in it, where one is needed.
pub(super) fn with_ticket(path: &str, ticket: Option<&str>) -> String {
    ticket.map_or_else(|| path.to_owned(), |ticket| format!("{path}?{}={ticket}", guard::TICKET))
}

/// The links that a submit answers with; the stream's has a ticket where one is needed.
pub(super) fn links(call: &Call, job: &Job) -> Value {
    let mut links = links_below(base(call), job);
    if let Some((ticket, _)) = call.ticket(&Subject::Job(job.id.clone())) {
        let path = format!("/api/jobs/{}/stream", job.id);
        links["stream_url"] = link(call, &with_ticket(&path, Some(&ticket))).into();
    }
    links
}

fn links_below(base: &str, job: &Job) -> Value {
    let id = &job.id;
    json!({
        "stream_url": link_below(base, &format!("/api/jobs/{id}/stream")),
        "poll_url": link_below(base, &format!("/api/jobs/{id}")),
        "events_url": link_below(base, &format!("/api/jobs/{id}/events")),
        "cancel_url": link_below(base, &format!("/api/jobs/{id}/cancel")),
    })
}

/// When a poller should come again: the stage table; nothing once the job has ended.
pub(super) fn poll_after(standing: &Standing, has_voiceover: bool) -> Option<Duration> {
    if standing.ended {
        return None;
    }
    let elapsed = standing.started_at.map_or(0, |started| now_ms() - started);
    let elapsed = Duration::from_millis(u64::try_from(elapsed).unwrap_or(0));
    Some(stage::interval(standing.status, elapsed, has_voiceover))
}

/// The job as its row has it once readers were told that it ended: a row that was read before that
/// is read again. An end is in the database before anybody is told.
pub(super) async fn with_end(app: &App, job: Job, status: Status) -> Result<Job, DbError> {
    if !status.is_terminal() || job.end.is_some() {
        return Ok(job);
    }
    Ok(app.store.db().job(&job.id).await?.unwrap_or(job))
}

/// A job in a list, which has the beginning of its input.
pub(super) fn summary(app: &App, job: &Job) -> Value {
    let log = app.store.find(&job.id);
    let standing = log.as_ref().map(|log| log.standing());
    let status = standing.as_ref().map_or(job.status, |standing| standing.status);
    // The row follows the event: what readers were told of counts.
    let told = log.map(|log| log.progress()).filter(|told| *told != Progress::default());
    let progress = told.as_ref().unwrap_or(&job.progress);
    let percent = if status == Status::Completed { 100 } else { progress.percent };
    let mut view = json!({
        "id": job.id,
        "kind": job.kind,
        "status": status,
        "attempt": standing.as_ref().map_or(job.told_attempt, |standing| standing.attempt),
        "project_id": job.project_id,
        "model": job.model,
        "progress": { "percent": percent, "stage": progress.stage },
        "input": job.input,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "ended_at": job.ended_at,
    });
    add_end(&mut view, job.end.as_ref());
    view
}

fn add_end(view: &mut Value, end: Option<&End>) {
    match end {
        Some(End::Completed(result)) => view["result"] = result.clone(),
        Some(End::Failed(failed)) => view["error"] = json!(failed),
        Some(End::Canceled(canceled)) => view["reason"] = json!(canceled.reason),
        None => {}
    }
}

/// A job that has ended, by its rows alone, with links below `base`. `at` stands for the time of an
/// end that has none: a program that only knows the database wrote it.
pub(super) fn ended(base: &str, job: &Job, files: &[ArtifactRow], at: i64) -> Value {
    let file = |row: &ArtifactRow| {
        let mut view = row.stored.view.clone();
        if view.url.starts_with('/') {
            view.url = link_below(base, &view.url);
        }
        view
    };
    let files: Vec<_> = files.iter().filter(|row| row.ready).map(file).collect();
    let mut view = json!({
        "id": job.id,
        "file_id": job.file_id,
        "kind": job.kind,
        "status": job.status,
        "attempt": job.attempt,
        "project_id": job.project_id,
        "artifacts": files,
        "model": job.model,
        "hold": job.hold,
        "cost": job.cost,
        "retry_of": job.retry_of,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "ended_at": job.ended_at.unwrap_or(at),
    });
    add_end(&mut view, job.end.as_ref());
    if let (Value::Object(view), Value::Object(links)) = (&mut view, links_below(base, job)) {
        view.extend(links);
    }
    view
}

/// A job as a poller sees it: its row, and its events folded up to now.
pub(super) fn whole(call: &Call, job: &Job, snapshot: &Snapshot, standing: &Standing) -> Value {
    let mut view = json!({
        "id": job.id,
        "file_id": job.file_id,
        "kind": job.kind,
        "status": snapshot.status,
        "attempt": snapshot.attempt,
        "project_id": job.project_id,
        "progress": snapshot.progress,
        "text": snapshot.text,
        "text_offset": snapshot.text_offset,
        "artifacts": snapshot.artifacts,
        "input": job.input,
        "model": job.model,
        "hold": job.hold,
        "cost": job.cost,
        "retry_of": job.retry_of,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "updated_at": job.updated_at,
        "ended_at": job.ended_at,
        "last_event_id": standing.last,
        "poll_after_ms": conditional::milliseconds(poll_after(standing, job.has_voiceover())),
    });
    if snapshot.status == Status::Completed {
        view["progress"]["percent"] = 100.into();
    }
    if snapshot.status.is_terminal() {
        add_end(&mut view, job.end.as_ref());
    }
    if let (Value::Object(view), Value::Object(links)) = (&mut view, links(call, job)) {
        view.extend(links);
    }
    view
}
