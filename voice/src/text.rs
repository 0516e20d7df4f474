//! The text: read whole, checked, cut into pieces that the engine speaks one
//! after the other.

use std::io::Read;

use crate::Error;

/// The longest text, in Unicode scalar values: about two hours of speech.
pub(crate) const MAX_CHARACTERS: usize = 100_000;

/// A piece aims at this many bytes. The engine holds a piece's sound in
/// memory: a minute or two of it.
const PIECE_BYTES: usize = 2_000;

/// A word of more characters than this is spoken in parts: the engine gives up on words with a
/// hundred vowels, and nobody listens to them.
const WORD_CHARACTERS: usize = 40;

/// Reads all of `input`.
///
/// Control characters become spaces, since the engine takes some of them for commands, and spaces
/// come into words that are too long for it.
///
/// # Errors
/// When the text is too long or not UTF-8, or the pipe breaks.
pub(crate) fn read(input: impl Read) -> Result<String, Error> {
    let mut bytes = Vec::new();
    let limit = 4 * MAX_CHARACTERS as u64 + 1;
    input.take(limit).read_to_end(&mut bytes)?;
    let too_long = bytes.len() as u64 == limit;
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) if too_long => return Err(too_many_characters()),
        Err(_) => return Err(Error::Text("the text is not UTF-8".to_owned())),
    };
    if too_long || text.chars().count() > MAX_CHARACTERS {
        return Err(too_many_characters());
    }
    Ok(speakable(&text))
}

fn speakable(text: &str) -> String {
    let mut spoken = String::with_capacity(text.len());
    let mut word_length = 0;
    for character in text.chars() {
        let character = if character.is_control() && character != '\n' { ' ' } else { character };
        if character.is_whitespace() {
            word_length = 0;
        } else if word_length == WORD_CHARACTERS {
            spoken.push(' ');
            word_length = 1;
        } else {
            word_length += 1;
        }
        spoken.push(character);
    }
    spoken
}

fn too_many_characters() -> Error {
    Error::Text(format!("the text is over {MAX_CHARACTERS} characters long"))
}

/// Cuts `text` at its paragraphs, and a long paragraph at sentence ends, at
/// spaces where it has no such end, anywhere where it has no space. Joined,
/// the pieces are the text without the white space around them.
pub(crate) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n\n").flat_map(|paragraph| {
        let mut rest = paragraph.trim();
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let (piece, after) = rest.split_at(cut(rest));
            rest = after.trim_start();
            Some(piece.trim_end())
        })
    })
}

/// Where the first piece of `text` ends, in bytes; over 0 for any text that
/// does not begin with white space.
fn cut(text: &str) -> usize {
    if text.len() <= PIECE_BYTES {
        return text.len();
    }
    let window = &text[..text.floor_char_boundary(PIECE_BYTES)];
    let sentence_end =
        [". ", "! ", "? ", ".\n", "!\n", "?\n"].iter().filter_map(|end| window.rfind(end)).max();
    match sentence_end {
        Some(at) => at + 1,
        None => window.rfind(char::is_whitespace).unwrap_or(window.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_lose_no_word() {
        let long = "A sentence of some length. ".repeat(300);
        let text = format!("First.\n\n\n {long}\n\n{}", "é".repeat(5_000));
        let squeeze = |text: &str| text.split_whitespace().collect::<String>();
        let joined: String = pieces(&text).map(squeeze).collect();
        assert_eq!(joined, squeeze(&text));
        assert!(pieces(&text).all(|piece| !piece.is_empty() && piece.len() <= PIECE_BYTES));
    }

    #[test]
    fn a_long_paragraph_is_cut_at_sentence_ends() {
        let text = "A sentence of some length. ".repeat(300);
        assert!(pieces(&text).all(|piece| piece.ends_with('.')));
    }

    #[test]
    fn control_characters_never_reach_the_engine() {
        let text = read(&b"a\x01\x0050Pb\r\nc"[..]).unwrap();
        assert_eq!(text, "a  50Pb \nc");
    }
}
