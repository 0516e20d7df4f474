//! `GET /metrics`, for Prometheus.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use crate::http::Problem;
use crate::http::guard::{May, Read};
use crate::telemetry::metrics::{TEXT, render};

use super::now;

/// `GET /metrics`: what is counted of this process, in Prometheus' text format.
///
/// # Errors
/// [`crate::http::Code::Forbidden`] for a key of one project: the figures are of all.
#[utoipa::path(
    get, path = "/metrics", operation_id = "show_metrics", tag = "operator",
    security(("key" = ["read"])),
    responses((
        status = 200, description = "Prometheus' text format, version 0.0.4",
        body = String, content_type = "text/plain",
    )),
)]
pub(super) async fn show(May { call, .. }: May<Read>) -> Result<Response, Problem> {
    call.caller().require_all_projects()?;
    now::look(&call).await;
    let headers = [(CONTENT_TYPE, TEXT), (CACHE_CONTROL, "no-store")];
    Ok((headers, render()).into_response())
}
