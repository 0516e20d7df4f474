//! `MiniMax` (<https://platform.minimax.io/docs/api-reference/video-generation-intro>): two
//! generations of one API, which do not agree on how an error looks.

mod v1;
mod v2;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::Response;

use super::desk::Desk;
use super::host::Terms;

/// The largest request, in bytes.
const MAX_BODY_BYTES: usize = 64 << 20;

/// What its files are handed out on: about an hour.
pub(super) fn terms(speed: f64) -> Terms {
    Terms {
        provider: "minimax",
        life: Duration::from_secs(3_600).div_f64(speed),
        expired: StatusCode::FORBIDDEN,
        takes_keys: false,
    }
}

pub(super) fn router(desk: Arc<Desk>) -> Router {
    v1::router()
        .merge(v2::router())
        .layer(axum::middleware::map_response(trace))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(desk.clone())
        .merge(desk.router())
}

/// The header that support asks for.
async fn trace(mut response: Response) -> Response {
    let trace = uuid::Uuid::now_v7().simple().to_string();
    if let Ok(trace) = trace.parse() {
        response.headers_mut().insert("trace-id", trace);
    }
    response
}

/// An id: digits only.
fn id() -> String {
    fastrand::u64(100_000_000_000_000..1_000_000_000_000_000).to_string()
}
