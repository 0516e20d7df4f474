//! The encoder of frames: whatever goes into events comes out of both readers, one event each.

use bytes::BytesMut;
use serde_json::{Value, json};
use tailwater::event::parse::{Item, Message, Parser};
use tailwater::event::{Draft, EventId, EventType, Frame, control};

use super::input::Input;
use super::{sse, whatwg};

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let cuts = input.piece();
    let (mut stream, mut expected, mut last_id) = (Vec::new(), Vec::new(), String::new());
    while !input.is_empty() {
        let (name, data) = if input.byte().is_multiple_of(4) {
            let id = EventId::from_u64(input.number()).filter(|id| id.get() % 2 == 0);
            let payload = json!({"text": text(&mut input)});
            stream.extend_from_slice(&control("gap", id, &payload));
            if let Some(id) = id {
                last_id = id.to_string();
            }
            ("gap".to_owned(), payload)
        } else {
            let id = EventId::from_u64(input.number() % (1 << 53)).expect("an id is below 2^53");
            let (name, data, draft) = draft(&mut input);
            let frame = draft.seal(id);
            check(&frame, &name, &data);
            stream.extend_from_slice(frame.bytes());
            last_id = id.to_string();
            (name, data)
        };
        expected.push((name, data, last_id.clone()));
    }
    for line in String::from_utf8_lossy(&stream).lines() {
        assert!(!line.contains(['\0', '\r', '\u{85}', '\u{2028}', '\u{2029}']), "{line:?}");
    }
    let mut parser = Parser::new(stream.len() + 1);
    let items = sse::read(&mut parser, &stream, cuts).expect("no event is too large");
    assert_eq!(items, whatwg::read(&stream).0);
    let read: Vec<_> = items.into_iter().map(message).collect();
    assert_eq!(read, expected);
}

/// An event on its way in: of ours, or an external worker's own JSON.
fn draft(input: &mut Input<'_>) -> (String, Value, Draft) {
    let at = i64::from(input.byte());
    match input.byte() % 3 {
        0 => {
            let text = text(input);
            let draft = Draft::new(EventType::Content, &json!({"text": text}), at);
            ("content".to_owned(), json!({"text": text, "at": at}), draft)
        }
        1 => {
            let kind = kind(input);
            let value = json!({"a": text(input), "b": [text(input)]});
            let draft = Draft::raw(kind.clone(), &format!("{value:#}"), at);
            (kind.as_str().to_owned(), value, draft)
        }
        _ => {
            let kind = kind(input);
            let json = text(input);
            let (json, value) = match serde_json::from_str(&json) {
                Ok(value) => (json, value),
                Err(_) => ("\r\n{}\t".to_owned(), json!({})),
            };
            let mut room = BytesMut::with_capacity(Draft::raw_room(kind.as_str(), &json));
            let draft = Draft::raw_in(&mut room, kind.as_str(), &json, at);
            (kind.as_str().to_owned(), value, draft)
        }
    }
}

fn kind(input: &mut Input<'_>) -> EventType {
    let name = String::from_utf8_lossy(input.piece());
    EventType::from_producer(&name).unwrap_or(EventType::Log)
}

fn text(input: &mut Input<'_>) -> String {
    String::from_utf8_lossy(input.piece()).into_owned()
}

/// What a frame says of itself, in every form that it has.
fn check(frame: &Frame, name: &str, data: &Value) {
    assert_eq!(frame.name(), name);
    assert_eq!(&serde_json::from_slice::<Value>(frame.data()).expect("data is JSON"), data);
    // A chunk of HTTP/1.1: its size in hexadecimal digits, its bytes.
    let head = format!("{:x}\r\n", frame.bytes().len());
    assert_eq!(frame.chunk(), [head.as_bytes(), frame.bytes(), b"\r\n"].concat());
    let stored = Frame::from_stored(frame.bytes()).expect("a frame is taken back");
    assert_eq!((stored.name(), stored.data(), stored.chunk()), (name, frame.data(), frame.chunk()));
    let mut parser = Parser::new(usize::MAX / 2);
    let items = sse::read(&mut parser, frame.envelope("job_a"), &[]).expect("within the limit");
    let [Item::Message(message)] = items.as_slice() else { panic!("{items:?}") };
    let envelope: Value = serde_json::from_str(&message.data).expect("an envelope is JSON");
    assert_eq!(envelope, json!({"job": "job_a", "data": data}));
}

fn message(item: Item) -> (String, Value, String) {
    let Item::Message(Message { event, data, last_event_id }) = item else { panic!("{item:?}") };
    (event, serde_json::from_str(&data).expect("data is JSON"), last_event_id)
}
