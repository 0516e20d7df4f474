//! The pages: the studio at `/`, the operator's at `/admin`, the interface's at `/docs`. They are embedded in
//! the binary, and read from `static/` in debug builds.

use axum::Router;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::{Embed, EmbeddedFile};
use utoipa::OpenApi;

use super::problem::{Code, Problem};
use super::range::has_it_already;

/// What `/` answers with.
const INDEX: &str = "index.html";

/// What `/admin` answers with.
const ADMIN: &str = "admin.html";

/// What `/docs` answers with.
const DOCS: &str = "docs.html";

/// Everything comes from here: no outside request, no inline script, no frame around the page.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; media-src 'self' blob:; img-src 'self' data:; object-src 'none'; \
     frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
);

#[derive(Embed)]
#[folder = "static/"]
struct Files;

/// The pages, and every file of theirs at `/name` and at `/static/name`.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let router = Router::new()
        .route("/", get(index))
        .route("/admin", get(admin))
        .route("/docs", get(docs))
        .route("/static/{*path}", get(by_path));
    Files::iter().fold(router, |router, name| {
        let path = format!("/{name}");
        router.route(&path, get(async move |headers: HeaderMap| file(&name, &headers)))
    })
}

/// The same as the document has them.
#[derive(OpenApi)]
#[openapi(paths(index, admin, docs, by_path))]
pub(super) struct Routes;

/// The studio.
#[utoipa::path(
    get, path = "/", operation_id = "show_page", tag = "server",
    responses(
        (status = 200, description = "The studio", body = String, content_type = "text/html"),
        (status = 304, description = "Nothing is new"),
    ),
    extensions(("x-problems" = json!([Code::UnknownRoute]))),
)]
async fn index(headers: HeaderMap) -> Result<Response, Problem> {
    file(INDEX, &headers)
}

/// The operator's page.
#[utoipa::path(
    get, path = "/admin", operation_id = "show_admin_page", tag = "operator",
    responses(
        (
            status = 200, description = "The page; it asks for a key with the scope 'admin'",
            body = String, content_type = "text/html",
        ),
        (status = 304, description = "Nothing is new"),
    ),
    extensions(("x-problems" = json!([Code::UnknownRoute]))),
)]
async fn admin(headers: HeaderMap) -> Result<Response, Problem> {
    file(ADMIN, &headers)
}

/// This document as a page.
#[utoipa::path(
    get, path = "/docs", operation_id = "show_docs_page", tag = "server",
    responses(
        (status = 200, description = "The page", body = String, content_type = "text/html"),
        (status = 304, description = "Nothing is new"),
    ),
    extensions(("x-problems" = json!([Code::UnknownRoute]))),
)]
async fn docs(headers: HeaderMap) -> Result<Response, Problem> {
    file(DOCS, &headers)
}

/// A file of the pages.
#[utoipa::path(
    get, path = "/static/{path}", operation_id = "fetch_page_file", tag = "server",
    params(("path" = String, Path, description = "The file's name")),
    responses(
        (status = 200, description = "A file of the pages", body = String, content_type = "*/*"),
        (status = 304, description = "Nothing is new"),
    ),
    extensions(("x-problems" = json!([Code::UnknownRoute]))),
)]
async fn by_path(
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Path(name) = path?;
    file(&name, &headers)
}

/// One of the embedded files. Its name is looked up among theirs and never leads to a folder.
fn file(name: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let Some(found) = Files::get(name) else {
        return Err(Problem::new(Code::UnknownRoute, "the page has no such file"));
    };
    let etag = etag(&found);
    let mut own = HeaderMap::from_iter([
        (CONTENT_TYPE, content_type(found.metadata.mimetype())),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (CONTENT_SECURITY_POLICY, POLICY),
        // For browsers that do not know 'frame-ancestors'.
        (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    ]);
    own.insert(ETAG, HeaderValue::from_str(&etag).expect("hex digits"));
    if has_it_already(headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, own).into_response());
    }
    Ok((own, found.data).into_response())
}

/// The first 128 bits of the file's hash: enough to tell versions apart.
fn etag(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    let digits: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digits}\"")
}

fn content_type(media_type: &str) -> HeaderValue {
    let charset = if media_type.starts_with("text/") { "; charset=utf-8" } else { "" };
    HeaderValue::from_str(&format!("{media_type}{charset}"))
        .unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::header::IF_NONE_MATCH;

    fn some_script() -> String {
        Files::iter().find(|name| name.ends_with(".js")).unwrap().into_owned()
    }

    #[test]
    fn a_script_is_served_as_one() {
        let response = file(&some_script(), &HeaderMap::new()).unwrap();
        assert_eq!(response.headers()[CONTENT_TYPE], "text/javascript; charset=utf-8");
        assert_eq!(response.headers()[CACHE_CONTROL], "no-cache");
    }

    #[test]
    fn a_file_that_has_not_changed_is_not_sent_again() {
        let name = some_script();
        let etag = file(&name, &HeaderMap::new()).unwrap().headers()[ETAG].clone();
        let again = file(&name, &HeaderMap::from_iter([(IF_NONE_MATCH, etag)])).unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    }

    #[test]
    fn nothing_outside_of_the_page_is_served() {
        for name in
            ["", "..", "../Cargo.toml", "/etc/passwd", "./../Cargo.toml", "nothing.js", "a\0"]
        {
            let problem = file(name, &HeaderMap::new()).unwrap_err();
            assert_eq!(problem.code(), Code::UnknownRoute, "{name}");
        }
    }

    #[test]
    fn no_two_routes_of_the_page_collide() {
        let _: Router = router();
    }
}
