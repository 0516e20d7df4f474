//! How others reach a shard: they put something into its inbox and wake it.

use std::mem;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use mio::Waker;
use tokio::sync::oneshot;

use crate::store::{Listener, Log};
use crate::sync::{AtomicBool, AtomicUsize, Mutex, MutexGuard};

use super::fetch::Fetched;
use super::{Handover, Place};

/// What came for a shard since it last looked.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// Logs that grew, each once, and when.
    pub(super) grown: Vec<(Arc<Log>, Instant)>,
    /// New readers.
    pub(super) adopted: Vec<Handover>,
    /// Pages that readers waited for.
    pub(super) fetched: Vec<Fetched>,
    /// Keys that were revoked, by their numbers.
    pub(super) revoked: Vec<u32>,
    /// Who asks where the readers of a log stand.
    pub(super) asked: Vec<Ask>,
}

/// A question for the readers of a log.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) log: Arc<Log>,
    pub(super) reply: oneshot::Sender<Vec<Place>>,
}

/// The way to one shard.
#[derive(Debug)]
pub(super) struct Bell {
    waker: Waker,
    /// Whether it was rung since the shard last looked: one system call, however many ring.
    rung: AtomicBool,
    inbox: Mutex<Inbox>,
    draining: AtomicBool,
    stopping: AtomicBool,
    readers: AtomicUsize,
    /// How many of them have not all that there is.
    behind: AtomicUsize,
    /// How many events the one lacks that is furthest behind.
    lag: AtomicUsize,
    dead: AtomicBool,
}

impl Bell {
    pub(super) fn new(waker: Waker) -> Self {
        Self {
            waker,
            rung: AtomicBool::new(false),
            inbox: Mutex::default(),
            draining: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            readers: AtomicUsize::new(0),
            behind: AtomicUsize::new(0),
            lag: AtomicUsize::new(0),
            dead: AtomicBool::new(false),
        }
    }

    pub(super) fn adopt(&self, handover: Handover) {
        self.readers.fetch_add(1, Ordering::Relaxed);
        self.lock().adopted.push(handover);
        self.ring();
    }

    pub(super) fn bring(&self, fetched: Fetched) {
        self.lock().fetched.push(fetched);
        self.ring();
    }

    pub(super) fn revoke(&self, key: u32) {
        self.lock().revoked.push(key);
        self.ring();
    }

    pub(super) fn ask(&self, ask: Ask) {
        self.lock().asked.push(ask);
        self.ring();
    }

    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
        self.ring();
    }

    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.ring();
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Whether nobody hears it any more.
    pub(super) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    pub(super) fn readers(&self) -> usize {
        self.readers.load(Ordering::Relaxed)
    }

    /// How many readers have not all that there is, and how many events the one lacks that is furthest
    /// behind; as of a second ago at most.
    pub(super) fn behind(&self) -> (usize, usize) {
        (self.behind.load(Ordering::Relaxed), self.lag.load(Ordering::Relaxed))
    }

    pub(super) fn note_behind(&self, readers: usize, lag: usize) {
        self.behind.store(readers, Ordering::Relaxed);
        self.lag.store(lag, Ordering::Relaxed);
    }

    /// A reader is gone.
    pub(super) fn forget_reader(&self) {
        self.readers.fetch_sub(1, Ordering::Relaxed);
    }

    /// Takes what came; whatever comes after this call rings again.
    pub(super) fn take(&self, into: &mut Inbox) {
        self.rung.store(false, Ordering::SeqCst);
        mem::swap(&mut *self.lock(), into);
    }

    fn ring(&self) {
        if !self.rung.swap(true, Ordering::SeqCst)
            && let Err(error) = self.waker.wake()
        {
            // The shard looks by itself within a turn of its wheel.
            tracing::error!(%error, "a shard cannot be woken");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks a bell as dead when its shard ends, by a panic too: its readers are gone then, and nobody
/// must be given to it.
#[derive(Debug)]
pub(super) struct Life(pub(super) Arc<Bell>);

impl Drop for Life {
    fn drop(&mut self) {
        self.0.dead.store(true, Ordering::SeqCst);
        self.0.readers.store(0, Ordering::Relaxed);
        drop(mem::take(&mut *self.0.lock()));
    }
}

impl Listener for Bell {
    fn appended(&self, log: &Arc<Log>) {
        let now = Instant::now();
        self.lock().grown.push((Arc::clone(log), now));
        self.ring();
    }
}
