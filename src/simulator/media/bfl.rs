//! Black Forest Labs (<https://docs.bfl.ai>): images by a polling address in a region of its own.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use ring::hmac;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::event::now_ms;

use super::callback::{self, Letter, Mail, Occasion};
use super::desk::{self, Desk, Trouble};
use super::host::Terms;
use super::order::{self, Medium, Order};
use super::rfc3339::rfc3339;
use super::task::{End, Phase, Task};

/// How many tasks may be in flight; one more gets 429.
const MAX_IN_FLIGHT: usize = 24;

/// The largest request, in bytes: images come as base64.
const MAX_BODY_BYTES: usize = 64 << 20;

const MAIL: Mail = Mail { write, retries: &[1, 5, 30] };

/// What its files are handed out on: ten minutes.
pub(super) fn terms(speed: f64) -> Terms {
    Terms {
        provider: "bfl",
        life: Duration::from_secs(600).div_f64(speed),
        expired: StatusCode::FORBIDDEN,
        takes_keys: false,
    }
}

/// The provider, and the region that its work is done in.
#[derive(Debug)]
struct Bfl {
    desk: Arc<Desk>,
    region: String,
}

/// The global address: takes orders, and knows only those that have no polling address.
pub(super) fn router(desk: Arc<Desk>, region: String) -> Router {
    let bfl = Arc::new(Bfl { desk: desk.clone(), region });
    Router::new()
        .route("/v1/{model}", post(start))
        .route("/v1/get_result", get(result))
        .route("/v1/credits", get(credits))
        .layer(middleware::from_fn(admit))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(bfl)
        .merge(desk.router())
}

/// The region: answers at the polling addresses.
pub(super) fn region(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/v1/get_result", get(regional_result))
        .layer(middleware::from_fn(admit))
        .with_state(desk)
}

async fn admit(request: Request, next: Next) -> Response {
    let key = request.headers().get("x-key").and_then(|value| value.to_str().ok());
    if desk::is_wrong(key) {
        return refusal(StatusCode::FORBIDDEN, "Not authenticated - Invalid Authentication");
    }
    next.run(request).await
}

fn refusal(status: StatusCode, detail: &str) -> Response {
    (status, Json(json!({ "detail": detail }))).into_response()
}

fn troubled(trouble: Trouble) -> Response {
    if let Some(page) = trouble.page() {
        return page;
    }
    let answer = match trouble {
        Trouble::Busy { .. } => refusal(StatusCode::TOO_MANY_REQUESTS, "Rate limit exceeded"),
        Trouble::Quota => refusal(StatusCode::PAYMENT_REQUIRED, "Insufficient credits"),
        Trouble::Broken | Trouble::Page(_) | Trouble::Cut => {
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
    };
    match trouble.retry_after() {
        Some(header) => (header, answer).into_response(),
        None => answer,
    }
}

async fn start(State(bfl): State<Arc<Bfl>>, Path(model): Path<String>, body: Bytes) -> Response {
    let desk = &bfl.desk;
    if !model.starts_with("flux-") {
        return refusal(StatusCode::NOT_FOUND, "Not Found");
    }
    let input = desk::parse(&body);
    if let Some(trouble) = desk.trouble_at_start(&order::markers(&input), &body) {
        return troubled(trouble);
    }
    let faults = faults(&model, &input);
    if !faults.is_empty() {
        let body = json!({ "detail": faults });
        return (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response();
    }
    if desk.in_flight() >= MAX_IN_FLIGHT {
        let detail = format!("You have more than {MAX_IN_FLIGHT} active tasks");
        return refusal(StatusCode::TOO_MANY_REQUESTS, &detail);
    }
    let order = order(&model, &input);
    let task = desk.start(order);
    callback::follow(desk, &task, MAIL);
    let id = task.id();
    let answer = match &task.order.callback {
        Some(url) => json!({ "id": id, "status": "Pending", "webhook_url": url, "cost": 3.0 }),
        None => {
            let polling = format!("{}/v1/get_result?id={id}", bfl.region);
            json!({ "id": id, "polling_url": polling, "cost": 3.0, "output_mp": 0.79 })
        }
    };
    Desk::answer(&task, Json(answer))
}

fn order(model: &str, input: &Value) -> Order {
    let mut kept = input.clone();
    // The secret is for signing, not for showing.
    let secret = kept.as_object_mut().and_then(|fields| fields.remove("webhook_secret"));
    let mut order = Order::new(uuid::Uuid::now_v7().to_string(), model, &kept);
    order.medium = match input["output_format"].as_str() {
        _ if model.contains("video") => Medium::Mp4,
        Some("png") => Medium::Png,
        Some("webp") => Medium::Webp,
        None if model.contains("kontext") => Medium::Png,
        Some(_) | None => Medium::Jpeg,
    };
    order.callback = input["webhook_url"].as_str().map(str::to_owned);
    order.details = json!({ "secret": secret });
    order
}

/// What is wrong with a body, in `FastAPI`'s words.
fn faults(model: &str, input: &Value) -> Vec<Value> {
    let fault = |name: &str, kind: &str, message: String| json!({ "loc": ["body", name], "msg": message, "type": kind, "input": input.get(name) });
    let required: &[&str] = match model {
        "flux-pro-1.0-fill" | "flux-pro-1.0-expand" => &["image"],
        "flux-pro-1.1" | "flux-pro-1.1-ultra" => &[],
        _ => &["prompt"],
    };
    let mut faults: Vec<Value> = desk::missing(input, required)
        .into_iter()
        .map(|name| fault(name, "missing", "Field required".to_owned()))
        .collect();
    let step = if model.starts_with("flux-2") { 16 } else { 32 };
    for name in ["width", "height"] {
        let size = input[name].as_u64();
        if size.is_some_and(|size| size % step != 0) {
            let message = format!("Input should be a multiple of {step}");
            faults.push(fault(name, "multiple_of", message));
        } else if size.is_some_and(|size| size < 64) {
            let message = "Input should be greater than or equal to 64".to_owned();
            faults.push(fault(name, "greater_than_equal", message));
        }
    }
    let format = input["output_format"].as_str();
    if format.is_some_and(|format| !["jpeg", "png", "webp"].contains(&format)) {
        let message = "Input should be 'jpeg', 'png' or 'webp'".to_owned();
        faults.push(fault("output_format", "enum", message));
    }
    if input["webhook_url"].as_str().is_some_and(|url| !desk::is_http(url)) {
        let message = "Input should be a valid URL".to_owned();
        faults.push(fault("webhook_url", "url_parsing", message));
    }
    faults
}

#[derive(Debug, Deserialize)]
struct TaskId {
    id: String,
}

/// The global address and the region do not know each other's tasks.
async fn result(State(bfl): State<Arc<Bfl>>, Query(query): Query<TaskId>) -> Response {
    let task = bfl.desk.task(&query.id).filter(|task| task.order.callback.is_some());
    answer(&bfl.desk, &query.id, task.as_deref())
}

async fn regional_result(State(desk): State<Arc<Desk>>, Query(query): Query<TaskId>) -> Response {
    let task = desk.task(&query.id);
    answer(&desk, &query.id, task.as_deref())
}

fn answer(desk: &Desk, id: &str, task: Option<&Task>) -> Response {
    let Some(task) = task else {
        desk.tally.count(|counts| counts.polls += 1);
        return Json(object(id, "Task not found")).into_response();
    };
    match desk.trouble_at_poll(task) {
        Some(trouble) => troubled(trouble),
        None => Json(show(desk, task)).into_response(),
    }
}

fn object(id: &str, status: &str) -> Value {
    json!({
        "id": id,
        "status": status,
        "result": null,
        "progress": null,
        "details": null,
        "preview": null,
    })
}

fn show(desk: &Desk, task: &Task) -> Value {
    let id = task.id();
    match task.phase() {
        Phase::Throttled | Phase::Queued => object(id, "Pending"),
        Phase::Running(fraction) => {
            let mut pending = object(id, "Pending");
            pending["progress"] = json!((fraction * 100.0).round() / 100.0);
            pending
        }
        Phase::Over(End::Succeeded) => {
            let times = task.times();
            let mut ready = object(id, "Ready");
            ready["result"] = json!({
                "sample": desk.output(task),
                "prompt": task.order.input.get("prompt"),
                "seed": task.order.input.get("seed").cloned().unwrap_or(json!(42)),
                "start_time": times.created as f64 / 1000.0,
                "end_time": times.over.unwrap_or(times.created) as f64 / 1000.0,
                "duration": times.total_seconds,
            });
            ready
        }
        Phase::Over(End::Moderated) => {
            let mut moderated = object(id, "Content Moderated");
            moderated["details"] = json!({ "Moderation Reasons": ["Safety Filter"] });
            moderated
        }
        // It cannot be canceled; what its operator ends looks like any other fault.
        Phase::Over(End::Failed(_) | End::Canceled | End::Aborted) => object(id, "Error"),
    }
}

async fn credits() -> Json<Value> {
    Json(json!({ "credits": 100_000.0 }))
}

/// A callback, signed with the secret that came with the order.
fn write(desk: &Desk, task: &Task, occasion: Occasion) -> Option<Letter> {
    let now = rfc3339(now_ms());
    let failure = |message: &str| {
        json!({
            "id": task.id(),
            "status": "Error",
            "error": "task_failed",
            "message": message,
            "timestamp": now,
        })
    };
    let body = match occasion {
        Occasion::Running | Occasion::Progress | Occasion::Output => return None,
        Occasion::Forged => failure("forged"),
        Occasion::Over => match show(desk, task) {
            object if object["status"] == "Error" => failure("The task failed (simulated)"),
            object => json!({
                "id": task.id(),
                "status": object["status"],
                "result": object["result"],
                "timestamp": now,
            }),
        },
    };
    let body = body.to_string();
    let secret = match occasion {
        Occasion::Forged => Some("forged"),
        Occasion::Running | Occasion::Progress | Occasion::Output | Occasion::Over => {
            task.order.details["secret"].as_str()
        }
    };
    let headers = secret.map(|secret| ("x-bfl-signature", sign(secret, &body)));
    Some(Letter { url: task.order.callback.clone()?, headers: headers.into_iter().collect(), body })
}

fn sign(secret: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, body.as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}
