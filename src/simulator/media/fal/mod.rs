//! fal (<https://docs.fal.ai/model-apis/model-endpoints/queue>): a queue in front of every model.
//!
//! One origin plays three hosts: the queue (`queue.fal.run`), the helper for uploads and keys
//! (`rest.fal.ai`), and the proxy that its JavaScript client can be pointed at (`x-fal-target-url`).

mod outcome;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};

use super::callback;
use super::desk::{self, Desk, Trouble};
use super::host::Terms;
use super::order::{self, Order};
use super::task::{End, Phase, Task};

/// How often the stream of states looks, at a real provider's pace, and at least.
const LOOK: Duration = Duration::from_millis(500);
const SHORTEST_LOOK: Duration = Duration::from_millis(5);

/// The largest request, in bytes: inputs may be data URLs.
const MAX_BODY_BYTES: usize = 64 << 20;

/// What its files are handed out on; here as short as its results, an hour.
pub(super) fn terms(speed: f64) -> Terms {
    Terms {
        provider: "fal",
        life: Duration::from_secs(3_600).div_f64(speed),
        expired: StatusCode::NOT_FOUND,
        takes_keys: false,
    }
}

pub(super) fn router(desk: Arc<Desk>) -> Router {
    let keyed = Router::new()
        .route("/storage/upload/initiate", post(initiate))
        .fallback(queue)
        .layer(middleware::from_fn(admit))
        .with_state(desk.clone());
    Router::new()
        .route("/.well-known/jwks.json", get(webhook::jwks))
        .merge(desk.router())
        .fallback_service(keyed)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}

async fn admit(request: Request, next: Next) -> Response {
    if desk::is_wrong(desk::bearer(request.headers(), &["key"])) {
        let body = json!({ "detail": "No user found for Key ID and Secret" });
        return (StatusCode::UNAUTHORIZED, Json(body)).into_response();
    }
    next.run(request).await
}

#[derive(Debug, Default, Deserialize)]
struct Parameters {
    fal_webhook: Option<String>,
    fal_max_queue_length: Option<usize>,
    #[serde(default)]
    logs: Option<String>,
}

/// A path on the queue.
#[derive(Debug, PartialEq, Eq)]
enum Target<'a> {
    /// `/{model id}`
    Model(&'a str),
    /// `/{model id}/requests/{id}/{rest}`
    Request { id: &'a str, rest: &'a str },
}

/// Reads a path, with or without the model's sub-path before `requests`.
fn target(path: &str) -> Target<'_> {
    let path = path.trim_matches('/');
    match path.split_once("/requests/") {
        Some((_, request)) => {
            let (id, rest) = request.split_once('/').unwrap_or((request, ""));
            Target::Request { id, rest }
        }
        None => Target::Model(path),
    }
}

/// `owner/app` of a model id, with the namespace where there is one: where its requests live.
fn app(model: &str) -> String {
    let namespaced = ["workflows/", "comfy/"].iter().any(|space| model.starts_with(space));
    let parts = if namespaced { 3 } else { 2 };
    model.split('/').take(parts).collect::<Vec<_>>().join("/")
}

/// Every route of the queue; the model id in front has any number of parts.
async fn queue(
    State(desk): State<Arc<Desk>>,
    Query(parameters): Query<Parameters>,
    method: Method,
    headers: HeaderMap,
    uri: axum::http::Uri,
    body: Bytes,
) -> Response {
    let proxied = headers.get("x-fal-target-url").and_then(|value| value.to_str().ok());
    let proxied = proxied.and_then(|url| reqwest::Url::parse(url).ok());
    let (path, parameters) = match &proxied {
        Some(url) => (url.path(), parameters_of(url)),
        None => (uri.path(), parameters),
    };
    let with_logs = matches!(parameters.logs.as_deref(), Some("1" | "true"));
    let (id, rest) = match target(path) {
        Target::Model(model) if method == Method::POST => {
            return submit(&desk, model, &parameters, &body);
        }
        Target::Model(_) => return StatusCode::METHOD_NOT_ALLOWED.into_response(),
        Target::Request { id, rest } => (id, rest.trim_end_matches('/')),
    };
    match (method.as_str(), rest) {
        ("PUT", "cancel") => cancel(&desk, id),
        ("GET", "status") => status(&desk, id, with_logs),
        ("GET", "status/stream") => stream_status(&desk, id, with_logs),
        ("GET", "" | "response") => result(&desk, id),
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

fn parameters_of(url: &reqwest::Url) -> Parameters {
    let find = |name: &str| {
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    Parameters {
        fal_webhook: find("fal_webhook"),
        fal_max_queue_length: find("fal_max_queue_length").and_then(|value| value.parse().ok()),
        logs: find("logs"),
    }
}

/// Takes any body: whether it fits the model shows when it runs.
fn submit(desk: &Arc<Desk>, model: &str, parameters: &Parameters, body: &Bytes) -> Response {
    let input = desk::parse(body);
    if let Some(trouble) = desk.trouble_at_start(&order::markers(&input), body) {
        return troubled(trouble);
    }
    let waiting = desk.all().iter().filter(|task| task.phase() == Phase::Queued).count();
    if parameters.fal_max_queue_length.is_some_and(|most| waiting > most) {
        return infrastructure(StatusCode::TOO_MANY_REQUESTS, "queue_full", "Queue is full");
    }
    let hook = parameters.fal_webhook.clone();
    if hook.as_deref().is_some_and(|url| !desk::is_http(url)) {
        return infrastructure(StatusCode::BAD_REQUEST, "bad_request", "Invalid webhook URL");
    }
    let mut order = Order::new(uuid::Uuid::now_v7().to_string(), model, &input);
    order.fault = outcome::fault(model, &input);
    order.callback = hook;
    let task = desk.start(order);
    callback::follow(desk, &task, webhook::MAIL);
    let mut answer = urls(desk, &task);
    answer["status"] = json!("IN_QUEUE");
    answer["queue_position"] = json!(0);
    if task.order.callback.is_some() {
        answer["gateway_request_id"] = json!(task.id());
    }
    let header = [("x-fal-request-id", task.id().to_owned())];
    Desk::answer(&task, (header, Json(answer)))
}

/// The request's id and its three addresses.
fn urls(desk: &Desk, task: &Task) -> Value {
    let (id, app) = (task.id(), app(&task.order.model));
    let response = format!("{}/{app}/requests/{id}", desk.origin);
    json!({
        "request_id": id,
        "status_url": format!("{response}/status"),
        "cancel_url": format!("{response}/cancel"),
        "response_url": response,
    })
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, Json(json!({ "status": "NOT_FOUND" }))).into_response()
}

/// An error of the platform around the models.
fn infrastructure(status: StatusCode, kind: &'static str, detail: &str) -> Response {
    let body = json!({ "detail": detail, "error_type": kind });
    (status, [("x-fal-error-type", kind)], Json(body)).into_response()
}

fn troubled(trouble: Trouble) -> Response {
    if let Some(page) = trouble.page() {
        return page;
    }
    let answer = match trouble {
        Trouble::Busy { .. } => {
            let detail = "Too many requests (simulated)";
            infrastructure(StatusCode::TOO_MANY_REQUESTS, "concurrent_requests_limit", detail)
        }
        Trouble::Quota => {
            let detail = "User is locked. Reason: Exhausted balance. Top up your balance at \
                          fal.ai/dashboard/billing.";
            (StatusCode::FORBIDDEN, Json(json!({ "detail": detail }))).into_response()
        }
        Trouble::Broken | Trouble::Page(_) | Trouble::Cut => infrastructure(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            "Internal server error (simulated)",
        ),
    };
    match trouble.retry_after() {
        Some(header) => (header, answer).into_response(),
        None => answer,
    }
}

/// 202 while it waits or runs, 200 once it is over, however it ended.
fn status(desk: &Desk, id: &str, with_logs: bool) -> Response {
    let Some(task) = desk.task(id) else {
        desk.tally.count(|counts| counts.polls += 1);
        return not_found();
    };
    if let Some(trouble) = desk.trouble_at_poll(&task) {
        return troubled(trouble);
    }
    let (over, body) = status_object(desk, &task, with_logs);
    let status = if over { StatusCode::OK } else { StatusCode::ACCEPTED };
    (status, Json(body)).into_response()
}

/// Whether it is over, and the object that says where it is.
fn status_object(desk: &Desk, task: &Task, with_logs: bool) -> (bool, Value) {
    let phase = task.phase();
    let mut body = urls(desk, task);
    let (word, lines) = match &phase {
        Phase::Throttled | Phase::Queued => {
            let before = |other: &Arc<Task>| other.id() < task.id();
            let queued = |other: &Arc<Task>| other.phase() == Phase::Queued;
            let position = desk.all().iter().filter(|it| before(it) && queued(it)).count();
            body["queue_position"] = json!(position);
            ("IN_QUEUE", 0)
        }
        Phase::Running(fraction) => ("IN_PROGRESS", 1 + (fraction * 10.0) as u32),
        Phase::Over(_) => ("COMPLETED", 11),
    };
    body["status"] = json!(word);
    body["logs"] = if with_logs { logs(task, lines) } else { Value::Null };
    let over = match phase {
        Phase::Over(end) => {
            body["metrics"] = json!({ "inference_time": task.times().run_seconds });
            if let Some((error, kind)) = outcome::error(&end) {
                body["error"] = json!(error);
                body["error_type"] = json!(kind);
            }
            true
        }
        Phase::Throttled | Phase::Queued | Phase::Running(_) => false,
    };
    (over, body)
}

fn logs(task: &Task, lines: u32) -> Value {
    let timestamp = super::rfc3339::rfc3339(task.times().created);
    let line = |line: u32| {
        let message = match line {
            0 => "Loading the model (simulated)".to_owned(),
            _ => format!("{:3}%", (line * 10).min(100)),
        };
        json!({ "message": message, "level": "INFO", "source": "USER", "timestamp": timestamp })
    };
    (0..lines).map(line).collect()
}

/// Each new state as an event, until the work is over.
fn stream_status(desk: &Arc<Desk>, id: &str, with_logs: bool) -> Response {
    desk.tally.count(|counts| counts.polls += 1);
    let Some(task) = desk.task(id) else { return not_found() };
    let period = desk.scaled(LOOK).max(SHORTEST_LOOK);
    let (over, first) = status_object(desk, &task, with_logs);
    let begin = (desk.clone(), task, Some((over, first)), Value::Null);
    let events = stream::unfold(begin, move |(desk, task, next, last)| async move {
        let (mut over, mut object) = next?;
        while object == last {
            let _ = tokio::time::timeout(period, task.over()).await;
            (over, object) = status_object(&desk, &task, with_logs);
        }
        let event = Ok::<_, std::io::Error>(format!("data: {object}\n\n"));
        let next = (!over).then(|| (over, object.clone()));
        Some((event, (desk, task, next, object)))
    });
    ([("content-type", "text/event-stream")], Body::from_stream(events)).into_response()
}

/// The model's own answer.
fn result(desk: &Desk, id: &str) -> Response {
    let Some(task) = desk.task(id) else {
        desk.tally.count(|counts| counts.results += 1);
        return not_found();
    };
    if let Some(trouble) = desk.trouble_at_result(&task) {
        return troubled(trouble);
    }
    match task.end() {
        Some(end) => outcome::replay(desk, &task, &end),
        None => {
            let body = json!({ "detail": "Request is still in progress" });
            (StatusCode::BAD_REQUEST, Json(body)).into_response()
        }
    }
}

fn cancel(desk: &Desk, id: &str) -> Response {
    desk.tally.count(|counts| counts.cancels += 1);
    let Some(task) = desk.task(id) else { return not_found() };
    let (status, word) = match task.phase() {
        Phase::Over(_) => (StatusCode::BAD_REQUEST, "ALREADY_COMPLETED"),
        Phase::Throttled | Phase::Queued => (StatusCode::OK, "CANCELLATION_REQUESTED"),
        Phase::Running(_) => (StatusCode::ACCEPTED, "CANCELLATION_REQUESTED"),
    };
    task.end_early(End::Canceled);
    (status, Json(json!({ "status": word }))).into_response()
}

#[derive(Debug, Deserialize)]
struct Initiate {
    file_name: String,
}

/// Says where to put a file, and where it is then.
async fn initiate(State(desk): State<Arc<Desk>>, Json(file): Json<Initiate>) -> Json<Value> {
    let id = uuid::Uuid::now_v7().simple().to_string();
    let url = desk.host.upload_url(&id, &file.file_name);
    Json(json!({ "upload_url": url, "file_url": url }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_with_and_without_the_models_sub_path() {
        let status = Target::Request { id: "1", rest: "status" };
        assert_eq!(target("/fal-ai/veo3.1/fast/requests/1/status/"), status);
        assert_eq!(target("/a/b/requests/1"), Target::Request { id: "1", rest: "" });
        assert_eq!(target("/fal-ai/veo3.1"), Target::Model("fal-ai/veo3.1"));
    }

    #[test]
    fn requests_live_under_the_owner_and_the_app() {
        assert_eq!(app("fal-ai/sora-2/text-to-video/pro"), "fal-ai/sora-2");
        assert_eq!(app("workflows/me/app/x"), "workflows/me/app");
    }
}
