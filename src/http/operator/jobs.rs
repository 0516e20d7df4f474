//! Jobs as the operator's list has them.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::db::DbError;
use crate::db::jobs::Filter;
use crate::event::now_ms;
use crate::event::payload::End;
use crate::http::App;
use crate::job::{Job, JobId, Status};
use crate::store::Log;

use super::figures::milliseconds;
use super::now::silence;

/// How many characters of what was asked for stand in a list.
const TITLE: usize = 80;

/// The newest jobs that fit, at most so many, and whether there are more: the filter asks for one more.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn page(app: &App, filter: &Filter, most: usize) -> Result<Value, DbError> {
    let mut jobs = app.store.db().jobs(filter).await?;
    let more = jobs.len() > most;
    jobs.truncate(most);
    let pending: Vec<_> =
        jobs.iter().filter(|job| job.status == Status::Pending).map(|job| job.id.clone()).collect();
    let places = if pending.is_empty() {
        HashMap::new()
    } else {
        app.store.db().queue_positions(&pending).await?.into_iter().collect()
    };
    let jobs: Vec<_> = jobs.iter().map(|job| shape(app, job, places.get(&job.id))).collect();
    Ok(json!({ "jobs": jobs, "more": more }))
}

/// One job, and its place where it waits.
pub(super) fn shape(app: &App, job: &Job, place: Option<&u32>) -> Value {
    let log = app.store.find(&job.id);
    let standing = log.as_ref().map(|log| log.standing());
    let status = standing.as_ref().map_or(job.status, |standing| standing.status);
    let told = log.as_ref().map(|log| log.progress());
    let progress = told.as_ref().filter(|told| !told.stage.is_empty()).unwrap_or(&job.progress);
    let (code, message) = match &job.end {
        Some(End::Failed(failed)) => (Some(failed.code.clone()), Some(failed.message.clone())),
        Some(End::Canceled(canceled)) => (None, Some(canceled.reason.clone())),
        Some(End::Completed(_)) | None => (None, None),
    };
    let is_running = status == Status::Running;
    json!({
        "job_id": job.id,
        "kind": job.kind,
        "status": status,
        "project_id": job.project_id,
        "model": job.model,
        "provider": job.lane,
        "attempt": standing.as_ref().map_or(job.told_attempt, |standing| standing.attempt),
        "progress": if status == Status::Completed { 100 } else { progress.percent },
        "stage": progress.stage,
        "message": progress.message,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
        "last_sign_ms": log.as_ref().filter(|_| is_running).map(|log| sign(app, log)),
        "waits_for": (status == Status::Pending).then(|| waits_for(app, job, place)),
        "error_code": code,
        "error_message": message,
        "readers": log.as_ref().map_or(0, |log| log.follower_count()),
        "title": title(job),
    })
}

fn sign(app: &App, log: &Log) -> u64 {
    // By whole seconds: a list is sent again whenever it changes.
    milliseconds(silence(app, log, now_ms())) / 1000 * 1000
}

/// What a job waits for, in words.
pub(super) fn waits_for(app: &App, job: &Job, place: Option<&u32>) -> String {
    let Some(lane) = &job.lane else { return "its producer".into() };
    let provider = provider(app, job).unwrap_or_else(|| lane.clone());
    let paused = app.makers.health(&provider).filter(|health| health.status == "paused");
    let place = place.map(|place| format!(", at place {place}")).unwrap_or_default();
    match paused {
        Some(health) => {
            let reason = health.reason.unwrap_or("failures");
            let seconds = health.resumes_in_ms.unwrap_or(0).div_ceil(1000);
            format!("{provider}, which is paused for {seconds} s ({reason}){place}")
        }
        None => format!("a permit of {lane}{place}"),
    }
}

/// The provider that makes it.
pub(super) fn provider(app: &App, job: &Job) -> Option<String> {
    let model = app.makers.catalog.get(job.model.as_deref()?)?;
    Some(model.provider.clone())
}

/// The beginning of what was asked for.
pub(super) fn title(job: &Job) -> String {
    let fields = ["title", "topic", "prompt", "text", "message", "name"];
    let found = fields.iter().find_map(|name| job.input.get(*name)?.as_str());
    let text = found.unwrap_or_else(|| job.kind.as_str());
    text.chars().take(TITLE).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The place of one job that waits.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn place(app: &App, job: &JobId) -> Result<Option<u32>, DbError> {
    let places = app.store.db().queue_positions(std::slice::from_ref(job)).await?;
    Ok(places.first().map(|(_, place)| *place))
}
