//! `GET /api/project/{id}`, which hand-built pages know, and what a project's name may be.

use std::time::Duration;

use axum::extract::RawQuery;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::db::DbError;
use crate::db::jobs::Filter;

use super::guard::{May, Read};
use super::query::Query;
use super::range::has_it_already;
use super::segment::Segment;
use super::{App, Code, Problem, conditional, openapi, view};

/// What a project's name may be.
pub const NAME_RULE: &str = "must be 1 to 64 letters, digits, '_', '-' or '.'";

/// How many jobs a project shows, newest first.
const MOST_JOBS: u32 = 200;

/// When a poller of a project should come again while any of its jobs goes on.
const POLL_AFTER: Duration = Duration::from_secs(1);

/// Whether a text can be a project's name.
#[must_use]
pub fn is_name(name: &str) -> bool {
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

/// `GET /api/project/{id}`: a project's jobs, newest first, and whether any is still going; with
/// `wait`, holds while the client has the answer already.
///
/// # Errors
/// [`Code::InvalidParameter`].
#[utoipa::path(
    get, path = "/api/project/{id}", operation_id = "show_project", tag = "jobs",
    security(("key" = ["read"])),
    params(
        ("id" = String, Path, description = "The project"),
        openapi::parameters::Wait,
        openapi::parameters::Has,
    ),
    responses(
        (status = 200, description = "Its jobs", body = openapi::answers::Project),
        (status = 304, description = "Nothing is new"),
    ),
    extensions(("x-problems" = json!([Code::Unavailable]))),
)]
pub(super) async fn show(
    May { call, .. }: May<Read>,
    Segment(name): Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    check_name(&name)?;
    call.caller().project_of(Some(&name))?;
    let until = Instant::now() + conditional::wait(&Query::of_stream(query.as_deref()))?;
    let mut seen = look(&call, &name).await?;
    if Instant::now() < until && has_it_already(&headers, &seen.tag) {
        // Followed before looking again: what happens in between is not slept through.
        let mut merge = call.store.merge_project(&name, call.store.head(), false).await?;
        loop {
            seen = look(&call, &name).await?;
            let news = async { merge.next().await.map(drop) };
            if !has_it_already(&headers, &seen.tag)
                || !conditional::happens(&call, until, news).await?
            {
                break;
            }
        }
    }
    let news = !has_it_already(&headers, &seen.tag);
    Ok(conditional::answer(news.then_some(seen.view), &seen.tag, seen.poll_after))
}

/// A project as a poller sees it.
struct Seen {
    view: Value,
    tag: String,
    poll_after: Option<Duration>,
}

async fn look(app: &App, name: &str) -> Result<Seen, DbError> {
    let filter = Filter { project_id: Some(name.into()), limit: MOST_JOBS, ..Filter::default() };
    let jobs = app.store.db().jobs(&filter).await?;
    let jobs: Vec<_> = jobs.iter().map(|job| view::summary(app, job)).collect();
    // Not `updated_at`: it moves with every piece of text.
    let tag =
        conditional::tag_of(&Vec::from_iter(jobs.iter().map(|job| {
            ["id", "status", "attempt", "progress", "ended_at"].map(|name| &job[name])
        })));
    let going = |job: &&Value| matches!(job["status"].as_str(), Some("pending" | "running"));
    let active = jobs.iter().filter(going).count();
    let completed = active == 0 && !jobs.is_empty();
    let poll_after = (active > 0).then_some(POLL_AFTER);
    let view = json!({
        "project_id": name,
        "completed": completed,
        "active": active,
        "jobs": jobs,
        "poll_after_ms": conditional::milliseconds(poll_after),
    });
    Ok(Seen { view, tag, poll_after })
}
