//! A job as routes see it that poll in a provider's words.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::job::{Job, Status};
use crate::reconcile;

use super::super::guard::Call;
use super::super::{Code, Problem, view};

/// What they see.
pub(super) struct Seen {
    pub(super) job: Job,
    pub(super) status: Status,
    pub(super) percent: u8,
    /// What the job is doing, for people.
    pub(super) line: String,
    /// Where its files are.
    pub(super) urls: Vec<String>,
    poll_after: Option<Duration>,
}

impl Seen {
    /// 200 with this body, and when to come back.
    pub(super) fn respond(&self, mut view: Value) -> Response {
        view["poll_after_ms"] =
            json!(self.poll_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(1000)));
        let mut response = (StatusCode::OK, axum::Json(view)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        if let Some(wait) = self.poll_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        response
    }
}

/// Looks at a job.
///
/// # Errors
/// [`Code::UnknownJob`].
pub(super) async fn look(call: &Call, id: &str) -> Result<Seen, Problem> {
    let log = call.log(id).await?;
    let row = reconcile::look(&call.store, &log).await?;
    let row = row.ok_or_else(|| Problem::new(Code::UnknownJob, "the job is gone"))?;
    let standing = log.standing();
    let snapshot = reconcile::shown(&call.store, &log, &row).await?;
    let job = view::with_end(call, row.job, snapshot.status).await?;
    let progress = &snapshot.progress;
    let line = progress.message.clone().unwrap_or_else(|| format!("{} %", progress.percent));
    let urls = snapshot.artifacts.iter().map(|artifact| view::link(call, &artifact.url)).collect();
    Ok(Seen {
        status: snapshot.status,
        percent: progress.percent,
        line,
        urls,
        poll_after: view::poll_after(&standing, false),
        job,
    })
}
