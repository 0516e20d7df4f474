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
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;

use crate::db::chats::Chat;
use crate::job::Status;
use crate::queue::Ended;

use super::peer::Client;
use super::problem::quoted;
use super::query::Query;
use super::segment::Segment;
use super::{App, Code, Problem, cursor, jobs, media, submit};

/// What readers are told of a stop.
const STOP_REASON: &str = "stopped by the client";

/// The routes of this folder.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/api/chat", post(send))
        .route("/api/chat/{id}/stream", get(resume))
        .route("/api/chat/{id}/stop", post(stop))
}

/// `POST /api/chat`: puts the next answer into the queue and streams it. Whoever goes away does not
/// end it.
///
/// # Errors
/// Everything that is wrong with the body at once, or why no job can be taken now.
async fn send(
    State(app): State<App>,
    headers: HeaderMap,
    client: Client,
    body: Body,
) -> Result<Response, Problem> {
    let given = media::fields(&app, &headers, body).await?;
    let (chat_id, mut task) = body::task(&app, &given).await?;
    task.idempotency_key = submit::idempotency_key(&headers)?;
    let job = app.queue.submit(task).await?.job.id;
    let log = cursor::log(&app, job.as_str()).await?;
    stream::open(&app, &client, &chat_id, &log).await
}

/// `GET /api/chat/{id}/stream`: the chat's newest answer from its beginning, then live; 204 when
/// there is none, or all of it was told.
///
/// # Errors
/// [`Code::Unavailable`].
async fn resume(
    State(app): State<App>,
    Segment(id): Segment,
    RawQuery(query): RawQuery,
    client: Client,
) -> Result<Response, Problem> {
    let query = Query::of_stream(query.as_deref());
    let Some(chat) = find(&app, &id, &query).await? else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let log = cursor::log(&app, chat.job_id.as_str()).await?;
    if chat.is_told && log.standing().ended {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    stream::open(&app, &client, &id, &log).await
}

/// `POST /api/chat/{id}/stop`: cancels the chat's newest job, if it still goes; says how it stands.
///
/// # Errors
/// [`Code::UnknownChat`], [`Code::Unavailable`].
async fn stop(
    State(app): State<App>,
    Segment(id): Segment,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = Query::parse(query.as_deref(), &["project_id"])?;
    let chat = find(&app, &id, &query).await?.ok_or_else(|| {
        Problem::new(Code::UnknownChat, format!("there is no chat {}", quoted(&id)))
    })?;
    let log = cursor::log(&app, chat.job_id.as_str()).await?;
    let view = |status: &str| axum::Json(json!({ "job_id": log.job, "status": status }));
    Ok(match jobs::end_by_cancel(&app, &log, STOP_REASON).await? {
        None => (StatusCode::ACCEPTED, view("canceling")).into_response(),
        Some(Ended::Now) => view(Status::Canceled.as_str()).into_response(),
        Some(Ended::Before(status)) => view(status.as_str()).into_response(),
    })
}

async fn find(app: &App, id: &str, query: &Query) -> Result<Option<Chat>, Problem> {
    let project = query.get("project_id").filter(|name| !name.is_empty());
    Ok(app.store.db().chat(id, project).await?)
}
