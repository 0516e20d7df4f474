//! `POST /api/webhooks/…`: providers say that there is news.
//!
//! A callback only wakes the poll of its job: what it says about the job is not believed, so a
//! forged one can do nothing but make us ask. The address holds a secret; where the provider signs,
//! the signature counts too.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use serde_json::{Map, json};
use sha2::{Digest, Sha256};

use crate::db::operations::{OperationRow, Started};
use crate::event::{EventId, now_ms};
use crate::job::JobId;
use crate::provider::media::{Callback, Operation, Unverified, Verified};
use crate::store::Cluster;
use crate::telemetry::metrics::metrics;
use crate::telemetry::trail::{self, About};

use super::{App, Code, Problem, body};

/// The largest callback, in bytes. Results are small; the inputs that some repeat have files in
/// them.
const LIMIT: usize = 8 << 20;

/// How many callbacks are remembered. Older ones are refused by their time where they are signed with
/// one; from the others a replay only makes us ask once more.
const REMEMBERED: usize = 100_000;

/// What nodes call out about callbacks that came.
const CAME: &str = "came";

/// Callbacks that came already.
#[derive(Debug, Default)]
pub struct Replays {
    seen: Mutex<Seen>,
}

/// What is kept of a callback's name: enough that no two are the same.
type Name = [u8; 16];

#[derive(Debug, Default)]
struct Seen {
    names: HashSet<Name>,
    order: VecDeque<Name>,
}

fn name(callback: &str) -> Name {
    let mut name = Name::default();
    name.copy_from_slice(&Sha256::digest(callback)[..16]);
    name
}

impl Replays {
    /// Notes as well what comes to other nodes of a cluster.
    pub fn share(self: &Arc<Self>, cluster: &Cluster) {
        let seen = Arc::clone(self);
        cluster.hear(Box::new(move |subject, words| {
            if let (CAME, Ok(name)) = (subject, words.try_into()) {
                seen.note(name);
            }
            None
        }));
    }

    /// Notes a callback; false when it came before.
    fn note(&self, name: Name) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.names.insert(name) {
            return false;
        }
        seen.order.push_back(name);
        if seen.order.len() > REMEMBERED
            && let Some(oldest) = seen.order.pop_front()
        {
            seen.names.remove(&oldest);
        }
        true
    }
}

/// Takes a callback.
///
/// # Errors
/// [`Code::ForgedCallback`], [`Code::ReplayedCallback`], [`Code::Unavailable`] when what it is to
/// be checked with cannot be had.
#[utoipa::path(
    post, path = "/api/webhooks/{provider}/{job}/{attempt}/{token}",
    operation_id = "receive_callback", tag = "server",
    params(
        ("provider" = String, Path, description = "Who calls back"),
        ("job" = String, Path, description = "About which job"),
        ("attempt" = String, Path, description = "Of which run"),
        ("token" = String, Path, description = "What only the provider was told"),
    ),
    request_body(content = Object, description = "In the provider's own words"),
    responses((status = 200, description = "It was heard", body = Object)),
    extensions(("x-problems" = json!([
        Code::ForgedCallback, Code::ReplayedCallback, Code::Unavailable,
    ]))),
)]
pub(super) async fn receive(
    State(app): State<App>,
    path: Result<Path<(String, String, String, String)>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let forged = || Problem::new(Code::ForgedCallback, "there is nothing to call back about");
    let Path((provider, job, attempt, token)) = path?;
    let job: JobId = job.parse().map_err(|_| forged())?;
    let row = app.store.db().operation(&job).await?.ok_or_else(forged)?;
    let is_ours = row.provider == provider
        && row.attempt.to_string() == attempt
        && is_same(row.token.expose_secret().as_bytes(), token.as_bytes());
    let service = app.makers.service(&provider).filter(|_| is_ours).ok_or_else(forged)?;
    // Not before it is known that somebody may send one: it is held whole.
    let bytes = body::bounded(body, LIMIT).await?;
    let now = now_ms() / 1000;
    let callback = Callback { headers: &headers, body: &bytes, secret: &row.token, now };
    let verified = service.verify(callback).await.map_err(|error| refusal(&job, &error))?;
    let is_resolved = resolve(&app, &job, &row, &verified).await?;
    if let Some(message) = &verified.message {
        let name = name(&format!("{job}/{message}"));
        if !app.replays.note(name) {
            return Err(Problem::new(Code::ReplayedCallback, "this callback was delivered before"));
        }
        // Before it is answered: what comes twice may come to another node.
        app.store.tell_all(CAME, name.to_vec()).await;
    }
    let is_news = is_resolved || (verified.answer.is_none() && !verified.is_progress);
    let is_waited_for = is_news && app.queue.call_back(&job);
    tracing::debug!(%job, provider, is_waited_for, "a provider called back");
    metrics().callbacks_total.with_label_values(&[&row.provider]).inc();
    trail::note(job.as_str(), About::Reply, format!("{provider} called back"), None);
    let answer = verified.answer.unwrap_or_else(|| json!({}));
    Ok(axum::Json(answer).into_response())
}

/// Compares in a time that does not tell how much of it was right.
fn is_same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).fold(0, |wrong, (left, right)| wrong | (left ^ right)) == 0
}

fn refusal(job: &JobId, error: &Unverified) -> Problem {
    tracing::warn!(%job, %error, "a callback is not believed");
    match error {
        Unverified::Forged(_) | Unverified::Stale(_) => {
            Problem::new(Code::ForgedCallback, error.to_string())
        }
        Unverified::Unchecked(_) => {
            Problem::new(Code::Unavailable, "the callback cannot be checked at the moment")
        }
    }
}

/// A start whose answer never came is known by the callback of its work; whether it is now.
async fn resolve(
    app: &App,
    job: &JobId,
    row: &OperationRow,
    verified: &Verified,
) -> Result<bool, Problem> {
    let Some(id) = verified.operation.clone().filter(|_| row.handle.is_none()) else {
        return Ok(false);
    };
    let found = app.store.db().job(job).await?;
    let model = found.as_ref().and_then(|job| app.makers.catalog.get(job.model.as_deref()?));
    let mut details = Map::new();
    if let Some(model) = model {
        let none = Map::new();
        let input = found.as_ref().and_then(|job| job.input.as_object()).unwrap_or(&none);
        details.insert("model".into(), model.upstream_for(input).into());
        details.insert("api".into(), model.endpoint.as_str().into());
    }
    let operation = Operation { id, details };
    let handle = serde_json::to_value(operation).expect("a handle is plain data");
    let started = Started { job: job.clone(), handle, is_answer: false, now: now_ms() };
    app.store.journal().change_after(EventId::ZERO, started).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_is_taken_once_and_the_oldest_are_forgotten() {
        let replays = Replays::default();
        assert!(replays.note(name("a")));
        assert!(!replays.note(name("a")));
        for number in 0..REMEMBERED {
            assert!(replays.note(name(&number.to_string())));
        }
        assert!(replays.note(name("a")));
    }

    #[test]
    fn only_the_same_secret_is_the_same() {
        assert!(is_same(b"token", b"token"));
        assert!(!is_same(b"token", b"tokem"));
        assert!(!is_same(b"token", b"token1"));
    }
}
