//! What a storage says, for people and logs.
//!
//! An answer of S3 to a request that it does not accept repeats it, with session token and
//! signature. So nothing of a body is shown but the code and the message.

use std::error::Error;
use std::fmt::Write as _;

use http::StatusCode;

/// The most letters of an error that are shown.
const MOST: usize = 500;

/// An error and its causes, without a body.
pub(super) fn of(error: &(dyn Error + 'static)) -> String {
    let mut words = without_body(&error.to_string());
    let mut cause = error.source();
    while let Some(next) = cause {
        let more = without_body(&next.to_string());
        // Most say what their cause says.
        if !words.contains(&more) {
            write!(words, ": {more}").expect("a string takes everything");
        }
        cause = next.source();
    }
    words.chars().filter(|letter| !letter.is_control()).take(MOST).collect()
}

/// The status of an answer and what its body says.
pub(super) fn of_answer(status: StatusCode, body: &str) -> String {
    let status = status.as_u16();
    match said(body) {
        Some(said) => format!("HTTP {status}, {said}"),
        None => format!("HTTP {status}"),
    }
}

fn without_body(text: &str) -> String {
    let Some((head, body)) = text.split_once('<') else { return text.to_owned() };
    let head = head.trim_end_matches([' ', ':']);
    match said(body) {
        Some(said) => format!("{head}: {said}"),
        None => head.to_owned(),
    }
}

/// The code and the message of an answer of S3.
fn said(body: &str) -> Option<String> {
    let code = element(body, "Code")?;
    Some(match element(body, "Message") {
        Some(message) => format!("{code} ({message})"),
        None => code.to_owned(),
    })
}

fn element<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = body.split_once(&format!("{name}>"))?;
    let (text, _) = rest.split_once('<')?;
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "<?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code><Message>Check \
        your key.</Message><CanonicalRequest>x-amz-security-token:secret</CanonicalRequest></Error>";

    #[test]
    fn a_body_is_its_code_and_message() {
        let words = of_answer(StatusCode::FORBIDDEN, BODY);
        assert_eq!(words, "HTTP 403, SignatureDoesNotMatch (Check your key.)");
        assert_eq!(of_answer(StatusCode::BAD_GATEWAY, "<html>"), "HTTP 502");
    }

    #[test]
    fn an_error_shows_nothing_else_of_the_body_that_it_carries() {
        let source = format!("non-2xx status code: 403: {BODY}").into();
        let error = object_store::Error::Generic { store: "S3", source };
        let words = of(&error);
        assert!(words.contains("SignatureDoesNotMatch (Check your key.)"), "{words}");
        assert!(!words.contains("secret") && !words.contains('<'), "{words}");
    }
}
