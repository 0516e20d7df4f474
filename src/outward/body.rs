//! The bytes of an answer.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use reqwest::Response;
use tokio::time::timeout;

use super::words;

/// Why an answer did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Cut {
    /// Its host sent nothing for too long.
    #[error("nothing came for {} s", waited.as_secs_f64())]
    Silent {
        /// How long it was waited for.
        waited: Duration,
    },
    /// The connection ended before.
    #[error("{0}")]
    Broken(String),
}

/// The bytes of an answer; a host that sends none for as long as `patience` is given up.
pub fn chunks(
    response: Response,
    patience: Duration,
) -> impl Stream<Item = Result<Bytes, Cut>> + Send {
    stream::try_unfold(response, move |mut response| async move {
        let chunk = timeout(patience, response.chunk()).await;
        let chunk = chunk.map_err(|_| Cut::Silent { waited: patience })?;
        let chunk = chunk.map_err(|error| Cut::Broken(words(error)))?;
        Ok(chunk.map(|chunk| (chunk, response)))
    })
}
