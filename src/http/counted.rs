//! Counts requests, by the template of their route.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;

use crate::telemetry::metrics::metrics;

/// The route of a request that none answers.
const UNKNOWN: &str = "unknown";

/// Counts a request, and how long the head of its answer takes.
pub(super) async fn count(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = known(request.method().as_str());
    let response = next.run(request).await;
    let route = route.as_ref().map_or(UNKNOWN, MatchedPath::as_str);
    let metrics = metrics();
    let status = response.status();
    let labels = [method, route, status.as_str()];
    metrics.http_requests_total.with_label_values(&labels).inc();
    let seconds = metrics.http_request_seconds.with_label_values(&[route]);
    seconds.observe(began.elapsed().as_secs_f64());
    response
}

/// A method that there are a few of: a client may send any word.
fn known(method: &str) -> &'static str {
    ["GET", "POST", "DELETE", "HEAD", "PUT", "OPTIONS", "PATCH"]
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or("other")
}
