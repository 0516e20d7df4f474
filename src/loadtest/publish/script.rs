//! What is published, in the words of the server that takes it.

use std::fmt::Write as _;
use std::io::Write as _;

use super::super::payload::{self, Mark};
use super::super::recording::Recording;

/// What events carry.
#[derive(Clone, Debug)]
pub(in crate::loadtest) enum Content {
    /// Made-up data of so many bytes.
    Synthetic { size: usize },
    /// A recorded job's.
    Recorded(Recording),
}

/// How a server wants an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::loadtest) enum Dialect {
    /// A line with `type` and `data`, as Tailwater's ingest does.
    Line,
    /// The data and nothing else.
    Plain,
    /// The block that goes on the wire.
    Block,
}

/// The name of made-up events.
pub(in crate::loadtest) const EVENT: &str = "load";

/// What to say for each event.
#[derive(Clone, Debug)]
pub(in crate::loadtest) struct Script {
    pub(in crate::loadtest) content: Content,
    pub(in crate::loadtest) dialect: Dialect,
}

impl Script {
    /// Writes one event's body.
    pub(super) fn write(&self, mark: Mark, body: &mut Vec<u8>) {
        let (kind, recorded) = match &self.content {
            Content::Synthetic { .. } => (EVENT, None),
            Content::Recorded(recording) => {
                let (kind, data) = &recording.events[mark.sequence as usize];
                (kind.as_str(), Some(data))
            }
        };
        let mut before = String::new();
        match self.dialect {
            Dialect::Line => write!(before, r#"{{"type":"{kind}","data":"#),
            Dialect::Plain => Ok(()),
            Dialect::Block => {
                write!(before, "id: {}\nevent: {kind}\ndata: ", u64::from(mark.sequence) + 1)
            }
        }
        .expect("a string grows");
        body.extend_from_slice(before.as_bytes());
        match (&self.content, recorded) {
            (Content::Synthetic { size }, _) => payload::write(mark, *size, body),
            (Content::Recorded(_), data) => {
                body.extend_from_slice(data.map_or(&[], |data| data.as_bytes()));
            }
        }
        body.extend_from_slice(match self.dialect {
            Dialect::Line => b"}\n",
            Dialect::Plain => b"",
            Dialect::Block => b"\n\n",
        });
    }
}

/// Writes one HTTP chunk.
pub(in crate::loadtest) fn chunk(body: &[u8], out: &mut Vec<u8>) {
    write!(out, "{:x}\r\n", body.len()).expect("a vector grows");
    out.extend_from_slice(body);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Mark = Mark { sequence: 4, job: 0, planned: 1 };

    fn written(dialect: Dialect, content: Content) -> String {
        let mut body = Vec::new();
        Script { content, dialect }.write(MARK, &mut body);
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn every_server_gets_the_same_data_in_its_own_words() {
        let [line, plain, block] = [Dialect::Line, Dialect::Plain, Dialect::Block]
            .map(|dialect| written(dialect, Content::Synthetic { size: 100 }));
        assert_eq!(payload::exactly(plain.as_bytes()), Ok(MARK));
        assert_eq!(line, format!("{{\"type\":\"load\",\"data\":{plain}}}\n"));
        assert_eq!(block, format!("id: 5\nevent: load\ndata: {plain}\n\n"));
    }

    #[test]
    fn a_chunk_says_its_length() {
        let mut out = Vec::new();
        chunk(&[b'x'; 17], &mut out);
        assert_eq!(out, b"11\r\nxxxxxxxxxxxxxxxxx\r\n");
    }
}
