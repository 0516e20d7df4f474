//! What a watcher sees, and the one number that it keeps.

use std::time::Duration;

use serde_json::Value;

use crate::client::ClientError;
use crate::event::kind::EventType;
use crate::event::parse::Message;

/// What a watcher sees.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchEvent {
    /// A stream is open: `job`, `status`, `attempt`, `after`, `head`, `keep_alive_ms`.
    Hello(Value),
    /// An event of the job, in order, each once, whatever carried it.
    Event(StreamEvent),
    /// Events between the cursor and what is kept are gone; a snapshot follows: `from`, `to`,
    /// `reason`.
    Gap(Value),
    /// All that the job is so far, in place of events that are gone. The text in it replaces what a
    /// watcher has.
    Snapshot(StreamEvent),
    /// Where the job waits: `position`.
    Queue(Value),
    /// The server is about to close the connection; the watch goes on.
    Bye(Value),
    /// The connection is lost; the watch goes on.
    Reconnecting(Reconnect),
    /// Streams do not get through, and pages of events are asked for instead; the same events in the
    /// same order.
    Polling {
        /// Why, for people.
        reason: String,
    },
}

/// An event with an id.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamEvent {
    /// Its id, the cursor of a reader that has it.
    pub id: u64,
    /// What it is about, as in `content`.
    pub name: String,
    /// Its JSON.
    pub data: Value,
}

impl StreamEvent {
    /// Whether nothing comes after it.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        EventType::from_stored(&self.name).is_terminal()
    }
}

/// A connection that was lost, and when the next one is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconnect {
    /// How long the watch waits before it tries.
    pub delay: Duration,
    /// What happened, for people.
    pub reason: String,
}

impl WatchEvent {
    /// What a stream says; nothing for an event that says only that the stream is alive.
    pub(super) fn from_message(message: Message) -> Result<Option<Self>, ClientError> {
        let data = serde_json::from_str(&message.data)
            .map_err(|error| ClientError::Unreadable(format!("{}: {error}", message.event)))?;
        Ok(Some(match message.event.as_str() {
            "hello" => Self::Hello(data),
            "gap" => Self::Gap(data),
            "queue" => Self::Queue(data),
            "bye" => Self::Bye(data),
            "keep-alive" => return Ok(None),
            "snapshot" => Self::Snapshot(identified(message, data)?),
            _ => Self::Event(identified(message, data)?),
        }))
    }

    /// The id that a reader's cursor moves to.
    pub(super) const fn id(&self) -> Option<u64> {
        match self {
            Self::Event(event) | Self::Snapshot(event) => Some(event.id),
            Self::Hello(_)
            | Self::Gap(_)
            | Self::Queue(_)
            | Self::Bye(_)
            | Self::Reconnecting(_)
            | Self::Polling { .. } => None,
        }
    }
}

fn identified(message: Message, data: Value) -> Result<StreamEvent, ClientError> {
    let id = message.last_event_id.parse().map_err(|_| {
        ClientError::Unreadable(format!("{} has the id '{}'", message.event, message.last_event_id))
    })?;
    Ok(StreamEvent { id, name: message.event, data })
}

/// The id of the last event that was taken. Whatever carries events, none at or below it is taken
/// again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    at: u64,
    /// After a `gap` the snapshot's id may be lower: the history is another one.
    anew: bool,
}

impl Cursor {
    pub(super) const fn new(after: u64) -> Self {
        Self { at: after, anew: false }
    }

    pub(super) const fn at(self) -> u64 {
        self.at
    }

    /// Takes an event and moves to it; false for one that was taken before.
    pub(super) const fn take(&mut self, event: &WatchEvent) -> bool {
        if matches!(event, WatchEvent::Gap(_)) {
            self.anew = true;
        }
        let Some(id) = event.id() else { return true };
        if id <= self.at && !self.anew {
            return false;
        }
        *self = Self::new(id);
        true
    }
}
