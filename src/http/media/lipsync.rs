//! Lip-sync by the routes and in the words that hand-built pages poll with.

use std::time::Duration;

use axum::body::Body;
use axum::extract::RawQuery;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};

use crate::event::payload::End;
use crate::job::{Kind, Status};
use crate::store::Next;

use super::super::query::Query;
use super::super::time::rfc3339;
use super::super::{Code, Problem, openapi, view};
use super::seen::{Seen, look};
use super::{answer, fields, find, inputs, of_kind, take, wanted};
use crate::http::guard::{Call, May, Read, Submit};

/// The model of a body that names none.
const DEFAULT_MODEL: &str = "wan-2-2-s2v";

/// How long to wait when the database does not answer.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// `POST /api/generate-lipsync`: answers at once, or, with `pollForCompletion`, when the job has
/// ended or a while has passed, whichever is first.
///
/// # Errors
/// As for a submit.
#[utoipa::path(
    post, path = "/api/generate-lipsync", operation_id = "submit_lipsync", tag = "media",
    security(("key" = ["submit"])),
    params(openapi::parameters::Once),
    request_body = openapi::bodies::LipsyncInput,
    responses(
        (status = 200, description = "It has ended", body = openapi::answers::Prediction),
        (status = 202, description = "The job is in the queue", body = openapi::answers::Submitted),
    ),
    extensions(("x-problems" = json!(openapi::problems::SUBMIT))),
)]
pub(super) async fn generate(
    May { call, .. }: May<Submit>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let mut fields = fields(&call, &headers, body).await?;
    let waits = match fields.remove("pollForCompletion") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(waits)) => waits,
        Some(_) => {
            let detail = "must be true or false";
            let problem = Problem::new(Code::InvalidField, format!("'pollForCompletion' {detail}"));
            return Err(problem.field("/pollForCompletion", detail));
        }
    };
    let name = wanted(&fields)?.unwrap_or(DEFAULT_MODEL);
    let model = of_kind(find(&call, name, &inputs(&fields))?, Kind::Lipsync)?;
    let submission = take(&call, &headers, &model, &fields).await?;
    drop(fields);
    let id = submission.job.id.as_str();
    if waits && wait_for_end(&call, id).await? {
        let seen = look(&call, id).await?;
        let shape = shape(&seen);
        return Ok(seen.respond(shape));
    }
    let poll = view::link(&call, &format!("/api/check-lipsync?prediction_id={id}"));
    Ok(answer(&call, &submission, &model, |view| {
        view["status"] = word(submission.job.status).into();
        view["message"] = "Lip sync generation started".into();
        view["poll_url"] = poll.into();
    }))
}

/// The word for a status on these routes.
const fn word(status: Status) -> &'static str {
    match status {
        Status::Pending => "starting",
        Status::Running => "processing",
        Status::Completed => "succeeded",
        Status::Failed => "failed",
        Status::Canceled => "canceled",
    }
}

/// Waits until the job has ended, for as long as the server's settings say; whether it has.
async fn wait_for_end(call: &Call, id: &str) -> Result<bool, Problem> {
    let log = call.log(id).await?;
    let mut follower = call.store.follow(&log, log.last());
    let ended = async {
        while !log.standing().ended {
            match follower.next().await {
                Ok(Next::Ended) => return,
                Ok(Next::Page(_) | Next::Aside(_) | Next::Gap(..)) => {}
                Err(_) => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
    };
    tokio::select! {
        ended = tokio::time::timeout(call.options.lipsync_wait, ended) => Ok(ended.is_ok()),
        () = call.draining.cancelled() => Ok(false),
    }
}

/// `GET /api/check-lipsync?prediction_id=`.
///
/// # Errors
/// [`Code::InvalidParameter`], [`Code::UnknownJob`].
#[utoipa::path(
    get, path = "/api/check-lipsync", operation_id = "check_lipsync", tag = "media",
    security(("key" = ["read"])),
    params(("prediction_id" = String, Query, description = "The job")),
    responses((status = 200, description = "The job", body = openapi::answers::Prediction)),
    extensions(("x-problems" = json!([Code::UnknownJob, Code::Unavailable]))),
)]
pub(super) async fn check(
    May { call, .. }: May<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = Query::parse(query.as_deref(), &["prediction_id"])?;
    let id = query.get("prediction_id").filter(|id| !id.is_empty()).ok_or_else(|| {
        let detail = "'prediction_id' is required: the id that the submit gave";
        Problem::new(Code::InvalidParameter, detail)
    })?;
    let seen = look(&call, id).await?;
    let shape = shape(&seen);
    Ok(seen.respond(shape))
}

/// A prediction, in one of the four shapes that pages know.
fn shape(seen: &Seen) -> Value {
    let (id, status) = (&seen.job.id, word(seen.status));
    match (seen.status, &seen.job.end) {
        (Status::Pending, _) => json!({
            "id": id, "status": status, "output": null, "created_at": rfc3339(seen.job.created_at),
        }),
        (Status::Running, _) => json!({
            "id": id, "status": status, "output": null, "logs": seen.line,
        }),
        (Status::Completed, _) => json!({
            "id": id, "status": status, "output": seen.urls.first(),
            "completed_at": seen.job.ended_at.map(rfc3339),
        }),
        (Status::Canceled, end) => {
            let reason = match end {
                Some(End::Canceled(canceled)) => canceled.reason.as_str(),
                _ => "canceled",
            };
            json!({
                "id": id, "status": status, "error": reason,
                "canceled_at": seen.job.ended_at.map(rfc3339),
            })
        }
        (Status::Failed, end) => {
            let (message, code) = match end {
                Some(End::Failed(failed)) => (failed.message.as_str(), failed.code.as_str()),
                _ => ("the job failed", "failed"),
            };
            json!({
                "id": id, "status": status, "error": message, "code": code,
                "failed_at": seen.job.ended_at.map(rfc3339),
            })
        }
    }
}
