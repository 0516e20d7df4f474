//! The providers of media over real HTTP.

mod bfl;
mod fal;
mod minimax;
mod replicate;
mod runway;
mod troubles;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::simulator::{Options, Simulator, Voice, start_with};

use super::*;

/// How long anything here may take; all of it takes much less.
const PATIENCE: Duration = Duration::from_secs(20);

/// A simulator without waits, and a client of it.
struct Fixture {
    simulator: Simulator,
    client: reqwest::Client,
    _stop: DropGuard,
}

impl Fixture {
    async fn start() -> Self {
        Self::start_at_speed(1000.0).await
    }

    async fn start_at_speed(speed: f64) -> Self {
        // Fails when another test was first, which is as good.
        rustls::crypto::ring::default_provider().install_default().ok();
        let stop = CancellationToken::new();
        let anywhere = (Ipv4Addr::LOCALHOST, 0).into();
        let options = Options { speed };
        let simulator = start_with(Voice::Tone, anywhere, options, stop.clone()).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { simulator, client, _stop: stop.drop_guard() }
    }

    fn url(&self, provider: &str, path: &str) -> String {
        if path.starts_with("http") {
            return path.to_owned();
        }
        format!("{}{path}", self.simulator.media(provider).unwrap())
    }

    /// Sends a request with a good key; a path is below the provider's base URL.
    async fn send(
        &self,
        provider: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<reqwest::Response, reqwest::Error> {
        let mut request = self.client.request(method, self.url(provider, path));
        for (name, value) in key(provider) {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await
    }

    async fn post(&self, provider: &str, path: &str, body: &Value) -> (StatusCode, Value) {
        json_of(self.send(provider, Method::POST, path, Some(body)).await.unwrap()).await
    }

    async fn get(&self, provider: &str, path: &str) -> (StatusCode, Value) {
        json_of(self.send(provider, Method::GET, path, None).await.unwrap()).await
    }

    /// Asks until the answer is as wanted, and returns it.
    async fn get_until(
        &self,
        provider: &str,
        path: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut last = Value::Null;
        let asking = async {
            loop {
                last = self.get(provider, path).await.1;
                if wanted(&last) {
                    return;
                }
            }
        };
        let answered = tokio::time::timeout(PATIENCE, asking).await;
        assert!(answered.is_ok(), "{provider} {path} stays {last}");
        last
    }

    /// Fetches a file as a client should: without a key.
    async fn fetch(&self, url: &Value) -> reqwest::Response {
        self.client.get(url.as_str().expect("an address")).send().await.unwrap()
    }

    fn counts(&self, provider: &str) -> Counts {
        self.simulator.counts(provider).unwrap()
    }
}

fn key(provider: &str) -> &'static [(&'static str, &'static str)] {
    match provider {
        "fal" => &[("authorization", "Key id:secret")],
        "runway" => {
            &[("authorization", "Bearer simulated-key"), ("x-runway-version", "2024-11-06")]
        }
        "bfl" => &[("x-key", "simulated-key")],
        _ => &[("authorization", "Bearer simulated-key")],
    }
}

async fn json_of(response: reqwest::Response) -> (StatusCode, Value) {
    let status = response.status();
    let body = response.text().await.unwrap();
    (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
}

/// The file is what its content type says, whole, and as long as announced.
async fn assert_is_file(response: reqwest::Response, media_type: &str) {
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], media_type);
    let length: usize = response.headers()["content-length"].to_str().unwrap().parse().unwrap();
    let bytes = response.bytes().await.unwrap();
    assert_eq!(bytes.len(), length);
    let found = infer::get(&bytes).expect("a known kind of file");
    assert_eq!(found.mime_type(), media_type);
    if media_type == "video/mp4" {
        let film = re_mp4::Mp4::read_bytes(&bytes).unwrap();
        assert_eq!(film.tracks().len(), 2, "a picture and a sound track");
    }
}

/// A receiver of callbacks.
struct Receiver {
    url: String,
    letters: mpsc::Receiver<Received>,
    _stop: DropGuard,
}

#[derive(Debug)]
struct Received {
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Received {
    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[derive(Clone)]
struct Desk {
    letters: mpsc::Sender<Received>,
    refusals: Arc<AtomicU32>,
    echo: bool,
}

impl Receiver {
    /// Listens; the first callbacks are refused, so many of them.
    async fn start(refusals: u32, echo: bool) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/hook/secret", listener.local_addr().unwrap());
        let (sender, letters) = mpsc::channel(100);
        let stop = CancellationToken::new();
        let desk = Desk { letters: sender, refusals: Arc::new(refusals.into()), echo };
        let router = Router::new().fallback(receive).with_state(desk);
        serve(listener, router, stop.clone());
        Self { url, letters, _stop: stop.drop_guard() }
    }

    async fn next(&mut self) -> Received {
        let next = tokio::time::timeout(PATIENCE, self.letters.recv()).await;
        next.expect("a callback comes in time").expect("the receiver runs")
    }
}

async fn receive(State(desk): State<Desk>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let json: Value = serde_json::from_slice(&body).unwrap_or_default();
    if desk.echo && json.get("challenge").is_some() {
        return Json(json).into_response();
    }
    let received = Received { path: uri.path().to_owned(), headers, body };
    desk.letters.send(received).await.unwrap();
    let left = desk
        .refusals
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
    let status = if left.is_ok() { StatusCode::BAD_GATEWAY } else { StatusCode::OK };
    (status, Json(json!({}))).into_response()
}
