//! What carries events: a stream, or pages of them; with a look after the stream's address.

use std::fmt;
use std::future::pending;
use std::pin::Pin;

use bytes::Bytes;
use reqwest::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use reqwest::{Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;

use crate::client::{Client, ClientError, JobView, error};

/// The most events that one page may have.
const PAGE: u64 = 1_000;

/// What came of what is under way.
#[derive(Debug)]
pub(super) enum Arrived {
    /// The answer to a stream's request: its head.
    Opened(Response),
    /// Bytes of a stream.
    Bytes(Bytes),
    /// A page of events.
    Page(Page),
    /// The stream's address.
    Renewed(String),
    /// Nothing stands behind the cursor.
    Over,
    /// There was no answer, or the connection broke.
    Lost(ClientError),
    /// The answer was a no.
    Refused {
        /// The HTTP status; 200 for what is not a Tailwater server's answer.
        status: u16,
        /// What the server said.
        error: ClientError,
    },
}

/// A page of events, as `GET /api/jobs/{id}/events` has it.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub(super) events: Vec<PagedEvent>,
    pub(super) ended: bool,
    pub(super) poll_after_ms: Option<u64>,
    pub(super) gap: Option<Value>,
    pub(super) snapshot: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PagedEvent {
    pub(super) id: u64,
    #[serde(rename = "type")]
    pub(super) name: String,
    pub(super) data: Value,
}

/// The parameter that has the ticket.
const TICKET: &str = "ticket";

/// What is under way. It stands in the watch and not in a call of it, so that a call that is dropped
/// takes nothing with it.
pub(super) enum UnderWay {
    Nothing,
    Asking(Pin<Box<dyn Future<Output = Arrived> + Send>>),
    Reading(Response),
}

impl fmt::Debug for UnderWay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Asking(_) => "Asking",
            Self::Reading(_) => "Reading",
        })
    }
}

impl UnderWay {
    /// What comes of it next; never anything, while nothing is under way.
    pub(super) async fn next(&mut self, client: &Client) -> Arrived {
        let arrived = match self {
            Self::Nothing => pending().await,
            Self::Asking(answer) => answer.as_mut().await,
            Self::Reading(response) => match response.chunk().await {
                Ok(Some(bytes)) => return Arrived::Bytes(bytes),
                Ok(None) => Arrived::Lost(client.lost("the server closed the stream".to_owned())),
                Err(error) => Arrived::Lost(client.unreachable(&error)),
            },
        };
        *self = Self::Nothing;
        arrived
    }

    /// Opens a stream behind a cursor.
    pub(super) fn stream(client: &Client, url: &str, after: u64) -> Self {
        let mut request =
            client.get(url).header(ACCEPT, "text/event-stream").header(CACHE_CONTROL, "no-store");
        if after > 0 {
            request = request.header("last-event-id", after);
        }
        let client = client.clone();
        Self::Asking(Box::pin(async move {
            let response = match request.send().await {
                Ok(response) => response,
                Err(error) => return Arrived::Lost(client.unreachable(&error)),
            };
            match response.status() {
                StatusCode::NO_CONTENT => Arrived::Over,
                StatusCode::OK if is_event_stream(&response) => Arrived::Opened(response),
                StatusCode::OK => unreadable("it is no event stream"),
                _ => refusal(response).await,
            }
        }))
    }

    /// Asks for the events behind a cursor; the server may hold the answer for so many seconds.
    pub(super) fn poll(client: &Client, job_url: &Url, after: u64, wait_s: u64) -> Self {
        let query = [("after", after), ("limit", PAGE), ("wait", wait_s)];
        let mut url = job_url.clone();
        url.set_path(&format!("{}/events", job_url.path()));
        let request = client.get(url).query(&query);
        Self::json(client, request, Arrived::Page)
    }

    /// Asks for a fresh address of the stream.
    pub(super) fn renew(client: &Client, job_url: &Url) -> Self {
        let of_client = client.clone();
        Self::json(client, client.get(job_url.clone()), move |job: JobView| {
            match job.rest.get("stream_url").and_then(Value::as_str) {
                Some(url) => Arrived::Renewed(of_client.absolute(url)),
                None => unreadable("the job has no stream"),
            }
        })
    }

    fn json<T, F>(client: &Client, request: reqwest::RequestBuilder, take: F) -> Self
    where
        T: serde::de::DeserializeOwned,
        F: FnOnce(T) -> Arrived + Send + 'static,
    {
        let client = client.clone();
        Self::Asking(Box::pin(async move {
            let response = match request.send().await {
                Ok(response) if response.status() == StatusCode::OK => response,
                Ok(response) => return refusal(response).await,
                Err(error) => return Arrived::Lost(client.unreachable(&error)),
            };
            match response.bytes().await {
                Ok(body) => match serde_json::from_slice(&body) {
                    Ok(answer) => take(answer),
                    Err(error) => unreadable(&error.to_string()),
                },
                Err(error) => Arrived::Lost(client.unreachable(&error)),
            }
        }))
    }
}

async fn refusal(response: Response) -> Arrived {
    let status = response.status();
    match error::refusal(response).await {
        Ok(_) => unreadable(&format!("its status is {status}")),
        Err(error) => Arrived::Refused { status: status.as_u16(), error },
    }
}

/// What says that all is well and is not what was asked for comes from something in between.
fn unreadable(what: &str) -> Arrived {
    Arrived::Refused { status: 200, error: ClientError::Unreadable(what.to_owned()) }
}

fn is_event_stream(response: &Response) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("text/event-stream")
}

/// The address of the job whose stream this is, with the stream's ticket: it opens the job in every
/// way of looking at it.
pub(super) fn job_url(stream_url: &str) -> Option<Url> {
    let mut url = Url::parse(stream_url).ok()?;
    let path = url.path().strip_suffix("/stream")?.to_owned();
    let (_, job) = path.rsplit_once("/jobs/")?;
    if job.is_empty() || job.contains('/') {
        return None;
    }
    let ticket = url.query_pairs().find(|(name, _)| name == TICKET);
    let ticket = ticket.map(|(_, ticket)| ticket.into_owned());
    url.set_path(&path);
    url.set_query(None);
    url.set_fragment(None);
    if let Some(ticket) = ticket {
        url.query_pairs_mut().append_pair(TICKET, &ticket);
    }
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jobs_stream_leads_to_the_job() {
        let url = "http://host:1/base/api/jobs/job_1/stream?ticket=t";
        let job = |url: &str| job_url(url).map(String::from);
        let expected = "http://host:1/base/api/jobs/job_1?ticket=t";
        assert_eq!(job(url).as_deref(), Some(expected));
        let url = "http://host:1/base/api/jobs/job_1/stream?after=7";
        assert_eq!(job(url).as_deref(), Some("http://host:1/base/api/jobs/job_1"));
        for other in [
            "http://host/api/stream?job=job_1",
            "http://host/api/projects/default/stream",
            "http://host/api/jobs/job_1",
            "http://host/api/jobs//stream",
            "x",
        ] {
            assert_eq!(job_url(other), None, "{other}");
        }
    }
}
