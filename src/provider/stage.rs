//! A provider for one test: it answers from a script and remembers what it was asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request as HttpRequest, State as Held};
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use secrecy::SecretString;
use serde_json::{Map, Value};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::media::{Callback, InputFile, Operation, Place, Request, Service, Webhook};

/// The key of every test: long enough to be noticed where it must not be.
pub(super) const KEY: &str = "key-id-1234:key-secret-5678";

/// The secret of every test's webhook.
pub(super) const WEBHOOK_SECRET: &str = "webhook-secret-1234";

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
}

impl Reply {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self { status, headers: vec![], body: body.to_string().into_bytes() }
    }

    pub(super) fn text(status: u16, body: &str) -> Self {
        Self { status, headers: vec![], body: body.as_bytes().to_vec() }
    }

    pub(super) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// A request that came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// Its method, path and query, as in `GET /a?b=c`.
    pub(super) line: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[derive(Debug, Default)]
struct Script {
    /// Answers by `METHOD /path`; the last of several is given again and again.
    replies: HashMap<String, Vec<Reply>>,
    /// The answer where there is no other.
    fallback: Option<Reply>,
    seen: Vec<Seen>,
}

/// The provider.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    /// Where it is, without a slash at the end.
    pub(super) url: String,
    script: Arc<Mutex<Script>>,
}

impl Stage {
    /// One that answers everything with 404 until it is told otherwise.
    pub(super) async fn open() -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(Script::default()));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&script));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, script }
    }

    /// One that answers everything alike.
    pub(super) async fn always(reply: Reply) -> Self {
        let stage = Self::open().await;
        stage.script.lock().unwrap().fallback = Some(reply);
        stage
    }

    /// Adds an answer to `METHOD /path`, behind those that are there.
    pub(super) fn on(&self, line: &str, reply: Reply) -> &Self {
        self.script.lock().unwrap().replies.entry(line.to_owned()).or_default().push(reply);
        self
    }

    /// What it was asked so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.script.lock().unwrap().seen.clone()
    }

    /// The first lines of what it was asked so far.
    pub(super) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }

    /// A client of it, by a provider's name.
    pub(super) fn service(&self, name: &str) -> Arc<dyn Service> {
        service(name, &self.url)
    }
}

async fn answer(Held(script): Held<Arc<Mutex<Script>>>, request: HttpRequest) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let line = format!("{} {}", parts.method, parts.uri);
    let key = line.split('?').next().unwrap().to_owned();
    let mut script = script.lock().unwrap();
    script.seen.push(Seen { line, headers: parts.headers, body });
    let fallback = script.fallback.clone();
    let reply = match script.replies.get_mut(&key) {
        Some(replies) if replies.len() > 1 => replies.remove(0),
        Some(replies) => replies[0].clone(),
        None => fallback.unwrap_or_else(|| Reply::text(404, "not in the script")),
    };
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap();
    for (name, value) in reply.headers {
        let name = HeaderName::from_static(name);
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A provider that reads a request, says `words` and hangs up. Returns its URL.
pub(super) async fn hang_up(words: &'static str) -> String {
    use tokio::io::AsyncWriteExt as _;
    rustls::crypto::ring::default_provider().install_default().ok();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            // A request of a test comes in one piece.
            connection.read_buf(&mut Vec::with_capacity(64 * 1024)).await.unwrap();
            connection.write_all(words.as_bytes()).await.ok();
            connection.shutdown().await.ok();
        }
    });
    url
}

/// A URL where nobody listens.
pub(super) async fn nowhere() -> String {
    rustls::crypto::ring::default_provider().install_default().ok();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// A client by a provider's name, with the key.
pub(super) fn service(name: &str, url: &str) -> Arc<dyn Service> {
    let place = Place {
        base_url: Some(url.to_owned()),
        key: Some(SecretString::from(KEY)),
        webhook_secret: None,
    };
    super::registry::connect(name, super::local_client().unwrap(), place).unwrap()
}

/// Where a test's provider calls back.
pub(super) fn webhook() -> Webhook {
    Webhook {
        url: "https://tail.test/api/webhooks/p/job_1/1/token-123456".to_owned(),
        secret: SecretString::from(WEBHOOK_SECRET),
    }
}

/// A request with the inputs.
pub(super) fn request<'a>(
    model: &'a str,
    endpoint: &'a str,
    input: &'a Map<String, Value>,
    webhook: Option<&'a Webhook>,
) -> Request<'a> {
    Request { model, endpoint, input, webhook }
}

/// The fields of a JSON object.
pub(super) fn fields(object: Value) -> Map<String, Value> {
    let Value::Object(fields) = object else { panic!("{object} is no object") };
    fields
}

/// An operation without details.
pub(super) fn operation(id: &str, details: Value) -> Operation {
    Operation { id: id.to_owned(), details: fields(details) }
}

/// A file of so many bytes.
pub(super) fn file(media_type: &str, length: usize) -> InputFile {
    let name = format!("a.{}", media_type.rsplit('/').next().unwrap());
    InputFile { name, media_type: media_type.to_owned(), bytes: Bytes::from(vec![b'x'; length]) }
}

/// Headers of a callback.
pub(super) fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    pairs.iter().map(pair).collect()
}

/// A callback that came at a time.
pub(super) fn callback<'a>(
    headers: &'a HeaderMap,
    body: &'a [u8],
    secret: &'a SecretString,
    now: i64,
) -> Callback<'a> {
    Callback { headers, body, secret, now }
}
