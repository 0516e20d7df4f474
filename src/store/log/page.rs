//! What a reader finds in a log after its position.

use bytes::{Bytes, BytesMut};

use crate::event::{Event, EventId};

use super::{Inner, Log};

/// The most bytes that one page carries, unless a single event is larger.
const PAGE_BYTES: usize = 64 * 1024;

/// Some consecutive events as bytes on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Whole frames.
    pub bytes: Bytes,
    /// How many events.
    pub count: u32,
    /// The last of them: the reader's cursor once the bytes are on their way.
    pub last: EventId,
}

/// What a log has for a reader at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look<T> {
    /// This, from memory.
    Found(T),
    /// The next events are in the database, up to this id.
    Stored {
        /// The log's floor.
        through: EventId,
    },
    /// Nothing new; with the end behind it there never will be.
    Nothing {
        /// Whether the terminal event is at or before the position.
        ended: bool,
    },
}

impl<T> Look<T> {
    fn map<U>(self, found: impl FnOnce(T) -> U) -> Look<U> {
        match self {
            Self::Found(value) => Look::Found(found(value)),
            Self::Stored { through } => Look::Stored { through },
            Self::Nothing { ended } => Look::Nothing { ended },
        }
    }
}

impl Log {
    /// The frames after `after`, coalesced up to [`PAGE_BYTES`].
    pub(in crate::store) fn page(&self, after: EventId) -> Look<Page> {
        let inner = self.lock();
        inner.look(after, EventId::MAX).map(|start| join(inner.entries.range(start..)))
    }

    /// Puts the events after `after` into a list that may be used again, of together at most so many
    /// bytes unless the first has more: for readers who are served without followers.
    pub fn collect(&self, after: EventId, most_bytes: usize, into: &mut Vec<Event>) -> Look<()> {
        let inner = self.lock();
        inner.look(after, EventId::MAX).map(|start| {
            let mut bytes = 0;
            for event in inner.entries.range(start..) {
                bytes += event.frame.chunk().len();
                if bytes > most_bytes && bytes > event.frame.chunk().len() {
                    break;
                }
                into.push(event.clone());
            }
        })
    }

    /// How many events there are in memory after one.
    #[must_use]
    pub fn count_after(&self, after: EventId) -> usize {
        let inner = self.lock();
        inner.entries.len() - inner.position_after(after)
    }

    /// The events in `(after, through]`, at most `most` of them.
    pub(in crate::store) fn events(
        &self,
        after: EventId,
        through: EventId,
        most: usize,
    ) -> Look<Vec<Event>> {
        let inner = self.lock();
        inner.look(after, through).map(|start| {
            let wanted = inner.entries.range(start..).take_while(|event| event.id <= through);
            wanted.take(most).cloned().collect()
        })
    }
}

/// One event is handed on as it is; several become one run of bytes, so that a reader who is
/// behind costs one write and not one per event.
fn join<'a>(entries: impl Iterator<Item = &'a Event>) -> Page {
    let mut entries = entries.peekable();
    let first = entries.next().expect("a page is asked for where there is an event");
    let mut page = Page { bytes: first.frame.shared(), count: 1, last: first.id };
    if entries.peek().is_none() {
        return page;
    }
    let mut bytes = BytesMut::with_capacity(PAGE_BYTES.max(page.bytes.len()));
    bytes.extend_from_slice(&page.bytes);
    for event in entries {
        let frame = event.frame.bytes();
        if bytes.len() + frame.len() > PAGE_BYTES {
            break;
        }
        bytes.extend_from_slice(frame);
        page.count += 1;
        page.last = event.id;
    }
    page.bytes = bytes.freeze();
    page
}

impl Inner {
    /// Where in `entries` the first event of `(after, through]` stands, if it does.
    fn look(&self, after: EventId, through: EventId) -> Look<usize> {
        if after < self.floor {
            return Look::Stored { through: self.floor };
        }
        let start = self.position_after(after);
        if self.entries.get(start).is_some_and(|event| event.id <= through) {
            Look::Found(start)
        } else {
            Look::Nothing { ended: self.state.end.is_some() }
        }
    }

    /// Where the first event after `after` stands. A live reader is at the end, so that is looked
    /// at first.
    fn position_after(&self, after: EventId) -> usize {
        match self.entries.back() {
            Some(last) if last.id > after => {
                let second_last = self.entries.len().wrapping_sub(2);
                match self.entries.get(second_last) {
                    Some(event) if event.id > after => {
                        self.entries.partition_point(|event| event.id <= after)
                    }
                    _ => self.entries.len() - 1,
                }
            }
            _ => self.entries.len(),
        }
    }
}
