//! The blocks of an event stream: lines up to a blank one.
//!
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream>

use std::borrow::Cow;

/// Where the first block ends, behind its blank line, searching from `from`, the beginning of a
/// line. `Err` is the beginning of the last line that is not whole: the search goes on there.
pub(in crate::loadtest) fn end_of_block(bytes: &[u8], from: usize) -> Result<usize, usize> {
    let mut line = from;
    loop {
        let Some(end) = memchr::memchr2(b'\n', b'\r', &bytes[line..]) else { return Err(line) };
        let next = match bytes[line + end..] {
            [b'\r', b'\n', ..] => line + end + 2,
            // Its line feed may be on its way.
            [b'\r'] => return Err(line),
            _ => line + end + 1,
        };
        if end == 0 {
            return Ok(next);
        }
        line = next;
    }
}

/// The fields of one block.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::loadtest) struct Block<'a> {
    /// The event's name; empty when the block has none.
    pub(in crate::loadtest) event: &'a [u8],
    /// The id that the block sets.
    pub(in crate::loadtest) id: Option<&'a [u8]>,
    /// The lines of data, joined by LF; none when there is no line of data, and so no event.
    pub(in crate::loadtest) data: Option<Cow<'a, [u8]>>,
}

impl<'a> Block<'a> {
    /// Reads what [`end_of_block`] found.
    pub(in crate::loadtest) fn read(bytes: &'a [u8]) -> Self {
        let mut block = Self::default();
        // A stream may begin with a byte order mark.
        let mut rest = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        while let Some(end) = memchr::memchr2(b'\n', b'\r', rest) {
            block.take(&rest[..end]);
            rest = &rest[end + 1..];
        }
        block
    }

    fn take(&mut self, line: &'a [u8]) {
        let (field, value) = match memchr::memchr(b':', line) {
            // Blank, as between CR and LF, or a comment.
            None if line.is_empty() => return,
            Some(0) => return,
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &line[line.len()..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => self.event = value,
            b"id" if !value.contains(&0) => self.id = Some(value),
            b"data" => match &mut self.data {
                None => self.data = Some(Cow::Borrowed(value)),
                Some(data) => {
                    let data = data.to_mut();
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
            },
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::parse::{Item, Message, Parser};
    use proptest::prelude::*;

    #[test]
    fn a_block_ends_at_its_blank_line_whatever_ends_the_lines() {
        assert_eq!(end_of_block(b"data: x\n\ndata", 0), Ok(9));
        assert_eq!(end_of_block(b"data: x\r\n\r\nd", 0), Ok(11));
        assert_eq!(end_of_block(b"data: x\r\rd", 0), Ok(9));
        assert_eq!(end_of_block(b"\nd", 0), Ok(1));
    }

    #[test]
    fn a_search_goes_on_where_it_stopped() {
        assert_eq!(end_of_block(b"id: 1\ndata: x\n", 0), Err(14));
        assert_eq!(end_of_block(b"id: 1\ndata: x\n\n", 14), Ok(15));
        assert_eq!(end_of_block(b"data: x\r", 0), Err(0));
    }

    #[test]
    fn a_block_has_name_id_and_data() {
        let block = Block::read(b"id: 7\nevent: load\ndata: {}\n\n");
        assert_eq!((block.event, block.id), (&b"load"[..], Some(&b"7"[..])));
        assert_eq!(block.data.as_deref(), Some(&b"{}"[..]));
        assert_eq!(Block::read(b": keep-alive\n\n"), Block::default());
    }

    /// The blocks of a stream, as the program's own parser shows them.
    fn by_blocks(stream: &[u8]) -> Vec<Message> {
        let mut rest = stream;
        let (mut last_event_id, mut messages) = (String::new(), Vec::new());
        while let Ok(end) = end_of_block(rest, 0) {
            let block = Block::read(&rest[..end]);
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            if let Some(id) = block.id {
                last_event_id = text(id);
            }
            if let Some(data) = block.data {
                let event = if block.event.is_empty() { b"message" } else { block.event };
                let (event, data) = (text(event), text(&data));
                messages.push(Message { event, data, last_event_id: last_event_id.clone() });
            }
            rest = &rest[end..];
        }
        messages
    }

    fn by_parser(stream: &[u8]) -> Vec<Message> {
        let mut parser = Parser::new(1 << 20);
        parser.push(stream);
        let items = std::iter::from_fn(|| parser.poll().map(|item| item.expect("it is small")));
        let message = |item| match item {
            Item::Message(message) => Some(message),
            Item::Comment(_) | Item::Retry(_) => None,
        };
        items.filter_map(message).collect()
    }

    proptest! {
        #[test]
        fn a_stream_means_the_same_as_to_the_programs_own_parser(
            tokens in prop::collection::vec(
                prop::sample::select(vec![
                    "data", "data:", "data: x", "event: y", "id: 1", "id:", ":", " ", "\n", "\n",
                    "\r\n", "\n\n", "other: 1", "a:b",
                ]),
                0..40,
            ),
        ) {
            let stream = tokens.concat() + "\n";
            prop_assert_eq!(by_blocks(stream.as_bytes()), by_parser(stream.as_bytes()));
        }
    }
}
