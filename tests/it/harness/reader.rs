//! A reader of a stream, by the project's own parser.

use reqwest::Response;
use serde_json::Value;
use tailwater::event::parse::{Item, Parser};

use super::PATIENCE;

/// One event as a reader gets it.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The id on the event itself; nothing for a control event.
    pub id: Option<u64>,
    /// Its name.
    pub event: String,
    /// Its data, read as JSON.
    pub data: Value,
}

/// An open stream.
pub struct Reader {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    /// Comments and `retry` values so far.
    pub comments: Vec<String>,
    pub retries: Vec<u64>,
    response: Response,
    parser: Parser,
    last_id: String,
    is_over: bool,
}

impl Reader {
    /// Opens a stream; `after` is sent as `Last-Event-ID`.
    pub async fn open(http: &reqwest::Client, url: &str, after: Option<&str>) -> Self {
        let mut request = http.get(url).header("accept", "text/event-stream");
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        let response = request.send().await.expect("an answer");
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            comments: Vec::new(),
            retries: Vec::new(),
            response,
            parser: Parser::new(16 << 20),
            last_id: String::new(),
            is_over: false,
        }
    }

    /// The next event of any name; nothing at the end of the response.
    pub async fn next(&mut self) -> Option<Message> {
        tokio::time::timeout(PATIENCE, self.read()).await.expect("the stream goes on")
    }

    async fn read(&mut self) -> Option<Message> {
        loop {
            while let Some(item) = self.parser.poll() {
                match item.expect("a stream that can be parsed") {
                    Item::Message(message) => {
                        let fresh = message.last_event_id != self.last_id;
                        self.last_id.clone_from(&message.last_event_id);
                        return Some(Message {
                            id: if fresh { message.last_event_id.parse().ok() } else { None },
                            data: serde_json::from_str(&message.data).expect("data is JSON"),
                            event: message.event,
                        });
                    }
                    Item::Comment(comment) => self.comments.push(comment),
                    Item::Retry(retry) => self.retries.push(retry),
                }
            }
            if self.is_over {
                return None;
            }
            match self.response.chunk().await {
                Ok(Some(bytes)) => self.parser.push(&bytes),
                // A cut connection ends the stream for a reader just the same.
                Ok(None) | Err(_) => self.is_over = true,
            }
        }
    }

    /// Reads until an event with this name, which is given.
    pub async fn until(&mut self, event: &str) -> Message {
        while let Some(message) = self.next().await {
            if message.event == event {
                return message;
            }
        }
        panic!("the stream ended without '{event}'");
    }

    /// Everything up to the end of the response.
    pub async fn read_to_end(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(message) = self.next().await {
            messages.push(message);
        }
        messages
    }
}

/// The text of the last attempt's `content` events, joined.
pub fn text_of(messages: &[Message]) -> String {
    let mut text = String::new();
    for message in messages {
        match message.event.as_str() {
            "status" => text.clear(),
            "content" => text.push_str(message.data["text"].as_str().unwrap_or_default()),
            "snapshot" => text = message.data["text"].as_str().unwrap_or_default().to_owned(),
            _ => {}
        }
    }
    text
}

/// Asserts that the ids of data events only rise.
pub fn assert_ids_rise(messages: &[Message]) {
    let ids: Vec<_> = messages.iter().filter_map(|message| message.id).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "ids must rise: {ids:?}");
}
