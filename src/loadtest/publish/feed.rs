//! The connection over which one job's events are pushed.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Poll, Token};

use super::Published;
use super::script::{Script, chunk};
use crate::loadtest::LoadError;
use crate::loadtest::payload::Mark;
use crate::loadtest::system::now_ns;
use crate::loadtest::wire::{Framing, Piece};

/// How events go to a server.
#[derive(Clone, Debug)]
pub(in crate::loadtest) enum Way {
    /// All of a job in one request whose body goes on; this is its head.
    Stream(String),
    /// A request for each; this is its head but for its length and the blank line.
    Each(String),
}

/// One job on its way to the server.
#[derive(Debug)]
pub(in crate::loadtest) struct Feed {
    job: u32,
    server: SocketAddr,
    script: Script,
    way: Way,
    socket: TcpStream,
    /// What is to be written, from `written` on.
    out: Vec<u8>,
    written: usize,
    /// When the events were due that are in `out`.
    leaving: Vec<u64>,
    /// When the events are due that wait for an answer to the one before.
    due: VecDeque<u64>,
    /// The body of the last request, when that is to come.
    last: Option<String>,
    /// The sequence of the next event.
    sequence: u32,
    /// How many events the system has taken, or where each is answered, the server.
    sent: u32,
    /// When the request was sent that is not answered yet.
    asked: Option<u64>,
    framing: Framing,
    kept: Vec<u8>,
    status: u16,
    body: Vec<u8>,
    closes: bool,
    is_over: bool,
}

impl Feed {
    pub(super) fn connect(
        job: u32,
        server: SocketAddr,
        script: Script,
        way: Way,
        poll: &Poll,
    ) -> io::Result<Self> {
        let (out, asked) = match &way {
            Way::Stream(head) => (head.clone().into_bytes(), Some(now_ns())),
            Way::Each(_) => (Vec::new(), None),
        };
        Ok(Self {
            job,
            server,
            script,
            way,
            socket: open(server, job, poll)?,
            out,
            written: 0,
            leaving: Vec::new(),
            due: VecDeque::new(),
            last: None,
            sequence: 0,
            sent: 0,
            asked,
            framing: Framing::Head,
            kept: Vec::new(),
            status: 0,
            body: Vec::new(),
            closes: false,
            is_over: false,
        })
    }

    /// Takes an event that is due.
    pub(super) fn push(&mut self, planned: u64) {
        match &self.way {
            Way::Stream(_) => {
                let mut body = Vec::with_capacity(256);
                self.write_event(planned, &mut body);
                chunk(&body, &mut self.out);
            }
            Way::Each(_) => self.due.push_back(planned),
        }
    }

    /// No event follows but this one, if there is one.
    pub(super) fn end(&mut self, last: Option<&str>) {
        match &self.way {
            Way::Stream(_) => {
                if let Some(last) = last {
                    chunk(last.as_bytes(), &mut self.out);
                }
                self.out.extend_from_slice(b"0\r\n\r\n");
            }
            Way::Each(_) => self.last = last.map(str::to_owned),
        }
    }

    /// Whether nothing waits here: all is written, and what has an answer is answered.
    pub(super) fn is_free(&self) -> bool {
        let answered = matches!(self.way, Way::Stream(_)) || self.asked.is_none();
        self.out.is_empty() && self.due.is_empty() && answered
    }

    /// Whether so much waits to be written that memory is better kept for something else.
    pub(super) fn is_full(&self) -> bool {
        self.out.len() - self.written > 1 << 20
    }

    /// Whether only the server can bring it on.
    pub(super) fn is_waiting(&self) -> bool {
        let is_asking = matches!(self.way, Way::Each(_)) && self.asked.is_some();
        !self.out.is_empty() || !self.due.is_empty() || is_asking
    }

    /// Whether all of it is answered.
    pub(super) fn is_over(&self) -> bool {
        match self.way {
            Way::Stream(_) => self.is_over,
            Way::Each(_) => self.is_free() && self.last.is_none(),
        }
    }

    /// Writes and reads what can be; gives how many events are through.
    pub(super) fn flush(
        &mut self,
        poll: &Poll,
        published: &mut Published,
    ) -> Result<u32, LoadError> {
        let broken = |error: io::Error| {
            LoadError::server(format!("closed the connection that events are pushed over: {error}"))
        };
        loop {
            self.hear(published).map_err(broken)??;
            if matches!(self.way, Way::Each(_)) && self.asked.is_none() && self.out.is_empty() {
                if self.wants_to_ask() && (self.closes || self.is_hung_up()) {
                    self.socket = open(self.server, self.job, poll).map_err(broken)?;
                    self.closes = false;
                }
                self.ask();
            }
            if self.out.is_empty() {
                return Ok(self.sent);
            }
            if !self.say(published).map_err(broken)? {
                return Ok(self.sent);
            }
        }
    }

    fn wants_to_ask(&self) -> bool {
        !self.due.is_empty() || self.last.is_some()
    }

    /// Whether the server has closed the connection while nothing was asked: none is kept for ever.
    fn is_hung_up(&mut self) -> bool {
        match self.socket.read(&mut [0]) {
            Ok(read) => read == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }

    /// Makes the next request, if there is something to ask for.
    fn ask(&mut self) {
        let Way::Each(head) = &self.way else { return };
        let head = head.clone();
        let mut body = Vec::with_capacity(256);
        if let Some(planned) = self.due.pop_front() {
            self.write_event(planned, &mut body);
        } else if let Some(last) = self.last.take() {
            body.extend_from_slice(last.as_bytes());
        } else {
            return;
        }
        write!(self.out, "{head}content-length: {}\r\n\r\n", body.len()).expect("a vector grows");
        self.out.extend_from_slice(&body);
        self.asked = Some(now_ns());
    }

    fn write_event(&mut self, planned: u64, body: &mut Vec<u8>) {
        self.script.write(Mark { sequence: self.sequence, job: self.job, planned }, body);
        self.sequence += 1;
        self.leaving.push(planned);
    }

    /// Writes what it can; false when the system takes no more for now.
    fn say(&mut self, published: &mut Published) -> io::Result<bool> {
        match self.socket.write(&self.out[self.written..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => self.written += written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if self.written == self.out.len() {
            self.out.clear();
            self.written = 0;
            let now = now_ns();
            for planned in self.leaving.drain(..) {
                published.events += 1;
                published.lateness.record(now.saturating_sub(planned));
            }
            if matches!(self.way, Way::Stream(_)) {
                self.sent = self.sequence;
            }
        }
        Ok(true)
    }

    /// Reads what there is of an answer.
    fn hear(&mut self, published: &mut Published) -> io::Result<Result<(), LoadError>> {
        let mut buffer = [0; 4096];
        while self.asked.is_some() {
            match self.socket.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    self.kept.extend_from_slice(&buffer[..read]);
                    if let Err(error) = self.understand(published) {
                        return Ok(Err(error));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Ok(()))
    }

    fn understand(&mut self, published: &mut Published) -> Result<(), LoadError> {
        let kept = std::mem::take(&mut self.kept);
        let mut bytes = kept.as_slice();
        loop {
            match self.framing.take(&mut bytes) {
                Piece::Head(head) if head.status < 200 => {}
                Piece::Head(head) => {
                    self.status = head.status;
                    self.closes = head.header("connection").is_some_and(|word| word == "close");
                }
                Piece::Body(body) => self.body.extend_from_slice(body),
                Piece::More => break,
                Piece::End => {
                    self.answered(published)?;
                    break;
                }
                Piece::Nonsense => return Err(LoadError::server("does not answer in HTTP/1.1")),
            }
        }
        self.kept = bytes.to_vec();
        Ok(())
    }

    fn answered(&mut self, published: &mut Published) -> Result<(), LoadError> {
        let body = std::mem::take(&mut self.body);
        self.framing = Framing::Head;
        if !(200..300).contains(&self.status) {
            let body: String = String::from_utf8_lossy(&body).chars().take(300).collect();
            let status = self.status;
            return Err(LoadError::server(format!(
                "refused an event with status {status}: {body}"
            )));
        }
        let asked = self.asked.take().unwrap_or_default();
        match self.way {
            Way::Stream(_) => self.is_over = true,
            Way::Each(_) => {
                published.answers.record(now_ns().saturating_sub(asked));
                self.sent = self.sequence;
            }
        }
        Ok(())
    }
}

fn open(server: SocketAddr, job: u32, poll: &Poll) -> io::Result<TcpStream> {
    let socket = std::net::TcpStream::connect(server)?;
    socket.set_nodelay(true)?;
    socket.set_nonblocking(true)?;
    let mut socket = TcpStream::from_std(socket);
    let interests = Interest::READABLE | Interest::WRITABLE;
    poll.registry().register(&mut socket, Token(job as usize), interests)?;
    Ok(socket)
}
