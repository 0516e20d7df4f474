//! Providers on loopback, played by this process: `OpenAI`'s chat and speech endpoints, and five
//! providers of media (`media/`).
//!
//! With it Tailwater shows everything it can do without a key or a network, and every test talks to a
//! provider over real HTTP. It answers with the timing of a real provider, and it misbehaves like one
//! when the prompt says so (`markers.rs`): it is the only mock that the project has.
//!
//! A request for text or speech becomes a script (`script.rs`): what is sent, and the waits between. One player performs the
//! scripts of both endpoints, so timing, cuts and silences are the same thing in both.

mod answer;
mod chat;
mod markers;
pub mod media;
mod refusals;
mod script;
mod sound;
mod speech;
mod voice;
mod writer;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::routing::{get, post};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use media::Media;
use refusals::Refusals;
use voice::Studio;
pub use voice::Voice;

/// The longest chat request, in bytes; a longer one gets 413.
const MAX_BODY_BYTES: usize = 4 << 20;

/// How the simulator behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// How many times faster than a real provider it answers: 0.1 to 1000, values outside are
    /// brought to the nearer end. At 1000 there is practically no waiting.
    pub speed: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { speed: 1.0 }
    }
}

/// A running simulator. It ends with the token it was started with, not with this value.
#[derive(Debug, Clone)]
pub struct Simulator {
    base_url: String,
    stage: Arc<Stage>,
    media: Media,
}

/// How many requests have arrived, answered well or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// At `/v1/chat/completions`.
    pub chat: u64,
    /// At `/v1/audio/speech`.
    pub speech: u64,
}

/// What all requests share.
#[derive(Debug)]
struct Stage {
    speed: f64,
    stop: CancellationToken,
    studio: Studio,
    refusals: Refusals,
    chat_requests: AtomicU64,
    speech_requests: AtomicU64,
}

/// Starts the simulator on free ports of 127.0.0.1 and returns when it listens.
///
/// It runs until `stop` is cancelled; answers that are still being given are then cut off. The
/// process must have installed a rustls crypto provider before.
///
/// # Errors
/// When no ports can be had, or TLS cannot be set up for callbacks.
pub async fn start(options: Options, stop: CancellationToken) -> std::io::Result<Simulator> {
    start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), options, stop).await
}

/// Starts the simulator on this address and the seven ports after it; on free ones if its port is 0.
///
/// # Errors
/// As [`start`].
pub async fn start_at(
    address: SocketAddr,
    options: Options,
    stop: CancellationToken,
) -> std::io::Result<Simulator> {
    start_with(Voice::find(), address, options, stop).await
}

async fn start_with(
    voice: Voice,
    address: SocketAddr,
    options: Options,
    stop: CancellationToken,
) -> std::io::Result<Simulator> {
    let (listener, origin) = media::listen(address, 0).await?;
    let base_url = format!("{origin}/v1");
    let speed = if options.speed.is_nan() { 1.0 } else { options.speed.clamp(0.1, 1000.0) };
    let media = media::start(address, speed, stop.clone()).await?;
    let stage = Arc::new(Stage {
        speed,
        stop: stop.clone(),
        studio: Studio::new(voice),
        refusals: Refusals::default(),
        chat_requests: AtomicU64::new(0),
        speech_requests: AtomicU64::new(0),
    });
    let server =
        axum::serve(listener, router(stage.clone())).with_graceful_shutdown(stop.cancelled_owned());
    tokio::spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "the simulator ended");
        }
    });
    Ok(Simulator { base_url, stage, media })
}

fn router(stage: Arc<Stage>) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(chat::complete))
        .route("/v1/audio/speech", post(speech::speak))
        .route("/v1/models", get(models))
        .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(stage)
}

/// The models it claims to have. Requests may name any other.
async fn models() -> axum::Json<serde_json::Value> {
    let model = |id| json!({"id": id, "object": "model", "created": 0, "owned_by": "tailwater"});
    axum::Json(json!({
        "object": "list",
        "data": [model("simulated-writer"), model("simulated-voice")],
    }))
}

impl Simulator {
    /// The base URL that an `OpenAI` client is given: `http://127.0.0.1:PORT/v1`.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// What it speaks with.
    #[must_use]
    pub fn voice(&self) -> &Voice {
        self.stage.studio.voice()
    }

    /// The base URL that a client of this provider of media is given, by the provider's name
    /// (one of [`media::PROVIDERS`]); none for any other.
    #[must_use]
    pub fn media(&self, provider: &str) -> Option<&str> {
        self.media.base_url(provider)
    }

    /// What has arrived at this provider of media so far.
    #[must_use]
    pub fn counts(&self, provider: &str) -> Option<media::Counts> {
        self.media.counts(provider)
    }

    /// How many requests for text and speech have arrived so far.
    #[must_use]
    pub fn requests(&self) -> Counts {
        Counts {
            chat: self.stage.chat_requests.load(Ordering::Relaxed),
            speech: self.stage.speech_requests.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests;
