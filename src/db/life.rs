//! On whose behalf a connection writes, and whether that may still write.

use sqlx::postgres::PgConnection;

use super::sql::{self, Conn};
use super::{nodes, signed};

/// On whose behalf a connection writes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Life {
    /// Nobody's: of a program beside a server, or of a server that has not begun.
    #[default]
    Nobody,
    /// A server's that has the database alone.
    Epoch {
        /// The epoch that it began.
        began: u32,
        /// The newest of which it has given out ids: an epoch of very many runs on into the next one's.
        newest: u32,
        /// The newest node that there had been.
        last_node: i64,
    },
    /// A node's of a cluster.
    Node(i64),
}

impl Life {
    /// Looks whether it goes on, over a new connection: meanwhile somebody else may have had the database.
    ///
    /// # Errors
    /// When it does not, or the database does not say.
    pub(super) async fn check(self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let mut conn = Conn::Postgres(connection);
        match self {
            Self::Nobody => Ok(()),
            Self::Epoch { newest, last_node, .. } => {
                let epoch: Option<i64> =
                    sql::query_scalar("select max(epoch) from epoch").fetch_one(&mut conn).await?;
                if epoch.is_none_or(|epoch| epoch > i64::from(newest)) {
                    return Err(taken_over("another server has begun a new epoch in it"));
                }
                if nodes::last_number(&mut conn).await? != last_node {
                    return Err(taken_over("a cluster has used it meanwhile"));
                }
                Ok(())
            }
            Self::Node(number) if nodes::is_alive(&mut conn, number).await? => Ok(()),
            Self::Node(_) => Err(taken_over("the cluster has given this node up")),
        }
    }

    /// What a transaction leaves behind, so that it can be told later whether it was committed.
    pub(super) fn mark(self, number: u64) -> Mark {
        Mark { life: self, number: signed(number) }
    }
}

/// Why a connection is of no more use.
pub(super) fn taken_over(why: &str) -> sqlx::Error {
    sqlx::Error::Protocol(format!("the database is not ours any more: {why}"))
}

/// What a transaction says in passing, see [`super::Writer::mark`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    life: Life,
    number: i64,
}

impl Mark {
    /// Whether it is left, so that a commit of which nothing was heard can be looked for.
    pub(crate) const fn tells(self) -> bool {
        !matches!(self.life, Life::Nobody)
    }

    /// Leaves it.
    ///
    /// # Errors
    /// When the database is gone.
    pub(crate) async fn write(self, tx: &mut Conn<'_>) -> Result<(), sqlx::Error> {
        let (text, life) = match self.life {
            Life::Nobody => return Ok(()),
            Life::Epoch { began, .. } => {
                ("update epoch set newest_commit = ? where epoch = ?", i64::from(began))
            }
            Life::Node(number) => ("update node set newest_commit = ? where number = ?", number),
        };
        sql::query(text).bind(self.number).bind(life).execute(tx).await.map(drop)
    }

    /// Whether it is the newest that was committed.
    ///
    /// # Errors
    /// When the database is gone.
    pub(super) async fn is_newest(self, tx: &mut Conn<'_>) -> Result<bool, sqlx::Error> {
        let (text, life) = match self.life {
            Life::Nobody => return Ok(false),
            Life::Epoch { began, .. } => {
                ("select newest_commit from epoch where epoch = ?", i64::from(began))
            }
            // Where the transaction is still being committed, over a connection that we have given up: after it.
            Life::Node(number) => {
                ("select newest_commit from node where number = ? for update", number)
            }
        };
        let newest: Option<Option<i64>> =
            sql::query_scalar(text).bind(life).fetch_optional(tx).await?;
        Ok(newest.flatten() == Some(self.number))
    }
}
