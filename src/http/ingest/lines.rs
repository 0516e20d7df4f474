//! Lines of a body of any length, one at a time.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

use crate::http::{Code, Problem};

/// Reads a body line by line and holds no more than one line of it.
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

    fn take_line(&mut self) -> Result<Option<Bytes>, Problem> {
        let found = memchr::memchr(b'\n', &self.held[self.searched..]);
        let length = match found {
            Some(at) => self.searched + at,
            None if self.is_over && !self.held.is_empty() => self.held.len(),
            None => {
                self.searched = self.held.len();
                return self.within(self.searched).map(|()| None);
            }
        };
        self.within(length)?;
        let line = self.held.split_to(length).freeze();
        if !self.held.is_empty() {
            drop(self.held.split_to(1));
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
    async fn an_endless_line_is_refused_while_it_arrives() {
        let mut lines = lines(&["12345", "67890", "1"], 8);
        assert!(lines.next().await.is_err());
    }
}
