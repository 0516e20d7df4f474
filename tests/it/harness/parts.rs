//! A reader of a UI message stream, which knows nothing of the AI SDK but the grammar.

use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use tailwater::event::parse::{Item, Parser};

use super::PATIENCE;

/// An open UI message stream.
pub struct Parts {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    /// Whether `[DONE]` came.
    pub is_done: bool,
    response: Response,
    parser: Parser,
}

/// What a page sends to continue a chat with this text.
pub fn says(chat: &str, text: &str) -> Value {
    let message =
        json!({ "id": "m1", "role": "user", "parts": [{ "type": "text", "text": text }] });
    json!({ "id": chat, "messages": [message], "trigger": "submit-message" })
}

impl Parts {
    pub async fn open(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            is_done: false,
            response,
            parser: Parser::new(16 << 20),
        }
    }

    /// The job that the stream is of, by its header.
    pub fn job(&self) -> String {
        let job = self.headers["x-tailwater-job"].to_str().expect("ASCII");
        job.to_owned()
    }

    /// The next part; nothing at the end of the response.
    pub async fn next(&mut self) -> Option<Value> {
        tokio::time::timeout(PATIENCE, self.read()).await.expect("the stream goes on")
    }

    async fn read(&mut self) -> Option<Value> {
        loop {
            while let Some(item) = self.parser.poll() {
                let Item::Message(message) = item.expect("a stream that can be parsed") else {
                    continue;
                };
                assert_eq!((message.event.as_str(), self.is_done), ("message", false));
                if message.data == "[DONE]" {
                    self.is_done = true;
                } else {
                    return Some(serde_json::from_str(&message.data).expect("a part is JSON"));
                }
            }
            // A cut connection ends the stream for a reader just the same.
            let Ok(Some(bytes)) = self.response.chunk().await else { return None };
            self.parser.push(&bytes);
        }
    }

    /// Everything up to a part of this type, and that.
    pub async fn until(&mut self, kind: &str) -> Vec<Value> {
        let mut parts: Vec<Value> = Vec::new();
        while parts.last().is_none_or(|last| last["type"] != kind) {
            parts.push(self.next().await.unwrap_or_else(|| panic!("no '{kind}': {parts:?}")));
        }
        parts
    }

    /// Everything up to the end of the response.
    pub async fn read_to_end(&mut self) -> Vec<Value> {
        let mut parts = Vec::new();
        while let Some(part) = self.next().await {
            parts.push(part);
        }
        parts
    }
}

/// The types of parts, in order, runs of one type as one.
pub fn types(parts: &[Value]) -> Vec<&str> {
    let mut types: Vec<_> =
        parts.iter().map(|part| part["type"].as_str().expect("a type")).collect();
    types.dedup();
    types
}

/// The parts of this type.
pub fn of_type<'a>(parts: &'a [Value], kind: &str) -> Vec<&'a Value> {
    parts.iter().filter(|part| part["type"] == kind).collect()
}

/// The text of a message.
pub fn text_of(parts: &[Value]) -> String {
    of_type(parts, "text-delta").iter().filter_map(|part| part["delta"].as_str()).collect()
}
