//! The database: what survives the process.
//!
//! It is `SQLite` in a file, or Postgres. One connection writes ([`Writer`]) and belongs to the
//! journal; a pool reads ([`Db`]). Each statement stands in one function, each change that must be
//! atomic is one [`Change`].

mod alone;
pub mod artifacts;
pub mod changes;
pub mod chats;
pub mod claims;
#[cfg(test)]
mod cluster;
pub mod credits;
pub mod ends;
pub mod epochs;
mod error;
pub mod figures;
#[cfg(test)]
pub(crate) mod home;
pub mod jobs;
pub mod keys;
mod life;
mod listed;
mod look;
mod migrations;
pub mod nodes;
pub mod operations;
pub mod permits;
mod postgres;
pub mod projects;
#[cfg(test)]
mod races;
#[cfg(test)]
mod rig;
pub mod segments;
pub mod snapshot;
pub(crate) mod sql;
mod sqlite;
pub mod starts;
#[cfg(test)]
mod told;
pub mod uploads;
pub mod watched;
pub mod webhooks;
mod writer;

use std::path::Path;

use secrecy::SecretString;

pub use changes::Change;
pub use error::DbError;
pub(crate) use error::{is_outage, was_in_the_way};
pub(crate) use life::Mark;
pub(crate) use listed::RESULT_LIMIT;
pub use look::{Look, look};
pub use sql::{Conn, Transaction};
pub use sqlite::FILE;
pub use writer::Writer;

use postgres::Hold;
use sql::{Pool, Row};

/// Where a database is.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// In a file of this folder, by `SQLite`.
    Folder(&'a Path),
    /// At this address, by Postgres: `postgres://user:password@host:port/name`.
    Postgres(&'a SecretString),
}

impl Place<'_> {
    /// What people are told of it: no password.
    ///
    /// # Errors
    /// [`DbError::Address`], where it is none.
    pub fn name(self) -> Result<String, DbError> {
        match self {
            Self::Folder(folder) => Ok(folder.join(FILE).display().to_string()),
            Self::Postgres(url) => postgres::name(url),
        }
    }
}

impl<'a, P: AsRef<Path> + ?Sized> From<&'a P> for Place<'a> {
    fn from(folder: &'a P) -> Self {
        Self::Folder(folder.as_ref())
    }
}

/// A handle for reading; cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    pool: Pool,
}

/// Which migrations were applied, before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The newest before; 0 for a new database.
    pub from: i64,
    /// The newest now.
    pub to: i64,
}

/// Opens the database there, applies what is missing of the migrations, and gives the two handles.
///
/// # Errors
/// [`DbError`] when it cannot be opened, is in use, is newer than this program, or cannot be migrated.
pub async fn open(place: impl Into<Place<'_>>) -> Result<(Db, Writer, Versions), DbError> {
    match place.into() {
        Place::Folder(folder) => sqlite::open(folder, true).await,
        Place::Postgres(url) => postgres::open(url, Hold::Alone).await,
    }
}

/// Opens a Postgres that the nodes of a cluster share. A server that has one alone and a cluster keep each
/// other out.
///
/// # Errors
/// As for [`open`].
pub async fn open_shared(url: &SecretString) -> Result<(Db, Writer, Versions), DbError> {
    postgres::open(url, Hold::Shared).await
}

/// As [`open`], beside a server that has it, whose database is not ours to migrate.
///
/// # Errors
/// As for [`open`], and [`DbError::Older`].
pub async fn open_beside(place: impl Into<Place<'_>>) -> Result<(Db, Writer), DbError> {
    let (db, writer, _) = match place.into() {
        Place::Folder(folder) => sqlite::open(folder, false).await?,
        Place::Postgres(url) => postgres::open(url, Hold::Beside).await?,
    };
    Ok((db, writer))
}

impl Db {
    /// Asks the database for nothing, to see that it answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), DbError> {
        sql::query("select 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Closes every reader; waits for those that are at work.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// A stored whole number that was never negative when it was written; a damaged one reads as 0.
pub(crate) fn unsigned<T: TryFrom<i64> + Default>(number: i64) -> T {
    T::try_from(number).unwrap_or_default()
}

/// The rows that can be read. Other programs write rows too, and one that cannot be read hides no other.
pub(crate) fn readable<'a, T>(
    rows: &'a [Row],
    decode: impl Fn(&Row) -> Result<T, sqlx::Error> + 'a,
) -> impl Iterator<Item = T> + 'a {
    rows.iter().filter_map(move |row| {
        decode(row).inspect_err(|error| tracing::debug!(%error, "a row is damaged")).ok()
    })
}

/// The bytes as the signed integer that SQL has.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
