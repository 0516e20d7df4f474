//! Reading `text/event-stream`: bytes in, events out.
//!
//! Exact to the WHATWG text
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream>,
//! quoted as "§9.2.6" below) and bounded, which the text is not: a peer that never sends a blank
//! line costs at most `max_event_bytes` and then gets an error. One parser serves the provider
//! client, the Rust client and the load test, so that a stream means the same thing to all three.
//!
//! The parser does no I/O and never waits: [`Parser::push`] bytes as they come, cut anywhere, then
//! [`Parser::poll`] until it has nothing more. How the bytes were cut never shows in what comes out.

use std::mem;

use memchr::{memchr, memchr2};

/// The byte order mark that a stream may start with, once per connection (§9.2.5).
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// One event, as a browser's `MessageEvent` would carry it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The event's name; `message` when the stream named none.
    pub event: String,
    /// Its data, the lines joined by LF. May be empty: `data:` alone is an event.
    pub data: String,
    /// The last event id at this event, its own or an earlier one's; empty when there was none.
    pub last_event_id: String,
}

/// What one step of reading gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// An event.
    Message(Message),
    /// A comment line, without its colon and the space after it. A browser hides these; here they
    /// are shown, since keep-alives are comments and a watchdog has to see them.
    Comment(String),
    /// The peer's wish for the delay before a reconnect, in milliseconds.
    Retry(u64),
}

/// Why a stream cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// One event, or one line, is longer than the reader is willing to hold.
    #[error("an event of the stream is larger than {limit} bytes")]
    TooLarge {
        /// The bound that was passed, in bytes.
        limit: usize,
    },
}

/// An incremental parser of one event stream.
#[derive(Debug)]
pub struct Parser {
    max_event_bytes: usize,
    /// Bytes as they came; those before `start` are read.
    buffer: Vec<u8>,
    start: usize,
    /// The bytes from `start` that are known to hold no line end, so that a long line which comes
    /// in small pieces is searched once and not once per piece.
    searched: usize,
    /// A BOM is still to be looked for: true until the first three bytes of a connection are here.
    at_beginning: bool,
    /// The last line ended in CR, so an LF that follows belongs to it.
    swallow_line_feed: bool,
    /// Set by an error: nothing is read until [`Parser::reset`].
    failed: bool,
    /// The spec's data buffer: each line of data with an LF behind it.
    data: String,
    /// The spec's event type buffer.
    event: String,
    /// The spec's last event id buffer: what the block being read has set.
    pending_id: String,
    /// The spec's last event id string: what the last finished block has set.
    last_event_id: String,
}

impl Parser {
    /// A parser at the start of a stream, which holds at most `max_event_bytes` of an unfinished
    /// event (its data, name and id, and the line being read).
    #[must_use]
    pub fn new(max_event_bytes: usize) -> Self {
        Self {
            max_event_bytes,
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            at_beginning: true,
            swallow_line_feed: false,
            failed: false,
            data: String::new(),
            event: String::new(),
            pending_id: String::new(),
            last_event_id: String::new(),
        }
    }

    /// Takes the next bytes of the stream, cut anywhere: inside a line, a CRLF or a code point.
    ///
    /// Call [`Parser::poll`] until it has nothing more before pushing again; otherwise the bytes
    /// wait in memory. After an error bytes are dropped.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed {
            return;
        }
        self.buffer.drain(..mem::take(&mut self.start));
        self.buffer.extend_from_slice(bytes);
    }

    /// The next item that the bytes so far complete, or `None` when more bytes are needed.
    ///
    /// An event comes out at its blank line and not a byte later, also when that line ends in a
    /// lone CR at the end of what was pushed. An event without its blank line never comes out.
    ///
    /// # Errors
    /// [`ParseError::TooLarge`], once. After it there is nothing more until [`Parser::reset`].
    pub fn poll(&mut self) -> Option<Result<Item, ParseError>> {
        if self.failed || !self.pass_byte_order_mark() {
            return None;
        }
        loop {
            self.pass_line_feed();
            let rest = &self.buffer[self.start..];
            let end = memchr2(b'\n', b'\r', &rest[self.searched..]).map(|at| at + self.searched);
            let length = end.unwrap_or(rest.len());
            let held = self.data.len() + self.event.len() + self.pending_id.len();
            if held + length > self.max_event_bytes {
                return Some(Err(self.fail()));
            }
            let Some(end) = end else {
                self.searched = length;
                return None;
            };
            self.swallow_line_feed = rest[end] == b'\r';
            let line = self.start..self.start + end;
            self.start = line.end + 1;
            self.searched = 0;
            // The buffer is lent out, so that a line is read where it lies.
            let buffer = mem::take(&mut self.buffer);
            // The spec decodes first and splits then; the other way round is the same, since CR and
            // LF are never part of a longer UTF-8 sequence.
            let item = self.read_line(&String::from_utf8_lossy(&buffer[line]));
            self.buffer = buffer;
            if let Some(item) = item {
                return Some(Ok(item));
            }
        }
    }

    /// Makes the parser ready for the bytes of a new connection.
    ///
    /// A half-read event goes, with the id that it had set, and a BOM is allowed again. The last
    /// event id stays: events of the new connection that set no id carry it on, as in the engines.
    pub fn reset(&mut self) {
        let last_event_id = mem::take(&mut self.last_event_id);
        *self = Self {
            pending_id: last_event_id.clone(),
            last_event_id,
            ..Self::new(self.max_event_bytes)
        };
    }

    /// The id to resume from: what goes into `Last-Event-ID`. Empty when none was set.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// Skips a BOM at the beginning. False while the bytes so far could still become one.
    fn pass_byte_order_mark(&mut self) -> bool {
        if !self.at_beginning {
            return true;
        }
        if self.buffer.starts_with(BYTE_ORDER_MARK) {
            self.start = BYTE_ORDER_MARK.len();
        } else if BYTE_ORDER_MARK.starts_with(&self.buffer) {
            return false;
        }
        self.at_beginning = false;
        true
    }

    /// Skips the LF of a CRLF whose CR has ended a line already.
    fn pass_line_feed(&mut self) {
        if !self.swallow_line_feed {
            return;
        }
        let Some(&next) = self.buffer.get(self.start) else {
            return;
        };
        self.swallow_line_feed = false;
        self.start += usize::from(next == b'\n');
    }

    fn fail(&mut self) -> ParseError {
        self.failed = true;
        self.buffer = Vec::new();
        self.start = 0;
        ParseError::TooLarge { limit: self.max_event_bytes }
    }

    /// Handles one line without its end, by the steps of §9.2.6.
    fn read_line(&mut self, line: &str) -> Option<Item> {
        if line.is_empty() {
            return self.dispatch();
        }
        let Some(colon) = memchr(b':', line.as_bytes()) else {
            return self.read_field(line, "");
        };
        let value = &line[colon + 1..];
        // "If value starts with a U+0020 SPACE character, remove it": one, not all.
        let value = value.strip_prefix(' ').unwrap_or(value);
        if colon == 0 {
            return Some(Item::Comment(value.to_owned()));
        }
        self.read_field(&line[..colon], value)
    }

    fn read_field(&mut self, name: &str, value: &str) -> Option<Item> {
        match name {
            "event" => value.clone_into(&mut self.event),
            "data" => {
                self.data.reserve(value.len() + 1);
                self.data.push_str(value);
                self.data.push('\n');
            }
            // An id with NUL is ignored whole: it could not be sent back in a header.
            "id" if !value.contains('\0') => value.clone_into(&mut self.pending_id),
            "retry" => return delay(value).map(Item::Retry),
            _ => {}
        }
        None
    }

    /// Ends a block: "dispatch the event". The id counts even when the block holds no data.
    fn dispatch(&mut self) -> Option<Item> {
        if self.last_event_id != self.pending_id {
            self.last_event_id.clone_from(&self.pending_id);
        }
        let event = mem::take(&mut self.event);
        let mut data = mem::take(&mut self.data);
        data.pop()?;
        Some(Item::Message(Message {
            event: if event.is_empty() { "message".to_owned() } else { event },
            data,
            last_event_id: self.last_event_id.clone(),
        }))
    }
}

/// The longest delay that is told: what a number of a browser holds exactly, as for the TypeScript
/// client.
const LONGEST_DELAY: u64 = (1 << 53) - 1;

/// The value of `retry:`: ASCII digits and nothing else.
fn delay(value: &str) -> Option<u64> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| value.parse().unwrap_or(u64::MAX).min(LONGEST_DELAY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: usize = 1 << 16;

    fn drain(parser: &mut Parser) -> Vec<Result<Item, ParseError>> {
        std::iter::from_fn(|| parser.poll()).collect()
    }

    fn read(stream: impl AsRef<[u8]>) -> Vec<Item> {
        let mut parser = Parser::new(LIMIT);
        parser.push(stream.as_ref());
        drain(&mut parser).into_iter().map(Result::unwrap).collect()
    }

    fn message(event: &str, data: &str, id: &str) -> Item {
        Item::Message(Message {
            event: event.to_owned(),
            data: data.to_owned(),
            last_event_id: id.to_owned(),
        })
    }

    fn data(stream: impl AsRef<[u8]>) -> Vec<String> {
        let of = |item| match item {
            Item::Message(message) => Some(message.data),
            Item::Comment(_) | Item::Retry(_) => None,
        };
        read(stream).into_iter().filter_map(of).collect()
    }

    #[test]
    fn the_examples_of_the_specification_read_as_it_says() {
        assert_eq!(data("data: YHOO\ndata: +2\ndata: 10\n\n"), ["YHOO\n+2\n10"]);
        let four = ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n";
        assert_eq!(
            read(four),
            [
                Item::Comment("test stream".to_owned()),
                message("message", "first event", "1"),
                message("message", "second event", ""),
            ]
        );
        assert_eq!(data("data\n\ndata\ndata\n\ndata:"), ["", "\n"]);
        assert_eq!(data("data:test\n\ndata: test\n\n"), ["test", "test"]);
        let added = "event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n";
        assert_eq!(read(added), [message("add", "73857293", ""), message("remove", "2153", "")]);
    }

    #[test]
    fn the_format_vectors_of_the_platform_tests_read_as_they_say() {
        // eventsource/format-*.any.js of web-platform-tests.
        assert_eq!(
            data(
                "data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n"
            ),
            ["\0\n 2\n1\n3\n\n4"]
        );
        assert_eq!(
            data("data:1\r:\0\n:\r\ndata:2\n:x\rdata:3\n:data:fail\r:x\ndata:4\n\n"),
            ["1\n2\n3\n4"]
        );
        assert_eq!(
            data("data: data\n\n:\n\ndata:\n\ndata\ndata\n\ndata:test\n\n"),
            ["data", "", "\n", "test"]
        );
        assert_eq!(data("data:ok\n\u{feff}data:1\n\ndata: x"), ["ok"]);
        assert_eq!(data("data:\ttest\rdata: \ndata:test\n\n"), ["\ttest\n\ntest"]);
        assert_eq!(data("\n\ndata:\t\n\n"), ["\t"]);
        assert_eq!(
            data("data:\u{1}\u{fffe}\u{85}\u{2028}\u{2029}x\n\n"),
            ["\u{1}\u{fffe}\u{85}\u{2028}\u{2029}x"]
        );
    }

    #[test]
    fn one_byte_order_mark_is_skipped_and_a_second_is_data() {
        assert_eq!(data("\u{feff}data:1\n\n\u{feff}data:2\n\ndata:3\n\n"), ["1", "3"]);
        assert_eq!(data("\u{feff}\u{feff}data:1\n\ndata:2\n\ndata:3\n\n"), ["2", "3"]);
        assert_eq!(data(b"\xEF\xBBdata:1\n\ndata:2\n\n"), ["2"]);
    }

    #[test]
    fn the_last_event_of_a_block_names_it_and_an_empty_name_is_message() {
        assert_eq!(
            read("event: a\nevent: b\ndata\n\ndata\n\n"),
            [message("b", "", ""), message("message", "", "")]
        );
        assert_eq!(read("event: a\nevent:\ndata:x\n\n"), [message("message", "x", "")]);
        assert_eq!(read("event: a\n\ndata:x\n\n"), [message("message", "x", "")]);
    }

    #[test]
    fn an_id_lasts_until_another_and_one_with_nul_is_ignored() {
        let stream = "id: 1\ndata:a\n\ndata:b\n\nid: 2\0\ndata:c\n\nid\ndata:d\n\nid:…\ndata:e\n\n";
        let ids: Vec<_> = read(stream)
            .into_iter()
            .map(|item| match item {
                Item::Message(message) => message.last_event_id,
                Item::Comment(_) | Item::Retry(_) => unreachable!(),
            })
            .collect();
        assert_eq!(ids, ["1", "1", "1", "", "…"]);
    }

    #[test]
    fn an_id_alone_counts_at_its_blank_line_and_fires_nothing() {
        let mut parser = Parser::new(LIMIT);
        parser.push(b"id: 7\n");
        assert_eq!(drain(&mut parser), []);
        assert_eq!(parser.last_event_id(), "");
        parser.push(b"\n");
        assert_eq!(drain(&mut parser), []);
        assert_eq!(parser.last_event_id(), "7");
    }

    #[test]
    fn retry_is_digits_only() {
        assert_eq!(read("retry: 2417\n"), [Item::Retry(2417)]);
        assert_eq!(
            read("retry:03000\nretry: 1x\nretry:\nretry\nretry: -1\nretry:  1\nretry: +1\n"),
            [Item::Retry(3000)]
        );
        assert_eq!(read("retry:99999999999999999999999\n"), [Item::Retry(LONGEST_DELAY)]);
    }

    #[test]
    fn a_comment_is_shown_at_once_in_the_middle_of_an_event_too() {
        let shown = [Item::Comment("keep-alive".to_owned()), message("message", "x", "")];
        assert_eq!(read("data: x\n: keep-alive\n\n"), shown);
    }

    #[test]
    fn a_lone_carriage_return_ends_an_event_without_waiting_for_the_next_byte() {
        let mut parser = Parser::new(LIMIT);
        parser.push(b"data:a\r\r");
        assert_eq!(drain(&mut parser), [Ok(message("message", "a", ""))]);
        parser.push(b"\ndata:b\n\n");
        assert_eq!(drain(&mut parser), [Ok(message("message", "b", ""))]);
    }

    #[test]
    fn bad_and_cut_utf8_becomes_replacement_characters() {
        assert_eq!(data(b"data: a\xFFb\n\n"), ["a\u{fffd}b"]);
        assert_eq!(data(b"data: \xE2\x82\ndata:\xF0\x9F\x98\n\n"), ["\u{fffd}\n\u{fffd}"]);
        let mut parser = Parser::new(LIMIT);
        for byte in "data: 😀\n\n".bytes() {
            parser.push(&[byte]);
        }
        assert_eq!(drain(&mut parser), [Ok(message("message", "😀", ""))]);
    }

    #[test]
    fn a_reconnect_drops_the_half_event_and_its_id_and_keeps_the_last_id() {
        let mut parser = Parser::new(LIMIT);
        parser.push(b"id:1\ndata:a\n\nid:2\nevent:x\ndata:half");
        assert_eq!(drain(&mut parser).len(), 1);
        parser.reset();
        assert_eq!(parser.last_event_id(), "1");
        parser.push("\u{feff}data:b\n\n".as_bytes());
        assert_eq!(drain(&mut parser), [Ok(message("message", "b", "1"))]);
    }

    #[test]
    fn an_event_over_the_limit_is_one_error_and_then_nothing_until_a_reset() {
        let too_large = [Err(ParseError::TooLarge { limit: 10 })];
        for stream in ["data: 1234567890", "data:12345\ndata:12345\n", "\n\n:12345678901\n"] {
            let mut parser = Parser::new(10);
            parser.push(stream.as_bytes());
            assert_eq!(drain(&mut parser), too_large, "{stream:?}");
            parser.push(b"\n\ndata:x\n\n");
            assert_eq!(drain(&mut parser), []);
            parser.reset();
            parser.push(b"data:x\n\n");
            assert_eq!(drain(&mut parser), [Ok(message("message", "x", ""))]);
        }
    }

    #[test]
    fn comments_and_fields_that_are_not_kept_never_add_up_to_the_limit() {
        let mut parser = Parser::new(16);
        for _ in 0..1000 {
            parser.push(b": keep-alive\nother: 1\n");
            assert_eq!(drain(&mut parser), [Ok(Item::Comment("keep-alive".to_owned()))]);
        }
    }

    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let token = prop::sample::select(vec![
            &b"data"[..],
            b"data:",
            b"data: ",
            b"event: ",
            b"id:",
            b"retry: ",
            b":",
            b" ",
            b"12",
            b"\n",
            b"\n",
            b"\r",
            b"\r\n",
            b"\n\n",
            b"\0",
            "é😀".as_bytes(),
            b"\xE2\x82",
            b"\xFF",
            b"\xEF\xBB\xBF",
            b"\xEF\xBB",
        ]);
        prop::collection::vec(token, 0..60).prop_map(|tokens| tokens.concat())
    }

    proptest! {
        #[test]
        fn how_the_bytes_are_cut_never_shows(
            stream in stream(),
            cuts in prop::collection::vec(0_usize..200, 0..12),
            limit in prop::sample::select(vec![8_usize, 24, LIMIT]),
        ) {
            let mut whole = Parser::new(limit);
            whole.push(&stream);
            let expected = drain(&mut whole);

            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let mut parser = Parser::new(limit);
            let mut items = Vec::new();
            for cut in cuts.windows(2) {
                parser.push(&stream[cut[0]..cut[1]]);
                items.extend(drain(&mut parser));
            }
            prop_assert_eq!(items, expected);
            prop_assert_eq!(parser.last_event_id(), whole.last_event_id());
        }
    }
}
