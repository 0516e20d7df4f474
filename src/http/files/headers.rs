//! What is said of a file, whichever part of it is sent.

use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::About;

/// What a file may do that a browser opens as a page, whatever it turns out to be: nothing but show
/// itself. A picture and a film are shown within a page of the browser's own making.
const SANDBOX: HeaderValue = HeaderValue::from_static(
    "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; \
     frame-ancestors 'none'",
);

/// Other sites may show a file: an app and this server seldom have one origin.
const FOR_ALL: HeaderValue = HeaderValue::from_static("cross-origin");

/// A newer attempt's file may take the place of this one, so a cache asks each time.
pub(super) const ASK_EACH_TIME: HeaderValue = HeaderValue::from_static("private, no-cache");

/// The longest file name that is proposed to a browser, in characters.
const NAME_LIMIT: usize = 120;

/// Strong with a checksum; weak without one, since nothing then says that the bytes are the same.
pub(super) fn etag(about: &About<'_>, size: u64) -> String {
    match about.sha256 {
        Some(sha256) if sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            format!("\"{sha256}\"")
        }
        _ => format!("W/\"{}-{}-{size}\"", about.id, about.attempt),
    }
}

/// The headers that the file has whichever part of it is sent.
pub(super) fn describe(about: &About<'_>, etag: &str, download: bool) -> HeaderMap {
    let media_type = about.media_type.trim().to_ascii_lowercase();
    let mut headers = HeaderMap::from_iter([
        (CONTENT_TYPE, content_type(&media_type)),
        (CONTENT_DISPOSITION, disposition(about, &media_type, download)),
        (ETAG, ascii(etag)),
        (ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        (CACHE_CONTROL, ASK_EACH_TIME),
        (CONTENT_SECURITY_POLICY, SANDBOX),
    ]);
    if is_inert(&media_type) {
        headers.insert(RESOURCE_POLICY, FOR_ALL);
    }
    headers
}

fn content_type(media_type: &str) -> HeaderValue {
    let text = media_type.starts_with("text/") && !media_type.contains("charset");
    let full = if text { format!("{media_type}; charset=utf-8") } else { media_type.into() };
    match HeaderValue::from_str(&full) {
        Ok(value) if media_type.contains('/') => value,
        _ => HeaderValue::from_static("application/octet-stream"),
    }
}

/// Whether a browser only shows such a file and runs nothing in it. An SVG image may hold scripts.
fn is_inert(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    match essence.split_once('/') {
        Some(("audio" | "video", _)) => true,
        Some(("image", kind)) => !kind.contains("xml"),
        Some(("text", kind)) => matches!(kind, "plain" | "markdown" | "csv"),
        Some(("application", kind)) => kind == "json",
        _ => false,
    }
}

/// Who may show it within a page: Fetch, section 3.7.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Shown in place where a browser only shows it, else saved. RFC 6266, with the name in RFC 8187's encoding and in ASCII for clients that do not know it.
fn disposition(about: &About<'_>, media_type: &str, download: bool) -> HeaderValue {
    let kind = if download || !is_inert(media_type) { "attachment" } else { "inline" };
    let name = file_name(about, media_type);
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let encoded: String = name.bytes().map(percent).collect();
    ascii(&format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{encoded}"))
}

/// The name to save a file under: its own without what could lead elsewhere or look like another
/// name, else its id.
fn file_name(about: &About<'_>, media_type: &str) -> String {
    let harmless = |c: &char| !c.is_control() && !is_invisible(*c) && !"/\\:*?\"<>|".contains(*c);
    let name: String = about.name.chars().filter(harmless).take(NAME_LIMIT).collect();
    let name = name.trim_matches(|c: char| c == '.' || c.is_whitespace());
    if !name.is_empty() {
        return name.into();
    }
    let extension = match media_type.split(';').next().unwrap_or_default() {
        "text/markdown" => ".md",
        "text/html" => ".html",
        "text/plain" => ".txt",
        "audio/wav" | "audio/x-wav" => ".wav",
        "audio/mpeg" => ".mp3",
        _ => "",
    };
    format!("{}{extension}", about.id)
}

/// Zero-width characters and those that turn the direction of text, which make `gnp.exe` look like
/// `exe.png`.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, ' ' | '.' | '_' | '-' | '(' | ')')
}

/// One byte as an `ext-value` has it: RFC 8187, section 3.2.1.
fn percent(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
        char::from(byte).into()
    } else {
        format!("%{byte:02X}")
    }
}

/// A header value of our own making.
pub(super) fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("made of visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about<'a>(name: &'a str, media_type: &'a str) -> About<'a> {
        About { id: "file_1", attempt: 2, name, media_type, bytes: 3, sha256: None }
    }

    fn disposition_of(name: &str) -> String {
        let value = disposition(&about(name, "audio/wav"), "audio/wav", true);
        value.to_str().unwrap().into()
    }

    #[test]
    fn a_name_is_kept_in_both_encodings() {
        assert_eq!(
            disposition_of("Über uns.wav"),
            "attachment; filename=\"_ber uns.wav\"; filename*=UTF-8''%C3%9Cber%20uns.wav"
        );
    }

    #[test]
    fn a_name_cannot_lead_elsewhere_or_end_its_header() {
        let plain = "attachment; filename=\"file_1.wav\"; filename*=UTF-8''file_1.wav";
        assert_eq!(disposition_of(""), plain);
        assert_eq!(disposition_of("../.."), plain);
        assert_eq!(disposition_of("\r\n\0"), plain);
        let named = |name: &str| disposition_of(name).rsplit_once("''").unwrap().1.to_owned();
        assert_eq!(named("../../etc/passwd"), "etcpasswd");
        assert_eq!(named("a\r\nset-cookie: x"), "aset-cookie%20x");
        assert_eq!(named("\u{202e}gnp.exe"), "gnp.exe");
        assert_eq!(named("a\"; x=\"b"), "a%3B%20x%3Db");
        assert_eq!(named(&"é".repeat(500)).len(), NAME_LIMIT * 6);
    }

    #[test]
    fn text_says_its_encoding_and_a_bad_type_is_plain_bytes() {
        assert_eq!(content_type("text/html"), "text/html; charset=utf-8");
        assert_eq!(content_type("text/plain;charset=utf-8"), "text/plain;charset=utf-8");
        assert_eq!(content_type("audio/wav"), "audio/wav");
        assert_eq!(content_type("x\r\ny/z"), "application/octet-stream");
        assert_eq!(content_type(""), "application/octet-stream");
    }

    #[test]
    fn whatever_could_run_is_saved_and_everything_is_in_a_sandbox() {
        let runs = ["text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", ""];
        let shows = ["audio/wav", "video/mp4", "image/png", "text/markdown", "text/plain"];
        for media_type in runs.iter().chain(&shows) {
            let headers = describe(&about("x", media_type), "\"a\"", false);
            assert_eq!(headers[CONTENT_SECURITY_POLICY], SANDBOX, "{media_type}");
            let shown = headers[CONTENT_DISPOSITION].to_str().unwrap().starts_with("inline");
            assert_eq!(shown, shows.contains(media_type), "{media_type}");
            assert_eq!(headers.contains_key(RESOURCE_POLICY), shown, "{media_type}");
        }
    }

    #[test]
    fn only_a_checksum_makes_a_strong_tag() {
        let mut about = about("x", "audio/wav");
        assert_eq!(etag(&about, 3), "W/\"file_1-2-3\"");
        about.sha256 = Some("ab01");
        assert_eq!(etag(&about, 3), "\"ab01\"");
        about.sha256 = Some("\"\r\n");
        assert_eq!(etag(&about, 3), "W/\"file_1-2-3\"");
    }
}
