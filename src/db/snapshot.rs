//! A copy of the whole database, made while a server writes to it, for another server to begin with.
//!
//! All of it works on databases of earlier versions too: before an upgrade is when people make backups.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

use crate::event::{EventId, now_ms};

use super::error::check_version;
use super::{DbError, FILE, migrations, unsigned};

/// How long a statement waits for a lock: making a copy wants one only while a server opens the database.
const LOCK_WAIT: Duration = Duration::from_secs(30);

/// What a copy has.
#[derive(Clone, Debug)]
pub struct Contents {
    /// The newest migration that was applied.
    pub schema: i64,
    /// The newest committed event.
    pub head: EventId,
    /// How many jobs there are.
    pub jobs: u64,
    /// The files that its rows name, each place once, by their places.
    pub files: Vec<FileRow>,
}

/// What a row says of a file that is stored.
#[derive(Clone, Debug)]
pub struct FileRow {
    /// Its place in artifact storage.
    pub path: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// SHA-256 of its bytes in lower-case hex; other programs write rows without it.
    pub sha256: Option<String>,
}

/// The newest migration that this program knows.
#[must_use]
pub fn known_schema() -> i64 {
    migrations::newest(&migrations::SQLITE)
}

/// Writes a copy of the database in `folder` into the new file `to`, as it is at one moment. A server
/// that has it goes on reading and writing meanwhile; only its write-ahead log stays as long as that.
///
/// # Errors
/// When there is no database, it cannot be read, `to` cannot be written, or it is newer than this program.
pub async fn copy(folder: &Path, to: &Path) -> Result<(), DbError> {
    let file = folder.join(FILE);
    let mut connection = read_only(&file).await?;
    schema(&mut connection, &file).await?;
    sqlx::query("vacuum into ?").bind(to.display().to_string()).execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// What the database in this file has.
///
/// # Errors
/// When it cannot be read, or is newer than this program.
pub async fn contents(file: &Path) -> Result<Contents, DbError> {
    let mut connection = read_only(file).await?;
    let schema = schema(&mut connection, file).await?;
    let head = "select coalesce(max(last_id), 0) from epoch";
    let head: i64 = sqlx::query_scalar(head).fetch_one(&mut connection).await?;
    let jobs = "select count(*) from job";
    let jobs: i64 = sqlx::query_scalar(jobs).fetch_one(&mut connection).await?;
    let files = files(&mut connection).await?;
    connection.close().await?;
    Ok(Contents { schema, head: EventId::from_i64(head), jobs: unsigned(jobs), files })
}

async fn files(connection: &mut SqliteConnection) -> Result<Vec<FileRow>, sqlx::Error> {
    // Tables came one after the other; what there was before had no such files.
    let uploads = "select count(*) from sqlite_schema where type = 'table' and name = 'upload'";
    let uploads: i64 = sqlx::query_scalar(uploads).fetch_one(&mut *connection).await?;
    let made =
        "select path, bytes, sha256 from artifact where path is not null and status = 'ready'";
    let both = "select path, max(bytes), max(sha256) from ( \
             select path, bytes, sha256 from artifact where path is not null and status = 'ready' \
             union all select path, bytes, sha256 from upload \
         ) group by path order by path";
    let sql = if uploads > 0 { both } else { made };
    let rows: Vec<(String, i64, Option<String>)> =
        sqlx::query_as(sql).fetch_all(connection).await?;
    let row = |(path, bytes, sha256)| FileRow { path, bytes: unsigned(bytes), sha256 };
    Ok(rows.into_iter().map(row).collect())
}

/// Notes in this file, which nobody else has, that so many epochs were used up that it knows nothing of:
/// the server that it is a copy of went on, and gave out ids.
///
/// # Errors
/// When it cannot be written to, or there are not as many epochs left.
pub async fn skip_epochs(file: &Path, count: u32) -> Result<(), DbError> {
    let mut connection = open(file, false).await?;
    let newest = "select coalesce(max(max(epoch, last_id >> 32)), 0) from epoch";
    let newest: i64 = sqlx::query_scalar(newest).fetch_one(&mut connection).await?;
    let last = unsigned::<u32>(newest).saturating_add(count);
    let id = EventId::new(last, 0)
        .ok_or_else(|| sqlx::Error::Protocol("the database has no epochs left to skip".into()))?;
    sqlx::query("insert into epoch (epoch, started_at, last_id) values (?, ?, ?)")
        .bind(i64::from(last))
        .bind(now_ms())
        .bind(id.to_i64())
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(())
}

/// The newest migration of a database that this program can read.
async fn schema(connection: &mut SqliteConnection, file: &Path) -> Result<i64, DbError> {
    let version = "select max(version) from _sqlx_migrations where success";
    let version: Option<i64> = sqlx::query_scalar(version).fetch_one(connection).await?;
    let version = version.unwrap_or(0);
    check_version(|| file.display().to_string(), version, known_schema(), true)?;
    Ok(version)
}

async fn read_only(file: &Path) -> Result<SqliteConnection, DbError> {
    open(file, true).await
}

async fn open(file: &Path, read_only: bool) -> Result<SqliteConnection, DbError> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .read_only(read_only)
        .busy_timeout(LOCK_WAIT)
        .log_slow_statements("off".parse().expect("a level"), Duration::MAX);
    let failed = |source| DbError::Open { place: file.display().to_string(), source };
    options.connect().await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::open as open_database;

    #[tokio::test]
    async fn a_copy_is_made_beside_a_writer_and_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (db, mut writer, versions) = open_database(folder.path()).await.unwrap();
        let epochs = writer.begin_epoch(1).await.unwrap();
        // A transaction is open: what it writes is in no copy.
        let _open = writer.begin().await.unwrap();
        let to = folder.path().join("copy.db");
        copy(folder.path(), &to).await.unwrap();
        let contents = contents(&to).await.unwrap();
        assert_eq!(contents.schema, versions.to);
        assert_eq!(contents.head, EventId::new(epochs.current(), 0).unwrap());
        assert_eq!((contents.jobs, contents.files.len()), (0, 0));
        db.close().await;
    }

    #[tokio::test]
    async fn epochs_that_are_skipped_are_not_begun_again() {
        let folder = tempfile::tempdir().unwrap();
        let (db, mut writer, _) = open_database(folder.path()).await.unwrap();
        let before = writer.begin_epoch(1).await.unwrap();
        db.close().await;
        writer.close().await;
        skip_epochs(&folder.path().join(FILE), 1_000).await.unwrap();
        let (_db, mut writer, _) = open_database(folder.path()).await.unwrap();
        let after = writer.begin_epoch(1).await.unwrap();
        assert_eq!(after.current(), before.current() + 1_001);
        assert_eq!(after.last_of(before.current() + 1), None, "one that is skipped is unknown");
        assert!(after.last_committed().epoch() > before.current());
    }

    #[tokio::test]
    async fn a_folder_without_a_database_is_left_without_one() {
        let folder = tempfile::tempdir().unwrap();
        let failed = copy(folder.path(), &folder.path().join("copy.db")).await.unwrap_err();
        assert!(matches!(failed, DbError::Open { .. }), "{failed}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
