//! A backup, made a data folder again.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::config::Settings;
use crate::db::{self, Place, snapshot};

use super::copying::{self, Copies};
use super::error::{BackupError, failed};
use super::manifest::Manifest;
use super::sums::{self, Sum};
use super::{Error, Progress, Show, Stage, blocking, storage};
use crate::server::folder::Folder;

/// How many epochs are skipped at least. The server that the backup is of has begun more of them since,
/// and a browser may come back with an id of those: it has to be told of a gap.
const EPOCHS: u32 = 1_000;

/// The database while it is not whole.
const PART: &str = "tailwater.db.part";

/// What is to be restored.
#[derive(Clone, Debug)]
pub struct Restore {
    /// The backup's folder.
    pub source: PathBuf,
    /// Whether its files are restored too.
    pub with_files: bool,
}

/// What was restored.
#[derive(Clone, Debug)]
pub struct Restored {
    /// What the backup says of itself.
    pub manifest: Manifest,
    /// How many files are there again.
    pub files: u64,
    /// The newest migration that this program knows: what the next start makes of the database.
    pub known_schema: i64,
}

/// Restores a backup into the data folder that these settings name, which has to be without data, and
/// its files into the folder for them. It is all held against the checksums before anything is written;
/// the database comes last.
///
/// # Errors
/// [`BackupError`]; [`Error::Locked`] when a server has the folder.
pub async fn restore(settings: &Settings, order: &Restore, show: &Show) -> Result<Restored, Error> {
    if let Some(url) = &settings.database {
        return Err(BackupError::Postgres { name: Place::Postgres(url).name()? }.into());
    }
    let manifest = Manifest::read(&order.source)?;
    let files = files_folder(settings, order, &manifest)?;
    let data = &settings.data;
    // What is not there yet is made after the checks.
    let early = if data.exists() { Some(Folder::lock(data)?) } else { None };
    check_free(data)?;
    let (source, sums_sha256, shown) =
        (order.source.clone(), manifest.sums_sha256.clone(), show.clone());
    let sums = blocking(move || check(&source, &sums_sha256, &shown)).await?;
    let _folder = match early {
        Some(folder) => folder,
        None => {
            let folder = Folder::lock(data)?;
            // A server may have come and gone meanwhile.
            check_free(data)?;
            folder
        }
    };
    let (source, part, shown) = (order.source.clone(), data.join(PART), show.clone());
    let copy = move || copy(&source, &sums, files.as_deref(), &part, &shown);
    let files = blocking(copy).await?;
    settle(data).await?;
    Ok(Restored { manifest, files, known_schema: snapshot::known_schema() })
}

/// Where the backup's files go; nothing when they do not.
fn files_folder(
    settings: &Settings,
    order: &Restore,
    manifest: &Manifest,
) -> Result<Option<PathBuf>, BackupError> {
    if !order.with_files || manifest.files == 0 {
        return Ok(None);
    }
    let bucket = || BackupError::Bucket {
        place: storage::name(settings),
        files: order.source.join(sums::FILES),
    };
    storage::folder(settings).ok_or_else(bucket).map(Some)
}

/// Refuses a folder with a database in it, whole or in parts; settings and the like are not in the way.
fn check_free(data: &Path) -> Result<(), BackupError> {
    let names = ["", "-wal", "-shm", "-journal"].map(|end| format!("{}{end}", db::FILE));
    let is_taken = names.iter().any(|name| data.join(name).exists());
    if is_taken { Err(BackupError::Occupied(data.into())) } else { Ok(()) }
}

/// Holds every file of a backup against its checksum; gives the list.
fn check(source: &Path, sums_sha256: &str, show: &Show) -> Result<Vec<Sum>, BackupError> {
    let list = source.join(sums::FILE);
    let damaged = |file: &str, reason: String, others| BackupError::Damaged {
        file: file.into(),
        reason,
        others,
    };
    let changed = || "is not what was backed up".to_owned();
    let of_list = copying::checksum(&list, &mut |_| {});
    match of_list {
        Ok(whole) if whole.sha256 == sums_sha256 => {}
        Ok(_) => return Err(damaged(sums::FILE, changed(), 0)),
        Err(error) => return Err(damaged(sums::FILE, format!("cannot be read: {error}"), 0)),
    }
    let text = fs::read_to_string(&list).map_err(failed("read", &list))?;
    let sums = sums::parse(&text, &list)?;
    let size = |sum: &Sum| fs::metadata(source.join(&sum.path)).map_or(0, |file| file.len());
    let of = sums.iter().map(size).sum();
    let mut done = 0;
    let mut seen = |bytes| {
        done += bytes;
        show(Progress { stage: Stage::Checks, done, of });
    };
    let mut wrong = Vec::new();
    for sum in &sums {
        match copying::checksum(&source.join(&sum.path), &mut seen) {
            Ok(whole) if whole.sha256 == sum.sha256 => {}
            Ok(_) => wrong.push((sum, changed())),
            Err(error) => wrong.push((sum, format!("cannot be read: {error}"))),
        }
    }
    let others = wrong.len().saturating_sub(1);
    match wrong.into_iter().next() {
        Some((sum, reason)) => Err(damaged(&sum.path, reason, others)),
        None => Ok(sums),
    }
}

/// Copies the files, where there is a folder for them, and the database; gives how many files.
fn copy(
    source: &Path,
    sums: &[Sum],
    files: Option<&Path>,
    database: &Path,
    show: &Show,
) -> Result<u64, BackupError> {
    let mut copies = Copies::default();
    let mut restored = 0;
    let size = |sum: &Sum| fs::metadata(source.join(&sum.path)).map_or(0, |file| file.len());
    let of = sums.iter().map(size).sum();
    let mut done = 0;
    let mut seen = |bytes| {
        done += bytes;
        show(Progress { stage: Stage::Files, done, of });
    };
    for sum in sums {
        let from = source.join(&sum.path);
        let copied = match (sum.place(), files) {
            (Some(_), None) => continue,
            (Some(place), Some(root)) => {
                restored += 1;
                if is_there(&root.join(place), sum)? {
                    continue;
                }
                copies.copy(&from, (root, place), &mut seen)?
            }
            (None, _) => {
                let folder = database.parent().unwrap_or(Path::new("."));
                copies.copy(&from, (folder, PART), &mut seen)?
            }
        };
        // It was whole a moment ago.
        if copied.is_none_or(|whole| whole.sha256 != sum.sha256) {
            let reason = "changed while it was restored".into();
            return Err(BackupError::Damaged { file: sum.path.clone(), reason, others: 0 });
        }
    }
    copies.sync()?;
    Ok(restored)
}

/// Whether the file is there already: several servers may share a folder, and a restore may be tried again.
fn is_there(path: &Path, sum: &Sum) -> Result<bool, BackupError> {
    match copying::checksum(path, &mut |_| {}) {
        Ok(whole) if whole.sha256 == sum.sha256 => Ok(true),
        Ok(_) => Err(BackupError::OtherFile(path.into())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed("read", path)(error)),
    }
}

/// Skips epochs, and gives the database its name.
async fn settle(data: &Path) -> Result<(), Error> {
    let (part, file) = (data.join(PART), data.join(db::FILE));
    // Another restore of the same backup is to give out other ids than this one.
    snapshot::skip_epochs(&part, EPOCHS + fastrand::u32(0..EPOCHS)).await?;
    fs::rename(&part, &file).map_err(failed("write", &file))?;
    copying::sync_folder(data)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_any_part_of_a_database_is_not_free() {
        for name in ["tailwater.db", "tailwater.db-wal"] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("tailwater.toml"), "").unwrap();
            check_free(folder.path()).unwrap();
            fs::write(folder.path().join(name), "").unwrap();
            let refused = check_free(folder.path()).unwrap_err();
            assert!(matches!(refused, BackupError::Occupied(_)), "{refused}");
        }
    }
}
