//! The crate's parser of event streams against the exact one, however the bytes are cut.

use tailwater::event::parse::{Item, ParseError, Parser};

use super::input::{Input, cut};
use super::whatwg;

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (cuts, limit) = (input.piece(), usize::from(input.byte()));
    let stream = input.rest();
    let (exact, last_event_id) = whatwg::read(stream);

    // What is no UTF-8 takes up to three bytes, decoded.
    let mut parser = Parser::new(stream.len() * 3);
    let items = read(&mut parser, stream, cuts).expect("nothing is larger than the limit");
    assert_eq!(items, exact);
    assert_eq!(parser.last_event_id(), last_event_id);

    // With a small bound it is the same until something is too large.
    let mut parser = Parser::new(limit);
    let mut items = Vec::new();
    for piece in cut(stream, cuts) {
        parser.push(piece);
        while let Some(item) = parser.poll() {
            match item {
                Ok(item) => items.push(item),
                Err(ParseError::TooLarge { limit: told }) => assert_eq!(told, limit),
            }
        }
    }
    assert!(exact.starts_with(&items), "{items:?} {exact:?}");
}

/// Everything that the crate's parser reads from a stream that is cut so.
pub fn read(parser: &mut Parser, stream: &[u8], cuts: &[u8]) -> Result<Vec<Item>, ParseError> {
    let mut items = Vec::new();
    for piece in cut(stream, cuts) {
        parser.push(piece);
        while let Some(item) = parser.poll() {
            items.push(item?);
        }
    }
    Ok(items)
}
