//! The JSON of Black Forest Labs: what the answer to a poll means.

use serde_json::Value;

use super::super::api::Api;
use super::super::error::Error;
use super::super::media::State;

/// How long a task may be unknown at first, in seconds.
const APPEARS_WITHIN: u64 = 10;

/// The status word; some answers call the field `state`.
fn word(answer: &Value) -> Option<&str> {
    ["status", "state"].iter().find_map(|name| answer.get(*name)?.as_str())
}

/// Whether the answer says that there is no such task.
pub(super) fn is_unknown(answer: &Value) -> bool {
    word(answer) == Some("Task not found")
}

/// What it means that there is no such task, so many seconds after it was started.
pub(super) fn unknown(age: u64) -> State {
    if age < APPEARS_WITHIN {
        return State::Queued { position: None };
    }
    State::Failed(Error::Broken { message: "BFL does not know the task".to_owned() })
}

/// What the answer to a poll tells.
///
/// # Errors
/// [`Error::Protocol`] when it has no status.
pub(super) fn state(answer: Value, api: &Api) -> Result<State, Error> {
    let Some(status) = word(&answer) else {
        return Err(Error::Protocol { message: "a task without a status".to_owned() });
    };
    let message = || match details(&answer).as_str() {
        "" => status.to_owned(),
        details => format!("{status}: {}", api.tame(details)),
    };
    Ok(match status {
        "Ready" => State::Succeeded(answer),
        "Request Moderated" | "Content Moderated" => {
            State::Failed(Error::Moderated { message: message() })
        }
        "Error" | "Failed" => State::Failed(Error::Broken { message: message() }),
        "Cancelled" | "Canceled" => State::Canceled { message: status.to_owned() },
        "Queued" => State::Queued { position: None },
        // `Pending`, and any word that is yet to come.
        _ => State::Running { percent: percent(&answer), line: None },
    })
}

/// What is told beside the status: text, an object, or nothing.
fn details(answer: &Value) -> String {
    let found = ["details", "error", "message"]
        .iter()
        .find_map(|name| answer.get(*name).filter(|value| !value.is_null()));
    match found {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    }
}

/// The progress; a scale of 0 to 1 is likely, one to 100 is borne.
fn percent(answer: &Value) -> Option<u8> {
    let progress = answer.get("progress")?.as_f64()?;
    let percent = if progress <= 1.0 { progress * 100.0 } else { progress };
    // Bounded before it is cut to whole percents.
    Some(percent.clamp(0.0, 99.0) as u8)
}
