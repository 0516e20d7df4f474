//! Routes that speak the words of Runway and of `MiniMax`, so that pages written for those work.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::RawQuery;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::catalog::{Mode, Model};
use crate::event::payload::End;
use crate::job::Status;

use super::super::segment::Segment;
use super::super::time::rfc3339;
use super::super::{App, Code, Problem, openapi, query::Query};
use super::seen::look;
use super::{answer, fields, find, inputs, take, wanted, wrong_model};
use crate::http::guard::{Call, May, Read, Submit};

/// `POST /api/runway/video`: by `model`, else by what is given: a video, an image, or a text.
///
/// # Errors
/// As for a submit.
#[utoipa::path(
    post, path = "/api/runway/video", operation_id = "submit_runway_video", tag = "media",
    security(("key" = ["submit"])),
    params(openapi::parameters::Once),
    request_body = openapi::bodies::ModelInput,
    responses(
        (status = 202, description = "The job is in the queue", body = openapi::answers::Submitted),
    ),
    extensions(("x-problems" = json!(openapi::problems::SUBMIT))),
)]
pub(super) async fn runway_video(
    May { call, .. }: May<Submit>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let fields = fields(&call, &headers, body).await?;
    let has =
        |names: &[&str]| names.iter().any(|name| fields.get(*name).is_some_and(|v| !v.is_null()));
    let mode = if has(&["videoUri", "promptVideo", "video"]) {
        Mode::VideoToVideo
    } else if has(&["promptImage", "image", "imageUrl"]) {
        Mode::ImageToVideo
    } else {
        Mode::TextToVideo
    };
    submit_task(&call, &headers, "runway", Some(mode), &fields).await
}

/// `POST /api/runway/character-performance`.
///
/// # Errors
/// As for a submit.
#[utoipa::path(
    post, path = "/api/runway/character-performance",
    operation_id = "submit_character_performance", tag = "media",
    security(("key" = ["submit"])),
    params(openapi::parameters::Once),
    request_body = openapi::bodies::ModelInput,
    responses(
        (status = 202, description = "The job is in the queue", body = openapi::answers::Submitted),
    ),
    extensions(("x-problems" = json!(openapi::problems::SUBMIT))),
)]
pub(super) async fn character_performance(
    May { call, .. }: May<Submit>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let mut fields = fields(&call, &headers, body).await?;
    unwrap(&mut fields, "character", Some("character_type"));
    unwrap(&mut fields, "reference", None);
    submit_task(&call, &headers, "runway", Some(Mode::CharacterPerformance), &fields).await
}

/// Takes Runway's own `{type, uri}` for the address in it; what the type says goes to another input.
fn unwrap(fields: &mut Map<String, Value>, name: &str, of_type: Option<&str>) {
    let Some(Value::Object(object)) = fields.get(name) else { return };
    let (uri, kind) = (object.get("uri").cloned(), object.get("type").cloned());
    let Some(uri) = uri else { return };
    if let (Some(of_type), Some(kind)) = (of_type, kind) {
        fields.entry(of_type).or_insert(kind);
    }
    fields.insert(name.to_owned(), uri);
}

/// `POST /api/minimax/video`.
///
/// # Errors
/// As for a submit.
#[utoipa::path(
    post, path = "/api/minimax/video", operation_id = "submit_minimax_video", tag = "media",
    security(("key" = ["submit"])),
    params(openapi::parameters::Once),
    request_body = openapi::bodies::ModelInput,
    responses(
        (status = 202, description = "The job is in the queue", body = openapi::answers::Submitted),
    ),
    extensions(("x-problems" = json!(openapi::problems::SUBMIT))),
)]
pub(super) async fn minimax_video(
    May { call, .. }: May<Submit>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let fields = fields(&call, &headers, body).await?;
    submit_task(&call, &headers, "minimax", None, &fields).await
}

/// Submits to the provider's model that is named, else to its first one of this mode that takes it.
async fn submit_task(
    call: &Call,
    headers: &HeaderMap,
    provider: &str,
    mode: Option<Mode>,
    fields: &Map<String, Value>,
) -> Result<Response, Problem> {
    let input = inputs(fields);
    let model = match wanted(fields)? {
        Some(name) => find(call, name, &input)?,
        None => usual(call, provider, mode, &input)?,
    };
    if model.provider != provider {
        let detail = format!("is a model of '{}', not of '{provider}'", model.provider);
        return Err(wrong_model(&detail));
    }
    let submission = take(call, headers, &model, fields).await?;
    Ok(answer(call, &submission, &model, |view| {
        view["task_id"] = json!(submission.job.id);
        view["id"] = json!(submission.job.id);
    }))
}

/// The provider's first model of this mode that takes the input, else its first of this mode.
fn usual(
    app: &App,
    provider: &str,
    mode: Option<Mode>,
    input: &Map<String, Value>,
) -> Result<Arc<Model>, Problem> {
    let fits = |model: &&Arc<Model>| {
        model.provider == provider
            && model.retired.is_none()
            && mode.is_none_or(|mode| model.modes.contains(&mode))
    };
    let candidates: Vec<_> = app.makers.catalog.iter().filter(fits).collect();
    let able = candidates.iter().find(|model| model.check(input).is_ok());
    able.or(candidates.first()).map(|model| Arc::clone(model)).ok_or_else(|| {
        Problem::new(Code::UnknownModel, format!("'{provider}' has no model for this"))
    })
}

/// `GET /api/runway/status/{id}`, in the words of Runway's own tasks.
///
/// # Errors
/// [`Code::UnknownJob`].
#[utoipa::path(
    get, path = "/api/runway/status/{id}", operation_id = "check_runway", tag = "media",
    security(("key" = ["read"])),
    params(("id" = String, Path, description = "The job")),
    responses((status = 200, description = "The job", body = openapi::answers::RunwayTask)),
    extensions(("x-problems" = json!([Code::UnknownJob, Code::Unavailable]))),
)]
pub(super) async fn runway_status(
    May { call, .. }: May<Read>,
    Segment(id): Segment,
) -> Result<Response, Problem> {
    let seen = look(&call, &id).await?;
    let status = match seen.status {
        Status::Pending => "PENDING",
        Status::Running => "RUNNING",
        Status::Completed => "SUCCEEDED",
        Status::Failed => "FAILED",
        Status::Canceled => "CANCELLED",
    };
    let mut view = json!({
        "id": seen.job.id,
        "status": status,
        "createdAt": rfc3339(seen.job.created_at),
    });
    match (&seen.job.end, seen.status) {
        (_, Status::Running) => view["progress"] = (f64::from(seen.percent) / 100.0).into(),
        (_, Status::Completed) => view["output"] = json!(seen.urls),
        (Some(End::Failed(failed)), Status::Failed) => {
            view["failure"] = failed.message.as_str().into();
            view["failureCode"] = failed.code.as_str().into();
        }
        _ => {}
    }
    Ok(seen.respond(view))
}

/// `GET /api/minimax/video/status?task_id=`, in the words of `MiniMax`'s own query.
///
/// # Errors
/// [`Code::InvalidParameter`], [`Code::UnknownJob`].
#[utoipa::path(
    get, path = "/api/minimax/video/status", operation_id = "check_minimax", tag = "media",
    security(("key" = ["read"])),
    params(("task_id" = String, Query, description = "The job")),
    responses((status = 200, description = "The job", body = openapi::answers::MinimaxTask)),
    extensions(("x-problems" = json!([Code::UnknownJob, Code::Unavailable]))),
)]
pub(super) async fn minimax_status(
    May { call, .. }: May<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = Query::parse(query.as_deref(), &["task_id"])?;
    let id = query.get("task_id").filter(|id| !id.is_empty()).ok_or_else(|| {
        Problem::new(Code::InvalidParameter, "'task_id' is required: the id that the submit gave")
    })?;
    let seen = look(&call, id).await?;
    let status = match seen.status {
        Status::Pending => "Queueing",
        Status::Running if seen.percent < 3 => "Preparing",
        Status::Running => "Processing",
        Status::Completed => "Success",
        Status::Failed | Status::Canceled => "Fail",
    };
    let mut view = json!({
        "task_id": seen.job.id,
        "status": status,
        "base_resp": { "status_code": 0, "status_msg": "success" },
    });
    if seen.status == Status::Completed {
        view["file_id"] = json!(seen.job.file_id);
        view["download_url"] = json!(seen.urls.first());
    }
    if let Some(End::Failed(failed)) = &seen.job.end {
        view["error"] = json!(failed);
    }
    Ok(seen.respond(view).into_response())
}
