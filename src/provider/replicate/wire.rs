//! The JSON of Replicate: what is sent, and what a prediction means.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::super::api::{Answer, Api};
use super::super::error::Error;
use super::super::media::{State, Webhook};
use super::super::{phrases, progress};
use crate::backoff::LONGEST_HINT;

/// What of a prediction is for its sender alone: the input can be long, and the webhook is secret.
const NOT_KEPT: [&str; 4] = ["input", "logs", "webhook", "webhook_events_filter"];

/// Parts of error texts that blame the input: the code of an invalid one, of a file that could not
/// be fetched, and the words of models that check their inputs themselves.
const BLAMES_INPUT: [&str; 6] =
    ["E9243", "E9825", "validation", "is required", "must be", "unsupported"];

/// The body that creates a prediction.
pub(super) fn body(
    version: Option<&str>,
    input: &Map<String, Value>,
    webhook: Option<&Webhook>,
) -> Value {
    let mut body = json!({"input": input});
    if let Some(version) = version {
        body["version"] = json!(version);
    }
    if let Some(webhook) = webhook {
        body["webhook"] = json!(webhook.url);
        body["webhook_events_filter"] = json!(["completed"]);
    }
    body
}

/// Whether a refusal means that the version is there no longer.
pub(super) fn version_is_gone(answer: &Answer) -> bool {
    let title = answer.text("/title").unwrap_or_default();
    answer.status == StatusCode::NOT_FOUND
        || (answer.status == StatusCode::UNPROCESSABLE_ENTITY
            && title.starts_with("Invalid version"))
}

/// Adds the delay that the body of a refusal named to an error that has none by a header.
pub(super) fn with_delay(error: Error, delay: Option<Duration>) -> Error {
    match error {
        Error::RateLimited { message, retry_after: None } => {
            Error::RateLimited { message, retry_after: delay }
        }
        Error::RateLimited { .. }
        | Error::RefusedInput { .. }
        | Error::Moderated { .. }
        | Error::OutOfFunds { .. }
        | Error::Unauthorised { .. }
        | Error::Busy { .. }
        | Error::Broken { .. }
        | Error::Truncated { .. }
        | Error::Timeout { .. }
        | Error::Transport { .. }
        | Error::AmbiguousStart { .. }
        | Error::Expired { .. }
        | Error::Protocol { .. } => error,
    }
}

/// The delay that the body of a refusal names: `retry_after` in seconds, else the `~30s` of the text.
pub(super) fn delay(answer: &Answer) -> Option<Duration> {
    let named = answer.json.as_ref().and_then(|json| json.get("retry_after")?.as_f64());
    let told = || {
        let (_, rest) = answer.text("/detail")?.split_once('~')?;
        rest.split_once('s')?.0.parse().ok()
    };
    let seconds = named.or_else(told)?;
    Duration::try_from_secs_f64(seconds).ok().map(|delay| delay.min(LONGEST_HINT))
}

/// What a prediction tells.
///
/// # Errors
/// [`Error::Protocol`] when it has no status.
pub(super) fn state(mut prediction: Value, api: &Api) -> Result<State, Error> {
    let Some(status) = prediction.get("status").and_then(Value::as_str) else {
        return Err(Error::Protocol { message: "a prediction without a status".to_owned() });
    };
    let text = |name: &str| prediction.get(name).and_then(Value::as_str).unwrap_or_default();
    Ok(match status {
        // Once printed in the documentation for `succeeded`.
        "succeeded" | "successful" => {
            let output = prediction.get("output").unwrap_or(&Value::Null);
            if output.is_null() && prediction["data_removed"] == true {
                let message = "Replicate has removed the output".to_owned();
                return Ok(State::Failed(Error::Expired { message }));
            }
            if let Some(fields) = prediction.as_object_mut() {
                fields.retain(|name, _| !NOT_KEPT.contains(&name.as_str()));
            }
            State::Succeeded(prediction)
        }
        "failed" => State::Failed(failure(&api.tame(text("error")))),
        "canceled" | "aborted" => State::Canceled { message: status.to_owned() },
        "starting" => State::Queued { position: None },
        // `processing`, and any word that is yet to come.
        _ => State::Running {
            percent: progress::percent(text("logs")),
            line: progress::newest_line(text("logs")).map(|line| api.tame(line)),
        },
    })
}

/// Sorts the error of a failed prediction, which is free text.
fn failure(text: &str) -> Error {
    let message = match text {
        "" => "the prediction failed without a reason".to_owned(),
        text => text.to_owned(),
    };
    if phrases::held_back(text) {
        Error::Moderated { message }
    } else if BLAMES_INPUT.iter().any(|part| text.contains(part)) {
        Error::RefusedInput { message }
    } else {
        Error::Broken { message }
    }
}
