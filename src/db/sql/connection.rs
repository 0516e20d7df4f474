//! The databases that statements are run by.

use std::future::Future;
use std::io;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{Connection, Postgres, Sqlite};

/// How long a database beyond a network may say nothing before the connection counts as lost.
const PATIENCE: Duration = Duration::from_secs(15);

/// What is asked of a database beyond a network, given up when no answer comes.
pub(in crate::db) async fn in_time<T>(
    asked: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let silent = || io::Error::new(io::ErrorKind::TimedOut, "the database says nothing");
    let answer = tokio::time::timeout(PATIENCE, asked).await;
    answer.unwrap_or_else(|_| Err(sqlx::Error::Io(silent())))
}

/// Which of the two databases it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `SQLite`, in a file.
    Sqlite,
    /// Postgres, by the network.
    Postgres,
}

/// A connection that is borrowed, often one in a transaction.
#[derive(Debug)]
pub enum Conn<'c> {
    /// To `SQLite`.
    Sqlite(&'c mut SqliteConnection),
    /// To Postgres.
    Postgres(&'c mut PgConnection),
}

impl Conn<'_> {
    /// Which database it is.
    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// The same connection, for a while.
    fn again(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(connection) => Conn::Sqlite(connection),
            Self::Postgres(connection) => Conn::Postgres(connection),
        }
    }

    /// Begins a transaction, or within one a savepoint.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn begin(&mut self) -> Result<Transaction<'_>, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(connection) => Transaction::Sqlite(connection.begin().await?),
            Self::Postgres(connection) => Transaction::Postgres(in_time(connection.begin()).await?),
        })
    }
}

/// A transaction, or a savepoint within one. Dropped, it is rolled back.
#[derive(Debug)]
pub enum Transaction<'c> {
    /// Of `SQLite`.
    Sqlite(sqlx::Transaction<'c, Sqlite>),
    /// Of Postgres.
    Postgres(sqlx::Transaction<'c, Postgres>),
}

impl Transaction<'_> {
    /// Its connection.
    pub fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(tx) => Conn::Sqlite(tx),
            Self::Postgres(tx) => Conn::Postgres(tx),
        }
    }

    /// Commits it.
    ///
    /// # Errors
    /// When the database does not; then nothing of it happened, unless the connection was lost.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(tx) => tx.commit().await,
            Self::Postgres(tx) => in_time(tx.commit()).await,
        }
    }

    /// Takes it back.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn rollback(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(tx) => tx.rollback().await,
            Self::Postgres(tx) => in_time(tx.rollback()).await,
        }
    }
}

/// Connections for reading; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Pool {
    /// To `SQLite`.
    Sqlite(SqlitePool),
    /// To Postgres.
    Postgres(PgPool),
}

impl Pool {
    /// Which database it is.
    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Begins a transaction in which everything is seen as it is at one moment.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn snapshot(&self) -> Result<Transaction<'static>, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(pool) => Transaction::Sqlite(pool.begin().await?),
            Self::Postgres(pool) => {
                let begin = "begin isolation level repeatable read, read only";
                Transaction::Postgres(in_time(pool.begin_with(begin)).await?)
            }
        })
    }

    /// Closes every connection; waits for those that are at work.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// What runs a statement.
#[derive(Debug)]
pub(crate) enum On<'c> {
    /// A connection of the caller's.
    Conn(Conn<'c>),
    /// Any connection of a pool.
    Pool(&'c Pool),
}

impl<'c> From<&'c mut Conn<'_>> for On<'c> {
    fn from(conn: &'c mut Conn<'_>) -> Self {
        Self::Conn(conn.again())
    }
}

impl<'c> From<&'c Pool> for On<'c> {
    fn from(pool: &'c Pool) -> Self {
        Self::Pool(pool)
    }
}

impl<'c> On<'c> {
    /// The connection to run it on.
    pub(super) async fn take(self) -> Result<Held<'c>, sqlx::Error> {
        Ok(match self {
            Self::Conn(conn) => Held::Borrowed(conn),
            Self::Pool(Pool::Sqlite(pool)) => Held::Sqlite(pool.acquire().await?),
            Self::Pool(Pool::Postgres(pool)) => Held::Postgres(pool.acquire().await?),
        })
    }
}

/// A connection for one statement.
#[derive(Debug)]
pub(super) enum Held<'c> {
    /// The caller's.
    Borrowed(Conn<'c>),
    /// One of a pool.
    Sqlite(PoolConnection<Sqlite>),
    /// One of a pool.
    Postgres(PoolConnection<Postgres>),
}

impl Held<'_> {
    pub(super) fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Borrowed(conn) => conn.again(),
            Self::Sqlite(connection) => Conn::Sqlite(connection),
            Self::Postgres(connection) => Conn::Postgres(connection),
        }
    }
}
