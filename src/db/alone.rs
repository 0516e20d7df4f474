//! What one transaction at a time may be at, where several nodes write at once.
//!
//! A change that looks first and writes afterwards has its turn in between: until its transaction is over,
//! nobody else is at the same. `SQLite` has one transaction that writes anyway.

use super::sql::{self, Conn, Dialect};

/// What it is that nobody else is at.
#[derive(Clone, Copy, Debug)]
pub(super) enum Alone<'a> {
    /// What a project submits and uploads: what it has had before, and how much that is.
    Project(&'a str),
    /// The permits of a pool, over all nodes.
    Pool(&'a str),
    /// Whether an account is open.
    Account(&'a str),
    /// Whom to tell of all jobs.
    Webhooks,
}

impl<'a> Alone<'a> {
    /// Says in `pg_locks` what it is, and of what.
    const fn key(self) -> (i64, &'a str) {
        match self {
            Self::Project(project) => (0x7072_6f6a, project), // "proj"
            Self::Pool(pool) => (0x706f_6f6c, pool),          // "pool"
            Self::Account(account) => (0x6163_636f, account), // "acco"
            Self::Webhooks => (0x686f_6f6b, ""),              // "hook"
        }
    }

    /// Waits for its turn, which lasts until the transaction is over. Names that have the same hash wait for
    /// each other, and no harm comes of it.
    pub(super) async fn wait(self, tx: &mut Conn<'_>) -> Result<(), sqlx::Error> {
        if tx.dialect() == Dialect::Sqlite {
            return Ok(());
        }
        let (class, name) = self.key();
        let lock = "select pg_advisory_xact_lock(cast(? as integer), \
             hashtext(current_schema() || ' ' || ?))";
        sql::query(lock).bind(class).bind(name).execute(tx).await.map(drop)
    }
}

/// What has a row stay as a statement reads it until the transaction is over.
pub(super) fn kept_row(tx: &Conn<'_>) -> &'static str {
    match tx.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => "for no key update",
    }
}
