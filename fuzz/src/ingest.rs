//! Lines of NDJSON: the quick reading of a line agrees with the exact one, and lines are the same
//! however they are cut.

use serde_json::Value;
use tailwater::event::parse::{Item, Parser};
use tailwater::event::{Draft, EventId, EventType};
use tailwater::http::fuzzing::{self, Reading};

use super::input::{Input, cut};
use super::{runtime, sse};

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (cuts, limit) = (input.piece(), 1 + usize::from(input.byte()) * 8);
    let body = input.rest();
    body.split(|byte| *byte == b'\n').for_each(check);
    let pieces = cut(body, cuts).into_iter().map(<[u8]>::to_vec).collect();
    let lines = runtime::block_on(fuzzing::lines(pieces, limit));
    assert_eq!(lines, exact_lines(body, limit));
}

fn check(line: &[u8]) {
    let (quick, exact) = (fuzzing::quick(line), fuzzing::exact(line));
    match &exact {
        Ok(reading) => framed(reading),
        Err(refused) => assert!(
            !refused.detail.is_empty() && refused.pointers.iter().all(|one| one.starts_with('/')),
            "{refused:?}"
        ),
    }
    if let Some(quick) = quick {
        assert_eq!(Ok(quick), exact);
    }
}

/// What is read can be put into a frame that every client reads back.
fn framed(reading: &Reading) {
    let draft = Draft::raw(EventType::from_stored(&reading.name), &reading.data, 0);
    let frame = draft.seal(EventId::MAX);
    let mut parser = Parser::new(frame.bytes().len());
    let items = sse::read(&mut parser, frame.bytes(), &[]).expect("within the limit");
    let [Item::Message(message)] = items.as_slice() else { panic!("{items:?}") };
    assert_eq!(message.event, reading.name);
    let json = |text: &str| serde_json::from_str::<Value>(text).expect("data is JSON");
    assert_eq!(json(&message.data), json(&reading.data));
}

/// The lines that are not blank, with their numbers, up to one that is too long.
fn exact_lines(body: &[u8], limit: usize) -> (Vec<(u64, Vec<u8>)>, bool) {
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(body.split(|byte| *byte == b'\n')) {
        if line.len() > limit {
            return (lines, false);
        }
        if !line.trim_ascii().is_empty() {
            lines.push((number, line.to_vec()));
        }
    }
    (lines, true)
}
