//! `GET /api/file/{id}`: whether a file is there yet.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::RawQuery;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::db::DbError;
use crate::event::payload::End;
use crate::http::guard::{May, Read};
use crate::http::problem::quoted;
use crate::http::query::Query;
use crate::http::range::has_it_already;
use crate::http::segment::Segment;
use crate::http::{App, Code, Problem, conditional, openapi, view};
use crate::job::{ArtifactId, Status};
use crate::reconcile;
use crate::store::{Follower, Log, Standing};

/// Answers from the first second after the submit on; with `wait`, holds while the client has the
/// answer already.
///
/// # Errors
/// [`Code::UnknownFile`], [`Code::InvalidParameter`].
#[utoipa::path(
    get, path = "/api/file/{id}", operation_id = "show_file", tag = "files",
    security(("key" = ["read"])),
    params(
        ("id" = String, Path, description = "The file"),
        openapi::parameters::Wait,
        openapi::parameters::Has,
    ),
    responses(
        (status = 200, description = "The file", body = openapi::answers::File),
        (status = 304, description = "Nothing is new"),
    ),
    extensions(("x-problems" = json!([Code::UnknownFile, Code::Unavailable]))),
)]
pub(super) async fn show(
    May { call, .. }: May<Read>,
    Segment(id): Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let until = Instant::now() + conditional::wait(&Query::of_stream(query.as_deref()))?;
    let unknown = || Problem::new(Code::UnknownFile, format!("there is no file {}", quoted(&id)));
    let file: ArtifactId = id.parse().map_err(|_| unknown())?;
    let mut seen = look(&call, &file).await?.ok_or_else(unknown)?;
    if !call.sees(&seen.log.job).await? {
        return Err(unknown());
    }
    if Instant::now() < until && has_it_already(&headers, &seen.tag) {
        // Followed before looking again: what happens in between is not slept through.
        let mut follower = call.store.follow(&seen.log, seen.log.last());
        loop {
            seen = look(&call, &file).await?.ok_or_else(unknown)?;
            let news = moved(&seen, &file, &mut follower);
            if seen.poll_after.is_none()
                || !has_it_already(&headers, &seen.tag)
                || !conditional::happens(&call, until, news).await?
            {
                break;
            }
        }
    }
    let news = !has_it_already(&headers, &seen.tag);
    Ok(conditional::answer(news.then_some(seen.view), &seen.tag, seen.poll_after))
}

/// A file as a poller sees it.
struct Seen {
    log: Arc<Log>,
    mark: Mark,
    view: Value,
    tag: String,
    poll_after: Option<Duration>,
}

/// What the job's log knows that a poller of the file would see: while it stays the same, text may
/// come by the thousand pieces and nobody looks into the database.
#[derive(PartialEq, Eq)]
struct Mark {
    status: Status,
    percent: u8,
    ended: bool,
    /// The run that made the file, once readers were told of it.
    made_by: Option<u32>,
}

impl Mark {
    fn new(standing: &Standing, made_by: Option<u32>) -> Self {
        let Standing { status, percent, ended, .. } = *standing;
        Self { status, percent, ended, made_by }
    }
}

/// Waits until a poller of the file would see something else.
async fn moved(seen: &Seen, file: &ArtifactId, follower: &mut Follower) -> Result<(), DbError> {
    let now = || {
        let made_by = seen.log.artifact(file).map(|stored| stored.attempt);
        Mark::new(&seen.log.standing(), made_by)
    };
    while now() == seen.mark {
        follower.next().await?;
    }
    Ok(())
}

async fn look(app: &App, file: &ArtifactId) -> Result<Option<Seen>, Problem> {
    let Some(row) = super::row(app, file).await? else { return Ok(None) };
    let Some(log) = app.store.open(&row.job).await? else { return Ok(None) };
    let Some(watched) = reconcile::look(&app.store, &log).await? else { return Ok(None) };
    let standing = log.standing();
    let job = view::with_end(app, watched.job, standing.status).await?;
    // The row follows the event; a reader of the stream may be ahead of it by a commit.
    let told = log.artifact(file);
    let mark = Mark::new(&standing, told.as_ref().map(|stored| stored.attempt));
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
        // The job may go on for other files; of this one nothing is to come.
        "progress": if ready { 100 } else { standing.percent },
    });
    if let (false, Some(End::Failed(failed))) = (ready, &job.end) {
        view["error"] = json!(failed);
    }
    let tag = conditional::tag_of(&view);
    let poll_after = view::poll_after(&standing, log.has_voiceover).filter(|_| !ready);
    view["poll_after_ms"] = json!(conditional::milliseconds(poll_after));
    Ok(Some(Seen { log, mark, view, tag, poll_after }))
}
