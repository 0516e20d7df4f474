//! One attempt: the message is written, signed and sent, and what came back is sorted.

use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use secrecy::ExposeSecret;
use tokio::time::timeout;

use crate::backoff;
use crate::db::DbError;
use crate::db::webhooks::Delivery;
use crate::event::now_ms;
use crate::job::JobId;
use crate::outward::{self, Target};

use super::Webhooks;

/// How much of an answer's body is read, in bytes, so that the connection can be used again.
const BODY_LIMIT: usize = 64 << 10;

/// How long that may take: the status is what counts, and is here.
const BODY_TIME: Duration = Duration::from_secs(1);

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was heard, with this status.
    Heard(u16),
    /// It was not, and another try may go better.
    Again {
        /// The status, where there was an answer.
        status: Option<u16>,
        error: String,
        /// The earliest time for that, where the receiver named one.
        retry_after: Option<Duration>,
        /// Whether the endpoint itself is in trouble, and not only this delivery.
        is_down: bool,
    },
    /// It was not, and will not be.
    Never { status: Option<u16>, error: String },
}

/// The same for every attempt to tell of a job, so that a receiver knows it again.
#[must_use]
pub fn message_id(job: &JobId) -> String {
    let id = job.as_str();
    format!("msg_{}", id.strip_prefix("job_").unwrap_or(id))
}

impl Webhooks {
    /// Makes one attempt.
    ///
    /// # Errors
    /// When the database does not answer: it was none then.
    ///
    /// # Cancel safety
    /// It may have been heard.
    pub(super) async fn attempt(&self, delivery: &Delivery) -> Result<Outcome, DbError> {
        let never = |error: String| Ok(Outcome::Never { status: None, error });
        let body = match self.body(delivery).await {
            Ok(Some(body)) => body,
            Ok(None) => return never("the job is gone".into()),
            Err(DbError::Statement(sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. })) => {
                return never("the job's row cannot be read".into());
            }
            Err(error) => return Err(error),
        };
        let target = match Target::parse(delivery.url.expose_secret(), self.trust()) {
            Ok(target) => target,
            Err(refused) => return never(format!("the address {refused}")),
        };
        let limit = self.shared.options.time_limit;
        let request = self.signed(&target, &delivery.job, body);
        let response = match timeout(limit, Box::pin(outward::send(request))).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Ok(unanswered(error.to_string())),
            Err(_) => {
                return Ok(unanswered(format!("no answer within {} s", limit.as_secs_f64())));
            }
        };
        let outcome = sort(&response);
        timeout(BODY_TIME, finish(response)).await.ok();
        Ok(outcome)
    }

    /// What is told; nothing when its job is not there.
    async fn body(&self, delivery: &Delivery) -> Result<Option<String>, DbError> {
        let db = self.shared.store.db();
        let Some(job) = db.job(&delivery.job).await? else { return Ok(None) };
        let files = db.artifacts_of(&delivery.job).await?;
        Ok(Some(self.shared.words.message(&job, &files, delivery.created_at).to_string()))
    }

    /// The request, signed for this moment.
    fn signed(&self, target: &Target, job: &JobId, body: String) -> RequestBuilder {
        let (id, timestamp) = (message_id(job), (now_ms() / 1000).to_string());
        let signature = self.shared.options.signer.sign(&id, &timestamp, body.as_bytes());
        self.shared
            .outward
            .request(Method::POST, target)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(body)
    }
}

fn sort(response: &Response) -> Outcome {
    let code = response.status();
    let number = code.as_u16();
    if code.is_success() {
        return Outcome::Heard(number);
    }
    let status = Some(number);
    let error = format!("it answered HTTP {number}");
    if code == StatusCode::GONE {
        return Outcome::Never { status, error };
    }
    let is_down = code.is_server_error()
        || matches!(code, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
    let error = if code.is_redirection() {
        format!("{error}, which leads elsewhere and is not followed")
    } else {
        error
    };
    Outcome::Again { status, error, retry_after: retry_after(response), is_down }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    backoff::retry_after(value, SystemTime::now())
}

/// Reads what an answer has besides its status, within bounds. Nothing of it is kept.
async fn finish(response: Response) {
    let mut left = BODY_LIMIT;
    let mut chunks = response.bytes_stream();
    while let Some(Ok(chunk)) = chunks.next().await {
        match left.checked_sub(chunk.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

fn unanswered(error: String) -> Outcome {
    Outcome::Again { status: None, error, retry_after: None, is_down: true }
}
