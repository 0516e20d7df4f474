//! Where a response's body is in the bytes of a connection (RFC 9112, § 6 and § 7).

use super::Head;

/// The largest head that is read, in bytes.
const HEAD_LIMIT: usize = 64 << 10;

/// How far a connection is with one response. It holds no bytes: whoever reads the connection
/// keeps what was not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::loadtest) enum Framing {
    /// Before the end of the head.
    Head,
    /// Before or within the line that says how long the next chunk is.
    ChunkSize { size: u64, in_extension: bool },
    /// Within a chunk.
    Chunk { left: u64 },
    /// Within the line end behind a chunk.
    ChunkEnd,
    /// Behind the last chunk, before the blank line.
    Trailer { line_is_empty: bool },
    /// Within a body of a known length.
    Length { left: u64 },
    /// Within a body that ends with the connection.
    UntilClose,
    /// Behind the response.
    Over,
}

/// What the next bytes are.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::loadtest) enum Piece<'a> {
    /// The whole head.
    Head(Head),
    /// Some of the body.
    Body(&'a [u8]),
    /// The response is over; what follows belongs to the next one.
    End,
    /// Nothing can be said without more bytes.
    More,
    /// This is not HTTP/1.1.
    Nonsense,
}

impl Framing {
    /// Takes what the bytes begin with, and leaves the rest.
    pub(in crate::loadtest) fn take<'a>(&mut self, bytes: &mut &'a [u8]) -> Piece<'a> {
        loop {
            match self {
                Self::Head => return self.take_head(bytes),
                Self::Over => return Piece::End,
                Self::UntilClose | Self::Chunk { .. } | Self::Length { .. } => {
                    if let Some(piece) = self.take_body(bytes) {
                        return piece;
                    }
                }
                Self::ChunkSize { .. } | Self::ChunkEnd | Self::Trailer { .. } => {
                    let Some((first, rest)) = bytes.split_first() else { return Piece::More };
                    *bytes = rest;
                    if !self.step(*first) {
                        return Piece::Nonsense;
                    }
                }
            }
        }
    }

    fn take_head<'a>(&mut self, bytes: &mut &'a [u8]) -> Piece<'a> {
        let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
            return if bytes.len() > HEAD_LIMIT { Piece::Nonsense } else { Piece::More };
        };
        let (head, rest) = bytes.split_at(end + 4);
        *bytes = rest;
        let Some(head) = Head::read(head) else { return Piece::Nonsense };
        *self = Self::of(&head);
        Piece::Head(head)
    }

    fn of(head: &Head) -> Self {
        let chunked = head.header("transfer-encoding").is_some_and(|coding| coding == "chunked");
        let length = head.header("content-length").and_then(|length| length.parse().ok());
        match (head.status, chunked, length) {
            (100..=199, ..) => Self::Head,
            (204 | 304, ..) => Self::Over,
            (_, true, _) => Self::ChunkSize { size: 0, in_extension: false },
            (.., Some(left)) => Self::Length { left },
            (.., None) => Self::UntilClose,
        }
    }

    /// A piece of the body; nothing when this part of it is over.
    fn take_body<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Piece<'a>> {
        let (left, then) = match self {
            Self::Chunk { left } => (left, Self::ChunkEnd),
            Self::Length { left } => (left, Self::Over),
            _ if bytes.is_empty() => return Some(Piece::More),
            _ => return Some(Piece::Body(std::mem::take(bytes))),
        };
        if *left == 0 {
            *self = then;
            return None;
        }
        if bytes.is_empty() {
            return Some(Piece::More);
        }
        let length = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
        *left -= length as u64;
        let (body, rest) = bytes.split_at(length);
        *bytes = rest;
        Some(Piece::Body(body))
    }

    /// One byte of what is between chunks; false when it cannot stand there.
    fn step(&mut self, byte: u8) -> bool {
        *self = match (*self, byte) {
            (Self::ChunkSize { size: 0, .. }, b'\n') => Self::Trailer { line_is_empty: true },
            (Self::ChunkSize { size, .. }, b'\n') => Self::Chunk { left: size },
            (Self::ChunkSize { size, .. }, b'\r' | b';' | b' ') => {
                Self::ChunkSize { size, in_extension: true }
            }
            (same @ Self::ChunkSize { in_extension: true, .. }, _) => same,
            (Self::ChunkSize { size, in_extension }, digit) => {
                let Some(value) = char::from(digit).to_digit(16) else { return false };
                let Some(size) = size.checked_mul(16) else { return false };
                Self::ChunkSize { size: size + u64::from(value), in_extension }
            }
            (Self::ChunkEnd, b'\n') => Self::ChunkSize { size: 0, in_extension: false },
            (Self::ChunkEnd, b'\r') => Self::ChunkEnd,
            (Self::Trailer { line_is_empty: true }, b'\n') => Self::Over,
            (Self::Trailer { line_is_empty }, b'\r') => Self::Trailer { line_is_empty },
            (Self::Trailer { .. }, byte) => Self::Trailer { line_is_empty: byte == b'\n' },
            _ => return false,
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads responses that come in pieces of this length; gives bodies, and how the last one ended.
    fn read(text: &str, cut: usize) -> (Vec<String>, Framing) {
        let (mut framing, mut bodies, mut kept) = (Framing::Head, Vec::new(), Vec::new());
        for piece in text.as_bytes().chunks(cut) {
            kept.extend_from_slice(piece);
            let mut bytes = kept.as_slice();
            loop {
                match framing.take(&mut bytes) {
                    Piece::Head(_) => bodies.push(String::new()),
                    Piece::Body(body) => {
                        *bodies.last_mut().unwrap() += std::str::from_utf8(body).unwrap();
                    }
                    Piece::End if bytes.is_empty() => break,
                    Piece::End => framing = Framing::Head,
                    Piece::More => break,
                    Piece::Nonsense => panic!("{bytes:?}"),
                }
            }
            kept = bytes.to_vec();
        }
        (bodies, framing)
    }

    #[test]
    fn bodies_are_the_same_however_the_bytes_are_cut() {
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
                       5\r\nhello\r\nA;x=y\r\n, readers!\r\n0\r\n\r\n";
        let fixed = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc";
        let none = "HTTP/1.1 304 Not Modified\r\netag: x\r\n\r\n";
        let all = format!("{chunked}{fixed}{none}{fixed}");
        for cut in 1..all.len() {
            let (bodies, framing) = read(&all, cut);
            assert_eq!(bodies, ["hello, readers!", "abc", "", "abc"], "cut at {cut}");
            assert!(matches!(framing, Framing::Over | Framing::Length { left: 0 }));
        }
    }

    #[test]
    fn without_a_length_the_body_goes_on() {
        let (bodies, framing) = read("HTTP/1.1 200 OK\r\n\r\nabc", 2);
        assert_eq!((bodies, framing), (vec!["abc".to_owned()], Framing::UntilClose));
    }

    #[test]
    fn an_informational_head_is_followed_by_the_real_one() {
        let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx";
        assert_eq!(read(text, 7).0, ["", "x"]);
    }

    #[test]
    fn what_is_no_chunk_is_nonsense() {
        let mut framing = Framing::ChunkSize { size: 0, in_extension: false };
        assert_eq!(framing.take(&mut &b"zz\r\n"[..]), Piece::Nonsense);
        let mut framing = Framing::ChunkEnd;
        assert_eq!(framing.take(&mut &b"x"[..]), Piece::Nonsense);
        assert_eq!(Framing::Head.take(&mut &b"nonsense\r\n\r\n"[..]), Piece::Nonsense);
    }
}
