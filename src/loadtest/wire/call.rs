//! One request, one answer, while nothing is measured: making jobs, asking what a server is.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::{Framing, Head, Piece};

/// How long a server may take for each part of an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The largest answer that is read, in bytes.
const LIMIT: usize = 16 << 20;

/// What a server said.
#[derive(Debug)]
pub(in crate::loadtest) struct Answer {
    pub(in crate::loadtest) head: Head,
    pub(in crate::loadtest) body: Vec<u8>,
}

/// Sends a request, whole, over a connection of its own, and reads the answer to its end.
///
/// # Errors
/// When the server cannot be reached, goes silent, or does not speak HTTP/1.1.
pub(in crate::loadtest) fn call(server: SocketAddr, request: &[u8]) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    let mut answer = Answer { head: Head::default(), body: Vec::new() };
    let (mut framing, mut kept, mut buffer) = (Framing::Head, Vec::new(), [0; 16 << 10]);
    loop {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return if framing == Framing::UntilClose { Ok(answer) } else { Err(cut()) };
        }
        kept.extend_from_slice(&buffer[..read]);
        let mut bytes = kept.as_slice();
        loop {
            match framing.take(&mut bytes) {
                Piece::Head(head) => answer.head = head,
                Piece::Body(body) => answer.body.extend_from_slice(body),
                Piece::End => return Ok(answer),
                Piece::More => break,
                Piece::Nonsense => return Err(cut()),
            }
        }
        kept = bytes.to_vec();
        if answer.body.len() > LIMIT {
            return Err(cut());
        }
    }
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the answer is not whole, or not HTTP/1.1")
}
