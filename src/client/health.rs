//! Whether a server takes jobs.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Client, ClientError};

/// Whether a server takes jobs, and why not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Readiness {
    /// Whether new jobs are taken.
    pub ready: bool,
    /// Why they are not.
    #[serde(default)]
    pub reason: Option<String>,
    /// Everything else that the server said.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Client {
    /// Asks whether new jobs are taken; no key is needed.
    ///
    /// # Errors
    /// Those of every call, see [`ClientError`]; that no jobs are taken is none.
    pub async fn readiness(&self) -> Result<Readiness, ClientError> {
        let request = self.request(Method::GET, "/readyz").timeout(self.options.answer_timeout);
        let response = self.send(request).await?;
        let body = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        // 503 has the same body.
        serde_json::from_slice(&body).map_err(|error| ClientError::Unreadable(error.to_string()))
    }
}
