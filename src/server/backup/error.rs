//! Why there is no backup, or why it is not restored.

use std::io;
use std::path::{Path, PathBuf};

/// Why a backup was not made, or not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The rows are in Postgres.
    #[error(
        "the database is a Postgres, whose own tools make and restore its backups:\n  \
         pg_dump --format=custom --file=tailwater.dump '{name}'\n  \
         pg_restore --clean --if-exists --no-owner --dbname='{name}' tailwater.dump\n\
         After it is restored some epochs are to be skipped, and files are copied on their own: \
         docs/guides/backup.md has the lines"
    )]
    Postgres {
        /// Its address without a password.
        name: String,
    },
    /// There is nothing to back up.
    #[error("there is no database in {}: name the server's data folder with --data", .0.display())]
    NoDatabase(PathBuf),
    /// A backup is to be made where there is something already.
    #[error("{} is not empty: a backup is made in a new folder", .0.display())]
    NotEmpty(PathBuf),
    /// What is to be restored was not finished, or is no backup.
    #[error(
        "{} is no whole backup: it has no {}, which is written last", .0.display(), super::manifest::FILE
    )]
    NotWhole(PathBuf),
    /// The manifest cannot be understood.
    #[error("{} cannot be read: {reason}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The backup was made by a later version of this program.
    #[error(
        "the backup is from tailwater {made_by}, which is newer than this one (its {what} is {found}, \
         this version knows up to {known}): restore it with that version"
    )]
    Newer {
        /// The version that made it.
        made_by: String,
        /// What has a number that is too high.
        what: &'static str,
        /// That number.
        found: i64,
        /// What this version knows.
        known: i64,
    },
    /// A file of the backup is not what it was.
    #[error("the backup is damaged, and nothing was restored: {file} {reason}{}", and_more(*others))]
    Damaged {
        /// The first file that is.
        file: String,
        /// What is wrong with it.
        reason: String,
        /// How many more there are.
        others: usize,
    },
    /// There is a database where one is to be restored.
    #[error(
        "{} holds a server's data already: move it away, or choose another folder with --data",
        .0.display()
    )]
    Occupied(PathBuf),
    /// Another file has a place that a file of the backup needs.
    #[error("{} is there already, and is not the file of the backup", .0.display())]
    OtherFile(PathBuf),
    /// Files of a backup go into a folder.
    #[error(
        "the files of this backup cannot be restored into {place} (the setting artifacts): copy \
         {} there with the tools of that storage, then restore the rest with --no-files",
        files.display()
    )]
    Bucket {
        /// The bucket.
        place: String,
        /// Where the files are in the backup.
        files: PathBuf,
    },
    /// The system says no.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl BackupError {
    /// Whether other arguments or another backup would do: exit code 2.
    #[must_use]
    pub const fn is_bad_input(&self) -> bool {
        match self {
            Self::Postgres { .. }
            | Self::NoDatabase(_)
            | Self::NotEmpty(_)
            | Self::NotWhole(_)
            | Self::Manifest { .. }
            | Self::Newer { .. }
            | Self::Damaged { .. }
            | Self::Occupied(_)
            | Self::OtherFile(_)
            | Self::Bucket { .. } => true,
            Self::Io { .. } => false,
        }
    }
}

fn and_more(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => ", and so is another file".into(),
        _ => format!(", and so are {count} other files"),
    }
}

/// What is said where the system refuses something.
pub(super) fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Io { what, path, source }
}
