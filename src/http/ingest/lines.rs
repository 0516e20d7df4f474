//! Lines of a body of any length, one at a time.

use axum::body::Body;
use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt;

use crate::http::{Code, Problem};

/// The most lines, and about the most bytes of them, that are taken in one step. With what is said
/// about each event in its frame, they fit into 64 kB.
const TOGETHER: (usize, usize) = (256, 48 << 10);

/// One line, without its end.
#[derive(Debug)]
pub(super) struct Line {
    /// From 1.
    pub(super) number: u64,
    pub(super) bytes: Bytes,
}

/// Reads a body line by line and holds no more than what was received at once, or one line.
#[derive(Debug)]
pub(super) struct Lines {
    body: Body,
    limit: usize,
    /// What was received and not given out yet.
    held: BytesMut,
    /// How far `held` has been searched for a line's end.
    searched: usize,
    number: u64,
    is_over: bool,
}

impl Lines {
    pub(super) fn new(body: Body, limit: usize) -> Self {
        Self { body, limit, held: BytesMut::new(), searched: 0, number: 0, is_over: false }
    }

    /// The number of the line that was given last, from 1.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// The next line that is not blank, without its end; nothing after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            if let Some(line) = self.take_line()? {
                if !line.trim_ascii().is_empty() {
                    return Ok(Some(line));
                }
            } else if self.is_over {
                return Ok(None);
            } else {
                self.receive().await?;
            }
        }
    }

    /// The next lines that are not blank: the next one, once it is there, with those behind it that
    /// were received together with it; nothing after the last.
    pub(super) async fn next_together(&mut self) -> Result<Vec<Line>, Problem> {
        let mut lines = Vec::new();
        let Some(first) = self.next().await? else { return Ok(lines) };
        let mut size = first.len();
        lines.push(Line { number: self.number, bytes: first });
        while lines.len() < TOGETHER.0
            && let Some(length) = self.received_line()
            && size + length <= TOGETHER.1
            // What is wrong with a line is told once those before it are taken.
            && let Ok(Some(bytes)) = self.take_line()
        {
            if !bytes.trim_ascii().is_empty() {
                size += length;
                lines.push(Line { number: self.number, bytes });
            }
        }
        Ok(lines)
    }

    /// How long the next line is, if its end was received.
    fn received_line(&mut self) -> Option<usize> {
        let found = memchr::memchr(b'\n', &self.held[self.searched..]);
        self.searched = found.map_or(self.held.len(), |at| self.searched + at);
        found.map(|_| self.searched)
    }

    fn take_line(&mut self) -> Result<Option<Bytes>, Problem> {
        let length = match self.received_line() {
            Some(length) => length,
            None if self.is_over && !self.held.is_empty() => self.held.len(),
            None => return self.within(self.held.len()).map(|()| None),
        };
        self.within(length)?;
        let line = self.held.split_to(length).freeze();
        if !self.held.is_empty() {
            self.held.advance(1);
        }
        self.searched = 0;
        self.number += 1;
        Ok(Some(line))
    }

    fn within(&self, length: usize) -> Result<(), Problem> {
        let limit = self.limit;
        let detail = || format!("line {} is longer than {limit} bytes", self.number + 1);
        (length <= limit).then_some(()).ok_or_else(|| Problem::new(Code::LineTooLong, detail()))
    }

    async fn receive(&mut self) -> Result<(), Problem> {
        match self.body.frame().await {
            None => self.is_over = true,
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    self.held.extend_from_slice(&data);
                }
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "a body was cut");
                let detail = format!("the body ended within line {}", self.number + 1);
                return Err(Problem::new(Code::InvalidBody, detail));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    fn lines(chunks: &'static [&'static str], limit: usize) -> Lines {
        let chunks = chunks.iter().map(|chunk| Ok::<_, std::convert::Infallible>(*chunk));
        Lines::new(Body::from_stream(stream::iter(chunks)), limit)
    }

    #[tokio::test]
    async fn lines_may_be_cut_anywhere_and_blank() {
        let mut lines = lines(&["{\"a\"", ":1}\r", "\n\n{}", "\n", "last"], 100);
        assert_eq!(lines.next().await.unwrap().unwrap(), "{\"a\":1}\r");
        assert_eq!(lines.next().await.unwrap().unwrap(), "{}");
        assert_eq!(lines.number(), 3);
        assert_eq!(lines.next().await.unwrap().unwrap(), "last");
        assert!(lines.next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn lines_that_were_received_together_are_given_together() {
        let mut lines = lines(&["1\n\n \n22", "\n333\nlong long\n", "4"], 8);
        let mut next = async || {
            let together = lines.next_together().await?;
            Ok::<_, Problem>(together.iter().map(|line| line.number).collect::<Vec<_>>())
        };
        assert_eq!(next().await.unwrap(), [1]);
        assert_eq!(next().await.unwrap(), [4, 5], "what is before a bad line is not lost");
        assert!(next().await.is_err());
    }

    #[tokio::test]
    async fn what_is_given_together_is_bounded() {
        let body = Body::from("x\n".repeat(1000) + &("y".repeat(30_000) + "\n").repeat(3));
        let mut lines = Lines::new(body, 100_000);
        let mut counts = Vec::new();
        loop {
            let together = lines.next_together().await.unwrap();
            if together.is_empty() {
                break;
            }
            assert!(together.iter().map(|line| line.bytes.len()).sum::<usize>() <= TOGETHER.1);
            counts.push(together.len());
        }
        assert_eq!(counts.iter().sum::<usize>(), 1003);
        assert!(counts.iter().all(|count| *count <= TOGETHER.0), "{counts:?}");
    }

    #[tokio::test]
    async fn an_endless_line_is_refused_while_it_arrives() {
        let mut lines = lines(&["12345", "67890", "1"], 8);
        assert!(lines.next().await.is_err());
    }
}
