//! Replicate: predictions of models, official or not.
//! <https://replicate.com/docs/reference/http>
//!
//! An official model is run by its own route. Another one has to be named by a version, which is
//! looked up when the route is not there and remembered.

mod wire;

#[cfg(test)]
mod tests;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{Method, StatusCode};
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Client};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::signing;

use super::api::{self, Answer, Api, CANCEL, POLL, Scheme, UPLOAD};
use super::error::{Error, Sent};
use super::fetched::Fetched;
use super::media::{
    Callback, InputFile, Operation, Place, Request, Service, State, Unverified, Verified, Webhook,
};
use super::recent::Recent;
use super::{inline, signature};

/// The longest data URL that goes into a request, in bytes: Replicate's advice is 256 kB.
const LONGEST_INLINE: usize = 256 * 1000;

/// The largest file that is uploaded, in bytes. The bound is ours: one upload has two minutes.
const LARGEST_UPLOAD: usize = 100_000_000;

/// A client of Replicate.
#[derive(Debug)]
pub(super) struct Replicate {
    api: Api,
    /// What callbacks are signed with, where we were told.
    secret: Option<SecretString>,
    /// The same, as Replicate tells it.
    account_secret: Fetched<SecretString>,
    /// The latest versions of models that have no route of their own.
    versions: Recent,
}

impl Replicate {
    pub(super) fn new(client: Client, base_url: &str, place: Place) -> Self {
        Self {
            api: Api::new(client, base_url, place.key, Scheme::Bearer),
            secret: place.webhook_secret,
            account_secret: Fetched::new(),
            versions: Recent::default(),
        }
    }

    async fn begin(&self, request: Request<'_>) -> Result<Operation, Error> {
        let model = api::model_path(request.model, 2)?;
        if let Some(version) = self.versions.get(model) {
            let answer = self.create("/predictions", Some(&version), &request).await?;
            if !wire::version_is_gone(&answer) {
                return self.started(&answer, request.webhook);
            }
            self.versions.forget(model);
        }
        let route = format!("/models/{model}/predictions");
        let answer = self.create(&route, None, &request).await?;
        if answer.status != StatusCode::NOT_FOUND {
            return self.started(&answer, request.webhook);
        }
        let version = self.latest_version(model).await.map_err(nothing_started)?;
        let answer = self.create("/predictions", Some(&version), &request).await?;
        let operation = self.started(&answer, request.webhook)?;
        self.versions.put(model, &version);
        Ok(operation)
    }

    async fn create(
        &self,
        route: &str,
        version: Option<&str>,
        request: &Request<'_>,
    ) -> Result<Answer, Error> {
        let body = wire::body(version, request.input, request.webhook);
        self.api.ask_to_start(self.api.request(Method::POST, route)?.json(&body)).await
    }

    fn started(&self, answer: &Answer, webhook: Option<&Webhook>) -> Result<Operation, Error> {
        if !answer.status.is_success() {
            return Err(wire::with_delay(self.api.refusal(answer, webhook), wire::delay(answer)));
        }
        let id = api::id_in(answer.json.as_ref().and_then(|json| json.get("id")));
        let id = id.ok_or_else(|| api::unsure("a prediction without an id"))?;
        Ok(Operation { id, ..Operation::default() })
    }

    async fn latest_version(&self, model: &str) -> Result<String, Error> {
        let request = self.api.request(Method::GET, &format!("/models/{model}"))?;
        let model_object = self.api.read(self.api.ask(request, POLL).await?)?;
        let version = api::id_in(model_object.pointer("/latest_version/id"));
        version.ok_or_else(|| {
            let message = format!("the model {model} has no version that could be run");
            Error::RefusedInput { message }
        })
    }

    async fn look(&self, operation: &Operation) -> Result<State, Error> {
        let route = format!("/predictions/{}", api::id_of(operation)?);
        let answer = self.api.ask(self.api.request(Method::GET, &route)?, POLL).await?;
        if answer.status == StatusCode::NOT_FOUND && answer.json.is_some() {
            let message = "Replicate does not know the prediction (any more)".to_owned();
            return Ok(State::Failed(Error::Expired { message }));
        }
        let delay = wire::delay(&answer);
        let prediction = self.api.read(answer).map_err(|error| wire::with_delay(error, delay))?;
        wire::state(prediction, &self.api)
    }

    async fn stop(&self, operation: &Operation) -> Result<(), Error> {
        let route = format!("/predictions/{}/cancel", api::id_of(operation)?);
        let answer = self.api.ask(self.api.request(Method::POST, &route)?, CANCEL).await?;
        self.api.stopped(&answer)
    }

    async fn upload(&self, file: InputFile) -> Result<String, Error> {
        if file.bytes.len() > LARGEST_UPLOAD {
            return Err(inline::too_large(&file, LARGEST_UPLOAD, "Replicate"));
        }
        let length = file.bytes.len() as u64;
        let part = Part::stream_with_length(Body::from(file.bytes), length)
            .file_name(file.name)
            .mime_str(&file.media_type)
            .map_err(|_| Error::RefusedInput {
                message: "the file has no media type".to_owned(),
            })?;
        let request = self.api.request(Method::POST, "/files")?;
        let request = request.multipart(Form::new().part("content", part));
        let uploaded = self.api.read(self.api.ask(request, UPLOAD).await?)?;
        let url = uploaded.pointer("/urls/get").and_then(Value::as_str).map(str::to_owned);
        url.ok_or_else(|| Error::Protocol { message: "an uploaded file without a URL".to_owned() })
    }

    async fn check(&self, callback: Callback<'_>) -> Result<Verified, Unverified> {
        let id = signature::header(callback.headers, "webhook-id")?;
        let timestamp = signature::header(callback.headers, "webhook-timestamp")?;
        let signatures = signature::header(callback.headers, "webhook-signature")?;
        signature::timely(timestamp, "webhook-timestamp", callback.now)?;
        let signed = |secret: &SecretString| {
            let key = signing::Key::parse(secret.expose_secret());
            key.is_some_and(|key| key.verify(id, timestamp, callback.body, signatures))
        };
        let real = match &self.secret {
            Some(secret) => signed(secret),
            None => {
                let fits = self.account_secret.fits(|| self.fetch_secret(), signed).await;
                fits.map_err(Unverified::Unchecked)?
            }
        };
        if !real {
            return Err(Unverified::Forged("webhook-signature"));
        }
        let prediction = signature::json(&callback)?;
        let operation = api::id_in(prediction.get("id"));
        Ok(Verified { message: Some(id.to_owned()), operation, ..Verified::default() })
    }

    async fn fetch_secret(&self) -> Result<SecretString, Error> {
        let request = self.api.request(Method::GET, "/webhooks/default/secret")?;
        let answer = self.api.read(self.api.ask(request, POLL).await?)?;
        let secret = answer.get("key").and_then(Value::as_str).map(SecretString::from);
        let nothing = "an answer without the secret of webhooks";
        secret.ok_or_else(|| Error::Protocol { message: nothing.to_owned() })
    }
}

/// A failure between two tries to start: the first was clearly refused, the second not yet made.
fn nothing_started(error: Error) -> Error {
    match error {
        Error::Transport { message, sent: Sent::Maybe } => {
            Error::Transport { message, sent: Sent::No }
        }
        Error::Transport { sent: Sent::No, .. }
        | Error::RefusedInput { .. }
        | Error::Moderated { .. }
        | Error::OutOfFunds { .. }
        | Error::Unauthorised { .. }
        | Error::RateLimited { .. }
        | Error::Busy { .. }
        | Error::Broken { .. }
        | Error::Truncated { .. }
        | Error::Timeout { .. }
        | Error::AmbiguousStart { .. }
        | Error::Expired { .. }
        | Error::Protocol { .. } => error,
    }
}

impl Service for Replicate {
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
