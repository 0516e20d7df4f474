//! The wire: routes, streams, ingest, pages; one file a subject.
//!
//! Handlers parse at the edge, make one call inward, and answer. What a route answers is defined
//! here and in [`crate::event`], nowhere else.

pub mod body;
mod chat;
mod conditional;
pub mod control;
mod counted;
pub mod credits;
pub mod cursor;
pub mod deliveries;
mod envelope;
pub mod events;
pub mod files;
#[doc(hidden)]
pub mod fuzzing;
pub mod guard;
pub mod handover;
pub mod health;
pub mod ingest;
pub mod jobs;
pub mod limits;
mod media;
pub mod models;
pub mod openapi;
mod operator;
pub mod page;
pub mod peer;
mod places;
pub mod problem;
pub mod project;
pub mod query;
pub mod range;
pub mod readers;
mod seal;
pub mod segment;
pub mod serve;
pub mod stall;
pub mod stream;
pub mod streaming;
pub mod streams;
pub mod submit;
mod time;
mod unread;
pub mod uploads;
pub mod view;
pub mod webhooks;

pub use problem::{Code, Problem};
pub use project::{NAME_RULE as PROJECT_RULE, is_name as is_project};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state, map_response_with_state};
use axum::routing::{delete, get, post};
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::access::Access;
use crate::artifact::Artifacts;
use crate::fanout::Engine;
use crate::outward::Outward;
use crate::queue::Queue;
use crate::store::Store;
use crate::webhook::Webhooks;
use crate::worker::Makers;

use guard::{cors, keys, origin, session, tickets};

/// Bounds and times of the wire.
#[derive(Clone, Debug)]
pub struct Options {
    /// The largest JSON body, in bytes.
    pub body_limit: usize,
    /// The largest JSON body with files in it, in bytes.
    pub media_body_limit: usize,
    /// How long a lip-sync submit may hold its answer.
    pub lipsync_wait: Duration,
    /// The largest event that a producer may push, in bytes of its line.
    pub event_limit: usize,
    /// The largest file that a client may give us, in bytes.
    pub upload_limit: u64,
    /// How long a stream is without bytes before it says that it is alive.
    pub keep_alive: Duration,
    /// About how long one connection may stream before it is asked to come again.
    pub max_stream_age: Duration,
    /// How long a connection may take no byte before it is closed.
    pub stall_timeout: Duration,
    /// Whether files are fetched from private addresses, and without TLS, too.
    pub upload_allow_private: bool,
    /// What clients reach this server by, without a slash at the end; links are relative without.
    pub public_url: Option<String>,
    /// Other sites whose pages may use this server, as in `https://app.example.com`.
    pub cors_origins: Vec<String>,
    /// How long one run of a job that writes or speaks may take in all.
    pub job_time_limit: Duration,
    /// How long a text model may say nothing.
    pub chat_idle_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            body_limit: 1 << 20,
            media_body_limit: 32 << 20,
            lipsync_wait: Duration::from_secs(25),
            event_limit: 256 << 10,
            upload_limit: 200 << 20,
            keep_alive: Duration::from_secs(5),
            max_stream_age: Duration::from_secs(3600),
            stall_timeout: Duration::from_secs(60),
            upload_allow_private: false,
            public_url: None,
            cors_origins: Vec::new(),
            job_time_limit: Duration::from_secs(600),
            chat_idle_timeout: Duration::from_secs(120),
        }
    }
}

/// How many bodies with files in them are worked on at once: each may take a hundred megabytes.
pub const LARGE_BODIES: usize = 4;

/// What a page should tell people about this server.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Info {
    /// This program's version.
    pub version: &'static str,
    /// The providers that are simulated.
    pub simulated: Vec<String>,
    /// Where those are that make media, for whoever wants to ask them directly.
    pub simulators: BTreeMap<String, String>,
    /// The voice that speaks.
    pub voice: VoiceInfo,
    /// Names of voices that can be asked for.
    pub voices: Vec<String>,
}

/// The voice that speaks.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct VoiceInfo {
    /// `bundled`, `system`, `tone` or `provider`.
    pub kind: &'static str,
    /// A sentence about it.
    pub note: String,
}

/// What handlers work with; cheap to clone.
#[derive(Clone, Debug)]
pub struct App {
    /// Who may do what.
    pub access: Access,
    /// Where events are.
    pub store: Store,
    /// Where jobs go.
    pub queue: Queue,
    /// Where files are.
    pub artifacts: Artifacts,
    /// The models, and how well their providers are.
    pub makers: Makers,
    /// Room for bodies with files in them.
    pub large_bodies: Arc<Semaphore>,
    /// Uploads that have no row yet.
    pub under_way: uploads::UnderWay,
    /// Fetches what clients only name.
    pub outward: Arc<Outward>,
    /// Tells how jobs ended; nothing where there is no secret to sign with.
    pub webhooks: Option<Webhooks>,
    /// Callbacks that came already.
    pub replays: Arc<webhooks::Replays>,
    /// Bounds and times.
    pub options: Arc<Options>,
    /// Serves the streams of one job where HTTP/1.1 is spoken; without it hyper does.
    pub engine: Option<Arc<Engine>>,
    /// Who reads besides those whom it serves.
    pub readers: readers::Readers,
    /// How much anybody may have.
    pub limits: limits::Limits,
    /// Set when the server goes down.
    pub draining: CancellationToken,
    /// What a page should tell.
    pub info: Arc<Info>,
}

/// Every route of the server.
pub fn router(app: App) -> Router {
    let router = Router::new()
        .route("/api/jobs", post(submit::submit).get(jobs::list))
        .route("/api/jobs/{id}", get(jobs::show).delete(jobs::remove))
        .route("/api/jobs/{id}/cancel", post(jobs::cancel))
        .route("/api/jobs/{id}/stream", get(stream::job))
        .route("/api/jobs/{id}/events", get(events::list).post(ingest::push))
        .route("/api/stream", get(streams::jobs))
        .route("/api/projects/{id}/stream", get(streams::project))
        .route("/api/project/{id}", get(project::show))
        .route("/api/models", get(models::list))
        .route("/api/models/{*slug}", get(models::show))
        .route("/api/webhooks/{provider}/{job}/{attempt}/{token}", post(webhooks::receive))
        .route("/api/session", get(session::show).post(session::open).delete(session::close))
        .route("/api/keys", get(keys::list).post(keys::create))
        .route("/api/keys/{id}", delete(keys::revoke))
        .route("/api/tickets", post(tickets::create))
        .route("/api/deliveries", get(deliveries::list))
        .route("/api/deliveries/{id}/replay", post(deliveries::replay))
        .merge(media::router())
        .merge(chat::router())
        .route("/api/credits", get(credits::show))
        .route("/api/credits/ledger", get(credits::ledger))
        .route("/api/credits/grant", post(credits::grant))
        .route("/api/info", get(health::info))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/openapi.json", get(openapi::show))
        .merge(operator::router())
        .merge(files::router())
        .merge(uploads::router())
        .merge(page::router())
        .fallback(serve::unknown_route)
        .method_not_allowed_fallback(serve::wrong_method)
        .layer(from_fn_with_state(app.clone(), origin::guard))
        .layer(from_fn(counted::count))
        .layer(map_response_with_state(!app.options.cors_origins.is_empty(), seal::seal));
    let router = match cors::layer(&app.options) {
        Some(cors) => router.layer(cors),
        None => router,
    };
    router.with_state(app)
}
