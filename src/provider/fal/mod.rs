//! fal: models behind a queue. <https://docs.fal.ai>
//!
//! A request is put into the queue by the model's whole id and found again by the first parts of it
//! alone. A job that failed reads `COMPLETED` like one that did not: its result tells.

mod wire;

#[cfg(test)]
mod tests;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{Method, StatusCode};
use reqwest::{Client, Url};
use serde_json::{Map, Value, json};

use super::api::{self, Answer, Api, CANCEL, POLL, Scheme, UPLOAD};
use super::error::Error;
use super::fetched::Fetched;
use super::media::{
    Callback, InputFile, Operation, Place, Request, Service, State, Unverified, Verified,
};
use super::{inline, signature};

/// The longest data URL that goes into a request, in bytes.
const LONGEST_INLINE: usize = 4_000_000;

/// The largest file that is uploaded, in bytes. The bound is ours: one upload has two minutes.
const LARGEST_UPLOAD: usize = 100_000_000;

/// The host of the public queue, whose files and keys are at another host.
const QUEUE_HOST: &str = "queue.fal.run";
const REST: &str = "https://rest.fal.ai";

/// The headers of a callback. <https://docs.fal.ai/documentation/model-apis/inference/webhooks>
const REQUEST_ID: &str = "x-fal-webhook-request-id";
const USER_ID: &str = "x-fal-webhook-user-id";
const TIMESTAMP: &str = "x-fal-webhook-timestamp";
const SIGNATURE: &str = "x-fal-webhook-signature";

/// A client of fal.
#[derive(Debug)]
pub(super) struct Fal {
    api: Api,
    /// Where files are uploaded and keys are published.
    rest: String,
    /// The public keys that callbacks are signed with.
    keys: Fetched<Vec<Vec<u8>>>,
}

impl Fal {
    pub(super) fn new(client: Client, base_url: &str, place: Place) -> Self {
        Self {
            api: Api::new(client, base_url, place.key, Scheme::Key),
            rest: rest_of(base_url),
            keys: Fetched::new(),
        }
    }

    async fn begin(&self, request: Request<'_>) -> Result<Operation, Error> {
        let model = api::model_path(request.model, 2)?;
        let mut post = self
            .api
            .request(Method::POST, &format!("/{model}"))?
            .header("x-fal-queue-priority", "normal")
            .json(request.input);
        if let Some(webhook) = request.webhook {
            post = post.query(&[("fal_webhook", &webhook.url)]);
        }
        let answer = self.api.ask_to_start(post).await?;
        if !answer.status.is_success() {
            return Err(self.api.refusal(&answer, request.webhook));
        }
        self.started(&answer, model)
    }

    /// Keeps the addresses that came with the answer if they are at the place that was asked: the
    /// key goes along with each question.
    fn started(&self, answer: &Answer, model: &str) -> Result<Operation, Error> {
        let id = api::id_in(answer.json.as_ref().and_then(|json| json.get("request_id")));
        let id = id.ok_or_else(|| api::unsure("an answer without a request id"))?;
        let mut details = Map::from_iter([("model".to_owned(), json!(model))]);
        for name in ["status_url", "response_url", "cancel_url"] {
            let url = answer.text(&format!("/{name}"));
            if let Some(url) = url.filter(|url| api::same_origin(url, self.api.base_url())) {
                details.insert(name.to_owned(), json!(url));
            }
        }
        Ok(Operation { id, details })
    }

    /// Where one of the operation's addresses is: as fal said, else built.
    fn address(&self, operation: &Operation, name: &str, end: &str) -> Result<String, Error> {
        let id = api::id_of(operation)?;
        let text = |name: &str| operation.details.get(name).and_then(Value::as_str);
        if let Some(url) = text(name).filter(|url| api::same_origin(url, self.api.base_url())) {
            return Ok(url.to_owned());
        }
        let model = api::model_path(text("model").unwrap_or_default(), 2)?;
        Ok(format!("{}/{}/requests/{id}{end}", self.api.base_url(), wire::app(model)))
    }

    async fn look(&self, operation: &Operation) -> Result<State, Error> {
        let url = self.address(operation, "status_url", "/status")?;
        let request = self.api.request_at(Method::GET, &url)?.query(&[("logs", "1")]);
        let answer = self.api.ask(request, POLL).await?;
        if answer.status == StatusCode::NOT_FOUND && answer.json.is_some() {
            return Ok(wire::gone());
        }
        let status = self.api.read(answer)?;
        match wire::status(&status, &self.api)? {
            wire::Status::Is(state) => Ok(state),
            wire::Status::Completed(error) => self.result(operation, error).await,
        }
    }

    /// Asks for the result. `error` is what the status said about a failure that it did not name.
    async fn result(&self, operation: &Operation, error: Option<Error>) -> Result<State, Error> {
        let url = self.address(operation, "response_url", "")?;
        let answer = self.api.ask(self.api.request_at(Method::GET, &url)?, POLL).await?;
        if answer.status.is_success() {
            let result = self.api.read(answer)?;
            return Ok(error.map_or(State::Succeeded(result), State::Failed));
        }
        wire::failed_result(&answer, self.api.refusal(&answer, None)).map(|state| {
            // The result of a failed job may be gone before its status is.
            match (state, error) {
                (State::Failed(Error::Expired { .. }), Some(error)) => State::Failed(error),
                (state, _) => state,
            }
        })
    }

    async fn stop(&self, operation: &Operation) -> Result<(), Error> {
        let url = self.address(operation, "cancel_url", "/cancel")?;
        let answer = self.api.ask(self.api.request_at(Method::PUT, &url)?, CANCEL).await?;
        self.api.stopped(&answer)
    }

    async fn upload(&self, file: InputFile) -> Result<String, Error> {
        if file.bytes.len() > LARGEST_UPLOAD {
            return Err(inline::too_large(&file, LARGEST_UPLOAD, "fal"));
        }
        let url = format!("{}/storage/upload/initiate", self.rest);
        let request = self
            .api
            .request_at(Method::POST, &url)?
            .query(&[("storage_type", "fal-cdn-v3")])
            .json(&json!({"content_type": file.media_type, "file_name": file.name}));
        let place = self.api.read(self.api.ask(request, UPLOAD).await?)?;
        let text = |name: &str| place.get(name).and_then(Value::as_str);
        let (Some(upload_url), Some(file_url)) = (text("upload_url"), text("file_url")) else {
            let message = "a place for a file without its URLs".to_owned();
            return Err(Error::Protocol { message });
        };
        let put = self
            .api
            .bare(Method::PUT, upload_url)
            .header(http::header::CONTENT_TYPE, &file.media_type)
            .body(file.bytes);
        let answer = self.api.ask(put, UPLOAD).await?;
        if answer.status.is_success() {
            return Ok(file_url.to_owned());
        }
        Err(self.api.refusal(&answer, None))
    }

    async fn check(&self, callback: Callback<'_>) -> Result<Verified, Unverified> {
        let header = |name| signature::header(callback.headers, name);
        let (id, user, timestamp) = (header(REQUEST_ID)?, header(USER_ID)?, header(TIMESTAMP)?);
        let signed = header(SIGNATURE)?;
        signature::timely(timestamp, TIMESTAMP, callback.now)?;
        let message = [id, user, timestamp, &signature::sha256_hex(callback.body)].join("\n");
        let fits = |keys: &Vec<Vec<u8>>| signature::ed25519(keys, message.as_bytes(), signed);
        let real = self.keys.fits(|| self.fetch_keys(), fits).await;
        if !real.map_err(Unverified::Unchecked)? {
            return Err(Unverified::Forged(SIGNATURE));
        }
        let body = signature::json(&callback)?;
        let operation = api::id_in(body.get("request_id")).or_else(|| api::id_in(Some(&json!(id))));
        Ok(Verified { message: Some(id.to_owned()), operation, ..Verified::default() })
    }

    async fn fetch_keys(&self) -> Result<Vec<Vec<u8>>, Error> {
        let url = format!("{}/.well-known/jwks.json", self.rest);
        let set = self.api.read(self.api.ask(self.api.bare(Method::GET, &url), POLL).await?)?;
        Ok(signature::ed25519_keys(&set))
    }
}

/// Where files and keys are: fal's own host for its public queue, else the same place as the queue.
fn rest_of(base_url: &str) -> String {
    match Url::parse(base_url) {
        Ok(url) if url.host_str() == Some(QUEUE_HOST) => REST.to_owned(),
        Ok(url) => url.origin().ascii_serialization(),
        Err(_) => base_url.trim_end_matches('/').to_owned(),
    }
}

impl Service for Fal {
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
        if inline::data_url_length(&file) <= LONGEST_INLINE {
            return std::future::ready(Ok(inline::data_url(&file))).boxed();
        }
        self.upload(file).boxed()
    }

    fn verify<'a>(&'a self, callback: Callback<'a>) -> BoxFuture<'a, Result<Verified, Unverified>> {
        self.check(callback).boxed()
    }
}
