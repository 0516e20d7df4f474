//! Fetches what a provider made, before the address that it gave expires.
//!
//! The address comes from outside, so it is followed with care ([`crate::outward`]): never by a
//! redirect, and never for longer or more bytes than was allowed. What comes is media by its bytes,
//! or it is not kept.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt, stream};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use tokio::time::timeout;

use crate::artifact::{
    ArtifactError, Artifacts, Folder, Probe, Sniffed, Stored, StreamError, data_url, sniff,
};
use crate::backoff;
use crate::outward::{self, Cut, NoAnswer, Outward, Target, Trust};
use crate::provider::{Error, Sent};

use super::Halt;

/// Bounds of a download.
#[derive(Clone, Debug)]
pub(super) struct Options {
    /// The largest file, in bytes.
    pub(super) limit: u64,
    /// How long a download may take in all.
    pub(super) time_limit: Duration,
    /// How long the host may send nothing.
    pub(super) idle_limit: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limit: 1 << 30,
            time_limit: Duration::from_secs(300),
            idle_limit: Duration::from_secs(30),
        }
    }
}

/// Fetches files; make one per process.
#[derive(Debug)]
pub(super) struct Downloader {
    outward: Arc<Outward>,
    options: Options,
}

/// What is to be fetched, and where it goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// The provider's address of the file, or the file itself as a `data:` URL.
    pub(super) url: &'a str,
    /// Where it goes.
    pub(super) folder: &'a Folder,
    /// Which of the job's files it is, from 0: the second image is `image-2.png`.
    pub(super) number: usize,
    /// A host that may have a private address, without a port: that of a provider which has one
    /// itself.
    pub(super) trusted: Option<&'a str>,
}

/// A file that was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fetched {
    pub(super) stored: Stored,
    /// What it is.
    pub(super) sniffed: Sniffed,
    /// How long and how large it is.
    pub(super) probe: Probe,
}

/// Why a file was not fetched.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// The address is not followed, or its host did not give the file.
    #[error(transparent)]
    Provider(#[from] Error),
    /// The file could not be stored.
    #[error(transparent)]
    Storage(#[from] ArtifactError),
}

impl FetchError {
    /// The name of the sort.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Provider(error) => error.code(),
            Self::Storage(_) => "storage",
        }
    }

    /// Whether another try may go better.
    pub(super) fn is_retryable(&self) -> bool {
        match self {
            Self::Provider(error) => error.is_retryable(),
            Self::Storage(_) => true,
        }
    }

    /// The earliest time for another try, where the host named one.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Provider(error) => error.retry_after(),
            Self::Storage(_) => None,
        }
    }
}

impl From<FetchError> for Halt {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Provider(error) => error.into(),
            FetchError::Storage(error) => Self::failed("storage", error.to_string(), true),
        }
    }
}

impl Downloader {
    /// A downloader that goes out by these clients.
    pub(super) fn new(outward: Arc<Outward>, options: Options) -> Self {
        Self { outward, options }
    }

    /// Fetches a file to artifact storage.
    ///
    /// # Errors
    /// [`Error::Expired`] when it is not there any more; [`Error::Protocol`] for an address that is
    /// not followed, a file that is too large and one that is no media; the network's and the
    /// host's troubles; the storage's.
    ///
    /// # Cancel safety
    /// The file is then stored or not, never in part.
    pub(super) async fn fetch(
        &self,
        artifacts: &Artifacts,
        wanted: Wanted<'_>,
    ) -> Result<Fetched, FetchError> {
        let limit = self.options.time_limit;
        let fetching = timeout(limit, Box::pin(self.fetch_with_patience(artifacts, wanted)));
        fetching.await.unwrap_or_else(|_| Err(Error::Timeout { waited: limit }.into()))
    }

    async fn fetch_with_patience(
        &self,
        artifacts: &Artifacts,
        wanted: Wanted<'_>,
    ) -> Result<Fetched, FetchError> {
        if data_url::is_data_url(wanted.url) {
            let bytes = data_url::decode(wanted.url, self.options.limit);
            let bytes = bytes.map_err(|error| protocol(error.to_string()))?;
            return self.keep(artifacts, wanted, "", stream::iter([Ok(bytes)])).await;
        }
        let response = self.open(wanted).await?;
        let media_type = media_type(&response);
        let chunks = outward::chunks(response, self.options.idle_limit).map_err(Error::from);
        self.keep(artifacts, wanted, &media_type, chunks).await
    }

    /// Asks for the file; its bytes are still to come.
    async fn open(&self, wanted: Wanted<'_>) -> Result<Response, Error> {
        let trust = wanted.trusted.map_or(Trust::Nobody, Trust::Host);
        let target = Target::parse(wanted.url, trust).map_err(NoAnswer::Refused)?;
        let waited = self.options.idle_limit;
        let response = timeout(waited, self.outward.get(target, trust, 0)).await;
        let response = response.map_err(|_| Error::Timeout { waited })??;
        check_status(&response)?;
        if response.content_length().is_some_and(|length| length > self.options.limit) {
            return Err(self.too_large());
        }
        Ok(response)
    }

    async fn keep<S>(
        &self,
        artifacts: &Artifacts,
        wanted: Wanted<'_>,
        media_type: &str,
        chunks: S,
    ) -> Result<Fetched, FetchError>
    where
        S: Stream<Item = Result<Bytes, Error>>,
    {
        let chunks = pin!(chunks);
        let (head, whole) = sniff::peek(chunks).await?;
        let sniffed = sniff::sniff(&head).ok_or_else(|| not_media(&head, media_type))?;
        let staged = artifacts.stage(whole, self.options.limit).await;
        let staged = staged.map_err(|error| match error {
            StreamError::Source(error) => error.into(),
            StreamError::TooLarge { .. } => self.too_large().into(),
            StreamError::Storage(error) => FetchError::Storage(error),
        })?;
        let name = match wanted.number {
            0 => sniffed.file_name(),
            number => format!("{}-{}.{}", sniffed.family, number + 1, sniffed.extension),
        };
        let probe = staged.probe(sniffed.media_type).await;
        let stored = staged.publish(wanted.folder, &name).await?;
        Ok(Fetched { stored, sniffed, probe })
    }

    fn too_large(&self) -> Error {
        protocol(format!("the file is larger than {} bytes", self.options.limit))
    }
}

fn check_status(response: &Response) -> Result<(), Error> {
    let status = response.status();
    let message = format!("its host answered HTTP {}", status.as_u16());
    Err(match status {
        StatusCode::OK => return Ok(()),
        StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::GONE => {
            Error::Expired { message }
        }
        StatusCode::TOO_MANY_REQUESTS => {
            Error::RateLimited { message, retry_after: retry_after(response) }
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            Error::Busy { message, retry_after: retry_after(response) }
        }
        status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
            Error::Broken { message }
        }
        status if status.is_redirection() => {
            protocol(format!("{message}, which leads elsewhere and is not followed"))
        }
        _ => protocol(message),
    })
}

fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    backoff::retry_after(value, SystemTime::now())
}

/// The media type that a host names, without what could not stand in a message; empty without one.
fn media_type(response: &Response) -> String {
    let value = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    let plain = |letter: &char| letter.is_ascii_alphanumeric() || "/+-.".contains(*letter);
    essence.chars().filter(plain).take(60).collect()
}

fn not_media(head: &[u8], media_type: &str) -> Error {
    if head.is_empty() {
        return Error::Truncated { message: "an empty file came".into() };
    }
    let what = if media_type.is_empty() { "something unknown" } else { media_type };
    protocol(format!("{what} came instead of an image, a video or a sound"))
}

impl From<NoAnswer> for Error {
    fn from(error: NoAnswer) -> Self {
        match error {
            NoAnswer::Refused(refused) => protocol(format!("the file's address {refused}")),
            NoAnswer::Elsewhere(_) => protocol(error.to_string()),
            NoAnswer::Transport { words, is_unsent } => {
                let sent = if is_unsent { Sent::No } else { Sent::Maybe };
                Self::Transport { message: words, sent }
            }
        }
    }
}

impl From<Cut> for Error {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::Silent { waited } => Self::Timeout { waited },
            Cut::Broken(message) => Self::Truncated { message },
        }
    }
}

fn protocol(message: impl Into<String>) -> Error {
    Error::Protocol { message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::testing;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::body::Body;
    use axum::http::header::LOCATION;
    use axum::response::IntoResponse;
    use axum::routing::get;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use crate::job::JobId;

    const GIF: &[u8] = b"GIF89a\x40\x01\xF0\0\0\0\0;";

    struct Fixture {
        _storage: tempfile::TempDir,
        artifacts: Artifacts,
        folder: Folder,
        downloader: Downloader,
        base: String,
    }

    impl Fixture {
        async fn new(router: Router, change: impl FnOnce(&mut Options)) -> Self {
            rustls::crypto::ring::default_provider().install_default().ok();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let base = format!("http://{}", listener.local_addr().unwrap());
            tokio::spawn(async move { axum::serve(listener, router).await });
            let mut options = Options { limit: 1 << 20, ..Options::default() };
            change(&mut options);
            let storage = tempfile::tempdir().unwrap();
            let artifacts = testing::open(storage.path()).await;
            let outward = Arc::new(Outward::new().unwrap());
            let downloader = Downloader::new(outward, options);
            let folder = Folder::Job(JobId::generate(), 1);
            Self { _storage: storage, artifacts, folder, downloader, base }
        }

        /// A host that answers every request in this way.
        async fn answering<R>(answer: impl Fn() -> R + Clone + Send + Sync + 'static) -> Self
        where
            R: IntoResponse,
        {
            let answer = move || std::future::ready(answer().into_response());
            Self::new(Router::new().route("/file", get(answer)), |_| {}).await
        }

        async fn get(
            &self,
            url: &str,
            number: usize,
            trusted: Option<&str>,
        ) -> Result<Fetched, FetchError> {
            let wanted = Wanted { url, folder: &self.folder, number, trusted };
            self.downloader.fetch(&self.artifacts, wanted).await
        }

        async fn fetch(&self) -> Result<Fetched, FetchError> {
            self.get(&format!("{}/file?signature=secret", self.base), 0, Some("127.0.0.1")).await
        }

        /// The provider's error; what was fetched is then not in storage.
        async fn error(&self) -> Error {
            match self.fetch().await {
                Err(FetchError::Provider(error)) => {
                    let shown = error.to_string();
                    assert!(!shown.contains("secret"), "{shown}");
                    let files = testing::files(&self.artifacts).await;
                    assert!(files.iter().all(|file| !file.contains('/')), "{files:?}");
                    error
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_file_is_stored_under_what_it_is() {
        let fixture = Fixture::answering(|| ([("content-type", "video/mp4")], GIF)).await;
        let fetched = fixture.fetch().await.unwrap();
        assert_eq!(fetched.sniffed.media_type, "image/gif");
        assert_eq!((fetched.probe.width, fetched.probe.height), (Some(320), Some(240)));
        assert_eq!(fetched.stored.bytes, GIF.len() as u64);
        assert!(fetched.stored.path.ends_with("/1/image.gif"), "{}", fetched.stored.path);
        let url = format!("{}/file", fixture.base);
        let second = fixture.get(&url, 1, Some("127.0.0.1")).await.unwrap();
        assert!(second.stored.path.ends_with("/1/image-2.gif"), "{}", second.stored.path);
        // The same again is the same.
        assert_eq!(fixture.fetch().await.unwrap(), fetched);
    }

    #[tokio::test]
    async fn a_file_inside_its_address_is_stored_too() {
        let fixture = Fixture::answering(|| "").await;
        let url = "data:image/png;base64,R0lGODlhQAHwAAAAADs=";
        let fetched = fixture.get(url, 0, None).await.unwrap();
        assert_eq!((fetched.sniffed.media_type, fetched.stored.bytes), ("image/gif", 14));
        for url in ["data:text/html,<p>", "data:text/html;base64,PHA+", "data:;base64,*"] {
            let error = fixture.get(url, 1, None).await.unwrap_err();
            assert!(matches!(error, FetchError::Provider(Error::Protocol { .. })), "{error:?}");
        }
    }

    #[tokio::test]
    async fn what_is_not_on_the_internet_is_not_asked() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let fixture = Fixture::answering(|| {
            ASKED.fetch_add(1, Ordering::SeqCst);
            GIF
        })
        .await;
        let port = fixture.base.rsplit(':').next().unwrap();
        for address in ["http://127.0.0.1", "https://2130706433", "https://localhost"] {
            let url = format!("{address}:{port}/file");
            let error = fixture.get(&url, 0, Some("provider.example")).await.unwrap_err();
            let shown = error.to_string();
            assert!(shown.contains("is not on the internet"), "{address}: {shown}");
        }
        let url = format!("http://user:password@127.0.0.1:{port}/file");
        let shown = fixture.get(&url, 0, Some("127.0.0.1")).await.unwrap_err().to_string();
        assert!(shown.contains("a user name") && !shown.contains("password@"), "{shown}");
        assert_eq!(ASKED.load(Ordering::SeqCst), 0);
        let url = format!("http://LocalHost:{port}/file");
        fixture.get(&url, 0, Some("localhost")).await.unwrap();
        assert_eq!(ASKED.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn other_schemes_are_not_followed() {
        let fixture = Fixture::answering(|| "").await;
        for url in
            ["file:///etc/passwd", "http://a.example/b", "javascript:1", "/api/x", "", "http:"]
        {
            let error = fixture.get(url, 0, None).await.unwrap_err();
            assert!(
                matches!(error, FetchError::Provider(Error::Protocol { .. })),
                "{url}: {error}"
            );
        }
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let elsewhere = move || {
            count.fetch_add(1, Ordering::SeqCst);
            std::future::ready((StatusCode::FOUND, [(LOCATION, "/target")]))
        };
        let count = Arc::clone(&asked);
        let target = move || {
            count.fetch_add(1, Ordering::SeqCst);
            std::future::ready(GIF)
        };
        let router = Router::new().route("/file", get(elsewhere)).route("/target", get(target));
        let error = Fixture::new(router, |_| {}).await.error().await;
        assert_eq!(error.code(), "protocol");
        assert!(error.to_string().contains("leads elsewhere"), "{error}");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn what_a_status_means_is_told() {
        for (status, code) in [
            (403, "expired"),
            (404, "expired"),
            (410, "expired"),
            (429, "rate_limited"),
            (500, "broken"),
            (503, "busy"),
            (401, "protocol"),
            (206, "protocol"),
        ] {
            let answer =
                move || (StatusCode::from_u16(status).unwrap(), [("retry-after", "7")], GIF);
            let error = Fixture::answering(answer).await.error().await;
            assert_eq!(error.code(), code, "{status}");
            let waits = matches!(status, 429 | 503);
            assert_eq!(error.retry_after(), waits.then_some(Duration::from_secs(7)), "{status}");
        }
    }

    #[tokio::test]
    async fn a_page_is_not_kept_as_a_video() {
        let page = || ([("content-type", "text/html; charset=utf-8")], "<!doctype html>expired");
        let error = Fixture::answering(page).await.error().await;
        assert_eq!(error.code(), "protocol");
        assert!(error.to_string().contains("text/html came instead"), "{error}");
        let error = Fixture::answering(|| ()).await.error().await;
        assert_eq!(error.code(), "truncated");
    }

    #[tokio::test]
    async fn a_file_past_the_bound_is_refused_told_or_untold() {
        let large = || [GIF, &vec![0; 1 << 20]].concat();
        let error = Fixture::answering(large).await.error().await;
        assert!(error.to_string().contains("larger than 1048576 bytes"), "{error}");
        let endless = || {
            let rest = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![0; 1000])));
            let begin = stream::iter([Ok(Bytes::from_static(GIF))]);
            Body::from_stream(futures_util::StreamExt::chain(begin, rest))
        };
        let error = Fixture::answering(endless).await.error().await;
        assert!(error.to_string().contains("larger than 1048576 bytes"), "{error}");
    }

    #[tokio::test]
    async fn a_file_that_is_cut_is_not_kept() {
        let cut = || {
            let pieces = [Ok(Bytes::from_static(GIF)), Err(std::io::Error::other("cut"))];
            // What comes at once with the cut would never leave the host.
            Body::from_stream(stream::unfold(pieces.into_iter(), |mut pieces| async move {
                tokio::task::yield_now().await;
                pieces.next().map(|piece| (piece, pieces))
            }))
        };
        assert_eq!(Fixture::answering(cut).await.error().await.code(), "truncated");
    }

    #[tokio::test]
    async fn a_host_that_falls_silent_is_given_up() {
        let silent = || {
            let begin = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(GIF))]);
            Body::from_stream(futures_util::StreamExt::chain(begin, stream::pending()))
        };
        let silent = move || std::future::ready(silent());
        let never = || std::future::pending::<&str>();
        for route in [get(silent), get(never)] {
            let router = Router::new().route("/file", route);
            let waited = Duration::from_millis(50);
            let fixture = Fixture::new(router.clone(), |options| options.idle_limit = waited).await;
            assert_eq!(fixture.error().await, Error::Timeout { waited });
            let fixture = Fixture::new(router, |options| options.time_limit = waited).await;
            assert_eq!(fixture.error().await, Error::Timeout { waited });
        }
    }

    #[tokio::test]
    async fn a_host_that_speaks_no_http_is_an_error() {
        let fixture = Fixture::answering(|| "").await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/file", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"\0\xFF nonsense\r\n\r\n").await.unwrap();
        });
        let error = fixture.get(&url, 0, Some("127.0.0.1")).await.unwrap_err();
        assert!(matches!(error, FetchError::Provider(Error::Transport { .. })), "{error:?}");
        let error = fixture.get(&url, 0, Some("127.0.0.1")).await.unwrap_err();
        let refused = Error::Transport { message: String::new(), sent: Sent::No }.code();
        assert!(matches!(error, FetchError::Provider(error) if error.code() == refused));
    }
}
