//! The JSON of fal's queue: what a status and a failed result mean.

use http::StatusCode;
use serde_json::Value;

use super::super::api::{Answer, Api};
use super::super::error::Error;
use super::super::media::State;
use super::super::{body, phrases, progress};

/// What an unfinished job's result says, whatever the status is that it comes with.
const NOT_READY: &str = "still in progress";

/// The `error_type` of a job that its owner ended.
const CANCELED: &str = "client_cancelled";

/// What a status object tells.
pub(super) enum Status {
    /// All of it.
    Is(State),
    /// That the job is over: the result is to be asked for. With it, what failed, if the status
    /// said so without naming a sort.
    Completed(Option<Error>),
}

/// The part of a model's id by which its requests are found: `owner/app`, and the namespace before
/// it, if there is one. <https://docs.fal.ai>
pub(super) fn app(model: &str) -> String {
    let namespaced = ["workflows/", "comfy/"].iter().any(|space| model.starts_with(space));
    let parts = if namespaced { 3 } else { 2 };
    model.split('/').take(parts).collect::<Vec<_>>().join("/")
}

/// Reads a status object.
///
/// # Errors
/// [`Error::Protocol`] when it has no status.
pub(super) fn status(body: &Value, api: &Api) -> Result<Status, Error> {
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let Some(word) = text("status") else {
        return Err(Error::Protocol { message: "a request without a status".to_owned() });
    };
    let error_type = text("error_type").unwrap_or_default();
    let message = || api.tame(text("error").filter(|said| !said.is_empty()).unwrap_or(error_type));
    Ok(match word {
        "IN_QUEUE" => {
            let position = body.get("queue_position").and_then(Value::as_u64);
            Status::Is(State::Queued { position: position.and_then(|at| u32::try_from(at).ok()) })
        }
        "COMPLETED" if error_type == CANCELED => Status::Is(canceled()),
        "COMPLETED" => match by_type(error_type, message()) {
            Some(error) => Status::Is(State::Failed(error)),
            None => Status::Completed(failure(body, message())),
        },
        // The documentation has neither; files that machines wrote after it do.
        "CANCELLED" | "CANCELED" => Status::Is(canceled()),
        "FAILED" | "ERROR" => Status::Completed(Some(unnamed(message()))),
        _ => Status::Is(running(body, api)),
    })
}

/// What a completed status says of a failure, by whatever it holds for an error.
fn failure(body: &Value, message: String) -> Option<Error> {
    let holds = |name: &str| body.get(name).is_some_and(|value| !value.is_null() && value != "");
    (holds("error") || holds("error_type")).then(|| unnamed(message))
}

fn unnamed(message: String) -> Error {
    let message = if message.is_empty() { "the request failed".to_owned() } else { message };
    if phrases::held_back(&message) {
        return Error::Moderated { message };
    }
    Error::Broken { message }
}

fn running(body: &Value, api: &Api) -> State {
    let logs = body.get("logs").and_then(Value::as_array).into_iter().flatten();
    let lines: Vec<_> = logs.filter_map(|entry| entry.get("message")?.as_str()).collect();
    let log = lines.join("\n");
    State::Running {
        percent: progress::percent(&log),
        line: progress::newest_line(&log).map(|line| api.tame(line)),
    }
}

fn canceled() -> State {
    State::Canceled { message: CANCELED.to_owned() }
}

/// That a request is not known: results are kept for an hour.
pub(super) fn gone() -> State {
    let message = "fal does not know the request (any more)".to_owned();
    State::Failed(Error::Expired { message })
}

/// What a result that is none means; `error` is the answer, sorted by its status.
///
/// # Errors
/// When the answer is about us or not the model's: the key, the rate, a proxy.
pub(super) fn failed_result(answer: &Answer, error: Error) -> Result<State, Error> {
    if answer.status == StatusCode::NOT_FOUND && answer.text("/status") == Some("NOT_FOUND") {
        return Ok(gone());
    }
    if answer.text("/detail").is_some_and(|detail| detail.contains(NOT_READY)) {
        return Ok(State::Running { percent: None, line: None });
    }
    let header = answer.headers.get("x-fal-error-type").and_then(|value| value.to_str().ok());
    let error_type = answer.text("/error_type").or(header).unwrap_or_default();
    if answer.status.as_u16() == 499 || error_type == CANCELED {
        return Ok(canceled());
    }
    let about_us = matches!(answer.status.as_u16(), 300..=399 | 401 | 403 | 429);
    let own = answer
        .json
        .as_ref()
        .is_some_and(|json| !answer.status.is_server_error() || body::is_error(json));
    if about_us || !own {
        return Err(error);
    }
    let typed = by_type(error_type, error.clone().into_message());
    Ok(State::Failed(typed.unwrap_or(error)))
}

/// Sorts by the type of an infrastructure error. <https://docs.fal.ai>
fn by_type(error_type: &str, message: String) -> Option<Error> {
    let retry_after = None;
    Some(match error_type {
        "request_timeout"
        | "startup_timeout"
        | "generation_timeout"
        | "downstream_service_unavailable"
        | "runner_scheduling_failure"
        | "runner_connection_timeout"
        | "runner_disconnected"
        | "runner_connection_refused"
        | "runner_connection_error"
        | "runner_incomplete_response" => Error::Busy { message, retry_after },
        "runner_server_error"
        | "internal_error"
        | "internal_server_error"
        | "client_disconnected" => Error::Broken { message },
        "content_policy_violation" => Error::Moderated { message },
        "bad_request" => Error::RefusedInput { message },
        _ => return None,
    })
}
