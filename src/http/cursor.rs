//! A request's cursor.

use axum::http::HeaderMap;

use crate::event::{Cursor, EventId};
use crate::telemetry::metrics::metrics;

use super::query::Query;

/// The cursor of a request: the `Last-Event-ID` header, else `after`, else the beginning.
///
/// The header wins: a browser that reconnects sends it to the URL with the old `after`.
pub(super) fn of(headers: &HeaderMap, query: &Query) -> Cursor {
    let after = || Cursor::parse(query.get("after").unwrap_or_default().as_bytes());
    of_header(headers).unwrap_or_else(after)
}

/// The same for a stream: who comes with a cursor comes back, and is counted.
pub(super) fn of_stream(headers: &HeaderMap, query: &Query) -> Cursor {
    let cursor = of(headers, query);
    if cursor != Cursor::At(EventId::ZERO) {
        metrics().reconnects_total.inc();
    }
    cursor
}

/// The cursor of the `Last-Event-ID` header, where there is one.
pub(super) fn of_header(headers: &HeaderMap) -> Option<Cursor> {
    let header = headers.get("last-event-id")?.as_bytes();
    // A browser that has no id sends no header; a proxy that blanks it means the same.
    (!header.is_empty()).then(|| Cursor::parse(header))
}

/// The number that a client sent as its cursor, where it was one.
pub(super) const fn number(cursor: Cursor) -> Option<EventId> {
    match cursor {
        Cursor::At(id) => Some(id),
        Cursor::Foreign => None,
    }
}
