//! Writing to a socket that may take less than it is given.

use std::io::{ErrorKind, Read, Write};

use mio::net::TcpStream;

/// How often in a row a peer is read.
const MOST_WASTE: usize = 64;

/// What a write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// All of it is in the system's hands.
    Whole,
    /// Only so many bytes: the socket is full, and the system says when it has room again.
    Part(usize),
    /// The connection is broken.
    Broken,
}

/// Writes some bytes.
pub(super) fn write(mut socket: &TcpStream, bytes: &[u8]) -> Written {
    loop {
        // A short write means a full socket: tcp(7) hands out room again by an edge.
        return match socket.write(bytes) {
            Ok(count) if count == bytes.len() => Written::Whole,
            Ok(count) => Written::Part(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Written::Part(0),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => Written::Broken,
        };
    }
}

/// Reads and throws away what a peer sends, which has nothing to say any more; whether it is still
/// there. One that does not stop talking is not one of ours.
pub(super) fn listen(mut socket: &TcpStream) -> bool {
    let mut waste = [0; 4096];
    for _ in 0..MOST_WASTE {
        match socket.read(&mut waste) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
    false
}
