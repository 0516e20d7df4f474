//! One reader: a socket, if it has one, and its stream.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};

use mio::event::Event;
use mio::net::TcpStream;

use super::desk::Desk;
use super::plan::Reading;
use super::stream::{Standing, Stream};
use crate::loadtest::socket;
use crate::loadtest::system::now_ns;
use crate::loadtest::verify::Who;

/// Where a reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// Without a connection.
    Down,
    /// Waiting for the connection.
    Connecting,
    /// Waiting for the head of the response.
    Asking,
    /// Reading.
    Open,
    /// Behind the end of the job.
    Ended,
    /// It has given up.
    Failed,
}

/// What came of looking at a reader's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It goes on.
    Alive,
    /// The server ended the stream, or the connection.
    Gone,
    /// It never came about, or the answer was no stream; with the status, if there was one.
    Refused(Option<u16>),
}

/// One of the crowd.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) stream: Stream,
    pub(super) socket: Option<TcpStream>,
    pub(super) link: Link,
    /// When its connection was begun.
    pub(super) since: u64,
    /// How many events it has to have to have caught up, when it came back.
    pub(super) behind: Option<u32>,
    /// How often in a row it came to nothing.
    pub(super) tries: u32,
    pub(super) is_slow: bool,
}

impl Reader {
    pub(super) fn new(who: Who, is_slow: bool) -> Self {
        Self {
            stream: Stream::new(who),
            socket: None,
            link: Link::Down,
            since: 0,
            behind: None,
            tries: 0,
            is_slow,
        }
    }

    /// Begins a connection; it is done when it can be written to.
    pub(super) fn connect(
        &mut self,
        target: SocketAddr,
        source: Option<IpAddr>,
        now: u64,
    ) -> io::Result<&mut TcpStream> {
        self.stream.restart();
        self.since = now;
        self.link = Link::Connecting;
        let socket = socket::connect(target, source, self.is_slow)?;
        Ok(self.socket.insert(socket))
    }

    /// Looks at the connection after the system said that something is new.
    pub(super) fn look(
        &mut self,
        event: &Event,
        reading: &Reading,
        buffer: &mut [u8],
        desk: &mut Desk,
    ) -> Seen {
        if self.link == Link::Connecting {
            match self.ask(reading) {
                Ok(true) => self.link = Link::Asking,
                Ok(false) => return Seen::Alive,
                Err(_) => return Seen::Refused(None),
            }
        }
        if !event.is_readable() && !event.is_read_closed() && !event.is_error() {
            return Seen::Alive;
        }
        if self.is_slow {
            return self.sip_head(reading, desk);
        }
        self.drain(event.is_read_closed() || event.is_error(), reading, buffer, desk)
    }

    /// Sends the request when there is a connection; false when there is none yet.
    fn ask(&mut self, reading: &Reading) -> io::Result<bool> {
        let Some(socket) = &mut self.socket else { return Ok(false) };
        if let Some(error) = socket.take_error()? {
            return Err(error);
        }
        let request = reading.request(self.stream.who().job, self.stream.cursor());
        match socket.write(&request) {
            Ok(written) if written == request.len() => Ok(true),
            Ok(_) => Err(io::ErrorKind::WriteZero.into()),
            Err(error) if is_too_early(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads until there is nothing more. A read that does not fill the buffer has emptied the
    /// socket, and what comes later is told anew (epoll(7)); the end of the connection is not.
    fn drain(
        &mut self,
        to_the_end: bool,
        reading: &Reading,
        buffer: &mut [u8],
        desk: &mut Desk,
    ) -> Seen {
        let Some(socket) = &mut self.socket else { return Seen::Alive };
        loop {
            match socket.read(buffer) {
                Ok(0) => return Seen::Gone,
                Ok(read) => {
                    desk.now = now_ns();
                    desk.bytes += read as u64;
                    let standing = self.stream.push(&buffer[..read], reading, desk);
                    match standing {
                        Standing::Waiting | Standing::Streaming => {}
                        Standing::Over => return Seen::Gone,
                        Standing::Refused(status) => return Seen::Refused(Some(status)),
                        Standing::Nonsense => return Seen::Refused(None),
                    }
                    if read < buffer.len() && !to_the_end {
                        return Seen::Alive;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Seen::Alive,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Seen::Gone,
            }
        }
    }

    /// A slow reader takes the head of its response, byte by byte, and leaves the rest.
    fn sip_head(&mut self, reading: &Reading, desk: &mut Desk) -> Seen {
        while !self.stream.has_head() {
            match self.sip(reading, desk) {
                (Seen::Alive, true) => {}
                (seen, _) => return seen,
            }
        }
        Seen::Alive
    }

    /// Reads one byte; also says whether there was one.
    pub(super) fn sip(&mut self, reading: &Reading, desk: &mut Desk) -> (Seen, bool) {
        let Some(socket) = &mut self.socket else { return (Seen::Alive, false) };
        let mut byte = [0];
        match socket.read(&mut byte) {
            Ok(0) => (Seen::Gone, false),
            Ok(_) => {
                desk.slow_bytes += 1;
                match self.stream.push(&byte, reading, desk) {
                    Standing::Waiting | Standing::Streaming => (Seen::Alive, true),
                    Standing::Over => (Seen::Gone, true),
                    Standing::Refused(status) => (Seen::Refused(Some(status)), true),
                    Standing::Nonsense => (Seen::Refused(None), true),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => (Seen::Alive, false),
            Err(_) => (Seen::Gone, false),
        }
    }
}

/// Whether a write failed because the connection is still being made.
fn is_too_early(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected)
}
