//! A receiver of webhooks, which knows nothing of the server but the scheme.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tailwater::config::Settings;
use tailwater::signing::Signer;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::PATIENCE;

/// What both sides know: 32 bytes from 0 to 31.
pub const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A webhook as it came.
#[derive(Clone, Debug)]
pub struct Got {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Got {
    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().expect("text")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// Whether one of the signatures is of this secret.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let key =
            STANDARD.decode(secret.strip_prefix("whsec_").expect("a secret")).expect("base64");
        let (id, at) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        let message = [id.as_bytes(), b".", at.as_bytes(), b".", &self.body].concat();
        let signature = format!("v1,{}", STANDARD.encode(hmac_sha256(&key, &message)));
        self.header("webhook-signature").split(' ').any(|one| one == signature)
    }
}

/// RFC 2104, for keys of at most a block.
fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let pad = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::digest([&pad(0x36)[..], message].concat());
    Sha256::digest([&pad(0x5c)[..], &inner].concat()).into()
}

/// How a receiver answers.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// With this status, and a `Location` that a redirect would have.
    Status(u16),
    /// Not at all.
    Never,
}

type Desk = (mpsc::Sender<Got>, Arc<Mutex<VecDeque<Answer>>>);

/// Listens on this machine; gives these answers first, then the last one for ever.
pub struct Receiver {
    pub address: SocketAddr,
    got: mpsc::Receiver<Got>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
}

async fn receive(
    State((sender, answers)): State<Desk>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.to_string();
    sender.send(Got { path, headers, body }).await.ok();
    let answer = {
        let mut answers = answers.lock().expect("nobody panics with it");
        if answers.len() > 1 { answers.pop_front() } else { answers.front().copied() }
    };
    match answer.expect("an answer") {
        Answer::Status(status) => {
            let status = StatusCode::from_u16(status).expect("a status");
            (status, [("location", "/elsewhere")]).into_response()
        }
        Answer::Never => std::future::pending().await,
    }
}

impl Receiver {
    pub async fn start(answers: &[Answer]) -> Self {
        let (sender, got) = mpsc::channel(1000);
        let answers = Arc::new(Mutex::new(answers.iter().copied().collect()));
        let router = Router::new().fallback(receive).with_state((sender, Arc::clone(&answers)));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, got, answers }
    }

    /// One that hears everything.
    pub async fn hearing() -> Self {
        Self::start(&[Answer::Status(204)]).await
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn answer_from_now_on(&self, answer: Answer) {
        *self.answers.lock().expect("nobody panics with it") = VecDeque::from([answer]);
    }

    /// The next webhook, which is signed.
    pub async fn next(&mut self) -> Got {
        let got = tokio::time::timeout(PATIENCE, self.got.recv()).await.expect("it is told");
        let got = got.expect("it listens");
        assert!(got.is_signed_with(SECRET), "{got:?}");
        got
    }

    /// Whether nothing has come that was not read.
    pub fn is_quiet(&mut self) -> bool {
        self.got.try_recv().is_err()
    }
}

/// Has a server send webhooks to receivers on this machine.
pub fn sends_webhooks(settings: &mut Settings) {
    settings.webhook_secret = Signer::parse(SECRET);
    settings.webhook_allow_private = true;
}
