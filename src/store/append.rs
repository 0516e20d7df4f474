//! Appending: the one step in which what is proposed becomes events.

use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};

use prometheus::IntCounter;

use crate::event::{Event, EventId};
use crate::job::Fact;
use crate::job::state::count_producer;
use crate::telemetry::metrics::metrics;

use super::accept::{self, ProducerSeq, Proposal, Refusal, Source, Verdict};
use super::journal::{self, Unwritten};
use super::log::Inner as LogInner;
use super::{Log, Store, lock};

/// What an append did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// The job's newest event afterwards.
    pub last: EventId,
    /// How many became events.
    pub admitted: u32,
    /// How many were known already.
    pub ignored: u32,
}

/// Where in a cluster's log some proposals stand together.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// The id of the first of them, if it becomes an event.
    pub(super) first: EventId,
    /// The node that put them there, with its own count of what it puts there.
    pub(super) put: ProducerSeq,
}

impl Store {
    /// Appends events to a job's log, all of them before anybody reads one, and wakes the job's
    /// followers before it returns. In a cluster that is when this node has read them back from the log
    /// that all nodes share; alone, it never waits.
    ///
    /// # Errors
    /// The refusal of the first event that was not admitted; the ones before it were.
    ///
    /// # Cancel safety
    /// In a cluster the events may be appended all the same.
    pub async fn append(
        &self,
        log: &Arc<Log>,
        proposals: impl IntoIterator<Item = Proposal> + Send,
    ) -> Result<Appended, Refusal> {
        let (appended, refused) = self.append_some(log, proposals).await;
        refused.map_or(Ok(appended), Err)
    }

    /// The same, for those who have to know how many there were before the one that was refused.
    pub async fn append_some(
        &self,
        log: &Arc<Log>,
        proposals: impl IntoIterator<Item = Proposal> + Send,
    ) -> (Appended, Option<Refusal>) {
        match &self.shared.cluster {
            None => self.append_here(log, proposals),
            // Boxed: it is large, and whoever appends would carry it although the server is alone.
            Some(cluster) => Box::pin(cluster.propose(log, proposals.into_iter().collect())).await,
        }
    }

    /// The same where the ids are given out here.
    pub(super) fn append_here(
        &self,
        log: &Arc<Log>,
        proposals: impl IntoIterator<Item = Proposal>,
    ) -> (Appended, Option<Refusal>) {
        self.take_in(log, proposals, None)
    }

    /// The same for tests that wait for nothing.
    #[cfg(test)]
    pub(crate) fn append_now(
        &self,
        log: &Arc<Log>,
        proposals: impl IntoIterator<Item = Proposal>,
    ) -> Result<Appended, Refusal> {
        let (appended, refused) = self.append_here(log, proposals);
        refused.map_or(Ok(appended), Err)
    }

    /// Decides about proposals, publishes those that are admitted, and wakes whoever waits for them.
    pub(super) fn take_in(
        &self,
        log: &Arc<Log>,
        proposals: impl IntoIterator<Item = Proposal>,
        origin: Option<Origin>,
    ) -> (Appended, Option<Refusal>) {
        let mut appended = Appended::default();
        let mut refused = None;
        let mut source = None;
        let ended;
        {
            let mut inner = log.lock();
            let weight = inner.state.weight();
            let mut cost = 0;
            let (mut place, mut put) = match origin {
                Some(Origin { first, put }) => (Some(first), Some(put)),
                None => (None, None),
            };
            if let Some(put) = &put {
                count_producer(&mut inner.state.producers, &put.producer, put.seq);
            }
            for proposal in proposals {
                let from = proposal.source;
                match accept::accept(&inner.state, &proposal) {
                    Verdict::Admit => {
                        cost += self.publish(log, &mut inner, proposal, place, put.take());
                        appended.admitted += 1;
                        source = Some(from);
                    }
                    Verdict::Ignore => appended.ignored += 1,
                    Verdict::Refuse(refusal) => {
                        refused = Some(refusal);
                        break;
                    }
                }
                place = place.map(EventId::next);
            }
            appended.last = log.last();
            ended = inner.state.end.is_some();
            if appended.admitted > 0 {
                inner.used_at = tokio::time::Instant::now();
                self.count_memory(cost + inner.state.weight().saturating_sub(weight));
            }
        }
        if let Some(source) = source {
            count(source, appended.admitted);
            self.wake(log, ended);
        }
        (appended, refused)
    }

    /// Wakes whoever waits for something new in a log.
    pub(super) fn wake(&self, log: &Arc<Log>, ended: bool) {
        log.wake.notify_waiters();
        self.tell_listeners(log);
        if ended {
            log.over.notify_waiters();
        }
        if log.project.followers.load(Ordering::Relaxed) > 0 {
            log.project.wake.notify_waiters();
        }
    }

    /// The one step: the id is taken, the frame is in its log and the head is raised under one
    /// lock. A reader that sees the head sees every event up to it. Gives what it costs in memory.
    fn publish(
        &self,
        log: &Arc<Log>,
        inner: &mut LogInner,
        proposal: Proposal,
        place: Option<EventId>,
        put: Option<ProducerSeq>,
    ) -> usize {
        let Proposal { fact, draft, producer, source, .. } = proposal;
        let at = draft.at();
        note(inner, &fact, producer.as_ref(), at);
        let percent = match &fact {
            Fact::Progress(progress) => Some(progress.percent),
            _ => None,
        };
        let row = shows_in_rows(source, &fact).then(|| Box::new(fact));
        let cost;
        let (size, bytes, count);
        {
            let mut tail = lock(&self.shared.tail);
            let id = place.unwrap_or(tail.next);
            tail.next = tail.next.max(id.next());
            let event = Event { id, at, frame: Arc::new(draft.seal(id)) };
            // Before the journal can see the event, or it could subtract what was not added yet.
            size = event.frame.bytes().len();
            bytes = self.shared.unwritten_bytes.fetch_add(size, Ordering::Relaxed) + size;
            let unwritten = Unwritten {
                log: Arc::clone(log),
                event: event.clone(),
                row,
                percent,
                producer,
                put,
            };
            // What was held comes late, and is written in its place all the same.
            if tail.unwritten.back().is_some_and(|last| last.event.id > id) {
                let at = tail.unwritten.partition_point(|other| other.event.id < id);
                tail.unwritten.insert(at, unwritten);
            } else {
                tail.unwritten.push_back(unwritten);
            }
            count = tail.unwritten.len();
            cost = log.push(inner, event);
            if id > self.newest() {
                self.shared.newest.store(id.get(), Ordering::Release);
            }
        }
        // At the first, and at the one that makes it enough: the journal looks by itself then.
        let is_enough = journal::is_enough;
        if count == 1 || (is_enough(count, bytes) && !is_enough(count - 1, bytes - size)) {
            self.shared.unwritten.notify_one();
        }
        cost
    }
}

/// Counts what was appended together, which is of one source.
fn count(source: Source, events: u32) {
    /// Looked up once and not at each append.
    static COUNTERS: LazyLock<[IntCounter; 3]> = LazyLock::new(|| {
        [Source::Worker, Source::Producer, Source::Database]
            .map(|source| metrics().events_appended_total.with_label_values(&[source.as_str()]))
    });
    COUNTERS[source as usize].inc_by(events.into());
}

/// Whether the journal writes what an event says into rows. Progress that was read there is not
/// written back: the program that keeps it may have moved it on meanwhile.
const fn shows_in_rows(source: Source, fact: &Fact) -> bool {
    match fact {
        Fact::Content(_) | Fact::Other => false,
        Fact::Progress(_) => !matches!(source, Source::Database),
        Fact::Status { .. } | Fact::ArtifactReady(_) | Fact::TtsCompleted { .. } | Fact::End(_) => {
            true
        }
    }
}

/// Folds a fact into a log's state.
fn note(inner: &mut LogInner, fact: &Fact, producer: Option<&ProducerSeq>, at: i64) {
    if let Fact::Status { status: crate::job::Status::Running, attempt } = fact
        && *attempt > inner.state.attempt
    {
        inner.started_at = Some(at);
    }
    inner.state.apply(fact);
    if let Some(seq) = producer {
        count_producer(&mut inner.state.producers, &seq.producer, seq.seq);
    }
}
