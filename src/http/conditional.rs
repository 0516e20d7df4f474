//! Answers that a poller asks for again and again: entity tags, and holding until there is another.
//!
//! RFC 9110, sections 8.8.3 (`ETag`), 13.1.2 (`If-None-Match`) and 10.2.3 (`Retry-After`).

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep_until};

use crate::db::DbError;

use super::query::Query;
use super::{App, Problem};

/// The longest that an answer is held, in seconds: below every proxy's time limit.
pub(super) const LONGEST_WAIT: u64 = 25;

/// How long a request wants its answer held: `wait`, in seconds.
///
/// # Errors
/// [`super::Code::InvalidParameter`].
pub(super) fn wait(query: &Query) -> Result<Duration, Problem> {
    Ok(Duration::from_secs(query.number("wait", 0..=LONGEST_WAIT, 0)?))
}

/// A tag that changes with what is given. It is weak: what a client sees may differ in when to come
/// again, which is no news.
pub(super) fn tag_of<T: Serialize>(what: &T) -> String {
    let json = serde_json::to_vec(what).expect("a view is plain data");
    let digits: String =
        Sha256::digest(json).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("W/\"{digits}\"")
}

/// Waits for news of what a poller has already; false when the time is up or the server goes down,
/// and the poller is told that nothing is new.
///
/// # Errors
/// Those of the news.
pub(super) async fn happens(
    app: &App,
    until: Instant,
    news: impl Future<Output = Result<(), DbError>>,
) -> Result<bool, DbError> {
    tokio::select! {
        told = news => told.map(|()| true),
        () = sleep_until(until) => Ok(false),
        () = app.draining.cancelled() => Ok(false),
    }
}

/// The answer with its tag and when to come again; without a view, that nothing is new.
pub(super) fn answer(view: Option<Value>, tag: &str, poll_after: Option<Duration>) -> Response {
    let mut response = match view {
        Some(view) => Json(view).into_response(),
        None => StatusCode::NOT_MODIFIED.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::ETAG, HeaderValue::from_str(tag).expect("made of visible ASCII"));
    if let Some(wait) = poll_after {
        // The header has whole seconds; the body has milliseconds.
        headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
    response
}

/// When to come again, as bodies have it.
pub(super) fn milliseconds(poll_after: Option<Duration>) -> Option<u64> {
    poll_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(1000))
}
