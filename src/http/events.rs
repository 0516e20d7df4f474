//! `GET /api/jobs/{id}/events`: the same events as the stream's, as JSON pages.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::RawQuery;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::db::DbError;
use crate::event::{Event, EventId};
use crate::store::{Gap, Log};

use super::guard::{May, Read};
use super::query::Query;
use super::readers::Transport;
use super::segment::Segment;
use super::{App, Code, Problem, conditional, cursor, openapi, view};

/// From how many bytes on a page is long enough, however few events it has.
const PAGE_BYTES: usize = 1 << 20;

/// Answers with the next events after a cursor; with `wait`, holds until there is one.
///
/// A cursor that cannot be resumed gets `gap` and `snapshot`, then the events after it.
///
/// # Errors
/// [`super::Code::UnknownJob`], [`super::Code::InvalidParameter`].
#[utoipa::path(
    get, path = "/api/jobs/{id}/events", operation_id = "list_events", tag = "jobs",
    security(("key" = ["read"])),
    params(
        ("id" = String, Path, description = "The job"),
        openapi::parameters::Events,
        openapi::parameters::Resume,
    ),
    responses((status = 200, description = "The next events", body = openapi::answers::EventPage)),
    extensions(("x-problems" = json!([Code::UnknownJob, Code::Unavailable]))),
)]
pub(super) async fn list(
    May { call, .. }: May<Read>,
    Segment(id): Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = Query::parse(query.as_deref(), &["after", "limit", "wait"])?;
    let limit = usize::try_from(query.number("limit", 1..=1000, 200)?).unwrap_or(200);
    let wait = conditional::wait(&query)?;
    let log = call.log(&id).await?;
    let asked = cursor::of(&headers, &query);
    let (mut after, mut gap) = (EventId::ZERO, None);
    call.store.reach(asked).await?;
    match call.store.resume(log.trimmed_through(), asked) {
        Ok(cursor) => after = cursor,
        Err(reason) => {
            let snapshot = call.store.snapshot(&log).await?;
            after = after.max(snapshot.id);
            gap = Some((Gap::told(cursor::number(asked), snapshot.id, reason), snapshot));
        }
    }
    if gap.is_none() && !wait.is_zero() {
        wait_for_news(&call, &log, after, wait).await;
    }
    let events = page(&call, &log, after, limit).await?;
    let standing = log.standing();
    let next = events.last().map_or(after, |event| event.id);
    let mut tail = json!({
        "next": next,
        "ended": standing.ended && next >= standing.last,
        "head": standing.last,
        "poll_after_ms":
            conditional::milliseconds(view::poll_after(&standing, log.has_voiceover)),
    });
    if let Some((gap, snapshot)) = gap {
        tail["gap"] = json!(gap);
        tail["snapshot"] = json!(snapshot);
    }
    Ok(respond(&events, &tail.to_string()))
}

/// The next events, as many as fit: one look at the store gives those of one place only, and some
/// may be in the database and some in memory.
async fn page(
    app: &App,
    log: &Arc<Log>,
    mut after: EventId,
    limit: usize,
) -> Result<Vec<Event>, DbError> {
    let (mut events, mut bytes) = (Vec::new(), 0);
    while events.len() < limit && bytes < PAGE_BYTES {
        let more = app.store.read(log, after, EventId::MAX, limit - events.len()).await?;
        let Some(last) = more.last() else { break };
        after = last.id;
        bytes += more.iter().map(|event| event.frame.bytes().len()).sum::<usize>();
        events.extend(more);
    }
    Ok(events)
}

/// Follows the job until there is an event after the cursor, the job is over, or the time is up.
async fn wait_for_news(app: &App, log: &Arc<Log>, after: EventId, wait: Duration) {
    let mut follower = app.store.follow(log, after);
    let _seat = app.readers.sit_down(vec![log.job.clone()], Transport::Poll, after);
    tokio::select! {
        _ = tokio::time::timeout(wait, follower.next()) => {}
        () = app.draining.cancelled() => {}
    }
}

/// Puts the page together out of the events' own bytes.
fn respond(events: &[Event], tail: &str) -> Response {
    let size: usize = events.iter().map(|event| event.frame.bytes().len() + 64).sum();
    let mut page = Vec::with_capacity(size + tail.len() + 16);
    page.extend_from_slice(b"{\"events\":[");
    for (index, event) in events.iter().enumerate() {
        if index > 0 {
            page.push(b',');
        }
        let (id, name, at) = (event.id, event.frame.name(), event.at);
        page.extend_from_slice(
            format!(r#"{{"id":{id},"type":"{name}","at":{at},"data":"#).as_bytes(),
        );
        page.extend_from_slice(event.frame.data());
        page.push(b'}');
    }
    page.extend_from_slice(b"],");
    page.extend_from_slice(&tail.as_bytes()[1..]);
    let mut response = Body::from(page).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
