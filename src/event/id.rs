//! The monotonic id of an event: one number that resumes any stream.

use std::fmt;

/// How many low bits count events within one epoch.
const COUNTER_BITS: u32 = 32;

/// The largest integer that a JavaScript number holds exactly, plus one; every id is below it.
pub const ID_LIMIT: u64 = 1 << 53;

/// The id of an event, `epoch · 2^32 + n`.
///
/// Ids rise across the whole server and across its restarts, so a single number is a cursor into
/// one job, a project or a handful of jobs. Zero is no event: it is the cursor of a reader that
/// has nothing yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(u64);

impl EventId {
    /// The cursor of a reader that has nothing.
    pub const ZERO: Self = Self(0);

    /// The largest id that there can be.
    pub const MAX: Self = Self(ID_LIMIT - 1);

    /// The id `n` of `epoch`, or nothing when the epoch is past 2^21 and ids would leave the range
    /// that a browser can hold.
    #[must_use]
    pub fn new(epoch: u32, n: u32) -> Option<Self> {
        let id = (u64::from(epoch) << COUNTER_BITS) | u64::from(n);
        (id < ID_LIMIT).then_some(Self(id))
    }

    /// The id with this number; numbers of 2^53 and above are refused.
    #[must_use]
    pub fn from_u64(id: u64) -> Option<Self> {
        (id < ID_LIMIT).then_some(Self(id))
    }

    /// The id as it is stored: SQL integers are signed.
    #[must_use]
    pub fn to_i64(self) -> i64 {
        i64::try_from(self.0).expect("an id is below 2^53")
    }

    /// The id in a database column; a negative number is a damaged row and reads as zero.
    #[must_use]
    pub fn from_i64(id: i64) -> Self {
        Self(u64::try_from(id).unwrap_or(0))
    }

    /// The plain number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The life of the event log that gave this id out; zero for no epoch.
    #[must_use]
    pub const fn epoch(self) -> u32 {
        (self.0 >> COUNTER_BITS) as u32
    }

    /// Which event of its epoch it is, from 1.
    #[must_use]
    pub const fn n(self) -> u32 {
        (self.0 & ((1 << COUNTER_BITS) - 1)) as u32
    }

    /// The id after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl serde::Serialize for EventId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

/// What a client sent as its cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// A number that could be an id; zero is the beginning.
    At(EventId),
    /// Not a number below 2^53: never ours, so the reader is told of a gap.
    Foreign,
}

impl Cursor {
    /// Reads a `Last-Event-ID` header or an `after` parameter; an empty text is the beginning.
    ///
    /// Takes bytes, since a browser sends the header as UTF-8 and a proxy may have mangled it.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        if text.is_empty() {
            return Self::At(EventId::ZERO);
        }
        let digits = text.len() <= 16 && text.iter().all(u8::is_ascii_digit);
        let number = digits.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten();
        number.and_then(EventId::from_u64).map_or(Self::Foreign, Self::At)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_epoch_times_two_to_the_32_plus_n() {
        let id = EventId::new(1, 41).unwrap();
        assert_eq!(id.get(), 4_294_967_337);
        assert_eq!(id.epoch(), 1);
    }

    #[test]
    fn ids_stay_below_what_a_browser_can_hold() {
        assert!(EventId::new(1 << 21, 0).is_none());
        assert!(EventId::from_u64(1 << 53).is_none());
    }

    #[test]
    fn a_cursor_that_is_no_number_is_foreign() {
        for text in ["abc", "-1", "1.5", "18446744073709551616", "9007199254740992", "1 ", "٣"] {
            assert_eq!(Cursor::parse(text.as_bytes()), Cursor::Foreign, "{text}");
        }
        assert_eq!(Cursor::parse(b""), Cursor::At(EventId::ZERO));
        assert_eq!(Cursor::parse(b"7"), Cursor::At(EventId(7)));
    }
}
