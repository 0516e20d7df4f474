//! Reading a log from a position, wherever its events are.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::db::DbError;
use crate::event::{Event, EventId};

use super::log::{Look, Page};
use super::{Log, Store};

impl Store {
    /// The next events of a job in `(after, through]`, at most `most`; empty when there are none
    /// yet.
    ///
    /// # Errors
    /// When the events are in the database and that does not answer.
    pub async fn read(
        &self,
        log: &Arc<Log>,
        after: EventId,
        through: EventId,
        most: usize,
    ) -> Result<Vec<Event>, DbError> {
        let floor = match log.events(after, through, most) {
            Look::Found(events) => return Ok(events),
            Look::Nothing { .. } => return Ok(Vec::new()),
            Look::Stored { through } => through,
        };
        let mut events = Vec::new();
        for segment in self.shared.db.segments(&log.job, after).await? {
            let part = segment.events_within(after, floor.min(through));
            events.extend(part.map_err(|error| sqlx::Error::Decode(error.into()))?);
            if events.len() >= most {
                events.truncate(most);
                break;
            }
        }
        if events.is_empty() && floor < through {
            // What was stored is all before `after`, or gone; memory has the rest.
            if let Look::Found(found) = log.events(floor, through, most) {
                return Ok(found);
            }
        }
        Ok(events)
    }

    /// The wire bytes of the next events in `(after, through]` of the database; nothing when they
    /// are not there any more.
    pub(super) async fn stored_page(
        &self,
        log: &Log,
        after: EventId,
        through: EventId,
    ) -> Result<Option<Page>, DbError> {
        let segments = self.shared.db.segments(&log.job, after).await?;
        let parts: Vec<_> =
            segments.iter().filter_map(|segment| segment.frames_within(after, through)).collect();
        let Some(last) = parts.last().map(|(_, _, last)| *last) else { return Ok(None) };
        let count = parts.iter().map(|(_, count, _)| count).sum();
        let bytes = match parts.as_slice() {
            [(only, _, _)] => only.clone(),
            _ => concat(parts.iter().map(|(bytes, _, _)| bytes)),
        };
        Ok(Some(Page { bytes, count, last }))
    }
}

fn concat<'a>(parts: impl Iterator<Item = &'a Bytes> + Clone) -> Bytes {
    let mut whole = BytesMut::with_capacity(parts.clone().map(Bytes::len).sum());
    parts.for_each(|part| whole.extend_from_slice(part));
    whole.freeze()
}
