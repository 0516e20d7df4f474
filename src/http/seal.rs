//! What every response says about itself, so that no browser takes it for something else.

use axum::extract::State;
use axum::http::header::{
    CACHE_CONTROL, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::Response;

/// Who may have it within a page without asking: Fetch, section 3.7.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The headers of every response, where it does not say otherwise itself: it is of the type that it
/// says (WHATWG Fetch, `nosniff`), its address is not told to others (it may have a ticket in it),
/// other sites do not get it into their pages, nor into their memory, and no cache gives it to somebody
/// else: who may have it is asked each time.
const EVERYWHERE: [(HeaderName, HeaderValue); 4] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
];

/// Adds what a response does not say yet. Where other sites are let in, so are their players and
/// pictures.
pub(super) async fn seal(State(lets_in): State<bool>, mut response: Response) -> Response {
    let headers = response.headers_mut();
    if lets_in {
        headers.entry(RESOURCE_POLICY).or_insert(HeaderValue::from_static("cross-origin"));
    }
    for (name, value) in EVERYWHERE {
        headers.entry(name).or_insert(value);
    }
    response
}
