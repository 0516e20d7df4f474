//! A key as this process holds it.

use std::sync::atomic::{AtomicI64, Ordering};

use tokio_util::sync::CancellationToken;

use crate::db::keys::KeyRow;
use crate::job::KeyId;

use super::Scopes;

/// A key, or a session that was opened with one.
#[derive(Debug)]
pub struct Key {
    /// What it is called in lists; no secret.
    pub id: KeyId,
    /// A number that no other key of this process life has; above 0. Streams are found by it.
    pub number: u32,
    /// What it may.
    pub scopes: Scopes,
    /// The only project that it may see; nothing for all of them.
    pub project: Option<String>,
    /// When it ends by itself, in UTC milliseconds.
    pub expires_at: Option<i64>,
    /// Of a session, the key that opened it.
    pub parent: Option<KeyId>,
    /// SHA-256 of its secret; also what its tickets are signed with.
    pub(super) hash: [u8; 32],
    /// When it was last used, in UTC milliseconds; 0 for not in this process life.
    pub(super) used_at: AtomicI64,
    /// Canceled when it is revoked.
    ended: CancellationToken,
}

impl Key {
    /// A row's key, as this process holds it.
    #[must_use]
    pub fn new(row: KeyRow, number: u32) -> Self {
        Self {
            id: row.id,
            number,
            scopes: row.scopes.parse().unwrap_or_default(),
            project: row.project_id,
            expires_at: row.expires_at,
            parent: row.parent_id,
            hash: row.hash,
            used_at: AtomicI64::new(0),
            ended: CancellationToken::new(),
        }
    }

    /// Whether it was revoked, or has ended by itself.
    #[must_use]
    pub fn is_over(&self, now: i64) -> bool {
        self.ended.is_cancelled() || self.expires_at.is_some_and(|end| end <= now)
    }

    /// Canceled when it is revoked. What goes on for longer than a request ends then.
    #[must_use]
    pub const fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    pub(super) fn end(&self) {
        self.ended.cancel();
    }

    pub(super) fn note_use(&self, now: i64) {
        self.used_at.fetch_max(now, Ordering::Relaxed);
    }
}
