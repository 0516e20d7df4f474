//! A bucket of an S3-compatible storage.
//!
//! Files get there by one request each, which is refused where another one is already
//! (`If-None-Match: *`), and by which the storage checks their SHA-256: there is the whole file or
//! none, and no second one is written over it. `object_store` signs these requests, reads and
//! deletes; it would have to be handed a file in memory, so the sending is done here.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue, IF_NONE_MATCH};
use http::{Method, StatusCode};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as Place;
use object_store::prefix::PrefixStore;
use object_store::signer::{SignedUrlOptions, Signer};
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt, RetryConfig};
use secrecy::{ExposeSecret, SecretString};
use tokio_util::io::ReaderStream;
use uuid::Uuid;

use crate::backoff::Policy;

use super::location::InBucket;
use super::store;
use super::words;

/// The longest file that one request can write, in bytes: S3's own limit.
pub const LONGEST: u64 = 5 << 30;

/// Of a file longer than this it is asked first whether it is there, in bytes.
const LARGE: u64 = 8 << 20;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long nothing may come of an answer.
const SILENCE: Duration = Duration::from_secs(30);

/// The slowest line that a file is sent over, in bytes a second.
const SLOWEST: u64 = 128 << 10;

/// How long a signature holds from when it was made; the request begins at once.
const SIGNED_FOR: Duration = Duration::from_secs(15 * 60);

/// How much of a file is read from the disk at once, in bytes.
const CHUNK: usize = 256 << 10;

const CHECKSUM: HeaderName = HeaderName::from_static("x-amz-checksum-sha256");

/// What is done about an answer that says "later", or none.
const AGAIN: Policy =
    Policy { first: Duration::from_millis(200), ceiling: Duration::from_secs(5), retries: Some(4) };

/// Whose requests these are, and where they go.
#[derive(Clone, Debug)]
pub struct Account {
    /// The name of the key.
    pub access_key_id: Option<SecretString>,
    /// The key.
    pub secret_access_key: Option<SecretString>,
    /// What goes with a key that was lent for a while.
    pub session_token: Option<SecretString>,
    /// The region, as signatures have it.
    pub region: String,
    /// The storage, where it is not Amazon's.
    pub endpoint: Option<String>,
}

/// What a file is sent from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source<'a> {
    Memory(&'a Bytes),
    Disk(&'a Path),
}

/// A part of a bucket, and a client for it.
#[derive(Debug)]
pub(super) struct Bucket {
    storage: AmazonS3,
    prefix: Place,
    client: reqwest::Client,
    /// Where it is, for people.
    host: String,
}

/// A file was not written.
#[derive(Debug)]
enum Unwritten {
    /// Something is there already.
    Taken,
    /// Another try may do it.
    Later(String),
    Refused(String),
}

impl Bucket {
    /// A client; nothing is asked yet.
    ///
    /// # Errors
    /// In words, what is missing or cannot be.
    pub(super) fn new(place: &InBucket, account: &Account) -> Result<Self, String> {
        let (Some(id), Some(key)) = (&account.access_key_id, &account.secret_access_key) else {
            return Err("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set".into());
        };
        let is_plain = account.endpoint.as_deref().is_some_and(|url| url.starts_with("http://"));
        let mut storage = AmazonS3Builder::new()
            .with_bucket_name(&place.bucket)
            .with_region(&account.region)
            .with_access_key_id(id.expose_secret())
            .with_secret_access_key(key.expose_secret())
            .with_client_options(client_options(is_plain))
            .with_retry(RetryConfig {
                max_retries: 4,
                retry_timeout: Duration::from_secs(20),
                ..RetryConfig::default()
            })
            // One at a time, by the request that every storage has.
            .with_disable_bulk_delete(true);
        if let Some(token) = &account.session_token {
            storage = storage.with_token(token.expose_secret());
        }
        if let Some(endpoint) = &account.endpoint {
            storage = storage.with_endpoint(endpoint);
        }
        let storage = storage.build().map_err(|error| words::of(&error))?;
        let amazon = || format!("https://s3.{}.amazonaws.com", account.region);
        Ok(Self {
            storage,
            prefix: Place::from(place.prefix.as_str()),
            client: client().map_err(|error| words::of(&error.without_url()))?,
            host: account.endpoint.clone().unwrap_or_else(amazon),
        })
    }

    /// What reads and deletes, by places without the prefix.
    pub(super) fn reader(&self) -> Arc<dyn ObjectStore> {
        Arc::new(PrefixStore::new(self.storage.clone(), self.prefix.clone()))
    }

    /// Writes a small file, tries to write it again, and deletes it.
    ///
    /// # Errors
    /// In words, what keeps files from being stored there.
    pub(super) async fn check(&self) -> Result<(), String> {
        let host = &self.host;
        let place = Place::from(format!("check-{}", Uuid::now_v7()));
        let hashed = store::hash(Bytes::from_static(b"tailwater")).await;
        let (bytes, sha256) = hashed.map_err(|error| error.to_string())?;
        let put = || self.put(&place, Source::Memory(&bytes), 9, &sha256);
        let says = |error| format!("{host} says: {}", words::of(&error));
        match put().await {
            // Nobody else has this name: the first answer was lost.
            Ok(()) | Err(object_store::Error::AlreadyExists { .. }) => {}
            Err(error) => return Err(says(error)),
        }
        let second = put().await;
        let deleted = self.reader().delete(&place).await;
        match second {
            Err(object_store::Error::AlreadyExists { .. }) => {}
            Ok(()) => {
                let is =
                    "does not know 'If-None-Match: *', so one file could be written over another";
                return Err(format!("{host} {is}"));
            }
            Err(error) => return Err(says(error)),
        }
        deleted.map_err(says)
    }

    /// Writes a file of so many bytes, where there is none yet.
    ///
    /// # Errors
    /// [`object_store::Error::AlreadyExists`], also when it was this one whose answer was lost; or
    /// what the storage says, without secrets.
    ///
    /// # Cancel safety
    /// The file is then there or not, never in part.
    pub(super) async fn put(
        &self,
        place: &Place,
        source: Source<'_>,
        bytes: u64,
        sha256: &str,
    ) -> Result<(), object_store::Error> {
        let taken = || object_store::Error::AlreadyExists {
            path: place.to_string(),
            source: "there is a file already".into(),
        };
        if bytes > LARGE && self.reader().head(place).await.is_ok() {
            return Err(taken());
        }
        let key: Place = self.prefix.parts().chain(place.parts()).collect();
        let mut delays = AGAIN.delays();
        loop {
            let words = match self.try_put(&key, source, bytes, sha256).await {
                Ok(()) => return Ok(()),
                Err(Unwritten::Taken) => return Err(taken()),
                Err(Unwritten::Refused(words)) => words,
                Err(Unwritten::Later(words)) => {
                    if let Some(delay) = delays.next() {
                        tracing::debug!(%words, %place, "a file is sent again");
                        tokio::time::sleep(delay).await;
                        continue;
                    }
                    words
                }
            };
            return Err(object_store::Error::Generic { store: "S3", source: words.into() });
        }
    }

    async fn try_put(
        &self,
        key: &Place,
        source: Source<'_>,
        bytes: u64,
        sha256: &str,
    ) -> Result<(), Unwritten> {
        let headers = [(IF_NONE_MATCH, HeaderValue::from_static("*")), checksum(sha256)];
        let [first, second] = headers.clone();
        let signed = SignedUrlOptions::new()
            .with_signed_header(first.0, first.1)
            .with_signed_header(second.0, second.1);
        let url = self.storage.signed_url_opts(Method::PUT, key, SIGNED_FOR, &signed).await;
        let url = url.map_err(|error| Unwritten::Refused(words::of(&error)))?;
        let body = match source {
            Source::Memory(bytes) => reqwest::Body::from(bytes.clone()),
            Source::Disk(path) => {
                let file = tokio::fs::File::open(path).await;
                let file = file.map_err(|error| Unwritten::Refused(error.to_string()))?;
                reqwest::Body::wrap_stream(ReaderStream::with_capacity(file, CHUNK))
            }
        };
        let request = self
            .client
            .put(url)
            .headers(headers.into_iter().collect())
            .header(CONTENT_LENGTH, bytes)
            .timeout(SILENCE + Duration::from_secs(bytes / SLOWEST))
            .body(body);
        let answer = request.send().await;
        let answer = answer.map_err(|error| Unwritten::Later(words::of(&error.without_url())))?;
        judge(answer).await
    }
}

/// What an answer means for the file.
async fn judge(answer: reqwest::Response) -> Result<(), Unwritten> {
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    if status == StatusCode::PRECONDITION_FAILED {
        return Err(Unwritten::Taken);
    }
    let body = answer.text().await.unwrap_or_default();
    let words = words::of_answer(status, &body);
    // 409: somebody writes to the same place in this moment.
    let again = status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED
        || [StatusCode::CONFLICT, StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT]
            .contains(&status);
    Err(if again { Unwritten::Later(words) } else { Unwritten::Refused(words) })
}

/// A header by which the storage takes no other bytes than these.
fn checksum(sha256: &str) -> (HeaderName, HeaderValue) {
    let digit = |at: usize| sha256.get(at..at + 2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
    let bytes: Vec<u8> = (0..sha256.len()).step_by(2).filter_map(digit).collect();
    let value = HeaderValue::from_str(&STANDARD.encode(bytes));
    (CHECKSUM, value.expect("base64 can stand in a header"))
}

/// For reading, where a slow reader of ours may take his time between two chunks.
fn client_options(is_plain: bool) -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(is_plain)
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_timeout_disabled()
        .with_read_timeout(SILENCE)
}

fn client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .user_agent(concat!("tailwater/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .http1_only()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::{Artifacts, testing};
    use axum::Router;
    use axum::extract::Request;
    use std::collections::VecDeque;
    use std::sync::Mutex;
    use tokio::net::TcpListener;

    /// A storage that answers with these, one after the other, and then with the last; gives its
    /// address.
    async fn answering(answers: &[(u16, &'static str)]) -> String {
        let answers = Mutex::new(VecDeque::from_iter(answers.iter().copied()));
        let answers = Arc::new(answers);
        let answer = move |request: Request| {
            let answers = Arc::clone(&answers);
            async move {
                axum::body::to_bytes(request.into_body(), 1 << 20).await.ok();
                let mut answers = answers.lock().unwrap();
                let (status, body) =
                    if answers.len() > 1 { answers.pop_front() } else { answers.front().copied() }
                        .unwrap();
                (StatusCode::from_u16(status).unwrap(), body)
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer);
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    async fn connect(endpoint: &str, change: impl FnOnce(&mut Account)) -> Result<(), String> {
        rustls::crypto::ring::default_provider().install_default().ok();
        let folder = tempfile::tempdir().unwrap();
        let place = InBucket { bucket: "files".into(), prefix: "a".into() };
        let mut account = testing::account(endpoint);
        change(&mut account);
        let connected = Artifacts::connect(&place, &account, folder.path()).await;
        connected.map(drop).map_err(|error| {
            let words = error.to_string();
            assert!(
                words.starts_with("cannot keep files in s3://files/a (the setting artifacts): ")
            );
            assert!(!words.contains("secret") && !words.contains("Signature="), "{words}");
            words
        })
    }

    const DENIED: &str = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message>\
        <Resource>test-secret</Resource></Error>";

    #[test]
    fn a_checksum_is_sent_as_s3_has_it() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let (_, value) = checksum(abc);
        assert_eq!(value, "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    }

    #[tokio::test]
    async fn a_bucket_that_cannot_be_used_says_why_and_no_secret() {
        for (answers, part) in [
            (&[(403, DENIED)][..], "HTTP 403, AccessDenied (Access Denied)"),
            (&[(404, "<Error><Code>NoSuchBucket</Code></Error>")], "HTTP 404, NoSuchBucket"),
            (&[(200, ""), (200, "")], "does not know 'If-None-Match: *'"),
            (&[(501, "<Error><Code>NotImplemented</Code></Error>")], "HTTP 501, NotImplemented"),
            (&[(200, ""), (412, ""), (403, DENIED)], "AccessDenied (Access Denied)"),
        ] {
            let words = connect(&answering(answers).await, |_| {}).await.unwrap_err();
            assert!(words.contains(part), "{words}");
        }
        let words = connect("http://127.0.0.1:9", |_| {}).await.unwrap_err();
        assert!(
            words.contains("http://127.0.0.1:9 says: ") && words.contains("refused"),
            "{words}"
        );
        let words = connect("http://127.0.0.1:9", |account| account.access_key_id = None).await;
        assert!(words.unwrap_err().contains("AWS_SECRET_ACCESS_KEY must be set"));
    }

    #[tokio::test]
    async fn an_answer_that_says_later_is_not_the_last() {
        let later = [(503, ""), (409, ""), (429, ""), (200, ""), (412, ""), (204, "")];
        connect(&answering(&later).await, |_| {}).await.unwrap();
    }

    #[tokio::test]
    async fn a_storage_that_is_called_by_https_is_not_asked_without_tls() {
        let plain = answering(&[(200, "")]).await;
        let words = connect(&plain.replace("http:", "https:"), |_| {}).await.unwrap_err();
        assert!(words.contains("says: "), "{words}");
    }
}
