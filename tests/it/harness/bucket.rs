//! Where the files of the tests' servers are.
//!
//! With `TAILWATER_TEST_S3` it is a bucket (see `scripts/with-s3`), in which each data folder has a
//! prefix of its own; else it is the data folder.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use futures_util::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::{ObjectStore, ObjectStoreExt};
use tailwater::artifact::InBucket;
use tailwater::config::Settings;

/// A key that the storage of the tests takes, as it takes every one.
const KEY: &str = "test";

/// The storage of the tests and a part of its bucket, where they are to use one.
fn place(data: &Path) -> Option<(String, InBucket)> {
    let url = std::env::var("TAILWATER_TEST_S3").ok()?;
    let (endpoint, bucket) = url.rsplit_once('/').expect("an address with a bucket");
    let mut hasher = DefaultHasher::new();
    data.hash(&mut hasher);
    let prefix = format!("it/{:016x}", hasher.finish());
    Some((endpoint.to_owned(), InBucket { bucket: bucket.to_owned(), prefix }))
}

/// Whether the files of the tests' servers are in a bucket.
pub fn is_bucket() -> bool {
    std::env::var_os("TAILWATER_TEST_S3").is_some()
}

/// Says to a server where its files are, unless the test says it.
pub fn choose(settings: &mut Settings) {
    if settings.artifacts.is_none() {
        for (name, value) in variables(&settings.data) {
            match name {
                "TAILWATER_ARTIFACTS" => settings.artifacts = value.parse().ok(),
                "AWS_ENDPOINT_URL" => settings.aws_endpoint_url = Some(value),
                "AWS_ACCESS_KEY_ID" => settings.aws_access_key_id = Some(value.into()),
                _ => settings.aws_secret_access_key = Some(value.into()),
            }
        }
    }
}

/// The same for a server that is a process.
pub fn variables(data: &Path) -> Vec<(&'static str, String)> {
    let Some((endpoint, place)) = place(data) else { return Vec::new() };
    vec![
        ("TAILWATER_ARTIFACTS", place.to_string()),
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", KEY.into()),
        ("AWS_SECRET_ACCESS_KEY", KEY.into()),
    ]
}

/// Puts a file there, as another program does.
pub async fn put(data: &Path, path: &str, bytes: &'static [u8]) {
    if let Some((storage, prefix)) = client(data) {
        let key = format!("{prefix}/{path}").as_str().into();
        storage.put(&key, bytes.into()).await.expect("the bucket is there");
    } else {
        let file = data.join("artifacts").join(path);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        std::fs::write(file, bytes).expect("a file");
    }
}

/// A client for the bucket, and what the keys of the server with this data folder begin with.
fn client(data: &Path) -> Option<(AmazonS3, String)> {
    let (endpoint, InBucket { bucket, prefix }) = place(data)?;
    let storage = AmazonS3Builder::new()
        .with_endpoint(endpoint)
        .with_allow_http(true)
        .with_bucket_name(bucket)
        .with_access_key_id(KEY)
        .with_secret_access_key(KEY)
        .build();
    Some((storage.expect("a client"), prefix))
}

/// Every file of the server with this data folder, those that are on their way in too.
pub async fn files(data: &Path) -> Vec<PathBuf> {
    let mut files = within(&data.join("artifacts"));
    // They say which process has the folder beside them.
    files.retain(|file| file.extension().is_none_or(|extension| extension != "lock"));
    if let Some((storage, prefix)) = client(data) {
        let prefix = prefix.as_str().into();
        let listed: Vec<_> =
            storage.list(Some(&prefix)).try_collect().await.expect("the bucket is there");
        files.extend(listed.iter().map(|file| PathBuf::from(file.location.as_ref())));
    }
    files
}

fn within(folder: &Path) -> Vec<PathBuf> {
    // Files go, and folders with them, while this looks.
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { within(&path) } else { vec![path] }).collect()
}
