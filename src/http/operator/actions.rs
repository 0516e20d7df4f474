//! What the operator does to one job: trying it again, putting it back into the queue.

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::http::guard::{Admin, May};
use crate::http::segment::Segment;
use crate::http::{Code, Problem, openapi, submit};
use crate::queue::{RequeueError, Requeued};

/// `POST /api/admin/jobs/{id}/retry`: a new job that is asked for the same, with `retry_of`.
///
/// # Errors
/// [`Code::UnknownJob`], [`Code::JobActive`], and whatever a submit is refused for.
#[utoipa::path(
    post, path = "/api/admin/jobs/{id}/retry", operation_id = "retry_job", tag = "operator",
    security(("key" = ["admin"])),
    params(
        ("id" = String, Path, description = "A job that has ended"), openapi::parameters::Once,
    ),
    responses((status = 202, description = "The new job", body = openapi::answers::Submitted)),
    extensions(("x-problems" = json!([
        Code::UnknownJob, Code::JobActive, Code::InvalidParameter, Code::KeyReused,
        Code::InvalidField, Code::UnknownModel, Code::ModelRetired,
        Code::InsufficientCredits, Code::TooManyJobs, Code::Unavailable, Code::Overloaded,
        Code::Draining,
    ]))),
)]
pub(super) async fn retry(
    May { call, .. }: May<Admin>,
    Segment(id): Segment,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let log = call.log(&id).await?;
    let gone = || Problem::new(Code::UnknownJob, "the job is gone");
    let job = call.store.db().job(&log.job).await?.ok_or_else(gone)?;
    if !log.standing().ended {
        let detail = "a job is tried again once it has ended; cancel it before";
        return Err(Problem::new(Code::JobActive, detail));
    }
    let besides = call.store.db().besides(&log.job).await?.ok_or_else(gone)?;
    let mut body = json!({
        "kind": job.kind,
        "input": job.input,
        "project_id": job.project_id,
        "retry_of": job.id,
        "allow_duplicate": true,
        "priority": besides.priority,
        "silence_limit_ms": job.silence_limit_ms,
        "webhook_url": besides.webhook.as_ref().map(ExposeSecret::expose_secret),
    });
    if let Some(model) = &job.model {
        body["model"] = model.as_str().into();
    }
    submit::again(&call, &headers, &body).await
}

/// `POST /api/admin/jobs/{id}/requeue`: a job that runs is taken from its worker and run anew, one that
/// waits is the next of its lane.
///
/// # Errors
/// [`Code::UnknownJob`], [`Code::JobEnded`], [`Code::NotRequeued`].
#[utoipa::path(
    post, path = "/api/admin/jobs/{id}/requeue", operation_id = "requeue_job", tag = "operator",
    security(("key" = ["admin"])),
    params(("id" = String, Path, description = "A job that waits or runs")),
    responses((
        status = 202, description = "It is on its way", body = openapi::answers::RequeueAnswer,
    )),
    extensions(("x-problems" = json!([
        Code::UnknownJob, Code::JobEnded, Code::NotRequeued, Code::Unavailable, Code::Draining,
    ]))),
)]
pub(super) async fn requeue(
    May { call, .. }: May<Admin>,
    Segment(id): Segment,
) -> Result<Response, Problem> {
    let log = call.log(&id).await?;
    let outcome = match call.queue.requeue(&log).await? {
        Requeued::First => "first",
        Requeued::LetGo => "let_go",
    };
    let view = json!({ "job_id": log.job, "outcome": outcome });
    Ok((StatusCode::ACCEPTED, axum::Json(view)).into_response())
}

impl From<RequeueError> for Problem {
    fn from(error: RequeueError) -> Self {
        match error {
            RequeueError::Ended(status) => {
                Self::new(Code::JobEnded, error.to_string()).with("job_status", status.to_string())
            }
            RequeueError::External | RequeueError::Nobody => {
                Self::new(Code::NotRequeued, error.to_string())
            }
            RequeueError::Journal(error) => error.into(),
        }
    }
}
