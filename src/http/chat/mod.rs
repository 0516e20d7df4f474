//! The endpoint that the AI SDK's `useChat` takes as it is: a chat's answer is a job, seen as a UI
//! message stream (<https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol>).
//!
//! A chat is the app's: its page keeps the messages and sends all of them. What is kept here is
//! which job writes the newest answer, so that a page that was reloaded finds it again.

mod body;
mod messages;
mod parts;
mod stream;

use axum::Router;
use axum::body::Body;
use axum::extract::RawQuery;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use utoipa::OpenApi;

use crate::db::chats::Chat;
use crate::job::Status;
use crate::queue::Ended;

use super::problem::quoted;
use super::query::Query;
use super::segment::Segment;
use super::{App, Code, Problem, jobs, media, openapi, submit};
use crate::http::guard::{Call, May, Read, Submit};

/// What readers are told of a stop.
const STOP_REASON: &str = "stopped by the client";

/// The routes of this folder.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/api/chat", post(send))
        .route("/api/chat/{id}/stream", get(resume))
        .route("/api/chat/{id}/stop", post(stop))
}

/// The same as the document has them.
#[derive(OpenApi)]
#[openapi(paths(send, resume, stop))]
pub(super) struct Routes;

/// `POST /api/chat`: puts the next answer into the queue and streams it. Whoever goes away does not
/// end it.
///
/// # Errors
/// Everything that is wrong with the body at once, or why no job can be taken now.
#[utoipa::path(
    post, path = "/api/chat", operation_id = "send_message", tag = "chat",
    security(("key" = ["submit"])),
    params(openapi::parameters::Once),
    request_body = openapi::bodies::ChatBody,
    responses(
        (
            status = 200, description = "A UI message stream",
            body = openapi::events::UiPart, content_type = "text/event-stream",
        ),
    ),
    extensions(("x-problems" = json!(openapi::problems::SUBMIT))),
)]
async fn send(
    May { call, .. }: May<Submit>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let given = media::fields(&call, &headers, body).await?;
    let (chat_id, mut task) = body::task(&call, &given).await?;
    task.idempotency_key = submit::idempotency_key(&headers)?;
    let job = call.queue.submit(task).await?.job.id;
    let log = call.log(job.as_str()).await?;
    stream::open(&call, &chat_id, &log).await
}

/// `GET /api/chat/{id}/stream`: the chat's newest answer from its beginning, then live; 204 when
/// there is none, or all of it was told.
///
/// # Errors
/// [`Code::Unavailable`].
#[utoipa::path(
    get, path = "/api/chat/{id}/stream", operation_id = "resume_chat", tag = "chat",
    security(("key" = ["read"])),
    params(("id" = String, Path, description = "The chat"), openapi::parameters::Project),
    responses(
        (
            status = 200, description = "A UI message stream",
            body = openapi::events::UiPart, content_type = "text/event-stream",
        ),
        (status = 204, description = "There is nothing to tell"),
    ),
    extensions(("x-problems" = json!([Code::TooManyStreams, Code::Unavailable]))),
)]
async fn resume(
    May { call, .. }: May<Read>,
    Segment(id): Segment,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = Query::of_stream(query.as_deref());
    let Some(chat) = find(&call, &id, &query).await? else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let log = call.log(chat.job_id.as_str()).await?;
    if chat.is_told && log.standing().ended {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    stream::open(&call, &id, &log).await
}

/// `POST /api/chat/{id}/stop`: cancels the chat's newest job, if it still goes; says how it stands.
///
/// # Errors
/// [`Code::UnknownChat`], [`Code::Unavailable`].
#[utoipa::path(
    post, path = "/api/chat/{id}/stop", operation_id = "stop_chat", tag = "chat",
    security(("key" = ["submit"])),
    params(("id" = String, Path, description = "The chat"), openapi::parameters::Project),
    responses(
        (status = 200, description = "How its job stands", body = openapi::answers::CancelAnswer),
        (status = 202, description = "It will be canceled", body = openapi::answers::CancelAnswer),
    ),
    extensions(("x-problems" = json!([Code::UnknownChat, Code::Unavailable, Code::Draining]))),
)]
async fn stop(
    May { call, .. }: May<Submit>,
    Segment(id): Segment,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = Query::parse(query.as_deref(), &["project_id"])?;
    let chat = find(&call, &id, &query).await?.ok_or_else(|| {
        Problem::new(Code::UnknownChat, format!("there is no chat {}", quoted(&id)))
    })?;
    let log = call.log(chat.job_id.as_str()).await?;
    let view = |status: &str| axum::Json(json!({ "job_id": log.job, "status": status }));
    Ok(match jobs::end_by_cancel(&call, &log, STOP_REASON).await? {
        None => (StatusCode::ACCEPTED, view("canceling")).into_response(),
        Some(Ended::Now) => view(Status::Canceled.as_str()).into_response(),
        Some(Ended::Before(status)) => view(status.as_str()).into_response(),
    })
}

async fn find(call: &Call, id: &str, query: &Query) -> Result<Option<Chat>, Problem> {
    let project = call.caller().project_of(query.get("project_id"))?;
    Ok(call.store.db().chat(id, project.as_deref()).await?)
}
