//! What those get who are over a limit.

use axum::Router;
use axum::http::{Method, Uri};
use axum::response::{IntoResponse, Response};

use super::super::{Problem, streaming};

/// The answer to a request that is over a limit. A native `EventSource` gives up for good on any
/// status but 200: a stream is opened, told when to come again, and closed.
pub(in crate::http) fn refusal(problem: Problem, method: &Method, uri: &Uri) -> Response {
    if method == Method::GET && is_stream(uri.path()) {
        return streaming::over_limit(&problem);
    }
    problem.into_response()
}

/// Answers every request of a connection that is one too many.
pub(in crate::http) fn refuse_all(problem: &Problem) -> Router {
    let problem = problem.clone();
    Router::new().fallback(async move |request: axum::extract::Request| {
        refusal(problem, request.method(), request.uri())
    })
}

/// Whether an `EventSource` would read what is at this path.
fn is_stream(path: &str) -> bool {
    let Some(path) = path.strip_prefix("/api/") else { return false };
    let segments: Vec<_> = path.split('/').collect();
    matches!(segments[..], ["stream"] | ["jobs" | "projects", _, "stream"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_told_from_what_else_is_asked_for() {
        for path in ["/api/stream", "/api/jobs/job_1/stream", "/api/projects/p/stream"] {
            assert!(is_stream(path), "{path}");
        }
        // A page that chats reads statuses.
        for path in
            ["/", "/api/chat/c/stream", "/api/jobs/stream", "/api/jobs/a/b/stream", "/stream"]
        {
            assert!(!is_stream(path), "{path}");
        }
    }
}
