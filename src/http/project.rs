//! The polling routes that hand-built pages know: a file's state, a project's jobs.

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::db::jobs::Filter;
use crate::event::payload::End;
use crate::job::{ArtifactId, Status};
use crate::reconcile;

use super::problem::quoted;
use super::segment::Segment;
use super::{App, Code, Problem, files, view};

/// What a project's name may be.
pub(super) const NAME_RULE: &str = "must be 1 to 64 letters, digits, '_', '-' or '.'";

/// How many jobs a project shows, newest first.
const MOST_JOBS: u32 = 200;

/// Whether a text can be a project's name.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    !name.is_empty() && name.len() <= 64 && name.bytes().all(plain)
}

/// Refuses what cannot be a project's name.
///
/// # Errors
/// [`Code::InvalidParameter`].
pub(super) fn check_name(name: &str) -> Result<(), Problem> {
    let detail = || format!("a project's name {NAME_RULE}");
    is_name(name).then_some(()).ok_or_else(|| Problem::new(Code::InvalidParameter, detail()))
}

/// `GET /api/project/{id}`: a project's jobs, newest first, and whether any is still going.
///
/// # Errors
/// [`Code::InvalidParameter`].
pub(super) async fn show(
    State(app): State<App>,
    Segment(name): Segment,
) -> Result<Response, Problem> {
    check_name(&name)?;
    let filter = Filter { project_id: Some(name.clone()), limit: MOST_JOBS, ..Filter::default() };
    let jobs = app.store.db().jobs(&filter).await?;
    let jobs: Vec<_> = jobs.iter().map(|job| view::summary(&app, job)).collect();
    let going = |job: &&Value| matches!(job["status"].as_str(), Some("pending" | "running"));
    let active = jobs.iter().filter(going).count();
    let completed = active == 0 && !jobs.is_empty();
    let view = json!({
        "project_id": name,
        "completed": completed,
        "active": active,
        "jobs": jobs,
        "poll_after_ms": (active > 0).then_some(1000),
    });
    Ok(axum::Json(view).into_response())
}

/// `GET /api/file/{id}`: whether a file is there yet, from the first second after its submit.
///
/// # Errors
/// [`Code::UnknownFile`].
pub(super) async fn file(
    State(app): State<App>,
    Segment(id): Segment,
) -> Result<Response, Problem> {
    let unknown = || Problem::new(Code::UnknownFile, format!("there is no file {}", quoted(&id)));
    let file: ArtifactId = id.parse().map_err(|_| unknown())?;
    let row = files::row(&app, &file).await?.ok_or_else(unknown)?;
    let log = app.store.open(&row.job).await?.ok_or_else(unknown)?;
    let job = reconcile::look(&app.store, &log).await?.ok_or_else(unknown)?.job;
    let standing = log.standing();
    // The row follows the event; a reader of the stream may be ahead of it by a commit.
    let told = log.artifact(&file);
    let ready = told.is_some() || row.ready;
    let stored = told.unwrap_or(row.stored);
    let status = match (ready, standing.status) {
        (true, _) => "completed",
        (false, Status::Completed | Status::Failed) => "failed",
        (false, Status::Canceled) => "canceled",
        (false, Status::Running) => "running",
        (false, Status::Pending) => "pending",
    };
    let mut view = json!({
        "id": file,
        "job_id": row.job,
        "status": status,
        "completed": ready,
        "kind": stored.view.kind,
        "media_type": stored.view.media_type,
        "url": ready.then_some(&stored.view.url),
        "bytes": ready.then_some(stored.view.bytes),
        "duration_ms": stored.view.duration_ms,
        "progress": standing.percent,
    });
    if let (false, Some(End::Failed(failed))) = (ready, &job.end) {
        view["error"] = json!(failed);
    }
    let wait = view::poll_after(&standing, log.has_voiceover).filter(|_| !ready);
    view["poll_after_ms"] = json!(wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(1000)));
    let mut response = axum::Json(view).into_response();
    if let Some(wait) = wait {
        let seconds = HeaderValue::from(wait.as_secs().max(1));
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    Ok(response)
}
