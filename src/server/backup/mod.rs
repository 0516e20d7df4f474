//! Backups: made while a server runs, restored into an empty folder.
//!
//! A backup is a folder: a copy of the database as it was at one moment, the files that its rows name, a
//! list of checksums (`SHA256SUMS`), and last of all a manifest. The database comes first: a file is
//! stored before the row that names it, and never changed, so every file of the copy's rows is there.

mod copying;
mod error;
mod manifest;
mod restore;
mod sums;

pub use error::BackupError;
pub use manifest::Manifest;
pub use restore::{Restore, Restored, restore};

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::config::Settings;
use crate::db::snapshot::{self, Contents, FileRow};
use crate::db::{self, Place};
use crate::event::now_ms;

use super::{Error, storage};
use copying::Copies;
use error::failed;
use sums::Sum;

/// How often it is looked how large the copy of the database has become.
const LOOK: Duration = Duration::from_millis(200);

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is done.
    pub stage: Stage,
    /// How much of it is done, in bytes.
    pub done: u64,
    /// About how much there is, in bytes.
    pub of: u64,
}

/// What is done one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The database is copied.
    Database,
    /// Files are copied.
    Files,
    /// A backup is held against its checksums.
    Checks,
}

/// Who is told how far it is, now and then, on any thread.
pub type Show = Arc<dyn Fn(Progress) + Send + Sync>;

/// What is to be backed up, and where to.
#[derive(Clone, Debug)]
pub struct Backup {
    /// A folder that is empty, or not there yet.
    pub target: PathBuf,
    /// Whether the files are in it too.
    pub with_files: bool,
}

/// Makes a backup of what these settings name, whether a server has it or not.
///
/// # Errors
/// [`BackupError`]; what there is of the backup then has no manifest.
pub async fn backup(settings: &Settings, order: &Backup, show: &Show) -> Result<Manifest, Error> {
    if let Some(url) = &settings.database {
        return Err(BackupError::Postgres { name: Place::Postgres(url).name()? }.into());
    }
    if !settings.data.join(db::FILE).exists() {
        return Err(BackupError::NoDatabase(settings.data.clone()).into());
    }
    make_target(&order.target)?;
    let mut manifest = Manifest::new(now_ms());
    let copy = order.target.join(db::FILE);
    copy_database(&settings.data, &copy, show).await?;
    let Contents { schema, head, jobs, files } = snapshot::contents(&copy).await?;
    (manifest.schema, manifest.head, manifest.jobs) = (schema, head.get(), jobs);
    let source = storage::folder(settings).filter(|_| order.with_files);
    if source.is_none() && !files.is_empty() {
        manifest.files_in = Some(storage::name(settings));
    }
    let (target, show) = (order.target.clone(), Arc::clone(show));
    let rest = move || finish(manifest, source.map(|folder| (folder, files)), &target, &show);
    Ok(blocking(rest).await?)
}

/// Runs what blocks on a thread for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, BackupError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Makes the folder, which nobody else may look into: it has the hashes of all keys.
fn make_target(target: &Path) -> Result<(), BackupError> {
    match fs::read_dir(target) {
        Ok(mut entries) => {
            let is_empty = entries.next().is_none();
            return is_empty.then_some(()).ok_or_else(|| BackupError::NotEmpty(target.into()));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed("use the folder", target)(error)),
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(target).map_err(failed("make the folder", target))
}

async fn copy_database(data: &Path, copy: &Path, show: &Show) -> Result<(), Error> {
    let size = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    let of = size(&data.join(db::FILE));
    let mut look = tokio::time::interval(LOOK);
    let copying = snapshot::copy(data, copy);
    tokio::pin!(copying);
    loop {
        tokio::select! {
            copied = &mut copying => return Ok(copied?),
            _ = look.tick() => {
                show(Progress { stage: Stage::Database, done: size(copy).min(of), of });
            }
        }
    }
}

/// Copies the files, writes the checksums, and then the manifest.
fn finish(
    mut manifest: Manifest,
    files: Option<(PathBuf, Vec<FileRow>)>,
    target: &Path,
    show: &Show,
) -> Result<Manifest, BackupError> {
    let database = target.join(db::FILE);
    let whole = copying::checksum(&database, &mut |_| {}).map_err(failed("read", &database))?;
    let mut sums = vec![Sum { sha256: whole.sha256, path: db::FILE.into() }];
    manifest.bytes = whole.bytes;
    if let Some((source, rows)) = files {
        copy_files(&mut manifest, &mut sums, (&source, &rows), target, show)?;
    }
    let list = target.join(sums::FILE);
    fs::write(&list, sums::to_text(&sums)).map_err(failed("write", &list))?;
    let of_list = copying::checksum(&list, &mut |_| {}).map_err(failed("read", &list))?;
    manifest.sums_sha256 = of_list.sha256;
    for path in [&database, &list] {
        let synced = fs::File::open(path).and_then(|file| file.sync_all());
        synced.map_err(failed("write", path))?;
    }
    manifest.write(target)?;
    Ok(manifest)
}

fn copy_files(
    manifest: &mut Manifest,
    sums: &mut Vec<Sum>,
    (source, rows): (&Path, &[FileRow]),
    target: &Path,
    show: &Show,
) -> Result<(), BackupError> {
    let of = rows.iter().map(|row| row.bytes).sum();
    let mut done = 0;
    let mut seen = |bytes| {
        done += bytes;
        show(Progress { stage: Stage::Files, done, of });
    };
    let root = target.join(sums::FILES);
    let mut copies = Copies::default();
    for row in rows {
        // Other programs write rows too.
        let is_place = crate::artifact::is_place(&row.path);
        let copied = if is_place {
            copies.copy(&source.join(&row.path), (&root, &row.path), &mut seen)?
        } else {
            None
        };
        let Some(whole) = copied else {
            manifest.missing.push(row.path.clone());
            continue;
        };
        if row.sha256.as_ref().is_some_and(|sha256| *sha256 != whole.sha256) {
            manifest.damaged.push(row.path.clone());
        }
        manifest.files += 1;
        manifest.bytes += whole.bytes;
        let path = format!("{}/{}", sums::FILES, row.path);
        sums.push(Sum { sha256: whole.sha256, path });
    }
    copies.sync()
}
