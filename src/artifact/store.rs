//! Artifact storage: a folder, or a part of a bucket. Several servers may have the same one.
//!
//! A file is written once, at `job/attempt/name`, and never again: a later attempt has a place of
//! its own, so a reader of the earlier file is never torn. Places come from here and from database
//! rows; nothing that a client sends ever becomes one.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path as Place;
use object_store::{
    GetOptions, GetResult, GetResultPayload, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};
use tokio_util::io::ReaderStream;

use crate::job::JobId;

use super::bucket::{Account, Bucket, Source};
use super::location::InBucket;
use super::spool::Spool;
use super::words;

/// How much of a file is read from a folder at once, in bytes: what a slow reader of a file costs in
/// memory. Of a bucket it is what the connection has, some hundred kilobytes at most.
const CHUNK: usize = 64 << 10;

/// The longest name of a file, in bytes.
const NAME_LIMIT: usize = 128;

/// The bytes of a file, in order.
pub type Bytestream = Pin<Box<dyn Stream<Item = Result<Bytes, ArtifactError>> + Send>>;

/// Why artifact storage could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The folder cannot be made or opened.
    #[error("cannot open the artifact folder {}: {source}", path.display())]
    Open {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The bucket cannot be used.
    #[error(
        "cannot keep files in {place} (the setting artifacts): {reason}; it must be a bucket in which \
         AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY may read, write and delete, in AWS_REGION, at \
         AWS_ENDPOINT_URL where it is not Amazon's"
    )]
    Unusable {
        /// The bucket.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// A place that could lie outside of artifact storage, or a name that is no plain file name.
    #[error("'{0}' is no place for a file")]
    BadPlace(String),
    /// Another file has this place already.
    #[error("there is another file at '{0}' already")]
    Exists(String),
    /// There is no file.
    #[error("there is no file at '{0}'")]
    Missing(String),
    /// The range is not within the file.
    #[error("bytes {} to {} are not within '{path}'", range.start, range.end)]
    OutOfRange {
        /// The file's place.
        path: String,
        /// What was asked for, the end exclusive.
        range: Range<u64>,
    },
    /// The storage failed.
    #[error("artifact storage failed: {}", words::of(.0))]
    Storage(#[from] object_store::Error),
    /// The file could not be read to its end.
    #[error("cannot read a stored file: {0}")]
    Read(#[from] std::io::Error),
}

/// A file that is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its place, as database rows keep it.
    pub path: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// SHA-256 of its bytes, in lower-case hex.
    pub sha256: String,
}

impl Stored {
    /// Its name, without the folder.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

/// A handle on artifact storage; cheap to clone.
#[derive(Clone, Debug)]
pub struct Artifacts {
    /// What reads and deletes; of a folder, what writes too.
    pub(super) storage: Arc<dyn ObjectStore>,
    /// What writes, where files are in a bucket.
    pub(super) bucket: Option<Arc<Bucket>>,
    /// Where files are until they are whole.
    pub(super) spool: Arc<Spool>,
}

impl Artifacts {
    /// Opens a folder, which is made if there is none. What is on its way in there stays if its
    /// process lives, and is removed else.
    ///
    /// # Errors
    /// [`ArtifactError::Open`] when that is not possible: there must be locks and hard links.
    pub fn open(folder: &Path) -> Result<Self, ArtifactError> {
        let spool = spool(folder)?;
        let failed = |source| ArtifactError::Open { path: folder.into(), source };
        spool.check_links().map_err(failed)?;
        let storage = LocalFileSystem::new_with_prefix(folder)
            .map_err(|error| failed(std::io::Error::other(error)))?
            .with_fsync(true);
        Ok(Self { storage: Arc::new(storage), bucket: None, spool })
    }

    /// Opens a part of a bucket, and tries whether it can be written to. A file that comes in is in
    /// `folder` of this machine until it is whole.
    ///
    /// # Errors
    /// [`ArtifactError::Unusable`], or [`ArtifactError::Open`] for the folder.
    pub async fn connect(
        place: &InBucket,
        account: &Account,
        folder: &Path,
    ) -> Result<Self, ArtifactError> {
        let unusable = |reason| ArtifactError::Unusable { place: place.to_string(), reason };
        let bucket = Bucket::new(place, account).map_err(unusable)?;
        bucket.check().await.map_err(unusable)?;
        let storage = bucket.reader();
        Ok(Self { storage, bucket: Some(Arc::new(bucket)), spool: spool(folder)? })
    }

    /// Stores a file at `job/attempt/name`. At that place there is the whole file or none, and
    /// when this returns, the file and its folder are synced to disk (on Windows, the file only).
    ///
    /// The name is 1 to 128 of ASCII letters, digits, `.`, `_` and `-`, with no dot in front. The
    /// same file at the same place again is fine. A folder must be able to hold hard links: that is
    /// how a file gets its place without ever taking another's.
    ///
    /// # Errors
    /// [`ArtifactError::Exists`] when another file is there, [`ArtifactError::BadPlace`] for a bad
    /// name, [`ArtifactError::Storage`] when the disk fails or is full.
    ///
    /// # Cancel safety
    /// The file is then stored or not, never in part.
    pub async fn put(
        &self,
        job: &JobId,
        attempt: u32,
        name: &str,
        bytes: Bytes,
    ) -> Result<Stored, ArtifactError> {
        if !is_plain_name(name) {
            return Err(ArtifactError::BadPlace(name.into()));
        }
        let place = place(&format!("{job}/{attempt}/{name}"))?;
        let length = bytes.len() as u64;
        let (bytes, sha256) = hash(bytes).await?;
        let mode = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let put = match &self.bucket {
            None => self.storage.put_opts(&place, bytes.into(), mode).await.map(drop),
            Some(bucket) => bucket.put(&place, Source::Memory(&bytes), length, &sha256).await,
        };
        self.settle(put, &place, length, &sha256).await?;
        Ok(Stored { path: place.into(), bytes: length, sha256 })
    }

    /// What it means for a file that it was put to a place: the same one may be there already.
    pub(super) async fn settle(
        &self,
        put: Result<(), object_store::Error>,
        place: &Place,
        bytes: u64,
        sha256: &str,
    ) -> Result<(), ArtifactError> {
        match put {
            Ok(()) => Ok(()),
            Err(object_store::Error::AlreadyExists { .. }) => {
                let path = place.as_ref();
                let same = self.size(path).await? == bytes && self.checksum(path).await? == sha256;
                same.then_some(()).ok_or_else(|| ArtifactError::Exists(path.into()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A file's length in bytes.
    ///
    /// # Errors
    /// [`ArtifactError::Missing`] when there is no such file, [`ArtifactError::BadPlace`] for a
    /// path that could lead elsewhere.
    pub async fn size(&self, path: &str) -> Result<u64, ArtifactError> {
        let found = self.storage.head(&place(path)?).await;
        Ok(found.map_err(|error| missing(error, path))?.size)
    }

    /// Reads a file, or the part of it that `range` names (in bytes, the end exclusive), a chunk at
    /// a time and no faster than the chunks are taken.
    ///
    /// # Errors
    /// At once as [`Self::size`], or [`ArtifactError::OutOfRange`]; later, from the stream, when
    /// the disk fails or the file ends early.
    pub async fn read(
        &self,
        path: &str,
        range: Option<Range<u64>>,
    ) -> Result<Bytestream, ArtifactError> {
        let place = place(path)?;
        if range.as_ref().is_some_and(|range| range.is_empty()) {
            self.check_range(&place, path, range.unwrap_or_default()).await?;
            return Ok(futures_util::stream::empty().boxed());
        }
        let part = range.clone().map(Into::into);
        let got =
            self.storage.get_opts(&place, GetOptions { range: part, ..GetOptions::default() });
        let got = match (got.await, range) {
            (Ok(got), None) => got,
            (Ok(got), Some(range)) if range.end <= got.meta.size => got,
            // A storage shortens a range that goes past the end, or has its own words for it.
            (Ok(_), Some(range)) => {
                return Err(ArtifactError::OutOfRange { path: path.into(), range });
            }
            (Err(error), range) => {
                let error = missing(error, path);
                if let (Some(range), ArtifactError::Storage(_)) = (range, &error) {
                    self.check_range(&place, path, range).await?;
                }
                return Err(error);
            }
        };
        chunks(got).await
    }

    async fn check_range(
        &self,
        place: &Place,
        path: &str,
        range: Range<u64>,
    ) -> Result<(), ArtifactError> {
        let found = self.storage.head(place).await.map_err(|error| missing(error, path))?;
        let fits = range.start <= range.end && range.end <= found.size;
        fits.then_some(()).ok_or_else(|| ArtifactError::OutOfRange { path: path.into(), range })
    }

    /// SHA-256 of a stored file, in hex.
    pub(super) async fn checksum(&self, path: &str) -> Result<String, ArtifactError> {
        let mut chunks = self.read(path, None).await?;
        let mut hasher = Sha256::new();
        while let Some(chunk) = chunks.try_next().await? {
            hasher.update(&chunk);
        }
        Ok(hex(&hasher.finalize()))
    }
}

/// The part of an opened file, in chunks of our size: the folder's own are a tenth of it, and each
/// costs a trip to another thread.
async fn chunks(got: GetResult) -> Result<Bytestream, ArtifactError> {
    let (start, length) = (got.range.start, got.range.end - got.range.start);
    let chunks: Bytestream = match got.payload {
        GetResultPayload::File(file, _) => {
            let mut file = tokio::fs::File::from_std(file);
            file.seek(SeekFrom::Start(start)).await?;
            ReaderStream::with_capacity(file.take(length), CHUNK).err_into().boxed()
        }
        GetResultPayload::Stream(stream) => stream.err_into().boxed(),
    };
    Ok(whole(chunks, length).boxed())
}

/// The same chunks, with an error at the end if there were fewer bytes than promised.
fn whole(
    chunks: Bytestream,
    length: u64,
) -> impl Stream<Item = Result<Bytes, ArtifactError>> + Send {
    futures_util::stream::try_unfold((chunks, length), async |(mut chunks, left)| {
        match chunks.try_next().await? {
            Some(chunk) => {
                let left = left.saturating_sub(chunk.len() as u64);
                Ok(Some((chunk, (chunks, left))))
            }
            None if left > 0 => Err(ArtifactError::Read(std::io::ErrorKind::UnexpectedEof.into())),
            None => Ok(None),
        }
    })
}

fn spool(folder: &Path) -> Result<Arc<Spool>, ArtifactError> {
    Spool::open(folder).map_err(|source| ArtifactError::Open { path: folder.into(), source })
}

/// Whether a path lies within artifact storage, whatever wrote it.
#[must_use]
pub fn is_place(path: &str) -> bool {
    place(path).is_ok()
}

/// Checks that a path lies within artifact storage.
pub(super) fn place(path: &str) -> Result<Place, ArtifactError> {
    let bad = || ArtifactError::BadPlace(path.into());
    if path.is_empty() || path.starts_with('/') || path.ends_with('/') || path.contains('\\') {
        return Err(bad());
    }
    // Refuses `.`, `..`, empty segments and control characters.
    Place::parse(path).map_err(|_| bad())
}

pub(super) fn is_plain_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=NAME_LIMIT).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(plain)
}

fn missing(error: object_store::Error, path: &str) -> ArtifactError {
    match error {
        object_store::Error::NotFound { .. } => ArtifactError::Missing(path.into()),
        error => error.into(),
    }
}

/// Hashes on a thread for blocking work: a long narration takes tens of milliseconds.
pub(super) async fn hash(bytes: Bytes) -> Result<(Bytes, String), ArtifactError> {
    let hashed = tokio::task::spawn_blocking(move || {
        let sha256 = hex(&Sha256::digest(&bytes));
        (bytes, sha256)
    });
    hashed.await.map_err(|error| ArtifactError::Read(std::io::Error::other(error)))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(hex, "{byte:02x}").expect("a string takes everything");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::testing;

    /// SHA-256 of `abc`, from FIPS 180-2.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    async fn storage() -> (tempfile::TempDir, Artifacts, JobId) {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = testing::open(&folder.path().join("artifacts")).await;
        (folder, artifacts, JobId::generate())
    }

    async fn text(artifacts: &Artifacts, path: &str, range: Option<Range<u64>>) -> String {
        let chunks: Vec<Bytes> =
            artifacts.read(path, range).await.unwrap().try_collect().await.unwrap();
        String::from_utf8(chunks.concat()).unwrap()
    }

    #[tokio::test]
    async fn a_stored_file_reads_back_whole_and_in_part() {
        let (_folder, artifacts, job) = storage().await;
        let stored = artifacts.put(&job, 2, "post.md", Bytes::from_static(b"abc")).await.unwrap();
        let path = format!("{job}/2/post.md");
        assert_eq!(stored, Stored { path: path.clone(), bytes: 3, sha256: ABC.into() });
        assert_eq!(artifacts.size(&path).await.unwrap(), 3);
        assert_eq!(text(&artifacts, &path, None).await, "abc");
        assert_eq!(text(&artifacts, &path, Some(1..2)).await, "b");
        assert_eq!(text(&artifacts, &path, Some(3..3)).await, "");
    }

    #[tokio::test]
    async fn a_long_file_comes_in_chunks_and_in_order() {
        let (_folder, artifacts, job) = storage().await;
        let bytes: Bytes = (0..300_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let stored = artifacts.put(&job, 1, "a.wav", bytes.clone()).await.unwrap();
        let range = 70_001..250_003;
        let chunks = artifacts.read(&stored.path, Some(range.clone())).await.unwrap();
        let chunks: Vec<Bytes> = chunks.try_collect().await.unwrap();
        let most = if artifacts.bucket.is_some() { CHUNK * 8 } else { CHUNK };
        assert!(chunks.iter().all(|chunk| chunk.len() <= most));
        assert_eq!(chunks.concat(), &bytes[70_001..250_003]);
    }

    #[tokio::test]
    async fn a_file_is_never_overwritten() {
        let (_folder, artifacts, job) = storage().await;
        let put = |text: &'static str| artifacts.put(&job, 1, "a", text.into());
        let first = put("one").await.unwrap();
        assert_eq!(put("one").await.unwrap(), first);
        assert!(matches!(put("two").await, Err(ArtifactError::Exists(_))));
        assert_eq!(text(&artifacts, &first.path, None).await, "one");
    }

    #[tokio::test]
    async fn a_file_that_is_stored_leaves_nothing_else_behind() {
        let (_folder, artifacts, job) = storage().await;
        for _ in 0..2 {
            artifacts.put(&job, 1, "a", Bytes::from_static(b"x")).await.unwrap();
        }
        assert_eq!(testing::files(&artifacts).await, [format!("{job}/1/a")]);
    }

    #[tokio::test]
    async fn an_empty_file_is_a_file() {
        let (_folder, artifacts, job) = storage().await;
        let stored = artifacts.put(&job, 1, "a", Bytes::new()).await.unwrap();
        assert_eq!(text(&artifacts, &stored.path, None).await, "");
    }

    #[tokio::test]
    async fn a_place_outside_of_storage_is_refused() {
        let (folder, artifacts, job) = storage().await;
        std::fs::write(folder.path().join("secret"), "x").unwrap();
        for path in [
            "",
            "/",
            "/etc/passwd",
            "../secret",
            "a/../../secret",
            "a//b",
            "a/./b",
            "..\\x",
            "a/",
            "a\0",
        ] {
            let size = artifacts.size(path).await;
            assert!(matches!(size, Err(ArtifactError::BadPlace(_))), "{path:?}: {size:?}");
            assert!(matches!(artifacts.read(path, None).await, Err(ArtifactError::BadPlace(_))));
        }
        let long = "a".repeat(NAME_LIMIT + 1);
        for name in ["", ".", "..", "../x", "a/b", ".hidden", "a b", "a#1", "é", "a\n", &long] {
            let stored = artifacts.put(&job, 1, name, Bytes::new()).await;
            assert!(matches!(stored, Err(ArtifactError::BadPlace(_))), "{name:?}");
        }
    }

    #[tokio::test]
    async fn a_missing_file_and_a_range_past_its_end_are_told_apart() {
        let (_folder, artifacts, job) = storage().await;
        assert!(matches!(artifacts.size("no/1/x").await, Err(ArtifactError::Missing(_))));
        assert!(matches!(artifacts.read("no/1/x", None).await, Err(ArtifactError::Missing(_))));
        let stored = artifacts.put(&job, 1, "a", Bytes::from_static(b"abc")).await.unwrap();
        let past = artifacts.read(&stored.path, Some(1..4)).await;
        assert!(matches!(past, Err(ArtifactError::OutOfRange { .. })));
        for range in [3..4, 7..9, 7..7] {
            let past = artifacts.read(&stored.path, Some(range)).await;
            assert!(matches!(past, Err(ArtifactError::OutOfRange { .. })));
        }
    }

    #[tokio::test]
    async fn a_file_that_shrinks_while_it_is_read_is_an_error() {
        let chunks = futures_util::stream::iter([Ok(Bytes::from_static(b"ab"))]).boxed();
        let read: Vec<_> = whole(chunks, 3).collect().await;
        assert_eq!(read.len(), 2);
        assert!(matches!(read[1], Err(ArtifactError::Read(_))));
    }

    #[tokio::test]
    async fn of_two_that_write_to_one_place_at_once_one_is_refused() {
        let (folder, first, job) = storage().await;
        let second = testing::open(&folder.path().join("artifacts")).await;
        let put = |artifacts: &Artifacts, text: &'static str| {
            let (artifacts, job) = (artifacts.clone(), job.clone());
            async move { artifacts.put(&job, 1, "a", text.into()).await }
        };
        let (one, two) = tokio::join!(put(&first, "one"), put(&second, "two"));
        let (winner, loser) = if one.is_ok() { ("one", two) } else { ("two", one) };
        assert!(matches!(loser, Err(ArtifactError::Exists(_))), "{loser:?}");
        let path = format!("{job}/1/a");
        assert_eq!(text(&second, &path, None).await, winner);
    }
}
