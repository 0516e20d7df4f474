//! The names that an event may have.

use std::fmt;
use std::sync::Arc;

/// The longest name of an event, in bytes.
pub const NAME_LIMIT: usize = 64;

/// Names that mean something else in a stream: our control events, and what a native
/// `EventSource` fires by itself (`open`, `error`), which a page could not tell from ours.
const RESERVED: [&str; 10] = [
    "hello",
    "snapshot",
    "gap",
    "queue",
    "bye",
    "keep-alive",
    "open",
    "error",
    "status",
    "message",
];

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    /// The job's status or attempt changed.
    Status,
    /// The job came further.
    Progress,
    /// A piece of text.
    Content,
    /// A line of a worker's log.
    Log,
    /// A file is stored and can be fetched.
    ArtifactReady,
    /// A narration is stored and can be played.
    TtsCompleted,
    /// The job ended well.
    Completed,
    /// The job ended badly.
    Failed,
    /// The job was canceled.
    Canceled,
    /// An event of an external worker, under its own name.
    Other(EventName),
}

impl EventType {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Status => "status",
            Self::Progress => "progress",
            Self::Content => "content",
            Self::Log => "log",
            Self::ArtifactReady => "artifact_ready",
            Self::TtsCompleted => "tts_completed",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Other(name) => &name.0,
        }
    }

    /// Whether nothing comes after an event of this type.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Canceled)
    }

    /// The type with this name as an external worker sends it.
    ///
    /// # Errors
    /// Says why the name cannot be an event's.
    pub fn from_producer(name: &str) -> Result<Self, NameError> {
        let own = Self::from_wire(name);
        match own {
            Some(Self::Status) => Err(NameError::Reserved),
            Some(own) => Ok(own),
            None => EventName::new(name).map(Self::Other),
        }
    }

    /// The type of an event that is ours already, by its name on the wire.
    #[must_use]
    pub fn from_stored(name: &str) -> Self {
        Self::from_wire(name).unwrap_or_else(|| Self::Other(EventName(name.into())))
    }

    /// The type of ours with this name.
    #[must_use]
    pub fn from_wire(name: &str) -> Option<Self> {
        Some(match name {
            "status" => Self::Status,
            "progress" => Self::Progress,
            "content" => Self::Content,
            "log" => Self::Log,
            "artifact_ready" => Self::ArtifactReady,
            "tts_completed" => Self::TtsCompleted,
            "completed" => Self::Completed,
            "failed" => Self::Failed,
            "canceled" => Self::Canceled,
            _ => return None,
        })
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A name that an external worker gave to an event: a letter, then letters, digits, `_`, `-` or
/// `.`, at most 64 bytes, and none of ours.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventName(Arc<str>);

impl EventName {
    fn new(name: &str) -> Result<Self, NameError> {
        Self::check(name).map(|()| Self(name.into()))
    }

    /// Whether an external worker may give this name, where it is none of ours.
    ///
    /// # Errors
    /// Says why not.
    pub fn check(name: &str) -> Result<(), NameError> {
        if RESERVED.contains(&name) {
            return Err(NameError::Reserved);
        }
        let mut bytes = name.bytes();
        let starts = bytes.next().is_some_and(|first| first.is_ascii_alphabetic());
        let goes_on = bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        if !starts || !goes_on || name.len() > NAME_LIMIT {
            return Err(NameError::Malformed);
        }
        Ok(())
    }
}

/// Why a name cannot be an event's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It means something else in a stream.
    #[error("is reserved by the stream itself")]
    Reserved,
    /// It could break a frame, or a page's listener.
    #[error("must be a letter followed by at most 63 letters, digits, '_', '-' or '.'")]
    Malformed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_cannot_take_a_name_of_the_stream() {
        for name in ["hello", "gap", "bye", "snapshot", "error", "open", "status"] {
            assert_eq!(EventType::from_producer(name), Err(NameError::Reserved), "{name}");
        }
    }

    #[test]
    fn a_name_cannot_break_a_frame() {
        for name in ["", "a b", "a\nb", "a\rdata: x", "ä", "1st", "a:b", &"x".repeat(65)] {
            assert_eq!(EventType::from_producer(name), Err(NameError::Malformed), "{name}");
        }
    }

    #[test]
    fn names_are_the_same_both_ways() {
        for name in ["progress", "content", "completed", "frame.rendered", "x-1"] {
            assert_eq!(EventType::from_producer(name).unwrap().as_str(), name);
        }
    }
}
