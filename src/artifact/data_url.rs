//! `data:` URLs: a small file inside a text, RFC 2397.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

/// Many programs leave the padding out, which says nothing that the length does not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a text is not taken as a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataUrlError {
    /// It is none, or one in another encoding.
    #[error("the text is not of the form data:<media type>;base64,<data>")]
    Form,
    /// What should be base64 is not.
    #[error("the data is not base64: {0}")]
    Encoding(base64::DecodeError),
    /// The file is larger than it may be.
    #[error("the file is larger than {limit} bytes")]
    TooLarge {
        /// The most that was allowed, in bytes.
        limit: u64,
    },
}

/// Whether a text is meant as a `data:` URL.
#[must_use]
pub fn is_data_url(text: &str) -> bool {
    text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}

/// The bytes of a `data:` URL in base64. The media type that it names is for nobody: what the bytes
/// are is told by the bytes.
///
/// # Errors
/// [`DataUrlError`]; a file past `limit` bytes is not decoded.
pub fn decode(text: &str, limit: u64) -> Result<Bytes, DataUrlError> {
    let (head, data) = text.split_once(',').ok_or(DataUrlError::Form)?;
    if !is_data_url(head) || !head.to_ascii_lowercase().ends_with(";base64") {
        return Err(DataUrlError::Form);
    }
    // Three bytes are four letters; the padding makes up for at most two.
    if (data.trim_end_matches('=').len() as u64).saturating_mul(3) / 4 > limit {
        return Err(DataUrlError::TooLarge { limit });
    }
    BASE64.decode(data).map(Bytes::from).map_err(DataUrlError::Encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: Result<Bytes, DataUrlError> = Err(DataUrlError::Form);

    #[test]
    fn the_bytes_are_what_was_encoded() {
        for text in [
            "data:image/png;base64,YWJjZA==",
            "data:image/png;base64,YWJjZA",
            "DATA:;BASE64,YWJjZA==",
            "data:text/plain;charset=utf-8;base64,YWJjZA==",
        ] {
            assert_eq!(decode(text, 4).unwrap(), "abcd", "{text}");
        }
        assert_eq!(decode("data:;base64,", 0).unwrap(), "");
    }

    #[test]
    fn what_is_no_file_is_told() {
        for text in ["", "data:", "data:,abc", "data:text/plain,abc", "xdata:;base64,YQ==", "é:,"]
        {
            assert_eq!(decode(text, 100), FORM, "{text}");
        }
        for text in ["data:;base64,a", "data:;base64,YW Jj", "data:;base64,Y===", "data:;base64,é"]
        {
            assert!(matches!(decode(text, 100), Err(DataUrlError::Encoding(_))), "{text}");
        }
    }

    #[test]
    fn the_limit_is_exact() {
        for (text, bytes) in [("YQ==", 1), ("YWI=", 2), ("YWJj", 3), ("YWJjZA", 4)] {
            let text = format!("data:;base64,{text}");
            assert!(decode(&text, bytes).is_ok(), "{text}");
            let too_large = DataUrlError::TooLarge { limit: bytes - 1 };
            assert_eq!(decode(&text, bytes - 1), Err(too_large), "{text}");
        }
    }
}
