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
    #[error("{} ({code})", with_fields(.detail, .fields))]
    Problem {
        /// The HTTP status.
        status: u16,
        /// The code of the problem, one of `PROTOCOL.md`.
        code: String,
        /// The same for people.
        detail: String,
        /// What is wrong with each field of the request, where the server says so.
        fields: Vec<FieldError>,
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

/// What is wrong with one field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct FieldError {
    /// Where it is in the request, as a JSON pointer.
    pub pointer: String,
    /// What is wrong with it, to follow its name.
    pub detail: String,
}

/// Everything that was said, in one line; what the detail says already is not repeated.
fn with_fields(detail: &str, fields: &[FieldError]) -> String {
    let mut line = detail.to_owned();
    for field in fields.iter().filter(|field| !detail.contains(&field.detail)) {
        line += &format!("; {} {}", field.pointer, field.detail);
    }
    line
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
    let detail = problem.detail.or(problem.title).unwrap_or_else(fallback);
    let code = problem.code.unwrap_or_else(|| format!("http_{}", status.as_u16()));
    let status = status.as_u16();
    Err(ClientError::Problem { status, code, detail, fields: problem.errors, retry_after })
}

/// The longest that a client waits because a server said so: a person is watching.
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);

/// What the answer says about coming back.
pub(super) fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    let wait = backoff::retry_after(value, SystemTime::now())?;
    Some(wait.min(LONGEST_WAIT))
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
