//! A job of the doctor's own, whose events it pushes itself.

use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::way::{ANSWER, Way, reason};

/// How often a push is tried again over a connection that breaks; its number makes that harmless.
const TRIES: usize = 3;

/// A job of the kind `external`.
#[derive(Clone, Debug)]
pub(super) struct Job {
    maker: Way,
    id: String,
    /// What a page shows in place of a key; empty where nobody needs one.
    ticket: Option<String>,
}

/// An event that the server has, and since when we know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pushed {
    pub(super) id: u64,
    pub(super) at: Instant,
}

impl Job {
    /// Makes one, whose producer may be silent for so long.
    ///
    /// # Errors
    /// What the server or the way to it said.
    pub(super) async fn make(maker: &Way, silence: Duration) -> Result<Self, String> {
        let body = json!({
            "kind": "external",
            "input": { "made_by": "tailwater doctor" },
            "silence_limit_ms": u64::try_from(silence.as_millis()).unwrap_or(u64::MAX),
        });
        let answer = answer(maker.request(Method::POST, "/api/jobs").json(&body)).await?;
        let id = answer["job_id"].as_str().ok_or("the answer to a submit has no job_id")?;
        let link = answer["stream_url"].as_str().unwrap_or_default();
        let ticket = link
            .split_once("ticket=")
            .map(|(_, rest)| rest.split('&').next().unwrap_or_default().to_owned());
        Ok(Self { maker: maker.clone(), id: id.to_owned(), ticket })
    }

    /// The path of its stream, with a ticket, so that a browser could ask for it as well.
    pub(super) fn stream(&self, query: &str) -> String {
        self.path("stream", query)
    }

    /// The path of its events as pages.
    pub(super) fn events(&self, query: &str) -> String {
        self.path("events", query)
    }

    fn path(&self, what: &str, query: &str) -> String {
        let ticket = self.ticket.as_ref().map(|ticket| format!("ticket={ticket}"));
        let query = Some(query.to_owned()).filter(|query| !query.is_empty());
        let query: Vec<_> = query.into_iter().chain(ticket).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("/api/jobs/{}/{what}{mark}{}", self.id, query.join("&"))
    }

    /// Where events are pushed to.
    pub(super) fn ingest(&self) -> String {
        format!("/api/jobs/{}/events", self.id)
    }

    /// Pushes one event with its number, from 1.
    ///
    /// # Errors
    /// What the server or the way to it said.
    pub(super) async fn push(&self, event: &str, seq: u64, data: &Value) -> Result<Pushed, String> {
        let body = line(event, seq, data);
        let mut failed = String::new();
        for _ in 0..TRIES {
            let request = self.maker.request(Method::POST, &self.ingest());
            let request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
            match answer(request).await {
                Ok(answer) => {
                    let id =
                        answer["last_id"].as_u64().ok_or("a push was answered without an id")?;
                    return Ok(Pushed { id, at: Instant::now() });
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Ends it, if it has not ended.
    pub(super) async fn cancel(&self) {
        let path = format!("/api/jobs/{}/cancel", self.id);
        let request = self.maker.request(Method::POST, &path);
        // It has ended, or the server will end it when it has been silent for long enough.
        drop(answer(request.json(&json!({ "reason": "the doctor is done" }))).await);
    }
}

/// An event as it is pushed.
pub(super) fn line(event: &str, seq: u64, data: &Value) -> String {
    json!({ "type": event, "data": data, "producer_seq": seq }).to_string()
}

/// Sends a request and reads its answer, which is JSON.
///
/// # Errors
/// What was said instead.
pub(super) async fn answer(request: reqwest::RequestBuilder) -> Result<Value, String> {
    let response = request.timeout(ANSWER).send().await.map_err(|error| reason(&error))?;
    let status = response.status().as_u16();
    let body = response.bytes().await.map_err(|error| reason(&error))?;
    let json: Option<Value> = serde_json::from_slice(&body).ok();
    match json {
        Some(json) if status < 400 => Ok(json),
        Some(json) => {
            let detail = json["detail"].as_str().unwrap_or("no reason");
            Err(format!("status {status}, {detail}"))
        }
        None => Err(format!("status {status}, and no JSON")),
    }
}
