//! Tickets: what is read as one is signed by nobody who has not made it, and reads back as it was made.

use std::sync::LazyLock;

use tailwater::access::{Key, Secret, Subject, Ticket};
use tailwater::db::keys::KeyRow;

/// A key that has made none of what comes from outside.
static KEY: LazyLock<Key> =
    LazyLock::new(|| Key::new(KeyRow::new(&Secret::generate().hash(), "read".into(), 0), 1));

/// A second in milliseconds, and the last one that is counted.
const SECOND: i64 = 1000;
const LAST: i64 = i64::MAX / SECOND;

pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(ticket) = Ticket::parse(text) {
        assert!(!ticket.is_signed_by(&KEY), "nobody made it");
        assert!(text.ends_with(name(&ticket.subject)));
        assert!(!format!("{ticket:?}{ticket}").contains(text));
    }
    // The same as what a ticket is for: it comes back whole, whatever the name.
    let (number, name) = text.split_at(text.floor_char_boundary(4.min(text.len())));
    let seconds = number.bytes().fold(0_i64, |sum, byte| sum * 251 + i64::from(byte)).min(LAST);
    let subjects = [
        name.parse().ok().map(Subject::Job),
        (!name.is_empty() && name.len() <= 64).then(|| Subject::Project(name.to_owned())),
    ];
    for subject in subjects.into_iter().flatten() {
        let made = Ticket::issue(&KEY, &subject, seconds * SECOND);
        let read = Ticket::parse(&made).expect("it is one");
        assert_eq!((&read.subject, read.expires_at), (&subject, seconds * SECOND));
        assert!(read.is_signed_by(&KEY));
        // Another subject under the same signature is another ticket.
        let other = Ticket::parse(&format!("{made}x"));
        assert!(other.is_err() || other.is_ok_and(|other| !other.is_signed_by(&KEY)));
    }
}

fn name(subject: &Subject) -> &str {
    match subject {
        Subject::Job(id) => id.as_str(),
        Subject::Project(name) => name,
    }
}
