//! The host of files: outputs behind addresses that expire, and inputs that were uploaded.
//!
//! It is on a port of its own, as the providers' hosts of files are: a key that is sent here has
//! leaked.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Multipart, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use serde_json::json;
use tokio::time::Instant;

use crate::simulator::sound::Sound;

use super::counts::Tally;
use super::order::Medium;

/// How many addresses and how many bytes of uploads are kept; the oldest go first.
const MAX_GRANTS: usize = 10_000;
const MAX_UPLOADED_BYTES: usize = 256 << 20;

/// The largest upload, in bytes: Runway takes 200 MB.
pub(super) const MAX_UPLOAD_BYTES: usize = 200 << 20;

/// The shortest life of an address, whatever the speed: a machine that is busy gets there in time.
const SHORTEST_LIFE: Duration = Duration::from_secs(60);

static MP4: &[u8] = include_bytes!("files/simulated.mp4");
static JPEG: &[u8] = include_bytes!("files/simulated.jpg");
static PNG: &[u8] = include_bytes!("files/simulated.png");
static WEBP: &[u8] = include_bytes!("files/simulated.webp");

/// What an address was given out with.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    /// The last part of the way to the file but one.
    pub(super) token: String,
    /// The whole address.
    pub(super) url: String,
}

/// How one provider hands out its files.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// The provider's name.
    pub(super) provider: &'static str,
    /// How long an address is good for, in real time.
    pub(super) life: Duration,
    /// What an address that has expired is answered with.
    pub(super) expired: StatusCode,
    /// Whether a key does no harm: the hosts of files belong to the API.
    pub(super) takes_keys: bool,
}

/// The host.
#[derive(Debug)]
pub(super) struct Host {
    origin: String,
    shelf: Mutex<Shelf>,
}

#[derive(Debug, Default)]
struct Shelf {
    outputs: HashMap<String, Output>,
    order: VecDeque<String>,
    uploads: VecDeque<(String, Upload)>,
    uploaded_bytes: usize,
}

#[derive(Clone, Debug)]
struct Output {
    medium: Medium,
    terms: Terms,
    until: Instant,
    tally: Arc<Tally>,
    /// Somebody was told that it has expired.
    asked_in_vain: bool,
}

/// A file that was given to a provider.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    pub(super) name: String,
    pub(super) media_type: String,
    pub(super) bytes: Bytes,
}

impl Host {
    pub(super) fn new(origin: String) -> Self {
        Self { origin, shelf: Mutex::default() }
    }

    pub(super) fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/files/{provider}/{token}/{name}", get(download))
            .route("/uploads/{id}/{name}", get(uploaded).put(put_upload))
            .route("/uploads/{id}", post(post_upload))
            .layer(DefaultBodyLimit::max(MAX_UPLOAD_BYTES + (1 << 20)))
            .with_state(self)
    }

    /// Gives out an address of an output; one that is `expired` is so from the beginning.
    pub(super) fn grant(
        &self,
        medium: Medium,
        terms: &Terms,
        tally: &Arc<Tally>,
        expired: bool,
    ) -> Grant {
        let token = uuid::Uuid::now_v7().simple().to_string();
        let life = if expired { Duration::ZERO } else { terms.life.max(SHORTEST_LIFE) };
        let output = Output {
            medium,
            terms: terms.clone(),
            until: Instant::now() + life,
            tally: tally.clone(),
            asked_in_vain: false,
        };
        let (name, _) = describe(medium);
        let url = format!("{}/files/{}/{token}/{name}", self.origin, terms.provider);
        let mut shelf = self.shelf();
        shelf.outputs.insert(token.clone(), output);
        shelf.order.push_back(token.clone());
        if shelf.order.len() > MAX_GRANTS
            && let Some(oldest) = shelf.order.pop_front()
        {
            shelf.outputs.remove(&oldest);
        }
        Grant { token, url }
    }

    /// Whether an address should be given out again, or another in its place: one that has expired
    /// stays until somebody has found out.
    pub(super) fn holds(&self, grant: &Grant) -> bool {
        self.shelf().outputs.get(&grant.token).is_some_and(|output| !output.asked_in_vain)
    }

    /// Keeps a file; returns its address.
    pub(super) fn keep(&self, id: &str, upload: Upload) -> String {
        let url = self.upload_url(id, &upload.name);
        let mut shelf = self.shelf();
        shelf.uploaded_bytes += upload.bytes.len();
        shelf.uploads.push_back((id.to_owned(), upload));
        while shelf.uploaded_bytes > MAX_UPLOADED_BYTES
            && let Some((_, oldest)) = shelf.uploads.pop_front()
        {
            shelf.uploaded_bytes -= oldest.bytes.len();
        }
        url
    }

    pub(super) fn upload(&self, id: &str) -> Option<Upload> {
        let shelf = self.shelf();
        shelf.uploads.iter().rfind(|(kept, _)| kept == id).map(|(_, upload)| upload.clone())
    }

    /// Where a file with this name is put, and where it is then.
    pub(super) fn upload_url(&self, id: &str, name: &str) -> String {
        let name: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
        format!("{}/uploads/{id}/{}", self.origin, name.replace('+', "%20"))
    }

    /// Where a form with a file is posted.
    pub(super) fn form_url(&self, id: &str) -> String {
        format!("{}/uploads/{id}", self.origin)
    }

    fn shelf(&self) -> std::sync::MutexGuard<'_, Shelf> {
        self.shelf.lock().expect("no code that holds this lock panics")
    }
}

/// The name and the media type of an output.
pub(super) fn describe(medium: Medium) -> (&'static str, &'static str) {
    match medium {
        Medium::Mp4 => ("output.mp4", "video/mp4"),
        Medium::Jpeg => ("output.jpeg", "image/jpeg"),
        Medium::Png => ("output.png", "image/png"),
        Medium::Webp => ("output.webp", "image/webp"),
        Medium::Wav => ("output.wav", "audio/wav"),
    }
}

/// The file itself.
pub(super) fn content(medium: Medium) -> Bytes {
    match medium {
        Medium::Mp4 => Bytes::from_static(MP4),
        Medium::Jpeg => Bytes::from_static(JPEG),
        Medium::Png => Bytes::from_static(PNG),
        Medium::Webp => Bytes::from_static(WEBP),
        Medium::Wav => Sound::tone("simulated, two seconds of a tone", "nova", 1.0).to_wav(),
    }
}

async fn download(
    State(host): State<Arc<Host>>,
    Path((_, token, _)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let Some(output) = host.shelf().outputs.get(&token).cloned() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if carries_key(&headers) {
        output.tally.count(|counts| counts.leaked_keys += 1);
        if !output.terms.takes_keys {
            let message = "an API key must not be sent to the host of files";
            return (StatusCode::BAD_REQUEST, Json(json!({ "error": message }))).into_response();
        }
    }
    if Instant::now() >= output.until {
        output.tally.count(|counts| counts.expired += 1);
        if let Some(output) = host.shelf().outputs.get_mut(&token) {
            output.asked_in_vain = true;
        }
        let message =
            "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>";
        return (output.terms.expired, [(header::CONTENT_TYPE, "application/xml")], message)
            .into_response();
    }
    output.tally.count(|counts| counts.downloads += 1);
    file(describe(output.medium).1, content(output.medium))
}

async fn uploaded(
    State(host): State<Arc<Host>>,
    Path((id, _)): Path<(String, String)>,
) -> Response {
    match host.upload(&id) {
        Some(upload) => file(&upload.media_type, upload.bytes),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn file(media_type: &str, bytes: Bytes) -> Response {
    // The body's length is known, so that `content-length` follows from it.
    ([(header::CONTENT_TYPE, media_type)], Body::from(bytes)).into_response()
}

/// fal: `PUT` of the bytes, with the content type that was announced.
async fn put_upload(
    State(host): State<Arc<Host>>,
    Path((id, name)): Path<(String, String)>,
    headers: HeaderMap,
    bytes: Bytes,
) -> StatusCode {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.unwrap_or("application/octet-stream").to_owned();
    host.keep(&id, Upload { name, media_type, bytes });
    StatusCode::OK
}

/// Runway: a form whose other fields come first and whose part `file` comes last.
async fn post_upload(
    State(host): State<Arc<Host>>,
    Path(id): Path<String>,
    mut form: Multipart,
) -> StatusCode {
    let mut key = None;
    while let Ok(Some(field)) = form.next_field().await {
        if field.name() != Some("file") {
            key = field.text().await.ok();
            continue;
        }
        let name = field.file_name().unwrap_or("file").to_owned();
        let media_type = field.content_type().unwrap_or("application/octet-stream").to_owned();
        let Ok(bytes) = field.bytes().await else { return StatusCode::BAD_REQUEST };
        if key.as_deref() != Some(&*id) || bytes.len() < 512 {
            return StatusCode::BAD_REQUEST;
        }
        host.keep(&id, Upload { name, media_type, bytes });
        return StatusCode::NO_CONTENT;
    }
    StatusCode::BAD_REQUEST
}

fn carries_key(headers: &HeaderMap) -> bool {
    ["authorization", "x-key", "x-api-key"].iter().any(|name| headers.contains_key(*name))
}
