//! JSON bodies, read within bounds.

use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use http_body::Body as _;
use http_body_util::BodyExt;
use serde_json::Value;

use super::problem::{Code, Problem, quoted};

/// How long a body may take to arrive; a client that sends a byte now and then is not waited for.
const DEADLINE: Duration = Duration::from_secs(60);

/// How deep JSON may nest: `serde_json` refuses the 128th level, so that no text can exhaust the
/// stack.
const DEPTH_LIMIT: usize = 127;

/// How many values a JSON text may have. In memory each takes tens of bytes, and two in the text; a body
/// is large for the files in it, and not for them.
const VALUES_LIMIT: usize = 1 << 19;

/// Reads a JSON body of at most `limit` bytes.
///
/// A body without a `Content-Type` is taken as JSON; one that says it is something else is not, so
/// that a form on another site cannot submit jobs.
///
/// # Errors
/// A problem that says what is wrong and where: the media type, the size (nothing is read past the
/// limit), the time it took, the encoding or the syntax.
///
/// # Cancel safety
/// What was read is lost, and the connection with it.
pub async fn json(headers: &HeaderMap, body: Body, limit: usize) -> Result<Value, Problem> {
    parse(&json_bytes(headers, body, limit).await?)
}

/// The same, not parsed yet.
///
/// # Errors
/// As for [`json`], but for the syntax.
pub async fn json_bytes(headers: &HeaderMap, body: Body, limit: usize) -> Result<Vec<u8>, Problem> {
    check_media_type(headers)?;
    bounded(body, limit).await
}

/// The same for a body that may be left out.
///
/// # Errors
/// As for [`json`].
pub async fn optional_json(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<Option<Value>, Problem> {
    let bytes = bounded(body, limit).await?;
    if bytes.trim_ascii().is_empty() {
        return Ok(None);
    }
    check_media_type(headers)?;
    parse(&bytes).map(Some)
}

/// Reads a whole body of at most `limit` bytes.
///
/// # Errors
/// A problem when it is longer, too slow, or cut.
pub async fn bounded(body: Body, limit: usize) -> Result<Vec<u8>, Problem> {
    let read = tokio::time::timeout(DEADLINE, read(body, limit)).await;
    read.map_err(|_| {
        let detail = format!("the body did not arrive within {} seconds", DEADLINE.as_secs());
        Problem::new(Code::RequestTimeout, detail)
    })?
}

/// `application/json` or anything that ends in `+json` (RFC 6839), in UTF-8.
fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
    let essence = text.split(';').next().unwrap_or_default().trim();
    if essence == "application/json" || essence == "text/json" || essence.ends_with("+json") {
        return Ok(());
    }
    let detail = format!("the body must be application/json, not {}", quoted(essence));
    Err(Problem::new(Code::UnsupportedMediaType, detail))
}

async fn read(mut body: Body, limit: usize) -> Result<Vec<u8>, Problem> {
    let hint = body.size_hint();
    if hint.lower() > limit as u64 {
        return Err(too_large(limit));
    }
    // What the client announced is only believed up to a page: the rest must come first.
    let mut bytes = Vec::with_capacity(usize::try_from(hint.lower()).unwrap_or(0).min(4096));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            tracing::debug!(%error, "a body was cut");
            Problem::new(Code::InvalidBody, "the body ended before it was complete")
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > limit {
            return Err(too_large(limit));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn too_large(limit: usize) -> Problem {
    let detail = format!("the body may have {limit} bytes at most");
    Problem::new(Code::BodyTooLarge, detail).with("limit", limit)
}

/// Parses a whole text as JSON; also for texts that are no body, such as a line of many.
///
/// # Errors
/// `invalid_json`, with the place of the mistake.
pub fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    let invalid = |detail: String| Err(Problem::new(Code::InvalidJson, detail));
    // A byte order mark may be ignored (RFC 8259, section 8.1), and some shells cannot help it.
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            return invalid(format!("the text is not UTF-8 at byte {}", error.valid_up_to()));
        }
    };
    if text.trim_ascii().is_empty() {
        return invalid("the text is empty".into());
    }
    // Two bytes is the least that a value takes.
    if text.len() / 2 > VALUES_LIMIT && values(text) > VALUES_LIMIT {
        return invalid(format!("the text has more than {VALUES_LIMIT} values"));
    }
    serde_json::from_str(text).or_else(|error| {
        let said = error.to_string();
        if said.starts_with("recursion limit exceeded") {
            return invalid(format!("the text nests deeper than {DEPTH_LIMIT} levels"));
        }
        invalid(said)
    })
}

/// How many values a JSON text has at most: each but the first stands behind one of these, outside of a
/// string. Names count as well.
fn values(json: &str) -> usize {
    let (mut count, mut in_string, mut is_escaped) = (1, false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = in_string,
            b'"' => in_string = !in_string,
            b',' | b':' | b'[' | b'{' if !in_string => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use futures_util::stream;
    use serde_json::json;

    fn headers(media_type: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, media_type.parse().unwrap())])
    }

    async fn read_as(media_type: &'static str) -> Result<Value, Code> {
        json(&headers(media_type), Body::from("{}"), 100).await.map_err(|problem| problem.code())
    }

    fn detail(text: impl AsRef<[u8]>) -> String {
        let problem = parse(text.as_ref()).unwrap_err();
        assert_eq!(problem.code(), Code::InvalidJson);
        problem.detail().into()
    }

    #[tokio::test]
    async fn json_by_any_of_its_names_is_taken() {
        for media_type in
            ["application/json", "Application/JSON; charset=UTF-8", "application/cloudevents+json"]
        {
            assert_eq!(read_as(media_type).await, Ok(json!({})));
        }
        assert!(json(&HeaderMap::new(), Body::from("{}"), 100).await.is_ok());
        for media_type in
            ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""]
        {
            assert_eq!(read_as(media_type).await, Err(Code::UnsupportedMediaType));
        }
    }

    #[tokio::test]
    async fn a_body_of_the_limit_is_taken_and_one_byte_more_is_not() {
        let text = "[1,2,3]";
        assert!(json(&HeaderMap::new(), Body::from(text), text.len()).await.is_ok());
        let problem = json(&HeaderMap::new(), Body::from(text), text.len() - 1).await.unwrap_err();
        assert_eq!(problem.code(), Code::BodyTooLarge);
        assert!(problem.detail().contains("6 bytes"));
    }

    #[tokio::test]
    async fn a_body_of_unknown_length_is_not_read_past_the_limit() {
        let mut taken = 0;
        let endless = stream::repeat_with(move || {
            taken += 1;
            assert!(taken <= 3, "read past the limit");
            Ok::<_, std::io::Error>(Bytes::from_static(b"    "))
        });
        let problem = json(&HeaderMap::new(), Body::from_stream(endless), 8).await.unwrap_err();
        assert_eq!(problem.code(), Code::BodyTooLarge);
    }

    #[tokio::test]
    async fn a_body_that_is_cut_is_told_from_bad_json() {
        let cut = stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("cut"))]);
        let problem = json(&HeaderMap::new(), Body::from_stream(cut), 8).await.unwrap_err();
        assert_eq!(problem.code(), Code::InvalidBody);
        assert!(!problem.detail().contains("cut"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let silent = stream::pending::<Result<Bytes, std::io::Error>>();
        let problem = json(&HeaderMap::new(), Body::from_stream(silent), 8).await.unwrap_err();
        assert_eq!(problem.code(), Code::RequestTimeout);
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        assert_eq!(detail("{\"a\": 1,\n \"b\": x}"), "expected value at line 2 column 7");
        assert_eq!(detail(b"{\"a\": \"\xff\"}"), "the text is not UTF-8 at byte 7");
        assert_eq!(detail(" \n"), "the text is empty");
        assert!(detail("{} {}").starts_with("trailing characters"));
        assert!(detail("{").starts_with("EOF while parsing"));
        assert!(detail("\"a\0b\"").starts_with("control character"));
    }

    #[test]
    fn nesting_has_a_limit_that_is_named() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(parse(nested(DEPTH_LIMIT).as_bytes()).is_ok());
        let expected = "the text nests deeper than 127 levels";
        assert_eq!(detail(nested(DEPTH_LIMIT + 1)), expected);
        assert_eq!(detail(nested(10_000)), expected);
        assert_eq!(detail("{\"a\":".repeat(10_000)), expected);
    }

    #[test]
    fn a_text_may_be_long_but_not_of_many_values() {
        let long = format!("[\"{}\", 1]", ",[{:\\\"".repeat(VALUES_LIMIT));
        assert!(parse(long.as_bytes()).is_ok());
        let zeros = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
        assert!(parse(zeros(VALUES_LIMIT - 1).as_bytes()).is_ok());
        assert_eq!(detail(zeros(VALUES_LIMIT + 2)), "the text has more than 524288 values");
        assert!(detail("[[],".repeat(VALUES_LIMIT)).contains("values"));
    }

    #[test]
    fn odd_but_valid_texts_are_taken() {
        assert_eq!(parse(b"\xEF\xBB\xBF{}").unwrap(), json!({}));
        assert_eq!(parse(br#"{"a":"\u0000\u202e"}"#).unwrap(), json!({"a": "\0\u{202e}"}));
    }
}
