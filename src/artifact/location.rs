//! Where files are kept, as a setting says it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What a setting may say, to follow "must be".
pub const ALLOWED: &str = "s3://bucket/prefix, file:///path or the absolute path of a folder";

/// Where files are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// In a folder, by its absolute path. Servers may share it.
    Folder(PathBuf),
    /// In a bucket of an S3-compatible storage. Servers may share it.
    Bucket(InBucket),
}

/// A part of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InBucket {
    /// The bucket's name.
    pub bucket: String,
    /// What the keys of all files begin with, without slashes at its ends; may be empty.
    pub prefix: String,
}

/// The text names no place where files can be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be {ALLOWED}")]
pub struct NoLocation;

impl FromStr for Location {
    type Err = NoLocation;

    fn from_str(text: &str) -> Result<Self, NoLocation> {
        if let Some(rest) = text.strip_prefix("s3://") {
            return InBucket::parse(rest).map(Self::Bucket).ok_or(NoLocation);
        }
        let folder = if text.starts_with("file://") {
            let url = reqwest::Url::parse(text).map_err(|_| NoLocation)?;
            let is_plain = url.query().is_none() && url.fragment().is_none();
            url.to_file_path().ok().filter(|_| is_plain).ok_or(NoLocation)?
        } else {
            PathBuf::from(text)
        };
        let fits = folder.is_absolute() && !text.contains('\0');
        fits.then_some(Self::Folder(folder)).ok_or(NoLocation)
    }
}

impl InBucket {
    fn parse(text: &str) -> Option<Self> {
        let (bucket, prefix) = text.split_once('/').unwrap_or((text, ""));
        let prefix = prefix.trim_end_matches('/');
        let is_named = (3..=63).contains(&bucket.len())
            && bucket.starts_with(|first: char| first.is_ascii_alphanumeric())
            && bucket.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte)
            });
        let is_plain = |part: &str| {
            !part.is_empty() && !matches!(part, "." | "..") && part.bytes().all(is_plain_byte)
        };
        let fits = is_named && (prefix.is_empty() || prefix.split('/').all(is_plain));
        fits.then(|| Self { bucket: bucket.into(), prefix: prefix.into() })
    }
}

/// What no storage, proxy or signature reads differently.
const fn is_plain_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

impl fmt::Display for InBucket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "s3://{}", self.bucket)?;
        if self.prefix.is_empty() { Ok(()) } else { write!(formatter, "/{}", self.prefix) }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => Path::display(path).fmt(formatter),
            Self::Bucket(bucket) => bucket.fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_has_a_name_and_perhaps_a_prefix() {
        for (text, bucket, prefix) in [
            ("s3://files", "files", ""),
            ("s3://files/", "files", ""),
            ("s3://my-files.test/a/b_c/", "my-files.test", "a/b_c"),
        ] {
            let expected = InBucket { bucket: bucket.into(), prefix: prefix.into() };
            assert_eq!(text.parse(), Ok(Location::Bucket(expected)), "{text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_is_named_by_its_path_or_a_url() {
        for text in ["/srv/my files", "file:///srv/my%20files"] {
            assert_eq!(text.parse(), Ok(Location::Folder("/srv/my files".into())), "{text}");
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in [
            "",
            "files",
            "./files",
            "s3://",
            "s3://ab",
            "s3://Files/a",
            "s3://key:secret@files/a",
            "s3://files//a",
            "s3://files/../a",
            "s3://files/a?b",
            "s3://files/é",
            "gs://files",
            "https://files.example/a",
            "file://host.example/srv",
            "file://srv",
            "file:///srv?x",
        ] {
            assert_eq!(text.parse::<Location>(), Err(NoLocation), "{text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_shown_can_be_read_again() {
        for text in ["s3://files", "s3://files/a/b", "/srv/files"] {
            assert_eq!(text.parse::<Location>().unwrap().to_string(), text);
        }
    }
}
