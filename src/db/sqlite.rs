//! `SQLite`: opening its file.

use std::path::Path;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection};

use super::error::check_version;
use super::sql::Pool;
use super::{Db, DbError, Versions, Writer};

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// The database's file in the data folder.
pub const FILE: &str = "tailwater.db";

/// How long a statement waits for a lock that another process holds.
const LOCK_WAIT: Duration = Duration::from_secs(1);

pub(super) async fn open(
    folder: &Path,
    may_migrate: bool,
) -> Result<(Db, Writer, Versions), DbError> {
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
    let failed = |source| DbError::Open { place: path.display().to_string(), source };
    let mut connection = SqliteConnection::connect_with(&options).await.map_err(failed)?;
    let versions = migrate(&mut connection, &path, may_migrate).await?;
    let pool = SqlitePoolOptions::new()
        .max_connections(4)
        .min_connections(0)
        // A file does not go away between two queries, and a look at it would double a short one.
        .test_before_acquire(false)
        .acquire_timeout(Duration::from_secs(10))
        .connect_lazy_with(options.clone().create_if_missing(false).read_only(true));
    let writer = Writer::of_sqlite(connection, options.create_if_missing(false));
    Ok((Db { pool: Pool::Sqlite(pool) }, writer, versions))
}

async fn migrate(
    connection: &mut SqliteConnection,
    path: &Path,
    may_migrate: bool,
) -> Result<Versions, DbError> {
    let from = applied(connection).await;
    let known = newest(&MIGRATIONS);
    if check_version(|| path.display().to_string(), from, known, may_migrate)? {
        MIGRATIONS.run_direct(None, connection, false).await.map_err(DbError::Migrate)?;
    }
    Ok(Versions { from, to: known })
}

/// The newest of these migrations.
pub(super) fn newest(migrations: &Migrator) -> i64 {
    migrations.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// The newest applied migration; 0 when there is none, or no table of them yet.
async fn applied(connection: &mut SqliteConnection) -> i64 {
    sqlx::query_scalar("select coalesce(max(version), 0) from _sqlx_migrations where success")
        .fetch_one(connection)
        .await
        .unwrap_or(0)
}
