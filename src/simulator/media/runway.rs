//! Runway (<https://docs.dev.runwayml.com/api/>): tasks that are polled; it calls nobody back.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::desk::{self, Desk, Trouble};
use super::host::Terms;
use super::order::{self, Medium, Order};
use super::rfc3339::rfc3339;
use super::task::{End, Phase, Task};

/// How many tasks are made at a time: the highest tier's.
const SLOTS: usize = 20;

/// A task is looked at no more often than this, at a real provider's pace.
const SNAPSHOT: Duration = Duration::from_secs(5);

/// The one version of the API (header `x-runway-version`).
const VERSION: &str = "2024-11-06";

/// The largest request, in bytes: three data URLs of 16 MB, in base64.
const MAX_BODY_BYTES: usize = 64 << 20;

/// What its files are handed out on: a day at least.
pub(super) fn terms(speed: f64) -> Terms {
    Terms {
        provider: "runway",
        life: Duration::from_secs(86_400).div_f64(speed),
        expired: StatusCode::FORBIDDEN,
        takes_keys: false,
    }
}

pub(super) fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/v1/{endpoint}", post(start))
        .route("/v1/tasks/{id}", get(poll).delete(delete))
        .route("/v1/uploads", post(upload))
        .route("/v1/organization", get(organization))
        .fallback(|| async { refusal(StatusCode::NOT_FOUND, "Not found") })
        .method_not_allowed_fallback(|| async {
            refusal(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed")
        })
        .layer(middleware::from_fn(admit))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(desk.clone())
        .merge(desk.router())
}

async fn admit(request: Request, next: Next) -> Response {
    let headers = request.headers();
    if !takes(desk::bearer(headers, &["bearer"])) {
        return refusal(StatusCode::UNAUTHORIZED, "The API key you provided is invalid.");
    }
    if version(headers) != Some(VERSION) {
        let message = format!("X-Runway-Version is missing or unknown; the version is {VERSION}.");
        return refusal(StatusCode::BAD_REQUEST, &message);
    }
    next.run(request).await
}

/// A key begins with `key_`; `simulated-key` is what our own server says.
fn takes(key: Option<&str>) -> bool {
    let shaped = |key: &str| key.starts_with("key_") || key == "simulated-key";
    !desk::is_wrong(key) && key.is_some_and(shaped)
}

fn version(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-runway-version")?.to_str().ok()
}

fn refusal(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}

fn troubled(trouble: Trouble) -> Response {
    if let Some(page) = trouble.page() {
        return page;
    }
    let answer = match trouble {
        Trouble::Busy { .. } => {
            refusal(StatusCode::TOO_MANY_REQUESTS, "Too many requests. Please slow down.")
        }
        Trouble::Quota => {
            refusal(StatusCode::TOO_MANY_REQUESTS, "Your daily task limit has been reached.")
        }
        Trouble::Broken | Trouble::Page(_) | Trouble::Cut => {
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "An internal error occurred (simulated).")
        }
    };
    match trouble.retry_after() {
        Some(header) => (header, answer).into_response(),
        None => answer,
    }
}

async fn start(
    State(desk): State<Arc<Desk>>,
    Path(endpoint): Path<String>,
    body: Bytes,
) -> Response {
    let Some((medium, required)) = endpoint_of(&endpoint) else {
        return refusal(StatusCode::NOT_FOUND, "Not found");
    };
    let input = desk::parse(&body);
    if let Some(trouble) = desk.trouble_at_start(&order::markers(&input), &body) {
        return troubled(trouble);
    }
    let issues = issues(&endpoint, required, &input);
    if !issues.is_empty() {
        let body = json!({ "error": "Validation of body failed", "issues": issues });
        return (StatusCode::BAD_REQUEST, Json(body)).into_response();
    }
    let model = input["model"].as_str().unwrap_or_default();
    let mut order = Order::new(uuid::Uuid::now_v7().to_string(), model, &input);
    order.medium = medium;
    order.throttled = desk.wait_for_slot(SLOTS);
    let task = desk.start(order);
    Desk::answer(&task, Json(json!({ "id": task.id() })))
}

/// What an endpoint makes and cannot do without.
fn endpoint_of(endpoint: &str) -> Option<(Medium, &'static [&'static str])> {
    let table: [(&str, Medium, &[&str]); 9] = [
        ("image_to_video", Medium::Mp4, &["model", "promptImage"]),
        ("text_to_video", Medium::Mp4, &["model", "promptText"]),
        ("video_to_video", Medium::Mp4, &["model"]),
        ("character_performance", Medium::Mp4, &["model", "character", "reference"]),
        ("video_upscale", Medium::Mp4, &["model", "videoUri"]),
        ("text_to_image", Medium::Png, &["model", "promptText", "ratio"]),
        ("text_to_speech", Medium::Wav, &["model", "promptText", "voice"]),
        ("sound_effect", Medium::Wav, &["model", "promptText"]),
        ("speech_to_speech", Medium::Wav, &["model"]),
    ];
    let found = table.into_iter().find(|(name, _, _)| *name == endpoint);
    found.map(|(_, medium, required)| (medium, required))
}

/// What is wrong with a body.
fn issues(endpoint: &str, required: &[&'static str], input: &Value) -> Vec<Value> {
    let issue = |code: &str, path: Value, message: String| json!({ "code": code, "path": path, "message": message });
    let mut issues: Vec<Value> = desk::missing(input, required)
        .into_iter()
        .map(|name| issue("invalid_type", json!([name]), "Required".to_owned()))
        .collect();
    let model = input["model"].as_str().unwrap_or_default();
    let needs_ratio = ["gen4_turbo", "gen4.5", "veo3", "veo3.1", "veo3.1_fast"].contains(&model);
    if endpoint == "image_to_video" && needs_ratio && input["ratio"].is_null() {
        issues.push(issue("invalid_type", json!(["ratio"]), "Required".to_owned()));
    }
    if endpoint == "video_to_video" && desk::missing(input, &["videoUri", "promptVideo"]).len() == 2
    {
        issues.push(issue("invalid_type", json!(["videoUri"]), "Required".to_owned()));
    }
    if endpoint == "character_performance" {
        for (name, kinds) in [("character", &["image", "video"][..]), ("reference", &["video"])] {
            let part = &input[name];
            let kind = part["type"].as_str().unwrap_or_default();
            if !kinds.contains(&kind) {
                let message = format!("Invalid discriminator value. Expected {kinds:?}");
                issues.push(issue("invalid_union_discriminator", json!([name, "type"]), message));
            }
            if !part["uri"].is_string() {
                issues.push(issue("invalid_type", json!([name, "uri"]), "Required".to_owned()));
            }
        }
    }
    if let Some(text) = input["promptText"].as_str()
        && text.encode_utf16().count() > 3_500
    {
        let message = "String must contain at most 3500 character(s)".to_owned();
        issues.push(issue("too_big", json!(["promptText"]), message));
    }
    issues
}

/// The task; within five seconds of its last look, what it saw then.
async fn poll(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Response {
    let Some(task) = desk.task(&id) else {
        desk.tally.count(|counts| counts.polls += 1);
        return refusal(StatusCode::NOT_FOUND, "Task not found");
    };
    if let Some(trouble) = desk.trouble_at_poll(&task) {
        return troubled(trouble);
    }
    let seen = task.changing().snapshot.clone();
    if let Some((until, snapshot)) = seen
        && Instant::now() < until
    {
        return Json(snapshot).into_response();
    }
    let snapshot = show(&desk, &task);
    let until = Instant::now() + desk.scaled(SNAPSHOT);
    task.changing().snapshot = Some((until, snapshot.clone()));
    Json(snapshot).into_response()
}

fn show(desk: &Desk, task: &Task) -> Value {
    let mut object = json!({ "id": task.id(), "createdAt": rfc3339(task.times().created) });
    let status = match task.phase() {
        Phase::Throttled => "THROTTLED",
        Phase::Queued => "PENDING",
        Phase::Running(fraction) => {
            object["progress"] = json!((fraction * 100.0).round() / 100.0);
            "RUNNING"
        }
        Phase::Over(End::Succeeded) => {
            object["output"] = json!([desk.output(task)]);
            "SUCCEEDED"
        }
        Phase::Over(End::Failed(_)) => {
            object["failure"] = json!("An unexpected error occurred (simulated).");
            object["failureCode"] = json!("INTERNAL");
            "FAILED"
        }
        Phase::Over(End::Moderated) => {
            object["failure"] = json!("The prompt was flagged by our content moderation.");
            object["failureCode"] = json!("SAFETY.INPUT.TEXT");
            "FAILED"
        }
        Phase::Over(End::Canceled | End::Aborted) => "CANCELLED",
    };
    object["status"] = json!(status);
    object
}

/// Cancels a task, or deletes one that is over; it cannot be asked for afterwards.
async fn delete(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Response {
    desk.tally.count(|counts| counts.cancels += 1);
    let Some(task) = desk.task(&id) else {
        return refusal(StatusCode::NOT_FOUND, "Task not found");
    };
    task.end_early(End::Canceled);
    task.changing().deleted = true;
    StatusCode::NO_CONTENT.into_response()
}

/// Says where a form with a file is posted, and what the file is called in inputs.
async fn upload(State(desk): State<Arc<Desk>>, Json(request): Json<Value>) -> Response {
    let missing = desk::missing(&request, &["filename", "type"]);
    if !missing.is_empty() || request["type"] != "ephemeral" {
        return refusal(StatusCode::BAD_REQUEST, "Validation of body failed");
    }
    let id = uuid::Uuid::now_v7().simple().to_string();
    Json(json!({
        "uploadUrl": desk.host.form_url(&id),
        "fields": { "key": id },
        "runwayUri": format!("runway://{id}"),
    }))
    .into_response()
}

async fn organization(State(desk): State<Arc<Desk>>) -> Json<Value> {
    let limits = json!({ "maxConcurrentGenerations": SLOTS, "maxDailyGenerations": 30_000 });
    let made = desk.all().len();
    Json(json!({
        "creditBalance": 100_000,
        "tier": { "maxMonthlyCreditSpend": 10_000_000, "models": { "gen4_turbo": limits } },
        "usage": { "models": { "gen4_turbo": { "dailyGenerations": made } } },
    }))
}
