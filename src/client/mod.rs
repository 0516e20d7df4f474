//! The Rust client: submit, look, cancel, watch a job to its end; models, files, credits
//! and webhooks.
//!
//! `tailwater watch` and the load test are written on it. It knows the wire and nothing of the
//! server's insides.

mod credits;
mod error;
mod events;
mod files;
mod health;
mod models;
mod target;
mod types;
mod watch;
mod webhooks;

pub use credits::{Balance, Entry, LedgerPage};
pub use error::{ClientError, FieldError};
pub use events::{EventPage, PageEvent};
pub use files::{Download, Upload};
pub use health::Readiness;
pub use models::{Model, ModelFilter, ModelInput, Price};
pub use target::Target;
pub use types::{JobFilter, JobPage, JobView, Submit, Submitted};
pub use watch::machine;
pub use watch::{Reconnect, StreamEvent, Watch, WatchEvent};
pub use webhooks::{Delivery, DeliveryFilter, DeliveryPage};

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::backoff::Policy;

/// How a client behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the server is, as in `http://127.0.0.1:8080`; a path in front of `/api` is kept.
    pub server: String,
    /// The key, for a server that wants one; it is sent to that server and to nobody else.
    pub key: Option<SecretString>,
    /// How long a connection may take to be made; default 10 s.
    pub connect_timeout: Duration,
    /// How long an answer that is no stream may take; default 30 s.
    pub answer_timeout: Duration,
    /// How long a file may take in either direction; default 1 h, as long as a server waits.
    pub transfer_timeout: Duration,
    /// The delays between the tries of a watch, for streams and polls alike, on top of what the
    /// server asks for; default 0.5 s doubling to 30 s, jittered, without end.
    pub reconnect: Policy,
    /// The largest event that is read, in bytes; default 32 MiB, which holds a snapshot of the
    /// largest event a server can be set to.
    pub event_limit: usize,
}

impl Options {
    /// The defaults, for this server.
    #[must_use]
    pub fn new(server: impl Into<String>) -> Self {
        Self {
            server: server.into(),
            key: None,
            connect_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(30),
            transfer_timeout: Duration::from_secs(3600),
            reconnect: Policy {
                first: Duration::from_millis(500),
                ceiling: Duration::from_secs(30),
                retries: None,
            },
            event_limit: 32 << 20,
        }
    }
}

/// A client of one server; clones share its connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    options: Options,
}

impl Client {
    /// A client with these options; connects to nothing yet.
    ///
    /// # Errors
    /// When the server's address is no web address, or TLS cannot be set up.
    ///
    /// # Panics
    /// When no rustls provider is installed in this process: `main` does that first.
    pub fn new(options: Options) -> Result<Self, ClientError> {
        let base = Url::parse(&options.server).ok().filter(is_web_address);
        let base = base.ok_or_else(|| ClientError::BadAddress(options.server.clone()))?;
        let mut http = reqwest::Client::builder()
            .connect_timeout(options.connect_timeout)
            .user_agent(concat!("tailwater/", env!("CARGO_PKG_VERSION")));
        if is_loopback(&base) {
            // A proxy for the outside world cannot reach this machine's own loopback.
            http = http.no_proxy();
        }
        let http = http.build().map_err(|error| ClientError::Setup(error::causes(&error)))?;
        Ok(Self { http, base: base.as_str().trim_end_matches('/').to_owned(), options })
    }

    /// Submits a job.
    ///
    /// # Errors
    /// Those of every call: see [`ClientError`].
    pub async fn submit(&self, submit: &Submit) -> Result<Submitted, ClientError> {
        let mut request = self.request(Method::POST, "/api/jobs").json(submit);
        if let Some(key) = &submit.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        self.answer(request).await
    }

    /// What is known of a job now.
    ///
    /// # Errors
    /// Those of every call: see [`ClientError`].
    pub async fn job(&self, job: &str) -> Result<JobView, ClientError> {
        self.answer(self.request(Method::GET, &format!("/api/jobs/{}", segment(job)))).await
    }

    /// The newest jobs that pass the filter, newest first.
    ///
    /// # Errors
    /// Those of every call: see [`ClientError`].
    pub async fn jobs(&self, filter: &JobFilter) -> Result<JobPage, ClientError> {
        self.answer(self.request(Method::GET, "/api/jobs").query(filter)).await
    }

    /// Asks for a job to be canceled; what it made so far stays.
    ///
    /// # Errors
    /// Those of every call: see [`ClientError`].
    pub async fn cancel(&self, job: &str, reason: Option<&str>) -> Result<(), ClientError> {
        let body = reason.map_or_else(|| json!({}), |reason| json!({ "reason": reason }));
        let path = format!("/api/jobs/{}/cancel", segment(job));
        let request = self.request(Method::POST, &path).json(&body);
        let response = self.send(request.timeout(self.options.answer_timeout)).await?;
        error::refusal(response).await.map(drop)
    }

    /// Watches a job from the event after the cursor `after`; 0 is the beginning.
    #[must_use]
    pub fn watch(&self, job: &str, after: u64) -> Watch {
        self.watch_url(&format!("/api/jobs/{}/stream", segment(job)), after)
    }

    /// Watches a stream by its URL, as [`Submitted::stream_url`] has it: whole, or a path on this
    /// server.
    #[must_use]
    pub fn watch_url(&self, url: &str, after: u64) -> Watch {
        Watch::new(self.clone(), self.absolute(url), after)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.with_key(self.absolute(path), |url| self.http.request(method, url))
    }

    fn get(&self, url: impl Into<String>) -> RequestBuilder {
        self.with_key(url.into(), |url| self.http.get(url))
    }

    /// A request with the key, where it goes to the client's own server: a key is for nobody else.
    fn with_key(
        &self,
        url: String,
        begin: impl FnOnce(String) -> RequestBuilder,
    ) -> RequestBuilder {
        let rest = url.strip_prefix(&self.base);
        let is_own = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
        match &self.options.key {
            Some(key) if is_own => begin(url).bearer_auth(key.expose_secret()),
            _ => begin(url),
        }
    }

    fn absolute(&self, url: &str) -> String {
        if url.contains("://") { url.to_owned() } else { format!("{}{url}", self.base) }
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        self.read(request.timeout(self.options.answer_timeout)).await
    }

    async fn read<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let response = self.send(request).await?;
        let response = error::refusal(response).await?;
        let body = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        serde_json::from_slice(&body).map_err(|error| ClientError::Unreadable(error.to_string()))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        request.send().await.map_err(|error| self.unreachable(&error))
    }

    fn unreachable(&self, error: &reqwest::Error) -> ClientError {
        let reason = if error.is_timeout() {
            "it took too long to answer".to_owned()
        } else {
            error::causes(error)
        };
        self.lost(reason)
    }

    fn lost(&self, reason: String) -> ClientError {
        ClientError::Unreachable { server: without_password(&self.base), reason }
    }
}

/// A name as one segment of a path, whatever a person typed.
fn segment(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let write = |byte: u8| {
        if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    name.bytes().map(write).collect()
}

fn is_web_address(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none()
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn without_password(base: &str) -> String {
    match Url::parse(base) {
        Ok(mut url) if url.password().is_some() => {
            // Fails only for URLs without a host, which are no web addresses.
            url.set_password(Some("hidden")).ok();
            url.into()
        }
        _ => base.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_leave_its_place_in_the_path() {
        assert_eq!(segment("job_01ab"), "job_01ab");
        assert_eq!(segment("a/../b?c#d e"), "a%2F..%2Fb%3Fc%23d%20e");
    }

    #[test]
    fn a_password_is_not_repeated() {
        assert_eq!(without_password("http://me:word@host/x"), "http://me:hidden@host/x");
        assert_eq!(without_password("http://host"), "http://host");
    }

    #[test]
    fn loopback_has_many_names() {
        for url in ["http://localhost:1", "http://127.0.0.2", "http://[::1]:80"] {
            assert!(is_loopback(&Url::parse(url).unwrap()), "{url}");
        }
        assert!(!is_loopback(&Url::parse("http://example.org").unwrap()));
    }
}
