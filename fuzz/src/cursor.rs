//! Cursors and the names of jobs: from headers, parameters, and `job=ID@CURSOR`.

use tailwater::event::{Cursor, EventId};
use tailwater::http::fuzzing;
use tailwater::job::JobId;

pub fn run(bytes: &[u8]) {
    assert_eq!(Cursor::parse(bytes), exact(bytes), "{bytes:?}");
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(job) = text.parse::<JobId>() {
        assert_eq!(job.as_str(), text);
    }
    for (name, own) in fuzzing::places(text) {
        assert!(!name.contains([',', '@']) && (own.is_some() || !name.is_empty()), "{name:?}");
        if let Some(Cursor::At(id)) = own {
            assert!(id <= EventId::MAX);
        }
    }
    // What a client builds of a name and a cursor is read as that name and that cursor.
    let pairs = [("job", text)].map(|(key, value)| (key, format!("{value}@{}", bytes.len())));
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
    if !text.is_empty() && !text.contains([',', '@']) {
        let at = EventId::from_u64(bytes.len() as u64).map(Cursor::At);
        assert_eq!(fuzzing::places(&query), [(text.to_owned(), at)]);
    }
}

/// Digits below 2^53, at most sixteen of them; nothing at all is the beginning.
fn exact(bytes: &[u8]) -> Cursor {
    let number = bytes.iter().try_fold(0_u128, |number, byte| {
        let digit = u128::from(byte.checked_sub(b'0').filter(|digit| *digit < 10)?);
        number.checked_mul(10)?.checked_add(digit)
    });
    let number = number.filter(|_| bytes.len() <= 16).and_then(|number| u64::try_from(number).ok());
    number.and_then(EventId::from_u64).map_or(Cursor::Foreign, Cursor::At)
}
