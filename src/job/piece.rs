//! A piece of text, without a copy of it.

use bytes::Bytes;

/// A piece of text that shares the bytes in which it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece(Bytes);

impl Piece {
    /// The piece that stands somewhere in these bytes.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn within(bytes: &Bytes, text: &str) -> Self {
        Self(bytes.slice_ref(text.as_bytes()))
    }

    /// The text.
    ///
    /// # Panics
    /// Never: a piece is made of text only.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("it was a text when the piece was made")
    }
}

impl From<String> for Piece {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Piece {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}
