//! A file on its way in: read within bounds, told by its first bytes, staged.

use std::pin::pin;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use futures_util::stream;
use http_body::Body as _;
use http_body_util::BodyExt;

use crate::artifact::{ArtifactError, Artifacts, Sniffed, Staged, StreamError, sniff};
use crate::http::guard::Call;
use crate::http::problem::quoted;
use crate::http::query::Query;
use crate::http::{App, Code, Problem, project};

use super::form::{self, Form};
use super::remote;
use super::room::Room;
use super::under_way::Share;

/// How long a client may send nothing.
const IDLE: Duration = Duration::from_secs(30);

/// How long a body may take to arrive in all; a client that sends a byte now and then is not waited
/// for.
const DEADLINE: Duration = Duration::from_secs(3600);

/// What a form has beside its file, in bytes: delimiters, heads and short texts.
const FORM_EXTRA: u64 = 64 << 10;

/// The longest text in a part of a form, in bytes.
const TEXT_LIMIT: usize = 1 << 10;

/// The longest name of a file that is kept, in Unicode scalar values.
const NAME_LIMIT: usize = 200;

/// The parts of a form that mean something.
const PARTS: &str = "file, project_id, name";

/// A file that is here, whole, and has no place yet.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) staged: Staged,
    pub(super) sniffed: Sniffed,
    pub(super) name: String,
    pub(super) project_id: String,
    /// Its part of what is on its way; nothing for what was in memory.
    pub(super) share: Option<Share>,
}

/// Reads the file that a request brings.
///
/// # Errors
/// What is wrong with it; nothing of it is left then.
pub(super) async fn receive(
    call: &Call,
    query: &Query,
    headers: &HeaderMap,
    body: Body,
) -> Result<Received, Problem> {
    let only = call.caller().project();
    let project_id = query.get("project_id").or(only).unwrap_or("default").to_owned();
    project::check_name(&project_id)?;
    call.caller().project_of(Some(&project_id))?;
    let wishes = Wishes { project_id, name: query.get("name").map(str::to_owned) };
    let receiving = Box::pin(async {
        match form::boundary(headers)? {
            Some(boundary) => from_form(call, wishes, &boundary, body).await,
            None if remote::is_asked(headers) => remote::fetch(call, wishes, headers, body).await,
            None => from_body(call, wishes, headers, body).await,
        }
    });
    let received = tokio::time::timeout(DEADLINE, receiving);
    let received = call.draining.run_until_cancelled(received).await;
    let received = received.ok_or_else(|| {
        Problem::new(Code::Draining, "the server is going down; send the file again")
    })?;
    let received = received.map_err(|_| too_slow(DEADLINE))??;
    // A part of a form may name the project, behind the file too.
    call.caller().project_of(Some(&received.project_id))?;
    Ok(received)
}

/// What the client says of its file.
#[derive(Debug)]
pub(super) struct Wishes {
    pub(super) project_id: String,
    pub(super) name: Option<String>,
}

impl Wishes {
    pub(super) fn received(
        self,
        (staged, sniffed): (Staged, Sniffed),
        share: Share,
        file_name: Option<String>,
    ) -> Received {
        let name = self.name.or(file_name).map(|name| plain_name(&name)).unwrap_or_default();
        let name = if name.is_empty() { sniffed.file_name() } else { name };
        Received { staged, sniffed, name, project_id: self.project_id, share: Some(share) }
    }
}

async fn from_body(
    app: &App,
    wishes: Wishes,
    headers: &HeaderMap,
    body: Body,
) -> Result<Received, Problem> {
    check_media_type(headers)?;
    let room = Room::of(app, &wishes.project_id).await?;
    let limit = room.most;
    check_length(&body, limit, limit).map_err(|problem| room.explain(problem))?;
    // Past the limit the storage complains, with the right words.
    let mut source = Source::new(body, u64::MAX);
    let chunks = stream::try_unfold(&mut source, async |source| {
        Ok(source.next().await?.map(|chunk| (chunk, source)))
    });
    let mut share = app.under_way.begin(&wishes.project_id);
    let staged = stage(&app.artifacts, limit, pin!(room.watch(&mut share, chunks))).await;
    Ok(wishes.received(staged.map_err(|problem| room.explain(problem))?, share, None))
}

async fn from_form(
    app: &App,
    mut wishes: Wishes,
    boundary: &str,
    body: Body,
) -> Result<Received, Problem> {
    let mut room = Room::of(app, &wishes.project_id).await?;
    let limit = app.options.upload_limit;
    let most = limit.saturating_add(FORM_EXTRA);
    check_length(&body, limit, most)?;
    let mut form = Form::new(boundary, Source::new(body, most));
    let mut file = None;
    while let Some(part) = form.next().await? {
        match part.name.as_str() {
            "file" if file.is_none() => {
                let chunks = stream::try_unfold(&mut form, async |form| {
                    Ok(form.data().await?.map(|chunk| (chunk, form)))
                });
                let mut share = app.under_way.begin(&wishes.project_id);
                let chunks = room.watch(&mut share, chunks);
                let staged = stage(&app.artifacts, room.most, pin!(chunks)).await;
                let staged = staged.map_err(|problem| room.explain(problem))?;
                file = Some((staged, share, part.file_name));
            }
            "project_id" => {
                wishes.project_id = text(&mut form, "/project_id").await?;
                project::check_name(&wishes.project_id)?;
                room = Room::of(app, &wishes.project_id).await?;
            }
            "name" => wishes.name = Some(text(&mut form, "/name").await?),
            "file" => return Err(bad_part("/file", "is there twice; an upload is one file")),
            other => {
                let detail = format!("is no part of an upload; it has {PARTS}");
                let name: String = other.chars().take(64).collect();
                return Err(bad_part(&format!("/{name}"), &detail));
            }
        }
    }
    let (staged, share, file_name) =
        file.ok_or_else(|| bad_part("/file", "is required: the part with the file"))?;
    Ok(wishes.received(staged, share, file_name))
}

fn bad_part(pointer: &str, detail: &str) -> Problem {
    Problem::new(Code::InvalidField, format!("the part {} {detail}", quoted(&pointer[1..])))
        .field(pointer, detail)
}

async fn text(form: &mut Form, pointer: &str) -> Result<String, Problem> {
    let mut bytes = Vec::new();
    while let Some(chunk) = form.data().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > TEXT_LIMIT {
            return Err(bad_part(pointer, &format!("must be at most {TEXT_LIMIT} bytes")));
        }
    }
    String::from_utf8(bytes).map_err(|_| bad_part(pointer, "must be UTF-8"))
}

/// Tells what a file is and writes it to disk, at most `limit` bytes of it.
pub(super) async fn stage<S>(
    artifacts: &Artifacts,
    limit: u64,
    chunks: S,
) -> Result<(Staged, Sniffed), Problem>
where
    S: stream::Stream<Item = Result<Bytes, Problem>> + Unpin,
{
    let (head, whole) = sniff::peek(chunks).await?;
    let sniffed = sniff::sniff(&head).ok_or_else(|| not_media(head.is_empty()))?;
    match artifacts.stage(whole, limit).await {
        Ok(staged) => Ok((staged, sniffed)),
        Err(StreamError::Source(problem)) => Err(problem),
        Err(StreamError::TooLarge { limit }) => Err(too_large(limit)),
        Err(StreamError::Storage(error)) => Err(not_stored(&error)),
    }
}

fn not_media(is_empty: bool) -> Problem {
    let what = if is_empty { "the file is empty" } else { "the file is none of these" };
    Problem::new(Code::NotMedia, format!("{what}; uploads are {}", sniff::KNOWN))
}

pub(super) fn too_large(limit: u64) -> Problem {
    let detail = format!("an uploaded file may have {limit} bytes at most");
    Problem::new(Code::UploadTooLarge, detail).with("limit", limit)
}

/// Logs the error: a client only learns that it is ours.
pub(super) fn not_stored(error: &ArtifactError) -> Problem {
    tracing::error!(%error, "an upload could not be stored");
    Problem::new(Code::Internal, "the file could not be stored")
}

fn too_slow(limit: Duration) -> Problem {
    let detail = format!("the file did not arrive within {} seconds", limit.as_secs());
    Problem::new(Code::RequestTimeout, detail)
}

/// Refuses a body that says that it is too long before any of it is read.
fn check_length(body: &Body, limit: u64, most: u64) -> Result<(), Problem> {
    if body.size_hint().lower() > most { Err(too_large(limit)) } else { Ok(()) }
}

/// A file alone is sent as what it is, or as bytes; a form on another site can say neither.
fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
    let essence = text.split(';').next().unwrap_or_default().trim();
    let family = essence.split('/').next().unwrap_or_default();
    if matches!(family, "image" | "video" | "audio") || essence == "application/octet-stream" {
        return Ok(());
    }
    let detail = format!(
        "an upload is multipart/form-data with a part 'file', a body of a type image/…, video/…, \
         audio/… or application/octet-stream, or application/json with 'url', not {}",
        quoted(essence)
    );
    Err(Problem::new(Code::UnsupportedMediaType, detail))
}

/// The last part of what may be a path, without control characters.
fn plain_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    last.chars().filter(|letter| !letter.is_control()).take(NAME_LIMIT).collect()
}

/// A body, read with patience that ends.
#[derive(Debug)]
pub(super) struct Source {
    body: Body,
    /// How many bytes may still come.
    left: u64,
}

impl Source {
    pub(super) fn new(body: Body, limit: u64) -> Self {
        Self { body, left: limit }
    }

    /// More of the body; nothing at its end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            let frame = tokio::time::timeout(IDLE, self.body.frame()).await;
            let Some(frame) = frame.map_err(|_| too_slow(IDLE))? else { return Ok(None) };
            let frame = frame.map_err(|error| {
                tracing::debug!(%error, "an upload was cut");
                Problem::new(Code::InvalidBody, "the body ended before it was complete")
            })?;
            let Ok(data) = frame.into_data() else { continue };
            let left = self.left.checked_sub(data.len() as u64);
            self.left = left.ok_or_else(|| {
                Problem::new(Code::UploadTooLarge, "the form is larger than a file may be")
            })?;
            return Ok(Some(data));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::testing;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let silent = stream::pending::<Result<Bytes, std::io::Error>>();
        let problem = Source::new(Body::from_stream(silent), 8).next().await.unwrap_err();
        assert_eq!(problem.code(), Code::RequestTimeout);
        assert!(problem.detail().contains("30 seconds"), "{}", problem.detail());
    }

    #[tokio::test]
    async fn a_body_is_not_read_past_its_bound() {
        let mut source = Source::new(Body::from("12345"), 4);
        assert_eq!(source.next().await.unwrap_err().code(), Code::UploadTooLarge);
        let mut source = Source::new(Body::from("1234"), 4);
        assert_eq!(source.next().await.unwrap().unwrap(), "1234");
        assert_eq!(source.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_file_past_the_bound_is_told_the_bound() {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = testing::open(folder.path()).await;
        let gif = || stream::iter([Ok(Bytes::from_static(b"GIF89a12"))]);
        let problem = stage(&artifacts, 7, gif()).await.unwrap_err();
        assert_eq!(problem.code(), Code::UploadTooLarge);
        assert_eq!(problem.to_json()["limit"], 7);
        let (staged, sniffed) = stage(&artifacts, 8, gif()).await.unwrap();
        assert_eq!((staged.bytes(), sniffed.media_type), (8, "image/gif"));
    }

    #[test]
    fn a_name_is_the_last_part_of_a_path_and_has_an_end() {
        assert_eq!(plain_name("C:\\fakepath\\a b.png"), "a b.png");
        assert_eq!(plain_name("../../etc/pass\r\nwd"), "passwd");
        assert_eq!(plain_name("a/"), "");
        assert_eq!(plain_name(&"é".repeat(300)).chars().count(), NAME_LIMIT);
    }

    #[test]
    fn only_media_and_plain_bytes_are_taken_without_a_form() {
        let check = |media_type: &str| {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, media_type.parse().unwrap())]);
            check_media_type(&headers).map_err(|problem| problem.code())
        };
        for media_type in ["image/png", "Video/MP4; x=y", "audio/x", "application/octet-stream"] {
            assert_eq!(check(media_type), Ok(()), "{media_type}");
        }
        for media_type in ["text/plain", "application/xml", "application/x-www-form-urlencoded", ""]
        {
            assert_eq!(check(media_type), Err(Code::UnsupportedMediaType), "{media_type}");
        }
        assert!(check_media_type(&HeaderMap::new()).is_ok());
    }
}
