//! What is done to the database as one step.

use super::sql::Conn;

use std::future::Future;

/// A change that happens whole or not at all, inside a transaction of the journal's.
///
/// It is data: when the database is locked or full, the journal rolls back and applies the same
/// change again later, so `apply` must not have effects outside of the transaction.
pub trait Change: Send + Sync + 'static {
    /// What the caller learns once the transaction is committed.
    type Outcome: Send + 'static;

    /// Applies the change.
    ///
    /// # Errors
    /// When a statement fails; everything in the transaction is then rolled back.
    fn apply(
        &self,
        tx: &mut Conn<'_>,
    ) -> impl Future<Output = Result<Self::Outcome, sqlx::Error>> + Send;
}
