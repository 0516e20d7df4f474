//! The reading of a form, see [`crate::http::fuzzing`].

use axum::body::Body;
use axum::http::HeaderMap;
use futures_util::stream;

use crate::http::Problem;

use super::form::{self, Form, Part};
use super::receive::Source;

/// A part of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormPart {
    /// Its name.
    pub name: String,
    /// The name of the file in it.
    pub file_name: Option<String>,
    /// All of it.
    pub data: Vec<u8>,
}

/// The boundary that the headers of a form name.
///
/// # Errors
/// What is wrong with it.
pub fn boundary(headers: &HeaderMap) -> Result<Option<String>, String> {
    form::boundary(headers).map_err(|problem| problem.detail().to_owned())
}

/// The parts of a form that arrives in these pieces.
///
/// # Errors
/// Why it is none.
pub async fn form(boundary: &str, pieces: Vec<Vec<u8>>) -> Result<Vec<FormPart>, String> {
    let pieces = pieces.into_iter().map(Ok::<_, std::convert::Infallible>);
    let body = Body::from_stream(stream::iter(pieces));
    let read = read(Form::new(boundary, Source::new(body, u64::MAX))).await;
    read.map_err(|problem| problem.detail().to_owned())
}

async fn read(mut form: Form) -> Result<Vec<FormPart>, Problem> {
    let mut parts = Vec::new();
    while let Some(Part { name, file_name }) = form.next().await? {
        let mut data = Vec::new();
        while let Some(chunk) = form.data().await? {
            data.extend_from_slice(&chunk);
        }
        parts.push(FormPart { name, file_name, data });
    }
    Ok(parts)
}
