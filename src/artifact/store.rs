//! Artifact storage: a folder, or anything else that `object_store` speaks.
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

use super::incoming;

/// How much of a file is read at once, in bytes: what a slow reader of a file costs in memory.
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
    #[error("artifact storage failed: {0}")]
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
    pub(super) storage: Arc<dyn ObjectStore>,
}

impl Artifacts {
    /// Opens a folder, which is made if there is none. Nobody else may have it open: what is on its
    /// way in there is taken for what a dead process left, and removed.
    ///
    /// # Errors
    /// [`ArtifactError::Open`] when that is not possible.
    pub fn open(folder: &Path) -> Result<Self, ArtifactError> {
        let failed = |source| ArtifactError::Open { path: folder.into(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        match std::fs::remove_dir_all(folder.join(incoming::FOLDER)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(error));
            }
            Ok(()) | Err(_) => {}
        }
        let storage = LocalFileSystem::new_with_prefix(folder)
            .map_err(|error| failed(std::io::Error::other(error)))?
            .with_fsync(true);
        Ok(Self { storage: Arc::new(storage) })
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
        match self.storage.put_opts(&place, bytes.into(), mode).await {
            Ok(_) => {}
            Err(object_store::Error::AlreadyExists { .. }) => {
                if self.checksum(place.as_ref()).await? != sha256 {
                    return Err(ArtifactError::Exists(place.into()));
                }
            }
            Err(error) => return Err(error.into()),
        }
        Ok(Stored { path: place.into(), bytes: length, sha256 })
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
        // Opened whole and cut below: a storage would shorten a range that goes past the end.
        let found = self.storage.head(&place).await.map_err(|error| missing(error, path))?;
        let range = range.unwrap_or(0..found.size);
        if range.start > range.end || range.end > found.size {
            return Err(ArtifactError::OutOfRange { path: path.into(), range });
        }
        if range.is_empty() {
            return Ok(futures_util::stream::empty().boxed());
        }
        let options = GetOptions { range: Some(range.clone().into()), ..GetOptions::default() };
        let got = self.storage.get_opts(&place, options).await;
        chunks(got.map_err(|error| missing(error, path))?, range).await
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
async fn chunks(got: GetResult, range: Range<u64>) -> Result<Bytestream, ArtifactError> {
    let length = range.end - range.start;
    let chunks: Bytestream = match got.payload {
        GetResultPayload::File(file, _) => {
            let mut file = tokio::fs::File::from_std(file);
            file.seek(SeekFrom::Start(range.start)).await?;
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
async fn hash(bytes: Bytes) -> Result<(Bytes, String), ArtifactError> {
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

    /// SHA-256 of `abc`, from FIPS 180-2.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn storage() -> (tempfile::TempDir, Artifacts, JobId) {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(&folder.path().join("artifacts")).unwrap();
        (folder, artifacts, JobId::generate())
    }

    async fn text(artifacts: &Artifacts, path: &str, range: Option<Range<u64>>) -> String {
        let chunks: Vec<Bytes> =
            artifacts.read(path, range).await.unwrap().try_collect().await.unwrap();
        String::from_utf8(chunks.concat()).unwrap()
    }

    #[tokio::test]
    async fn a_stored_file_reads_back_whole_and_in_part() {
        let (_folder, artifacts, job) = storage();
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
        let (_folder, artifacts, job) = storage();
        let bytes: Bytes = (0..300_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let stored = artifacts.put(&job, 1, "a.wav", bytes.clone()).await.unwrap();
        let range = 70_001..250_003;
        let chunks = artifacts.read(&stored.path, Some(range.clone())).await.unwrap();
        let chunks: Vec<Bytes> = chunks.try_collect().await.unwrap();
        assert!(chunks.iter().all(|chunk| chunk.len() <= CHUNK));
        assert_eq!(chunks.concat(), &bytes[70_001..250_003]);
    }

    #[tokio::test]
    async fn a_file_is_never_overwritten() {
        let (_folder, artifacts, job) = storage();
        let put = |text: &'static str| artifacts.put(&job, 1, "a", text.into());
        let first = put("one").await.unwrap();
        assert_eq!(put("one").await.unwrap(), first);
        assert!(matches!(put("two").await, Err(ArtifactError::Exists(_))));
        assert_eq!(text(&artifacts, &first.path, None).await, "one");
    }

    #[tokio::test]
    async fn a_file_that_is_stored_leaves_nothing_else_behind() {
        let (folder, artifacts, job) = storage();
        for _ in 0..2 {
            artifacts.put(&job, 1, "a", Bytes::from_static(b"x")).await.unwrap();
        }
        let kept = folder.path().join(format!("artifacts/{job}/1"));
        assert_eq!(std::fs::read_dir(kept).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn an_empty_file_is_a_file() {
        let (_folder, artifacts, job) = storage();
        let stored = artifacts.put(&job, 1, "a", Bytes::new()).await.unwrap();
        assert_eq!(text(&artifacts, &stored.path, None).await, "");
    }

    #[tokio::test]
    async fn a_place_outside_of_storage_is_refused() {
        let (folder, artifacts, job) = storage();
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
        let (_folder, artifacts, job) = storage();
        assert!(matches!(artifacts.size("no/1/x").await, Err(ArtifactError::Missing(_))));
        assert!(matches!(artifacts.read("no/1/x", None).await, Err(ArtifactError::Missing(_))));
        let stored = artifacts.put(&job, 1, "a", Bytes::from_static(b"abc")).await.unwrap();
        let past = artifacts.read(&stored.path, Some(1..4)).await;
        assert!(matches!(past, Err(ArtifactError::OutOfRange { .. })));
    }

    #[tokio::test]
    async fn a_file_that_shrinks_while_it_is_read_is_an_error() {
        let chunks = futures_util::stream::iter([Ok(Bytes::from_static(b"ab"))]).boxed();
        let read: Vec<_> = whole(chunks, 3).collect().await;
        assert_eq!(read.len(), 2);
        assert!(matches!(read[1], Err(ArtifactError::Read(_))));
    }
}
