//! Submits of what models of the catalog make.
//!
//! Every route here only finds the model; the model's row says what it takes, and the queue does
//! the rest. So a new model is a row, and its route is there.

mod canvas;
mod files;
mod lipsync;
mod seen;
mod tasks;

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Map, Value, json};
use tokio::sync::OwnedSemaphorePermit;
use utoipa::OpenApi;

use crate::catalog::Model;
use crate::job::Kind;
use crate::queue::{Media, Submission, Task};

use super::envelope::{self, Reader};
use super::problem::quoted;
use super::segment::Segment;
use super::{App, Code, Problem, body, openapi, serve, submit};
use crate::http::guard::{Call, May, Submit};

/// The routes of this folder.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/api/replicate/{slug}/submit", post(replicate))
        .route("/api/fal/{*slug}", post(fal))
        .route("/api/runway/video", post(tasks::runway_video))
        .route("/api/runway/character-performance", post(tasks::character_performance))
        .route("/api/runway/status/{id}", get(tasks::runway_status))
        .route("/api/minimax/video", post(tasks::minimax_video))
        .route("/api/minimax/video/status", get(tasks::minimax_status))
        .route("/api/canvas/generate-video", post(canvas::video))
        .route("/api/images/generate", post(canvas::image))
        .route("/api/generate-lipsync", post(lipsync::generate))
        .route("/api/check-lipsync", get(lipsync::check))
}

/// The same as the document has them.
#[derive(OpenApi)]
#[openapi(paths(
    replicate,
    fal,
    tasks::runway_video,
    tasks::character_performance,
    tasks::runway_status,
    tasks::minimax_video,
    tasks::minimax_status,
    canvas::video,
    canvas::image,
    lipsync::generate,
    lipsync::check,
))]
pub(super) struct Routes;

/// `POST /api/replicate/{slug}/submit`.
#[utoipa::path(
    post, path = "/api/replicate/{slug}/submit", operation_id = "submit_replicate", tag = "media",
    security(("key" = ["submit"])),
    params(
        ("slug" = String, Path, description = "A model of Replicate"),
        openapi::parameters::Once,
    ),
    request_body = openapi::bodies::MediaInput,
    responses(
        (status = 202, description = "The job is in the queue", body = openapi::answers::Submitted),
    ),
    extensions(("x-problems" = json!(openapi::problems::SUBMIT))),
)]
async fn replicate(
    May { call, .. }: May<Submit>,
    Segment(slug): Segment,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let model = of_provider(&call, "replicate", &slug)?;
    let fields = fields(&call, &headers, body).await?;
    submit_flat(&call, &headers, &model, &fields).await
}

/// `POST /api/fal/{slug…}/submit`: slugs of this provider have slashes in them.
#[utoipa::path(
    post, path = "/api/fal/{slug}/submit", operation_id = "submit_fal", tag = "media",
    security(("key" = ["submit"])),
    params(
        ("slug" = String, Path, description = "A model of fal; slashes stay as they are"),
        openapi::parameters::Once,
    ),
    request_body = openapi::bodies::MediaInput,
    responses(
        (status = 202, description = "The job is in the queue", body = openapi::answers::Submitted),
    ),
    extensions(("x-problems" = json!(openapi::problems::SUBMIT))),
)]
async fn fal(
    May { call, .. }: May<Submit>,
    Segment(path): Segment,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let Some(slug) = path.strip_suffix("/submit") else {
        return Err(serve::no_route(&format!("/api/fal/{path}")));
    };
    let model = of_provider(&call, "fal", slug)?;
    let fields = fields(&call, &headers, body).await?;
    submit_flat(&call, &headers, &model, &fields).await
}

fn of_provider(app: &App, provider: &str, slug: &str) -> Result<Arc<Model>, Problem> {
    let model = find(app, slug, &Map::new())?;
    if model.provider == provider {
        return Ok(model);
    }
    let detail =
        format!("{} is a model of '{}', not of '{provider}'", quoted(slug), model.provider);
    Err(Problem::new(Code::UnknownModel, detail).with("route", model.route()))
}

/// The model with this slug, or one of its other names; where several share a name, the one that
/// takes the input.
///
/// # Errors
/// [`Code::UnknownModel`], with the name that was perhaps meant.
pub(super) fn find(
    app: &App,
    name: &str,
    input: &Map<String, Value>,
) -> Result<Arc<Model>, Problem> {
    app.makers.catalog.fitting(name, input).cloned().map_err(|unknown| {
        let mut problem = Problem::new(Code::UnknownModel, unknown.to_string());
        if let Some(nearest) = unknown.nearest {
            problem = problem.with("did_you_mean", nearest);
        }
        problem
    })
}

/// The model that a body names, for a job of this kind.
///
/// # Errors
/// [`Code::InvalidField`] when it names none, or one that makes something else.
pub(super) fn named(
    app: &App,
    kind: Kind,
    name: Option<&Value>,
    input: &Value,
) -> Result<Arc<Model>, Problem> {
    let name = match name {
        Some(Value::String(name)) => name,
        Some(_) => return Err(wrong_model(NO_TEXT)),
        None => return Err(wrong_model("is required: a slug of GET /api/models")),
    };
    let none = Map::new();
    of_kind(find(app, name, input.as_object().unwrap_or(&none))?, kind)
}

/// A model that makes jobs of this kind.
fn of_kind(model: Arc<Model>, kind: Kind) -> Result<Arc<Model>, Problem> {
    if model.kind() == kind {
        return Ok(model);
    }
    let (slug, made) = (&model.slug, model.kind());
    Err(wrong_model(&format!("'{slug}' makes jobs of the kind '{made}', not '{kind}'")))
}

/// What is wrong with a model that is not a text.
const NO_TEXT: &str = "must be the name of a model, a text";

/// The field `model` is wrong.
fn wrong_model(detail: &str) -> Problem {
    Problem::new(Code::InvalidField, format!("'model' {detail}")).field("/model", detail)
}

/// The name of the model that the fields want, if they do.
///
/// # Errors
/// [`Code::InvalidField`] when it is no text: a model is never chosen in place of one that was meant.
fn wanted(fields: &Map<String, Value>) -> Result<Option<&str>, Problem> {
    match fields.get("model") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(name)) => Ok(Some(name)),
        Some(_) => Err(wrong_model(NO_TEXT)),
    }
}

/// The fields of a body, and the room that a large one takes until it is in the queue: with files in
/// it, it is in memory several times over.
pub(super) struct Given {
    fields: Map<String, Value>,
    _room: Option<OwnedSemaphorePermit>,
}

impl Deref for Given {
    type Target = Map<String, Value>;

    fn deref(&self) -> &Self::Target {
        &self.fields
    }
}

impl DerefMut for Given {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.fields
    }
}

/// Reads the fields of a body that may have files in it.
///
/// # Errors
/// As [`body::json`]; [`Code::InvalidField`] when it is no object.
pub(super) async fn fields(app: &App, headers: &HeaderMap, body: Body) -> Result<Given, Problem> {
    let bytes = body::json_bytes(headers, body, app.options.media_body_limit).await?;
    let room = if bytes.len() > app.options.body_limit {
        Arc::clone(&app.large_bodies).acquire_owned().await.ok()
    } else {
        None
    };
    match body::parse(&bytes)? {
        Value::Object(fields) => Ok(Given { fields, _room: room }),
        _ => {
            let detail = "the body must be a JSON object";
            Err(Problem::new(Code::InvalidField, detail).field("", "must be an object"))
        }
    }
}

/// The fields without those that are no input.
fn inputs(fields: &Map<String, Value>) -> Map<String, Value> {
    let is_input = |name: &str| !envelope::NAMES.contains(&name) && name != "model";
    let inputs = fields.iter().filter(|(name, _)| is_input(name));
    inputs.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// A submit whose fields are the model's inputs, beside those that every submit may have.
async fn submit_flat(
    call: &Call,
    headers: &HeaderMap,
    model: &Arc<Model>,
    fields: &Map<String, Value>,
) -> Result<Response, Problem> {
    wanted(fields)?;
    let submission = take(call, headers, model, fields).await?;
    Ok(answer(call, &submission, model, |_| {}))
}

/// Puts a job into the queue.
async fn take(
    call: &Call,
    headers: &HeaderMap,
    model: &Arc<Model>,
    fields: &Map<String, Value>,
) -> Result<Submission, Problem> {
    let problem = Problem::new(Code::InvalidField, "the model cannot take this as it is");
    let mut reader = Reader { fields, problem, only: call.caller().project() };
    let project_id = reader.project();
    let (priority, allow_duplicate) = (reader.priority(), reader.flag("allow_duplicate"));
    let (retry_of, webhook) = (reader.retry_of(), reader.webhook(call));
    let checked = match check(call, &project_id, model, &Value::Object(inputs(fields)), "").await {
        Ok(checked) if reader.problem.errors().is_empty() => checked,
        Ok(_) => return Err(reader.problem),
        Err(problem) if problem.code() == Code::InvalidField => {
            reader.take_over(&problem);
            return Err(reader.problem.with("model", model.slug.as_str()));
        }
        Err(problem) => return Err(problem),
    };
    let (input, media) = checked;
    let task = Task {
        kind: model.kind(),
        input,
        media: Some(media),
        project_id,
        priority,
        idempotency_key: submit::idempotency_key(headers)?,
        allow_duplicate,
        retry_of,
        silence_limit_ms: None,
        chat: None,
        webhook,
    };
    Ok(call.queue.submit(task).await?)
}

/// Checks an input by the model's row. Files that stand in it are stored, and referred to.
///
/// # Errors
/// [`Code::InvalidField`] with everything that is wrong, below `pointer`; [`Code::ModelRetired`].
pub(super) async fn check(
    call: &Call,
    project: &str,
    model: &Model,
    input: &Value,
    pointer: &str,
) -> Result<(Value, Media), Problem> {
    refuse_retired(model)?;
    let mut problem = Problem::new(Code::InvalidField, "the model cannot take this as it is");
    let Value::Object(fields) = input else {
        return Err(problem.field(pointer, "must be an object"));
    };
    let checked = match model.check(fields) {
        Ok(checked) => checked,
        Err(errors) => {
            for error in errors {
                problem = problem.field(format!("{pointer}{}", error.pointer), error.detail);
            }
            return Err(problem);
        }
    };
    let input = files::keep_files(call, project, checked, pointer).await?;
    let media = Media {
        model: model.slug.clone(),
        lane: model.lane().to_owned(),
        hold: model.estimate(&input),
        media_type: model.media_type.clone(),
    };
    Ok((Value::Object(input), media))
}

fn refuse_retired(model: &Model) -> Result<(), Problem> {
    if !model.is_refused() {
        return Ok(());
    }
    let mut problem = Problem::new(Code::ModelRetired, model.farewell().unwrap_or_default());
    if let Some(successor) = model.retired.as_ref().and_then(|end| end.successor.as_deref()) {
        problem = problem.with("successor", successor);
    }
    Err(problem)
}

/// 202 with where to watch the job, in the words of these routes too.
pub(super) fn answer(
    call: &Call,
    submission: &Submission,
    model: &Model,
    add: impl FnOnce(&mut Value),
) -> Response {
    submit::answer(call, submission, |view| {
        view["prediction_id"] = json!(submission.job.id);
        let what = match view["status"].as_str() {
            Some("running") => "is at work",
            Some("completed") => "is done",
            Some("failed" | "canceled") => "is over",
            _ => "waits for its turn",
        };
        view["message"] = format!("{} {what}", model.title).into();
        view["hold"] = submission.job.hold.into();
        if call.makers.is_simulated(&model.provider) {
            view["simulated"] = true.into();
        }
        if let Some(notice) = model.farewell() {
            view["notice"] = notice.into();
        }
        add(view);
    })
}
