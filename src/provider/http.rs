//! What all requests to providers share: the client, what its failures mean, bounded error bodies.

use std::time::{Duration, SystemTime};

use http::Method;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, Response, redirect};
use secrecy::SecretString;
use serde::Serialize;
use tokio::time::{Instant, timeout, timeout_at};

use super::api::{Answer, Api, Scheme};
use super::body;
use super::error::{Error, Sent, tame};
use crate::backoff;

/// How long a connection may take to open, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an unused connection is kept: less than the 60 s after which common load balancers
/// close it, so that a request does not run into a connection that is just being closed.
const IDLE_CONNECTION: Duration = Duration::from_secs(50);

/// How much of an error body is read, in bytes, and for how long.
const LONGEST_ERROR_BODY: usize = 64 * 1024;
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// The HTTP client for providers; make one per process and clone it.
///
/// It follows no redirect: an API does not move in the middle of a request, and a redirect to
/// another host must not carry the key there. It honours the usual proxy variables. The process
/// must have installed a rustls crypto provider before.
///
/// # Errors
/// [`Error::Transport`] when TLS cannot be set up, for instance because the system has no CA
/// certificates.
pub fn client() -> Result<Client, Error> {
    build(Client::builder())
}

/// The same client for providers on this machine, such as the simulator: never through a proxy.
///
/// # Errors
/// As [`client`].
pub fn local_client() -> Result<Client, Error> {
    build(Client::builder().no_proxy())
}

fn build(builder: ClientBuilder) -> Result<Client, Error> {
    builder
        .user_agent(concat!("tailwater/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_CONNECTION)
        .tcp_keepalive(Duration::from_secs(30))
        .build()
        .map_err(|error| transport(error, Sent::No))
}

/// One route of one provider, with its key: what streams and files are asked for by.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    api: Api,
    path: String,
}

impl Endpoint {
    /// The route `path` (without a leading slash) below `base_url`, which may end in a slash.
    pub(super) fn new(
        client: Client,
        base_url: &str,
        path: &str,
        key: Option<SecretString>,
    ) -> Self {
        Self { api: Api::new(client, base_url, key, Scheme::Bearer), path: format!("/{path}") }
    }

    /// Posts JSON and returns the answer once its headers are here, if its status is 2xx.
    ///
    /// # Errors
    /// What the status and the body of another answer mean; [`Error::Timeout`] when no headers came
    /// `within` the limit; [`Error::Transport`].
    pub(super) async fn post<B: Serialize + Sync>(
        &self,
        body: &B,
        within: Duration,
    ) -> Result<Response, Error> {
        let request = self.api.request(Method::POST, &self.path)?.json(body);
        let response = timeout(within, request.send())
            .await
            .map_err(|_| Error::Timeout { waited: within })?
            .map_err(unsent)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let answer = Answer::refused(response).await;
        Err(self.api.sorted(&answer, &self.api.secrets(None)))
    }

    /// Sorts the error in a JSON payload of an answer with status 200, if it holds one.
    pub(super) fn error_in(&self, payload: &serde_json::Value) -> Option<Error> {
        body::sort_payload(payload, &self.api.secrets(None))
    }

    /// The error for a JSON or HTML answer where a stream or a file was expected: the error that it
    /// holds, or that it is not what was asked for.
    pub(super) async fn unexpected(&self, response: Response, expected: &str) -> Error {
        let came = media_type(&response).to_owned();
        let body = read_some(response).await;
        let held = serde_json::from_slice(&body).ok().and_then(|json| self.error_in(&json));
        held.unwrap_or_else(|| Error::Protocol {
            message: format!("{} came instead of {expected}", self.tame(&came)),
        })
    }

    /// Somebody else's words, made fit to be shown.
    pub(super) fn tame(&self, words: &str) -> String {
        self.api.tame(words)
    }
}

/// The media type of an answer, without parameters; empty when it names none.
pub(super) fn media_type(response: &Response) -> &str {
    let value = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.and_then(|value| value.split(';').next()).unwrap_or_default().trim()
}

/// Why the body of an answer that had begun stopped: always a cut, whoever made it.
pub(super) fn cut(error: reqwest::Error) -> Error {
    Error::Truncated { message: chain(error) }
}

/// Sorts a failure before the answer's headers.
pub(super) fn unsent(error: reqwest::Error) -> Error {
    if error.is_builder() {
        let message = chain(error);
        return Error::RefusedInput { message };
    }
    let sent = if error.is_connect() { Sent::No } else { Sent::Maybe };
    transport(error, sent)
}

fn transport(error: reqwest::Error, sent: Sent) -> Error {
    Error::Transport { message: chain(error), sent }
}

/// The error and its causes in one line, without the URL, which may hold a password.
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(next) = cause {
        words = format!("{words}: {next}");
        cause = next.source();
    }
    tame(&words, &[])
}

/// The wait that an answer asks for: `retry-after-ms`, as `OpenAI`'s own clients read it, else
/// `Retry-After`.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let precise =
        text(http::HeaderName::from_static("retry-after-ms")).and_then(|value| value.parse().ok());
    match precise.map(Duration::from_millis) {
        Some(wait) => Some(wait.min(backoff::LONGEST_HINT)),
        None => backoff::retry_after(text(RETRY_AFTER)?, SystemTime::now()),
    }
}

/// The beginning of a body, as much of it as comes in a short time; a failure only makes it shorter.
pub(super) async fn read_some(mut response: Response) -> Vec<u8> {
    let deadline = Instant::now() + ERROR_BODY_TIMEOUT;
    let mut body = Vec::new();
    while let Ok(Ok(Some(chunk))) = timeout_at(deadline, response.chunk()).await {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST_ERROR_BODY {
            break;
        }
    }
    body
}

#[cfg(test)]
pub(super) mod testing {
    //! A provider for one test: an axum router on a port of its own.

    use axum::Router;
    use axum::body::Body;
    use tokio::net::TcpListener;

    /// Serves the router until the test's runtime ends; returns its base URL.
    pub(in crate::provider) async fn serve(router: Router) -> String {
        rustls::crypto::ring::default_provider().install_default().ok();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}/v1/")
    }

    /// How a body ends after its last piece.
    #[derive(Debug, Clone, Copy)]
    pub(in crate::provider) enum Ending {
        /// As HTTP wants it.
        Proper,
        /// The connection is cut.
        Cut,
        /// It does not.
        Never,
    }

    /// A body that drips its pieces one by one.
    pub(in crate::provider) fn drip(pieces: Vec<Vec<u8>>, ending: Ending) -> Body {
        Body::from_stream(futures_util::stream::unfold(
            pieces.into_iter(),
            move |mut pieces| async move {
                tokio::task::yield_now().await;
                match (pieces.next(), ending) {
                    (Some(piece), _) => Some((Ok(piece), pieces)),
                    (None, Ending::Proper) => None,
                    (None, Ending::Cut) => Some((Err(std::io::Error::other("cut")), pieces)),
                    (None, Ending::Never) => std::future::pending().await,
                }
            },
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::http::StatusCode;
    use axum::routing::post;

    const LIMIT: Duration = Duration::from_secs(20);

    async fn endpoint(router: Router, key: Option<&str>) -> Endpoint {
        let base_url = testing::serve(router).await;
        Endpoint::new(local_client().unwrap(), &base_url, "x", key.map(SecretString::from))
    }

    #[tokio::test]
    async fn the_key_and_our_name_travel_in_headers() {
        let echo = |headers: HeaderMap| async move {
            let text = |name: &str| headers[name].to_str().unwrap().to_owned();
            text("authorization") + " " + &text("user-agent")
        };
        let endpoint = endpoint(Router::new().route("/v1/x", post(echo)), Some("k")).await;
        let answer = endpoint.post(&1, LIMIT).await.unwrap().text().await.unwrap();
        assert_eq!(answer, concat!("Bearer k tailwater/", env!("CARGO_PKG_VERSION")));
    }

    #[tokio::test]
    async fn a_rate_limit_carries_its_delay() {
        let refuse =
            || async { (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "7")], "slow down") };
        let endpoint = endpoint(Router::new().route("/v1/x", post(refuse)), None).await;
        let error = endpoint.post(&1, LIMIT).await.unwrap_err();
        let message = "slow down (HTTP 429)".to_owned();
        let retry_after = Some(Duration::from_secs(7));
        assert_eq!(error, Error::RateLimited { message, retry_after });
    }

    #[tokio::test]
    async fn a_redirect_is_told_and_not_followed() {
        let elsewhere = || async {
            (StatusCode::TEMPORARY_REDIRECT, [("location", "http://127.0.0.1:1/v1/x")])
        };
        let endpoint = endpoint(Router::new().route("/v1/x", post(elsewhere)), Some("k")).await;
        let error = endpoint.post(&1, LIMIT).await.unwrap_err();
        assert_eq!(error.code(), "protocol");
        assert!(error.to_string().contains("redirects to http://127.0.0.1:1/v1/x"), "{error}");
    }

    #[tokio::test]
    async fn a_refused_connection_was_surely_not_sent() {
        testing::serve(Router::new()).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://user:secret@{}", listener.local_addr().unwrap());
        drop(listener);
        let endpoint = Endpoint::new(local_client().unwrap(), &base_url, "x", None);
        let error = endpoint.post(&1, LIMIT).await.unwrap_err();
        assert!(matches!(error, Error::Transport { sent: Sent::No, .. }), "{error:?}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[tokio::test]
    async fn headers_that_do_not_come_are_a_timeout() {
        let stall = || std::future::pending::<&str>();
        let endpoint = endpoint(Router::new().route("/v1/x", post(stall)), None).await;
        let waited = Duration::from_millis(50);
        assert_eq!(endpoint.post(&1, waited).await.unwrap_err(), Error::Timeout { waited });
    }

    #[tokio::test]
    async fn a_key_that_no_header_can_carry_is_unauthorised() {
        let endpoint = endpoint(Router::new(), Some("k\n")).await;
        assert_eq!(endpoint.post(&1, LIMIT).await.unwrap_err().code(), "unauthorised");
    }
}
