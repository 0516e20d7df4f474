//! `GET /api/models`: what can be made, by which models, and how well their providers are.

use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::catalog::{Mode, Model};
use crate::job::Kind;

use super::guard::{May, Read};
use super::problem::quoted;
use super::query::Query;
use super::segment::Segment;
use super::{App, Code, Problem, media, openapi};

/// Lists models, in the catalog's order.
///
/// # Errors
/// [`super::Code::InvalidParameter`].
#[utoipa::path(
    get, path = "/api/models", operation_id = "list_models", tag = "media",
    security(("key" = ["read"])),
    params(openapi::parameters::Models),
    responses((status = 200, description = "The models", body = openapi::answers::ModelPage)),
)]
pub(super) async fn list(
    May { call, .. }: May<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = Query::parse(query.as_deref(), &["provider", "mode", "kind"])?;
    let mode = mode(&query)?;
    let kind = kind(&query)?;
    let provider = query.get("provider");
    let fits = |model: &&std::sync::Arc<Model>| {
        provider.is_none_or(|provider| model.provider == provider)
            && mode.is_none_or(|mode| model.modes.contains(&mode))
            && kind.is_none_or(|kind| model.kind() == kind)
    };
    let models: Vec<_> =
        call.makers.catalog.iter().filter(fits).map(|model| view(&call, model)).collect();
    Ok(axum::Json(json!({ "models": models })).into_response())
}

/// Shows one model, by its slug or another of its names.
///
/// # Errors
/// [`super::Code::UnknownModel`].
#[utoipa::path(
    get, path = "/api/models/{slug}", operation_id = "show_model", tag = "media",
    security(("key" = ["read"])),
    params(
        ("slug" = String, Path, description = "The model, or another name; slashes stay as they are"),
    ),
    responses((status = 200, description = "The model", body = openapi::answers::Model)),
    extensions(("x-problems" = json!([Code::UnknownModel]))),
)]
pub(super) async fn show(
    May { call, .. }: May<Read>,
    Segment(slug): Segment,
) -> Result<Response, Problem> {
    let model = media::find(&call, &slug, &serde_json::Map::new())?;
    Ok(axum::Json(view(&call, &model)).into_response())
}

fn kind(query: &Query) -> Result<Option<Kind>, Problem> {
    let kinds = [Kind::Video, Kind::Image, Kind::Lipsync].map(Kind::as_str).join(", ");
    let kind = query.read::<Kind>("kind", &format!("one of {kinds}"))?;
    match kind {
        Some(kind) if !kind.is_media() => {
            let detail = format!("'kind' must be one of {kinds}, not '{kind}'");
            Err(Problem::new(Code::InvalidParameter, detail))
        }
        kind => Ok(kind),
    }
}

fn mode(query: &Query) -> Result<Option<Mode>, Problem> {
    let Some(word) = query.get("mode") else { return Ok(None) };
    Mode::of(word).map(Some).ok_or_else(|| {
        let modes = Mode::ALL.map(Mode::as_str).join(", ");
        let detail = format!("'mode' must be one of {modes}, not {}", quoted(word));
        Problem::new(Code::InvalidParameter, detail)
    })
}

fn view(app: &App, model: &Model) -> Value {
    let mut view = model.view();
    view["simulated"] = app.makers.is_simulated(&model.provider).into();
    view["health"] = json!(app.makers.health(&model.provider));
    view
}
