//! What the operator sees and does: figures, all jobs, one job's whole story; retry, requeue.

mod metrics;
mod now;

use axum::Router;
use axum::routing::get;
use utoipa::OpenApi;

use super::App;

/// The operator's routes.
pub(super) fn router() -> Router<App> {
    Router::new().route("/metrics", get(metrics::show))
}

/// The same as the document has them.
#[derive(OpenApi)]
#[openapi(paths(metrics::show))]
pub(super) struct Routes;
