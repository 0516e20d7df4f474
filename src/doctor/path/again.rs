//! Coming back: with a cursor in the middle, and with the last one.

use std::time::Duration;

use serde_json::Value;

use super::job::{Job, Pushed};
use super::listen::{Heard, Listener};
use super::pace;
use super::way::{AS_IT_IS, Way};

/// How long the answer may take; everything is there already.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came back to a reader that has some of the events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resumed {
    /// The cursor that was sent.
    pub(super) cursor: u64,
    /// The cursor that the server says it got, if it says so.
    pub(super) heard: Option<u64>,
    /// Whether what came is exactly what is behind the cursor.
    pub(super) is_exact: bool,
    /// The status, if there was an answer.
    pub(super) status: Option<u16>,
}

/// Asks for what is behind an event, by `Last-Event-ID` or by `?after=`.
pub(super) async fn resume(
    through: &Way,
    job: &Job,
    pushed: &[Pushed],
    by_header: bool,
) -> Resumed {
    let middle = pushed.len() / 2;
    let cursor = pushed[middle].id;
    let heard = open(through, job, cursor, by_header).await;
    let ids: Vec<String> = heard
        .events
        .iter()
        .filter(|came| pace::is_ours(&came.message.event))
        .map(|came| came.message.last_event_id.clone())
        .collect();
    let expected: Vec<String> =
        pushed[middle + 1..].iter().map(|pushed| pushed.id.to_string()).collect();
    Resumed {
        cursor,
        heard: heard.data("hello").and_then(|hello| hello["after"].as_u64()),
        is_exact: ids == expected,
        status: heard.head.map(|head| head.status),
    }
}

/// Comes back with everything; the status of the answer, which should be 204.
pub(super) async fn come_back_with_all(through: &Way, job: &Job, over: Pushed) -> Option<u16> {
    open(through, job, over.id, false).await.head.map(|head| head.status)
}

async fn open(through: &Way, job: &Job, cursor: u64, by_header: bool) -> Heard {
    let (query, header) =
        if by_header { (String::new(), Some(cursor)) } else { (format!("after={cursor}"), None) };
    let mut request = through.stream(&job.stream(&query), AS_IT_IS);
    if let Some(cursor) = header {
        request = request.header("last-event-id", cursor);
    }
    let mut listener = Listener::open(request);
    listener.until(PATIENCE, |heard| heard.end.is_some()).await;
    listener.heard()
}

/// What came of a request for a job that there is not: the status, and whether it is the server's own.
pub(super) async fn ask_for_nothing(through: &Way) -> Result<(u16, bool), String> {
    let path = "/api/jobs/job_that_the_doctor_made_up";
    let request = through.request(reqwest::Method::GET, path).timeout(PATIENCE);
    let response = request.send().await.map_err(|error| super::way::reason(&error))?;
    let status = response.status().as_u16();
    let body = response.bytes().await.unwrap_or_default();
    let problem: Option<Value> = serde_json::from_slice(&body).ok();
    Ok((status, problem.is_some_and(|problem| problem["code"].is_string())))
}
