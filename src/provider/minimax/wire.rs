//! The JSON of `MiniMax`: what is sent, and what a task means.

use serde_json::{Map, Value, json};

use super::super::api::{self, Answer, Api};
use super::super::error::Error;
use super::super::media::{Request, State, Webhook};
use super::codes;

/// Which inputs become parts of the second API's `content`: our name, the sort of part, its role.
const PARTS: [(&str, &str, &str); 9] = [
    ("first_frame_image", "image_url", "first_frame"),
    ("last_frame_image", "image_url", "last_frame"),
    ("reference_image", "image_url", "reference_image"),
    ("reference_images", "image_url", "reference_image"),
    ("reference_video", "video_url", "reference_video"),
    ("reference_videos", "video_url", "reference_video"),
    ("reference_audio", "audio_url", "reference_audio"),
    ("reference_audios", "audio_url", "reference_audio"),
    ("base_video", "video_url", "base_video"),
];

/// The body of the first API: the inputs as they are.
pub(super) fn body_v1(request: &Request<'_>) -> Value {
    let mut body = request.input.clone();
    if let Some(Value::String(image)) = body.get("subject_reference") {
        let subject = json!([{"type": "character", "image": [image]}]);
        body.insert("subject_reference".to_owned(), subject);
    }
    finish(body, request.model, request.webhook)
}

/// The body of the second API: prompt, images, videos and sounds are parts of `content`, each with
/// its role; the other inputs stand beside it.
pub(super) fn body_v2(request: &Request<'_>) -> Value {
    let mut body = request.input.clone();
    let mut content = match body.remove("content") {
        Some(Value::Array(content)) => content,
        Some(_) | None => Vec::new(),
    };
    if let Some(Value::String(prompt)) = body.remove("prompt") {
        content.push(json!({"type": "text", "text": prompt}));
    }
    for (name, sort, role) in PARTS {
        for url in urls(body.remove(name)) {
            content.push(json!({"type": sort, sort: {"url": url}, "role": role}));
        }
    }
    body.insert("content".to_owned(), Value::Array(content));
    finish(body, request.model, request.webhook)
}

/// One address or several.
fn urls(value: Option<Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(urls)) => urls,
        Some(url @ Value::String(_)) => vec![url],
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => vec![],
    }
}

fn finish(mut body: Map<String, Value>, model: &str, webhook: Option<&Webhook>) -> Value {
    body.insert("model".to_owned(), json!(model));
    if let Some(webhook) = webhook {
        body.insert("callback_url".to_owned(), json!(webhook.url));
    }
    Value::Object(body)
}

/// What a task of the first API tells.
pub(super) enum Status {
    /// All of it.
    Is(State),
    /// That it made the file with this id.
    File(String),
}

/// Reads a task of the first API. Queries and callbacks spell the words differently.
///
/// # Errors
/// [`Error::Protocol`] when it has no status.
pub(super) fn status_v1(task: &Value) -> Result<Status, Error> {
    Ok(match word(task)?.as_str() {
        "success" | "succeeded" => match api::id_in(task.get("file_id")) {
            Some(file_id) => Status::File(file_id),
            None => Status::Is(failed("the task succeeded without a file")),
        },
        "fail" | "failed" => Status::Is(failed("the task failed without a reason")),
        "preparing" | "queueing" | "queued" => Status::Is(State::Queued { position: None }),
        "cancelled" | "canceled" => Status::Is(canceled()),
        // `Processing`, and any word that is yet to come.
        _ => Status::Is(State::Running { percent: None, line: None }),
    })
}

/// What a query that was answered with an error means: the failure of the task itself if it says
/// so, else only of the question.
///
/// # Errors
/// The error, when it is about the question.
pub(super) fn refused_query(answer: &Answer, error: Error) -> Result<State, Error> {
    let task_failed = answer
        .json
        .as_ref()
        .and_then(|json| word(json).ok())
        .is_some_and(|word| word.starts_with("fail"));
    match error {
        Error::Moderated { .. } => Ok(State::Failed(error)),
        // The page of a proxy knows nothing about tasks.
        Error::RefusedInput { message } if answer.json.is_none() => Err(Error::Broken { message }),
        // Tasks are known for some days.
        Error::RefusedInput { message } if !task_failed => {
            Ok(State::Failed(Error::Expired { message }))
        }
        Error::RefusedInput { .. }
        | Error::OutOfFunds { .. }
        | Error::Busy { .. }
        | Error::Broken { .. }
            if task_failed =>
        {
            Ok(State::Failed(error))
        }
        Error::RefusedInput { .. }
        | Error::OutOfFunds { .. }
        | Error::Busy { .. }
        | Error::Broken { .. }
        | Error::Unauthorised { .. }
        | Error::RateLimited { .. }
        | Error::Truncated { .. }
        | Error::Timeout { .. }
        | Error::Transport { .. }
        | Error::AmbiguousStart { .. }
        | Error::Expired { .. }
        | Error::Protocol { .. } => Err(error),
    }
}

/// What the first API made, in our words.
pub(super) fn made_v1(url: &str, task: &Value) -> Value {
    let mut made = Map::from_iter([("url".to_owned(), json!(url))]);
    for (name, theirs) in [("width", "video_width"), ("height", "video_height")] {
        if let Some(pixels) = task.get(theirs).filter(|value| value.is_number()) {
            made.insert(name.to_owned(), pixels.clone());
        }
    }
    Value::Object(made)
}

/// What a task of the second API tells.
///
/// # Errors
/// [`Error::Protocol`] when it has no status.
pub(super) fn state_v2(answer: &Value, api: &Api) -> Result<State, Error> {
    let task = answer.get("task").unwrap_or(answer);
    Ok(match word(task)?.as_str() {
        "succeeded" | "success" => match task.pointer("/content/url").and_then(Value::as_str) {
            Some(url) => State::Succeeded(made_v2(url, task)),
            None => failed("the task succeeded without a file"),
        },
        "failed" | "fail" => {
            let error = task.get("error").unwrap_or(&Value::Null);
            State::Failed(codes::of_task(error, &api.secrets(None)))
        }
        "cancelled" | "canceled" => canceled(),
        "expired" => {
            let message = "MiniMax says that the task has expired".to_owned();
            State::Failed(Error::Expired { message })
        }
        "queued" | "queueing" | "preparing" => State::Queued { position: None },
        // `running`, and any word that is yet to come.
        _ => State::Running { percent: None, line: None },
    })
}

/// What the second API made, in our words.
fn made_v2(url: &str, task: &Value) -> Value {
    let mut made = Map::from_iter([("url".to_owned(), json!(url))]);
    for name in ["resolution", "duration", "ratio"] {
        if let Some(value) = task.get(name).filter(|value| !value.is_null()) {
            made.insert(name.to_owned(), value.clone());
        }
    }
    Value::Object(made)
}

/// The status word in lower case.
fn word(task: &Value) -> Result<String, Error> {
    let word = task.get("status").and_then(Value::as_str).map(str::to_ascii_lowercase);
    word.ok_or_else(|| Error::Protocol { message: "a task without a status".to_owned() })
}

fn failed(message: &str) -> State {
    State::Failed(Error::Broken { message: message.to_owned() })
}

fn canceled() -> State {
    State::Canceled { message: "cancelled".to_owned() }
}
