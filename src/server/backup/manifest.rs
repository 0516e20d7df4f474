//! What stands in `manifest.json`, which makes a folder a backup.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::db::snapshot;

use super::error::{BackupError, failed};

/// The manifest's name. It is written last: a backup that was not finished has none.
pub(super) const FILE: &str = "manifest.json";

/// How the folder is laid out; raised when an older program could not restore it.
const FORMAT: u32 = 1;

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// How the folder is laid out.
    pub format: u32,
    /// The version of the program that made it.
    pub tailwater: String,
    /// When the copy of the database was begun, in Unix milliseconds.
    pub created_at: i64,
    /// The newest migration of the database.
    pub schema: i64,
    /// The id of the newest event in it.
    pub head: u64,
    /// How many jobs are in it.
    pub jobs: u64,
    /// How many files of jobs and clients are in it.
    pub files: u64,
    /// How large the database and the files are together, in bytes.
    pub bytes: u64,
    /// Where the files are that its rows name, when they were left out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub files_in: Option<String>,
    /// Files that its rows name, and that were not there.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub missing: Vec<String>,
    /// Files that were not what their rows say; they are in it as they were.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub damaged: Vec<String>,
    /// SHA-256 of the list of checksums.
    pub sums_sha256: String,
}

impl Manifest {
    /// That of an empty backup that this program makes.
    #[must_use]
    pub fn new(created_at: i64) -> Self {
        Self {
            format: FORMAT,
            tailwater: env!("CARGO_PKG_VERSION").into(),
            created_at,
            schema: 0,
            head: 0,
            jobs: 0,
            files: 0,
            bytes: 0,
            files_in: None,
            missing: Vec::new(),
            damaged: Vec::new(),
            sums_sha256: String::new(),
        }
    }

    /// Writes it into a backup's folder, whole or not at all.
    pub(super) fn write(&self, folder: &Path) -> Result<(), BackupError> {
        let (path, part) = (folder.join(FILE), folder.join(format!("{FILE}.part")));
        let write = || -> io::Result<()> {
            let mut text = serde_json::to_vec_pretty(self)?;
            text.push(b'\n');
            fs::write(&part, text)?;
            File::open(&part)?.sync_all()?;
            fs::rename(&part, &path)
        };
        write().map_err(failed("write", &path))?;
        super::copying::sync_folder(folder)
    }

    /// Reads that of a backup, which this program must be able to restore.
    pub(super) fn read(folder: &Path) -> Result<Self, BackupError> {
        let path = folder.join(FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound && folder.is_dir() => {
                return Err(BackupError::NotWhole(folder.into()));
            }
            Err(error) => return Err(failed("read", &path)(error)),
        };
        let manifest: Self = serde_json::from_slice(&text).map_err(|error| {
            // A later layout may have nothing in common but its number.
            match serde_json::from_slice::<Format>(&text) {
                Ok(Format { format, tailwater }) if format > FORMAT => too_new(format, tailwater),
                _ => BackupError::Manifest { path: path.clone(), reason: error.to_string() },
            }
        })?;
        if manifest.format > FORMAT {
            return Err(too_new(manifest.format, manifest.tailwater));
        }
        let known = snapshot::known_schema();
        if manifest.schema > known {
            let (made_by, found) = (manifest.tailwater, manifest.schema);
            return Err(BackupError::Newer { made_by, what: "schema", found, known });
        }
        Ok(manifest)
    }
}

/// What every manifest has, of whatever version.
#[derive(Deserialize)]
struct Format {
    format: u32,
    #[serde(default)]
    tailwater: String,
}

fn too_new(found: u32, made_by: String) -> BackupError {
    let (found, known) = (i64::from(found), i64::from(FORMAT));
    BackupError::Newer { made_by, what: "format", found, known }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Manifest, BackupError> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), text).unwrap();
        Manifest::read(folder.path())
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = Manifest { jobs: 3, missing: vec!["a/1/b".into()], ..Manifest::new(17) };
        manifest.write(folder.path()).unwrap();
        assert_eq!(Manifest::read(folder.path()).unwrap(), manifest);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_without_one_is_no_whole_backup() {
        let folder = tempfile::tempdir().unwrap();
        let refused = Manifest::read(folder.path()).unwrap_err();
        assert!(matches!(refused, BackupError::NotWhole(_)), "{refused}");
        let nowhere = Manifest::read(&folder.path().join("nowhere")).unwrap_err();
        assert!(matches!(nowhere, BackupError::Io { .. }), "{nowhere}");
    }

    #[test]
    fn one_of_a_later_version_names_that_version() {
        for text in [
            r#"{"format": 2, "tailwater": "9.1.0"}"#.to_owned(),
            serde_json::to_string(&Manifest {
                schema: 9_999,
                tailwater: "9.1.0".into(),
                ..Manifest::new(1)
            })
            .unwrap(),
        ] {
            let refused = read(&text).unwrap_err();
            assert!(matches!(refused, BackupError::Newer { .. }), "{refused}");
            assert!(refused.to_string().contains("9.1.0"), "{refused}");
        }
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        for text in ["", "{}", "[]", "{\"format\": 1}", "\u{0}\u{0}"] {
            let refused = read(text).unwrap_err();
            assert!(matches!(refused, BackupError::Manifest { .. }), "{refused}");
        }
    }
}
