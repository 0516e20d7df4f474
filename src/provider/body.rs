//! Error bodies: many shapes, one sorted [`Error`].
//!
//! `OpenAI` sends `{"error": {"message", "type", "code"}}`, where `code` is a string, an integer
//! (llama.cpp, vLLM) or null (Ollama); older vLLM sends the inner object alone; Ollama's own routes
//! send `{"error": "text"}`; `FastAPI` and `ElevenLabs` send `{"detail": …}`; a proxy sends HTML. The
//! same bodies come with an HTTP error and in the middle of a stream that began with 200.

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use super::error::{Error, tame};

/// Codes and types that mean "no money or no quota left", although they come with 429, 401 or 403.
const OUT_OF_FUNDS: [&str; 12] = [
    "insufficient_quota",
    "insufficient_balance",
    "insufficient_balance_error",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "billing_hard_limit_reached",
    "billing_not_active",
    "budget_exceeded",
    "quota_exceeded",
    "payment_required",
];

/// Codes and types that mean that the content was held back.
const MODERATED: [&str; 5] = [
    "content_filter",
    "content_policy_violation",
    "moderation_blocked",
    "responsible_ai_policy_violation",
    "content_moderation",
];

/// What an error body says, in one shape.
#[derive(Debug, Default, PartialEq, Eq)]
struct Detail {
    message: String,
    /// `code` and `type`, where they are words.
    words: Vec<String>,
    /// `code`, where it is a number, or digits in a string.
    number: Option<u16>,
}

/// The error object inside a JSON value, or `None` when the value is no error body.
///
/// An `error` that is null is none: some servers send it along with every chunk.
fn detail(body: &Value) -> Option<Detail> {
    let inner =
        ["error", "detail"].iter().find_map(|name| body.get(name).filter(|value| !value.is_null()));
    let flat = || (body.get("object")?.as_str()? == "error").then_some(body);
    let (message, holder) = match inner.or_else(flat)? {
        Value::String(message) => (message.clone(), body),
        error @ Value::Object(fields) => {
            let message = fields.get("message").and_then(Value::as_str);
            (message.unwrap_or_default().to_owned(), error)
        }
        Value::Array(problems) => {
            (problems.iter().map(problem).collect::<Vec<_>>().join("; "), body)
        }
        other => (other.to_string(), body),
    };
    let mut detail = Detail { message, ..Detail::default() };
    for problem in inner.and_then(Value::as_array).into_iter().flatten() {
        let word = problem.get("type").and_then(Value::as_str);
        detail.words.extend(word.map(str::to_ascii_lowercase));
    }
    for name in ["code", "type", "status"] {
        match holder.get(name) {
            Some(Value::String(word)) => match word.parse() {
                Ok(number) => detail.number = Some(number),
                Err(_) => detail.words.push(word.to_ascii_lowercase()),
            },
            Some(Value::Number(number)) => {
                detail.number = number.as_u64().and_then(|number| u16::try_from(number).ok());
            }
            _ => {}
        }
    }
    Some(detail)
}

/// One of a list of validation problems in words: where it is, then what is wrong there. `FastAPI`
/// (fal, BFL) says `loc` and `msg`; a problem of another shape is shown as it is.
fn problem(problem: &Value) -> String {
    let Some(said) = problem.get("msg").and_then(Value::as_str) else {
        return problem.to_string();
    };
    let name = |part: &Value| part.as_str().map_or_else(|| part.to_string(), str::to_owned);
    let place = problem.get("loc").and_then(Value::as_array).into_iter().flatten();
    match place.map(name).collect::<Vec<_>>().join(".").as_str() {
        "" => said.to_owned(),
        place => format!("{place}: {said}"),
    }
}

/// Whether a JSON answer is an error in a provider's own words, unlike the page of a proxy that
/// stands in front of it.
pub(super) fn is_error(answer: &Value) -> bool {
    detail(answer).is_some() || answer.get("base_resp").is_some_and(Value::is_object)
}

/// Sorts the body of an answer with an HTTP error status.
pub(super) fn sort_answer(
    status: StatusCode,
    body: &[u8],
    retry_after: Option<Duration>,
    secrets: &[&str],
) -> Error {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let mut detail = match &json {
        Some(json) => detail(json).unwrap_or_default(),
        None => Detail { message: plain(body), ..Detail::default() },
    };
    let said = tame(&detail.message, secrets);
    detail.message = match said.as_str() {
        "" => format!("HTTP {status}"),
        _ => format!("{said} (HTTP {})", status.as_u16()),
    };
    sort(Some(status.as_u16()), detail, retry_after)
}

/// Sorts a JSON payload that came with HTTP 200; `None` when it is not an error at all.
pub(super) fn sort_payload(payload: &Value, secrets: &[&str]) -> Option<Error> {
    let mut detail = detail(payload)?;
    detail.message = match tame(&detail.message, secrets).as_str() {
        "" => "an error without a message".to_owned(),
        said => said.to_owned(),
    };
    Some(sort(None, detail, None))
}

/// A body that is not JSON, when it is short text; a page of HTML says nothing worth showing.
fn plain(body: &[u8]) -> String {
    match std::str::from_utf8(body) {
        Ok(text) if !text.trim_start().starts_with('<') => text.to_owned(),
        Ok(_) | Err(_) => String::new(),
    }
}

/// The sorting itself: what the words say first, then the status, then the body's own number.
fn sort(status: Option<u16>, detail: Detail, retry_after: Option<Duration>) -> Error {
    let Detail { message, words, number } = detail;
    let says = |any: &[&str]| words.iter().any(|word| any.contains(&word.as_str()));
    if says(&OUT_OF_FUNDS) {
        return Error::OutOfFunds { message };
    }
    if says(&MODERATED) {
        return Error::Moderated { message };
    }
    match status.or(number) {
        Some(401 | 403) => Error::Unauthorised { message },
        Some(402) => Error::OutOfFunds { message },
        Some(408 | 409 | 425 | 502..=504 | 529) => Error::Busy { message, retry_after },
        Some(429) => Error::RateLimited { message, retry_after },
        Some(400..=499) => Error::RefusedInput { message },
        Some(500..=599) => Error::Broken { message },
        Some(200..=399) => Error::Protocol { message },
        Some(_) | None => sort_by_words(&words, message),
    }
}

/// Sorts an error of a stream that has no number, by its code or type alone.
fn sort_by_words(words: &[String], message: String) -> Error {
    let retry_after = None;
    for word in words {
        return match word.as_str() {
            "rate_limit_exceeded" | "rate_limit_error" | "slow_down" => {
                Error::RateLimited { message, retry_after }
            }
            "server_is_overloaded"
            | "service_unavailable_error"
            | "unavailable_error"
            | "overloaded_error" => Error::Busy { message, retry_after },
            "invalid_api_key" | "authentication_error" | "permission_error" => {
                Error::Unauthorised { message }
            }
            "invalid_request_error"
            | "bad_request_error"
            | "badrequesterror"
            | "context_length_exceeded"
            | "model_not_found"
            | "not_found_error" => Error::RefusedInput { message },
            _ => continue,
        };
    }
    Error::Broken { message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Error {
        sort_answer(
            StatusCode::from_u16(status).unwrap(),
            body.as_bytes(),
            Some(Duration::from_secs(2)),
            &["sk-key"],
        )
    }

    fn payload(body: &str) -> Option<Error> {
        sort_payload(&serde_json::from_str(body).unwrap(), &[])
    }

    #[test]
    fn each_status_has_its_sort() {
        let sorts = [
            (400, "refused_input"),
            (401, "unauthorised"),
            (402, "out_of_funds"),
            (403, "unauthorised"),
            (404, "refused_input"),
            (408, "busy"),
            (409, "busy"),
            (413, "refused_input"),
            (422, "refused_input"),
            (429, "rate_limited"),
            (500, "broken"),
            (502, "busy"),
            (503, "busy"),
            (504, "busy"),
            (529, "busy"),
            (301, "protocol"),
        ];
        for (status, code) in sorts {
            assert_eq!(answer(status, "{}").code(), code, "{status}");
        }
    }

    #[test]
    fn a_quota_code_is_out_of_funds_whatever_the_status() {
        let body = r#"{"error":{"message":"You exceeded your quota","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#;
        assert_eq!(answer(429, body).code(), "out_of_funds");
        let eleven = r#"{"detail":{"status":"quota_exceeded","message":"no characters left"}}"#;
        assert_eq!(answer(401, eleven).code(), "out_of_funds");
    }

    #[test]
    fn the_message_is_found_in_every_shape() {
        let shapes = [
            r#"{"error":{"message":"so it is","code":null}}"#,
            r#"{"error":{"message":"so it is","code":400}}"#,
            r#"{"error":{"message":"so it is","code":"bad"}}"#,
            r#"{"object":"error","message":"so it is","type":"BadRequestError","code":400}"#,
            r#"{"error":"so it is"}"#,
            r#"{"detail":"so it is"}"#,
            "so it is\n",
        ];
        for body in shapes {
            let message = "so it is (HTTP 400)".to_owned();
            assert_eq!(answer(400, body), Error::RefusedInput { message }, "{body}");
        }
        let message = "HTTP 502 Bad Gateway".to_owned();
        let busy = Error::Busy { message, retry_after: Some(Duration::from_secs(2)) };
        assert_eq!(answer(502, "<html><h1>Bad Gateway</h1>"), busy);
    }

    #[test]
    fn a_list_of_problems_is_said_in_words_and_sorted_by_its_types() {
        let body = r#"{"detail":[{"loc":["body","prompt"],"msg":"Field required","type":"missing"},
            {"loc":["body","images",0],"msg":"too small","type":"image_too_small"}, 7]}"#;
        let message = "body.prompt: Field required; body.images.0: too small; 7 (HTTP 422)";
        assert_eq!(answer(422, body), Error::RefusedInput { message: message.to_owned() });
        let held = r#"{"detail":[{"loc":["body"],"msg":"no","type":"content_policy_violation"}]}"#;
        assert_eq!(
            answer(422, held),
            Error::Moderated { message: "body: no (HTTP 422)".to_owned() }
        );
    }

    #[test]
    fn a_proxy_speaks_in_other_words_than_a_provider() {
        for own in
            [r#"{"detail":"x"}"#, r#"{"error":"x"}"#, r#"{"base_resp":{"status_code":1000}}"#]
        {
            assert!(is_error(&serde_json::from_str(own).unwrap()), "{own}");
        }
        for other in [r#"{"message":"Endpoint request timed out"}"#, "{}", "[]", "1"] {
            assert!(!is_error(&serde_json::from_str(other).unwrap()), "{other}");
        }
    }

    #[test]
    fn the_key_never_comes_back_in_a_message() {
        let error = answer(401, r#"{"error":{"message":"bad key sk-key given"}}"#);
        let message = "bad key [key] given (HTTP 401)".to_owned();
        assert_eq!(error, Error::Unauthorised { message });
    }

    #[test]
    fn a_payload_in_a_stream_is_sorted_by_its_number_or_its_words() {
        let sort = |body| payload(body).map(|error| error.code());
        assert_eq!(sort(r#"{"error":{"message":"x","code":503}}"#), Some("busy"));
        assert_eq!(sort(r#"{"error":{"message":"x","code":"429"}}"#), Some("rate_limited"));
        assert_eq!(sort(r#"{"error":{"message":"x","type":"server_error"}}"#), Some("broken"));
        assert_eq!(
            sort(r#"{"error":{"message":"x","type":"overloaded_error","code":null}}"#),
            Some("busy")
        );
        assert_eq!(sort(r#"{"error":{"code":"content_filter"}}"#), Some("moderated"));
        assert_eq!(sort(r#"{"error":"it broke"}"#), Some("broken"));
        assert_eq!(sort(r#"{"error":"loading","code":503}"#), Some("busy"));
        assert_eq!(sort(r#"{"error":null,"choices":[]}"#), None);
        assert_eq!(sort(r#"{"choices":[]}"#), None);
        assert_eq!(sort("[1]"), None);
    }
}
