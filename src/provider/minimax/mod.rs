//! `MiniMax`: two generations of one API. <https://platform.minimax.io/docs>
//!
//! The first says everything with HTTP 200 and a code in `base_resp`, and gives a file's id instead
//! of its address. The second uses HTTP as others do. Neither signs its callbacks: the address that
//! they come to is secret.

mod codes;
mod wire;

#[cfg(test)]
mod tests;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::Method;
use reqwest::Client;
use serde_json::{Map, Value, json};

use super::api::{self, Answer, Api, CANCEL, POLL, Scheme};
use super::error::Error;
use super::http::retry_after;
use super::media::{
    Callback, InputFile, Operation, Place, Request, Service, State, Unverified, Verified, Webhook,
};
use super::{inline, signature};

/// The largest image that goes into a request, in bytes: it has to be smaller than 20 MB.
const LARGEST_IMAGE: usize = 20_000_000 - 1;

/// The longest challenge that is echoed, in bytes.
const LONGEST_CHALLENGE: usize = 4096;

/// Which generation of the API it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Generation {
    V1,
    V2,
}

impl Generation {
    fn named(name: &str) -> Option<Self> {
        match name {
            "v1" => Some(Self::V1),
            "v2" => Some(Self::V2),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }
}

/// A client of `MiniMax`.
#[derive(Debug)]
pub(super) struct MiniMax {
    api: Api,
}

impl MiniMax {
    pub(super) fn new(client: Client, base_url: &str, place: Place) -> Self {
        Self { api: Api::new(client, base_url, place.key, Scheme::Bearer) }
    }

    async fn begin(&self, request: Request<'_>) -> Result<Operation, Error> {
        let Some(generation) = Generation::named(request.endpoint) else {
            let endpoint = super::error::tame(request.endpoint, &[]);
            let message = format!("MiniMax has no API {endpoint:?}: it is v1 or v2");
            return Err(Error::RefusedInput { message });
        };
        let body = match generation {
            Generation::V1 => wire::body_v1(&request),
            Generation::V2 => wire::body_v2(&request),
        };
        let route = format!("/{}/video_generation", generation.name());
        let post = self.api.request(Method::POST, &route)?.json(&body);
        let answer = self.api.ask_to_start(post).await?;
        if let Some(refusal) = self.refusal(&answer, request.webhook) {
            return Err(refusal);
        }
        let id = api::id_in(answer.json.as_ref().and_then(|json| json.get("task_id")));
        let id = id.ok_or_else(|| api::unsure("a task without an id"))?;
        let details = Map::from_iter([("api".to_owned(), json!(generation.name()))]);
        Ok(Operation { id, details })
    }

    /// What is wrong with an answer, by its status or by its code; both have to be read.
    fn refusal(&self, answer: &Answer, webhook: Option<&Webhook>) -> Option<Error> {
        let secrets = self.api.secrets(webhook);
        let wait = retry_after(&answer.headers);
        let coded = answer.json.as_ref().and_then(|json| codes::error_in(json, &secrets));
        let coded = coded.map(|error| error.not_before(wait));
        if answer.status.is_success() {
            return coded;
        }
        let sorted = || self.api.refusal(answer, webhook);
        Some(coded.unwrap_or_else(|| codes::by_bracket(sorted())))
    }

    fn generation_of(operation: &Operation) -> Generation {
        let named = operation.details.get("api").and_then(Value::as_str);
        named.and_then(Generation::named).unwrap_or(Generation::V1)
    }

    async fn look(&self, operation: &Operation) -> Result<State, Error> {
        let id = api::id_of(operation)?;
        match Self::generation_of(operation) {
            Generation::V1 => self.look_v1(id).await,
            Generation::V2 => self.look_v2(id).await,
        }
    }

    async fn look_v1(&self, id: &str) -> Result<State, Error> {
        let request = self.api.request(Method::GET, "/v1/query/video_generation")?;
        let answer = self.api.ask(request.query(&[("task_id", id)]), POLL).await?;
        let refusal = self.refusal(&answer, None);
        if let Some(error) = refusal {
            return wire::refused_query(&answer, error);
        }
        let task = self.api.read(answer)?;
        match wire::status_v1(&task)? {
            wire::Status::Is(state) => Ok(state),
            wire::Status::File(file_id) => self.file(&file_id, &task).await,
        }
    }

    /// The address of a finished file: asked for again with each poll, since it expires.
    async fn file(&self, file_id: &str, task: &Value) -> Result<State, Error> {
        let request = self.api.request(Method::GET, "/v1/files/retrieve")?;
        let answer = self.api.ask(request.query(&[("file_id", file_id)]), POLL).await?;
        if let Some(error) = self.refusal(&answer, None) {
            return Err(error);
        }
        let file = self.api.read(answer)?;
        match file.pointer("/file/download_url").and_then(Value::as_str) {
            Some(url) => Ok(State::Succeeded(wire::made_v1(url, task))),
            None => Err(Error::Broken { message: "a file without a URL".to_owned() }),
        }
    }

    async fn look_v2(&self, id: &str) -> Result<State, Error> {
        let route = format!("/v2/query/video_generation/{id}");
        let answer = self.api.ask(self.api.request(Method::GET, &route)?, POLL).await?;
        if let Some(error) = self.refusal(&answer, None) {
            return wire::refused_query(&answer, error);
        }
        wire::state_v2(&self.api.read(answer)?, &self.api)
    }

    async fn stop(&self, operation: &Operation) -> Result<(), Error> {
        let id = api::id_of(operation)?;
        match Self::generation_of(operation) {
            // It cannot be told to stop.
            Generation::V1 => Ok(()),
            Generation::V2 => {
                let route = format!("/v2/video_generation/{id}");
                let request = self.api.request(Method::DELETE, &route)?;
                self.api.stopped(&self.api.ask(request, CANCEL).await?)
            }
        }
    }
}

/// Reads a callback: first comes a challenge, then the states of the task.
/// The words of callbacks about work that goes on, in both versions.
const GOING_ON: [&str; 5] = ["preparing", "queueing", "queued", "processing", "running"];

fn read_callback(callback: &Callback<'_>) -> Result<Verified, Unverified> {
    let body = signature::json(callback)?;
    if let Some(challenge) = body.get("challenge") {
        let short = challenge.as_str().is_some_and(|text| text.len() <= LONGEST_CHALLENGE);
        if !short && !challenge.is_number() {
            return Err(Unverified::Forged("the challenge is none"));
        }
        let answer = Some(json!({"challenge": challenge}));
        return Ok(Verified { answer, ..Verified::default() });
    }
    let task = body.get("task").unwrap_or(&body);
    let id = api::id_in(task.get("task_id").or_else(|| task.get("id")));
    let id = id.ok_or(Unverified::Forged("the body names no task"))?;
    let status = task.get("status").and_then(Value::as_str).unwrap_or_default();
    let status = status.to_ascii_lowercase();
    let is_progress = GOING_ON.contains(&status.as_str());
    let message = format!("{id}:{status}");
    Ok(Verified { message: Some(message), operation: Some(id), is_progress, answer: None })
}

impl Service for MiniMax {
    fn calls_back(&self) -> bool {
        true
    }

    fn start<'a>(&'a self, request: Request<'a>) -> BoxFuture<'a, Result<Operation, Error>> {
        self.begin(request).boxed()
    }

    fn poll<'a>(&'a self, operation: &'a Operation) -> BoxFuture<'a, Result<State, Error>> {
        self.look(operation).boxed()
    }

    fn cancel<'a>(&'a self, operation: &'a Operation) -> BoxFuture<'a, Result<(), Error>> {
        self.stop(operation).boxed()
    }

    fn hand_on(&self, file: InputFile) -> BoxFuture<'_, Result<String, Error>> {
        let handed = if file.bytes.len() <= LARGEST_IMAGE {
            Ok(inline::data_url(&file))
        } else {
            Err(inline::too_large(&file, LARGEST_IMAGE, "MiniMax"))
        };
        std::future::ready(handed).boxed()
    }

    fn verify<'a>(&'a self, callback: Callback<'a>) -> BoxFuture<'a, Result<Verified, Unverified>> {
        std::future::ready(read_callback(&callback)).boxed()
    }
}
