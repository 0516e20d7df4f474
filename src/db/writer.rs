//! The one connection that writes.

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Postgres};

use super::sql::{self, Conn, Dialect, Transaction, in_time};
use super::{postgres, signed};
use crate::event::EventId;

/// The one connection that writes.
pub struct Writer {
    to: To,
    /// The epoch that this server began, if it did.
    epoch: Option<u32>,
    /// The newest of which it has given out ids: an epoch of very many runs on into the next one's.
    newest: u32,
}

/// Shows no address, which has a password.
impl std::fmt::Debug for Writer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Writer").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

enum To {
    Sqlite {
        connection: SqliteConnection,
        /// How it is opened again, see [`Writer::begin`].
        options: Box<SqliteConnectOptions>,
    },
    Postgres {
        /// Nothing after it was lost.
        connection: Option<PgConnection>,
        options: Box<PgConnectOptions>,
        /// Whether the database is ours alone.
        is_alone: bool,
    },
}

impl Writer {
    pub(super) fn of_sqlite(connection: SqliteConnection, options: SqliteConnectOptions) -> Self {
        let options = Box::new(options);
        Self { to: To::Sqlite { connection, options }, epoch: None, newest: 0 }
    }

    pub(super) fn of_postgres(
        connection: PgConnection,
        options: PgConnectOptions,
        is_alone: bool,
    ) -> Self {
        let (connection, options) = (Some(connection), Box::new(options));
        Self { to: To::Postgres { connection, options, is_alone }, epoch: None, newest: 0 }
    }

    /// Remembers the epoch of this server: on a new connection it must still be the newest.
    pub(super) fn is_of_epoch(&mut self, epoch: u32) {
        (self.epoch, self.newest) = (Some(epoch), epoch);
    }

    /// Notes the newest id that is about to be written.
    pub(crate) fn reaches(&mut self, last: Option<EventId>) {
        self.newest = self.newest.max(last.map_or(0, EventId::epoch));
    }

    pub(super) fn dialect(&self) -> Dialect {
        match self.to {
            To::Sqlite { .. } => Dialect::Sqlite,
            To::Postgres { .. } => Dialect::Postgres,
        }
    }

    /// Starts a transaction. `SQLite`'s holds the write lock from the beginning, so that it cannot
    /// fail half-way for another process's sake.
    ///
    /// When a disk is full or fails, `SQLite` rolls a transaction back by itself
    /// (<https://www.sqlite.org/lang_transaction.html>, section 3), and the connection goes on
    /// counting one that can never be ended. It is then opened again, as one to Postgres is that broke.
    ///
    /// # Errors
    /// When the database is locked, full or gone.
    pub async fn begin(&mut self) -> Result<Transaction<'_>, sqlx::Error> {
        match &mut self.to {
            To::Sqlite { connection, options } => {
                if is_stuck(connection).await {
                    let fresh = SqliteConnection::connect_with(options).await?;
                    drop(std::mem::replace(connection, fresh).close().await);
                }
                Ok(Transaction::Sqlite(connection.begin_with("begin immediate").await?))
            }
            To::Postgres { connection, options, is_alone } => {
                let before = connection.take();
                let epoch = self.epoch.map(|_| self.newest);
                let live = live(before, options, *is_alone, epoch).await?;
                Ok(Transaction::Postgres(in_time(connection.insert(live).begin()).await?))
            }
        }
    }

    /// Lets go of a connection over a network, in whatever state it is: one that works answers a ping, and
    /// may all the same have statements that never will again.
    pub(crate) fn lose(&mut self) {
        if let To::Postgres { connection, .. } = &mut self.to {
            *connection = None;
        }
    }

    /// What a transaction says in passing, so that it can be told later whether it was committed.
    pub(crate) fn mark(&self, number: u64) -> Mark {
        // What SQLite does not say that it has done, it has not done.
        let epoch = self.epoch.filter(|_| self.dialect() == Dialect::Postgres);
        Mark { epoch, number: signed(number) }
    }

    /// Whether the transaction with this mark was committed, which is the newest that was tried.
    ///
    /// # Errors
    /// When the database is gone.
    pub(crate) async fn has_committed(&mut self, number: u64) -> Result<bool, sqlx::Error> {
        let mark = self.mark(number);
        let Some(epoch) = mark.epoch else { return Ok(false) };
        let mut tx = self.begin().await?;
        let newest: Option<i64> =
            sql::query_scalar("select newest_commit from epoch where epoch = ?")
                .bind(epoch)
                .fetch_optional(&mut tx.conn())
                .await?;
        tx.rollback().await?;
        Ok(newest == Some(mark.number))
    }

    /// The connection, outside of any transaction.
    pub(super) fn conn(&mut self) -> Option<Conn<'_>> {
        match &mut self.to {
            To::Sqlite { connection, .. } => Some(Conn::Sqlite(connection)),
            To::Postgres { connection, .. } => connection.as_mut().map(Conn::Postgres),
        }
    }

    /// Folds `SQLite`'s write-ahead log into its file, best effort: the last thing at a stop.
    pub async fn close(mut self) {
        if self.dialect() == Dialect::Sqlite
            && let Some(mut conn) = self.conn()
            && let Err(error) =
                sql::query("pragma wal_checkpoint(truncate)").execute(&mut conn).await
        {
            tracing::debug!(%error, "no checkpoint at the end");
        }
        let closed = match self.to {
            To::Sqlite { connection, .. } => connection.close().await,
            To::Postgres { connection: Some(connection), .. } => connection.close().await,
            To::Postgres { connection: None, .. } => Ok(()),
        };
        if let Err(error) = closed {
            tracing::debug!(%error, "the database did not close in order");
        }
    }
}

/// See [`Writer::mark`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    epoch: Option<u32>,
    number: i64,
}

impl Mark {
    /// Whether it is left, so that a commit of which nothing was heard can be looked for.
    pub(crate) const fn tells(self) -> bool {
        self.epoch.is_some()
    }

    /// Leaves it.
    ///
    /// # Errors
    /// When the database is gone.
    pub(crate) async fn write(self, tx: &mut Conn<'_>) -> Result<(), sqlx::Error> {
        let Some(epoch) = self.epoch else { return Ok(()) };
        let mark = sql::query("update epoch set newest_commit = ? where epoch = ?");
        mark.bind(self.number).bind(epoch).execute(tx).await.map(drop)
    }
}

/// Whether a transaction that is over still counts as open. One that was merely dropped is rolled
/// back before the ping is answered.
async fn is_stuck(connection: &mut SqliteConnection) -> bool {
    connection.is_in_transaction()
        && (connection.ping().await.is_err() || connection.is_in_transaction())
}

/// This connection if it works, else a new one.
async fn live(
    connection: Option<PgConnection>,
    options: &PgConnectOptions,
    is_alone: bool,
    epoch: Option<u32>,
) -> Result<PgConnection, sqlx::Error> {
    if let Some(mut connection) = connection
        && in_time(connection.ping()).await.is_ok()
    {
        return Ok(connection);
    }
    in_time(connect(options, is_alone, epoch)).await
}

/// A new connection to a database that is still ours.
async fn connect(
    options: &PgConnectOptions,
    is_alone: bool,
    epoch: Option<u32>,
) -> Result<PgConnection, sqlx::Error> {
    let mut fresh = PgConnection::connect_with(options).await?;
    if is_alone && !postgres::lock(&mut fresh).await? {
        return Err(taken_over("another server has it, or it has not noticed yet that we lost it"));
    }
    if let Some(epoch) = epoch {
        let newest: Option<i64> = sqlx::query_scalar::<Postgres, _>("select max(epoch) from epoch")
            .fetch_one(&mut fresh)
            .await?;
        if newest.is_none_or(|newest| newest > i64::from(epoch)) {
            return Err(taken_over("another server has begun a new epoch in it"));
        }
    }
    Ok(fresh)
}

fn taken_over(why: &str) -> sqlx::Error {
    sqlx::Error::Protocol(format!("the database is not ours any more: {why}"))
}

#[cfg(test)]
mod tests {
    use super::super::open;
    use super::*;

    async fn fill(writer: &mut Writer) -> Result<(), sqlx::Error> {
        let mut tx = writer.begin().await?;
        sql::query("pragma max_page_count = 1").execute(&mut tx.conn()).await?;
        let mut conn = tx.conn();
        let mut savepoint = conn.begin().await?;
        sql::query(
            "insert into epoch (epoch, started_at, last_id) values (1, zeroblob(100000), 0)",
        )
        .execute(&mut savepoint.conn())
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
        // What did not happen there is known at once: nobody waits to be told so.
        assert!(!writer.mark(1).tells());
    }
}
