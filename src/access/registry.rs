//! The keys that this process knows.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::db::DbError;
use crate::db::keys::{Insert, KeyRow, KeysVersion, Revoke, Revoked, Tidy};
use crate::event::now_ms;
use crate::job::KeyId;
use crate::store::{JournalError, Store};

use super::secret::hash;
use super::{Key, Ticket};

/// What nodes call out when keys have changed.
const CHANGED: &str = "keys";

/// How often it is looked for keys that another process made or revoked.
const LOOK: Duration = Duration::from_millis(500);

/// How often it is noted when keys were last used.
const NOTE: Duration = Duration::from_secs(60);

/// The number that stands for no key.
pub const NOBODY: u32 = 0;

/// Told which key has ended, by its [`Key::number`], before anybody who asks learns of it; [`NOBODY`]
/// when the first key is there, and nobody may anything without one.
pub type Ended = Arc<dyn Fn(u32) + Send + Sync>;

/// Who may do what; cheap to clone.
#[derive(Clone)]
pub struct Access {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    ended: Ended,
    known: RwLock<Known>,
    /// Canceled when the first key is there.
    closed: CancellationToken,
    /// One at a time looks at the rows, so that an older look never replaces a newer one.
    looking: tokio::sync::Mutex<Option<KeysVersion>>,
}

/// What was last read.
#[derive(Default)]
struct Known {
    by_hash: HashMap<[u8; 32], Arc<Key>>,
    by_id: HashMap<KeyId, Arc<Key>>,
    /// Whether any key was ever made, be it revoked since.
    any: bool,
    /// How many keys this process has known.
    numbers: u32,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Access").field("is_open", &self.is_open()).finish_non_exhaustive()
    }
}

impl Access {
    /// Reads the keys that there are.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn open(store: &Store, ended: Ended) -> Result<Self, DbError> {
        let (known, closed) = (RwLock::default(), CancellationToken::new());
        let shared = Shared { store: store.clone(), ended, known, closed, looking: None.into() };
        let access = Self { shared: Arc::new(shared) };
        access.look().await?;
        if let Some(cluster) = store.cluster() {
            let hearing = access.clone();
            cluster.hear(Box::new(move |subject, _| {
                let access = hearing.clone();
                (subject == CHANGED).then(|| async move { access.has_looked().await }.boxed())
            }));
        }
        Ok(access)
    }

    /// Whether no key was ever made: whoever reaches the server may do everything then. That the
    /// last one was revoked opens nothing.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.known().any
    }

    /// Canceled when the first key is there: what somebody without one had opened ends then.
    #[must_use]
    pub fn closed(&self) -> &CancellationToken {
        &self.shared.closed
    }

    /// The key or session with this secret, unless it is over.
    #[must_use]
    pub fn key(&self, secret: &str, now: i64) -> Option<Arc<Key>> {
        let key = self.known().by_hash.get(&hash(secret)).cloned();
        let key = key.filter(|key| !key.is_over(now))?;
        key.note_use(now);
        Some(key)
    }

    /// The key or session that has signed this ticket, unless it is over.
    #[must_use]
    pub fn signer(&self, ticket: &Ticket, now: i64) -> Option<Arc<Key>> {
        let key = self.known().by_id.get(&ticket.key).cloned();
        key.filter(|key| !key.is_over(now) && ticket.is_signed_by(key))
    }

    /// Adds a key or a session; it may be used once this returns.
    ///
    /// # Errors
    /// When the database takes no writes.
    pub async fn add(&self, row: KeyRow) -> Result<(), AccessError> {
        self.shared.store.journal().change(Insert(row)).await?;
        Ok(self.changed().await?)
    }

    /// Revokes a key with its sessions, or one session; nobody uses it once this returns.
    ///
    /// # Errors
    /// When the database takes no writes.
    pub async fn revoke(&self, id: &KeyId) -> Result<Revoked, AccessError> {
        let revoked =
            self.shared.store.journal().change(Revoke { id: id.clone(), now: now_ms() }).await?;
        self.changed().await?;
        Ok(revoked)
    }

    /// Takes over what was changed here, and has the other nodes of a cluster do it before anybody is told
    /// that it is so: their next request may go to any of them.
    async fn changed(&self) -> Result<(), DbError> {
        self.look().await?;
        self.shared.store.tell_all(CHANGED, Bytes::new()).await;
        Ok(())
    }

    /// Looks for what other processes changed, and notes what was used, until it is told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut look = tokio::time::interval(LOOK);
        let mut note = tokio::time::interval(NOTE);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        note.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = note.tick() => self.tidy().await,
                _ = look.tick() => {
                    self.has_looked().await;
                }
            }
        }
        self.tidy().await;
    }

    /// Looks, where a look that fails is made good by the next one; whether it did not.
    async fn has_looked(&self) -> bool {
        let looked = self.look().await;
        if let Err(error) = &looked {
            tracing::debug!(%error, "cannot look at the keys; those known stay");
        }
        looked.is_ok()
    }

    /// Takes over what the rows say, if that has changed.
    async fn look(&self) -> Result<(), DbError> {
        let mut seen = self.shared.looking.lock().await;
        let version = self.shared.store.db().keys_version().await?;
        if *seen != Some(version) {
            let rows = self.shared.store.db().keys().await?;
            self.take_over(rows);
            *seen = Some(version);
        }
        Ok(())
    }

    fn take_over(&self, rows: Vec<KeyRow>) {
        let gone = {
            let mut known = self.shared.known.write().unwrap_or_else(PoisonError::into_inner);
            let mut before = std::mem::take(&mut known.by_id);
            known.by_hash.clear();
            known.any |= !rows.is_empty();
            for row in rows.into_iter().filter(|row| row.revoked_at.is_none()) {
                // A session that was opened while its key was revoked is over as well.
                if row.parent_id.as_ref().is_some_and(|key| !known.by_id.contains_key(key)) {
                    continue;
                }
                let key = before.remove(&row.id).unwrap_or_else(|| {
                    known.numbers += 1;
                    Arc::new(Key::new(row, known.numbers))
                });
                known.by_hash.insert(key.hash, Arc::clone(&key));
                known.by_id.insert(key.id.clone(), key);
            }
            before
        };
        if !self.is_open() && !self.shared.closed.is_cancelled() {
            self.shared.closed.cancel();
            (self.shared.ended)(NOBODY);
        }
        for key in gone.values() {
            key.end();
            (self.shared.ended)(key.number);
        }
    }

    async fn tidy(&self) {
        let used = {
            let known = self.known();
            let used =
                known.by_id.values().map(|key| (key, key.used_at.swap(0, Ordering::Relaxed)));
            used.filter(|(_, at)| *at > 0).map(|(key, at)| (key.id.clone(), at)).collect::<Vec<_>>()
        };
        if self.is_open() {
            return;
        }
        if let Err(error) = self.shared.store.journal().change(Tidy { used, now: now_ms() }).await {
            tracing::debug!(%error, "cannot note which keys were used");
        }
    }

    fn known(&self) -> std::sync::RwLockReadGuard<'_, Known> {
        self.shared.known.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why keys could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The database takes no writes.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The database does not answer.
    #[error(transparent)]
    Db(#[from] DbError),
}
