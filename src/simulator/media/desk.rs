//! What every provider has: its tasks, its counts, its troubles, its way to files and to callbacks.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::simulator::answer::fingerprint;
use crate::simulator::markers::{Marker, Markers};

use super::callback::Caller;
use super::counts::Tally;
use super::host::{Host, Terms};
use super::order::Order;
use super::serve;
use super::task::{End, Task};

/// How many tasks are remembered; finished ones go first, the oldest before the newer.
const MAX_TASKS: usize = 10_000;

/// How many bodies are remembered that asked for trouble; when there are more, all are forgotten.
const MAX_REMEMBERED: usize = 1000;

/// How long `retry-after` asks to wait, in real time.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How often a start is refused before it is taken, and a poll broken before it is answered.
const TROUBLES: u32 = 2;

/// What goes wrong before an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// There is no money or no generation left.
    Quota,
    /// Too many requests; whether the answer says how long to wait, and how often it was given.
    Busy {
        tells: bool,
        nth: u32,
    },
    /// An error of the provider's own, as JSON of theirs or as a page of the edge's.
    Broken,
    Page(StatusCode),
    /// The connection breaks.
    Cut,
}

impl Trouble {
    /// The answer, where it is not in the provider's own words.
    pub(super) fn page(self) -> Option<Response> {
        match self {
            Self::Page(status) => Some(serve::html(status)),
            Self::Cut => Some(serve::cut()),
            Self::Quota | Self::Busy { .. } | Self::Broken => None,
        }
    }

    /// The header of an answer that tells how long to wait.
    pub(super) fn retry_after(self) -> Option<[(HeaderName, String); 1]> {
        let tells = matches!(self, Self::Busy { tells: true, .. });
        tells.then(|| [(header::RETRY_AFTER, RETRY_AFTER.as_secs().to_string())])
    }
}

/// One provider's desk.
#[derive(Debug)]
pub(super) struct Desk {
    /// `http://127.0.0.1:PORT`.
    pub(super) origin: String,
    /// How many times faster than the real one it is.
    pub(super) speed: f64,
    pub(super) tally: Arc<Tally>,
    pub(super) host: Arc<Host>,
    pub(super) caller: Caller,
    terms: Terms,
    tasks: Mutex<Tasks>,
    troubled: Mutex<HashMap<u64, u32>>,
}

#[derive(Debug, Default)]
struct Tasks {
    by_id: HashMap<String, Arc<Task>>,
    order: VecDeque<String>,
}

impl Desk {
    pub(super) fn new(
        origin: String,
        speed: f64,
        terms: Terms,
        host: Arc<Host>,
        caller: Caller,
    ) -> Self {
        Self {
            origin,
            speed,
            tally: Arc::default(),
            host,
            caller,
            terms,
            tasks: Mutex::default(),
            troubled: Mutex::default(),
        }
    }

    /// The routes under `/_simulator`, for tests and the curious.
    pub(super) fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/_simulator/counts", get(counts))
            .route("/_simulator/cancel/{id}", post(cancel))
            .with_state(self)
    }

    /// A span of a real provider in this one's time.
    pub(super) fn scaled(&self, span: Duration) -> Duration {
        span.div_f64(self.speed)
    }

    /// Counts a request that starts work, and tells what goes wrong with it.
    pub(super) fn trouble_at_start(&self, markers: &Markers, body: &[u8]) -> Option<Trouble> {
        self.tally.count(|counts| counts.starts += 1);
        let request = fingerprint(body);
        self.tally.arrive(request);
        if markers.has(Marker::Quota) {
            return Some(Trouble::Quota);
        }
        let busy = markers.has(Marker::RateLimit) || markers.has(Marker::RateLimitBare);
        if !busy && !markers.has(Marker::ServerError) {
            return None;
        }
        let mut troubled = self.troubled.lock().expect("no code that holds this lock panics");
        if troubled.len() >= MAX_REMEMBERED {
            troubled.clear();
        }
        let count = troubled.entry(request).or_default();
        let nth = *count;
        *count = nth.saturating_add(1);
        drop(troubled);
        match nth < TROUBLES {
            true if busy => Some(self.busy(markers, nth, request)),
            true => Some(Trouble::Broken),
            false => None,
        }
    }

    /// Counts a request for the state of a task, and tells what goes wrong with it.
    pub(super) fn trouble_at_poll(&self, task: &Task) -> Option<Trouble> {
        self.tally.count(|counts| counts.polls += 1);
        self.trouble(task)
    }

    /// Counts a request for the result of a task, and tells what goes wrong with it: the same as
    /// with a poll.
    pub(super) fn trouble_at_result(&self, task: &Task) -> Option<Trouble> {
        self.tally.count(|counts| counts.results += 1);
        self.trouble(task)
    }

    fn trouble(&self, task: &Task) -> Option<Trouble> {
        let request = fingerprint(task.id().as_bytes());
        self.tally.arrive(request);
        let mut changing = task.changing();
        let nth = changing.polls;
        changing.polls = nth.saturating_add(1);
        drop(changing);
        let markers = &task.order.markers;
        if markers.has(Marker::CutPoll) && nth < TROUBLES {
            Some(Trouble::Cut)
        } else if markers.has(Marker::ServerError) && nth < TROUBLES {
            let statuses = [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::BAD_GATEWAY];
            Some(Trouble::Page(statuses[nth as usize % statuses.len()]))
        } else if (markers.has(Marker::RateLimit) || markers.has(Marker::RateLimitBare)) && nth == 0
        {
            Some(self.busy(markers, nth, request))
        } else {
            None
        }
    }

    fn busy(&self, markers: &Markers, nth: u32, request: u64) -> Trouble {
        let tells = !markers.has(Marker::RateLimitBare);
        if tells {
            self.tally.allow(request, Instant::now() + RETRY_AFTER);
        }
        Trouble::Busy { tells, nth }
    }

    /// Takes an order.
    pub(super) fn start(&self, order: Order) -> Arc<Task> {
        let task = Arc::new(Task::new(order, self.speed));
        self.tally.count(|counts| counts.started += 1);
        let mut tasks = self.tasks();
        tasks.order.push_back(task.id().to_owned());
        tasks.by_id.insert(task.id().to_owned(), task.clone());
        if tasks.order.len() > MAX_TASKS {
            let finished = |id: &String| tasks.by_id.get(id).is_none_or(|it| it.end().is_some());
            let at = tasks.order.iter().position(finished).unwrap_or(0);
            if let Some(id) = tasks.order.remove(at) {
                tasks.by_id.remove(&id);
            }
        }
        task
    }

    /// What the provider answers to an order that it took, unless the connection breaks first.
    pub(super) fn answer(task: &Task, response: impl IntoResponse) -> Response {
        if task.has(Marker::Cut) { serve::cut() } else { response.into_response() }
    }

    /// A task that the provider still knows.
    pub(super) fn task(&self, id: &str) -> Option<Arc<Task>> {
        let task = self.tasks().by_id.get(id).cloned()?;
        let deleted = task.changing().deleted;
        (!deleted).then_some(task)
    }

    /// All tasks from the oldest on, those that were deleted too.
    pub(super) fn all(&self) -> Vec<Arc<Task>> {
        let tasks = self.tasks();
        tasks.order.iter().filter_map(|id| tasks.by_id.get(id).cloned()).collect()
    }

    /// How long a new order has to wait when only so many are made at a time.
    pub(super) fn wait_for_slot(&self, slots: usize) -> Duration {
        let mut ends: Vec<_> = self.all().iter().filter_map(|task| task.due()).collect();
        let now = Instant::now();
        ends.retain(|end| *end > now);
        ends.sort_unstable();
        let free_at = ends.len().checked_sub(slots).map(|at| ends[at]);
        free_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }

    /// How many tasks are not over.
    pub(super) fn in_flight(&self) -> usize {
        self.all().iter().filter(|task| task.end().is_none()).count()
    }

    /// The address of a task's output: the same until somebody finds that it has expired.
    pub(super) fn output(&self, task: &Task) -> String {
        let (gone, expired) = (task.has(Marker::GoneUrl), task.has(Marker::ExpiredUrl));
        let mut changing = task.changing();
        if let Some(grant) = &changing.grant
            && (gone || self.host.holds(grant))
        {
            return grant.url.clone();
        }
        let expired = gone || (expired && changing.grant.is_none());
        let grant = self.host.grant(task.order.medium, &self.terms, &self.tally, expired);
        changing.grant.insert(grant).url.clone()
    }

    fn tasks(&self) -> std::sync::MutexGuard<'_, Tasks> {
        self.tasks.lock().expect("no code that holds this lock panics")
    }
}

/// Whether a key is no key: none, or one that says that it is wrong.
pub(super) fn is_wrong(key: Option<&str>) -> bool {
    key.is_none_or(|key| key.trim().is_empty() || key.contains("wrong"))
}

/// The key of an `authorization` header, after one of these words.
pub(super) fn bearer<'a>(headers: &'a HeaderMap, words: &[&str]) -> Option<&'a str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (word, key) = value.split_once(' ')?;
    words.iter().any(|known| known.eq_ignore_ascii_case(word)).then_some(key)
}

/// A JSON body, whatever its `content-type` says; null when it is none.
pub(super) fn parse(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or(Value::Null)
}

/// The names among `names` that `input` has no value for.
pub(super) fn missing(input: &Value, names: &[&'static str]) -> Vec<&'static str> {
    let empty = |name: &&str| match input.get(*name) {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(values)) => values.is_empty(),
        Some(Value::Bool(_) | Value::Number(_) | Value::Object(_)) => false,
    };
    names.iter().copied().filter(empty).collect()
}

/// An address that a callback can be sent to.
pub(super) fn is_http(url: &str) -> bool {
    reqwest::Url::parse(url).is_ok_and(|url| ["http", "https"].contains(&url.scheme()))
}

/// `GET /_simulator/counts`.
async fn counts(State(desk): State<Arc<Desk>>) -> Json<Value> {
    let mut body = json!(desk.tally.counts());
    let operation = |task: &Arc<Task>| {
        let times = task.times();
        json!({
            "id": task.id(),
            "model": task.order.model,
            "input": task.order.input,
            "started_at": times.created,
            "ended_at": times.over,
            "end": task.end().map(|end| word(&end)),
        })
    };
    body["operations"] = desk.all().iter().map(operation).collect();
    Json(body)
}

fn word(end: &End) -> &'static str {
    match end {
        End::Succeeded => "succeeded",
        End::Failed(_) => "failed",
        End::Moderated => "moderated",
        End::Canceled => "canceled",
        End::Aborted => "aborted",
    }
}

/// `POST /_simulator/cancel/{id}`: the provider ends the work.
async fn cancel(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Response {
    match desk.task(&id) {
        Some(task) => Json(json!({ "ended": task.end_early(End::Aborted) })).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
