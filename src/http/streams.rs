//! Several jobs on one connection: `GET /api/stream?job=…&job=…` and
//! `GET /api/projects/{id}/stream`.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::extract::RawQuery;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use serde_json::json;

use crate::db::DbError;
use crate::db::jobs::Filter;
use crate::event::{Cursor, EventId, control as encode};
use crate::job::JobId;
use crate::store::follow::GapReason;
use crate::store::{Gap, Log, Merge, Merged};
use crate::telemetry::metrics::metrics;

use super::guard::{Call, May, Read};
use super::places;
use super::problem::quoted;
use super::query::Query;
use super::segment::Segment;
use super::streaming::{Pace, Reader, come_again, keep_alive_ms, respond};
use super::{App, Code, Problem, control, cursor, openapi, project, view};

/// How many jobs the snapshot of a project shows, newest first.
const PROJECT_JOBS: u32 = 100;

impl Reader for Merge {
    async fn next(&mut self) -> Result<Option<Vec<Bytes>>, DbError> {
        let merged = Self::next(self).await?;
        Ok(merged.map(|merged| {
            let bytes = join(&merged);
            metrics().deliveries_total.inc_by(merged.len() as u64);
            metrics().delivered_bytes_total.inc_by(bytes.len() as u64);
            vec![bytes]
        }))
    }

    fn jobs(&self) -> Vec<JobId> {
        Self::jobs(self)
    }

    fn position(&self) -> EventId {
        self.cursor()
    }

    fn waiting(&self) -> Vec<(JobId, u32)> {
        self.queue_positions()
    }

    fn place(job: &JobId, position: u32) -> Bytes {
        control::queue_of(job, position)
    }
}

/// The events in their envelopes, as one run of bytes.
fn join(merged: &[Merged]) -> Bytes {
    if let [Merged { job, event }] = merged {
        return event.frame.envelope(job.as_str()).clone();
    }
    let mut bytes = BytesMut::new();
    for Merged { job, event } in merged {
        bytes.extend_from_slice(event.frame.envelope(job.as_str()));
    }
    bytes.freeze()
}

/// Streams several jobs, merged by id, until all of them have ended.
///
/// # Errors
/// [`Code::InvalidParameter`] without a job or with too many, [`Code::UnknownJob`].
#[utoipa::path(
    get, path = "/api/stream", operation_id = "stream_jobs", tag = "streams",
    security(("key" = ["read"])),
    params(
        (
            "job" = Vec<String>, Query,
            description = "A job, or a job and its own cursor, as in job_…@4294967338; 1 to 100 of them",
        ),
        openapi::parameters::Stream,
        openapi::parameters::Resume,
    ),
    responses(
        (
            status = 200, description = "Server-sent events",
            body = openapi::events::ManyEvent, content_type = "text/event-stream",
        ),
        (status = 204, description = "All of it was told: a native EventSource stops for good"),
    ),
    extensions(("x-problems" = json!([Code::UnknownJob]))),
)]
pub(super) async fn jobs(
    May { call, .. }: May<Read>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = Query::of_stream(query.as_deref());
    open_jobs(&call, &query, &headers).await.or_else(come_again)
}

async fn open_jobs(call: &Call, query: &Query, headers: &HeaderMap) -> Result<Response, Problem> {
    let asked = cursor::of_stream(headers, query);
    let mut places = places::named(call, query, headers).await?;
    if places.iter().all(|place| place.is_over) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let head = call.store.head();
    let mut opening =
        VecDeque::from([control::retry(), places::hello(call, query, &places, asked, head)]);
    // What is over for the reader has nothing to tell, after a gap of the others neither.
    places.retain(|place| !place.is_over);
    let held = call.hold_stream(places.iter().map(|place| &place.log.job))?;
    let logs: Vec<_> = places.iter().map(|place| Arc::clone(&place.log)).collect();
    let gap = places.iter().find_map(|place| place.gap(head));
    let from = places.iter().filter_map(|place| place.resumed.ok()).min();
    let from = from.filter(|_| gap.is_none()).unwrap_or(head);
    let mut merge = call.store.merge_jobs(&logs, from);
    if let Some(gap) = gap {
        opening.push_back(encode("gap", None, &gap));
        opening.extend(catch_up(call, &logs, head, &mut merge).await?);
    } else {
        for place in &places {
            merge.skip_job_to(&place.log.job, place.resumed.unwrap_or_default());
        }
    }
    Ok(respond(
        call,
        Pace::new(&call.options, query, call.right(), call.limits.crowd()),
        opening,
        merge,
        held,
    ))
}

/// What a reader with a gap needs to go on from the head: a snapshot of each job, and the terminal
/// events up to there, which no snapshot has folded in.
///
/// Nothing moves the reader's cursor before the last snapshot: until then it has not got them all.
async fn catch_up(
    app: &App,
    logs: &[Arc<Log>],
    head: EventId,
    merge: &mut Merge,
) -> Result<Vec<Bytes>, Problem> {
    let (mut over, mut live, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    for log in logs {
        let snapshot = app.store.snapshot(log).await?;
        merge.skip_job_to(&log.job, snapshot.id);
        let envelope = json!({ "job": log.job, "data": snapshot });
        if snapshot.status.is_terminal() {
            over.push(envelope);
            let end = app.store.read(log, snapshot.id, head, 1).await?;
            ends.extend(end.into_iter().map(|event| Merged { job: log.job.clone(), event }));
        } else {
            live.push(envelope);
        }
    }
    ends.sort_unstable_by_key(|end| end.event.id);
    let last = live.pop();
    let mut frames: Vec<_> =
        over.iter().chain(&live).map(|envelope| encode("snapshot", None, envelope)).collect();
    let id = ends.is_empty().then_some(head);
    frames.extend(last.map(|envelope| encode("snapshot", id, &envelope)));
    frames.extend(ends.iter().map(|end| end.event.frame.envelope(end.job.as_str()).clone()));
    Ok(frames)
}

/// Streams all jobs of a project, new ones too, without `content` and `log` unless asked.
///
/// # Errors
/// [`Code::InvalidParameter`] for a bad name or `include`.
#[utoipa::path(
    get, path = "/api/projects/{id}/stream", operation_id = "stream_project", tag = "streams",
    security(("key" = ["read"])),
    params(
        ("id" = String, Path, description = "The project"),
        (
            "include" = Option<String>, Query,
            description = "'content', 'log' or both with a comma, which are left out otherwise",
        ),
        openapi::parameters::Stream,
        openapi::parameters::Resume,
    ),
    responses(
        (
            status = 200, description = "Server-sent events",
            body = openapi::events::ManyEvent, content_type = "text/event-stream",
        ),
    ),
)]
pub(super) async fn project(
    May { call, .. }: May<Read>,
    Segment(name): Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = Query::of_stream(query.as_deref());
    project::check_name(&name)?;
    call.caller().project_of(Some(&name))?;
    open_project(&call, &name, &query, &headers).await.or_else(come_again)
}

async fn open_project(
    call: &Call,
    name: &str,
    query: &Query,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let include_text = includes_text(query)?;
    let held = call.hold_stream([])?;
    let asked = cursor::of_stream(headers, query);
    call.store.reach(asked).await?;
    let head = call.store.head();
    let fresh = asked == Cursor::At(EventId::ZERO);
    let mut resumed = call.store.resume(EventId::ZERO, asked);
    let from = if fresh { head } else { resumed.unwrap_or(head) };
    let mut merge = call.store.merge_project(name, from, include_text).await?;
    if !fresh && resumed.is_ok_and(|cursor| cursor < merge.trimmed_through()) {
        resumed = Err(GapReason::Trimmed);
        merge = call.store.merge_project(name, head, include_text).await?;
    }
    let mut hello = json!({
        "project": name,
        "after": cursor::number(asked),
        "head": head,
        "keep_alive_ms": keep_alive_ms(&call.options, query),
    });
    if call.store.is_degraded() {
        hello["degraded"] = true.into();
    }
    let mut opening = VecDeque::from([control::retry(), control::hello(&hello)]);
    if let Err(reason) = resumed {
        let gap = Gap::told(cursor::number(asked), head, reason);
        opening.push_back(encode("gap", None, &gap));
    }
    if fresh || resumed.is_err() {
        opening.push_back(snapshot(call, name, head).await?);
    }
    Ok(respond(
        call,
        Pace::new(&call.options, query, call.right(), call.limits.crowd()),
        opening,
        merge,
        held,
    ))
}

fn includes_text(query: &Query) -> Result<bool, Problem> {
    let mut include = false;
    for name in query.all("include").flat_map(|names| names.split(',')) {
        match name {
            "content" | "log" => include = true,
            "" => {}
            other => {
                let detail = format!("'include' takes 'content' and 'log', not {}", quoted(other));
                return Err(Problem::new(Code::InvalidParameter, detail));
            }
        }
    }
    Ok(include)
}

async fn snapshot(app: &App, project: &str, head: EventId) -> Result<Bytes, Problem> {
    let filter =
        Filter { project_id: Some(project.into()), limit: PROJECT_JOBS, ..Filter::default() };
    let jobs = app.store.db().jobs(&filter).await?;
    let jobs: Vec<_> = jobs.iter().map(|job| view::summary(app, job)).collect();
    let payload = json!({ "project": project, "jobs": jobs });
    Ok(encode("snapshot", (head > EventId::ZERO).then_some(head), &payload))
}
