//! The storage of a test: a folder, or, with `TAILWATER_TEST_S3`, a part of the bucket that this names
//! (`http://host:port/bucket`, see `scripts/with-s3`).

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use bytes::Bytes;
use futures_util::TryStreamExt;

use super::spool;
use super::{Account, Artifacts, InBucket};

/// Opens the storage of whoever has this folder.
pub(crate) async fn open(folder: &Path) -> Artifacts {
    let Ok(url) = std::env::var("TAILWATER_TEST_S3") else {
        return Artifacts::open(folder).unwrap();
    };
    rustls::crypto::ring::default_provider().install_default().ok();
    let (endpoint, bucket) = url.rsplit_once('/').unwrap();
    let account = account(endpoint);
    let mut hasher = DefaultHasher::new();
    folder.hash(&mut hasher);
    let prefix = format!("unit/{:016x}", hasher.finish());
    let place = InBucket { bucket: bucket.into(), prefix };
    Artifacts::connect(&place, &account, folder).await.unwrap()
}

/// Somebody who may do everything at this endpoint.
pub(crate) fn account(endpoint: &str) -> Account {
    Account {
        access_key_id: Some("test".into()),
        secret_access_key: Some("test-secret".into()),
        session_token: None,
        region: "us-east-1".into(),
        endpoint: Some(endpoint.into()),
    }
}

/// The places of all files, and behind them the names of those that are on their way in.
pub(crate) async fn files(artifacts: &Artifacts) -> Vec<String> {
    let listed: Vec<_> = artifacts.storage.list(None).try_collect().await.unwrap();
    let placed = listed.into_iter().map(|file| file.location.to_string());
    let mut files: Vec<_> = placed.filter(|place| !place.starts_with(spool::FOLDER)).collect();
    files.sort();
    files.extend(artifacts.spool.names());
    files
}

/// The bytes of a file.
pub(crate) async fn read(artifacts: &Artifacts, path: &str) -> Vec<u8> {
    let chunks = artifacts.read(path, None).await.unwrap();
    chunks.try_collect::<Vec<Bytes>>().await.unwrap().concat()
}
