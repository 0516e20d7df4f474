//! Which other sites' pages may read answers: CORS, by a list.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::http::Options;

/// How long a browser may remember what it was told; browsers take two hours at most.
const MAX_AGE: Duration = Duration::from_secs(7200);

/// The layer that answers browsers, for the origins that are listed, if any is. No cookies come from
/// there: such pages have tickets.
pub fn layer(options: &Options) -> Option<CorsLayer> {
    if options.cors_origins.is_empty() {
        return None;
    }
    let origins = options.cors_origins.iter().filter_map(|origin| origin.parse().ok());
    let named = |name: &'static str| HeaderName::from_static(name);
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins.collect::<Vec<HeaderValue>>()))
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CACHE_CONTROL,
            header::CONTENT_TYPE,
            header::IF_NONE_MATCH,
            header::RANGE,
            named("idempotency-key"),
            named("last-event-id"),
        ])
        .expose_headers([
            header::CONTENT_RANGE,
            header::ETAG,
            header::LOCATION,
            header::RETRY_AFTER,
            named("idempotent-replayed"),
            named("x-tailwater-job"),
        ])
        .max_age(MAX_AGE);
    Some(layer)
}
