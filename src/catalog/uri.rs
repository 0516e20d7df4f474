//! What a text that names a file may be.

use crate::job::{ArtifactId, UploadId};

use super::input::Media;

/// The longest URL, in bytes: what every provider of the catalog takes (Runway refuses more).
pub const URL_LIMIT: usize = 2_048;

/// What a text that names a file may be, to follow "must be".
pub const ALLOWED: &str = "an http or https URL, a data URL with base64, or the id or address of an upload (upl_…) or of a file made here";

/// A file that an input names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A file somewhere on the network.
    Remote(String),
    /// A file inside the text, as a `data:` URL in base64 (RFC 2397).
    Data {
        /// Its media type, in lower case and without parameters.
        media_type: String,
    },
    /// A file that a client gave us: its id, or an address ending in `/api/uploads/{id}/content`.
    Upload(UploadId),
    /// A file that a job made: an address ending in `/api/artifacts/{id}/content`.
    Artifact(ArtifactId),
}

impl Reference {
    /// Reads a text that names a file. The bytes are not looked at, and nothing is fetched.
    ///
    /// # Errors
    /// What is wrong with it, in words that follow the name of the field.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() >= 5 && text.as_bytes()[..5].eq_ignore_ascii_case(b"data:") {
            return data(&text[5..]);
        }
        if text.len() > URL_LIMIT {
            let length = text.len();
            return Err(format!("must be a URL of at most {URL_LIMIT} characters, not {length}"));
        }
        if let Ok(id) = text.parse() {
            return Ok(Self::Upload(id));
        }
        if let Some(own) = own(text) {
            return Ok(own);
        }
        remote(text)
    }

    /// The family of the file, where the text tells it.
    #[must_use]
    pub fn media(&self) -> Option<Media> {
        match self {
            Self::Data { media_type } => Media::of_type(media_type),
            Self::Remote(_) | Self::Upload(_) | Self::Artifact(_) => None,
        }
    }
}

/// A path of ours, alone or at the end of a URL.
fn own(text: &str) -> Option<Reference> {
    let absolute = text.starts_with("https://") || text.starts_with("http://");
    if !absolute && !text.starts_with('/') {
        return None;
    }
    let (rest, id) = text.strip_suffix("/content")?.rsplit_once('/')?;
    if !absolute && !matches!(rest, "/api/uploads" | "/api/artifacts") {
        return None;
    }
    if rest.ends_with("/api/uploads") {
        return id.parse().ok().map(Reference::Upload);
    }
    rest.ends_with("/api/artifacts").then(|| id.parse().ok().map(Reference::Artifact))?
}

fn remote(text: &str) -> Result<Reference, String> {
    let refused = || format!("must be {ALLOWED}, not {}", shown(text));
    let url = reqwest::Url::parse(text).map_err(|_| refused())?;
    // The parser is kind to slips ("https:example.com"); whoever fetches the URL need not be.
    let plain = text.starts_with("https://") || text.starts_with("http://");
    if !plain || text.chars().any(|one| one.is_whitespace() || one.is_control()) {
        return Err(refused());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must be a URL without a user name or password".into());
    }
    Ok(Reference::Remote(text.to_owned()))
}

fn data(rest: &str) -> Result<Reference, String> {
    let (head, payload) =
        rest.split_once(',').ok_or("must be a data URL with a comma before its data")?;
    let media_type = head.strip_suffix(";base64").ok_or("must be a data URL in base64")?;
    let media_type = media_type.split(';').next().unwrap_or_default().to_ascii_lowercase();
    let bare = payload.trim_end_matches('=');
    let digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    let padded = payload.len() % 4 == 0 && payload.len() - bare.len() <= 2;
    if bare.is_empty() || !padded || !bare.bytes().all(digit) {
        return Err("must be a data URL with the file in base64 behind its comma".into());
    }
    Ok(Reference::Data { media_type })
}

/// A text as an error may show it.
fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().nth(40).is_some() {
        short.push('…');
    }
    format!("'{short}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload(text: &str) -> Option<UploadId> {
        match Reference::parse(text) {
            Ok(Reference::Upload(id)) => Some(id),
            Ok(Reference::Remote(_) | Reference::Data { .. } | Reference::Artifact(_)) | Err(_) => {
                None
            }
        }
    }

    #[test]
    fn a_file_is_named_by_url_data_upload_or_artifact() {
        let url = "https://example.com/a.png?b=c";
        assert_eq!(Reference::parse(url), Ok(Reference::Remote(url.into())));
        let data = Reference::parse("data:image/PNG;base64,aGk=").unwrap();
        assert_eq!(data, Reference::Data { media_type: "image/png".into() });
        assert_eq!(data.media(), Some(Media::Image));
        let id = UploadId::generate();
        assert_eq!(upload(id.as_str()), Some(id.clone()));
        assert_eq!(upload(&format!("/api/uploads/{id}/content")), Some(id.clone()));
        assert_eq!(upload(&format!("http://[::1]:80/api/uploads/{id}/content")), Some(id));
        let id = ArtifactId::generate();
        let path = format!("/api/artifacts/{id}/content");
        assert_eq!(Reference::parse(&path), Ok(Reference::Artifact(id)));
    }

    #[test]
    fn everything_else_is_refused_with_what_is_allowed() {
        for text in [
            "",
            "photo.png",
            "/etc/passwd",
            "file:///etc/passwd",
            "ftp://example.com/a",
            "javascript:alert(1)",
            "https:example.com",
            "https://exa mple.com/",
            "https://example.com/\na",
            "/api/uploads/job_1/content",
            "/x/api/uploads/upl_1/content",
        ] {
            let wrong = Reference::parse(text).unwrap_err();
            assert!(wrong.starts_with("must be an http or https URL, "), "{text}: {wrong}");
            assert!(!wrong.contains('\n'), "{text}");
        }
        let long = format!("https://example.com/{}", "x".repeat(URL_LIMIT));
        assert!(Reference::parse(&long).unwrap_err().contains("2048"));
    }

    #[test]
    fn a_password_in_a_url_is_refused_and_not_repeated() {
        let wrong = Reference::parse("https://me:secret@example.com/").unwrap_err();
        assert!(!wrong.contains("secret"), "{wrong}");
    }

    #[test]
    fn a_data_url_is_in_base64_and_not_empty() {
        for text in [
            "data:image/png,abc",
            "data:image/png;base64",
            "data:image/png;base64,",
            "data:image/png;base64,====",
            "data:image/png;base64,abc",
            "data:image/png;base64,ab c",
            "data:image/png;base64,a-_d",
        ] {
            assert!(Reference::parse(text).unwrap_err().contains("data URL"), "{text}");
        }
    }
}
