//! An event as the bytes that go on the wire, encoded once.
//!
//! ```text
//! id: 4294967338
//! event: content
//! data: {"index":3,"offset":1500,"text":"…","attempt":1,"at":1795176000123}
//!
//! ```
//!
//! Everything but the id is known before the id is. A [`Draft`] is therefore encoded outside of
//! any lock, with room left in front for the id's line; [`Draft::seal`] writes the digits and cuts
//! the room that was not needed, without copying the event. Drafts of one batch may stand in one
//! allocation, one behind the other.
//!
//! Around the event stands the frame of an HTTP/1.1 chunk (RFC 9112, section 7.1), so that the log
//! itself is the body of a response, from wherever a reader stands to its end.

use std::sync::OnceLock;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::Serialize;

use super::{EventId, EventType};

/// `id: `, up to 16 digits (ids are below 2^53) and a line feed.
const ID_ROOM: usize = 4 + 16 + 1;

/// The size of a chunk in up to eight hexadecimal digits, and its line end.
const SIZE_ROOM: usize = 8 + 2;

const HEADROOM: usize = SIZE_ROOM + ID_ROOM;

/// What ends a chunk, and the line of its size.
const LINE_END: &[u8] = b"\r\n";

/// What ends an event, and with it the chunk around it.
const END: &[u8] = b"\n\n\r\n";

/// An event that has everything but its id.
#[derive(Debug)]
pub struct Draft {
    at: i64,
    buffer: BytesMut,
    data_start: usize,
}

impl Draft {
    /// Encodes one of our own events; `at`, in UTC milliseconds, is added to its data.
    ///
    /// # Panics
    /// When `payload` is not a struct or map: our payloads are.
    #[expect(clippy::needless_pass_by_value, reason = "nobody needs the type afterwards")]
    pub fn new<P: Serialize>(kind: EventType, payload: &P, at: i64) -> Self {
        let mut buffer = BytesMut::with_capacity(HEADROOM + 80 + 256);
        let data_start = begin(&mut buffer, kind.as_str());
        serde_json::to_writer((&mut buffer).writer(), payload).expect("a payload is plain data");
        assert_eq!(buffer.last(), Some(&b'}'), "a payload is an object");
        buffer.truncate(buffer.len() - 1);
        if buffer.last() != Some(&b'{') {
            buffer.put_u8(b',');
        }
        buffer.extend_from_slice(b"\"at\":");
        buffer.extend_from_slice(itoa::Buffer::new().format(at).as_bytes());
        buffer.put_u8(b'}');
        escape_line_separators(&mut buffer, data_start);
        buffer.extend_from_slice(END);
        Self { at, buffer, data_start }
    }

    /// Encodes an external worker's event: its JSON as it came, on one line.
    ///
    /// `json` must be valid JSON, so that a line break in it can only be white space between
    /// tokens and may become a blank.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "nobody needs the type afterwards")]
    pub fn raw(kind: EventType, json: &str, at: i64) -> Self {
        let mut room = BytesMut::with_capacity(Self::raw_room(kind.as_str(), json));
        Self::raw_in(&mut room, kind.as_str(), json, at)
    }

    /// The same in a room that is empty, of which it leaves the rest to the next one. The room stays
    /// allocated as long as one of its events lives.
    #[must_use]
    pub fn raw_in(room: &mut BytesMut, name: &str, json: &str, at: i64) -> Self {
        let Some(longer) = without_line_separators(json.as_bytes()) else {
            return Self::on_one_line(room, name, json.as_bytes(), at);
        };
        let mut own = BytesMut::with_capacity(Self::raw_room(name, "") + longer.len());
        Self::on_one_line(&mut own, name, &longer, at)
    }

    fn on_one_line(room: &mut BytesMut, name: &str, json: &[u8], at: i64) -> Self {
        let data_start = begin(room, name);
        room.extend_from_slice(json);
        for byte in &mut room[data_start..] {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        room.extend_from_slice(END);
        Self { at, buffer: room.split(), data_start }
    }

    /// How much of a room such an event takes; one that has to be escaped takes none.
    #[must_use]
    pub const fn raw_room(name: &str, json: &str) -> usize {
        HEADROOM + NAME_LINE.len() + name.len() + DATA_LINE.len() + json.len() + END.len()
    }

    /// When it was made, in UTC milliseconds.
    #[must_use]
    pub const fn at(&self) -> i64 {
        self.at
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        let name = &self.buffer[HEADROOM + NAME_LINE.len()..self.data_start - DATA_LINE.len()];
        std::str::from_utf8(name).unwrap_or_default()
    }

    /// The JSON of the event.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.buffer[self.data_start..self.buffer.len() - END.len()]
    }

    /// How many bytes the event takes on the wire at most.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Never: a draft has at least its name.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// Gives the event its id. Called with the id's lock held, so it only writes a few digits.
    #[must_use]
    pub fn seal(mut self, id: EventId) -> Frame {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(id.get()).as_bytes();
        let start = HEADROOM - 1 - digits.len() - 4;
        self.buffer[start..start + 4].copy_from_slice(b"id: ");
        self.buffer[start + 4..HEADROOM - 1].copy_from_slice(digits);
        self.buffer[HEADROOM - 1] = b'\n';
        let (size, size_start) = chunk_size(self.buffer.len() - start - LINE_END.len());
        let size = &size[size_start..];
        let chunk_start = start - size.len();
        self.buffer[chunk_start..start].copy_from_slice(size);
        let mut chunk = self.buffer.freeze();
        chunk.advance(chunk_start);
        Frame {
            chunk,
            start: u8::try_from(size.len()).expect("a size has at most ten bytes"),
            data_start: u32::try_from(self.data_start - start).expect("a name has 64 bytes"),
            envelope: OnceLock::new(),
        }
    }
}

const NAME_LINE: &[u8] = b"event: ";

const DATA_LINE: &[u8] = b"\ndata: ";

/// Writes what stands before the data, with room for the id; gives where the data begins.
fn begin(buffer: &mut BytesMut, name: &str) -> usize {
    buffer.put_bytes(b' ', HEADROOM);
    buffer.extend_from_slice(NAME_LINE);
    buffer.extend_from_slice(name.as_bytes());
    buffer.extend_from_slice(DATA_LINE);
    buffer.len()
}

fn escape_line_separators(buffer: &mut BytesMut, data_start: usize) {
    if let Some(data) = without_line_separators(&buffer[data_start..]) {
        buffer.truncate(data_start);
        buffer.extend_from_slice(&data);
    }
}

/// The data with U+0085, U+2028 and U+2029 as JSON escapes, if it has any. They end no line of a
/// stream, but clients exist that split text at them, and to those an event would come in pieces.
fn without_line_separators(data: &[u8]) -> Option<Vec<u8>> {
    let hit = |rest: &[u8]| -> Option<(usize, usize, &'static [u8])> {
        memchr::memchr2_iter(0xC2, 0xE2, rest).find_map(|at| match rest[at..] {
            [0xC2, 0x85, ..] => Some((at, 2, br"\u0085".as_slice())),
            [0xE2, 0x80, 0xA8, ..] => Some((at, 3, br"\u2028".as_slice())),
            [0xE2, 0x80, 0xA9, ..] => Some((at, 3, br"\u2029".as_slice())),
            _ => None,
        })
    };
    hit(data)?;
    let mut escaped = Vec::with_capacity(data.len() + 64);
    let mut rest = data;
    while let Some((at, length, escape)) = hit(rest) {
        escaped.extend_from_slice(&rest[..at]);
        escaped.extend_from_slice(escape);
        rest = &rest[at + length..];
    }
    escaped.extend_from_slice(rest);
    Some(escaped)
}

/// The line that a chunk of so many bytes begins with, and where in the array it starts.
fn chunk_size(length: usize) -> ([u8; SIZE_ROOM], usize) {
    let mut line = [b'0'; SIZE_ROOM];
    line[SIZE_ROOM - LINE_END.len()..].copy_from_slice(LINE_END);
    let (mut at, mut rest) = (SIZE_ROOM - LINE_END.len(), length);
    while rest > 0 || at == SIZE_ROOM - LINE_END.len() {
        at -= 1;
        line[at] = b"0123456789abcdef"[rest % 16];
        rest /= 16;
    }
    (line, at)
}

/// Some bytes of a body as one HTTP/1.1 chunk.
#[must_use]
pub fn chunk(bytes: &[u8]) -> Bytes {
    let (size, start) = chunk_size(bytes.len());
    [&size[start..], bytes, LINE_END].concat().into()
}

/// What ends a body of chunks.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// One event as the bytes on the wire, shared by everybody who reads it.
#[derive(Debug)]
pub struct Frame {
    /// The event, and around it what makes it a chunk.
    chunk: Bytes,
    /// Where in the chunk the event begins.
    start: u8,
    data_start: u32,
    envelope: OnceLock<Bytes>,
}

impl Frame {
    /// Takes a frame back from storage.
    ///
    /// # Errors
    /// [`DamagedFrame`] when the bytes are not a frame that [`Draft::seal`] made.
    pub fn from_stored(bytes: &[u8]) -> Result<Self, DamagedFrame> {
        let data = memchr::memmem::find(bytes, b"\ndata: ").ok_or(DamagedFrame)? + 7;
        let whole = bytes.starts_with(b"id: ") && bytes.ends_with(b"\n\n");
        let data_start = u32::try_from(data).ok().filter(|_| whole).ok_or(DamagedFrame)?;
        let start = SIZE_ROOM - chunk_size(bytes.len()).1;
        let start = u8::try_from(start).map_err(|_| DamagedFrame)?;
        Ok(Self { chunk: chunk(bytes), start, data_start, envelope: OnceLock::new() })
    }

    /// The whole server-sent event, from `id: ` to the blank line.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.chunk[usize::from(self.start)..self.chunk.len() - LINE_END.len()]
    }

    /// The same as shared bytes, without a copy.
    #[must_use]
    pub fn shared(&self) -> Bytes {
        self.chunk.slice(usize::from(self.start)..self.chunk.len() - LINE_END.len())
    }

    /// The same as a chunk of an HTTP/1.1 body.
    #[must_use]
    pub fn chunk(&self) -> &[u8] {
        &self.chunk
    }

    /// The same as shared bytes, without a copy.
    #[must_use]
    pub fn shared_chunk(&self) -> Bytes {
        self.chunk.clone()
    }

    /// The event's JSON, one line.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        let bytes = self.bytes();
        &bytes[self.data_start as usize..bytes.len() - 2]
    }

    /// The event's name.
    #[must_use]
    pub fn name(&self) -> &str {
        let head = &self.bytes()[..self.data_start as usize - 7];
        let start = memchr::memchr(b'\n', head).map_or(0, |line| line + 8);
        std::str::from_utf8(&head[start..]).unwrap_or_default()
    }

    /// The same event in the envelope `{"job":"…","data":{…}}` of a stream of several jobs.
    ///
    /// Made when it is first asked for, then shared.
    pub fn envelope(&self, job: &str) -> &Bytes {
        self.envelope.get_or_init(|| {
            let (bytes, data) = (self.bytes(), self.data());
            let mut buffer = Vec::with_capacity(bytes.len() + job.len() + 20);
            buffer.extend_from_slice(&bytes[..self.data_start as usize]);
            buffer.extend_from_slice(b"{\"job\":\"");
            buffer.extend_from_slice(job.as_bytes());
            buffer.extend_from_slice(b"\",\"data\":");
            buffer.extend_from_slice(data);
            buffer.extend_from_slice(b"}\n\n");
            buffer.into()
        })
    }
}

/// Stored bytes that are no frame: the database was changed by something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stored bytes are not an event's frame")]
pub struct DamagedFrame;

/// Encodes an event that carries no id: `hello`, `gap`, `queue`, `bye`, or a `snapshot` made for
/// one reader, whose id is then the last one folded into it.
///
/// # Panics
/// When `payload` cannot be written as JSON: ours can.
pub fn control<P: Serialize>(name: &str, id: Option<EventId>, payload: &P) -> Bytes {
    let mut buffer = BytesMut::with_capacity(256);
    if let Some(id) = id {
        buffer.extend_from_slice(b"id: ");
        buffer.extend_from_slice(itoa::Buffer::new().format(id.get()).as_bytes());
        buffer.put_u8(b'\n');
    }
    buffer.extend_from_slice(b"event: ");
    buffer.extend_from_slice(name.as_bytes());
    buffer.extend_from_slice(b"\ndata: ");
    let data_start = buffer.len();
    serde_json::to_writer((&mut buffer).writer(), payload).expect("a payload is plain data");
    escape_line_separators(&mut buffer, data_start);
    buffer.extend_from_slice(b"\n\n");
    buffer.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sealed(draft: Draft, id: u64) -> String {
        let frame = draft.seal(EventId::from_u64(id).unwrap());
        String::from_utf8(frame.bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_frame_is_one_server_sent_event() {
        let draft = Draft::new(EventType::Content, &json!({"text": "hi"}), 7);
        assert_eq!(
            sealed(draft, 4_294_967_338),
            "id: 4294967338\nevent: content\ndata: {\"text\":\"hi\",\"at\":7}\n\n"
        );
    }

    #[test]
    fn a_frame_stands_in_a_chunk_of_its_size() {
        for length in [1, 100, 5_000, 70_000] {
            let draft = Draft::new(EventType::Log, &json!({"line": "x".repeat(length)}), 7);
            let frame = draft.seal(EventId::from_u64(4_294_967_338).unwrap());
            assert_eq!(frame.chunk(), chunk(frame.bytes()));
            let size = format!("{:x}\r\n", frame.bytes().len());
            assert!(
                frame.chunk().starts_with(size.as_bytes()) && frame.chunk().ends_with(b"\n\n\r\n")
            );
        }
    }

    #[test]
    fn text_cannot_break_a_frame() {
        let text = "a\nb\r\0c\u{2028}d\u{2029}e\u{85}f\n\nid: 1\ndata: x";
        let frame = sealed(Draft::new(EventType::Content, &json!({"text": text}), 1), 9);
        assert_eq!(frame.lines().count(), 4, "{frame:?}");
        assert!(!frame.contains(['\u{2028}', '\u{2029}', '\u{85}', '\0', '\r']));
        let data = frame.lines().nth(2).unwrap().strip_prefix("data: ").unwrap();
        let back: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(back["text"], text);
    }

    #[test]
    fn a_workers_json_stays_as_it_is_but_on_one_line() {
        let kind = EventType::from_producer("frame.done").unwrap();
        let frame = sealed(Draft::raw(kind, "{\n  \"a\": 1.50\r\n}", 1), 5);
        assert_eq!(frame, "id: 5\nevent: frame.done\ndata: {   \"a\": 1.50  }\n\n");
    }

    #[test]
    fn an_empty_payload_still_has_its_time() {
        let frame = sealed(Draft::new(EventType::Canceled, &json!({}), 3), 5);
        assert!(frame.contains("data: {\"at\":3}\n"));
    }

    #[test]
    fn drafts_of_one_room_are_as_those_that_stand_alone() {
        let kind = || EventType::from_producer("x").unwrap();
        let lines = [r#"{"a":1}"#, "{\"b\":\"\u{2028}\"}", "{}", "{\n\"c\":[]}"];
        let room = lines.iter().map(|json| Draft::raw_room("x", json)).sum();
        let mut room = BytesMut::with_capacity(room);
        let drafts: Vec<_> =
            lines.iter().map(|json| Draft::raw_in(&mut room, "x", json, 1)).collect();
        for (json, draft) in lines.iter().zip(drafts) {
            let alone = Draft::raw(kind(), json, 1);
            assert_eq!(draft.data(), alone.data());
            assert_eq!(sealed(draft, 5), sealed(alone, 5));
        }
    }

    #[test]
    fn a_stored_frame_comes_back_whole() {
        let draft = Draft::new(EventType::Progress, &json!({"percent": 5}), 7);
        let frame = draft.seal(EventId::from_u64(77).unwrap());
        let back = Frame::from_stored(frame.bytes()).unwrap();
        assert_eq!(back.name(), "progress");
        assert_eq!(back.chunk(), frame.chunk());
        assert_eq!(back.data(), frame.data());
        assert_eq!(Frame::from_stored(b"junk").unwrap_err(), DamagedFrame);
    }

    #[test]
    fn an_envelope_keeps_id_and_name() {
        let draft = Draft::new(EventType::Log, &json!({"line": "x"}), 1);
        let frame = draft.seal(EventId::from_u64(6).unwrap());
        assert_eq!(
            frame.envelope("job_1").as_ref(),
            b"id: 6\nevent: log\ndata: {\"job\":\"job_1\",\"data\":{\"line\":\"x\",\"at\":1}}\n\n"
        );
    }
}
