//! The JSON of Runway: what is sent, and what a task means.

use serde_json::{Map, Value, json};

use super::super::api::Api;
use super::super::error::Error;
use super::super::media::{Request, State};

/// Our own input that says what a character is, where its address does not tell.
const CHARACTER_TYPE: &str = "character_type";

/// The path of a route.
///
/// # Errors
/// [`Error::RefusedInput`] for a name that cannot be one.
pub(super) fn route(endpoint: &str) -> Result<String, Error> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    if !endpoint.is_empty() && endpoint.bytes().all(plain) {
        return Ok(format!("/v1/{endpoint}"));
    }
    let message = format!("Runway has no route {:?}", super::super::error::tame(endpoint, &[]));
    Err(Error::RefusedInput { message })
}

/// The body that starts a task. `uploaded` knows the media types of uploads by their addresses.
///
/// # Errors
/// [`Error::RefusedInput`] when it cannot be told whether a character is an image or a video.
pub(super) fn body(
    request: &Request<'_>,
    uploaded: impl Fn(&str) -> Option<String>,
) -> Result<Value, Error> {
    let mut body = request.input.clone();
    body.insert("model".to_owned(), json!(request.model));
    if request.endpoint == "character_performance" {
        perform(&mut body, uploaded)?;
    }
    Ok(Value::Object(body))
}

/// Makes of the addresses of a character and a reference what Runway takes.
fn perform(
    body: &mut Map<String, Value>,
    uploaded: impl Fn(&str) -> Option<String>,
) -> Result<(), Error> {
    let said = body.remove(CHARACTER_TYPE);
    if let Some(Value::String(uri)) = body.get("character") {
        let kind = kind_of(uri, uploaded).or_else(|| said?.as_str().map(str::to_owned));
        let Some(kind) = kind else {
            let message = format!(
                "character: the address does not tell whether it is an image or a video; \
                 set {CHARACTER_TYPE} to \"image\" or \"video\""
            );
            return Err(Error::RefusedInput { message });
        };
        let character = json!({"type": kind, "uri": uri});
        body.insert("character".to_owned(), character);
    }
    if let Some(Value::String(uri)) = body.get("reference") {
        let reference = json!({"type": "video", "uri": uri});
        body.insert("reference".to_owned(), reference);
    }
    Ok(())
}

/// `image` or `video`, by a data URL, by what an upload was, or by the extension of a path.
fn kind_of(uri: &str, uploaded: impl Fn(&str) -> Option<String>) -> Option<String> {
    let of_media_type = |media_type: &str| {
        let kind = media_type.split('/').next().unwrap_or_default();
        ["image", "video"].contains(&kind).then(|| kind.to_owned())
    };
    if let Some(data) = uri.strip_prefix("data:") {
        return of_media_type(data);
    }
    if let Some(media_type) = uploaded(uri) {
        return of_media_type(&media_type);
    }
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    of_media_type(mime_guess::from_path(path).first()?.essence_str())
}

/// What a task tells.
///
/// # Errors
/// [`Error::Protocol`] when it has no status.
pub(super) fn state(task: Value, api: &Api) -> Result<State, Error> {
    let Some(status) = task.get("status").and_then(Value::as_str) else {
        return Err(Error::Protocol { message: "a task without a status".to_owned() });
    };
    Ok(match status {
        "PENDING" | "THROTTLED" => State::Queued { position: None },
        "SUCCEEDED" => State::Succeeded(task),
        "FAILED" => State::Failed(failure(&task, api)),
        "CANCELLED" | "CANCELED" => State::Canceled { message: status.to_owned() },
        // `RUNNING`, and any word that is yet to come.
        _ => State::Running { percent: percent(&task), line: None },
    })
}

/// The progress, 0 to 1.
fn percent(task: &Value) -> Option<u8> {
    let progress = task.get("progress")?.as_f64()?;
    // Bounded before it is cut to whole percents.
    Some((progress * 100.0).clamp(0.0, 99.0) as u8)
}

/// Sorts the failure of a task by the family of its code.
/// <https://docs.dev.runwayml.com/errors/task-failures/>
fn failure(task: &Value, api: &Api) -> Error {
    let text = |name: &str| task.get(name).and_then(Value::as_str).unwrap_or_default();
    let code = text("failureCode");
    let message = match (api.tame(text("failure")), api.tame(code)) {
        (said, code) if said.is_empty() && code.is_empty() => "the task failed".to_owned(),
        (said, code) if code.is_empty() => said,
        (said, code) if said.is_empty() => code,
        (said, code) => format!("{said} ({code})"),
    };
    let family = |name: &str| {
        code.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    if family("SAFETY") || family("INPUT_PREPROCESSING.SAFETY") {
        Error::Moderated { message }
    } else if family("ASSET") || family("THIRD_PARTY.INPUT_VALIDATION") {
        Error::RefusedInput { message }
    } else if family("THIRD_PARTY.UNAVAILABLE") {
        Error::Busy { message, retry_after: None }
    } else if family("INTERNAL") || family("INPUT_PREPROCESSING.INTERNAL") {
        Error::Broken { message }
    } else {
        // Runway's rule: a code that is not known is not worth another try.
        Error::Protocol { message }
    }
}
