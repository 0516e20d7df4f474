//! How work at fal ends: the model's own status code and body, replayed.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::simulator::media::desk::{self, Desk};
use crate::simulator::media::host;
use crate::simulator::media::order::Medium;
use crate::simulator::media::task::{End, Task};

use super::infrastructure;

/// The inputs that a model cannot do without and did not get, joined by commas.
pub(super) fn fault(model: &str, input: &Value) -> Option<String> {
    let missing = desk::missing(input, required(model));
    (!missing.is_empty()).then(|| missing.join(","))
}

/// By the part of the model id that says what the film is made from.
fn required(model: &str) -> &'static [&'static str] {
    let table: [(&str, &[&str]); 6] = [
        ("kling-video/o1", &["prompt", "start_image_url"]),
        ("first-last-frame-to-video", &["prompt", "first_frame_url", "last_frame_url"]),
        ("reference-to-video", &["prompt", "image_urls"]),
        ("image-to-video", &["prompt", "image_url"]),
        ("remix", &["video_id", "prompt"]),
        ("", &["prompt"]),
    ];
    let found = table.into_iter().find(|(word, _)| model.contains(word));
    found.map_or(&[], |(_, names)| names)
}

/// What the state says of a bad end: its error and the kind of it.
pub(super) fn error(end: &End) -> Option<(&'static str, &'static str)> {
    match end {
        End::Succeeded => None,
        End::Failed(Some(_)) | End::Moderated => {
            Some(("Invalid status code: 422", "unprocessable_entity"))
        }
        End::Failed(None) => Some(("Invalid status code: 500", "internal_error")),
        End::Canceled | End::Aborted => Some(("Request was cancelled", "client_cancelled")),
    }
}

/// The model's status and body.
pub(super) fn model_answer(desk: &Desk, task: &Task, end: &End) -> (StatusCode, Value) {
    match end {
        End::Succeeded => (StatusCode::OK, success(desk, task)),
        End::Failed(Some(fields)) => {
            let missing = |field: &str| {
                json!({
                    "loc": ["body", field],
                    "msg": "Field required",
                    "type": "missing",
                    "input": task.order.input,
                })
            };
            let detail: Value = fields.split(',').map(missing).collect();
            (StatusCode::UNPROCESSABLE_ENTITY, json!({ "detail": detail }))
        }
        End::Failed(None) => {
            let message = "The model failed (simulated)";
            let detail = model_error("internal_server_error", &["body"], message);
            (StatusCode::INTERNAL_SERVER_ERROR, detail)
        }
        End::Moderated => {
            let message = "The content could not be processed because it was flagged by a content \
                           checker.";
            let detail = model_error("content_policy_violation", &["body", "prompt"], message);
            (StatusCode::UNPROCESSABLE_ENTITY, detail)
        }
        End::Canceled | End::Aborted => {
            let detail =
                json!({ "detail": "Request was cancelled", "error_type": "client_cancelled" });
            (client_closed(), detail)
        }
    }
}

/// 499, which has no name of its own.
fn client_closed() -> StatusCode {
    StatusCode::from_u16(499).expect("499 is between 100 and 999")
}

fn model_error(kind: &str, at: &[&str], message: &str) -> Value {
    json!({ "detail": [{
        "loc": at,
        "msg": message,
        "type": kind,
        "url": format!("https://docs.fal.ai/errors#{kind}"),
    }] })
}

/// The answer to a request for the result of work that is over.
pub(super) fn replay(desk: &Desk, task: &Task, end: &End) -> Response {
    let (status, body) = model_answer(desk, task, end);
    match end {
        End::Canceled | End::Aborted => {
            infrastructure(status, "client_cancelled", "Request was cancelled")
        }
        End::Succeeded => (status, Json(body)).into_response(),
        End::Failed(_) | End::Moderated => {
            let retryable = (*end == End::Failed(None)).to_string();
            (status, [("x-fal-retryable", retryable)], Json(body)).into_response()
        }
    }
}

fn success(desk: &Desk, task: &Task) -> Value {
    let medium = task.order.medium;
    let (name, media_type) = host::describe(medium);
    let mut file = json!({
        "url": desk.output(task),
        "content_type": media_type,
        "file_name": name,
        "file_size": host::content(medium).len(),
    });
    let model = &task.order.model;
    match medium {
        Medium::Mp4 if model.contains("sora-2") => {
            json!({ "video": file, "video_id": format!("video_{}", task.id().replace('-', "")) })
        }
        Medium::Mp4 if model.contains("ltx") => {
            for (name, value) in [("width", 640), ("height", 360), ("fps", 24), ("num_frames", 72)]
            {
                file[name] = json!(value);
            }
            file["duration"] = json!(3.0);
            json!({ "video": file })
        }
        Medium::Mp4 => json!({ "video": file }),
        Medium::Wav => json!({ "audio": file }),
        Medium::Jpeg | Medium::Png | Medium::Webp => {
            (file["width"], file["height"]) = (json!(1024), json!(768));
            json!({ "images": [file], "seed": 42 })
        }
    }
}
