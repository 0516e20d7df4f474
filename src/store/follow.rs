//! Followers: readers of a log from a cursor, catching up, then live.
//!
//! A follower owns a position and never a queue. One that lags finds more in the log when it comes
//! back, and takes it in larger pages; nothing is dropped and nobody waits for it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use crate::db::DbError;
use crate::event::{Cursor, EventId, now_ms};
use crate::job::JobId;
use crate::telemetry::metrics::metrics;

use super::log::{Log, Look, Page, Watch};
use super::{Snapshot, Store, lock};

/// Why a reader cannot go on from its cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The cursor is no id.
    InvalidCursor,
    /// The cursor is from an epoch that this server never had.
    UnknownEpoch,
    /// The reader saw events that a crash took before they were committed.
    LostInCrash,
    /// The cursor is above everything that was published.
    AheadOfHead,
    /// The events after the cursor were given up by retention.
    Trimmed,
}

impl GapReason {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidCursor => "invalid_cursor",
            Self::UnknownEpoch => "unknown_epoch",
            Self::LostInCrash => "lost_in_crash",
            Self::AheadOfHead => "ahead_of_head",
            Self::Trimmed => "trimmed",
        }
    }
}

/// A hole in what a reader gets, told to it; a snapshot follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Gap {
    /// The cursor that the reader came with, where it was a number.
    #[schema(value_type = Option<u64>, required)]
    pub from: Option<EventId>,
    /// Where the reader goes on: the id of the snapshot.
    #[schema(value_type = u64)]
    pub to: EventId,
    /// Why.
    pub reason: GapReason,
}

impl Gap {
    /// A gap that a reader is about to be told of; it is counted.
    #[must_use]
    pub fn told(from: Option<EventId>, to: EventId, reason: GapReason) -> Self {
        metrics().gaps_total.with_label_values(&[reason.as_str()]).inc();
        Self { from, to, reason }
    }
}

/// What a follower gets.
#[derive(Debug)]
pub enum Next {
    /// The next events.
    Page(Page),
    /// The terminal event was delivered; there will be nothing more.
    Ended,
    /// What the database shows while no event can come: the position stays.
    Aside(Bytes),
    /// The events after the position are gone; the follower now stands at the snapshot.
    Gap(Gap, Box<Snapshot>),
}

/// A reader of one job.
#[derive(Debug)]
pub struct Follower {
    store: Store,
    log: Arc<Log>,
    cursor: EventId,
    /// How much it has had of what was set aside.
    asides: u32,
    _watch: Watch,
}

impl Store {
    /// Where a reader with this cursor goes on, or why it cannot.
    ///
    /// # Errors
    /// The reason for which the reader must be told of a gap.
    pub fn resume(&self, trimmed: EventId, cursor: Cursor) -> Result<EventId, GapReason> {
        let Cursor::At(id) = cursor else { return Err(GapReason::InvalidCursor) };
        if id > EventId::ZERO {
            self.check_epoch(id)?;
        }
        if id < trimmed {
            return Err(GapReason::Trimmed);
        }
        Ok(id)
    }

    fn check_epoch(&self, id: EventId) -> Result<(), GapReason> {
        let epochs = &self.shared.epochs;
        if id.epoch() >= epochs.current() {
            // In a cluster by entries: of the last one there may be no event, and what another node has
            // archived first was never published here.
            let ahead = match self.cluster() {
                Some(_) => id >= lock(&self.shared.tail).next,
                None => id > self.newest(),
            };
            return if ahead { Err(GapReason::AheadOfHead) } else { Ok(()) };
        }
        match epochs.last_of(id.epoch()) {
            None => Err(GapReason::UnknownEpoch),
            Some(last) if id > last => Err(GapReason::LostInCrash),
            Some(_) => Ok(()),
        }
    }

    /// Follows a job from a position that [`Store::resume`] gave.
    #[must_use]
    pub fn follow(&self, log: &Arc<Log>, cursor: EventId) -> Follower {
        let _watch = log.watch();
        // Who comes meanwhile is shown what those are that were there.
        let asides = if self.is_degraded() { 0 } else { log.asides() };
        Follower { store: self.clone(), log: Arc::clone(log), cursor, asides, _watch }
    }
}

/// Counts how long an event took to reach somebody who waited for it, by when it was made; in whole
/// milliseconds, which is what an event says of its age.
pub(super) fn note_wait_over(at: Option<i64>) {
    let age = at.map_or(0, |at| now_ms().saturating_sub(at));
    let age = Duration::from_millis(age.try_into().unwrap_or(0));
    metrics().append_to_write_seconds.observe(age.as_secs_f64());
}

impl Follower {
    /// The last event that the reader has.
    #[must_use]
    pub const fn cursor(&self) -> EventId {
        self.cursor
    }

    /// Whose events it reads.
    #[must_use]
    pub fn job(&self) -> &JobId {
        &self.log.job
    }

    /// The job with its place in the queue, from 1, while it waits.
    #[must_use]
    pub fn queue_position(&self) -> Option<(JobId, u32)> {
        Some((self.log.job.clone(), self.log.position()?))
    }

    /// Moves to a snapshot: the reader has everything that is folded into it.
    pub const fn skip_to(&mut self, cursor: EventId) {
        self.cursor = cursor;
    }

    /// The next events, as soon as there are any.
    ///
    /// # Errors
    /// When the events are in the database and that does not answer; the position stays.
    ///
    /// # Cancel safety
    /// Safe: the position moves only when a page is returned.
    pub async fn next(&mut self) -> Result<Next, DbError> {
        let log = Arc::clone(&self.log);
        let mut has_waited = false;
        loop {
            // Registered before looking: an append in between is not slept through.
            let mut woken = pin!(log.wake.notified());
            woken.as_mut().enable();
            match log.page(self.cursor) {
                Look::Found(page) => {
                    if has_waited {
                        note_wait_over(log.last_at());
                    }
                    return Ok(self.deliver(page));
                }
                Look::Stored { through } => return self.read_back(through).await,
                Look::Nothing { ended: true } => return Ok(Next::Ended),
                Look::Nothing { ended: false } => {
                    if self.store.cluster().is_some()
                        && let Some(frame) = log.aside(&mut self.asides)
                    {
                        return Ok(Next::Aside(frame));
                    }
                    woken.await;
                    has_waited = true;
                }
            }
        }
    }

    fn deliver(&mut self, page: Page) -> Next {
        self.cursor = page.last;
        let metrics = metrics();
        metrics.deliveries_total.inc_by(page.count.into());
        metrics.delivered_bytes_total.inc_by(page.bytes.len() as u64);
        Next::Page(page)
    }

    async fn read_back(&mut self, through: EventId) -> Result<Next, DbError> {
        let page = self.store.stored_page(&self.log, self.cursor, through).await?;
        // Asked after the look: events that retention gave up meanwhile are not passed over.
        if let Some(page) = page.filter(|_| self.cursor >= self.log.trimmed_through()) {
            return Ok(self.deliver(page));
        }
        let snapshot = self.store.snapshot(&self.log).await?;
        let from = Some(self.cursor);
        // A terminal event is not in its job's snapshot, and comes after it. Where the snapshot leads
        // nowhere, the events are not there at all, and nobody waits for them.
        let to = if snapshot.id > self.cursor { snapshot.id } else { through };
        self.cursor = to;
        Ok(Next::Gap(Gap::told(from, to, GapReason::Trimmed), Box::new(snapshot)))
    }
}
