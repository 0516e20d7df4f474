//! `multipart/form-data` of any length, a part at a time: RFC 7578, in the form of RFC 2046,
//! section 5.1.
//!
//! Nothing is held but what may be the beginning of a delimiter, and the head of a part, which has
//! a bound.

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::{Bytes, BytesMut};
use memchr::memmem;

use crate::http::{Code, Problem};

use super::receive::Source;

/// The longest head of a part, in bytes.
const HEAD_LIMIT: usize = 8 << 10;

/// The longest boundary: RFC 2046, section 5.1.1.
const BOUNDARY_LIMIT: usize = 70;

/// The name of a part, and of the file in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) file_name: Option<String>,
}

/// A form that is being read.
#[derive(Debug)]
pub(super) struct Form {
    source: Source,
    /// A line break, two dashes and the boundary.
    delimiter: Vec<u8>,
    /// What was received and not given out yet.
    held: BytesMut,
    /// Whether the current part has been read to its end.
    is_between: bool,
}

/// The boundary of a form's parts; nothing when the body is no form.
///
/// # Errors
/// When it is one that says no valid boundary.
pub(super) fn boundary(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.unwrap_or_default();
    let (essence, rest) = media_type.split_once(';').unwrap_or((media_type, ""));
    if !essence.trim().eq_ignore_ascii_case("multipart/form-data") {
        return Ok(None);
    }
    let boundary = parameters(rest).find(|(name, _)| name == "boundary").map(|(_, value)| value);
    let valid = boundary.filter(|value| (1..=BOUNDARY_LIMIT).contains(&value.len()));
    let missing = || invalid("the content type of a form must name its boundary");
    valid.ok_or_else(missing).map(Some)
}

impl Form {
    pub(super) fn new(boundary: &str, source: Source) -> Self {
        Self {
            source,
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            // The first delimiter has no line break in front of it when nothing else is.
            held: BytesMut::from("\r\n"),
            is_between: false,
        }
    }

    /// The next part, whatever is left of the one before; nothing after the last.
    ///
    /// # Errors
    /// When the body is cut, too long, too slow or no form.
    pub(super) async fn next(&mut self) -> Result<Option<Part>, Problem> {
        while self.data().await?.is_some() {}
        self.hold(2).await?;
        if self.held.starts_with(b"--") {
            return self.drain().await.map(|()| None);
        }
        self.is_between = false;
        // The end of the delimiter's line belongs to the head, so that an empty head has an end.
        let end = self.head_end().await?;
        let head = self.held.split_to(end);
        let (padding, lines) = head.split_at(memmem::find(&head, b"\r\n").unwrap_or(0));
        if padding.iter().any(|byte| !b" \t".contains(byte)) {
            return Err(invalid("the form has a delimiter that does not end its line"));
        }
        part(&String::from_utf8_lossy(lines)).map(Some)
    }

    /// More of the current part; nothing at its end.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub(super) async fn data(&mut self) -> Result<Option<Bytes>, Problem> {
        if self.is_between {
            return Ok(None);
        }
        loop {
            if let Some(at) = memmem::find(&self.held, &self.delimiter) {
                if at > 0 {
                    return Ok(Some(self.held.split_to(at).freeze()));
                }
                let _delimiter = self.held.split_to(self.delimiter.len());
                self.is_between = true;
                return Ok(None);
            }
            // The end may be the beginning of a delimiter.
            if let Some(sure) = (self.held.len() + 1).checked_sub(self.delimiter.len())
                && sure > 0
            {
                return Ok(Some(self.held.split_to(sure).freeze()));
            }
            self.receive().await?;
        }
    }

    /// Where the head of a part ends, the empty line included.
    async fn head_end(&mut self) -> Result<usize, Problem> {
        loop {
            if let Some(at) = memmem::find(&self.held, b"\r\n\r\n") {
                return Ok(at + 4);
            }
            if self.held.len() > HEAD_LIMIT {
                let detail = format!("a part of the form has a head of over {HEAD_LIMIT} bytes");
                return Err(invalid(&detail));
            }
            self.receive().await?;
        }
    }

    async fn hold(&mut self, count: usize) -> Result<(), Problem> {
        while self.held.len() < count {
            self.receive().await?;
        }
        Ok(())
    }

    async fn receive(&mut self) -> Result<(), Problem> {
        match self.source.next().await? {
            Some(chunk) => self.held.extend_from_slice(&chunk),
            None => return Err(invalid("the form ended before its last delimiter")),
        }
        Ok(())
    }

    /// What follows the last delimiter says nothing, and is in the way of the next request.
    async fn drain(&mut self) -> Result<(), Problem> {
        while self.source.next().await?.is_some() {}
        Ok(())
    }
}

fn invalid(detail: &str) -> Problem {
    Problem::new(Code::InvalidBody, detail)
}

fn part(head: &str) -> Result<Part, Problem> {
    let mut lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let disposition =
        lines.find(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"));
    let (_, value) = disposition.ok_or_else(|| invalid("a part of the form has no name"))?;
    let (_, rest) = value.split_once(';').unwrap_or_default();
    let mut part = Part::default();
    for (name, value) in parameters(rest) {
        match name.as_str() {
            "name" => part.name = value,
            "filename" => part.file_name = part.file_name.or(Some(value)),
            // RFC 7578, section 4.2, forbids it; clients that send it mean this.
            "filename*" => part.file_name = extended(&value).or(part.file_name),
            _ => {}
        }
    }
    Ok(part)
}

/// The parameters of a header, their names in lower case. In a quoted one a backslash is followed
/// by a quote or itself; browsers, which write `%22` for a quote, send one as it is.
fn parameters(text: &str) -> impl Iterator<Item = (String, String)> + '_ {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (name, value) = rest.split_once('=')?;
        let name = name.trim_matches([';', ' ', '\t']).to_ascii_lowercase();
        let (value, after) = match value.trim_start().strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let (value, after) = value.split_once(';').unwrap_or((value, ""));
                (value.trim().to_owned(), after)
            }
        };
        rest = after;
        Some((name, value))
    })
}

fn unquote(quoted: &str) -> (String, &str) {
    let (mut value, mut letters) = (String::new(), quoted.char_indices().peekable());
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => match letters.next_if(|(_, next)| matches!(next, '"' | '\\')) {
                Some((_, escaped)) => value.push(escaped),
                None => value.push('\\'),
            },
            letter => value.push(letter),
        }
    }
    (value, "")
}

/// `UTF-8''%C3%BC.png`: RFC 8187, section 3.2.
fn extended(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_, encoded) = rest.split_once('\'')?;
    // A plus is a plus here, and not a blank as in a query.
    let query = format!("v={}", encoded.replace('+', "%2B").replace('&', "%26"));
    let decoded = form_urlencoded::parse(query.as_bytes()).next()?.1.into_owned();
    charset.eq_ignore_ascii_case("utf-8").then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use futures_util::stream;
    use proptest::prelude::*;

    fn headers(media_type: &str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, media_type.parse().unwrap())])
    }

    /// A form that arrives in pieces of this many bytes.
    fn form(bytes: &[u8], piece: usize) -> Form {
        let pieces: Vec<_> =
            bytes.chunks(piece).map(|piece| Ok::<_, String>(piece.to_vec())).collect();
        let body = Body::from_stream(stream::iter(pieces));
        Form::new("b", Source::new(body, 1 << 20))
    }

    async fn read(form: &mut Form) -> Result<Vec<(Part, Vec<u8>)>, Problem> {
        let mut parts = Vec::new();
        while let Some(part) = form.next().await? {
            let mut data = Vec::new();
            while let Some(chunk) = form.data().await? {
                assert!(!chunk.is_empty());
                data.extend_from_slice(&chunk);
            }
            parts.push((part, data));
        }
        Ok(parts)
    }

    fn named(name: &str, file_name: Option<&str>) -> Part {
        Part { name: name.into(), file_name: file_name.map(str::to_owned) }
    }

    const TWO: &[u8] =
        b"preamble\r\n--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n\
        --b \t\r\ncontent-disposition:form-data;name=file; filename=\"x;=\\\".png\"\r\n\
        content-type: image/png\r\n\r\n\r\n--\r\n--ad\r\n--b--\r\nepilogue";

    #[tokio::test]
    async fn parts_come_in_order_however_the_bytes_are_cut() {
        for piece in [1, 2, 3, 7, 1000] {
            let parts = read(&mut form(TWO, piece)).await.unwrap();
            let expected = [
                (named("a", None), b"1".to_vec()),
                (named("file", Some("x;=\".png")), b"\r\n--\r\n--ad".to_vec()),
            ];
            assert_eq!(parts, expected, "{piece}");
        }
    }

    #[tokio::test]
    async fn empty_forms_and_empty_parts_are_read() {
        assert_eq!(read(&mut form(b"--b--", 100)).await.unwrap(), []);
        let empty = b"--b\r\ncontent-disposition: form-data; name=a\r\n\r\n\r\n--b--";
        assert_eq!(read(&mut form(empty, 100)).await.unwrap(), [(named("a", None), vec![])]);
    }

    #[tokio::test]
    async fn what_is_no_form_is_told() {
        for bytes in [
            b"".as_slice(),
            b"nothing",
            b"--b",
            b"--b\r\n",
            b"--b\r\n\r\n",
            b"--b\r\n\r\nx\r\n--b--",
            b"--bad\r\n\r\nx\r\n--b--",
            b"--b\r\ncontent-disposition: form-data; name=a\r\n\r\nx",
            b"--b\r\ncontent-disposition: form-data; name=a\r\n\r\nx\r\n--b",
        ] {
            let problem = read(&mut form(bytes, 5)).await.unwrap_err();
            assert_eq!(problem.code(), Code::InvalidBody, "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn a_form_names_its_boundary() {
        let of =
            |media_type: &str| boundary(&headers(media_type)).map_err(|problem| problem.code());
        let named = |name: &str| Ok(Some(name.to_owned()));
        assert_eq!(of("multipart/form-data; boundary=b"), named("b"));
        assert_eq!(of("Multipart/Form-Data; charset=utf-8; Boundary=\"b c\""), named("b c"));
        assert_eq!(of("image/png"), Ok(None));
        assert_eq!(boundary(&HeaderMap::new()).unwrap(), None);
        let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
        for none in ["multipart/form-data", "multipart/form-data; boundary=\"\"", &long] {
            assert_eq!(of(none), Err(Code::InvalidBody), "{none}");
        }
    }

    #[tokio::test]
    async fn a_head_without_end_is_not_held() {
        let endless = stream::repeat_with(|| Ok::<_, String>(vec![b'x'; 1000]));
        let begin = stream::iter([Ok(b"--b\r\n".to_vec())]);
        let body = Body::from_stream(futures_util::StreamExt::chain(begin, endless));
        let mut form = Form::new("b", Source::new(body, u64::MAX));
        let problem = form.next().await.unwrap_err();
        assert!(problem.detail().contains("8192 bytes"), "{}", problem.detail());
    }

    #[test]
    fn names_are_read_in_every_way_that_clients_write_them() {
        let file = |value: &str| {
            let head = format!("\r\nContent-Disposition: form-data; name=\"file\"; {value}\r\n");
            part(&head).unwrap().file_name.unwrap_or_default()
        };
        assert_eq!(file("filename=\"a b.png\""), "a b.png");
        assert_eq!(file("filename=\"C:\\dir\\a.png\""), "C:\\dir\\a.png");
        assert_eq!(file("filename=plain.png"), "plain.png");
        assert_eq!(file("filename*=utf-8''%C3%BCber+1%262.png"), "über+1&2.png");
        assert_eq!(file("filename=\"u.png\"; filename*=UTF-8''%C3%BC.png"), "ü.png");
        assert_eq!(file("filename*=UTF-8''%C3%BC.png; filename=\"u.png\""), "ü.png");
        assert_eq!(file("filename*=latin1''x; filename=\"u.png\""), "u.png");
        assert_eq!(file("x"), "");
    }

    proptest! {
        #[test]
        fn any_data_without_the_delimiter_comes_back(
            data in prop::collection::vec(prop::sample::select(b"\r\n-bx".to_vec()), 0..60),
            piece in 1_usize..20,
        ) {
            prop_assume!(memmem::find(&data, b"\r\n--b").is_none());
            prop_assume!(!data.starts_with(b"--b"));
            let head = b"--b\r\ncontent-disposition: form-data; name=a\r\n\r\n".as_slice();
            let bytes = [head, &data, b"\r\n--b--\r\n"].concat();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let parts = runtime.block_on(read(&mut form(&bytes, piece))).unwrap();
            prop_assert_eq!(parts, vec![(named("a", None), data)]);
        }

        #[test]
        fn no_bytes_make_it_panic(
            bytes in prop::collection::vec(prop::sample::select(b"\r\n-bx:;=\"\\".to_vec()), 0..60),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let bytes = [b"--b\r\ncontent-disposition:;".as_slice(), &bytes].concat();
            let _ = runtime.block_on(read(&mut form(&bytes, 7)));
        }
    }
}
