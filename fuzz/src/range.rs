//! `Range` headers: never a byte that the file does not have.

use tailwater::http::range::{RangeChoice, choose, has_it_already, parse_range};

use http::HeaderMap;
use http::header::{HeaderValue, IF_NONE_MATCH, IF_RANGE, RANGE};

use super::input::Input;

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let size = input.number() >> (input.byte() % 64);
    let (tag, header) = (input.piece(), input.rest());
    let mut headers = HeaderMap::new();
    for (name, value) in [(RANGE, header), (IF_RANGE, tag), (IF_NONE_MATCH, tag)] {
        if let Ok(value) = HeaderValue::from_bytes(value)
            && !value.is_empty()
        {
            headers.append(name, value);
        }
    }
    let chosen = choose(&headers, "\"a\"", size);
    if let RangeChoice::Part(range) = &chosen {
        assert!(range.start < range.end && range.end <= size, "{range:?} of {size}");
    }
    let has_it = has_it_already(&headers, "\"a\"");
    assert!(!has_it || tag.contains(&b'*') || tag.contains(&b'a'));
    let Ok(header) = std::str::from_utf8(header) else { return };
    let choice = parse_range(header, size);
    assert_eq!(choice, exact(header, size), "{header:?} of {size}");
    assert!(chosen == RangeChoice::Whole || chosen == choice);
}

/// RFC 9110, sections 14.1.2 and 14.2, with numbers that have no end.
fn exact(header: &str, size: u64) -> RangeChoice {
    let whole = RangeChoice::Whole;
    let Some((unit, set)) = header.split_once('=') else { return whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return whole;
    }
    let specs: Vec<_> = set
        .split(',')
        .map(|spec| spec.trim_matches(|letter| letter == ' ' || letter == '\t'))
        .filter(|spec| !spec.is_empty())
        .collect();
    let [spec] = specs.as_slice() else { return whole };
    let dash = spec.find('-');
    let Some(dash) = dash else { return whole };
    let (first, last) = (&spec[..dash], &spec[dash + 1..]);
    let digits = |text: &str| text.chars().all(|letter| letter.is_ascii_digit());
    if !digits(first) || !digits(last) || spec.len() == 1 {
        return whole;
    }
    // Far past every size is all the same.
    let number = |text: &str| -> u128 {
        text.bytes().fold(0_u128, |number, digit| {
            (number * 10 + u128::from(digit - b'0')).min(u128::from(u64::MAX))
        })
    };
    let size = u128::from(size);
    let (start, end) = if first.is_empty() {
        if size == 0 && number(last) > 0 {
            return whole;
        }
        (size - number(last).min(size), size)
    } else if last.is_empty() {
        (number(first), size)
    } else if number(first) > number(last) {
        return whole;
    } else {
        (number(first), (number(last) + 1).min(size))
    };
    if start >= size {
        return RangeChoice::Unsatisfiable;
    }
    let narrow = |number: u128| u64::try_from(number).expect("within the file");
    RangeChoice::Part(narrow(start)..narrow(end))
}
