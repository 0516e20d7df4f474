//! What both endpoints share: errors in `OpenAI`'s shape, and the troubles that come before an answer.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::Stage;
use super::markers::{Marker, Markers};

/// An error as `OpenAI` reports it: `{"error": {message, type, param, code}}`.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    kind: &'static str,
    code: Option<&'static str>,
    param: Option<&'static str>,
    message: String,
}

impl Refusal {
    /// 400: the request is at fault; `param` is the field to blame.
    pub(super) fn invalid(param: impl Into<Option<&'static str>>, message: &str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "invalid_request_error",
            code: None,
            param: param.into(),
            message: message.to_owned(),
        }
    }

    /// 500: the provider is at fault.
    pub(super) fn server_error(message: &str) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            kind: "server_error",
            code: Some("server_error"),
            param: None,
            message: message.to_owned(),
        }
    }

    /// The 500 that a marker asks for.
    pub(super) fn failure() -> Self {
        Self::server_error("The server had an error while processing your request (simulated).")
    }

    /// 429, with `retry-after: 1`.
    fn rate_limited() -> Self {
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            kind: "requests",
            code: Some("rate_limit_exceeded"),
            param: None,
            message: "Rate limit reached (simulated). Please try again in 1s.".to_owned(),
        }
    }

    /// 413, or whatever went wrong while the body was read.
    fn unreadable(rejection: &BytesRejection) -> Self {
        let message = rejection.body_text();
        Self { status: rejection.status(), ..Self::invalid(None, &message) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = Json(json!({"error": {
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.code,
        }}));
        let retry_after =
            (self.status == StatusCode::TOO_MANY_REQUESTS).then_some([(header::RETRY_AFTER, "1")]);
        (self.status, retry_after, body).into_response()
    }
}

/// Reads a JSON body, whatever its `content-type` says.
pub(super) fn parse<T: DeserializeOwned>(
    body: Result<Bytes, BytesRejection>,
) -> Result<(Bytes, T), Refusal> {
    let body = body.map_err(|rejection| Refusal::unreadable(&rejection))?;
    let request = serde_json::from_slice(&body).map_err(|error| {
        Refusal::invalid(None, &format!("We could not parse the body: {error}"))
    })?;
    Ok((body, request))
}

/// Refuses the request if its markers ask for that.
pub(super) fn check(stage: &Stage, markers: &Markers, body: &[u8]) -> Result<(), Refusal> {
    if markers.has(Marker::Fail) {
        return Err(Refusal::failure());
    }
    if markers.has(Marker::RateLimit) && stage.refusals.refuse(body) {
        return Err(Refusal::rate_limited());
    }
    Ok(())
}

/// A number for these bytes: the same in every process, so that what is drawn from it is too.
pub(super) fn fingerprint(bytes: &[u8]) -> u64 {
    let digest = Sha256::digest(bytes);
    u64::from_le_bytes(digest[..8].try_into().expect("a SHA-256 digest has 32 bytes"))
}
