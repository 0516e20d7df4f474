//! Conditional and range requests: RFC 9110, sections 13 and 14, as far as files need them.

use std::ops::Range;

use axum::http::HeaderMap;
use axum::http::header::{IF_NONE_MATCH, IF_RANGE, RANGE};

/// What to send of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangeChoice {
    /// All of it, with 200: there is no range, or none that this server serves.
    Whole,
    /// These bytes, with 206; never empty, the end exclusive.
    Part(Range<u64>),
    /// Nothing of it, with 416: the range begins past the end.
    Unsatisfiable,
}

/// Chooses what to send to a GET request for a file of `size` bytes, whose `ETag` is `etag`.
///
/// `If-Range` with anything but this very strong tag gives the whole file (section 13.1.5), so that
/// a download that was interrupted never goes on with bytes of another file.
#[must_use]
pub fn choose(headers: &HeaderMap, etag: &str, size: u64) -> RangeChoice {
    let mut ranges = headers.get_all(RANGE).iter();
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return RangeChoice::Whole };
    let same = headers.get(IF_RANGE).is_none_or(|tag| tag == etag && !etag.starts_with("W/"));
    match range.to_str() {
        Ok(range) if same => parse_range(range, size),
        _ => RangeChoice::Whole,
    }
}

/// Reads a `Range` header, for a file of `size` bytes (section 14.1.2).
///
/// A header that is not valid, a unit other than `bytes`, and several ranges at once are ignored,
/// as section 14.2 allows: the answer is the whole file.
#[must_use]
pub fn parse_range(header: &str, size: u64) -> RangeChoice {
    let Some((unit, set)) = header.split_once('=') else { return RangeChoice::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return RangeChoice::Whole;
    }
    let trim = |range: &'_ str| range.trim_matches([' ', '\t']).to_owned();
    // A list may have empty elements (section 5.6.1).
    let mut ranges = set.split(',').map(trim).filter(|range| !range.is_empty());
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return RangeChoice::Whole };
    let Some((first, last)) = range.split_once('-') else { return RangeChoice::Whole };
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => part(first, last.saturating_add(1), size),
        (Some(first), None) if last.is_empty() => part(first, size, size),
        (None, Some(count)) if first.is_empty() => suffix(count, size),
        _ => RangeChoice::Whole,
    }
}

fn part(start: u64, end: u64, size: u64) -> RangeChoice {
    if start >= size {
        return RangeChoice::Unsatisfiable;
    }
    RangeChoice::Part(start..end.min(size))
}

/// The last `count` bytes. Of an empty file any are there, and no 206 can say so: it is sent whole.
fn suffix(count: u64, size: u64) -> RangeChoice {
    match (count, size) {
        (0, _) => RangeChoice::Unsatisfiable,
        (_, 0) => RangeChoice::Whole,
        _ => RangeChoice::Part(size.saturating_sub(count)..size),
    }
}

/// A position. One that no file can have is still a number, and past every end.
fn number(digits: &str) -> Option<u64> {
    let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// Whether the client has this version already: `If-None-Match` lists its tag, or is `*`. Weak
/// comparison, section 8.8.3.2.
#[must_use]
pub fn has_it_already(headers: &HeaderMap, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let etag = opaque(etag);
    let lists = headers.get_all(IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
    // Our tags have no comma in them, so a foreign one that does cannot be mistaken for ours.
    lists.flat_map(|list| list.split(',')).any(|tag| tag.trim() == "*" || opaque(tag) == etag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use RangeChoice::{Part, Unsatisfiable, Whole};
    use axum::http::HeaderName;
    use proptest::prelude::*;

    fn headers(all: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn one_range_is_served() {
        for (header, range) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-499", 0..500),
            ("bytes=500-", 500..1000),
            ("bytes=-500", 500..1000),
            ("bytes=-1", 999..1000),
            ("bytes=-5000", 0..1000),
            ("bytes=999-999", 999..1000),
            ("bytes=999-99999999999999999999999999", 999..1000),
            ("Bytes=0-0", 0..1),
            ("bytes= 0-0 ", 0..1),
            ("bytes=0-0,", 0..1),
            ("bytes=, ,\t0-0", 0..1),
        ] {
            assert_eq!(parse_range(header, 1000), Part(range), "{header}");
        }
    }

    #[test]
    fn a_range_past_the_end_is_refused() {
        for header in ["bytes=1000-", "bytes=1000-1001", "bytes=-0", "bytes=18446744073709551616-"]
        {
            assert_eq!(parse_range(header, 1000), Unsatisfiable, "{header}");
        }
        assert_eq!(parse_range("bytes=0-", 0), Unsatisfiable);
        assert_eq!(parse_range("bytes=-5", 0), Whole);
    }

    #[test]
    fn what_is_no_single_range_is_ignored() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=abc",
            "bytes=1",
            "bytes=2-1",
            "bytes=+1-2",
            "bytes=0x1-2",
            "bytes=1-2-3",
            "bytes=--1",
            "bytes=1 -2",
            "bytes=0-1,3-4",
            "items=0-1",
            "=0-1",
            "bytes=٣-٤",
        ] {
            assert_eq!(parse_range(header, 1000), Whole, "{header}");
        }
    }

    #[test]
    fn a_range_of_another_version_gives_the_whole_file() {
        let with = |tag| headers(&[(RANGE, "bytes=0-0"), (IF_RANGE, tag)]);
        assert_eq!(choose(&with("\"a\""), "\"a\"", 9), Part(0..1));
        for tag in ["\"b\"", "W/\"a\"", "Tue, 15 Nov 1994 08:12:31 GMT"] {
            assert_eq!(choose(&with(tag), "\"a\"", 9), Whole, "{tag}");
        }
        assert_eq!(choose(&with("W/\"a\""), "W/\"a\"", 9), Whole);
    }

    #[test]
    fn two_range_headers_are_ignored() {
        let two = headers(&[(RANGE, "bytes=0-0"), (RANGE, "bytes=1-1")]);
        assert_eq!(choose(&two, "\"a\"", 9), Whole);
    }

    #[test]
    fn a_version_that_the_client_has_is_recognised() {
        for list in ["\"a\"", "W/\"a\"", "\"x\", \"a\"", "*", "\"x\",W/\"a\""] {
            assert!(has_it_already(&headers(&[(IF_NONE_MATCH, list)]), "\"a\""), "{list}");
        }
        let lists = headers(&[(IF_NONE_MATCH, "\"x\""), (IF_NONE_MATCH, "\"a\"")]);
        assert!(has_it_already(&lists, "W/\"a\""));
        for list in ["\"b\"", "a", "", "\"a"] {
            assert!(!has_it_already(&headers(&[(IF_NONE_MATCH, list)]), "\"a\""), "{list}");
        }
        assert!(!has_it_already(&HeaderMap::new(), "\"a\""));
    }

    proptest! {
        #[test]
        fn no_header_leads_out_of_the_file(
            header in "(bytes=)?[0-9, \t-]{0,24}|\\PC{0,40}",
            size in prop_oneof![0_u64..2000, any::<u64>()],
        ) {
            if let Part(range) = parse_range(&header, size) {
                prop_assert!(range.start < range.end && range.end <= size);
            }
        }

        #[test]
        fn every_range_within_a_file_is_served(start in 0_u64..500, length in 1_u64..500) {
            let header = format!("bytes={start}-{}", start + length - 1);
            prop_assert_eq!(parse_range(&header, 1000), Part(start..start + length));
        }
    }
}
