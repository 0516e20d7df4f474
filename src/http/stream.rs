//! `GET /api/jobs/{id}/stream`: a job's events as server-sent events.
//!
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>

use std::collections::VecDeque;
use std::sync::Arc;

use axum::extract::{Extension, RawQuery};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::event::EventId;
use crate::job::{JobId, Status};
use crate::store::Gap;

use super::guard::{Call, May, Read};
use super::handover::{Exit, Promise};
use super::query::Query;
use super::segment::Segment;
use super::streaming::{Pace, come_again, keep_alive_ms, keep_alive_s, respond};
use super::{Code, Problem, control, cursor, openapi};

/// What a reader of one job is told first.
#[derive(Serialize)]
struct Hello<'a> {
    job: &'a JobId,
    status: Status,
    attempt: u32,
    after: Option<EventId>,
    head: EventId,
    keep_alive_ms: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    degraded: bool,
}

/// Streams a job's events from a cursor on, to its end.
///
/// # Errors
/// [`super::Code::UnknownJob`]; a bad cursor is a `gap` and not an error.
#[utoipa::path(
    get, path = "/api/jobs/{id}/stream", operation_id = "stream_job", tag = "streams",
    security(("key" = ["read"])),
    params(
        ("id" = String, Path, description = "The job"),
        openapi::parameters::Stream,
        openapi::parameters::Resume,
    ),
    responses(
        (
            status = 200, description = "Server-sent events",
            body = openapi::events::JobEvent, content_type = "text/event-stream",
        ),
        (status = 204, description = "All of it was told: a native EventSource stops for good"),
    ),
    extensions(("x-problems" = json!([Code::UnknownJob]))),
)]
pub(super) async fn job(
    May { call, .. }: May<Read>,
    Segment(id): Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    exit: Option<Extension<Exit>>,
) -> Result<Response, Problem> {
    let query = Query::of_stream(query.as_deref());
    let exit = exit.map(|Extension(exit)| exit);
    open(&call, &id, &query, &headers, exit).await.or_else(come_again)
}

async fn open(
    call: &Call,
    id: &str,
    query: &Query,
    headers: &HeaderMap,
    exit: Option<Exit>,
) -> Result<Response, Problem> {
    let log = call.log(id).await?;
    let asked = cursor::of_stream(headers, query);
    call.store.reach(asked).await?;
    let resumed = call.store.resume(log.trimmed_through(), asked);
    let standing = log.standing();
    if standing.ended && resumed.is_ok_and(|cursor| cursor >= standing.last) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let held = call.hold_stream([&log.job])?;
    let hello = Hello {
        job: &log.job,
        status: standing.status,
        attempt: standing.attempt,
        after: cursor::number(asked),
        head: call.store.head(),
        keep_alive_ms: keep_alive_ms(&call.options, query),
        degraded: call.store.is_degraded(),
    };
    let mut opening = VecDeque::from([control::retry(), control::hello(&hello)]);
    let mut after = resumed.unwrap_or_default();
    if let Err(reason) = resumed {
        let snapshot = call.store.snapshot(&log).await?;
        let gap = Gap::told(cursor::number(asked), snapshot.id, reason);
        after = snapshot.id;
        opening.extend(control::gap(&gap, &snapshot));
    }
    let pace = Pace::new(&call.options, query, call.right(), call.limits.crowd());
    if let (Some(exit), Some(engine), false) = (exit, &call.engine, hello.degraded) {
        let promise = Promise {
            engine: Arc::clone(engine),
            log,
            after,
            keep_alive_as_event: pace.keep_alive_as_event,
            keep_alive_s: keep_alive_s(query),
            ends_at: pace.ends_at,
            key: pace.right.key,
            revoked: pace.right.revoked,
            held,
        };
        let opening: Vec<_> = opening.into();
        return Ok(exit.respond(opening.concat().into(), promise));
    }
    let follower = call.store.follow(&log, after);
    Ok(respond(call, pace, opening, follower, held))
}
