//! What can go wrong for a client.

use std::error::Error;
use std::time::{Duration, SystemTime};

use reqwest::Response;
use reqwest::header::RETRY_AFTER;
use serde::Deserialize;

use crate::backoff;

/// Why a call, or a watch, came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server's address is no web address.
    #[error("'{}' is not the address of a server; it looks like http://127.0.0.1:8080", .0.escape_debug())]
    BadAddress(String),
    /// TLS cannot be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Setup(String),
    /// Nobody answers there.
    #[error("no server answers at {server}: {reason}")]
    Unreachable {
        /// The server's address, without a password.
        server: String,
        /// What the system said.
        reason: String,
    },
    /// The server refused, and said why.
    #[error("{detail} ({code})")]
    Problem {
        /// The HTTP status.
        status: u16,
        /// The code of the problem, one of `PROTOCOL.md`.
        code: String,
        /// The same for people.
        detail: String,
        /// How long to wait before another try, where the server says so; at most 5 minutes.
        retry_after: Option<Duration>,
    },
    /// The answer is not what a Tailwater server sends.
    #[error("the answer is not a Tailwater server's: {0}")]
    Unreadable(String),
}

impl ClientError {
    /// Whether the caller's input is what was wrong, so that the same call will never do.
    #[must_use]
    pub const fn is_bad_input(&self) -> bool {
        match self {
            Self::BadAddress(_) => true,
            Self::Problem { status, .. } => matches!(*status, 400 | 404 | 413 | 415 | 422),
            Self::Setup(_) | Self::Unreachable { .. } | Self::Unreadable(_) => false,
        }
    }
}

/// An answer as RFC 9457 describes it, of which nothing can be relied on: a proxy may have made it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
    code: Option<String>,
    errors: Vec<FieldError>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct FieldError {
    pointer: String,
    detail: Option<String>,
}

/// Passes a good answer on, and turns any other into what the server said was wrong.
pub(super) async fn refusal(response: Response) -> Result<Response, ClientError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let retry_after = retry_after(&response);
    let text = response.bytes().await.unwrap_or_default();
    let problem: Problem = serde_json::from_slice(&text).unwrap_or_default();
    let fallback = || format!("the server answered {status}");
    let mut detail = problem.detail.or(problem.title).unwrap_or_else(fallback);
    for field in &problem.errors {
        if let Some(more) = field.detail.as_deref().filter(|more| !detail.contains(more)) {
            detail += &format!("; {} {more}", field.pointer);
        }
    }
    let code = problem.code.unwrap_or_else(|| format!("http_{}", status.as_u16()));
    Err(ClientError::Problem { status: status.as_u16(), code, detail, retry_after })
}

/// What the answer says about coming back.
pub(super) fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    backoff::retry_after(value, SystemTime::now())
}

/// The innermost cause, which is what a person can act on: reqwest's own message says only that a
/// request was not sent.
pub(super) fn causes(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
