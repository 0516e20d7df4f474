//! Whether the server answers there, who else does, and whether the key comes through.

use std::time::SystemTime;

use http::{HeaderMap, Version};
use reqwest::Method;
use reqwest::header::{DATE, LOCATION};
use serde_json::Value;

use super::super::clock::Asked;
use super::proxy::Proxy;
use super::way::{ANSWER, Way, reason};

/// A header that is larger than what many proxies take, and smaller than what the server does: those that
/// say nothing of themselves in answers do so in errors.
const LARGE_HEADER: usize = 20_000;

/// An answer to a plain question.
#[derive(Clone, Debug)]
pub(super) struct Reached {
    pub(super) status: u16,
    pub(super) version: Version,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
    /// The clock of who answered, where it says so.
    pub(super) clock: Option<Asked>,
}

impl Reached {
    /// The answer, if it is JSON.
    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_str(&self.body).ok()
    }

    /// Where it points to, of an answer that only says so.
    pub(super) fn redirect(&self) -> Option<&str> {
        (300..400).contains(&self.status).then(|| self.headers.get(LOCATION)?.to_str().ok())?
    }

    /// What the server says is wrong, in its words, if it is the server's answer.
    pub(super) fn problem(&self) -> Option<(String, String)> {
        let json = self.json()?;
        Some((json["code"].as_str()?.to_owned(), json["detail"].as_str()?.to_owned()))
    }
}

/// Asks for a path, with the key.
///
/// # Errors
/// When nobody answers.
pub(super) async fn ask(way: &Way, path: &str) -> Result<Reached, String> {
    read(way, way.request(Method::GET, path)).await
}

async fn read(way: &Way, request: reqwest::RequestBuilder) -> Result<Reached, String> {
    let before = SystemTime::now();
    let response = request.timeout(ANSWER).send().await.map_err(|error| reason(&error))?;
    let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
    let clock = date.and_then(|date| Asked::of_date(way.base(), date, before, SystemTime::now()));
    Ok(Reached {
        status: response.status().as_u16(),
        version: response.version(),
        headers: response.headers().clone(),
        clock,
        body: response.text().await.unwrap_or_default(),
    })
}

/// Who stands before the server, by an answer of it, or else by an error.
pub(super) async fn proxy(way: &Way, answer: &Reached) -> Option<Proxy> {
    let known = Proxy::by_headers(&answer.headers).or_else(|| Proxy::by_page(&answer.body));
    if known.is_some() {
        return known;
    }
    let large = way.bare(Method::GET, "/healthz").header("x-doctor", "x".repeat(LARGE_HEADER));
    let refusal = read(way, large).await.ok()?;
    Proxy::by_headers(&refusal.headers).or_else(|| Proxy::by_page(&refusal.body))
}
