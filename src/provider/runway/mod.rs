//! Runway: one task a request. <https://docs.dev.runwayml.com>
//!
//! It tells nobody when a task is done: it is asked.

mod wire;

#[cfg(test)]
mod tests;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{Method, StatusCode};
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Client};
use serde_json::{Value, json};

use super::api::{self, Api, CANCEL, POLL, Scheme, UPLOAD};
use super::error::Error;
use super::inline;
use super::media::{
    Callback, InputFile, Operation, Place, Request, Service, State, Unverified, Verified,
};
use super::recent::Recent;

/// The version of the API that is spoken here.
const VERSION: (&str, &str) = ("x-runway-version", "2024-11-06");

/// The longest data URLs that go into a request, in bytes, of an image and of a video or a sound.
/// <https://docs.dev.runwayml.com>
const LONGEST_INLINE_IMAGE: usize = 5_000_000;
const LONGEST_INLINE: usize = 16_000_000;

/// The largest file that is uploaded, in bytes.
const LARGEST_UPLOAD: usize = 200_000_000;

/// A client of Runway.
#[derive(Debug)]
pub(super) struct Runway {
    api: Api,
    /// The media types of uploads, which their addresses do not tell.
    uploads: Recent,
}

impl Runway {
    pub(super) fn new(client: Client, base_url: &str, place: Place) -> Self {
        let api = Api::new(client, base_url, place.key, Scheme::Bearer);
        Self { api: api.with_header(VERSION.0, VERSION.1), uploads: Recent::default() }
    }

    async fn begin(&self, request: Request<'_>) -> Result<Operation, Error> {
        let route = wire::route(request.endpoint)?;
        let body = wire::body(&request, |uri| self.uploads.get(uri))?;
        let post = self.api.request(Method::POST, &route)?.json(&body);
        let answer = self.api.ask_to_start(post).await?;
        if !answer.status.is_success() {
            return Err(self.api.refusal(&answer, None));
        }
        let id = api::id_in(answer.json.as_ref().and_then(|json| json.get("id")));
        let id = id.ok_or_else(|| api::unsure("a task without an id"))?;
        Ok(Operation { id, ..Operation::default() })
    }

    async fn look(&self, operation: &Operation) -> Result<State, Error> {
        let route = format!("/v1/tasks/{}", api::id_of(operation)?);
        let answer = self.api.ask(self.api.request(Method::GET, &route)?, POLL).await?;
        if answer.status == StatusCode::NOT_FOUND && answer.json.is_some() {
            // That is all that is left of a task which was canceled.
            let message = "Runway does not know the task any more: it was deleted".to_owned();
            return Ok(State::Canceled { message });
        }
        wire::state(self.api.read(answer)?, &self.api)
    }

    async fn stop(&self, operation: &Operation) -> Result<(), Error> {
        let route = format!("/v1/tasks/{}", api::id_of(operation)?);
        let answer = self.api.ask(self.api.request(Method::DELETE, &route)?, CANCEL).await?;
        self.api.stopped(&answer)
    }

    async fn upload(&self, file: InputFile) -> Result<String, Error> {
        if file.bytes.len() > LARGEST_UPLOAD {
            return Err(inline::too_large(&file, LARGEST_UPLOAD, "Runway"));
        }
        let body = json!({"filename": file.name, "type": "ephemeral"});
        let request = self.api.request(Method::POST, "/v1/uploads")?.json(&body);
        let place = self.api.read(self.api.ask(request, UPLOAD).await?)?;
        let text = |name: &str| place.get(name).and_then(Value::as_str);
        let (Some(upload_url), Some(uri)) = (text("uploadUrl"), text("runwayUri")) else {
            let message = "a place for a file without its URLs".to_owned();
            return Err(Error::Protocol { message });
        };
        let media_type = file.media_type.clone();
        let form = form(&place, file)?;
        // The place is another company's: the key stays here.
        let post = self.api.bare(Method::POST, upload_url).multipart(form);
        let answer = self.api.ask(post, UPLOAD).await?;
        if !answer.status.is_success() {
            return Err(self.api.refusal(&answer, None));
        }
        self.uploads.put(uri, &media_type);
        Ok(uri.to_owned())
    }
}

/// The form of an upload: the fields that were given, then the file.
fn form(place: &Value, file: InputFile) -> Result<Form, Error> {
    let mut form = Form::new();
    for (name, value) in place.get("fields").and_then(Value::as_object).into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        form = form.text(name.clone(), value);
    }
    let length = file.bytes.len() as u64;
    let part = Part::stream_with_length(Body::from(file.bytes), length)
        .file_name(file.name)
        .mime_str(&file.media_type)
        .map_err(|_| Error::RefusedInput { message: "the file has no media type".to_owned() })?;
    Ok(form.part("file", part))
}

impl Service for Runway {
    fn calls_back(&self) -> bool {
        false
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
        let is_image = file.media_type.starts_with("image/");
        let longest = if is_image { LONGEST_INLINE_IMAGE } else { LONGEST_INLINE };
        if inline::data_url_length(&file) <= longest {
            return std::future::ready(Ok(inline::data_url(&file))).boxed();
        }
        self.upload(file).boxed()
    }

    fn verify<'a>(&'a self, _: Callback<'a>) -> BoxFuture<'a, Result<Verified, Unverified>> {
        std::future::ready(Err(Unverified::Forged("Runway does not call back"))).boxed()
    }
}
