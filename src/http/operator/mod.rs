//! What the operator sees and does: figures, all jobs, one job's whole story; retry, requeue.

mod actions;
mod entries;
mod explain;
mod feed;
mod figures;
mod jobs;
mod metrics;
mod now;
mod story;

use axum::Router;
use axum::routing::{get, post};
use utoipa::OpenApi;

use super::App;

/// The operator's routes.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/metrics", get(metrics::show))
        .route("/api/admin/stream", get(figures::stream))
        .route("/api/admin/jobs/{id}/stream", get(story::stream))
        .route("/api/admin/jobs/{id}/retry", post(actions::retry))
        .route("/api/admin/jobs/{id}/requeue", post(actions::requeue))
}

/// The same as the document has them.
#[derive(OpenApi)]
#[openapi(paths(metrics::show, figures::stream, story::stream, actions::retry, actions::requeue))]
pub(super) struct Routes;
