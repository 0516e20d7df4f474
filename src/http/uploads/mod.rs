//! `/api/uploads`: files that clients give us, for jobs to work on.
//!
//! A file is told by its bytes, streamed to storage, and has a row once it is whole: a request that
//! stops half-way leaves nothing behind.

mod form;
pub(super) mod fuzzing;
mod keep;
mod receive;
mod remote;
mod room;
mod under_way;

pub use keep::store_data_url;
pub use under_way::UnderWay;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, RawQuery};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::db::uploads::Upload;
use crate::job::UploadId;

use super::files::{About, Own, Wish};
use super::segment::Segment;
use super::{App, Code, Problem, openapi, query, view};
use crate::http::guard::{Call, May, Read, Submit};

/// The routes of this file.
pub fn router() -> Router<App> {
    Router::new()
        .route("/api/uploads", post(create))
        .route("/api/uploads/{id}", get(show))
        .route("/api/uploads/{id}/content", get(content))
}

/// The same as the document has them.
#[derive(OpenApi)]
#[openapi(paths(create, show, content))]
pub(super) struct Routes;

/// An upload as a client sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Upload)]
struct View<'a> {
    #[schema(value_type = String)]
    id: &'a UploadId,
    url: String,
    name: &'a str,
    project_id: &'a str,
    media_type: &'a str,
    bytes: u64,
    sha256: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    created_at: i64,
}

impl<'a> View<'a> {
    fn of(app: &App, upload: &'a Upload) -> Self {
        Self {
            id: &upload.id,
            url: view::link(app, &content_path(&upload.id)),
            name: &upload.name,
            project_id: &upload.project_id,
            media_type: &upload.media_type,
            bytes: upload.bytes,
            sha256: &upload.sha256,
            duration_ms: upload.duration_ms,
            width: upload.width,
            height: upload.height,
            created_at: upload.created_at,
        }
    }
}

/// Where the bytes of an upload are fetched.
#[must_use]
pub fn content_path(id: &UploadId) -> String {
    format!("/api/uploads/{id}/content")
}

/// Takes a file: the part `file` of a form, a body that is nothing else, or the address of one in JSON.
///
/// # Errors
/// What is wrong with the request or the file, or why it cannot be stored now.
#[utoipa::path(
    post, path = "/api/uploads", operation_id = "create_upload", tag = "files",
    security(("key" = ["submit"])),
    params(openapi::parameters::NewUpload),
    request_body(
        description = "A form with the file, the file itself, or where it is",
        content(
            (openapi::bodies::UploadForm = "multipart/form-data"),
            (String = "application/octet-stream"),
            (openapi::bodies::RemoteFile = "application/json"),
        ),
    ),
    responses((status = 201, description = "The upload", body = View)),
    extensions(("x-problems" = json!([
        Code::UnsupportedMediaType, Code::NotMedia, Code::UploadTooLarge, Code::InvalidField,
        Code::InvalidJson, Code::NotFetched, Code::ProjectFull,
        Code::Unavailable, Code::Draining,
    ]))),
)]
async fn create(
    May { call, .. }: May<Submit>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let query = query::Query::parse(query.as_deref(), &["project_id", "name"])?;
    let received = receive::receive(&call, &query, &headers, body).await?;
    let upload = keep::keep(&call, received).await?;
    let location = view::link(&call, &format!("/api/uploads/{}", upload.id));
    let mut response = (StatusCode::CREATED, axum::Json(View::of(&call, &upload))).into_response();
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// What is known of an upload.
#[utoipa::path(
    get, path = "/api/uploads/{id}", operation_id = "show_upload", tag = "files",
    security(("key" = ["read"])),
    params(("id" = String, Path, description = "The upload")),
    responses((status = 200, description = "The upload", body = View)),
    extensions(("x-problems" = json!([Code::UnknownUpload, Code::Unavailable]))),
)]
async fn show(May { call, .. }: May<Read>, Segment(id): Segment) -> Result<Response, Problem> {
    let upload = find(&call, &id).await?;
    Ok(axum::Json(View::of(&call, &upload)).into_response())
}

/// The bytes of an upload, or the part of them that was asked for.
#[utoipa::path(
    get, path = "/api/uploads/{id}/content", operation_id = "fetch_upload", tag = "files",
    security(("key" = ["read"])),
    params(
        ("id" = String, Path, description = "The upload"),
        openapi::parameters::Download,
        openapi::parameters::Part,
        openapi::parameters::Has,
    ),
    responses(
        (status = 200, description = "The file", body = String, content_type = "*/*"),
        (
            status = 206, description = "The part that was asked for",
            body = String, content_type = "*/*",
        ),
        (status = 304, description = "Nothing is new"),
    ),
    extensions(("x-problems" = json!([
        Code::UnknownUpload, Code::RangeNotSatisfiable, Code::Unavailable,
    ]))),
)]
async fn content(
    May { call, .. }: May<Read>,
    Segment(id): Segment,
    query: Result<Query<Wish>, QueryRejection>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(wish) = query?;
    let upload = find(&call, &id).await?;
    let about = About {
        id: upload.id.as_str(),
        attempt: 0,
        name: &upload.name,
        media_type: &upload.media_type,
        bytes: upload.bytes,
        sha256: Some(&upload.sha256),
    };
    let own = Own { artifacts: &call.artifacts, about };
    own.send(&upload.path, wish.is_download(), &method, &headers).await
}

async fn find(call: &Call, id: &str) -> Result<Upload, Problem> {
    let unknown = || Problem::new(Code::UnknownUpload, "there is no upload of this id");
    let id: UploadId = id.parse().map_err(|_| unknown())?;
    let upload = call.store.db().upload(&id).await?;
    upload.filter(|upload| call.owns(&upload.project_id)).ok_or_else(unknown)
}
