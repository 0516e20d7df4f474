//! The first generation: HTTP 200 for everything, the truth in `base_resp`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Multipart, Query, Request, State};
use axum::http::{HeaderName, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::event::now_ms;
use crate::simulator::markers::Marker;
use crate::simulator::media::callback;
use crate::simulator::media::desk::{self, Desk, Trouble};
use crate::simulator::media::host::{self, Upload};
use crate::simulator::media::order::{self, Order};
use crate::simulator::media::task::{End, Phase, Task};

use super::webhook;

/// What is added to a task's id to get its file's: more than a float can hold exactly.
const FILE_IDS: u64 = 9_007_199_254_740_992;

/// The longest prompt, in characters.
const LONGEST_PROMPT: usize = 2_000;

pub(super) fn router() -> Router<Arc<Desk>> {
    Router::new()
        .route("/v1/video_generation", post(start))
        .route("/v1/query/video_generation", get(query))
        .route("/v1/files/retrieve", get(retrieve))
        .route("/v1/files/retrieve_content", get(retrieve_content))
        .route("/v1/files/upload", post(upload))
        .layer(middleware::from_fn(admit))
}

async fn admit(request: Request, next: Next) -> Response {
    if desk::is_wrong(desk::bearer(request.headers(), &["bearer"])) {
        let message = "login fail: Please carry the API secret key in the 'Authorization' field of the header";
        return refusal(1004, message);
    }
    next.run(request).await
}

fn base(code: u32, message: &str) -> Value {
    json!({ "status_code": code, "status_msg": message })
}

fn success() -> Value {
    base(0, "success")
}

fn refusal(code: u32, message: &str) -> Response {
    Json(json!({ "base_resp": base(code, message) })).into_response()
}

/// Every trouble but a page is a 200; even then the code says what it is.
fn troubled(trouble: Trouble) -> Response {
    match trouble {
        Trouble::Page(_) | Trouble::Cut => {
            trouble.page().unwrap_or_else(|| StatusCode::BAD_GATEWAY.into_response())
        }
        Trouble::Busy { .. } => {
            let headers: Option<[(HeaderName, String); 1]> = trouble.retry_after();
            (headers, refusal(1002, "rate limit exceeded")).into_response()
        }
        Trouble::Quota => refusal(1008, "insufficient balance"),
        Trouble::Broken => refusal(1000, "unknown error, internal error"),
    }
}

async fn start(State(desk): State<Arc<Desk>>, body: Bytes) -> Response {
    let input = desk::parse(&body);
    let markers = order::markers(&input);
    if let Some(trouble) = desk.trouble_at_start(&markers, &body) {
        return troubled(trouble);
    }
    if markers.has(Marker::Moderated) {
        return refusal(1026, "input new_sensitive");
    }
    if let Some(fault) = fault(&input) {
        return refusal(2013, &format!("invalid params, {fault}"));
    }
    let callback = input["callback_url"].as_str().map(str::to_owned);
    if let Some(url) = &callback
        && !webhook::accepts(&desk.caller, url).await
    {
        return refusal(2013, "invalid params, callback_url: the challenge was not echoed");
    }
    let model = input["model"].as_str().unwrap_or_default();
    let mut order = Order::new(super::id(), model, &input);
    order.callback = callback;
    order.details = json!({ "generation": 1 });
    let task = desk.start(order);
    callback::follow(&desk, &task, webhook::MAIL);
    Desk::answer(&task, Json(json!({ "task_id": task.id(), "base_resp": success() })))
}

/// The first mistake in the inputs.
fn fault(input: &Value) -> Option<String> {
    let model = input["model"].as_str().unwrap_or_default();
    let required: &[&str] = match model {
        "" => &["model"],
        "MiniMax-Hailuo-02" if input.get("last_frame_image").is_some() => &[],
        "MiniMax-Hailuo-2.3-Fast" | "I2V-01" | "I2V-01-Director" | "I2V-01-live" => {
            &["first_frame_image"]
        }
        "S2V-01" => &["subject_reference"],
        "MiniMax-Hailuo-2.3" | "MiniMax-Hailuo-02" if input.get("first_frame_image").is_some() => {
            &[]
        }
        _ => &["prompt"],
    };
    if let Some(name) = desk::missing(input, required).first() {
        return Some(format!("{name} is required"));
    }
    let prompt = input["prompt"].as_str().unwrap_or_default();
    if prompt.chars().count() > LONGEST_PROMPT {
        return Some(format!("prompt is longer than {LONGEST_PROMPT} characters"));
    }
    let resolution = input["resolution"].as_str();
    let duration = input["duration"].as_u64();
    let long = duration == Some(10) && resolution == Some("1080P");
    let odd = duration.is_some_and(|seconds| ![6, 10].contains(&seconds));
    (long || odd).then(|| "duration is not allowed at this resolution".to_owned())
}

#[derive(Debug, Deserialize)]
struct TaskId {
    task_id: String,
}

async fn query(State(desk): State<Arc<Desk>>, Query(query): Query<TaskId>) -> Response {
    let Some(task) = desk.task(&query.task_id) else {
        desk.tally.count(|counts| counts.polls += 1);
        return refusal(2013, "invalid params, task_id");
    };
    match desk.trouble_at_poll(&task) {
        Some(trouble) => troubled(trouble),
        None => Json(show(&task)).into_response(),
    }
}

/// The task as a query shows it.
pub(super) fn show(task: &Task) -> Value {
    let mut object = json!({
        "task_id": task.id(),
        "file_id": "",
        "video_width": 0,
        "video_height": 0,
        "base_resp": success(),
    });
    let status = match task.phase() {
        Phase::Throttled => "Preparing",
        // The first of its two ways to wait, for the first third of a second or so.
        Phase::Queued if task.times().total_seconds < 1.0 => "Preparing",
        Phase::Queued => "Queueing",
        Phase::Running(_) => "Processing",
        Phase::Over(End::Succeeded) => {
            object["file_id"] = json!(file_id(task).to_string());
            (object["video_width"], object["video_height"]) = (json!(640), json!(360));
            "Success"
        }
        Phase::Over(End::Moderated) => {
            object["base_resp"] = base(1027, "output new_sensitive");
            "Fail"
        }
        Phase::Over(End::Failed(_) | End::Canceled | End::Aborted) => {
            object["base_resp"] = base(1033, "system error (simulated)");
            "Fail"
        }
    };
    object["status"] = json!(status);
    object
}

fn file_id(task: &Task) -> u64 {
    FILE_IDS + task.id().parse::<u64>().unwrap_or(0)
}

#[derive(Debug, Deserialize)]
struct FileId {
    file_id: String,
}

/// The task whose file has this id, if it is there.
fn task_of_file(desk: &Desk, file_id: &str) -> Option<Arc<Task>> {
    let id = file_id.parse::<u64>().ok()?.checked_sub(FILE_IDS)?;
    desk.task(&id.to_string()).filter(|task| task.end() == Some(End::Succeeded))
}

async fn retrieve(State(desk): State<Arc<Desk>>, Query(query): Query<FileId>) -> Response {
    desk.tally.count(|counts| counts.results += 1);
    let Some(task) = task_of_file(&desk, &query.file_id) else {
        return refusal(2013, "invalid params, file_id");
    };
    let file = json!({
        "file_id": file_id(&task),
        "bytes": host::content(task.order.medium).len(),
        "created_at": task.times().created / 1000,
        "filename": "output_aigc.mp4",
        "purpose": "video_generation",
        "download_url": desk.output(&task),
    });
    Json(json!({ "file": file, "base_resp": success() })).into_response()
}

async fn retrieve_content(State(desk): State<Arc<Desk>>, Query(query): Query<FileId>) -> Response {
    let Some(task) = task_of_file(&desk, &query.file_id) else {
        return refusal(2013, "invalid params, file_id");
    };
    desk.tally.count(|counts| counts.downloads += 1);
    let (_, media_type) = host::describe(task.order.medium);
    ([("content-type", media_type)], host::content(task.order.medium)).into_response()
}

/// Takes a form with `purpose` and `file`.
async fn upload(State(desk): State<Arc<Desk>>, mut form: Multipart) -> Response {
    let mut purpose = String::new();
    while let Ok(Some(field)) = form.next_field().await {
        if field.name() == Some("purpose") {
            purpose = field.text().await.unwrap_or_default();
            continue;
        }
        let name = field.file_name().unwrap_or("file").to_owned();
        let media_type = field.content_type().unwrap_or("application/octet-stream").to_owned();
        let Ok(bytes) = field.bytes().await else { break };
        let (id, size) = (super::id(), bytes.len());
        let file = json!({
            "file_id": id.parse::<u64>().unwrap_or(0),
            "bytes": size,
            "created_at": now_ms() / 1000,
            "filename": name,
            "purpose": purpose,
        });
        desk.host.keep(&id, Upload { name, media_type, bytes });
        return Json(json!({ "file": file, "base_resp": success() })).into_response();
    }
    (StatusCode::BAD_REQUEST, Json(json!({ "base_resp": base(2013, "invalid params, file") })))
        .into_response()
}
