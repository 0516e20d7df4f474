//! The lives of the event log.

use std::collections::BTreeMap;

use crate::event::EventId;

use super::life::Life;
use super::sql::{self, Conn, Dialect};
use super::{Db, DbError, Writer, nodes, unsigned};

/// Every epoch with the last id that it committed; the current one has no last id yet.
#[derive(Clone, Debug)]
pub struct Epochs {
    current: u32,
    /// The newest id that was committed before this epoch.
    last_committed: EventId,
    past: BTreeMap<u32, EventId>,
}

impl Epochs {
    /// The epoch of this process.
    #[must_use]
    pub const fn current(&self) -> u32 {
        self.current
    }

    /// The newest id that was committed before this epoch began.
    #[must_use]
    pub const fn last_committed(&self) -> EventId {
        self.last_committed
    }

    /// The last id that a past epoch committed; nothing for one that is not ours.
    #[must_use]
    pub fn last_of(&self, epoch: u32) -> Option<EventId> {
        self.past.get(&epoch).copied()
    }
}

impl Writer {
    /// Begins the next epoch, in a transaction with what is known of the earlier ones.
    ///
    /// It is in the database's own file when this returns, not in the write-ahead log alone: a log whose
    /// end is damaged is read up to the damage, and a life that is forgotten so would give out its ids
    /// again (<https://www.sqlite.org/wal.html>, section 3).
    ///
    /// # Errors
    /// When the database is locked, full or gone; no id may be given out then.
    pub async fn begin_epoch(&mut self, now: i64) -> Result<Epochs, DbError> {
        let mut tx = self.begin().await?;
        let past = past(&mut tx.conn()).await?;
        let current = next(&past)?;
        begin(&mut tx.conn(), current, now).await?;
        let last_node = be_alone(&mut tx.conn()).await?;
        tx.commit().await?;
        self.is_of(Life::Epoch { began: current, newest: current, last_node });
        self.fold_log().await?;
        let last_committed = past.values().copied().max().unwrap_or_default();
        Ok(Epochs { current, last_committed, past })
    }
}

/// Every epoch with the last id that it committed.
async fn past(tx: &mut Conn<'_>) -> Result<BTreeMap<u32, EventId>, sqlx::Error> {
    let rows: Vec<(i64, i64)> =
        sql::query_as("select epoch, last_id from epoch order by epoch").fetch_all(tx).await?;
    let epoch = |(epoch, last): (i64, i64)| (unsigned(epoch), EventId::from_i64(last));
    Ok(rows.into_iter().map(epoch).collect())
}

/// The number of a new epoch. One that gave out more than 2^32 ids has run on into the numbers of the
/// next.
fn next(past: &BTreeMap<u32, EventId>) -> Result<u32, sqlx::Error> {
    let newest = past.iter().map(|(epoch, last)| last.epoch().max(*epoch)).max();
    let next = newest.map_or(1, |epoch| epoch + 1);
    match EventId::new(next, 0) {
        Some(_) => Ok(next),
        None => Err(sqlx::Error::Protocol("the database has used up its 2,097,151 epochs".into())),
    }
}

async fn begin(tx: &mut Conn<'_>, epoch: u32, now: i64) -> Result<(), sqlx::Error> {
    sql::query("insert into epoch (epoch, started_at, last_id) values (?, ?, ?)")
        .bind(i64::from(epoch))
        .bind(now)
        .bind(EventId::new(epoch, 0).unwrap_or_default().to_i64())
        .execute(tx)
        .await?;
    Ok(())
}

/// Ends whatever cluster had the database before; gives the newest number of its nodes.
async fn be_alone(tx: &mut Conn<'_>) -> Result<i64, sqlx::Error> {
    if tx.dialect() == Dialect::Sqlite {
        return Ok(0);
    }
    nodes::give_up_all(tx).await?;
    nodes::last_number(tx).await
}

impl Writer {
    /// The epoch of a log that several nodes share, which begins with the log.
    ///
    /// `log` is asked for it, by one node at a time: it is given the number of a new epoch, and gives that
    /// of the log, which is another one where there was a log before.
    ///
    /// # Errors
    /// What `log` gives, or when the database is gone.
    pub async fn share_epoch<E: From<DbError>>(
        &mut self,
        now: i64,
        log: impl AsyncFnOnce(u32) -> Result<u32, E>,
    ) -> Result<Epochs, E> {
        let failed = |error: sqlx::Error| E::from(DbError::from(error));
        let mut tx = self.begin().await.map_err(failed)?;
        sql::query("select pg_advisory_xact_lock(hashtext('epoch'), hashtext(current_schema()))")
            .execute(&mut tx.conn())
            .await
            .map_err(failed)?;
        let mut past = past(&mut tx.conn()).await.map_err(failed)?;
        let current = log(next(&past).map_err(failed)?).await?;
        if !past.contains_key(&current) {
            begin(&mut tx.conn(), current, now).await.map_err(failed)?;
        }
        tx.commit().await.map_err(failed)?;
        let begun = EventId::new(current, 0).unwrap_or_default();
        let last_committed = past.values().copied().max().unwrap_or_default().max(begun);
        past.retain(|epoch, _| *epoch < current);
        Ok(Epochs { current, last_committed, past })
    }

    /// Moves everything from `SQLite`'s write-ahead log into its file.
    async fn fold_log(&mut self) -> Result<(), DbError> {
        let (Dialect::Sqlite, Some(mut conn)) = (self.dialect(), self.conn()) else {
            return Ok(());
        };
        let (is_held, _, _): (i64, i64, i64) =
            sql::query_as("pragma wal_checkpoint(truncate)").fetch_one(&mut conn).await?;
        if is_held != 0 {
            tracing::warn!(
                "another program reads the database: if its log is damaged, events of this start's \
                 may be forgotten with it"
            );
        }
        Ok(())
    }
}

/// The newest event that was ever committed.
const NEWEST: &str = "select coalesce(max(last_id), 0) from epoch";

impl Writer {
    /// The newest event that is in the database, behind everything that whoever kept it before has committed.
    ///
    /// # Errors
    /// When the database is gone, or not ours any more.
    pub async fn archived(&mut self) -> Result<EventId, DbError> {
        let mut tx = self.begin().await?;
        let newest = sql::query_scalar(NEWEST).fetch_one(&mut tx.conn()).await?;
        tx.rollback().await?;
        Ok(EventId::from_i64(newest))
    }
}

impl Db {
    /// The newest event that is in the database.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn archived(&self) -> Result<EventId, DbError> {
        let newest = sql::query_scalar(NEWEST).fetch_one(&self.pool).await?;
        Ok(EventId::from_i64(newest))
    }

    /// How many epochs there have been.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn epoch_count(&self) -> Result<u32, DbError> {
        let count: i64 =
            sql::query_scalar("select count(*) from epoch").fetch_one(&self.pool).await?;
        Ok(unsigned(count))
    }
}
