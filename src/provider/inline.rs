//! Files inside a request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::Error;
use super::media::InputFile;

/// A file as a data URL (RFC 2397).
pub(super) fn data_url(file: &InputFile) -> String {
    format!("data:{};base64,{}", file.media_type, base64(file))
}

/// A file in standard base64.
pub(super) fn base64(file: &InputFile) -> String {
    STANDARD.encode(&file.bytes)
}

/// How long a file's data URL is, in bytes, without making it.
pub(super) fn data_url_length(file: &InputFile) -> usize {
    "data:;base64,".len() + file.media_type.len() + file.bytes.len().div_ceil(3) * 4
}

/// That a file is larger than the provider takes.
pub(super) fn too_large(file: &InputFile, limit: usize, provider: &str) -> Error {
    let (name, size) = (super::error::tame(&file.name, &[]), file.bytes.len());
    let message = format!("{name} has {size} bytes, {provider} takes at most {limit}");
    Error::RefusedInput { message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn the_length_is_known_before_the_url_is_made() {
        for length in 0..7 {
            let file = InputFile {
                name: "a.png".to_owned(),
                media_type: "image/png".to_owned(),
                bytes: Bytes::from(vec![b'x'; length]),
            };
            assert_eq!(data_url(&file).len(), data_url_length(&file));
        }
    }
}
