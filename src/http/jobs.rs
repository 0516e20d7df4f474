//! Jobs by polling: showing, listing, canceling, removing.

use std::time::Duration;

use axum::body::Body;
use axum::extract::RawQuery;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::db::jobs::Filter;
use crate::job::{JobId, Kind, Status};
use crate::queue::{EndError, Ended};
use crate::reconcile;
use crate::store::Log;

use super::guard::{Call, May, Read, Submit};
use super::query::Query;
use super::range::has_it_already;
use super::segment::Segment;
use super::{App, Code, Problem, body, conditional, openapi, view};

/// How long a cancel waits for its job to end before it answers that it will.
const CANCEL_WAIT: Duration = Duration::from_secs(5);

/// What readers are told of a cancel that gives no reason.
const DEFAULT_REASON: &str = "canceled by the client";

/// `GET /api/jobs/{id}`: the job with everything that its events made so far.
///
/// The entity tag is the newest event's id, so that a poller learns cheaply that nothing is new.
///
/// # Errors
/// [`Code::UnknownJob`].
#[utoipa::path(
    get, path = "/api/jobs/{id}", operation_id = "show_job", tag = "jobs",
    security(("key" = ["read"])),
    params(("id" = String, Path, description = "The job"), openapi::parameters::Has),
    responses(
        (status = 200, description = "The job", body = openapi::answers::Job),
        (status = 304, description = "Nothing is new"),
    ),
    extensions(("x-problems" = json!([Code::UnknownJob, Code::Unavailable]))),
)]
pub(super) async fn show(
    May { call, .. }: May<Read>,
    Segment(id): Segment,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let log = call.log(&id).await?;
    let row = reconcile::look(&call.store, &log).await?;
    let row = row.ok_or_else(|| Problem::new(Code::UnknownJob, "the job is gone"))?;
    let standing = log.standing();
    let tag = format!("\"{}-{}\"", standing.last, standing.status);
    let poll_after = view::poll_after(&standing, log.has_voiceover);
    // Its rows move without events while none can come.
    if !call.store.is_degraded() && has_it_already(&headers, &tag) {
        return Ok(conditional::answer(None, &tag, poll_after));
    }
    let snapshot = reconcile::shown(&call.store, &log, &row).await?;
    let job = view::with_end(&call, row.job, snapshot.status).await?;
    let view = view::whole(&call, &job, &snapshot, &standing);
    Ok(conditional::answer(Some(view), &tag, poll_after))
}

/// `GET /api/jobs`: jobs that fit a filter, newest first, in pages.
///
/// # Errors
/// [`Code::InvalidParameter`].
#[utoipa::path(
    get, path = "/api/jobs", operation_id = "list_jobs", tag = "jobs",
    security(("key" = ["read"])),
    params(openapi::parameters::Jobs),
    responses((status = 200, description = "A page of jobs", body = openapi::answers::JobPage)),
    extensions(("x-problems" = json!([Code::Unavailable]))),
)]
pub(super) async fn list(
    May { call, .. }: May<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let known = ["status", "kind", "project_id", "limit", "before"];
    let query = Query::parse(query.as_deref(), &known)?;
    let limit = query.number("limit", 1..=200, 50)?;
    let filter = Filter {
        project_id: call.caller().project_of(query.get("project_id"))?,
        status: query
            .read("status", &format!("one of {}", Status::ALL.map(Status::as_str).join(", ")))?,
        kind: query.read("kind", &format!("one of {}", Kind::ALL.map(Kind::as_str).join(", ")))?,
        before: query.read::<JobId>("before", "the id of a job")?,
        contains: None,
        limit: u32::try_from(limit).unwrap_or(200),
    };
    let jobs = call.store.db().jobs(&filter).await?;
    let next =
        (jobs.len() as u64 == limit).then(|| jobs.last().map(|job| job.id.clone())).flatten();
    let jobs: Vec<_> = jobs.iter().map(|job| view::summary(&call, job)).collect();
    Ok(axum::Json(json!({ "jobs": jobs, "next": next })).into_response())
}

/// `POST /api/jobs/{id}/cancel`: ends a job; what it has made so far stays.
///
/// # Errors
/// [`Code::UnknownJob`], [`Code::JobEnded`] when it ended otherwise, [`Code::Unavailable`].
#[utoipa::path(
    post, path = "/api/jobs/{id}/cancel", operation_id = "cancel_job", tag = "jobs",
    security(("key" = ["submit"])),
    params(("id" = String, Path, description = "The job")),
    request_body = Option<openapi::bodies::Cancel>,
    responses(
        (status = 200, description = "It is canceled", body = openapi::answers::CancelAnswer),
        (status = 202, description = "It will be", body = openapi::answers::CancelAnswer),
    ),
    extensions(("x-problems" = json!([
        Code::InvalidJson, Code::UnsupportedMediaType, Code::InvalidField, Code::UnknownJob,
        Code::JobEnded, Code::Unavailable, Code::Draining,
    ]))),
)]
pub(super) async fn cancel(
    May { call, .. }: May<Submit>,
    Segment(id): Segment,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let value = body::optional_json(&headers, body, call.options.body_limit).await?;
    let reason = reason(value.as_ref())?;
    cancel_job(&call, &id, &reason).await
}

/// `DELETE /api/jobs/{id}`: the same as a cancel, for clients that have only the verb.
///
/// # Errors
/// As for a cancel.
#[utoipa::path(
    delete, path = "/api/jobs/{id}", operation_id = "remove_job", tag = "jobs",
    security(("key" = ["submit"])),
    params(("id" = String, Path, description = "The job")),
    responses(
        (status = 200, description = "It is canceled", body = openapi::answers::CancelAnswer),
        (status = 202, description = "It will be", body = openapi::answers::CancelAnswer),
    ),
    extensions(("x-problems" = json!([
        Code::UnknownJob, Code::JobEnded, Code::Unavailable, Code::Draining,
    ]))),
)]
pub(super) async fn remove(
    May { call, .. }: May<Submit>,
    Segment(id): Segment,
) -> Result<Response, Problem> {
    cancel_job(&call, &id, DEFAULT_REASON).await
}

fn reason(value: Option<&Value>) -> Result<String, Problem> {
    let wrong = |pointer: &str, detail: &str| {
        let summary = "the body of a cancel is a JSON object with 'reason' or nothing";
        Err(Problem::new(Code::InvalidField, summary).field(pointer, detail))
    };
    let fields = match value {
        None => return Ok(DEFAULT_REASON.into()),
        Some(Value::Object(fields)) => fields,
        Some(_) => return wrong("", "must be an object"),
    };
    if fields.keys().any(|name| name != "reason") {
        return wrong("", "has fields besides 'reason'");
    }
    match fields.get("reason") {
        None | Some(Value::Null) => Ok(DEFAULT_REASON.into()),
        Some(Value::String(text)) => Ok(text.chars().take(500).collect()),
        Some(_) => wrong("/reason", "must be a text"),
    }
}

async fn cancel_job(call: &Call, id: &str, reason: &str) -> Result<Response, Problem> {
    let log = call.log(id).await?;
    match end_by_cancel(call, &log, reason).await? {
        None => {
            let view = json!({ "job_id": log.job, "status": "canceling" });
            Ok((StatusCode::ACCEPTED, axum::Json(view)).into_response())
        }
        Some(Ended::Now | Ended::Before(Status::Canceled)) => {
            let view = json!({ "job_id": log.job, "status": Status::Canceled });
            Ok(axum::Json(view).into_response())
        }
        Some(Ended::Before(status)) => {
            let detail = format!("the job is {status} and cannot be canceled any more");
            Err(Problem::new(Code::JobEnded, detail))
        }
    }
}

/// Cancels a job; nothing when it will be canceled, and that takes longer than an answer may.
///
/// # Errors
/// [`Code::Unavailable`].
pub(super) async fn end_by_cancel(
    app: &App,
    log: &Log,
    reason: &str,
) -> Result<Option<Ended>, Problem> {
    if let Some(trouble) = app.store.journal().health().trouble {
        return Err(crate::store::JournalError::Unavailable(trouble).into());
    }
    let canceled = app.queue.cancel(&log.job, reason);
    match tokio::time::timeout(CANCEL_WAIT, canceled).await {
        Ok(Ok(ended)) => Ok(Some(ended)),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Ok(None),
    }
}

impl From<EndError> for Problem {
    fn from(error: EndError) -> Self {
        match error {
            EndError::Fenced { .. } => Self::new(Code::Fenced, error.to_string()),
            EndError::Unknown => Self::new(Code::UnknownJob, error.to_string()),
            EndError::Journal(error) => error.into(),
            EndError::Db(error) => error.into(),
        }
    }
}
