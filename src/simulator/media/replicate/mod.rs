//! Replicate (<https://replicate.com/docs/reference/http>): predictions, files, signed webhooks.

mod create;
mod prediction;
mod webhook;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Multipart, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::desk::{self, Desk, Trouble};
use super::host::{Terms, Upload};
use super::rfc3339::rfc3339;
use super::task::End;

use crate::event::now_ms;

/// What its files are handed out on: an hour (<https://replicate.com/docs/topics/predictions/output-files>).
/// Its own clients send the key along, which the real host takes.
pub(super) fn terms(speed: f64) -> Terms {
    Terms {
        provider: "replicate",
        life: Duration::from_secs(3_600).div_f64(speed),
        expired: StatusCode::NOT_FOUND,
        takes_keys: true,
    }
}

/// How many predictions a minute may be created, and how many other requests made
/// (<https://replicate.com/docs/topics/predictions/rate-limits>).
const CREATES: u32 = 600;
const OTHERS: u32 = 3_000;

/// The largest request, in bytes: clients refuse more than 10 MB of data URLs.
const MAX_BODY_BYTES: usize = 16 << 20;

/// How many versions are remembered by their id.
const MAX_VERSIONS: usize = 1_000;

/// The provider.
#[derive(Debug)]
pub(super) struct Replicate {
    desk: Arc<Desk>,
    creates: Mutex<Window>,
    others: Mutex<Window>,
    /// The model behind each version that was told.
    versions: Mutex<HashMap<String, String>>,
}

pub(super) fn router(desk: Arc<Desk>) -> Router {
    let minute = desk.scaled(Duration::from_secs(60));
    let replicate = Arc::new(Replicate {
        desk: desk.clone(),
        creates: Mutex::new(Window::new(CREATES, minute)),
        others: Mutex::new(Window::new(OTHERS, minute)),
        versions: Mutex::default(),
    });
    Router::new()
        .route("/v1/models/{owner}/{name}/predictions", post(create::by_model))
        .route("/v1/deployments/{owner}/{name}/predictions", post(create::by_model))
        .route("/v1/predictions", post(create::by_version).get(list))
        .route("/v1/predictions/{id}", get(poll))
        .route("/v1/predictions/{id}/cancel", post(cancel))
        .route("/v1/models/{owner}/{name}", get(model))
        .route("/v1/account", get(account))
        .route("/v1/files", post(upload))
        .route("/v1/files/{id}", get(uploaded))
        .route("/v1/webhooks/default/secret", get(secret))
        .fallback(|| async { not_found() })
        .layer(middleware::from_fn_with_state(replicate.clone(), admit))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(replicate)
        .merge(desk.router())
}

/// The key and the rate limits, before anything else.
async fn admit(State(replicate): State<Arc<Replicate>>, request: Request, next: Next) -> Response {
    if desk::is_wrong(desk::bearer(request.headers(), &["bearer", "token"])) {
        let detail = "You did not pass a valid authentication token";
        return problem(StatusCode::UNAUTHORIZED, Some("Unauthenticated"), detail);
    }
    let creates = request.method() == "POST" && request.uri().path().ends_with("/predictions");
    let window = if creates { &replicate.creates } else { &replicate.others };
    let (left, reset) = window.lock().expect("no code that holds this lock panics").take();
    let mut response = match left {
        Some(_) => next.run(request).await,
        None => throttled(&format!("Your rate limit resets in ~{reset}s."), Some(reset)),
    };
    let headers = response.headers_mut();
    headers.insert("ratelimit-remaining", HeaderValue::from(left.unwrap_or(0)));
    headers.insert("ratelimit-reset", HeaderValue::from(reset));
    response
}

/// A limit of requests in a span of time.
#[derive(Debug)]
struct Window {
    limit: u32,
    span: Duration,
    since: Instant,
    used: u32,
}

impl Window {
    fn new(limit: u32, span: Duration) -> Self {
        Self { limit, span, since: Instant::now(), used: 0 }
    }

    /// Takes a place: how many are left, if there was one, and in how many seconds all are again.
    fn take(&mut self) -> (Option<u32>, u64) {
        let now = Instant::now();
        if now >= self.since + self.span {
            (self.since, self.used) = (now, 0);
        }
        let reset = (self.since + self.span - now).as_secs() + 1;
        if self.used >= self.limit {
            return (None, reset);
        }
        self.used += 1;
        (Some(self.limit - self.used), reset)
    }
}

fn problem(status: StatusCode, title: Option<&str>, detail: &str) -> Response {
    let mut body = json!({ "detail": detail, "status": status.as_u16() });
    if let Some(title) = title {
        body["title"] = json!(title);
    }
    (status, [("content-type", "application/problem+json")], body.to_string()).into_response()
}

/// The 429, in the documented shape or, where the wait is a number too, in the newer one.
fn throttled(detail: &str, retry_after: Option<u64>) -> Response {
    let mut body = json!({ "detail": format!("Request was throttled. {detail}") });
    if let Some(seconds) = retry_after {
        body["status"] = json!(429);
        body["retry_after"] = json!(seconds);
    }
    (StatusCode::TOO_MANY_REQUESTS, Json(body)).into_response()
}

fn not_found() -> Response {
    problem(StatusCode::NOT_FOUND, None, "The requested resource could not be found.")
}

/// The answer to a request that trouble comes before.
fn troubled(trouble: Trouble) -> Response {
    if let Some(page) = trouble.page() {
        return page;
    }
    let answer = match trouble {
        Trouble::Busy { nth, .. } => {
            throttled("Your rate limit resets in ~1s.", (nth % 2 == 1).then_some(1))
        }
        Trouble::Quota => problem(
            StatusCode::PAYMENT_REQUIRED,
            Some("Insufficient credit"),
            "You have insufficient credit to run this model. Go to \
             https://replicate.com/account/billing to purchase credit.",
        ),
        Trouble::Broken | Trouble::Page(_) | Trouble::Cut => problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            Some("Internal server error"),
            "Something went wrong (simulated)",
        ),
    };
    match trouble.retry_after() {
        Some(header) => (header, answer).into_response(),
        None => answer,
    }
}

async fn poll(State(replicate): State<Arc<Replicate>>, Path(id): Path<String>) -> Response {
    let desk = &replicate.desk;
    let Some(task) = desk.task(&id) else {
        desk.tally.count(|counts| counts.polls += 1);
        return not_found();
    };
    match desk.trouble_at_poll(&task) {
        Some(trouble) => troubled(trouble),
        None => Json(prediction::show(desk, &task)).into_response(),
    }
}

/// Cancels; a prediction that is over stays as it is.
async fn cancel(State(replicate): State<Arc<Replicate>>, Path(id): Path<String>) -> Response {
    let desk = &replicate.desk;
    desk.tally.count(|counts| counts.cancels += 1);
    let Some(task) = desk.task(&id) else { return not_found() };
    task.end_early(End::Canceled);
    Json(prediction::show(desk, &task)).into_response()
}

async fn list(State(replicate): State<Arc<Replicate>>) -> Json<Value> {
    let desk = &replicate.desk;
    let newest = desk.all().into_iter().rev().take(100);
    let results: Value = newest.map(|task| prediction::show(desk, &task)).collect();
    Json(json!({ "next": null, "previous": null, "results": results }))
}

async fn model(
    State(replicate): State<Arc<Replicate>>,
    Path((owner, name)): Path<(String, String)>,
) -> Json<Value> {
    let model = format!("{owner}/{name}");
    let version: String =
        Sha256::digest(model.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut versions = replicate.versions.lock().expect("no code that holds this lock panics");
    if versions.len() >= MAX_VERSIONS {
        versions.clear();
    }
    versions.insert(version.clone(), model);
    Json(json!({
        "url": format!("https://replicate.com/{owner}/{name}"),
        "owner": owner,
        "name": name,
        "description": "A simulated model",
        "visibility": "public",
        "is_official": true,
        "run_count": 0,
        "default_example": null,
        "latest_version": {
            "id": version,
            "created_at": rfc3339(now_ms()),
            "cog_version": "0.0.0",
            "openapi_schema": {},
        },
    }))
}

async fn account() -> Json<Value> {
    Json(json!({ "type": "user", "username": "simulated", "name": "Simulated" }))
}

async fn secret() -> Json<Value> {
    Json(json!({ "key": webhook::SECRET }))
}

/// Takes a file in its form's field `content`.
async fn upload(State(replicate): State<Arc<Replicate>>, mut form: Multipart) -> Response {
    while let Ok(Some(field)) = form.next_field().await {
        if field.name() != Some("content") {
            continue;
        }
        let name = field.file_name().unwrap_or("file").to_owned();
        let media_type = field.content_type().unwrap_or("application/octet-stream").to_owned();
        let Ok(bytes) = field.bytes().await else { break };
        let file = Upload { name, media_type, bytes };
        let id = prediction::id();
        let body = file_object(&replicate.desk, &id, &file);
        replicate.desk.host.keep(&id, file);
        return (StatusCode::CREATED, Json(body)).into_response();
    }
    problem(StatusCode::BAD_REQUEST, None, "Missing content")
}

async fn uploaded(State(replicate): State<Arc<Replicate>>, Path(id): Path<String>) -> Response {
    match replicate.desk.host.upload(&id) {
        Some(file) => Json(file_object(&replicate.desk, &id, &file)).into_response(),
        None => not_found(),
    }
}

fn file_object(desk: &Desk, id: &str, file: &Upload) -> Value {
    let checksum: String =
        Sha256::digest(&file.bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "id": id,
        "name": file.name,
        "content_type": file.media_type,
        "size": file.bytes.len(),
        "etag": id,
        "checksums": { "sha256": checksum },
        "metadata": {},
        "created_at": rfc3339(now_ms()),
        "expires_at": rfc3339(now_ms() + 86_400_000),
        "urls": {
            "get": format!("{}/v1/files/{id}", desk.origin),
            "download": desk.host.upload_url(id, &file.name),
        },
    })
}

/// Whether these bytes are a JSON object, and which.
fn object(body: &Bytes) -> Option<Value> {
    Some(desk::parse(body)).filter(Value::is_object)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
