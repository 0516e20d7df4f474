//! Files that come in as streams: to disk piece by piece, to their place when they are whole.
//!
//! A stream is staged on a disk of this machine. In a folder it then gets its place by a link, which
//! never takes another file's; to a bucket it is sent.

use std::path::Path;
use std::pin::pin;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use object_store::ObjectStoreExt;
use object_store::path::Path as Place;

use crate::job::{JobId, UploadId};

use super::bucket::Source;
use super::spool::Spooled;
use super::store::{self, ArtifactError, Artifacts, Stored};

/// How much is written at once, in bytes: what a file on its way in costs in memory.
const PART: usize = 1 << 20;

/// Where a file belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Folder {
    /// To one run of a job.
    Job(JobId, u32),
    /// To a file that a client gave us.
    Upload(UploadId),
}

impl Folder {
    fn place(&self, name: &str) -> Result<Place, ArtifactError> {
        if !store::is_plain_name(name) {
            return Err(ArtifactError::BadPlace(name.into()));
        }
        match self {
            Self::Job(job, attempt) => store::place(&format!("{job}/{attempt}/{name}")),
            Self::Upload(upload) => store::place(&format!("uploads/{upload}/{name}")),
        }
    }
}

/// Why a stream of bytes is not stored.
#[derive(Debug, thiserror::Error)]
pub enum StreamError<E> {
    /// The stream failed before its end.
    #[error("the stream failed: {0}")]
    Source(E),
    /// The stream is longer than it may be.
    #[error("the file is larger than {limit} bytes")]
    TooLarge {
        /// The most that was allowed, in bytes.
        limit: u64,
    },
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] ArtifactError),
}

/// A whole file that has no place yet; it is gone when this is dropped.
#[derive(Debug)]
pub struct Staged {
    artifacts: Artifacts,
    file: Spooled,
    /// Its length in bytes.
    bytes: u64,
    sha256: String,
}

impl Artifacts {
    /// Stores a stream at the place that `folder` and `name` say, in memory only a part at a time.
    /// As with [`Self::put`], there is the whole file or none, it is synced to disk, no other file
    /// is overwritten, and the same file at the same place again is fine.
    ///
    /// # Errors
    /// The stream's own; [`StreamError::TooLarge`] past `limit` bytes; as [`Self::put`].
    ///
    /// # Cancel safety
    /// The file is then stored or not, never in part.
    pub async fn put_stream<S, E>(
        &self,
        folder: &Folder,
        name: &str,
        stream: S,
        limit: u64,
    ) -> Result<Stored, StreamError<E>>
    where
        S: Stream<Item = Result<Bytes, E>>,
    {
        // A bad name is told before anything is read.
        folder.place(name)?;
        let staged = self.stage(stream, limit).await?;
        Ok(staged.publish(folder, name).await?)
    }

    /// Writes a stream to disk and gives it no place yet: for a file whose end must be seen before
    /// it is decided what becomes of it.
    ///
    /// # Errors
    /// The stream's own; [`StreamError::TooLarge`] past `limit` bytes; the storage's.
    ///
    /// # Cancel safety
    /// Nothing is left of what was written.
    pub async fn stage<S, E>(&self, stream: S, limit: u64) -> Result<Staged, StreamError<E>>
    where
        S: Stream<Item = Result<Bytes, E>>,
    {
        let mut stream = pin!(stream);
        let mut staging = Staging::begin(self).await?;
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(StreamError::Source)?;
            staging.bytes = staging.bytes.saturating_add(chunk.len() as u64);
            if staging.bytes > limit {
                return Err(StreamError::TooLarge { limit });
            }
            staging.take(chunk).await?;
        }
        Ok(staging.finish().await?)
    }

    /// Removes a file; that there is none is fine. Its folder stays.
    ///
    /// # Errors
    /// When the storage fails, or for a path that could lead elsewhere.
    pub async fn remove(&self, path: &str) -> Result<(), ArtifactError> {
        match self.storage.delete(&store::place(path)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Staged {
    /// Its length in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where it lies meanwhile, on this machine.
    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    /// Gives the file its place, in a task of its own: once begun, it is not left half done.
    ///
    /// # Errors
    /// As [`Artifacts::put`]; nothing of the file is left then.
    pub async fn publish(self, folder: &Folder, name: &str) -> Result<Stored, ArtifactError> {
        let place = folder.place(name)?;
        let publishing = tokio::spawn(self.put(place));
        publishing.await.map_err(|error| ArtifactError::Read(std::io::Error::other(error)))?
    }

    async fn put(mut self, place: Place) -> Result<Stored, ArtifactError> {
        let (bytes, sha256) = (self.bytes, self.sha256);
        let put = match &self.artifacts.bucket {
            None => {
                self.file.sync().await?;
                self.artifacts.storage.copy_if_not_exists(&self.file.place(), &place).await
            }
            Some(bucket) => {
                bucket.put(&place, Source::Disk(self.file.path()), bytes, &sha256).await
            }
        };
        self.artifacts.settle(put, &place, bytes, &sha256).await?;
        Ok(Stored { path: place.into(), bytes, sha256 })
    }
}

/// A file of which more is to come.
struct Staging {
    artifacts: Artifacts,
    file: Spooled,
    /// What is not written yet: copied, since many small pieces may each hold on to a large buffer.
    buffer: BytesMut,
    bytes: u64,
}

impl Staging {
    async fn begin(artifacts: &Artifacts) -> Result<Self, ArtifactError> {
        Ok(Self {
            artifacts: artifacts.clone(),
            file: artifacts.spool.begin().await?,
            buffer: BytesMut::new(),
            bytes: 0,
        })
    }

    async fn take(&mut self, mut chunk: Bytes) -> Result<(), ArtifactError> {
        while !chunk.is_empty() {
            let room = PART - self.buffer.len();
            self.buffer.extend_from_slice(&chunk.split_to(room.min(chunk.len())));
            if self.buffer.len() == PART {
                self.file.write(self.buffer.split().freeze()).await?;
            }
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<Staged, ArtifactError> {
        if !self.buffer.is_empty() {
            self.file.write(self.buffer.split().freeze()).await?;
        }
        let sha256 = self.file.checksum()?;
        Ok(Staged { artifacts: self.artifacts, file: self.file, bytes: self.bytes, sha256 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::testing;
    use futures_util::stream;

    /// SHA-256 of `abc`, from FIPS 180-2.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    const NO_LIMIT: u64 = u64::MAX;

    struct Fixture {
        folder: tempfile::TempDir,
        artifacts: Artifacts,
        job: Folder,
    }

    impl Fixture {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let artifacts = testing::open(folder.path()).await;
            Self { folder, artifacts, job: Folder::Job(JobId::generate(), 1) }
        }

        async fn put(&self, pieces: &[&'static str]) -> Result<Stored, StreamError<&'static str>> {
            let pieces = pieces.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes())));
            self.artifacts.put_stream(&self.job, "a", stream::iter(pieces), NO_LIMIT).await
        }

        /// Every file in storage, staged ones too.
        async fn files(&self) -> Vec<String> {
            testing::files(&self.artifacts).await
        }

        /// Waits until there are no files: what is dropped is removed on another thread.
        async fn wait_for_nothing(&self) {
            let nothing = async {
                while !self.files().await.is_empty() {
                    tokio::task::yield_now().await;
                }
            };
            let limit = std::time::Duration::from_secs(60);
            let waited = tokio::time::timeout(limit, nothing).await;
            assert!(waited.is_ok(), "{:?}", self.files().await);
        }

        /// Waits until there is this file and nothing else.
        async fn wait_for_only(&self, path: &str) {
            let alone = async {
                while self.files().await != [path] {
                    tokio::task::yield_now().await;
                }
            };
            let limit = std::time::Duration::from_secs(60);
            let waited = tokio::time::timeout(limit, alone).await;
            assert!(waited.is_ok(), "{:?}", self.files().await);
        }
    }

    #[tokio::test]
    async fn a_stream_is_stored_with_its_length_and_checksum() {
        let fixture = Fixture::new().await;
        let stored = fixture.put(&["a", "", "bc"]).await.unwrap();
        assert_eq!((stored.bytes, stored.sha256.as_str()), (3, ABC));
        assert_eq!(testing::read(&fixture.artifacts, &stored.path).await, b"abc");
        fixture.wait_for_only(&stored.path).await;
    }

    #[tokio::test]
    async fn an_upload_has_a_folder_of_its_own() {
        let fixture = Fixture::new().await;
        let folder = Folder::Upload("upl_1".parse().unwrap());
        let empty = stream::empty::<Result<Bytes, &str>>();
        let stored = fixture.artifacts.put_stream(&folder, "a.png", empty, 0).await.unwrap();
        assert_eq!((stored.path.as_str(), stored.bytes), ("uploads/upl_1/a.png", 0));
    }

    #[tokio::test]
    async fn a_stream_of_many_parts_keeps_its_order() {
        let fixture = Fixture::new().await;
        let whole: Vec<u8> = (0..3 * PART + 17).map(|at| (at % 251) as u8).collect();
        let pieces =
            whole.chunks(PART - 1).map(|piece| Ok::<_, &str>(Bytes::copy_from_slice(piece)));
        let (artifacts, length) = (&fixture.artifacts, whole.len() as u64);
        let pieces = stream::iter(pieces.collect::<Vec<_>>());
        let stored = artifacts.put_stream(&fixture.job, "a", pieces, length).await.unwrap();
        assert!(testing::read(artifacts, &stored.path).await == whole);
        assert_eq!(artifacts.checksum(&stored.path).await.unwrap(), stored.sha256);
    }

    #[tokio::test]
    async fn another_file_is_never_overwritten_and_the_same_one_is_fine() {
        let fixture = Fixture::new().await;
        let first = fixture.put(&["one"]).await.unwrap();
        assert_eq!(fixture.put(&["o", "ne"]).await.unwrap(), first);
        let error = fixture.put(&["two"]).await.unwrap_err();
        assert!(matches!(error, StreamError::Storage(ArtifactError::Exists(_))), "{error:?}");
        fixture.wait_for_only(&first.path).await;
    }

    #[tokio::test]
    async fn a_stream_past_its_limit_is_not_read_on_and_leaves_nothing() {
        let fixture = Fixture::new().await;
        let mut taken = 0;
        let endless = stream::repeat_with(move || {
            taken += 1;
            assert!(taken <= 3, "read past the limit");
            Ok::<_, &str>(Bytes::from_static(b"1234"))
        });
        let error = fixture.artifacts.put_stream(&fixture.job, "a", endless, 11).await.unwrap_err();
        assert_eq!(error.to_string(), "the file is larger than 11 bytes");
        fixture.wait_for_nothing().await;
    }

    #[tokio::test]
    async fn a_stream_that_fails_leaves_nothing() {
        let fixture = Fixture::new().await;
        let cut = stream::iter([Ok(Bytes::from_static(b"half")), Err("cut")]);
        let error = fixture.artifacts.put_stream(&fixture.job, "a", cut, NO_LIMIT).await;
        assert!(matches!(error, Err(StreamError::Source("cut"))));
        fixture.wait_for_nothing().await;
    }

    #[tokio::test]
    async fn a_stream_that_is_given_up_leaves_nothing() {
        let fixture = Fixture::new().await;
        let (first, begun) = tokio::sync::oneshot::channel();
        let mut first = Some(first);
        let pieces = stream::repeat_with(move || {
            first.take().map(|first| first.send(()));
            Ok::<_, &str>(Bytes::from(vec![0; PART]))
        });
        let endless = fixture.artifacts.put_stream(&fixture.job, "a", pieces, NO_LIMIT);
        tokio::select! {
            _ = endless => panic!("it has no end"),
            begun = begun => begun.unwrap(),
        }
        fixture.wait_for_nothing().await;
    }

    #[tokio::test]
    async fn another_process_that_opens_the_storage_leaves_a_file_that_comes_in() {
        let fixture = Fixture::new().await;
        let mut other = None;
        let pieces = stream::once(async { Ok::<_, &str>(Bytes::from(vec![0; PART])) }).chain(
            stream::once(async {
                other = Some(testing::open(fixture.folder.path()).await);
                Ok(Bytes::from_static(b"abc"))
            }),
        );
        let (artifacts, folder) = (&fixture.artifacts, &fixture.job);
        let stored = artifacts.put_stream(folder, "a", pieces, NO_LIMIT).await.unwrap();
        let seen = other.expect("it was opened").size(&stored.path).await.unwrap();
        assert_eq!(seen, PART as u64 + 3);
    }

    #[tokio::test]
    async fn a_bad_name_is_told_before_anything_is_read() {
        let fixture = Fixture::new().await;
        let pieces = stream::once(async { panic!("it is read") });
        let put = fixture.artifacts.put_stream::<_, &str>(&fixture.job, "../a", pieces, NO_LIMIT);
        assert!(matches!(put.await, Err(StreamError::Storage(ArtifactError::BadPlace(_)))));
    }

    #[tokio::test]
    async fn a_file_is_removed_once_and_a_second_time_is_fine() {
        let fixture = Fixture::new().await;
        let stored = fixture.put(&["abc"]).await.unwrap();
        for _ in 0..2 {
            fixture.artifacts.remove(&stored.path).await.unwrap();
            fixture.wait_for_nothing().await;
        }
        assert!(fixture.artifacts.remove("../x").await.is_err());
    }
}
