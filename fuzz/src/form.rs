//! `multipart/form-data`: the same parts however the bytes are cut, and what a client builds comes
//! back.

use tailwater::http::fuzzing::{self, FormPart};

use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderValue};

use super::input::{Input, cut};
use super::runtime;

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (cuts, head) = (input.piece(), input.piece());
    if let Ok(value) = HeaderValue::from_bytes(head) {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, value)]);
        if let Ok(Some(boundary)) = fuzzing::boundary(&headers) {
            assert!((1..=70).contains(&boundary.len()));
        }
    }
    let body = input.rest();
    let whole = read(body, &[]);
    assert_eq!(read(body, cuts), whole);
    let (Ok(parts), true) = (whole, body.len() < 2000) else { return };
    for part in parts.iter().filter(|part| !plain(&part.name)) {
        // Names with quotes, backslashes and line breaks have no one way to be written.
        assert!(part.name.len() <= body.len() * 3);
    }
    let again: Vec<_> = parts.into_iter().filter(|part| plain(&part.name)).collect();
    let mut built = Vec::new();
    for part in &again {
        let name = format!("--b\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n", part.name);
        built.extend([name.as_bytes(), part.data.as_slice(), b"\r\n"].concat());
    }
    built.extend_from_slice(b"--b--\r\n");
    let expected = again.into_iter().map(|part| FormPart { file_name: None, ..part }).collect();
    assert_eq!(read(&built, cuts), Ok(expected));
}

fn read(body: &[u8], cuts: &[u8]) -> Result<Vec<FormPart>, String> {
    let pieces = cut(body, cuts).into_iter().map(<[u8]>::to_vec).collect();
    runtime::block_on(fuzzing::form("b", pieces))
}

fn plain(name: &str) -> bool {
    !name.contains(['"', '\\', '\r', '\n', '\u{fffd}'])
}
