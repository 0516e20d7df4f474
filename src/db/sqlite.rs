//! `SQLite`: opening its file.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection};

use super::error::check_version;
use super::sql::Pool;
use super::{Db, DbError, Look, Versions, Writer, migrations};

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

/// How large a file may be that is looked through, in bytes: a larger one takes long.
const LOOKED_THROUGH: u64 = 64 << 20;

/// Looks at the file without changing anything; nothing where there is none.
pub(super) async fn look(folder: &Path) -> Result<Option<Look>, DbError> {
    let path = folder.join(FILE);
    let failed = |source| DbError::Open { place: path.display().to_string(), source };
    let length = match std::fs::metadata(&path) {
        Ok(file) => file.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(sqlx::Error::Io(error))),
    };
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .read_only(true)
        .busy_timeout(LOCK_WAIT)
        .disable_statement_logging();
    let mut connection = SqliteConnection::connect_with(&options).await.map_err(failed)?;
    // Reads the file, which connecting does not.
    sqlx::query("select count(*) from sqlite_schema")
        .fetch_one(&mut connection)
        .await
        .map_err(failed)?;
    let version = applied(&mut connection).await;
    let keys = sqlx::query_scalar("select count(*) from api_key").fetch_one(&mut connection).await;
    let damage = if length <= LOOKED_THROUGH {
        let said: String = sqlx::query_scalar("pragma quick_check(1)")
            .fetch_one(&mut connection)
            .await
            .map_err(failed)?;
        (said != "ok").then_some(said)
    } else {
        None
    };
    connection.close().await.ok();
    let known = migrations::newest(&migrations::SQLITE);
    Ok(Some(Look { version, known, keys: keys.ok(), is_in_use: false, clock_ms: None, damage }))
}

async fn migrate(
    connection: &mut SqliteConnection,
    path: &Path,
    may_migrate: bool,
) -> Result<Versions, DbError> {
    let from = applied(connection).await;
    let known = migrations::newest(&migrations::SQLITE);
    if check_version(|| path.display().to_string(), from, known, may_migrate)? {
        migrations::SQLITE.run_direct(None, connection, false).await.map_err(DbError::Migrate)?;
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
