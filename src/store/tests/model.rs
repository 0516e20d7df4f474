//! What the store is held against: its jobs as plain lists.

use std::collections::BTreeMap;

use crate::event::{Cursor, EventId};
use crate::job::JobId;
use crate::store::follow::GapReason;

/// An event, as a reader gets it: its id, and its text, or nothing for the end of its job.
pub(super) type Told = (EventId, Option<String>);

/// A job's log.
#[derive(Debug)]
pub(super) struct JobModel {
    pub(super) id: JobId,
    pub(super) events: Vec<Told>,
    /// Whether its final row is written; the terminal event may be lost and come again.
    pub(super) is_finished: bool,
    /// Events up to here were given up: they may come from memory still, all or none of them.
    pub(super) trimmed: EventId,
}

impl JobModel {
    pub(super) fn last(&self) -> EventId {
        self.events.last().map(|(id, _)| *id).unwrap_or_default()
    }

    /// Whether the terminal event is published.
    pub(super) fn has_ended(&self) -> bool {
        self.events.last().is_some_and(|(_, text)| text.is_none())
    }

    /// What a reader at a position still gets.
    pub(super) fn after(&self, cursor: EventId) -> &[Told] {
        &self.events[self.events.partition_point(|(id, _)| *id <= cursor)..]
    }

    /// The text up to an event.
    pub(super) fn text(&self, through: EventId) -> String {
        let told = self.events.iter().filter(|(id, _)| *id <= through);
        told.filter_map(|(_, text)| text.as_deref()).collect()
    }
}

/// All that the store knows.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) jobs: Vec<JobModel>,
    pub(super) head: EventId,
    pub(super) epoch: u32,
    /// The last id that each past epoch committed.
    pub(super) past: BTreeMap<u32, EventId>,
}

impl Model {
    /// Where a reader of a job goes on, or why it cannot: rule 10 of the design, once more.
    pub(super) fn resume(&self, job: usize, cursor: Cursor) -> Result<EventId, GapReason> {
        let Cursor::At(id) = cursor else { return Err(GapReason::InvalidCursor) };
        if id == EventId::ZERO {
            // The beginning of no epoch.
        } else if id.epoch() < self.epoch {
            let last = self.past.get(&id.epoch()).ok_or(GapReason::UnknownEpoch)?;
            if id > *last {
                return Err(GapReason::LostInCrash);
            }
        } else if id > self.head {
            return Err(GapReason::AheadOfHead);
        }
        if id < self.jobs[job].trimmed { Err(GapReason::Trimmed) } else { Ok(id) }
    }

    /// The process died, or was stopped, with everything up to `durable` committed.
    pub(super) fn restart(&mut self, durable: EventId) {
        for job in &mut self.jobs {
            job.events.retain(|(id, _)| *id <= durable);
        }
        let first = EventId::new(self.epoch, 0).expect("few epochs");
        self.past.insert(self.epoch, durable.max(first));
        self.epoch += 1;
        self.head = EventId::new(self.epoch, 0).expect("few epochs");
    }

    /// The events of some jobs after a position, in the order of their ids, with whose they are.
    pub(super) fn merged(&self, jobs: &[usize], cursor: EventId) -> Vec<(usize, Told)> {
        let mut merged = Vec::new();
        for &job in jobs {
            merged.extend(self.jobs[job].after(cursor).iter().map(|told| (job, told.clone())));
        }
        merged.sort_by_key(|(_, (id, _))| *id);
        merged
    }

    /// Notes new events of a job, whose last one has this id.
    pub(super) fn publish(&mut self, job: usize, texts: Vec<Option<String>>, last: EventId) {
        let count = texts.len() as u64;
        for (id, text) in (last.get() + 1 - count..).zip(texts) {
            let id = EventId::from_u64(id).expect("an id is below 2^53");
            self.jobs[job].events.push((id, text));
        }
        self.head = self.head.max(last);
    }
}
