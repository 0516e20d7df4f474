//! `data:` URLs: at most so many bytes, and those that were meant.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tailwater::artifact::data_url::{decode, is_data_url};

use super::input::Input;

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let limit = u64::from(input.byte());
    let rest = input.rest();
    if let Ok(text) = std::str::from_utf8(rest)
        && let Ok(file) = decode(text, limit)
    {
        assert!(is_data_url(text) && file.len() as u64 <= limit);
    }
    let url = format!("data:image/png;base64,{}", STANDARD.encode(rest));
    match decode(&url, limit) {
        Ok(file) => assert_eq!(file, rest),
        Err(error) => assert!(rest.is_empty() || rest.len() as u64 > limit, "{error}"),
    }
}
