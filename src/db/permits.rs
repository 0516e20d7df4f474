//! Permits that hold over a whole cluster: how much of a pool runs at once, whichever nodes run it.
//!
//! Each node has a count of its own in each pool, and what counts is the sum over the nodes that live: what a
//! dead one had is free without anybody giving it back.

use super::Change;
use super::alone::Alone;
use super::sql::{self, Conn};

/// One permit of a pool.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permit {
    /// The pool.
    pub pool: String,
    /// How many of its permits there are, over all nodes.
    pub limit: i64,
}

/// The first of these pools of which nothing is free. Until the transaction is over nobody else takes a
/// permit of any of them.
pub(super) async fn full<'a>(
    tx: &mut Conn<'_>,
    permits: &'a [Permit],
) -> Result<Option<&'a str>, sqlx::Error> {
    // In one order, so that two who want the same pools do not wait for each other.
    let mut permits: Vec<_> = permits.iter().collect();
    permits.sort_unstable();
    for permit in permits {
        Alone::Pool(&permit.pool).wait(tx).await?;
        if held(tx, &permit.pool).await? >= permit.limit {
            return Ok(Some(&permit.pool));
        }
    }
    Ok(None)
}

/// How many permits of a pool the living nodes have.
async fn held(tx: &mut Conn<'_>, pool: &str) -> Result<i64, sqlx::Error> {
    sql::query_scalar(
        "select cast(coalesce(sum(held), 0) as bigint) from permit \
         join node on node.number = permit.node where pool = ? and lease_until > 0",
    )
    .bind(pool)
    .fetch_one(tx)
    .await
}

/// Adds one permit of a pool to those that a node has.
pub(super) async fn add(tx: &mut Conn<'_>, node: i64, pool: &str) -> Result<(), sqlx::Error> {
    sql::query(
        "insert into permit (pool, node, held) values (?, ?, 1) \
         on conflict (pool, node) do update set held = permit.held + 1",
    )
    .bind(pool)
    .bind(node)
    .execute(tx)
    .await?;
    Ok(())
}

/// Takes a permit for a run that is under way.
#[derive(Clone, Debug)]
pub struct TakePermit {
    /// The node that runs it.
    pub node: i64,
    /// Of which pool.
    pub permit: Permit,
}

impl Change for TakePermit {
    /// Whether one was free.
    type Outcome = bool;

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<bool, sqlx::Error> {
        if full(tx, std::slice::from_ref(&self.permit)).await?.is_some() {
            return Ok(false);
        }
        add(tx, self.node, &self.permit.pool).await?;
        Ok(true)
    }
}

/// Gives permits back, one of each pool.
#[derive(Clone, Debug)]
pub struct GivePermits {
    /// The node that has them.
    pub node: i64,
    /// The pools; one that stands here twice gets two back.
    pub pools: Vec<String>,
}

impl Change for GivePermits {
    type Outcome = ();

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<(), sqlx::Error> {
        // A node that was given up has none any more, and nothing is ever below none.
        for pool in &self.pools {
            sql::query(
                "update permit set held = held - 1 where pool = ? and node = ? and held > 0",
            )
            .bind(pool)
            .bind(self.node)
            .execute(&mut *tx)
            .await?;
        }
        Ok(())
    }
}
