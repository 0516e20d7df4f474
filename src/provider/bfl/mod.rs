//! Black Forest Labs: images, and videos, by FLUX. <https://docs.bfl.ai>
//!
//! A task lives in one region and is asked for at the address that came with it. What the rules
//! about content hold back is no error there but a status.

mod wire;

#[cfg(test)]
mod tests;

use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{Method, StatusCode};
use reqwest::{Client, Url};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use super::api::{self, Api, POLL, Scheme};
use super::error::Error;
use super::media::{
    Callback, InputFile, Operation, Place, Request, Service, State, Unverified, Verified,
};
use super::{inline, signature};

/// The largest file that goes into a request, in bytes.
const LARGEST_INLINE: usize = 20_000_000;

/// The domain of all of BFL's regions.
const DOMAIN: &str = "bfl.ai";

/// The header of a callback's signature.
const SIGNATURE: &str = "x-bfl-signature";

/// A client of Black Forest Labs.
#[derive(Debug)]
pub(super) struct Bfl {
    api: Api,
}

impl Bfl {
    pub(super) fn new(client: Client, base_url: &str, place: Place) -> Self {
        Self { api: Api::new(client, base_url, place.key, Scheme::XKey) }
    }

    async fn begin(&self, request: Request<'_>) -> Result<Operation, Error> {
        let model = api::model_path(request.model, 1)?;
        let mut body = request.input.clone();
        if let Some(webhook) = request.webhook {
            body.insert("webhook_url".to_owned(), json!(webhook.url));
            body.insert("webhook_secret".to_owned(), json!(webhook.secret.expose_secret()));
        }
        let started_at = unix_seconds();
        let post = self.api.request(Method::POST, &format!("/v1/{model}"))?.json(&body);
        let answer = self.api.ask_to_start(post).await?;
        if !answer.status.is_success() {
            return Err(self.api.refusal(&answer, request.webhook));
        }
        let id = api::id_in(answer.json.as_ref().and_then(|json| json.get("id")));
        let id = id.ok_or_else(|| api::unsure("a task without an id"))?;
        let mut details = Map::from_iter([("started_at".to_owned(), json!(started_at))]);
        if let Some(url) = answer.text("/polling_url") {
            details.insert("polling_url".to_owned(), json!(url));
        }
        Ok(Operation { id, details })
    }

    /// Where a task is asked for: the address that came with it, unless that is of a stranger, who
    /// must not see the key, or none came.
    fn address(&self, operation: &Operation) -> Result<String, Error> {
        let id = api::id_of(operation)?;
        let given = operation.details.get("polling_url").and_then(Value::as_str);
        Ok(match given.filter(|url| may_see_key(self.api.base_url(), url)) {
            Some(url) => url.to_owned(),
            None => format!("{}/v1/get_result?id={id}", self.api.base_url()),
        })
    }

    async fn look(&self, operation: &Operation) -> Result<State, Error> {
        let url = self.address(operation)?;
        let answer = self.api.ask(self.api.request_at(Method::GET, &url)?, POLL).await?;
        // A task that is not found has a status of its own, and 200 or 404.
        if let Some(json) = &answer.json
            && (answer.status == StatusCode::NOT_FOUND || wire::is_unknown(json))
        {
            let started_at = operation.details.get("started_at").and_then(Value::as_u64);
            let age = unix_seconds().saturating_sub(started_at.unwrap_or_default());
            return Ok(wire::unknown(age));
        }
        wire::state(self.api.read(answer)?, &self.api)
    }

    fn check(callback: &Callback<'_>) -> Result<Verified, Unverified> {
        let secret = callback.secret.expose_secret();
        let real = if callback.headers.contains_key(SIGNATURE) {
            let signed = signature::header(callback.headers, SIGNATURE)?;
            let hex = signed.strip_prefix("sha256=").unwrap_or(signed);
            signature::hex_hmac(secret, callback.body, hex)
        } else {
            // The other reading of the documentation: the secret itself.
            let said = signature::header(callback.headers, "x-webhook-secret")?;
            signature::same_secret(secret, said)
        };
        if !real {
            return Err(Unverified::Forged(SIGNATURE));
        }
        let body = signature::json(callback)?;
        let id = api::id_in(body.get("id").or_else(|| body.get("task_id")));
        let id = id.ok_or(Unverified::Forged("the body names no task"))?;
        let status = body.get("status").and_then(Value::as_str).unwrap_or_default();
        Ok(Verified {
            message: Some(format!("{id}:{status}")),
            operation: Some(id),
            ..Verified::default()
        })
    }
}

/// Whether the key may go to an address: the host that it belongs to, or for BFL's own hosts any
/// region's; never in the clear where the base is not.
fn may_see_key(base_url: &str, url: &str) -> bool {
    let (Ok(base), Ok(url)) = (Url::parse(base_url), Url::parse(url)) else { return false };
    let (Some(home), Some(host)) = (base.host_str(), url.host_str()) else { return false };
    let of_bfl = |host: &str| {
        host == DOMAIN || host.strip_suffix(DOMAIN).is_some_and(|region| region.ends_with('.'))
    };
    let same_scheme = base.scheme() == url.scheme();
    same_scheme && (home == host || (of_bfl(home) && of_bfl(host)))
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Service for Bfl {
    fn calls_back(&self) -> bool {
        true
    }

    fn start<'a>(&'a self, request: Request<'a>) -> BoxFuture<'a, Result<Operation, Error>> {
        self.begin(request).boxed()
    }

    fn poll<'a>(&'a self, operation: &'a Operation) -> BoxFuture<'a, Result<State, Error>> {
        self.look(operation).boxed()
    }

    fn cancel<'a>(&'a self, _: &'a Operation) -> BoxFuture<'a, Result<(), Error>> {
        // It cannot be told to stop.
        std::future::ready(Ok(())).boxed()
    }

    fn hand_on(&self, file: InputFile) -> BoxFuture<'_, Result<String, Error>> {
        let handed = if file.bytes.len() <= LARGEST_INLINE {
            Ok(inline::base64(&file))
        } else {
            Err(inline::too_large(&file, LARGEST_INLINE, "Black Forest Labs"))
        };
        std::future::ready(handed).boxed()
    }

    fn verify<'a>(&'a self, callback: Callback<'a>) -> BoxFuture<'a, Result<Verified, Unverified>> {
        std::future::ready(Self::check(&callback)).boxed()
    }
}
