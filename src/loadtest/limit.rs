//! The physical limit: a server that does nothing but write each event to each reader.
//!
//! One thread, one readiness queue, one `write` for each reader and event; no ids of its own, no
//! timers, no parsing of what it passes on but for where an event ends. What a real server takes
//! more than this is what its features cost. A reader whose socket is full goes on from its place
//! in the log when it can be written to.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::descriptors;

use super::publish::chunk;
use super::wire::{Framing, Piece, end_of_block};

/// The command of this program that runs it.
pub(super) const COMMAND: &str = "loadtest-limit";

/// The most that is kept of all logs, in bytes.
const LOG_LIMIT: usize = 2 << 30;

const LISTENER: Token = Token(usize::MAX);

/// What every reader gets first.
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
    cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n";

const TAKEN: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

/// Runs the server until its standard input ends.
///
/// # Errors
/// When the system fails.
pub(super) fn run(address: SocketAddr) -> io::Result<()> {
    descriptors::raise_limit();
    let mut server = Server::bind(address)?;
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening on http://{}", server.listener.local_addr()?)?;
    stdout.flush()?;
    drop(stdout);
    // Whoever started it holds the other end; when that process is gone, so is this one.
    let waker = mio::Waker::new(server.poll.registry(), Token(usize::MAX - 1))?;
    let watch = std::thread::Builder::new().name("parent".to_owned());
    let parent = watch.spawn(move || {
        io::copy(&mut io::stdin(), &mut io::sink()).ok();
        waker.wake().ok();
    })?;
    while !parent.is_finished() {
        server.turn()?;
    }
    Ok(())
}

/// The events of one path, as they go on the wire.
#[derive(Debug, Default)]
struct Log {
    bytes: Vec<u8>,
    /// Where each event ends.
    ends: Vec<usize>,
    readers: BTreeSet<usize>,
}

#[derive(Debug)]
struct Peer {
    socket: TcpStream,
    part: Part,
}

/// What a connection is for.
#[derive(Debug)]
enum Part {
    /// It has not said yet.
    Unknown { request: Vec<u8> },
    /// Reads this log, and has so much of it.
    Reader { log: usize, position: usize },
    /// Writes to this log.
    Writer { log: usize, framing: Framing, kept: Vec<u8> },
}

#[derive(Debug)]
struct Server {
    poll: Poll,
    events: Events,
    listener: TcpListener,
    peers: Vec<Option<Peer>>,
    free: Vec<usize>,
    logs: Vec<Log>,
    paths: BTreeMap<String, usize>,
    buffer: Vec<u8>,
    /// Somebody may be waiting who could not be let in.
    is_full: bool,
}

impl Server {
    fn bind(address: SocketAddr) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(address)?;
        // Listening again makes room for all readers that come back at once.
        #[cfg(unix)]
        rustix::net::listen(&listener, 4096)?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            events: Events::with_capacity(4096),
            listener,
            peers: Vec::new(),
            free: Vec::new(),
            logs: Vec::new(),
            paths: BTreeMap::new(),
            buffer: vec![0; 256 << 10],
            is_full: false,
        })
    }

    fn turn(&mut self) -> io::Result<()> {
        match self.poll.poll(&mut self.events, None) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let ready: Vec<_> =
            self.events.iter().map(|event| (event.token(), event.is_readable())).collect();
        for (token, readable) in ready {
            match token {
                LISTENER => self.accept()?,
                Token(place) if place < self.peers.len() => self.look(place, readable),
                Token(_) => {}
            }
        }
        if std::mem::take(&mut self.is_full) {
            self.accept()?;
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let mut socket = match self.listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                // It has no descriptor left; the next who goes makes room.
                Err(_) => {
                    self.is_full = true;
                    return Ok(());
                }
            };
            socket.set_nodelay(true).ok();
            let place = self.free.pop().unwrap_or_else(|| {
                self.peers.push(None);
                self.peers.len() - 1
            });
            let interests = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut socket, Token(place), interests)?;
            let part = Part::Unknown { request: Vec::new() };
            self.peers[place] = Some(Peer { socket, part });
        }
    }

    fn look(&mut self, place: usize, readable: bool) {
        let Some(peer) = &mut self.peers[place] else { return };
        let alive = match peer.part {
            Part::Reader { .. } if !readable => self.catch_up(place),
            Part::Reader { .. } => self.catch_up(place) && self.is_there(place),
            Part::Unknown { .. } | Part::Writer { .. } => self.read(place),
        };
        if !alive {
            self.forget(place);
        }
    }

    fn forget(&mut self, place: usize) {
        if let Some(Peer { part: Part::Reader { log, .. }, .. }) = self.peers[place].take() {
            self.logs[log].readers.remove(&place);
        }
        self.free.push(place);
    }

    /// Whether a reader is still connected; it has nothing to say.
    fn is_there(&mut self, place: usize) -> bool {
        let Some(peer) = &mut self.peers[place] else { return false };
        let would_block = |error: io::Error| error.kind() == io::ErrorKind::WouldBlock;
        match peer.socket.read(&mut self.buffer) {
            Ok(read) => read > 0,
            Err(error) => would_block(error),
        }
    }

    fn read(&mut self, place: usize) -> bool {
        loop {
            let Some(peer) = &mut self.peers[place] else { return false };
            let mut buffer = std::mem::take(&mut self.buffer);
            let read = peer.socket.read(&mut buffer);
            let goes_on = match read {
                Ok(0) => Some(false),
                Ok(read) => (!self.take(place, &buffer[..read])).then_some(false),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(true),
                Err(_) => Some(false),
            };
            self.buffer = buffer;
            if let Some(alive) = goes_on {
                return alive;
            }
        }
    }

    /// Takes bytes from a connection; false when it makes no sense.
    fn take(&mut self, place: usize, bytes: &[u8]) -> bool {
        let Some(peer) = &mut self.peers[place] else { return false };
        match &mut peer.part {
            Part::Reader { .. } => true,
            Part::Writer { .. } => self.take_events(place, bytes),
            Part::Unknown { request } => {
                request.extend_from_slice(bytes);
                let Some(end) = memchr::memmem::find(request, b"\r\n\r\n") else {
                    return request.len() < 64 << 10;
                };
                let rest = request.split_off(end + 4);
                let request = std::mem::take(request);
                self.begin(place, &request) && self.take(place, &rest)
            }
        }
    }

    /// A request: a reader's or a producer's.
    fn begin(&mut self, place: usize, request: &[u8]) -> bool {
        let Ok(text) = std::str::from_utf8(request) else { return false };
        let mut words = text.split(' ');
        let (Some(method), Some(path)) = (words.next(), words.next()) else { return false };
        let log = self.log(path);
        let header = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.map(str::trim)
        };
        let Some(peer) = &mut self.peers[place] else { return false };
        if method == "POST" {
            let framing = match header("content-length").and_then(|length| length.parse().ok()) {
                Some(left) => Framing::Length { left },
                None => Framing::ChunkSize { size: 0, in_extension: false },
            };
            peer.part = Part::Writer { log, framing, kept: Vec::new() };
            return true;
        }
        let had = header("last-event-id").and_then(|id| id.parse::<usize>().ok()).unwrap_or(0);
        let position = had.checked_sub(1).and_then(|last| self.logs[log].ends.get(last).copied());
        peer.part = Part::Reader { log, position: position.unwrap_or(0) };
        self.logs[log].readers.insert(place);
        peer.socket.write_all(HEAD).is_ok() && self.catch_up(place)
    }

    fn log(&mut self, path: &str) -> usize {
        if let Some(log) = self.paths.get(path) {
            return *log;
        }
        self.logs.push(Log::default());
        self.paths.insert(path.to_owned(), self.logs.len() - 1);
        self.logs.len() - 1
    }

    fn take_events(&mut self, place: usize, mut bytes: &[u8]) -> bool {
        loop {
            let Some(Peer { part: Part::Writer { log, framing, kept }, socket }) =
                &mut self.peers[place]
            else {
                return false;
            };
            match framing.take(&mut bytes) {
                Piece::Body(body) => {
                    kept.extend_from_slice(body);
                    let log = *log;
                    let mut events = std::mem::take(kept);
                    let used = self.append_all(log, &events);
                    events.drain(..used);
                    if let Some(Peer { part: Part::Writer { kept, .. }, .. }) =
                        &mut self.peers[place]
                    {
                        *kept = events;
                    }
                }
                Piece::End => {
                    if socket.write_all(TAKEN).is_err() {
                        return false;
                    }
                    let Some(peer) = &mut self.peers[place] else { return false };
                    peer.part = Part::Unknown { request: Vec::new() };
                    return bytes.is_empty() || self.take(place, bytes);
                }
                Piece::More => return true,
                Piece::Head(_) | Piece::Nonsense => return false,
            }
        }
    }

    fn append_all(&mut self, log: usize, events: &[u8]) -> usize {
        let mut used = 0;
        while let Ok(end) = end_of_block(&events[used..], 0) {
            self.append(log, &events[used..used + end]);
            used += end;
        }
        used
    }

    /// The whole of what this server is about.
    fn append(&mut self, log: usize, event: &[u8]) {
        let log = &mut self.logs[log];
        if log.bytes.len() + event.len() > LOG_LIMIT {
            return;
        }
        let start = log.bytes.len();
        chunk(event, &mut log.bytes);
        log.ends.push(log.bytes.len());
        let end = log.bytes.len();
        for reader in &log.readers {
            let Some(Peer { socket, part: Part::Reader { position, .. } }) =
                &mut self.peers[*reader]
            else {
                continue;
            };
            if *position == start
                && let Ok(written) = socket.write(&log.bytes[start..end])
            {
                *position += written;
            }
        }
    }

    /// Writes to a reader what it has not had; false when it is gone.
    fn catch_up(&mut self, place: usize) -> bool {
        let Some(Peer { socket, part: Part::Reader { log, position } }) = &mut self.peers[place]
        else {
            return false;
        };
        let bytes = &self.logs[*log].bytes;
        while *position < bytes.len() {
            match socket.write(&bytes[*position..]) {
                Ok(0) => return false,
                Ok(written) => *position += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }
}
