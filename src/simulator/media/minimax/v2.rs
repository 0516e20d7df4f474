//! The second generation: errors by HTTP status, the old code at the end of the message.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::simulator::markers::Marker;
use crate::simulator::media::callback;
use crate::simulator::media::desk::{self, Desk, Trouble};
use crate::simulator::media::order::{self, Medium, Order};
use crate::simulator::media::task::{End, Phase, Task};

use super::webhook;

/// How many tasks are in flight at most.
const MAX_IN_FLIGHT: usize = 30;

pub(super) fn router() -> Router<Arc<Desk>> {
    Router::new()
        .route("/v2/video_generation", post(start))
        .route("/v2/video_generation/{id}", delete(cancel))
        .route("/v2/query/video_generation", get(list))
        .route("/v2/query/video_generation/{id}", get(query))
        .layer(middleware::from_fn(admit))
}

async fn admit(request: Request, next: Next) -> Response {
    if desk::is_wrong(desk::bearer(request.headers(), &["bearer"])) {
        return refusal(StatusCode::UNAUTHORIZED, "login fail: invalid api key", 1004);
    }
    next.run(request).await
}

fn refusal(status: StatusCode, message: &str, code: u32) -> Response {
    let kind = match status.as_u16() {
        401 => "authorized_error",
        402 => "insufficient_balance_error",
        422 => "unprocessable_entity_error",
        429 => "rate_limit_error",
        500 => "server_error",
        _ => "bad_request_error",
    };
    let error = json!({
        "type": kind,
        "message": format!("{message} ({code})"),
        "http_code": status.as_u16().to_string(),
    });
    let request = uuid::Uuid::now_v7().simple().to_string();
    (status, Json(json!({ "type": "error", "error": error, "request_id": request })))
        .into_response()
}

fn troubled(trouble: Trouble) -> Response {
    if let Some(page) = trouble.page() {
        return page;
    }
    let answer = match trouble {
        Trouble::Busy { .. } => refusal(StatusCode::TOO_MANY_REQUESTS, "rate limit exceeded", 1002),
        Trouble::Quota => refusal(StatusCode::PAYMENT_REQUIRED, "insufficient balance", 1008),
        Trouble::Broken | Trouble::Page(_) | Trouble::Cut => {
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "unknown error", 1000)
        }
    };
    match trouble.retry_after() {
        Some(header) => (header, answer).into_response(),
        None => answer,
    }
}

async fn start(State(desk): State<Arc<Desk>>, body: Bytes) -> Response {
    let input = desk::parse(&body);
    let markers = order::markers(&input);
    if let Some(trouble) = desk.trouble_at_start(&markers, &body) {
        return troubled(trouble);
    }
    if markers.has(Marker::Moderated) {
        return refusal(StatusCode::UNPROCESSABLE_ENTITY, "input new_sensitive", 1026);
    }
    if let Some(fault) = fault(&input) {
        return refusal(StatusCode::BAD_REQUEST, &format!("invalid params, {fault}"), 2013);
    }
    if desk.in_flight() >= MAX_IN_FLIGHT {
        return refusal(StatusCode::TOO_MANY_REQUESTS, "too many tasks in flight", 1041);
    }
    let callback = input["callback_url"].as_str().map(str::to_owned);
    if let Some(url) = &callback
        && !webhook::accepts(&desk.caller, url).await
    {
        return refusal(StatusCode::BAD_REQUEST, "invalid params, callback_url", 2013);
    }
    let model = input["model"].as_str().unwrap_or_default();
    let mut order = Order::new(super::id(), model, &input);
    order.medium = Medium::Mp4;
    order.callback = callback;
    order.details = json!({ "generation": 2 });
    let task = desk.start(order);
    callback::follow(&desk, &task, webhook::MAIL);
    Desk::answer(&task, Json(json!({ "task_id": task.id() })))
}

fn fault(input: &Value) -> Option<String> {
    if let Some(name) = desk::missing(input, &["model", "content"]).first() {
        return Some(format!("{name} is required"));
    }
    let parts = input["content"].as_array().into_iter().flatten();
    let text = |part: &&Value| {
        part["type"] == "text" && part["text"].as_str().is_some_and(|text| !text.is_empty())
    };
    let (texts, all) = (parts.clone().filter(text).count(), parts.count());
    let ratio = input["ratio"].as_str();
    if texts != 1 {
        Some("content must have exactly one non-empty text".to_owned())
    } else if all == 1 && ratio.is_none_or(|ratio| ratio == "adaptive") {
        Some("ratio is required without an image or a video".to_owned())
    } else {
        None
    }
}

async fn query(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Response {
    let Some(task) = desk.task(&id) else {
        desk.tally.count(|counts| counts.polls += 1);
        return refusal(StatusCode::BAD_REQUEST, "invalid task_id", 2013);
    };
    match desk.trouble_at_poll(&task) {
        Some(trouble) => troubled(trouble),
        None => Json(show(&desk, &task)).into_response(),
    }
}

async fn list(State(desk): State<Arc<Desk>>) -> Json<Value> {
    let second = |task: &Arc<Task>| task.order.details["generation"] == 2;
    let newest = desk.all().into_iter().rev().filter(second).take(10);
    let tasks: Value = newest.map(|task| show(&desk, &task)["task"].take()).collect();
    Json(json!({ "tasks": tasks }))
}

/// The task as a query shows it.
pub(super) fn show(desk: &Desk, task: &Task) -> Value {
    let input = &task.order.input;
    let mut object = json!({
        "id": task.id(),
        "model": task.order.model,
        "resolution": input.get("resolution"),
        "duration": input.get("duration"),
        "ratio": input.get("ratio"),
    });
    let status = match task.phase() {
        Phase::Throttled | Phase::Queued => "queued",
        Phase::Running(_) => "running",
        Phase::Over(End::Succeeded) => {
            object["content"] = json!({ "url": desk.output(task) });
            object["usage"] =
                json!({ "total_seconds": 3, "input_seconds": 0, "output_seconds": 3 });
            "succeeded"
        }
        Phase::Over(End::Failed(_)) => {
            object["error"] = json!({ "code": "1033", "message": "system error (simulated)" });
            "failed"
        }
        Phase::Over(End::Moderated) => {
            object["error"] = json!({ "code": "1027", "message": "output new_sensitive" });
            "failed"
        }
        Phase::Over(End::Canceled | End::Aborted) => "cancelled",
    };
    object["status"] = json!(status);
    json!({ "task": object })
}

/// Cancels what waits, forgets what has ended, and refuses the rest.
async fn cancel(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Response {
    desk.tally.count(|counts| counts.cancels += 1);
    let Some(task) = desk.task(&id) else {
        return refusal(StatusCode::BAD_REQUEST, "invalid task_id", 2013);
    };
    match task.phase() {
        Phase::Throttled | Phase::Queued => {
            task.end_early(End::Canceled);
        }
        Phase::Over(End::Succeeded | End::Failed(_) | End::Moderated) => {
            task.changing().deleted = true;
        }
        Phase::Running(_) | Phase::Over(End::Canceled | End::Aborted) => {
            let message = "the task cannot be canceled in this state";
            return refusal(StatusCode::BAD_REQUEST, message, 2013);
        }
    }
    Json(json!({})).into_response()
}
