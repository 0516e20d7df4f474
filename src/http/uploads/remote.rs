//! A file that a client names instead of sending it: fetched from where it is.

use std::pin::pin;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use futures_util::TryStreamExt;
use reqwest::{Response, Url};
use serde_json::{Map, Value};
use tokio::time::timeout;

use crate::artifact::{Sniffed, Staged};
use crate::http::envelope::Reader;
use crate::http::guard::Call;
use crate::http::{App, Code, Problem, body};
use crate::outward::{self, NoAnswer, Target, Trust};

use super::receive::{self, Received, Wishes};
use super::room::Room;
use super::under_way::Share;

/// How long a file may take in all.
const DEADLINE: Duration = Duration::from_secs(300);

/// How long its host may send nothing.
const IDLE: Duration = Duration::from_secs(30);

/// By way of how many other addresses it may be found.
const REDIRECTS: usize = 3;

/// The fields of the body.
const FIELDS: [&str; 3] = ["url", "project_id", "name"];

/// Whether a request names a file: its body is JSON.
pub(super) fn is_asked(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// Fetches the file that the body names.
///
/// # Errors
/// [`Code::InvalidField`] for a body or an address that is not taken, [`Code::NotFetched`] with
/// what its host did, and those of a file that is sent.
pub(super) async fn fetch(
    call: &Call,
    wishes: Wishes,
    headers: &HeaderMap,
    body: Body,
) -> Result<Received, Problem> {
    let value = body::json(headers, body, call.options.body_limit).await?;
    let trust = if call.options.upload_allow_private { Trust::Everybody } else { Trust::Nobody };
    let (target, wishes) = asked(&value, wishes, trust, call.caller().project())?;
    let file_name = file_name(target.url());
    let room = Room::of(call, &wishes.project_id).await?;
    let mut share = call.under_way.begin(&wishes.project_id);
    let fetching = timeout(DEADLINE, Box::pin(staged(call, target, trust, room, &mut share)));
    let fetched = fetching.await.map_err(|_| silent(DEADLINE))?;
    let fetched = fetched.map_err(|problem| room.explain(problem))?;
    Ok(wishes.received(fetched, share, file_name))
}

/// What is to be fetched, and what is said of it.
fn asked(
    value: &Value,
    wishes: Wishes,
    trust: Trust<'_>,
    only: Option<&str>,
) -> Result<(Target, Wishes), Problem> {
    let problem = Problem::new(Code::InvalidField, "the file cannot be fetched as it is asked for");
    let Value::Object(fields) = value else {
        return Err(problem.field("", "must be an object with 'url'"));
    };
    let mut reader = Reader { fields, problem, only };
    let target = match fields.get("url") {
        Some(Value::String(text)) => Target::parse(text, trust).map_err(|error| error.to_string()),
        _ => Err("is required: the https address of a file, a text".to_owned()),
    };
    let target = target.map_err(|detail| reader.fail("url", detail)).ok();
    let project_id = match fields.get("project_id") {
        None | Some(Value::Null) => wishes.project_id,
        Some(_) => reader.project(),
    };
    let name = name(fields, &mut reader).or(wishes.name);
    for unknown in fields.keys().filter(|name| !FIELDS.contains(&name.as_str())).take(16) {
        let detail = format!("is no field of an upload; it has {}", FIELDS.join(", "));
        reader.fail(unknown, detail);
    }
    match target {
        Some(target) if reader.problem.errors().is_empty() => {
            Ok((target, Wishes { project_id, name }))
        }
        _ => Err(reader.problem),
    }
}

fn name(fields: &Map<String, Value>, reader: &mut Reader<'_>) -> Option<String> {
    match fields.get("name") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name.clone()),
        Some(_) => {
            reader.fail("name", "must be a text");
            None
        }
    }
}

/// The last part of an address, where that is a name as people write them.
fn file_name(url: &Url) -> Option<String> {
    let last = url.path_segments()?.next_back()?;
    (last.contains('.') && !last.contains('%')).then(|| last.to_owned())
}

async fn staged(
    app: &App,
    target: Target,
    trust: Trust<'_>,
    room: Room,
    share: &mut Share,
) -> Result<(Staged, Sniffed), Problem> {
    let response = timeout(IDLE, app.outward.get(target, trust, REDIRECTS)).await;
    let response = response.map_err(|_| silent(IDLE))?.map_err(unanswered)?;
    check(&response)?;
    let limit = room.most;
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(receive::too_large(limit));
    }
    let chunks = outward::chunks(response, IDLE).map_err(|cut| not_fetched(cut.to_string()));
    receive::stage(&app.artifacts, limit, pin!(room.watch(share, chunks))).await
}

fn check(response: &Response) -> Result<(), Problem> {
    let status = response.status();
    if status == reqwest::StatusCode::OK {
        return Ok(());
    }
    let number = status.as_u16();
    Err(not_fetched(if status.is_redirection() {
        format!("its host answered HTTP {number}, which leads on after {REDIRECTS} other addresses")
    } else {
        format!("its host answered HTTP {number}")
    }))
}

fn unanswered(error: NoAnswer) -> Problem {
    match error {
        NoAnswer::Refused(refused) => {
            Problem::new(Code::InvalidField, format!("the address {refused}"))
                .field("/url", refused.to_string())
        }
        NoAnswer::Elsewhere(_) => not_fetched(error.to_string()),
        NoAnswer::Transport { words, .. } => {
            tracing::debug!(error = words, "a file could not be fetched");
            not_fetched("its host does not answer".to_owned())
        }
    }
}

fn silent(limit: Duration) -> Problem {
    not_fetched(format!("it did not come within {} seconds", limit.as_secs()))
}

fn not_fetched(detail: String) -> Problem {
    Problem::new(Code::NotFetched, format!("the file could not be fetched: {detail}"))
        .field("/url", detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use serde_json::json;

    fn wishes() -> Wishes {
        Wishes { project_id: "default".into(), name: None }
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let value = json!({ "url": "http://a.example/b.png", "name": 7, "project_id": "", "x": 1 });
        let problem = asked(&value, wishes(), Trust::Nobody, None).unwrap_err();
        let pointers: Vec<_> = problem.errors().iter().map(|error| &*error.pointer).collect();
        assert_eq!(pointers, ["/url", "/project_id", "/name", "/x"]);
        assert_eq!(problem.errors()[0].detail, "begins with 'http:' and not with 'https:'");
        for value in [json!({}), json!({ "url": 7 }), json!([])] {
            assert!(asked(&value, wishes(), Trust::Nobody, None).is_err(), "{value}");
        }
    }

    #[test]
    fn what_the_body_says_counts_before_the_query() {
        let value = json!({ "url": "https://a.example/b.png", "name": "c", "project_id": "p" });
        let (_, wishes) = asked(&value, wishes(), Trust::Nobody, None).unwrap();
        assert_eq!((wishes.project_id.as_str(), wishes.name.as_deref()), ("p", Some("c")));
    }

    #[test]
    fn a_file_is_called_as_its_address_says() {
        let name = |url: &str| file_name(&Url::parse(url).unwrap());
        assert_eq!(name("https://a.example/b/c.png?d=e.gif").as_deref(), Some("c.png"));
        for url in ["https://a.example", "https://a.example/b", "https://a.example/%2e.png"] {
            assert_eq!(name(url), None, "{url}");
        }
    }

    #[test]
    fn a_body_of_json_names_a_file() {
        let asked = |value: &'static str| {
            is_asked(&HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]))
        };
        assert!(asked("application/json") && asked("Application/JSON; charset=utf-8"));
        assert!(!asked("image/png") && !asked("") && !is_asked(&HeaderMap::new()));
    }
}
