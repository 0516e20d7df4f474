//! One provider's API: its host, its key, and what its answers mean before anybody reads them.
//!
//! The key goes where [`Api::request`] and [`Api::request_at`] send it and nowhere else; files are
//! uploaded, and other hosts asked, by [`Api::bare`].

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, LOCATION};
use http::{Method, StatusCode};
use reqwest::{Client, RequestBuilder, Response, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::body;
use super::error::{Error, Sent, tame};
use super::http::{cut, read_some, retry_after, unsent};
use super::media::{Operation, Webhook};
use super::phrases;

/// How long each kind of request may take, from its first byte to the answer's last.
pub(super) const START: Duration = Duration::from_secs(60);
pub(super) const POLL: Duration = Duration::from_secs(30);
pub(super) const CANCEL: Duration = Duration::from_secs(10);
pub(super) const UPLOAD: Duration = Duration::from_secs(120);

/// The longest answer that is read, in bytes: results are addresses of files, not files.
const LONGEST_ANSWER: usize = 16 << 20;

/// The longest id that is taken for one.
const LONGEST_ID: usize = 200;

/// From how many characters on a part of a secret is worth hiding by itself.
const SHORTEST_SECRET_PART: usize = 8;

/// In which header the key travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// `Authorization: Bearer …`.
    Bearer,
    /// `Authorization: Key …`, fal's.
    Key,
    /// `x-key: …`, BFL's.
    XKey,
}

/// A provider's API with its key; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Api {
    client: Client,
    base_url: String,
    key: Option<SecretString>,
    scheme: Scheme,
    /// A header that every request carries.
    extra: Option<(&'static str, &'static str)>,
}

impl Api {
    /// The API at `base_url`, which may end in a slash.
    pub(super) fn new(
        client: Client,
        base_url: &str,
        key: Option<SecretString>,
        scheme: Scheme,
    ) -> Self {
        let base_url = base_url.trim_end_matches('/').to_owned();
        Self { client, base_url, key, scheme, extra: None }
    }

    /// The same with a header that every request carries.
    pub(super) fn with_header(self, name: &'static str, value: &'static str) -> Self {
        Self { extra: Some((name, value)), ..self }
    }

    /// Where it is, without a slash at the end.
    pub(super) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// A request to the path, which begins with a slash, below the base URL.
    ///
    /// # Errors
    /// [`Error::Unauthorised`] for a key that no header can carry.
    pub(super) fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, Error> {
        self.request_at(method, &format!("{}{path}", self.base_url))
    }

    /// A request with the key to an address of the provider: the caller made sure that it is one.
    ///
    /// # Errors
    /// As [`Api::request`].
    pub(super) fn request_at(&self, method: Method, url: &str) -> Result<RequestBuilder, Error> {
        let mut request = self.client.request(method, url);
        if let Some(key) = &self.key {
            let (name, value) = self.scheme.header(key)?;
            request = request.header(name, value);
        }
        Ok(match self.extra {
            Some((name, value)) => request.header(name, value),
            None => request,
        })
    }

    /// A request without the key, to wherever the address leads.
    pub(super) fn bare(&self, method: Method, url: &str) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// Sends a request and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::Transport`], or [`Error::Truncated`] when a good answer was cut.
    pub(super) async fn ask(
        &self,
        request: RequestBuilder,
        within: Duration,
    ) -> Result<Answer, Error> {
        let deadline = Instant::now() + within;
        let late = || Error::Timeout { waited: within };
        let response =
            timeout_at(deadline, request.send()).await.map_err(|_| late())?.map_err(unsent)?;
        if !response.status().is_success() {
            return Ok(Answer::refused(response).await);
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let body = timeout_at(deadline, read_all(response)).await.map_err(|_| late())??;
        Ok(Answer::new(status, headers, body))
    }

    /// Sends a request that starts work. What comes back is the provider's own word: 2xx with JSON,
    /// or a refusal.
    ///
    /// # Errors
    /// [`Error::AmbiguousStart`] unless the request surely did not arrive.
    pub(super) async fn ask_to_start(&self, request: RequestBuilder) -> Result<Answer, Error> {
        let answer = self.ask(request, START).await.map_err(ambiguous)?;
        let status = answer.status.as_u16();
        // A proxy that answers for the provider does not know what the provider did, whatever its
        // words are.
        let own = answer.json.as_ref().is_some_and(body::is_error) && !is_of_gateway(status);
        if answer.status.is_server_error() && !own {
            return Err(unsure(&format!("HTTP {status} without words of the provider")));
        }
        if answer.status.is_success() && answer.json.is_none() {
            return Err(unsure(&format!("HTTP {status} with a body that is no JSON")));
        }
        Ok(answer)
    }

    /// The JSON of an answer to a question.
    ///
    /// # Errors
    /// What another status than 2xx means; [`Error::Broken`] for an answer that is not the
    /// provider's: the page of a proxy goes away by itself.
    pub(super) fn read(&self, answer: Answer) -> Result<Value, Error> {
        let status = answer.status;
        match answer.json {
            Some(json) if status.is_success() => Ok(json),
            None if status.is_success() || status == StatusCode::NOT_FOUND => {
                let message = format!("HTTP {} with a body that is no JSON", status.as_u16());
                Err(Error::Broken { message })
            }
            Some(_) | None => Err(self.refusal(&answer, None)),
        }
    }

    /// What the answer to a request to stop means: work that is over, or that the provider does not
    /// know, needs no stopping.
    ///
    /// # Errors
    /// When the provider did not take the request.
    pub(super) fn stopped(&self, answer: &Answer) -> Result<(), Error> {
        match answer.status.as_u16() {
            200..=299 | 400 | 404 | 405 | 409 | 410 | 422 => Ok(()),
            _ => Err(self.refusal(answer, None)),
        }
    }

    /// Sorts an answer with another status than 2xx, by its words where they say more than the
    /// status; they hold neither the key nor what is secret in the webhook.
    pub(super) fn refusal(&self, answer: &Answer, webhook: Option<&Webhook>) -> Error {
        phrases::resort(self.sorted(answer, &self.secrets(webhook)))
    }

    /// Sorts an answer with another status than 2xx by its status and its codes.
    pub(super) fn sorted(&self, answer: &Answer, secrets: &[&str]) -> Error {
        let status = answer.status;
        if let Some(location) = answer.headers.get(LOCATION).filter(|_| status.is_redirection()) {
            let target = tame(&String::from_utf8_lossy(location.as_bytes()), secrets);
            let message = format!(
                "HTTP {status} redirects to {target}; the base URL has to name that place itself"
            );
            return Error::Protocol { message };
        }
        let wait = retry_after(&answer.headers);
        body::sort_answer(status, &answer.body, wait, secrets)
    }

    /// Somebody else's words, made fit to be shown.
    pub(super) fn tame(&self, words: &str) -> String {
        tame(words, &self.secrets(None))
    }

    /// What must not be shown: the key, and of an address to call back its end too.
    pub(super) fn secrets<'a>(&'a self, webhook: Option<&'a Webhook>) -> Vec<&'a str> {
        let long = |part: &&str| part.len() >= SHORTEST_SECRET_PART;
        let mut secrets = Vec::new();
        if let Some(key) = &self.key {
            let key = key.expose_secret();
            // fal's key is an id and a secret.
            let part = key.split_once(':').map(|(_, secret)| secret).filter(long);
            secrets.extend([Some(key), part].into_iter().flatten());
        }
        if let Some(webhook) = webhook {
            let token = webhook.url.rsplit('/').next().filter(long);
            secrets.extend([webhook.url.as_str(), webhook.secret.expose_secret()]);
            secrets.extend(token);
        }
        secrets
    }
}

impl Scheme {
    fn header(self, key: &SecretString) -> Result<(HeaderName, HeaderValue), Error> {
        let key = key.expose_secret();
        let (name, value) = match self {
            Self::Bearer => (AUTHORIZATION, format!("Bearer {key}")),
            Self::Key => (AUTHORIZATION, format!("Key {key}")),
            Self::XKey => (HeaderName::from_static("x-key"), key.to_owned()),
        };
        let mut value = HeaderValue::from_str(&value).map_err(|_| {
            let message =
                "the key holds a character that no header can carry, such as a line break"
                    .to_owned();
            Error::Unauthorised { message }
        })?;
        value.set_sensitive(true);
        Ok((name, value))
    }
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    /// Its status.
    pub(super) status: StatusCode,
    /// Its headers.
    pub(super) headers: HeaderMap,
    /// Its body; of a refusal, the first of it.
    pub(super) body: Bytes,
    /// The body, where it is JSON.
    pub(super) json: Option<Value>,
}

impl Answer {
    fn new(status: StatusCode, headers: HeaderMap, body: Bytes) -> Self {
        let json = serde_json::from_slice(&body).ok();
        Self { status, headers, body, json }
    }

    /// Reads an answer that is an error, as far as it comes.
    pub(super) async fn refused(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        Self::new(status, headers, read_some(response).await.into())
    }

    /// The text at a JSON pointer of the body.
    pub(super) fn text(&self, pointer: &str) -> Option<&str> {
        self.json.as_ref()?.pointer(pointer)?.as_str()
    }
}

async fn read_all(mut response: Response) -> Result<Bytes, Error> {
    let mut body = BytesMut::new();
    while let Some(bytes) = response.chunk().await.map_err(cut)? {
        if body.len() + bytes.len() > LONGEST_ANSWER {
            let message = format!("an answer of more than {LONGEST_ANSWER} bytes");
            return Err(Error::Protocol { message });
        }
        body.extend_from_slice(&bytes);
    }
    Ok(body.freeze())
}

/// Whether a status is that of somebody between us and the provider, who has passed the request on
/// and got no whole answer: RFC 9110, sections 15.6.3 and 15.6.5, and what Cloudflare adds (520 to
/// 527, <https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/>)
/// but for the two of a connection that was not made.
fn is_of_gateway(status: u16) -> bool {
    matches!(status, 502 | 504 | 520 | 522..=524 | 526 | 527)
}

/// That it is not known whether work was started, because of what came instead of an answer.
pub(super) fn unsure(came: &str) -> Error {
    Error::AmbiguousStart { message: came.to_owned() }
}

/// What a failed request means when it was to start work.
fn ambiguous(error: Error) -> Error {
    match error {
        Error::Transport { sent: Sent::No, .. }
        | Error::RefusedInput { .. }
        | Error::Unauthorised { .. }
        | Error::AmbiguousStart { .. } => error,
        Error::Transport { sent: Sent::Maybe, .. }
        | Error::Timeout { .. }
        | Error::Truncated { .. }
        | Error::Protocol { .. }
        | Error::Busy { .. }
        | Error::Broken { .. }
        | Error::RateLimited { .. }
        | Error::OutOfFunds { .. }
        | Error::Moderated { .. }
        | Error::Expired { .. } => unsure(&error.to_string()),
    }
}

/// The id in an answer, text or number; `None` when it is nothing that could stand in a path.
pub(super) fn id_in(value: Option<&Value>) -> Option<String> {
    let id = match value? {
        Value::String(id) => id.clone(),
        Value::Number(id) => id.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    is_segment(&id).then_some(id)
}

/// The id of an operation, safe to put into a path.
///
/// # Errors
/// [`Error::Protocol`] for one that no provider gives.
pub(super) fn id_of(operation: &Operation) -> Result<&str, Error> {
    if is_segment(&operation.id) {
        return Ok(&operation.id);
    }
    Err(Error::Protocol { message: "the operation's id is none that a provider gives".to_owned() })
}

/// A model's name, made of at least so many parts, each safe to put into a path.
///
/// # Errors
/// [`Error::RefusedInput`] for anything else.
pub(super) fn model_path(model: &str, parts: usize) -> Result<&str, Error> {
    if model.split('/').count() >= parts && model.split('/').all(is_segment) {
        return Ok(model);
    }
    let message = format!("{:?} is not the name of a model here", tame(model, &[]));
    Err(Error::RefusedInput { message })
}

/// Whether a text can stand between two slashes and be nothing but a name.
fn is_segment(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:~".contains(&byte);
    (1..=LONGEST_ID).contains(&text.len())
        && text.bytes().all(plain)
        && text.bytes().any(|byte| byte != b'.')
}

/// Whether two addresses have the same scheme, host and port.
pub(super) fn same_origin(one: &str, other: &str) -> bool {
    match (Url::parse(one), Url::parse(other)) {
        (Ok(one), Ok(other)) => one.origin().is_tuple() && one.origin() == other.origin(),
        (Ok(_) | Err(_), _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_id_is_a_name_and_never_a_way_through_the_api() {
        assert_eq!(id_in(Some(&json!("gm3q"))), Some("gm3q".to_owned()));
        assert_eq!(id_in(Some(&json!(205_258_526_306_433_u64))).unwrap(), "205258526306433");
        for odd in [json!(""), json!("a/b"), json!(".."), json!("a?b"), json!("%2e"), json!(null)] {
            assert_eq!(id_in(Some(&odd)), None, "{odd}");
        }
        assert_eq!(model_path("fal-ai/veo3.1/fast", 2), Ok("fal-ai/veo3.1/fast"));
        for odd in ["", "one", "a//b", "a/../b", "/a/b", "a/b?c"] {
            assert_eq!(model_path(odd, 2).unwrap_err().code(), "refused_input", "{odd}");
        }
    }

    #[test]
    fn silence_and_cuts_leave_a_start_open_and_what_was_not_sent_does_not() {
        let message = || "x".to_owned();
        for open in [
            Error::Timeout { waited: START },
            Error::Truncated { message: message() },
            Error::Transport { message: message(), sent: Sent::Maybe },
            Error::Protocol { message: message() },
        ] {
            assert_eq!(ambiguous(open.clone()).code(), "ambiguous_start", "{open}");
        }
        let unsent = Error::Transport { message: message(), sent: Sent::No };
        assert_eq!(ambiguous(unsent.clone()), unsent);
        let unauthorised = Error::Unauthorised { message: message() };
        assert_eq!(ambiguous(unauthorised.clone()), unauthorised);
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        assert!(same_origin("https://a.test/x", "https://a.test:443/y"));
        for other in ["http://a.test/", "https://b.a.test/", "https://a.test:444/", "a.test", ""] {
            assert!(!same_origin("https://a.test/", other), "{other}");
        }
        assert!(!same_origin("data:,x", "data:,x"));
    }

    #[test]
    fn neither_debug_nor_words_show_the_key_or_the_webhook() {
        rustls::crypto::ring::default_provider().install_default().ok();
        let key = Some(SecretString::from("id-1234:secret-5678"));
        let api = Api::new(Client::new(), "http://a.test/", key, Scheme::Key);
        let webhook = Webhook {
            url: "https://us.test/api/webhooks/fal/1/1/token-1234".to_owned(),
            secret: SecretString::from("shared-1234"),
        };
        let shown = format!("{api:?} {webhook:?}");
        let said = tame(
            "id-1234:secret-5678 secret-5678 https%3A%2F%2Fus.test%2Ftoken-1234 shared-1234",
            &api.secrets(Some(&webhook)),
        );
        for secret in ["secret-5678", "token-1234", "shared-1234"] {
            assert!(!shown.contains(secret) && !said.contains(secret), "{shown} {said}");
        }
    }
}
