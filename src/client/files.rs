//! Files to and from the server.

use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Method, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::fs::File;

use super::{Client, ClientError, error};

/// A file that the server keeps for jobs to work on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Upload {
    /// Its id.
    pub id: String,
    /// Where it is, as an input of a job names it.
    pub url: String,
    /// What its bytes are.
    pub media_type: String,
    /// Its size.
    pub bytes: u64,
    /// Everything else that the server said.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// A file on its way from the server. Dropping it closes the connection.
#[derive(Debug)]
pub struct Download {
    client: Client,
    response: Response,
}

impl Download {
    /// The next piece; nothing at the end of the file.
    ///
    /// # Errors
    /// When the connection is lost before the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        self.response.chunk().await.map_err(|error| self.client.unreachable(&error))
    }
}

impl Client {
    /// Gives the server a file of so many bytes, from where it stands to its end.
    ///
    /// # Errors
    /// Those of every call: see [`ClientError`].
    pub async fn upload(
        &self,
        file: File,
        bytes: u64,
        name: &str,
        project_id: Option<&str>,
    ) -> Result<Upload, ClientError> {
        let mut query = vec![("name", name)];
        query.extend(project_id.map(|project| ("project_id", project)));
        let request = self
            .request(Method::POST, "/api/uploads")
            .query(&query)
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, bytes)
            .body(file);
        self.read(request.timeout(self.options.transfer_timeout)).await
    }

    /// Fetches a file by its URL, as an artifact has it: whole, or a path on this server.
    ///
    /// # Errors
    /// Those of every call: see [`ClientError`].
    pub async fn download(&self, url: &str) -> Result<Download, ClientError> {
        let request = self.request(Method::GET, url).timeout(self.options.transfer_timeout);
        let response = error::refusal(self.send(request).await?).await?;
        Ok(Download { client: self.clone(), response })
    }
}
