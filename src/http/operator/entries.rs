//! Entries of a job's story: what its rows and its events say, a line each.

use serde_json::{Value, json};

use crate::event::{Event, EventId};

/// How many characters of an event's data are shown.
const DATA: usize = 2_000;

/// Events of one name.
pub(super) struct Run {
    pub(super) first: EventId,
    pub(super) name: String,
    pub(super) at: i64,
    pub(super) times: u32,
}

/// Whether a job may have thousands of these.
pub(super) fn is_frequent(name: &str) -> bool {
    !matches!(
        name,
        "status" | "artifact_ready" | "tts_completed" | "completed" | "failed" | "canceled"
    )
}

pub(super) fn row(key: &str, kind: &str, at: i64, title: &str, detail: Option<&str>) -> Value {
    json!({
        "key": key, "at": at, "until_at": null, "kind": kind, "title": title, "detail": detail,
        "times": 1, "id": null, "data": null, "level": "info",
    })
}

pub(super) fn of_event(run: &Run, event: &Event) -> Value {
    let text = String::from_utf8_lossy(event.frame.data());
    let data: Option<Value> =
        (text.len() <= DATA).then(|| serde_json::from_str(&text).ok()).flatten();
    let is_end = matches!(run.name.as_str(), "completed" | "failed" | "canceled");
    let detail = data.as_ref().and_then(words);
    json!({
        "key": format!("event-{}", run.first),
        "at": run.at,
        "until_at": (run.times > 1).then_some(event.at),
        "kind": if is_end { "end" } else { "event" },
        "title": run.name,
        "detail": detail,
        "times": run.times,
        "id": run.first,
        "last_id": event.id,
        "data": data,
        "level": if run.name == "failed" { "error" } else { "info" },
    })
}

/// What an event says, in a line.
fn words(data: &Value) -> Option<String> {
    let text = |name: &str| data.get(name).and_then(Value::as_str).map(str::to_owned);
    if let Some(percent) = data.get("percent").and_then(Value::as_f64) {
        let stage = text("stage").unwrap_or_default();
        let message = text("message").map(|message| format!(", {message}")).unwrap_or_default();
        return Some(format!("{percent} % {stage}{message}"));
    }
    if let Some(status) = text("status") {
        return Some(format!("{status}, attempt {}", data["attempt"]));
    }
    if let Some(code) = text("code") {
        return Some(format!("{}: {}", code, text("message").unwrap_or_default()));
    }
    let found = ["text", "line", "reason", "url"].iter().find_map(|name| text(name));
    let found = found.or_else(|| Some(data.get("artifact")?.get("kind")?.as_str()?.to_owned()))?;
    Some(found.chars().take(160).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_told_in_a_line() {
        let told = |data: Value| words(&data);
        assert_eq!(
            told(json!({ "percent": 40, "stage": "writing" })).as_deref(),
            Some("40 % writing")
        );
        assert_eq!(
            told(json!({ "code": "timeout", "message": "late" })).as_deref(),
            Some("timeout: late")
        );
        assert_eq!(told(json!({ "artifact": { "kind": "voice" } })).as_deref(), Some("voice"));
        assert_eq!(told(json!({ "frame": 1 })), None);
    }
}
