//! JSON that every client can read.
//!
//! An event's data is passed on as it came, so what it holds must be more than well-formed: half a
//! surrogate pair (`"\\ud800"`) and a number that no float holds (`1e999`) stop strict parsers, and
//! one event would then end the stream of every reader that has one (RFC 8259, sections 6 and 8.2).

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Reads a JSON text as a strict client would, and keeps nothing of it.
///
/// # Errors
/// What such a client stumbles over.
pub(super) fn check(json: &str) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    // The parser has a limit of its own.
    Anything { levels: usize::MAX }.deserialize(&mut deserializer)?;
    deserializer.end()
}

/// Any value that nests at most so many levels; gives the text, where it is one. Unlike serde's
/// `IgnoredAny` it has texts and numbers decoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anything {
    pub(super) levels: usize,
}

impl Anything {
    /// What may stand in it, if it is an array or object.
    pub(super) fn within<E: Error>(self) -> Result<Self, E> {
        let levels = self.levels.checked_sub(1);
        levels.map(|levels| Self { levels }).ok_or_else(|| E::custom("it nests too deep"))
    }
}

impl<'de> DeserializeSeed<'de> for Anything {
    type Value = Option<Cow<'de, str>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Anything {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let within = self.within()?;
        while sequence.next_element_seed(within)?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let within = self.within()?;
        while map.next_entry_seed(within, within)?.is_some() {}
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_client_reads_passes() {
        for json in [
            "null",
            "true",
            "-1",
            "1.50",
            "18446744073709551616",
            r#""\u0000\u202e\ud83d\ude00""#,
            r#"{"a":[1,{"b":""}]}"#,
        ] {
            assert!(check(json).is_ok(), "{json}");
        }
    }

    #[test]
    fn what_only_lenient_clients_read_is_told() {
        for json in [r#""\ud800""#, r#"["\udc00x"]"#, r#"{"\ud800":1}"#, "1e999", "[-1e999]"] {
            assert!(check(json).is_err(), "{json}");
        }
    }
}
