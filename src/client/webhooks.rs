//! Webhooks: which deliveries there are, and beginning one anew.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Client, ClientError};

/// The end of a job on its way to one address.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Delivery {
    /// Its id; later ones are higher.
    pub id: i64,
    /// The job that ended.
    pub job_id: String,
    /// Where it goes, without the query.
    pub url: String,
    /// `pending`, `delivered` or `given_up`.
    pub status: String,
    /// How often it was tried.
    pub attempts: u32,
    /// The HTTP status of the newest answer.
    #[serde(default)]
    pub last_status: Option<u16>,
    /// What was wrong with the newest attempt.
    #[serde(default)]
    pub last_error: Option<String>,
    /// When it is tried next, in UTC milliseconds.
    #[serde(default)]
    pub next_at: Option<i64>,
    /// When the job ended, in UTC milliseconds.
    pub created_at: i64,
    /// Everything else that the server said.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// A page of deliveries.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeliveryPage {
    /// The deliveries, newest first.
    pub deliveries: Vec<Delivery>,
    /// What to ask for as `before` to get the next page; nothing on the last.
    #[serde(default)]
    pub next: Option<i64>,
}

/// Which deliveries to list.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DeliveryFilter {
    /// Only of this job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Only those that stand like this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// At most so many; the server's default without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Only those before the one with this id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<i64>,
}

impl Client {
    /// The newest deliveries that pass the filter, newest first.
    ///
    /// # Errors
    /// Those of every call: see [`ClientError`].
    pub async fn deliveries(&self, filter: &DeliveryFilter) -> Result<DeliveryPage, ClientError> {
        self.answer(self.request(Method::GET, "/api/deliveries").query(filter)).await
    }

    /// Begins a delivery anew, however it stands.
    ///
    /// # Errors
    /// Those of every call: see [`ClientError`].
    pub async fn replay(&self, delivery: i64) -> Result<Delivery, ClientError> {
        let path = format!("/api/deliveries/{delivery}/replay");
        self.answer(self.request(Method::POST, &path)).await
    }
}
