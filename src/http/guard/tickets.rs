//! `POST /api/tickets`: what a page can carry in a URL.

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::access::Subject;
use crate::http::{Code, Problem, body, openapi, project, view};

use super::{May, Read};

/// Hands out a ticket for `{"job_id": …}` or `{"project_id": …}`.
///
/// # Errors
/// [`Code::InvalidField`], [`Code::UnknownJob`], [`Code::Forbidden`].
#[utoipa::path(
    post, path = "/api/tickets", operation_id = "create_ticket", tag = "access",
    security(("key" = ["read"])),
    request_body = openapi::bodies::NewTicket,
    responses((status = 201, description = "The ticket", body = openapi::answers::Ticket)),
    extensions(("x-problems" = json!([
        Code::InvalidJson, Code::UnsupportedMediaType, Code::InvalidField, Code::UnknownJob,
        Code::Unavailable,
    ]))),
)]
pub(in crate::http) async fn create(
    May { call, .. }: May<Read>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let value = body::json(&headers, body, call.options.body_limit).await?;
    let (subject, path) = match (&value["job_id"], &value["project_id"]) {
        (Value::String(id), Value::Null) => {
            let job = call.log(id).await?.job.clone();
            let path = format!("/api/jobs/{job}/stream");
            (Subject::Job(job), path)
        }
        (Value::Null, Value::String(name)) => {
            if !project::is_name(name) {
                let problem = Problem::new(Code::InvalidField, "no ticket is for such a project");
                return Err(problem.field("/project_id", project::NAME_RULE));
            }
            call.caller().project_of(Some(name))?;
            (Subject::Project(name.clone()), format!("/api/projects/{name}/stream"))
        }
        _ => {
            let detail = "a ticket is for a job or for a project";
            let rule = "must be an object with 'job_id' or 'project_id', a text";
            return Err(Problem::new(Code::InvalidField, detail).field("", rule));
        }
    };
    let ticket = call.ticket(&subject);
    let (ticket, expires_at) = ticket.map_or((None, None), |(text, end)| (Some(text), Some(end)));
    let stream_url = view::link(&call, &view::with_ticket(&path, ticket.as_deref()));
    let view = json!({ "ticket": ticket, "expires_at": expires_at, "stream_url": stream_url });
    Ok((StatusCode::CREATED, axum::Json(view)).into_response())
}
