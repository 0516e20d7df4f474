//! Files: their bytes at `/api/artifacts/{id}/content`, and at `/api/file/{id}` whether they are
//! there yet.

mod headers;
mod state;

use std::ops::Range;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, LOCATION};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::TryStreamExt;
use serde::Deserialize;
use tokio::time::timeout;
use utoipa::OpenApi;

use crate::artifact::{ArtifactError, Artifacts};
use crate::db::artifacts::ArtifactRow;
use crate::job::{ArtifactId, StoredArtifact};

use super::problem::{Code, Problem};
use super::range::{self, RangeChoice};
use super::{App, openapi};
use crate::http::guard::{Call, May, Read};

use headers::{ASK_EACH_TIME, ascii, describe, etag};

/// How long to wait for the row of a file that may just have been announced.
const COMMIT_LIMIT: Duration = Duration::from_secs(1);

/// The routes of this file.
pub fn router() -> Router<App> {
    Router::new()
        .route("/api/artifacts/{id}/content", get(content))
        .route("/api/file/{id}", get(state::show))
}

/// The same as the document has them.
#[derive(OpenApi)]
#[openapi(paths(content, state::show))]
pub(super) struct Routes;

/// The query of [`content`].
#[derive(Debug, Deserialize)]
pub struct Wish {
    /// `1` for a file that the browser saves instead of showing it.
    download: Option<String>,
}

impl Wish {
    pub(super) fn is_download(&self) -> bool {
        matches!(self.download.as_deref(), Some("1" | "true"))
    }
}

/// Answers with a file, or the part of it that was asked for.
///
/// # Errors
/// `unknown_file`, `file_not_ready` before it is stored, `invalid_parameter`, and the server's own
/// troubles.
#[utoipa::path(
    get, path = "/api/artifacts/{id}/content", operation_id = "fetch_file", tag = "files",
    security(("key" = ["read"])),
    params(
        ("id" = String, Path, description = "The file"),
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
        (status = 307, description = "It is elsewhere"),
    ),
    extensions(("x-problems" = json!([
        Code::UnknownFile, Code::FileNotReady, Code::RangeNotSatisfiable, Code::Unavailable,
    ]))),
)]
pub async fn content(
    May { call, .. }: May<Read>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<Wish>, QueryRejection>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(wish) = query?;
    let stored = find(&call, path).await?;
    let own = Own { artifacts: &call.artifacts, about: About::of(&stored) };
    match stored.path.as_deref() {
        Some(place) => own.send(place, wish.is_download(), &method, &headers).await,
        None => point_elsewhere(&stored),
    }
}

/// The file, once its readers were told of it.
async fn find(
    call: &Call,
    path: Result<Path<String>, PathRejection>,
) -> Result<StoredArtifact, Problem> {
    let unknown = || Problem::new(Code::UnknownFile, "there is no file of this id");
    let Path(text) = path.map_err(|_| unknown())?;
    let id: ArtifactId = text.parse().map_err(|_| unknown())?;
    let row = row(call, &id).await?.ok_or_else(unknown)?;
    if !call.sees(&row.job).await? {
        return Err(unknown());
    }
    // The row follows the event; who was just told of the file may be ahead of it by a commit.
    if let Some(told) = call.store.find(&row.job).and_then(|log| log.artifact(&id)) {
        return Ok(told);
    }
    if !row.ready {
        let detail = "the job has not stored this file yet";
        return Err(Problem::new(Code::FileNotReady, detail).with("job", row.job.as_str()));
    }
    Ok(row.stored)
}

/// The file's row. One that no submit handed the id of out has its first row with its event, a
/// commit after its readers were told: they need not come twice for it.
pub(super) async fn row(app: &App, id: &ArtifactId) -> Result<Option<ArtifactRow>, Problem> {
    if let Some(row) = app.store.db().artifact(id).await? {
        return Ok(Some(row));
    }
    let head = app.store.head();
    if head.n() == 0 {
        // Nothing was announced in this life of the server, and the ids of earlier ones are past.
        return Ok(None);
    }
    // While the database takes no writes there is nothing to wait for.
    drop(timeout(COMMIT_LIMIT, app.store.journal().wait_durable(head)).await);
    Ok(app.store.db().artifact(id).await?)
}

/// What is said of a file when it is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'a> {
    /// Its id, for the log and as a name when it has none.
    pub(super) id: &'a str,
    /// The run that made it, or 0.
    pub(super) attempt: u32,
    /// A name for people who download it.
    pub(super) name: &'a str,
    pub(super) media_type: &'a str,
    pub(super) bytes: u64,
    /// SHA-256 of its bytes, in hex.
    pub(super) sha256: Option<&'a str>,
}

impl<'a> About<'a> {
    fn of(stored: &'a StoredArtifact) -> Self {
        Self {
            id: stored.id.as_str(),
            attempt: stored.attempt,
            name: &stored.name,
            media_type: &stored.view.media_type,
            bytes: stored.view.bytes,
            sha256: stored.sha256.as_deref(),
        }
    }
}

/// A ready file on its way to a client.
#[derive(Debug)]
pub(super) struct Own<'a> {
    pub(super) artifacts: &'a Artifacts,
    pub(super) about: About<'a>,
}

impl Own<'_> {
    /// Sends the file that lies at `place`, or the part of it that was asked for.
    pub(super) async fn send(
        &self,
        place: &str,
        download: bool,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Response, Problem> {
        let size = self.size(place).await?;
        let etag = etag(&self.about, size);
        let mut answer = describe(&self.about, &etag, download);
        if range::has_it_already(headers, &etag) {
            return Ok((StatusCode::NOT_MODIFIED, answer).into_response());
        }
        // Only GET has ranges: RFC 9110, section 14.2.
        let choice = if *method == Method::GET {
            range::choose(headers, &etag, size)
        } else {
            RangeChoice::Whole
        };
        let (status, part) = match choice {
            RangeChoice::Whole => (StatusCode::OK, 0..size),
            RangeChoice::Unsatisfiable => return Ok(not_satisfiable(size)),
            RangeChoice::Part(part) => {
                let named = format!("bytes {}-{}/{size}", part.start, part.end - 1);
                answer.insert(CONTENT_RANGE, ascii(&named));
                (StatusCode::PARTIAL_CONTENT, part)
            }
        };
        answer.insert(CONTENT_LENGTH, HeaderValue::from(part.end - part.start));
        let body =
            if *method == Method::HEAD { Body::empty() } else { self.body(place, part).await? };
        Ok((status, answer, body).into_response())
    }

    /// How long the stored file is.
    async fn size(&self, place: &str) -> Result<u64, Problem> {
        let size = self.artifacts.size(place).await.map_err(|error| self.failed(&error))?;
        let expected = self.about.bytes;
        // A row with a checksum is ours and knows its length; a worker's that only knows the
        // database may not.
        if self.about.sha256.is_some() && size != expected {
            let artifact = self.about.id;
            tracing::error!(%artifact, size, expected, "a stored file has a wrong length");
            return Err(Problem::new(Code::Internal, "the stored file is damaged"));
        }
        Ok(size)
    }

    async fn body(&self, place: &str, part: Range<u64>) -> Result<Body, Problem> {
        let bytes = self.artifacts.read(place, Some(part)).await;
        let bytes = bytes.map_err(|error| self.failed(&error))?;
        let artifact = self.about.id.to_owned();
        Ok(Body::from_stream(bytes.inspect_err(move |error| {
            tracing::error!(%error, %artifact, "a file was sent in part only");
        })))
    }

    fn failed(&self, error: &ArtifactError) -> Problem {
        tracing::error!(%error, artifact = self.about.id, "a file cannot be read");
        match error {
            ArtifactError::Missing(_) => {
                Problem::new(Code::UnknownFile, "the file is gone from artifact storage")
            }
            ArtifactError::Open { .. }
            | ArtifactError::Unusable { .. }
            | ArtifactError::BadPlace(_)
            | ArtifactError::Exists(_)
            | ArtifactError::OutOfRange { .. }
            | ArtifactError::Storage(_)
            | ArtifactError::Read(_) => Problem::new(Code::Internal, "the file could not be read"),
        }
    }
}

/// For a file that another server keeps.
fn point_elsewhere(stored: &StoredArtifact) -> Result<Response, Problem> {
    let url = &stored.view.url;
    let remote = url.starts_with("https://") || url.starts_with("http://");
    match HeaderValue::from_str(url) {
        Ok(location) if remote => {
            let headers = [(LOCATION, location), (CACHE_CONTROL, ASK_EACH_TIME)];
            Ok((StatusCode::FOUND, headers).into_response())
        }
        _ => {
            tracing::error!(artifact = %stored.id, %url, "a ready file has no place");
            Err(Problem::new(Code::UnknownFile, "the file has no place that can be read"))
        }
    }
}

fn not_satisfiable(size: u64) -> Response {
    let detail = format!("the file has {size} bytes");
    let mut response = Problem::new(Code::RangeNotSatisfiable, detail).into_response();
    response.headers_mut().insert(CONTENT_RANGE, ascii(&format!("bytes */{size}")));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::testing;
    use crate::event::payload::Artifact;
    use crate::job::JobId;
    use axum::http::HeaderName;
    use axum::http::header::{
        ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE, RANGE,
    };
    use http_body_util::BodyExt;

    struct Fixture {
        _folder: tempfile::TempDir,
        artifacts: Artifacts,
        stored: StoredArtifact,
    }

    impl Fixture {
        /// A stored file that says `0123456789`.
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let artifacts = testing::open(folder.path()).await;
            let bytes = bytes::Bytes::from_static(b"0123456789");
            let put = artifacts.put(&JobId::generate(), 1, "a.txt", bytes).await.unwrap();
            let view = Artifact {
                id: "file_1".into(),
                kind: "text".into(),
                media_type: "text/plain".into(),
                url: "/api/artifacts/file_1/content".into(),
                bytes: put.bytes,
                duration_ms: None,
                width: None,
                height: None,
            };
            let stored = StoredArtifact {
                view,
                id: "file_1".parse().unwrap(),
                attempt: 1,
                name: "a.txt".into(),
                path: Some(put.path),
                sha256: Some(put.sha256),
                voice: None,
            };
            Self { _folder: folder, artifacts, stored }
        }

        async fn ask(
            &self,
            method: Method,
            headers: &[(HeaderName, &str)],
        ) -> Result<Response, Problem> {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(name, value.parse().unwrap());
            }
            let own = Own { artifacts: &self.artifacts, about: About::of(&self.stored) };
            own.send(self.stored.path.as_deref().unwrap(), false, &method, &map).await
        }

        async fn get(&self, headers: &[(HeaderName, &str)]) -> (StatusCode, HeaderMap, String) {
            let (head, body) = self.ask(Method::GET, headers).await.unwrap().into_parts();
            let bytes = body.collect().await.unwrap().to_bytes();
            (head.status, head.headers, String::from_utf8(bytes.into()).unwrap())
        }
    }

    #[tokio::test]
    async fn a_file_is_sent_whole_with_its_description() {
        let (status, headers, body) = Fixture::new().await.get(&[]).await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, "0123456789"));
        assert_eq!(headers[CONTENT_LENGTH], "10");
        assert_eq!(headers[CONTENT_TYPE], "text/plain; charset=utf-8");
        assert_eq!(headers[ACCEPT_RANGES], "bytes");
        assert!(headers[CONTENT_DISPOSITION].to_str().unwrap().starts_with("inline"));
    }

    #[tokio::test]
    async fn a_range_is_sent_as_one() {
        let fixture = Fixture::new().await;
        let (status, headers, body) = fixture.get(&[(RANGE, "bytes=2-4")]).await;
        assert_eq!((status, body.as_str()), (StatusCode::PARTIAL_CONTENT, "234"));
        assert_eq!(headers[CONTENT_RANGE], "bytes 2-4/10");
        assert_eq!(headers[CONTENT_LENGTH], "3");
        let etag = headers[ETAG].to_str().unwrap();
        let (status, _, body) = fixture.get(&[(RANGE, "bytes=-1"), (IF_RANGE, etag)]).await;
        assert_eq!((status, body.as_str()), (StatusCode::PARTIAL_CONTENT, "9"));
        let (status, ..) = fixture.get(&[(RANGE, "bytes=-1"), (IF_RANGE, "\"old\"")]).await;
        assert_eq!(status, StatusCode::OK);
    }

    #[tokio::test]
    async fn a_range_past_the_end_is_told_the_size() {
        let (status, headers, body) = Fixture::new().await.get(&[(RANGE, "bytes=10-")]).await;
        assert_eq!(status, StatusCode::RANGE_NOT_SATISFIABLE);
        assert_eq!(headers[CONTENT_RANGE], "bytes */10");
        assert!(body.contains("range_not_satisfiable"));
    }

    #[tokio::test]
    async fn a_head_request_gets_the_length_and_nothing_else() {
        let response =
            Fixture::new().await.ask(Method::HEAD, &[(RANGE, "bytes=2-4")]).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[CONTENT_LENGTH], "10");
        assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
    }

    #[tokio::test]
    async fn a_file_that_the_client_has_is_not_sent_again() {
        let fixture = Fixture::new().await;
        let (_, headers, _) = fixture.get(&[]).await;
        let etag = headers[ETAG].to_str().unwrap();
        let known = [(IF_NONE_MATCH, etag), (RANGE, "bytes=0-0")];
        let (status, headers, body) = fixture.get(&known).await;
        assert_eq!((status, body.as_str()), (StatusCode::NOT_MODIFIED, ""));
        assert!(headers.contains_key(ETAG) && !headers.contains_key(CONTENT_LENGTH));
    }

    #[tokio::test]
    async fn a_lost_or_damaged_file_is_never_sent_as_if_it_were_whole() {
        let mut fixture = Fixture::new().await;
        fixture.stored.view.bytes = 11;
        let problem = fixture.ask(Method::GET, &[]).await.unwrap_err();
        assert_eq!(problem.code(), Code::Internal);
        fixture.stored.path = Some("job_1/1/gone".into());
        let problem = fixture.ask(Method::GET, &[]).await.unwrap_err();
        assert_eq!(problem.code(), Code::UnknownFile);
        fixture.stored.path = Some("../../etc/passwd".into());
        let problem = fixture.ask(Method::GET, &[]).await.unwrap_err();
        assert_eq!(problem.code(), Code::Internal);
    }

    #[tokio::test]
    async fn a_workers_row_without_checksum_and_length_is_served() {
        let mut fixture = Fixture::new().await;
        fixture.stored.view.bytes = 0;
        fixture.stored.sha256 = None;
        let (status, headers, body) = fixture.get(&[]).await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, "0123456789"));
        assert_eq!(headers[ETAG], "W/\"file_1-1-10\"");
    }

    #[tokio::test]
    async fn a_file_elsewhere_is_pointed_to_and_never_to_ourselves() {
        let mut fixture = Fixture::new().await;
        let mut ask = |url: &str| {
            fixture.stored.view.url = url.into();
            point_elsewhere(&fixture.stored)
        };
        for url in ["/api/artifacts/file_1/content", "javascript:alert(1)", "https://a\r\nb: c"] {
            assert_eq!(ask(url).unwrap_err().code(), Code::UnknownFile);
        }
        let response = ask("https://files.example/a.wav").unwrap();
        assert_eq!(response.status(), StatusCode::FOUND);
        assert_eq!(response.headers()[LOCATION], "https://files.example/a.wav");
    }
}
