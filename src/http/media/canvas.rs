//! Routes that choose a model: the one that is named, else the best that takes what is asked for.

use std::sync::Arc;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Map, Value};

use crate::catalog::{Mode, Model};
use crate::job::Kind;

use super::super::{App, Code, Problem, openapi, submit};
use super::{answer, fields, find, inputs, of_kind, take, wanted};
use crate::http::guard::{Call, May, Submit};

/// `POST /api/canvas/generate-video`.
///
/// # Errors
/// As for a submit; [`Code::InvalidField`] when no model takes it.
#[utoipa::path(
    post, path = "/api/canvas/generate-video", operation_id = "submit_video", tag = "media",
    security(("key" = ["submit"])),
    params(openapi::parameters::Once),
    request_body = openapi::bodies::ModelInput,
    responses(
        (status = 202, description = "The job is in the queue", body = openapi::answers::Submitted),
    ),
    extensions(("x-problems" = json!(openapi::problems::SUBMIT))),
)]
pub(super) async fn video(
    May { call, .. }: May<Submit>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    choose_and_submit(&call, Kind::Video, &headers, body).await
}

/// `POST /api/images/generate`.
///
/// # Errors
/// As for [`video`].
#[utoipa::path(
    post, path = "/api/images/generate", operation_id = "submit_image", tag = "media",
    security(("key" = ["submit"])),
    params(openapi::parameters::Once),
    request_body = openapi::bodies::ModelInput,
    responses(
        (status = 202, description = "The job is in the queue", body = openapi::answers::Submitted),
    ),
    extensions(("x-problems" = json!(openapi::problems::SUBMIT))),
)]
pub(super) async fn image(
    May { call, .. }: May<Submit>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    choose_and_submit(&call, Kind::Image, &headers, body).await
}

async fn choose_and_submit(
    call: &Call,
    kind: Kind,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let mut fields = fields(call, headers, body).await?;
    let mode = mode(kind, &mut fields)?;
    let model = match earlier(call, headers, &fields).await? {
        Some(model) => model,
        None => choose(call, kind, mode, &fields)?,
    };
    let submission = take(call, headers, &model, &fields).await?;
    Ok(answer(call, &submission, &model, |view| {
        view["provider"] = model.provider.as_str().into();
    }))
}

/// The model that was chosen when this request came before: which one is best may have changed, and
/// would make it another request.
async fn earlier(
    call: &Call,
    headers: &HeaderMap,
    fields: &Map<String, Value>,
) -> Result<Option<Arc<Model>>, Problem> {
    let key = submit::idempotency_key(headers)?.filter(|_| !fields.contains_key("model"));
    let Some(key) = key else { return Ok(None) };
    let only = call.caller().project();
    let project = fields.get("project_id").and_then(Value::as_str).or(only).unwrap_or("default");
    let slug = call.store.db().model_of_key(project, &key).await?;
    Ok(slug.and_then(|slug| call.makers.catalog.get(&slug).cloned()))
}

/// The mode that a body names, which is no input of any model.
fn mode(kind: Kind, fields: &mut Map<String, Value>) -> Result<Option<Mode>, Problem> {
    let Some(value) = fields.remove("mode").filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let allowed: Vec<_> = Mode::ALL.into_iter().filter(|mode| mode.kind() == kind).collect();
    let found = allowed.iter().find(|mode| value.as_str() == Some(mode.as_str())).copied();
    found.map(Some).ok_or_else(|| {
        let names: Vec<_> = allowed.iter().map(|mode| mode.as_str()).collect();
        let detail = format!("must be one of {}", names.join(", "));
        Problem::new(Code::InvalidField, format!("'mode' {detail}")).field("/mode", detail)
    })
}

/// The model that is named; else the one that takes this, is well, and costs least.
fn choose(
    app: &App,
    kind: Kind,
    mode: Option<Mode>,
    fields: &Map<String, Value>,
) -> Result<Arc<Model>, Problem> {
    let input = inputs(fields);
    if let Some(name) = wanted(fields)? {
        return of_kind(find(app, name, &input)?, kind);
    }
    let fits = |model: &&Arc<Model>| {
        model.kind() == kind
            && model.retired.is_none()
            && mode.is_none_or(|mode| model.modes.contains(&mode))
    };
    let candidates: Vec<_> = app.makers.catalog.iter().filter(fits).collect();
    let able = candidates.iter().filter_map(|model| {
        let checked = model.check(&input).ok()?;
        let price = model.estimate(&checked.input);
        Some((rank(app, model), price, *model))
    });
    let best = able.min_by_key(|(rank, price, model)| (*rank, *price, model.slug.clone()));
    best.map(|(.., model)| Arc::clone(model)).ok_or_else(|| none_fits(&candidates, &input))
}

/// How well the model's provider is: lower is better.
fn rank(app: &App, model: &Model) -> u8 {
    match app.makers.health(&model.provider).map(|health| health.status) {
        Some("ok") => 0,
        Some("limited") => 1,
        Some("failing") => 2,
        _ => 3,
    }
}

/// What the model that is nearest to taking it has to say.
fn none_fits(candidates: &[&Arc<Model>], input: &Map<String, Value>) -> Problem {
    let problem = Problem::new(Code::InvalidField, "no model takes this as it is");
    let nearest = candidates
        .iter()
        .filter_map(|model| model.check(input).err().map(|errors| (model, errors)))
        .min_by_key(|(_, errors)| errors.len());
    let Some((model, errors)) = nearest else { return problem };
    let problem = problem.with("nearest_model", model.slug.as_str());
    errors.into_iter().fold(problem, |problem, error| problem.field(error.pointer, error.detail))
}
