//! The one variable segment of a path.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use super::Problem;

/// The segment of a path that names a job, a file or a project.
#[derive(Debug)]
pub struct Segment(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    /// Like [`Path`], but what is not UTF-8 gets a problem like every other error.
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state).await?;
        Ok(Self(text))
    }
}
