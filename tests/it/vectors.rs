//! The parser reads what the TypeScript client's does: the same table holds both.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use tailwater::event::parse::{Item, ParseError, Parser};

/// The bound where a case names none.
const LIMIT: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// Bytes in base64, as they come from the network.
    chunks: Vec<String>,
    items: Vec<Value>,
    last_event_id: String,
    limit: Option<usize>,
    error: Option<String>,
}

fn as_the_table_has_it(item: Item) -> Value {
    match item {
        Item::Message(message) => json!({
            "kind": "event",
            "type": message.event,
            "data": message.data,
            "id": message.last_event_id,
        }),
        Item::Comment(text) => json!({ "kind": "comment", "text": text }),
        Item::Retry(ms) => json!({ "kind": "retry", "ms": ms }),
    }
}

#[test]
fn event_streams_are_read_as_the_typescript_client_reads_them() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../client/vectors/sse.json")).expect("the table");
    assert!(cases.len() > 60, "the table is not cut short");
    for Case { name, chunks, items, last_event_id, limit, error } in cases {
        let mut parser = Parser::new(limit.unwrap_or(LIMIT));
        let (mut read, mut failed) = (Vec::new(), None);
        for chunk in chunks {
            parser.push(&STANDARD.decode(chunk).expect("base64"));
            while let Some(item) = parser.poll() {
                match item {
                    Ok(item) => read.push(as_the_table_has_it(item)),
                    Err(ParseError::TooLarge { .. }) => failed = Some("event_too_large".to_owned()),
                }
            }
        }
        assert_eq!(read, items, "{name}");
        assert_eq!((parser.last_event_id(), failed), (&*last_event_id, error), "{name}");
    }
}
