//! Counts requests, by the template of their route, and puts each into its trace.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use crate::telemetry::metrics::metrics;
use crate::telemetry::trace::{TraceId, note_failure};

/// The route of a request that none answers.
const UNKNOWN: &str = "unknown";

/// Counts a request, and how long the head of its answer takes.
///
/// It is of the trace that its sender names; of a job's, where it is about one; of its own otherwise.
pub(super) async fn count(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or(UNKNOWN, MatchedPath::as_str);
    let method = known(request.method().as_str());
    let trace = trace_of(&request, route);
    let span = trace.span("request");
    span.record("what", tracing::field::display(format_args!("{method} {route}")));
    let response = trace.scope(next.run(request).instrument(span.clone())).await;
    let status = response.status();
    let metrics = metrics();
    metrics.http_requests_total.with_label_values(&[method, route, status.as_str()]).inc();
    let seconds = metrics.http_request_seconds.with_label_values(&[route]);
    seconds.observe(began.elapsed().as_secs_f64());
    if status.is_server_error() {
        note_failure(&span, status.as_str());
        tracing::debug!(%trace, method, route, status = status.as_u16(), "a request failed");
    }
    response
}

fn trace_of(request: &Request, route: &str) -> TraceId {
    let header = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
    let of_job = || {
        let (before, _) = route.split_once("{id}")?;
        let job = request.uri().path().get(before.len()..)?.split('/').next()?;
        job.starts_with("job_").then(|| TraceId::of_job(job))
    };
    header.and_then(TraceId::of_header).or_else(of_job).unwrap_or_else(TraceId::random)
}

/// A method that there are a few of: a client may send any word.
fn known(method: &str) -> &'static str {
    ["GET", "POST", "DELETE", "HEAD", "PUT", "OPTIONS", "PATCH"]
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or("other")
}
