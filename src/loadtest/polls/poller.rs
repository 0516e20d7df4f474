//! One polling client: a connection that is kept, and what it knows of its job.

use std::io::{self, Read, Write};

use mio::net::TcpStream;
use serde::Deserialize;

use crate::loadtest::target::Target;
use crate::loadtest::wire::{Framing, Head, Piece};

/// What the server said of a job.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Nothing is new.
    Unchanged,
    /// Something is.
    Changed(State),
    /// It asks to come later.
    Later,
    /// It said something else.
    Other(String),
}

/// A job's state, as far as it can be checked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct State {
    status: String,
    pub(super) last_event_id: u64,
    /// When to ask again; none when there is nothing more to come.
    pub(super) poll_after_ms: Option<u64>,
}

impl State {
    /// Whether the job is over.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.status.as_str(), "completed" | "failed" | "canceled")
    }
}

/// An answer, and how long the server wants to be left alone, in seconds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) news: News,
    pub(super) retry_after: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Poller {
    pub(super) job: usize,
    pub(super) socket: Option<TcpStream>,
    /// When its request was due that is not answered yet.
    pub(super) asked: Option<u64>,
    /// Whether the request has gone out.
    pub(super) is_sent: bool,
    pub(super) known: Option<State>,
    pub(super) has_ended: bool,
    tag: String,
    framing: Framing,
    head: Head,
    body: Vec<u8>,
    kept: Vec<u8>,
}

impl Poller {
    pub(super) fn new(job: usize) -> Self {
        Self {
            job,
            socket: None,
            asked: None,
            is_sent: false,
            known: None,
            has_ended: false,
            tag: String::new(),
            framing: Framing::Head,
            head: Head::default(),
            body: Vec::new(),
            kept: Vec::new(),
        }
    }

    /// Forgets a connection, and half an answer with it.
    pub(super) fn hang_up(&mut self) {
        self.socket = None;
        self.is_sent = false;
        self.framing = Framing::Head;
        self.kept.clear();
        self.body.clear();
    }

    /// Sends the request if the connection is there and it has not been sent.
    pub(super) fn send(&mut self, target: &Target, path: &str) -> io::Result<()> {
        let Some(socket) = &mut self.socket else { return Ok(()) };
        if self.is_sent || self.asked.is_none() {
            return Ok(());
        }
        let (lines, tag) = (&target.lines, &self.tag);
        let condition =
            if tag.is_empty() { String::new() } else { format!("if-none-match: {tag}\r\n") };
        let request = format!("GET {path} HTTP/1.1\r\n{lines}{condition}\r\n");
        match socket.write(request.as_bytes()) {
            Ok(written) if written == request.len() => self.is_sent = true,
            Ok(_) => return Err(io::ErrorKind::WriteZero.into()),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected
                ) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Reads what there is; an answer, if it is whole by now.
    pub(super) fn receive(&mut self) -> io::Result<Option<Answer>> {
        let mut buffer = [0; 16 << 10];
        loop {
            let Some(socket) = &mut self.socket else { return Ok(None) };
            match socket.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    self.kept.extend_from_slice(&buffer[..read]);
                    if let Some(answer) = self.understand()? {
                        return Ok(Some(answer));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn understand(&mut self) -> io::Result<Option<Answer>> {
        let kept = std::mem::take(&mut self.kept);
        let mut bytes = kept.as_slice();
        loop {
            match self.framing.take(&mut bytes) {
                Piece::Head(head) => self.head = head,
                Piece::Body(body) => self.body.extend_from_slice(body),
                Piece::More => {
                    self.kept = bytes.to_vec();
                    return Ok(None);
                }
                Piece::End => {
                    self.kept = bytes.to_vec();
                    self.framing = Framing::Head;
                    self.is_sent = false;
                    let body = std::mem::take(&mut self.body);
                    return Ok(Some(self.answer(&body)));
                }
                Piece::Nonsense => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
    }

    fn answer(&mut self, body: &[u8]) -> Answer {
        let number = |name: &str| self.head.header(name)?.parse().ok();
        let retry_after = number("retry-after");
        let news = match self.head.status {
            304 => News::Unchanged,
            429 | 503 => News::Later,
            200 => match serde_json::from_slice(body) {
                Ok(state) => News::Changed(state),
                Err(error) => News::Other(format!("a job cannot be read: {error}")),
            },
            status => News::Other(format!("status {status}")),
        };
        if let Some(tag) = self.head.header("etag") {
            tag.clone_into(&mut self.tag);
        }
        Answer { news, retry_after }
    }

    /// The entity tag of the last answer.
    pub(super) fn tag(&self) -> &str {
        &self.tag
    }
}
