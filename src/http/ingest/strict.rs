//! JSON that every client can read.
//!
//! An event's data is passed on as it came, so what it holds must be more than well-formed: half a
//! surrogate pair (`"\\ud800"`) and a number that no float holds (`1e999`) stop strict parsers, and
//! one event would then end the stream of every reader that has one (RFC 8259, sections 6 and 8.2).

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Reads a JSON text as a strict client would, and keeps nothing of it.
///
/// # Errors
/// What such a client stumbles over.
pub(super) fn check(json: &str) -> Result<(), serde_json::Error> {
    serde_json::from_str::<Anything>(json).map(drop)
}

/// Any value. Unlike serde's `IgnoredAny` it has texts and numbers decoded.
struct Anything;

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Looker)
    }
}

struct Looker;

impl<'de> Visitor<'de> for Looker {
    type Value = Anything;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Anything, E> {
        Ok(Anything)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Anything, E> {
        Ok(Anything)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Anything, E> {
        Ok(Anything)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Anything, E> {
        Ok(Anything)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Anything, E> {
        Ok(Anything)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Anything, E> {
        Ok(Anything)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Anything, A::Error> {
        while sequence.next_element::<Anything>()?.is_some() {}
        Ok(Anything)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Anything, A::Error> {
        while map.next_entry::<Anything, Anything>()?.is_some() {}
        Ok(Anything)
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
