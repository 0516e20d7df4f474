//! The one connection that writes.

use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::DbError;
use super::life::{Life, Mark, taken_over};
use super::postgres::{self, Hold};
use super::sql::{self, Conn, Dialect, Transaction, in_time};
use crate::event::EventId;

/// The one connection that writes.
pub struct Writer {
    to: To,
    /// On whose behalf: on a new connection it must still be alive.
    life: Life,
}

/// Shows no address, which has a password.
impl std::fmt::Debug for Writer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Writer").field("life", &self.life).finish_non_exhaustive()
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
        link: Option<Link>,
        options: Box<PgConnectOptions>,
        /// How much of the database is ours.
        hold: Hold,
    },
}

/// A connection, with what goes when it goes.
struct Link {
    connection: PgConnection,
    /// Whether it has the lock of the keeper.
    keeps: bool,
}

impl Writer {
    pub(super) fn of_sqlite(connection: SqliteConnection, options: SqliteConnectOptions) -> Self {
        let options = Box::new(options);
        Self { to: To::Sqlite { connection, options }, life: Life::Nobody }
    }

    pub(super) fn of_postgres(
        connection: PgConnection,
        options: PgConnectOptions,
        hold: Hold,
    ) -> Self {
        let (link, options) = (Some(Link { connection, keeps: false }), Box::new(options));
        Self { to: To::Postgres { link, options, hold }, life: Life::Nobody }
    }

    /// Writes on behalf of this life from here on.
    pub(super) fn is_of(&mut self, life: Life) {
        self.life = life;
    }

    /// Notes the newest id that is about to be written.
    pub(crate) fn reaches(&mut self, last: Option<EventId>) {
        if let Life::Epoch { newest, .. } = &mut self.life {
            *newest = (*newest).max(last.map_or(0, EventId::epoch));
        }
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
    /// A keeper's transaction is on the connection that makes it the keeper: when that broke, this fails
    /// once, and is over another one afterwards, which keeps nothing.
    ///
    /// # Errors
    /// When the database is locked, full or gone, or not ours any more.
    pub async fn begin(&mut self) -> Result<Transaction<'_>, sqlx::Error> {
        match &mut self.to {
            To::Sqlite { connection, options } => {
                if is_stuck(connection).await {
                    let fresh = SqliteConnection::connect_with(options).await?;
                    drop(std::mem::replace(connection, fresh).close().await);
                }
                Ok(Transaction::Sqlite(connection.begin_with("begin immediate").await?))
            }
            To::Postgres { link, options, hold } => {
                let live = live(link.take(), options, *hold, self.life).await?;
                Ok(Transaction::Postgres(in_time(link.insert(live).connection.begin()).await?))
            }
        }
    }

    /// Lets go of a connection over a network, in whatever state it is: one that works answers a ping, and
    /// may all the same have statements that never will again.
    pub(crate) fn lose(&mut self) {
        if let To::Postgres { link, .. } = &mut self.to {
            *link = None;
        }
    }

    /// Becomes the keeper of the cluster, which writes its events, unless another node is: for as long as
    /// this connection lives.
    ///
    /// # Errors
    /// When the database is gone, or not ours any more.
    pub async fn try_keep(&mut self) -> Result<bool, DbError> {
        // So that the connection is there, and is the one that is asked about.
        self.begin().await?.rollback().await?;
        let To::Postgres { link: Some(link), .. } = &mut self.to else { return Ok(false) };
        if link.keeps {
            return Ok(true);
        }
        let kept = in_time(postgres::try_keep(&mut link.connection)).await;
        link.keeps = matches!(kept, Ok(true));
        if matches!(kept, Ok(false)) {
            in_time(postgres::end_dead_keeper(&mut link.connection)).await?;
        }
        if kept.is_err() {
            // It may have become the keeper and not have heard of it: nobody else could.
            self.lose();
        }
        Ok(kept?)
    }

    /// Whether it is the keeper of the cluster. A transaction that was begun while it was is the keeper's,
    /// or is not begun.
    #[must_use]
    pub fn keeps(&self) -> bool {
        matches!(&self.to, To::Postgres { link: Some(link), .. } if link.keeps)
    }

    /// What a transaction says in passing, so that it can be told later whether it was committed.
    pub(crate) fn mark(&self, number: u64) -> Mark {
        // What SQLite does not say that it has done, it has not done.
        let life = match self.dialect() {
            Dialect::Sqlite => Life::Nobody,
            Dialect::Postgres => self.life,
        };
        life.mark(number)
    }

    /// Whether the transaction with this mark was committed, which is the newest that was tried.
    ///
    /// # Errors
    /// When the database is gone.
    pub(crate) async fn has_committed(&mut self, mark: Mark) -> Result<bool, sqlx::Error> {
        if !mark.tells() {
            return Ok(false);
        }
        let mut tx = self.begin().await?;
        let is_newest = mark.is_newest(&mut tx.conn()).await?;
        tx.rollback().await?;
        Ok(is_newest)
    }

    /// The connection, outside of any transaction.
    pub(super) fn conn(&mut self) -> Option<Conn<'_>> {
        match &mut self.to {
            To::Sqlite { connection, .. } => Some(Conn::Sqlite(connection)),
            To::Postgres { link, .. } => {
                link.as_mut().map(|link| Conn::Postgres(&mut link.connection))
            }
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
            To::Postgres { link: Some(link), .. } => link.connection.close().await,
            To::Postgres { link: None, .. } => Ok(()),
        };
        if let Err(error) = closed {
            tracing::debug!(%error, "the database did not close in order");
        }
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
    link: Option<Link>,
    options: &PgConnectOptions,
    hold: Hold,
    life: Life,
) -> Result<Link, sqlx::Error> {
    let keeps = link.as_ref().is_some_and(|link| link.keeps);
    if let Some(mut link) = link
        && in_time(link.connection.ping()).await.is_ok()
    {
        return Ok(link);
    }
    if keeps {
        return Err(taken_over("the connection is lost over which this node kept the events"));
    }
    in_time(connect(options, hold, life)).await
}

/// A new connection to a database that is still ours.
async fn connect(options: &PgConnectOptions, hold: Hold, life: Life) -> Result<Link, sqlx::Error> {
    let mut connection = PgConnection::connect_with(options).await?;
    if !postgres::lock(&mut connection, hold).await? {
        return Err(taken_over("another server has it, or it has not noticed yet that we lost it"));
    }
    life.check(&mut connection).await?;
    Ok(Link { connection, keeps: false })
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
