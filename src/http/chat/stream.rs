//! The stream of a chat's answer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use bytes::Bytes;

use crate::db::DbError;
use crate::db::chats::Tell;
use crate::event::EventId;
use crate::event::now_ms;
use crate::job::JobId;
use crate::store::{Follower, Journal, Log, Next};

use super::super::Problem;
use super::super::guard::Call;
use super::super::query::Query;
use super::super::streaming::{self, Pace};
use super::parts::Parts;

/// What names the protocol, as the AI SDK's own server does.
const PROTOCOL: HeaderName = HeaderName::from_static("x-vercel-ai-ui-message-stream");

/// What names the job.
const JOB: HeaderName = HeaderName::from_static("x-tailwater-job");

/// How long a response stays open behind its last part before that counts as told. A page that was
/// left in that moment is noticed in it: its goodbye takes about a round trip.
const LINGER: Duration = Duration::from_millis(100);

/// Streams a job from its beginning: what it has made so far in one piece, then live.
///
/// # Errors
/// [`super::Code::TooManyStreams`]; [`super::Code::Unavailable`] when its text is in a database that
/// does not answer.
pub(super) async fn open(call: &Call, chat_id: &str, log: &Arc<Log>) -> Result<Response, Problem> {
    let held = call.hold_stream([&log.job])?;
    let snapshot = call.store.snapshot(log).await?;
    let mut parts = Parts::new(&log.job, call.options.public_url.as_deref().unwrap_or_default());
    let opening = VecDeque::from([parts.open(&snapshot)]);
    let reader = Reader {
        follower: call.store.follow(log, snapshot.id),
        parts,
        journal: call.store.journal().clone(),
        chat_id: chat_id.to_owned(),
        job: log.job.clone(),
    };
    let pace = Pace::new(&call.options, &Query::default(), call.right(), call.limits.crowd());
    let mut response = streaming::respond(call, pace, opening, reader, held);
    let headers = response.headers_mut();
    headers.insert(PROTOCOL, HeaderValue::from_static("v1"));
    if let Ok(job) = HeaderValue::from_str(log.job.as_str()) {
        headers.insert(JOB, job);
    }
    Ok(response)
}

/// A page that reads a chat's answer.
struct Reader {
    follower: Follower,
    parts: Parts,
    journal: Journal,
    chat_id: String,
    job: JobId,
}

impl streaming::Reader for Reader {
    /// # Cancel safety
    /// Safe: parts are written only where nothing is waited for any more, and telling twice is
    /// telling once.
    async fn next(&mut self) -> Result<Option<Vec<Bytes>>, DbError> {
        loop {
            if self.parts.is_over() {
                if self.parts.has_told_end() {
                    tokio::time::sleep(LINGER).await;
                    self.note_told().await;
                }
                return Ok(None);
            }
            let bytes = match self.follower.next().await? {
                Next::Page(page) => self.parts.page(&page.bytes),
                Next::Aside(_) => continue,
                Next::Gap(_, snapshot) => self.parts.catch_up(&snapshot),
                Next::Ended => self
                    .parts
                    .break_off("the end of the job is not kept any more")
                    .unwrap_or_default(),
            };
            if !bytes.is_empty() {
                return Ok(Some(vec![bytes]));
            }
        }
    }

    fn jobs(&self) -> Vec<JobId> {
        vec![self.job.clone()]
    }

    fn position(&self) -> EventId {
        self.follower.cursor()
    }

    fn waiting(&self) -> Vec<(JobId, u32)> {
        self.follower.queue_position().into_iter().collect()
    }

    fn place(_: &JobId, position: u32) -> Bytes {
        Parts::place(position)
    }

    fn farewell(&mut self, reason: streaming::Farewell, _: usize) -> Option<Bytes> {
        self.parts.break_off(match reason {
            streaming::Farewell::Draining => "the server is going down",
            streaming::Farewell::Revoked => "the key was revoked",
            streaming::Farewell::MaxAge => "the stream has reached its greatest age",
        })
    }
}

impl Reader {
    /// Notes that a page has had the whole answer: the last part was taken, and the page is still
    /// there. It is noted before the response ends, so that a page which reloads then is told that
    /// nothing goes on. When it cannot be noted, the next page is told once more.
    async fn note_told(&self) {
        let tell = Tell { chat_id: self.chat_id.clone(), job_id: self.job.clone(), now: now_ms() };
        if let Err(error) = self.journal.change(tell).await {
            tracing::debug!(job = %self.job, %error, "cannot note that a chat was told its end");
        }
    }
}
