//! Creating a prediction: by model, by version.

use std::time::Duration;

use super::*;
use crate::simulator::media::callback;
use crate::simulator::media::order::{self, Order};

/// The longest `Prefer: wait`, in seconds, and what it is without a number.
const LONGEST_WAIT: u64 = 60;

/// The fields of a request; there are no others.
const FIELDS: [&str; 5] = ["input", "version", "webhook", "webhook_events_filter", "stream"];

/// The occasions of webhooks.
const EVENTS: [&str; 4] = ["start", "output", "logs", "completed"];

pub(super) async fn by_model(
    State(replicate): State<Arc<Replicate>>,
    Path((owner, name)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let model = format!("{owner}/{name}");
    create(&replicate, &headers, &body, |_| Some((model, "hidden".to_owned()))).await
}

pub(super) async fn by_version(
    State(replicate): State<Arc<Replicate>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let known = |request: &Value| {
        let version = request.get("version")?.as_str()?;
        match version.split_once(':') {
            Some((model, id)) => Some((model.to_owned(), id.to_owned())),
            None if version.contains('/') => Some((version.to_owned(), "hidden".to_owned())),
            None => {
                let versions = replicate.versions.lock().expect("no holder of this lock panics");
                Some((versions.get(version)?.clone(), version.to_owned()))
            }
        }
    };
    create(&replicate, &headers, &body, known).await
}

async fn create(
    replicate: &Replicate,
    headers: &HeaderMap,
    body: &Bytes,
    model: impl FnOnce(&Value) -> Option<(String, String)>,
) -> Response {
    let desk = &replicate.desk;
    let request = object(body).unwrap_or_default();
    let markers = order::markers(&request["input"]);
    if let Some(trouble) = desk.trouble_at_start(&markers, body) {
        return troubled(trouble);
    }
    let Some((model, version)) = model(&request) else {
        return problem(
            StatusCode::UNPROCESSABLE_ENTITY,
            Some("Invalid version or not permitted"),
            "The specified version does not exist (or perhaps you don't have permission to use it?)",
        );
    };
    let wrong = faults(&request, &model);
    if !wrong.is_empty() {
        return invalid(&wrong);
    }
    let mut order = Order::new(prediction::id(), &model, &request["input"]);
    order.callback = request["webhook"].as_str().map(str::to_owned);
    order.deadline = header(headers, "cancel-after").and_then(span);
    order.fault = cross_field_fault(&model, &request["input"]);
    order.details = json!({
        "version": version,
        "webhook_events_filter": request.get("webhook_events_filter"),
    });
    let task = desk.start(order);
    callback::follow(desk, &task, webhook::MAIL);

    let wait = header(headers, "prefer").and_then(wait);
    if let Some(wait) = wait {
        let span = desk.scaled(Duration::from_secs(wait));
        // Not over in time: the prediction is answered as it is.
        let _ = tokio::time::timeout(span, task.over()).await;
    }
    let applied = wait.map(|wait| [("preference-applied", format!("wait={wait}"))]);
    let prediction = Json(prediction::show(desk, &task));
    Desk::answer(&task, (StatusCode::CREATED, applied, prediction))
}

/// What is wrong with a request: the field, the kind of mistake, the sentence.
fn faults(request: &Value, model: &str) -> Vec<(String, &'static str, String)> {
    let mut faults = Vec::new();
    if !request["input"].is_object() {
        faults.push(("input".to_owned(), "required", "input is required".to_owned()));
        return faults;
    }
    let fields = request.as_object().into_iter().flat_map(|fields| fields.keys());
    for field in fields.filter(|field| !FIELDS.contains(&field.as_str())) {
        let sentence = format!("Additional property {field} is not allowed");
        faults.push((field.clone(), "additional_property_not_allowed", sentence));
    }
    for name in desk::missing(&request["input"], required(model)) {
        faults.push(("input".to_owned(), "required", format!("{name} is required")));
    }
    if let Some(webhook) = request.get("webhook")
        && !webhook.as_str().is_some_and(desk::is_http)
    {
        faults.push(("webhook".to_owned(), "format", "Does not match format 'uri'".to_owned()));
    }
    let events = request["webhook_events_filter"].as_array().into_iter().flatten();
    for event in events.filter(|event| !event.as_str().is_some_and(|it| EVENTS.contains(&it))) {
        let sentence = format!("{event} is not one of {EVENTS:?}");
        faults.push(("webhook_events_filter".to_owned(), "enum", sentence));
    }
    faults
}

/// The inputs that a model of the catalog cannot do without, by a word in its name.
fn required(model: &str) -> &'static [&'static str] {
    let table: [(&str, &[&str]); 6] = [
        ("lip-sync", &[]),
        ("animate", &["video", "character_image"]),
        ("s2v", &["prompt", "image", "audio"]),
        ("wan-2.5-i2v", &["prompt", "image"]),
        ("kling-v2.1", &["prompt", "start_image"]),
        ("", &["prompt"]),
    ];
    let found = table.into_iter().find(|(word, _)| model.contains(word));
    found.map_or(&[], |(_, names)| names)
}

/// A rule between inputs, which a model checks only when it runs.
fn cross_field_fault(model: &str, input: &Value) -> Option<String> {
    let none_of = |names: &[&'static str]| desk::missing(input, names).len() == names.len();
    let silent = none_of(&["audio_file", "text"]) || none_of(&["video_url", "video_id"]);
    (model.contains("lip-sync") && silent).then(|| {
        "Either audio_file or text, and either video_url or video_id, must be provided".to_owned()
    })
}

fn invalid(faults: &[(String, &str, String)]) -> Response {
    let detail: String = faults.iter().map(|(at, _, why)| format!("- {at}: {why}\n")).collect();
    let fields = faults.iter().map(|(field, kind, description)| {
        json!({ "type": kind, "field": field, "description": description })
    });
    let body = json!({
        "title": "Input validation failed",
        "detail": detail,
        "status": 422,
        "invalid_fields": fields.collect::<Value>(),
    });
    (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
}

/// How long `prefer: wait` or `wait=n` asks to hold the answer, in seconds.
fn wait(value: &str) -> Option<u64> {
    let seconds = match value.trim().strip_prefix("wait")? {
        "" => LONGEST_WAIT,
        number => number.strip_prefix('=')?.parse().ok()?,
    };
    (1..=LONGEST_WAIT).contains(&seconds).then_some(seconds)
}

/// A span such as `30`, `30s`, `5m`, `1m30s`, `2h`.
fn span(value: &str) -> Option<Duration> {
    let (mut seconds, mut number) = (0_u64, String::new());
    for symbol in value.trim().chars() {
        let unit = match symbol {
            '0'..='9' => {
                number.push(symbol);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            _ => return None,
        };
        seconds = seconds.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
        number.clear();
    }
    if !number.is_empty() {
        seconds = seconds.checked_add(number.parse().ok()?)?;
    }
    (5..=86_400).contains(&seconds).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_waits_are_read_as_documented() {
        let seconds = ["30", "30s", "5m", "1m30s", "2h", "4", "25h", "x", "s"]
            .map(|text| span(text).map(|span| span.as_secs()));
        let expected =
            [Some(30), Some(30), Some(300), Some(90), Some(7200), None, None, None, None];
        assert_eq!(seconds, expected);
        let waits = ["wait", "wait=1", "wait=60", "wait=61", "wait=0", "respond-async"].map(wait);
        assert_eq!(waits, [Some(60), Some(1), Some(60), None, None, None]);
    }
}
