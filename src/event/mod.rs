//! Events: facts about a job, immutable, each with a monotonic id.
//!
//! An event is encoded once, into its [`Frame`]: the bytes of one server-sent event. Everything
//! behind this module (log, journal, followers, HTTP) moves frames and never encodes again.

pub mod frame;
pub mod id;
pub mod kind;
pub mod parse;
pub mod payload;

pub use frame::{Draft, Frame, control};
pub use id::{Cursor, EventId};
pub use kind::{EventName, EventType};

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// One published event: its id, when it happened and its frame.
#[derive(Clone, Debug)]
pub struct Event {
    /// Where it stands in the order of everything that this server publishes.
    pub id: EventId,
    /// When it was made, in UTC milliseconds.
    pub at: i64,
    /// Its bytes on the wire.
    pub frame: Arc<Frame>,
}

/// Now, in UTC milliseconds: the unit of every time in this project.
#[must_use]
pub fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
}
