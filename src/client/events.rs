//! A job's events, page by page.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Client, ClientError, segment};

/// An event as a page has it.
#[derive(Clone, Debug, Deserialize)]
pub struct PageEvent {
    /// Its id.
    pub id: u64,
    /// Its name.
    #[serde(rename = "type")]
    pub name: String,
    /// When it was appended, in UTC milliseconds.
    pub at: i64,
    /// Its JSON, to the byte.
    pub data: Box<RawValue>,
}

/// Events that follow each other.
#[derive(Clone, Debug, Deserialize)]
pub struct EventPage {
    /// The events; none when there are no more.
    pub events: Vec<PageEvent>,
    /// The cursor of the next page.
    pub next: u64,
    /// Whether this is the last of a job that has ended.
    pub ended: bool,
    /// Whether the cursor could not be resumed, so that events are missing before these.
    #[serde(default, rename = "gap", deserialize_with = "is_there")]
    pub has_gap: bool,
}

/// Whatever stands there, it says that there is one.
fn is_there<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| true)
}

impl Client {
    /// The events of a job after the cursor; 0 is the beginning.
    ///
    /// # Errors
    /// Those of every call: see [`ClientError`].
    pub async fn events(&self, job: &str, after: u64) -> Result<EventPage, ClientError> {
        let path = format!("/api/jobs/{}/events", segment(job));
        let query = [("after", after), ("limit", 1000)];
        self.answer(self.request(reqwest::Method::GET, &path).query(&query)).await
    }
}
