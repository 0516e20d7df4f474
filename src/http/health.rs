//! Whether the process lives, whether it takes work, what it is.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::guard::Call;
use super::{App, Info, openapi};

/// `GET /healthz`: the process answers.
#[utoipa::path(
    get, path = "/healthz", operation_id = "alive", tag = "server",
    responses((status = 200, description = "It does", body = String, content_type = "text/plain")),
)]
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

impl App {
    /// Why no new jobs are taken at the moment, if so.
    pub(super) fn refuses_jobs(&self) -> Option<&'static str> {
        if self.draining.is_cancelled() {
            Some("draining")
        } else if self.store.journal().health().trouble.is_some() {
            Some("database")
        } else if self.store.is_full() {
            Some("memory")
        } else if !self.store.has_room() {
            Some("journal")
        } else {
            None
        }
    }
}

/// `GET /readyz`: 200 while new jobs are taken, 503 with the reason while they are not.
#[utoipa::path(
    get, path = "/readyz", operation_id = "ready", tag = "server",
    responses(
        (status = 200, description = "They are taken", body = openapi::answers::Readiness),
        (status = 503, description = "They are not", body = openapi::answers::Readiness),
    ),
)]
pub(super) async fn ready(State(app): State<App>) -> Response {
    let journal = app.store.journal();
    let reason = app.refuses_jobs();
    let status = if reason.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let view = json!({
        "ready": reason.is_none(),
        "reason": reason,
        "head": app.store.head(),
        "durable_through": journal.durable_through(),
        "not_durable": app.store.not_durable(),
        "memory_bytes": app.store.memory(),
        "running_jobs": app.queue.running_count(),
        "node": app.store.cluster().map(|cluster| cluster.runner().unsigned_abs()),
        "degraded": app.store.is_degraded(),
    });
    (status, Json(view)).into_response()
}

/// `GET /api/info`: what a page should tell people about this server.
#[utoipa::path(
    get, path = "/api/info", operation_id = "show_info", tag = "server",
    security(("key" = [])),
    responses((status = 200, description = "The server", body = Info)),
)]
pub(super) async fn info(call: Call) -> Json<Info> {
    Json(call.info.as_ref().clone())
}
