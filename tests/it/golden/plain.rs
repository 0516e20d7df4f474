//! Putting something in the place of whatever differs from run to run, of the same type.

use serde_json::{Value, json};

/// A time and an id of an event as examples of the documentation have them.
const TIME: u64 = 1_795_176_000_000;
const EVENT: u64 = 4_294_967_338;

/// How the ids of ours begin.
const IDS: [&str; 3] = ["job_", "file_", "upl_"];

/// An answer without what differs from run to run.
pub fn of(answer: Value) -> Value {
    member("", answer)
}

fn member(name: &str, value: Value) -> Value {
    match value {
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (name.clone(), member(&name, value))).collect()
        }
        Value::Array(items) => items.into_iter().map(|item| member(name, item)).collect(),
        Value::Number(number) => number_of(name).map_or(Value::Number(number), Value::from),
        Value::String(text) => {
            text_of(name).map_or_else(|| plain_text(&text), str::to_owned).into()
        }
        Value::Null | Value::Bool(_) => value,
    }
}

fn number_of(name: &str) -> Option<u64> {
    Some(match name {
        "at" | "created_at" | "started_at" | "updated_at" | "ended_at" => TIME,
        "event_id" | "after" | "head" | "next" | "from" | "to" | "last_event_id" => EVENT,
        "poll_after_ms" => 1000,
        "retry_ms" => 2417,
        "percent" | "progress" => 42,
        "bytes" => 4096,
        "duration_ms" => 5000,
        "words" | "characters" => 120,
        "offset" => 500,
        "index" => 1,
        _ => return None,
    })
}

fn text_of(name: &str) -> Option<&'static str> {
    Some(match name {
        "text" | "title" | "message" | "note" => "…",
        "sha256" => "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "version" => "0.0.0",
        "trace_id" => "4bf92f3577b34da6a3ce929d0e0e4736",
        _ => return None,
    })
}

/// A text without random ids and ports, which also stand in URLs.
fn plain_text(text: &str) -> String {
    let mut plain = text.to_owned();
    for id in IDS {
        plain = cut(&plain, id, |symbol| symbol.is_ascii_alphanumeric(), "1");
    }
    cut(&plain, "127.0.0.1:", |symbol| symbol.is_ascii_digit(), "8080")
}

/// The text with `instead` for whatever belongs to each `prefix`.
fn cut(text: &str, prefix: &str, belongs: fn(char) -> bool, instead: &str) -> String {
    let mut pieces = text.split(prefix);
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        plain += &format!("{prefix}{instead}{}", piece.trim_start_matches(belongs));
    }
    plain
}

#[test]
fn what_is_put_in_place_has_the_same_type() {
    let answer = json!({
        "url": "/api/jobs/job_06b2xyz/x/file_9", "at": 5, "after": null, "kind": "blog",
        "text": "secret", "server": "http://127.0.0.1:4711/v1", "position": 2, "on": true,
    });
    let expected = json!({
        "url": "/api/jobs/job_1/x/file_1", "at": TIME, "after": null, "kind": "blog",
        "text": "…", "server": "http://127.0.0.1:8080/v1", "position": 2, "on": true,
    });
    assert_eq!(of(answer), expected);
}
