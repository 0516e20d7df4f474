//! Errors on the wire: `application/problem+json`, RFC 9457.
//!
//! One table, [`Code::entry`], says for each code what its status is and whether the same request
//! may succeed later. A [`Problem`] adds what is particular to one request. Lower layers know
//! neither: their errors become problems in the conversions at the end of this file, and nothing
//! of their internals reaches a client.

use std::time::Duration;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::db::DbError;
use crate::store::{JournalError, OutOfReach, Refusal};
use crate::telemetry::metrics::metrics;
use crate::telemetry::trace::TraceId;

/// RFC 9457, section 3.
pub(super) const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// How a key is to be sent: RFC 6750, section 3.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"tailwater\"");

/// What a code means to every client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The code on the wire.
    pub code: &'static str,
    /// The status of the response.
    pub status: StatusCode,
    /// The code in words, the same for every request.
    pub title: &'static str,
    /// Whether the same request may succeed later, with nothing else done about it.
    pub retryable: bool,
    /// When to come back, where the request itself does not know better; in seconds.
    pub retry_after: Option<u64>,
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.entry().code)
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $status:ident, $title:literal
        $(, again after $seconds:literal)?;)*) => {
        /// What kind of problem it is; on the wire in snake case.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The row of the table.
            #[must_use]
            pub const fn entry(self) -> Entry {
                match self {
                    $(Self::$name => Entry {
                        code: $code,
                        status: StatusCode::$status,
                        title: $title,
                        retryable: first(&[$($seconds,)? 0]) > 0,
                        retry_after: match first(&[$($seconds,)? 0]) {
                            0 => None,
                            seconds => Some(seconds),
                        },
                    },)*
                }
            }
        }
    };
}

const fn first(seconds: &[u64]) -> u64 {
    seconds[0]
}

codes! {
    /// The body could not be read to its end.
    InvalidBody = "invalid_body", BAD_REQUEST, "The body could not be read";
    /// The body is not JSON, or not UTF-8, or nested too deep.
    InvalidJson = "invalid_json", BAD_REQUEST, "The body is not valid JSON";
    /// The body is longer than this route takes.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "The body is too large";
    /// Fields are missing or wrong; `errors` names each by a JSON pointer.
    InvalidField = "invalid_field", BAD_REQUEST, "The body has missing or wrong fields";
    /// No job can be of this kind.
    UnknownKind = "unknown_kind", BAD_REQUEST, "There is no such kind of job";
    /// A parameter of the path or the query is wrong.
    InvalidParameter = "invalid_parameter", BAD_REQUEST, "A parameter is wrong";
    /// There is no such job.
    UnknownJob = "unknown_job", NOT_FOUND, "There is no such job";
    /// The catalog has no such model.
    UnknownModel = "unknown_model", NOT_FOUND, "There is no such model";
    /// The model cannot be used any more; `successor` names another one.
    ModelRetired = "model_retired", GONE, "The model was retired";
    /// No key, or none that is valid.
    Unauthorized = "unauthorized", UNAUTHORIZED, "A key is needed";
    /// The ticket was good and is not any more.
    ExpiredTicket = "expired_ticket", UNAUTHORIZED, "The ticket has expired";
    /// The key is not for this; `scope` is what it takes.
    Forbidden = "forbidden", FORBIDDEN, "The key does not allow this";
    /// A page of another site made a browser send this.
    CrossSite = "cross_site", FORBIDDEN, "Another site's page may not do this";
    /// The name that the server was called by is not known to be its own.
    WrongHost = "wrong_host", MISDIRECTED_REQUEST, "The server does not answer to this name";
    /// There is no such key.
    UnknownKey = "unknown_key", NOT_FOUND, "There is no such key";
    /// A callback is not from the provider.
    ForgedCallback = "forged_callback", UNAUTHORIZED, "The callback is not the provider's";
    /// A callback came before.
    ReplayedCallback = "replayed_callback", CONFLICT, "The callback was delivered before";
    /// There is no such file.
    UnknownFile = "unknown_file", NOT_FOUND, "There is no such file";
    /// There is no such upload.
    UnknownUpload = "unknown_upload", NOT_FOUND, "There is no such upload";
    /// There is no such delivery of a webhook.
    UnknownDelivery = "unknown_delivery", NOT_FOUND, "There is no such delivery";
    /// The server has no secret to sign webhooks with.
    NoWebhooks = "no_webhooks", CONFLICT, "This server sends no webhooks";
    /// Nothing was submitted in a chat of this id.
    UnknownChat = "unknown_chat", NOT_FOUND, "There is no such chat";
    /// There is no such project.
    UnknownProject = "unknown_project", NOT_FOUND, "There is no such project";
    /// Nothing answers at this path.
    UnknownRoute = "unknown_route", NOT_FOUND, "There is nothing at this path";
    /// The file will be here, and is not yet.
    FileNotReady = "file_not_ready", NOT_FOUND, "The file is not ready yet", again after 1;
    /// This path takes other methods; `Allow` names them.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "The method is not allowed here";
    /// The client took too long to send its request.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "The request took too long to arrive",
        again after 1;
    /// The body is of another media type than this route takes.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE,
        "The media type of the body is not supported";
    /// The bytes are no image, video or sound of a kind that is taken, whatever they are called.
    NotMedia = "not_media", UNSUPPORTED_MEDIA_TYPE, "The file is no image, video or sound";
    /// The file is larger than uploads may be; `limit` is the most, in bytes.
    UploadTooLarge = "upload_too_large", PAYLOAD_TOO_LARGE, "The file is too large";
    /// The address of a file was followed, and no file came.
    NotFetched = "not_fetched", UNPROCESSABLE_ENTITY, "The file could not be fetched";
    /// Nothing can happen to the job any more; `job_status` says how it ended.
    JobEnded = "job_ended", CONFLICT, "The job has ended";
    /// The job is not over, and this is for jobs that are.
    JobActive = "job_active", CONFLICT, "The job has not ended";
    /// Nobody here could run the job anew.
    NotRequeued = "not_requeued", CONFLICT, "The job cannot be put back into the queue";
    /// A later attempt runs the job; `current` is its number.
    Fenced = "fenced", CONFLICT, "A later attempt runs the job";
    /// Events of the producer are missing in between; `expected` is the next one.
    SequenceGap = "sequence_gap", CONFLICT, "Events are missing in between";
    /// Events can only be pushed to jobs of kind `external`.
    NotExternal = "not_external", CONFLICT, "The job takes no events from outside";
    /// The idempotency key was used for another request.
    KeyReused = "key_reused", UNPROCESSABLE_ENTITY,
        "The idempotency key belongs to another request";
    /// The account has less than the job may cost; `balance`, `needed` and `shortfall` are in
    /// micro-credits.
    InsufficientCredits = "insufficient_credits", PAYMENT_REQUIRED,
        "The account is short of credits";
    /// A pushed event has no valid form.
    InvalidEvent = "invalid_event", BAD_REQUEST, "The event is not valid";
    /// A pushed event is larger than events may be.
    EventTooLarge = "event_too_large", PAYLOAD_TOO_LARGE, "The event is too large";
    /// A line of a pushed stream of events does not end within the limit.
    LineTooLong = "line_too_long", PAYLOAD_TOO_LARGE, "The line is too long";
    /// No byte of the file is within the range.
    RangeNotSatisfiable = "range_not_satisfiable", RANGE_NOT_SATISFIABLE,
        "The range is not within the file";
    /// The client has as many connections as it may; `limit` is how many.
    TooManyConnections = "too_many_connections", TOO_MANY_REQUESTS,
        "There are too many connections", again after 15;
    /// The client asks too often; `limit` is how many requests a second are answered.
    TooManyRequests = "too_many_requests", TOO_MANY_REQUESTS, "There are too many requests",
        again after 1;
    /// There are as many streams as there may be; `limit` is how many.
    TooManyStreams = "too_many_streams", TOO_MANY_REQUESTS, "There are too many streams",
        again after 15;
    /// As many jobs of the project wait as may; `limit` is how many.
    TooManyJobs = "too_many_jobs", TOO_MANY_REQUESTS, "Too many jobs of the project wait",
        again after 10;
    /// The files of the project take all the room that they may; `limit` is how much, in bytes.
    ProjectFull = "project_full", PAYLOAD_TOO_LARGE, "The project has no more room on disk";
    /// The database does not answer.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "The database is not available",
        again after 5;
    /// There is too much to do, or no memory for more.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "The server is overloaded", again after 10;
    /// The server is going down; another one, or the next, will answer.
    Draining = "draining", SERVICE_UNAVAILABLE, "The server is going down", again after 2;
    /// The fault is ours; the log has the details.
    Internal = "internal", INTERNAL_SERVER_ERROR, "The server failed";
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where it is in the body: a JSON pointer, RFC 6901.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

/// An error response.
#[derive(Clone, Debug)]
pub struct Problem {
    code: Code,
    detail: String,
    errors: Vec<FieldError>,
    members: Map<String, Value>,
    retry_after: Option<Duration>,
}

impl Problem {
    /// A problem, and what it is in this very case.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            members: Map::new(),
            retry_after: code.entry().retry_after.map(Duration::from_secs),
        }
    }

    /// Names a field that is wrong, by its JSON pointer (`/input/topic`; empty for the whole body).
    #[must_use]
    pub fn field(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.errors.push(FieldError { pointer: pointer.into(), detail: detail.into() });
        self
    }

    /// Adds a member of its own. The members that every problem has cannot be replaced.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.into(), value.into());
        self
    }

    /// Says when to come back, instead of what the table says. On the wire it is whole seconds, at
    /// least one, and up to a fifth later, so that those who were refused together do not come back
    /// together.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// What kind of problem it is.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// What it is in this very case.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The fields that were named so far.
    #[must_use]
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    /// The body of the response.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let entry = self.code.entry();
        let mut members = self.members.clone();
        // A relative reference: which host answers is not ours to know (RFC 9457, section 3.1.1).
        members.insert("type".into(), format!("/problems/{}", entry.code).into());
        members.insert("title".into(), entry.title.into());
        members.insert("status".into(), entry.status.as_u16().into());
        members.insert("detail".into(), self.detail.clone().into());
        members.insert("code".into(), entry.code.into());
        members.insert("retryable".into(), entry.retryable.into());
        if !self.errors.is_empty() {
            members.insert("errors".into(), json!(self.errors));
        }
        Value::Object(members)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let entry = self.code.entry();
        if is_bound(entry.status) {
            metrics().refused_total.with_label_values(&[entry.code]).inc();
        }
        let mut view = self.to_json();
        if let Some(trace) = TraceId::current() {
            view["trace_id"] = trace.to_string().into();
        }
        let body = view.to_string();
        let mut response = (entry.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, MEDIA_TYPE);
        if matches!(self.code, Code::Unauthorized | Code::ExpiredTicket) {
            headers.insert(WWW_AUTHENTICATE, CHALLENGE);
        }
        if let Some(delay) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds(delay, fastrand::f64())));
        }
        response
    }
}

/// Whether a status says that there was no room: on the server, or of what its client may have.
fn is_bound(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::PAYLOAD_TOO_LARGE
    )
}

/// Something that a client sent, as a detail may show it: in quotes, shortened and on one line,
/// with what is invisible or turns the direction of text escaped.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    if text.chars().nth(80).is_some() {
        shown.push('…');
    }
    format!("'{shown}'")
}

/// A delay as whole seconds, for a `random` number below 1: lengthened by up to a fifth, then
/// rounded by chance, since plain rounding would take the jitter out of a short delay again.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "never negative, and a float past u64 becomes the largest"
)]
fn seconds(delay: Duration, random: f64) -> u64 {
    let jittered = delay.as_secs_f64() * (1.0 + random * 0.2);
    ((jittered + random).floor() as u64).max(1)
}

impl From<DbError> for Problem {
    /// Logs the error: a client only learns that the database did not answer.
    fn from(error: DbError) -> Self {
        tracing::error!(%error, "a request needed the database");
        match error {
            DbError::Statement(
                sqlx::Error::Decode(_)
                | sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::ColumnNotFound(_)
                | sqlx::Error::TypeNotFound { .. },
            ) => Self::new(Code::Internal, "a stored row could not be read"),
            DbError::Open { .. }
            | DbError::Address
            | DbError::Encoding { .. }
            | DbError::InUse { .. }
            | DbError::Newer { .. }
            | DbError::Older { .. }
            | DbError::Migrate(_)
            | DbError::Statement(_) => Self::new(Code::Unavailable, "the database did not answer"),
        }
    }
}

impl From<JournalError> for Problem {
    /// The journal logs on its own that the database is down; a refused change is logged here.
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Unavailable(_) => {
                Self::new(Code::Unavailable, "the database takes no writes at the moment")
            }
            JournalError::Refused(error) => {
                tracing::error!(%error, "the database refused a change");
                Self::new(Code::Internal, "the change could not be stored")
            }
            JournalError::Stopped => Self::new(Code::Draining, "the server is going down"),
        }
    }
}

impl From<OutOfReach> for Problem {
    fn from(error: OutOfReach) -> Self {
        Self::new(Code::Unavailable, error.to_string())
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::Fenced { attempt, current } => {
                Self::new(Code::Fenced, detail).with("attempt", attempt).with("current", current)
            }
            Refusal::Ended(status) => {
                Self::new(Code::JobEnded, detail).with("job_status", status.to_string())
            }
            Refusal::SequenceGap { expected, got } => {
                Self::new(Code::SequenceGap, detail).with("expected", expected).with("got", got)
            }
        }
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::new(Code::InvalidParameter, rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(Code::InvalidParameter, rejection.body_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_sent_is_shown_on_one_line_and_in_one_direction() {
        assert_eq!(quoted("a\nb\u{202e}é"), r"'a\nb\u{202e}é'");
        assert_eq!(quoted(&"x".repeat(81)), format!("'{}…'", "x".repeat(80)));
    }
    use crate::job::Status;
    use std::collections::HashSet;

    #[test]
    fn the_table_is_total_and_each_code_is_its_own() {
        let codes: HashSet<_> = Code::ALL.iter().map(|code| code.entry().code).collect();
        assert_eq!(codes.len(), Code::ALL.len());
        for code in Code::ALL {
            let Entry { code, status, title, .. } = code.entry();
            assert!(status.is_client_error() || status.is_server_error(), "{code}");
            assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{code}");
            assert!(!title.is_empty() && !title.ends_with('.'), "{code}");
        }
    }

    #[test]
    fn whoever_is_refused_for_now_learns_when_to_come_back() {
        for code in Code::ALL {
            let entry = code.entry();
            let response = Problem::new(*code, "x").into_response();
            let status = response.status();
            assert_eq!(status, entry.status);
            let hint = response.headers().get(RETRY_AFTER);
            assert_eq!(hint.is_some(), entry.retryable, "{}", entry.code);
            if status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS
            {
                let seconds: u64 = hint.unwrap().to_str().unwrap().parse().unwrap();
                assert!(seconds >= 1);
            }
        }
    }

    #[test]
    fn a_hint_is_whole_seconds_up_to_a_fifth_later() {
        assert_eq!(seconds(Duration::ZERO, 0.999), 1);
        assert_eq!(seconds(Duration::from_millis(1), 0.0), 1);
        assert_eq!(seconds(Duration::from_secs(10), 0.0), 10);
        assert_eq!(seconds(Duration::from_secs(100), 0.5), 110);
        assert_eq!(seconds(Duration::from_secs(10), 0.999), 12);
    }

    #[test]
    fn a_problem_says_everything_that_rfc_9457_asks_for() {
        let problem = Problem::new(Code::InvalidField, "2 fields are wrong")
            .field("/input/topic", "missing")
            .field("/input/words", "not a number")
            .with("expected", 7)
            .with("status", "cannot be replaced");
        let expected = json!({
            "type": "/problems/invalid_field", "title": "The body has missing or wrong fields",
            "status": 400, "detail": "2 fields are wrong", "code": "invalid_field",
            "retryable": false, "expected": 7,
            "errors": [{"pointer": "/input/topic", "detail": "missing"},
                       {"pointer": "/input/words", "detail": "not a number"}],
        });
        assert_eq!(problem.to_json(), expected);
        let response = problem.into_response();
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    }

    #[test]
    fn internals_stay_inside() {
        let secret = "unique constraint on job.secret_column";
        let problems = [
            Problem::from(DbError::Statement(sqlx::Error::Protocol(secret.into()))),
            Problem::from(DbError::Statement(sqlx::Error::ColumnNotFound(secret.into()))),
            Problem::from(JournalError::Unavailable(secret.into())),
            Problem::from(JournalError::Refused(secret.into())),
        ];
        for problem in problems {
            assert!(!problem.to_json().to_string().contains("secret"), "{problem:?}");
            assert!(problem.code().entry().status.is_server_error());
        }
    }

    #[test]
    fn a_refusal_keeps_its_code() {
        let refusals = [
            Refusal::Fenced { attempt: 1, current: 2 },
            Refusal::Ended(Status::Failed),
            Refusal::SequenceGap { expected: 5, got: 9 },
        ];
        for refusal in refusals {
            let code = refusal.code();
            assert_eq!(Problem::from(refusal).code().entry().code, code);
        }
        let gap = Problem::from(Refusal::SequenceGap { expected: 5, got: 9 });
        assert_eq!(gap.to_json()["expected"], 5);
    }
}
