//! Putting proposals into the log, and waiting for what becomes of them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::backoff::Policy;
use crate::store::Log;
use crate::store::accept::{self, Proposal, Refusal, Verdict};
use crate::store::append::Appended;
use crate::store::lock;

use super::{Cluster, TOGETHER, Waiting, wire};

/// The most bytes of events in one entry, unless a single one has more.
const TOGETHER_BYTES: usize = 256 << 10;

/// What an entry has beyond its events, in bytes, at most.
const ENTRY_ROOM: usize = 64 << 10;

/// How a log that takes nothing is tried again, for ever.
const RETRY: Policy =
    Policy { first: Duration::from_millis(20), ceiling: Duration::from_secs(1), retries: None };

/// The largest entry that there may be, in bytes, where events have at most so many: an end stands in it twice.
#[must_use]
pub fn largest_entry(event_limit: usize) -> usize {
    2 * event_limit.max(TOGETHER_BYTES) + ENTRY_ROOM
}

impl Cluster {
    /// Proposes events of one job; gives what became of them once this node has folded them.
    pub(in crate::store) async fn propose(
        &self,
        log: &Arc<Log>,
        proposals: Vec<Proposal>,
    ) -> (Appended, Option<Refusal>) {
        let mut all = Appended { last: log.last(), ..Appended::default() };
        let mut rest = proposals;
        while !rest.is_empty() {
            let later = rest.split_off(how_many(&rest));
            let (appended, refused) = self.propose_together(log, rest).await;
            all.last = appended.last;
            all.admitted += appended.admitted;
            all.ignored += appended.ignored;
            if refused.is_some() {
                return (all, refused);
            }
            rest = later;
        }
        (all, None)
    }

    /// Proposes what fits into one entry.
    async fn propose_together(
        &self,
        log: &Arc<Log>,
        proposals: Vec<Proposal>,
    ) -> (Appended, Option<Refusal>) {
        // One after the other: what a node has in the log of a job is then in the order of its count.
        let _turn = log.proposing.lock().await;
        let mut delays = RETRY.delays();
        loop {
            if let Some(known) = foresee(log, &proposals) {
                return known;
            }
            let count = self.shared.count.fetch_add(1, Ordering::Relaxed) + 1;
            let entry = wire::encode(self.shared.node, count, &proposals);
            let proposed = u32::try_from(proposals.len()).unwrap_or(u32::MAX);
            let (answer, mut answered) = oneshot::channel();
            let waiting = Waiting { job: log.job.clone(), proposed, held: false, answer };
            lock(&self.shared.waiting).insert(count, waiting);
            let forget = Forget { cluster: self, count };
            let seq = tokio::select! {
                biased;
                Ok(outcome) = &mut answered => return outcome,
                seq = self.put(log, count, entry) => seq,
            };
            let mut folded = self.shared.folded.subscribe();
            tokio::select! {
                biased;
                Ok(outcome) = &mut answered => return outcome,
                // It was given up before this node could read it, being in the database: that was read
                // instead, and says what became of it.
                _ = folded.wait_for(|through| *through >= seq) => {}
            }
            let outcome =
                if self.is_held(count) { answered.await.ok() } else { answered.try_recv().ok() };
            drop(forget);
            if let Some(outcome) = outcome {
                return outcome;
            }
            tokio::time::sleep(delays.next().unwrap_or(RETRY.ceiling)).await;
        }
    }

    /// Puts an entry in, however often it takes; gives its number.
    async fn put(&self, log: &Log, count: u64, entry: Bytes) -> u64 {
        let mut delays = RETRY.delays();
        let id = format!("{}.{count}", self.shared.node);
        loop {
            match self.shared.log.put(log.job.as_str(), &id, entry.clone()).await {
                Ok(seq) => return seq,
                Err(error) => {
                    tracing::debug!(job = %log.job, %error, "the event log takes nothing")
                }
            }
            tokio::time::sleep(delays.next().unwrap_or(RETRY.ceiling)).await;
        }
    }
}

/// How many proposals from the first on go into one entry.
fn how_many(proposals: &[Proposal]) -> usize {
    let mut bytes = 0;
    let fits = proposals.iter().take(TOGETHER).take_while(|proposal| {
        bytes += proposal.draft.len();
        bytes <= TOGETHER_BYTES
    });
    fits.count().max(1)
}

/// What will become of proposals, where that is certain by what is folded already: a state only moves
/// forward. That something is missing before them is not certain, for it may be on its way.
fn foresee(log: &Log, proposals: &[Proposal]) -> Option<(Appended, Option<Refusal>)> {
    let inner = log.lock();
    let mut appended = Appended { last: log.last(), ..Appended::default() };
    for proposal in proposals {
        match accept::accept(&inner.state, proposal) {
            Verdict::Ignore => appended.ignored += 1,
            Verdict::Refuse(refusal) if refusal.is_final() => {
                return Some((appended, Some(refusal)));
            }
            Verdict::Admit | Verdict::Refuse(_) => return None,
        }
    }
    Some((appended, None))
}

/// Takes somebody off the list who does not wait any more.
struct Forget<'a> {
    cluster: &'a Cluster,
    count: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        lock(&self.cluster.shared.waiting).remove(&self.count);
    }
}
