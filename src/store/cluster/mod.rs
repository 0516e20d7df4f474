//! A store among others: nodes that share one log of proposals.
//!
//! Nobody gives out ids here. A node puts what it proposes into the log; the log puts the proposals of
//! all nodes in one order; and every node folds that order through the same gate as a server that is
//! alone. So all of them agree on what became an event, and under which id, without asking each
//! other. Whoever appended is answered when its own node has folded what it put in.

mod fold;
mod hear;
mod propose;
mod pulse;
mod wire;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{oneshot, watch};

use crate::event::EventId;
use crate::job::JobId;
use crate::nats::{self, Nats};
use crate::sync::Mutex;

use super::accept::Refusal;
use super::append::Appended;
use super::{Store, lock};

pub use propose::largest_entry;

use fold::Fold;
use pulse::Pulse;

/// How many low bits of an id count within one entry of the log.
const INDEX_BITS: u32 = 8;

/// The most proposals in one entry.
pub(super) const TOGETHER: usize = 1 << INDEX_BITS;

/// The id of the first event of an entry.
fn first_id(seq: u64) -> EventId {
    EventId::from_u64(seq << INDEX_BITS).unwrap_or(EventId::MAX)
}

/// The id of the last event that an entry can have.
fn last_id(seq: u64) -> EventId {
    EventId::from_u64(first_id(seq + 1).get() - 1).unwrap_or_default()
}

/// The entry in which an event stands.
#[must_use]
pub const fn entry_of(id: EventId) -> u64 {
    id.get() >> INDEX_BITS
}

/// The entry with which a log of an epoch begins: its ids are then of that epoch, and above every
/// earlier one.
#[must_use]
pub fn first_entry(epoch: u32) -> u64 {
    (u64::from(epoch) << (32 - INDEX_BITS)) + 1
}

/// The epoch of a log that begins with this entry.
#[must_use]
pub fn epoch_of(first: u64) -> u32 {
    u32::try_from(first.saturating_sub(1) >> (32 - INDEX_BITS)).unwrap_or(u32::MAX)
}

/// What somebody waits for who has proposed something.
#[derive(Debug)]
struct Waiting {
    job: JobId,
    proposed: u32,
    /// Whether its entry waits here for the row of its job: until then there is no answer, and putting it in
    /// again would not bring one.
    held: bool,
    answer: oneshot::Sender<(Appended, Option<Refusal>)>,
}

/// The log of the cluster does not say what is in it, or this node does not come up to it.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the event log is out of reach at the moment")]
pub struct OutOfReach;

/// Told of what nodes call out, this one too: the subject, and the words. Gives what takes a while, to be done
/// where somebody waits for it: whether it could be.
pub type Hears = Box<dyn Fn(&str, &[u8]) -> Option<BoxFuture<'static, bool>> + Send + Sync>;

/// A node, as it has joined a cluster.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its number in the database: negative, and never another's.
    pub number: i64,
    /// What it is called, for people.
    pub label: String,
    /// For how long the others wait for it when it is silent.
    pub lease: Duration,
}

/// What a node shares with the others; cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    shared: Arc<Shared>,
}

struct Shared {
    log: nats::Log,
    nats: Nats,
    node: i64,
    /// What the node is called, for people.
    label: String,
    /// For how long the others wait for it.
    lease: Duration,
    /// Its number in the database: another one after it was given up and has come back.
    runner: AtomicI64,
    /// As a producer of entries: longer than the name of a producer of events may be.
    name: String,
    count: AtomicU64,
    waiting: Mutex<HashMap<u64, Waiting>>,
    /// Through which entry this node has folded.
    folded: watch::Sender<u64>,
    /// Up to which event everything is in the database, as whoever archives says.
    archived: watch::Sender<EventId>,
    /// Whether the log is out of reach, or runs away from us.
    degraded: watch::Sender<bool>,
    /// Whether it is this node that archives.
    keeps: AtomicBool,
    /// Somebody on another node waits for a commit.
    hurried: AtomicBool,
    hears: RwLock<Vec<Hears>>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Cluster").field("node", &self.shared.node).finish_non_exhaustive()
    }
}

impl Cluster {
    /// This node of it, where the database has everything up to `archived`.
    #[must_use]
    pub fn new(nats: Nats, log: nats::Log, member: Member, archived: EventId) -> Self {
        let Member { number: node, label, lease } = member;
        let folded = entry_of(archived).max(log.first() - 1);
        Self {
            shared: Arc::new(Shared {
                log,
                nats,
                node,
                label,
                lease,
                runner: AtomicI64::new(node),
                name: fold::name_of(node),
                count: AtomicU64::new(0),
                waiting: Mutex::default(),
                folded: watch::Sender::new(folded),
                archived: watch::Sender::new(archived),
                degraded: watch::Sender::new(false),
                keeps: AtomicBool::new(false),
                hurried: AtomicBool::new(false),
                hears: RwLock::default(),
            }),
        }
    }

    /// The number of this node in the database: negative, and never another's.
    #[must_use]
    pub fn runner(&self) -> i64 {
        self.shared.runner.load(Ordering::Relaxed)
    }

    pub(super) fn set_runner(&self, number: i64) {
        self.shared.runner.store(number, Ordering::Relaxed);
    }

    /// What this node is called, for people.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.shared.label
    }

    /// For how long the others wait for a node that is silent.
    #[must_use]
    pub fn lease(&self) -> Duration {
        self.shared.lease
    }

    /// Whether no events can be appended at the moment, or those of others do not come.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        *self.shared.degraded.borrow()
    }

    /// Hears when that changes.
    #[must_use]
    pub fn degraded(&self) -> watch::Receiver<bool> {
        self.shared.degraded.subscribe()
    }

    /// Whether it is this node that archives, and does whatever else one node does for all.
    #[must_use]
    pub fn keeps(&self) -> bool {
        self.shared.keeps.load(Ordering::Acquire)
    }

    pub(super) fn set_keeps(&self, keeps: bool) {
        if self.shared.keeps.swap(keeps, Ordering::AcqRel) != keeps {
            let node = self.shared.node;
            tracing::info!(node, keeps, "whether this node archives the events of all");
        }
    }

    /// Calls something out to all nodes, this one too.
    pub fn call(&self, subject: String, words: Vec<u8>) {
        let nats = self.shared.nats.clone();
        tokio::spawn(async move { nats.call(&subject, words).await });
    }

    /// Adds somebody who hears what the nodes call out.
    pub fn hear(&self, hears: Hears) {
        self.shared.hears.write().unwrap_or_else(PoisonError::into_inner).push(hears);
    }

    /// Up to which event everything is in the database.
    pub(super) fn archived(&self) -> EventId {
        *self.shared.archived.borrow()
    }

    /// Notes that; what was said before is never taken back.
    pub(super) fn note_archived(&self, through: EventId) -> bool {
        self.shared.archived.send_if_modified(|known| {
            let is_news = through > *known;
            *known = through.max(*known);
            is_news
        })
    }

    /// Tells the others up to where everything is in the database.
    pub(super) fn tell_archived(&self, through: EventId) {
        if self.note_archived(through) {
            self.call("archived".into(), through.to_string().into_bytes());
        }
    }

    /// Asks whoever archives not to wait for more.
    pub(super) fn hurry(&self) {
        self.call("hurry".into(), Vec::new());
    }

    /// Whether somebody has asked that since the last look.
    pub(super) fn is_hurried(&self) -> bool {
        self.shared.hurried.swap(false, Ordering::AcqRel)
    }

    /// Waits until this node has folded everything up to an event that another node has shown to
    /// somebody; does not wait for one that is not in the log at all.
    ///
    /// # Errors
    /// [`OutOfReach`]: there may be such an event, and it is not here.
    ///
    /// # Cancel safety
    /// Safe: it only waits.
    pub async fn reach(&self, id: EventId) -> Result<(), OutOfReach> {
        let wanted = entry_of(id);
        let mut folded = self.shared.folded.subscribe();
        if *folded.borrow() >= wanted {
            return Ok(());
        }
        if self.shared.log.last().await.is_ok_and(|last| last < wanted) {
            return Ok(());
        }
        // Not told: somebody else is chosen to lead the log just now, or it is out of reach.
        let here = tokio::time::timeout(pulse::LATE, folded.wait_for(|seq| *seq >= wanted)).await;
        if matches!(here, Ok(Ok(_))) { Ok(()) } else { Err(OutOfReach) }
    }

    /// Waits until this node has folded everything that is in the log by now, as long as that is not
    /// long.
    ///
    /// # Errors
    /// [`OutOfReach`]: it has not, or nobody says what is in the log.
    ///
    /// # Cancel safety
    /// Safe: it only waits.
    pub async fn catch_up(&self) -> Result<(), OutOfReach> {
        let last = self.shared.log.last().await.map_err(|_| OutOfReach)?;
        let mut folded = self.shared.folded.subscribe();
        let here = tokio::time::timeout(pulse::LATE, folded.wait_for(|seq| *seq >= last)).await;
        if matches!(here, Ok(Ok(_))) { Ok(()) } else { Err(OutOfReach) }
    }

    /// Notes that an entry of this node's waits for the row of its job.
    fn note_held(&self, count: u64) {
        if let Some(waiting) = lock(&self.shared.waiting).get_mut(&count) {
            waiting.held = true;
        }
    }

    fn is_held(&self, count: u64) -> bool {
        lock(&self.shared.waiting).get(&count).is_some_and(|waiting| waiting.held)
    }

    /// Whoever waits for an entry that is not held any more, and got no answer, puts it in again.
    fn let_go(&self, count: u64) {
        drop(lock(&self.shared.waiting).remove(&count));
    }

    /// Answers whoever waits for an entry of this node's.
    fn answer(&self, count: u64, outcome: (Appended, Option<Refusal>)) {
        if let Some(waiting) = lock(&self.shared.waiting).remove(&count) {
            // Whoever asked may have gone away; the events are there all the same.
            drop(waiting.answer.send(outcome));
        }
    }
}

impl Store {
    /// Takes part in the cluster, if there is one, for as long as this is polled.
    pub async fn run_cluster(self) {
        let Some(cluster) = self.cluster().cloned() else { return std::future::pending().await };
        let pulse = Pulse::new(self.clone(), cluster.clone());
        let fold = Fold::new(self.clone(), cluster.clone());
        tokio::join!(fold.run(), self.hear_all(&cluster), pulse.run());
    }
}
