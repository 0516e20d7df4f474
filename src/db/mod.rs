//! The database: what survives the process.
//!
//! One connection writes ([`Writer`]) and belongs to the journal; a pool reads ([`Db`]). Each
//! statement stands in one function, each change that must be atomic is one [`Change`].

pub mod artifacts;
pub mod changes;
pub mod chats;
pub mod claims;
pub mod credits;
pub mod ends;
pub mod epochs;
pub mod jobs;
pub mod keys;
mod listed;
pub mod operations;
pub mod projects;
#[cfg(test)]
mod rig;
pub mod segments;
pub mod uploads;
pub mod watched;
pub mod webhooks;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteRow, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Row};

pub use changes::Change;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// The database's file in the data folder.
pub const FILE: &str = "tailwater.db";

/// How long a statement waits for a lock that another process holds.
const LOCK_WAIT: Duration = Duration::from_secs(1);

/// Why the database could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The file could not be opened.
    #[error("cannot open the database {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the database said.
        source: sqlx::Error,
    },
    /// The file was written by a later version of this program.
    #[error(
        "the database {} is from a newer version of tailwater (it has migration {version}, this \
         version knows up to {known}): run that version, or restore a backup", path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The newest migration that is applied to it.
        version: i64,
        /// The newest migration that this program knows.
        known: i64,
    },
    /// The file is of an older version, which a server of that version uses now.
    #[error(
        "the database {} is used by a server of another version (it has migration {version}, this \
         version {known}): use that version's program", path.display()
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// The newest migration that is applied to it.
        version: i64,
        /// The newest migration that this program knows.
        known: i64,
    },
    /// A migration failed; the file is as it was before that migration.
    #[error("cannot bring the database up to date: {0}")]
    Migrate(MigrateError),
    /// A statement failed.
    #[error("the database failed: {0}")]
    Statement(#[from] sqlx::Error),
}

/// A handle for reading; cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    pool: SqlitePool,
}

/// The one connection that writes.
#[derive(Debug)]
pub struct Writer {
    connection: SqliteConnection,
    /// How it is opened again, see [`Writer::begin`].
    options: SqliteConnectOptions,
}

/// Which migrations were applied, before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The newest before; 0 for a new database.
    pub from: i64,
    /// The newest now.
    pub to: i64,
}

/// Opens the database in this folder, applies what is missing of the migrations, and gives the two
/// handles.
///
/// # Errors
/// [`DbError`] when the file cannot be opened, is newer than this program, or cannot be migrated.
pub async fn open(folder: &Path) -> Result<(Db, Writer, Versions), DbError> {
    open_with(folder, true).await
}

/// The same beside a server that has the folder, whose database is not ours to migrate.
///
/// # Errors
/// As for [`open`], and [`DbError::Older`].
pub async fn open_beside(folder: &Path) -> Result<(Db, Writer), DbError> {
    let (db, writer, _) = open_with(folder, false).await?;
    Ok((db, writer))
}

async fn open_with(folder: &Path, may_migrate: bool) -> Result<(Db, Writer, Versions), DbError> {
    let path = folder.join(FILE);
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .pragma("journal_size_limit", "67108864")
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(LOCK_WAIT)
        .statement_cache_capacity(128)
        // Each statement shows with `--log sqlx::query=debug`. That one is slow is no news while
        // another process holds the lock.
        .log_slow_statements("off".parse().expect("a level"), Duration::MAX);
    let failed = |source| DbError::Open { path: path.clone(), source };
    let mut connection = SqliteConnection::connect_with(&options).await.map_err(failed)?;
    let versions = migrate(&mut connection, &path, may_migrate).await?;
    let pool = SqlitePoolOptions::new()
        .max_connections(4)
        .min_connections(0)
        // A file does not go away between two queries, and a look at it would double a short one.
        .test_before_acquire(false)
        .acquire_timeout(Duration::from_secs(10))
        .connect_lazy_with(options.clone().create_if_missing(false).read_only(true));
    let writer = Writer { connection, options: options.create_if_missing(false) };
    Ok((Db { pool }, writer, versions))
}

async fn migrate(
    connection: &mut SqliteConnection,
    path: &Path,
    may_migrate: bool,
) -> Result<Versions, DbError> {
    let from = applied(connection).await;
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    if from > known {
        return Err(DbError::Newer { path: path.into(), version: from, known });
    }
    if from < known && !may_migrate {
        return Err(DbError::Older { path: path.into(), version: from, known });
    }
    if from < known {
        MIGRATIONS.run_direct(None, connection, false).await.map_err(DbError::Migrate)?;
    }
    Ok(Versions { from, to: known })
}

/// The newest applied migration; 0 when there is none, or no table of them yet.
async fn applied(connection: &mut SqliteConnection) -> i64 {
    sqlx::query_scalar("select coalesce(max(version), 0) from _sqlx_migrations where success")
        .fetch_one(connection)
        .await
        .unwrap_or(0)
}

impl Db {
    /// Asks the database for nothing, to see that it answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), DbError> {
        sqlx::query("select 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Closes every reader; waits for those that are at work.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

impl Writer {
    /// Starts a transaction that holds the write lock from the beginning, so that it cannot fail
    /// half-way for another process's sake.
    ///
    /// When a disk is full or fails, the database rolls a transaction back by itself
    /// (<https://www.sqlite.org/lang_transaction.html>, section 3), and the connection goes on
    /// counting one that can never be ended. It is then opened again.
    ///
    /// # Errors
    /// When the database is locked, full or gone.
    pub async fn begin(&mut self) -> Result<sqlx::Transaction<'_, sqlx::Sqlite>, sqlx::Error> {
        if self.is_stuck().await {
            let fresh = SqliteConnection::connect_with(&self.options).await?;
            let stuck = std::mem::replace(&mut self.connection, fresh);
            drop(stuck.close().await);
        }
        self.connection.begin_with("begin immediate").await
    }

    /// Whether a transaction that is over still counts as open. One that was merely dropped is
    /// rolled back before the ping is answered.
    async fn is_stuck(&mut self) -> bool {
        self.connection.is_in_transaction()
            && (self.connection.ping().await.is_err() || self.connection.is_in_transaction())
    }

    /// Folds the write-ahead log into the database file, best effort: the last thing at a stop.
    pub async fn close(mut self) {
        if let Err(error) =
            sqlx::query("pragma wal_checkpoint(truncate)").execute(&mut self.connection).await
        {
            tracing::debug!(%error, "no checkpoint at the end");
        }
        if let Err(error) = self.connection.close().await {
            tracing::debug!(%error, "the database did not close in order");
        }
    }
}

/// A stored whole number that was never negative when it was written; a damaged one reads as 0.
pub(crate) fn unsigned<T: TryFrom<i64> + Default>(number: i64) -> T {
    T::try_from(number).unwrap_or_default()
}

/// The rows that can be read. Other programs write rows too, and one that cannot be read hides no other.
pub(crate) fn readable<'a, T>(
    rows: &'a [SqliteRow],
    decode: impl Fn(&SqliteRow) -> Result<T, sqlx::Error> + 'a,
) -> impl Iterator<Item = T> + 'a {
    rows.iter().filter_map(move |row| {
        decode(row).inspect_err(|error| tracing::debug!(%error, "a row is damaged")).ok()
    })
}

/// A whole number that other programs write too: of a fraction its whole part, and 0 of what is no
/// number. A column of whole numbers keeps a fraction that it is given (type affinity,
/// <https://www.sqlite.org/datatype3.html>, section 3), and one must not make its row unreadable.
pub(crate) fn whole(row: &SqliteRow, name: &str) -> Result<Option<i64>, sqlx::Error> {
    row.try_get_unchecked(name)
}

/// The bytes as the signed integer that SQL has.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn fill(writer: &mut Writer) -> Result<(), sqlx::Error> {
        let mut tx = writer.begin().await?;
        sqlx::query("pragma max_page_count = 1").execute(&mut *tx).await?;
        let mut savepoint = tx.begin().await?;
        sqlx::query(
            "insert into epoch (epoch, started_at, last_id) values (1, zeroblob(100000), 0)",
        )
        .execute(&mut *savepoint)
        .await?;
        savepoint.commit().await?;
        tx.commit().await
    }

    #[tokio::test]
    async fn a_disk_that_was_full_is_written_to_again() {
        let folder = tempfile::tempdir().unwrap();
        let (_, mut writer, _) = open(folder.path()).await.unwrap();
        let full = fill(&mut writer).await.unwrap_err();
        assert_eq!(full.as_database_error().unwrap().code().unwrap(), "13");
        writer.begin_epoch(0).await.unwrap();
    }
}
