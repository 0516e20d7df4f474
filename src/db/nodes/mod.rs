//! The nodes of a cluster: which servers share the database, and which of them are alive.
//!
//! Only Postgres has them, and only its clock counts: a lease is over when the database says so.

use std::time::Duration;

use super::life::{Life, taken_over};
use super::sql::{self, Conn, Dialect, Row};
use super::{Change, Db, DbError, Writer};

/// How long the row of a node stays that was given up, in milliseconds: one day. A connection that it lost
/// may still have to be told so.
const REMEMBERED: i64 = 86_400_000;

/// A node that is taken to be alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its number, below zero; a newer one has a lower number.
    pub number: i64,
    /// What people call it.
    pub name: String,
    /// Since when it is there, in UTC milliseconds of the database.
    pub started_at: i64,
    /// How much of its lease is left, in milliseconds; below zero when it is late.
    pub left_ms: i64,
}

impl Writer {
    /// Joins the cluster as a new node, and writes on its behalf from here on. A node that was given up may
    /// join again, as another one.
    ///
    /// # Errors
    /// When the database is gone, or is not Postgres.
    pub async fn join(&mut self, name: &str, lease: Duration) -> Result<i64, DbError> {
        if self.dialect() == Dialect::Sqlite {
            return Err(taken_over("SQLite has no nodes").into());
        }
        self.is_of(Life::Nobody);
        let mut tx = self.begin().await?;
        let number = insert(&mut tx.conn(), name, milliseconds(lease)).await?;
        tx.commit().await?;
        self.is_of(Life::Node(number));
        Ok(number)
    }
}

/// The lease as the database counts it.
#[must_use]
pub fn milliseconds(lease: Duration) -> i64 {
    i64::try_from(lease.as_millis()).unwrap_or(i64::MAX / 2)
}

async fn insert(tx: &mut Conn<'_>, name: &str, lease_ms: i64) -> Result<i64, sqlx::Error> {
    sql::query_scalar(
        "insert into node (name, lease_until, backend) \
         values (?, now_ms() + ?, pg_backend_pid()) returning number",
    )
    .bind(name)
    .bind(lease_ms)
    .fetch_one(tx)
    .await
}

/// Whether the cluster has not given a node up.
pub(super) async fn is_alive(tx: &mut Conn<'_>, number: i64) -> Result<bool, sqlx::Error> {
    let alive = sql::query_scalar("select lease_until > 0 from node where number = ?").bind(number);
    Ok(alive.fetch_optional(tx).await?.unwrap_or(false))
}

impl Db {
    /// Whether the cluster has not given a node up.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn is_alive(&self, node: i64) -> Result<bool, DbError> {
        let alive =
            sql::query_scalar("select lease_until > 0 from node where number = ?").bind(node);
        Ok(alive.fetch_optional(&self.pool).await?.unwrap_or(false))
    }
}

/// The number of the newest node that there ever was; 0 when there was none. It is the sequence's, which
/// forgets nothing.
pub(super) async fn last_number(tx: &mut Conn<'_>) -> Result<i64, sqlx::Error> {
    sql::query_scalar("select case when is_called then last_value else 0 end from node_number")
        .fetch_one(tx)
        .await
}

/// Gives every node up: a server has the database alone now, and none of them may write any more that comes
/// back to it.
pub(super) async fn give_up_all(tx: &mut Conn<'_>) -> Result<(), sqlx::Error> {
    sql::query("update node set lease_until = 0, given_up_at = now_ms() where lease_until > 0")
        .execute(tx)
        .await?;
    Ok(())
}

/// Extends a node's lease.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeat {
    /// The node.
    pub node: i64,
    /// How long it is alive from now on, in milliseconds.
    pub lease_ms: i64,
}

impl Change for Heartbeat {
    /// False when the node was given up: it joins anew, or stops.
    type Outcome = bool;

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<bool, sqlx::Error> {
        let extended = sql::query(
            "update node set lease_until = now_ms() + ?, backend = pg_backend_pid() \
             where number = ? and lease_until > 0",
        )
        .bind(self.lease_ms)
        .bind(self.node)
        .execute(tx)
        .await?;
        Ok(extended == 1)
    }
}

/// Takes a node out of its cluster, at an orderly stop.
#[derive(Clone, Copy, Debug)]
pub struct Leave {
    /// The node.
    pub node: i64,
}

impl Change for Leave {
    type Outcome = ();

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<(), sqlx::Error> {
        sql::query(
            "update node set lease_until = 0, given_up_at = now_ms() \
             where number = ? and lease_until > 0",
        )
        .bind(self.node)
        .execute(&mut *tx)
        .await?;
        sql::query("delete from permit where node = ?").bind(self.node).execute(tx).await?;
        Ok(())
    }
}

/// Gives up the nodes whose leases are over: what they had is free again.
#[derive(Clone, Copy, Debug)]
pub struct GiveUpDead;

impl Change for GiveUpDead {
    /// Their numbers.
    type Outcome = Vec<i64>;

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<Vec<i64>, sqlx::Error> {
        // One that writes at this moment is late, and not dead.
        let rows: Vec<(i64,)> = sql::query_as(
            "update node set lease_until = 0, given_up_at = now_ms() where number in ( \
                 select number from node where lease_until > 0 and lease_until <= now_ms() \
                 order by number for update skip locked) \
             returning number",
        )
        .fetch_all(&mut *tx)
        .await?;
        if !rows.is_empty() {
            free_permits(tx).await?;
        }
        forget(tx).await?;
        Ok(rows.into_iter().map(|(number,)| number).collect())
    }
}

/// What a node took that did not know yet that it was given up goes too, at the next time.
async fn free_permits(tx: &mut Conn<'_>) -> Result<(), sqlx::Error> {
    sql::query(
        "delete from permit where (pool, node) in ( \
             select pool, node from permit \
             where node in (select number from node where lease_until = 0) \
             order by pool, node for update skip locked)",
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Forgets nodes that were given up long ago. One that still runs a job, by the job's row, is needed: the job
/// is to be taken over first.
async fn forget(tx: &mut Conn<'_>) -> Result<(), sqlx::Error> {
    sql::query(
        "delete from node where number in ( \
             select number from node where given_up_at < now_ms() - ? and not exists ( \
                 select 1 from job where job.epoch = node.number and job.status = 'running') \
             order by number for update skip locked)",
    )
    .bind(REMEMBERED)
    .execute(tx)
    .await?;
    Ok(())
}

impl Db {
    /// The nodes that were not given up, the oldest first; none where there is no cluster.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn living_nodes(&self) -> Result<Vec<Node>, DbError> {
        if self.pool.dialect() == Dialect::Sqlite {
            return Ok(Vec::new());
        }
        let rows = sql::query(
            "select number, name, started_at, lease_until - now_ms() as left_ms from node \
             where lease_until > 0 order by number desc",
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.iter().map(decode).collect::<Result<_, _>>()?)
    }
}

fn decode(row: &Row) -> Result<Node, sqlx::Error> {
    Ok(Node {
        number: row.try_get("number")?,
        name: row.try_get("name")?,
        started_at: row.try_get("started_at")?,
        left_ms: row.try_get("left_ms")?,
    })
}

#[cfg(test)]
mod tests;
