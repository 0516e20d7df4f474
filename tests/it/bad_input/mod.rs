//! Input that is wrong, hostile or cut: each gets a clear answer, nothing that was accepted is
//! lost, and the server works on.

mod cursor;
mod end;
mod event;
mod file;
mod flood;
mod method;
mod start;
mod submit;
mod text;
mod wire;

use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{PATIENCE, TestServer};

/// An answer to a request, whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

/// Sends a request and reads the answer; a body that is no JSON is given as text.
pub async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.expect("a body");
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Answer { status, headers, body }
}

impl Answer {
    /// Asserts that this is a problem of RFC 9457 with this status and code; gives its body.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> &Value {
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{self:?}");
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.body["status"], status);
        assert_eq!(self.body["type"], format!("/problems/{code}"));
        assert!(!self.body["title"].as_str().expect("a title").is_empty());
        let detail = self.body["detail"].as_str().expect("a detail");
        assert!(!detail.is_empty() && detail.len() < 1000 && !detail.contains('\n'), "{detail}");
        // What the parser's library calls things is none of a client's concern.
        for inside in ["struct ", "u8", "u64", "sqlx", "serde", "os error", "hyper"] {
            assert!(!detail.contains(inside), "{detail}");
        }
        &self.body
    }

    /// The JSON pointers of the fields that are wrong.
    pub fn pointers(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().expect("it names fields");
        errors.iter().map(|error| error["pointer"].as_str().expect("a pointer")).collect()
    }
}

/// Posts a job as this text.
pub async fn submit_text(server: &TestServer, body: impl Into<reqwest::Body>) -> Answer {
    let request = server.http.post(server.url("/api/jobs"));
    send(request.header("content-type", "application/json").body(body)).await
}

/// Pushes this text as NDJSON.
pub async fn push_text(server: &TestServer, job: &str, body: impl Into<reqwest::Body>) -> Answer {
    let request = server.http.post(server.url(&format!("/api/jobs/{job}/events")));
    send(request.header("content-type", "application/x-ndjson").body(body)).await
}

/// The names of a job's events after its two `status`, by a page.
pub async fn names(server: &TestServer, job: &str) -> Vec<String> {
    server.until_level().await;
    let (_, page) = server.get(&format!("/api/jobs/{job}/events?limit=1000")).await;
    let events = page["events"].as_array().expect("a page").iter();
    let names = events.map(|event| event["type"].as_str().expect("a name").to_owned());
    names.filter(|name| name != "status").collect()
}

/// Asserts that a job can be submitted, fed, watched and ended.
pub async fn works_on(server: &TestServer) {
    let job = server.submit_external().await;
    let mut reader = server.follow(&job).await;
    let events = [json!({"type": "still.here"}), json!({"type": "completed", "data": {}})];
    let (status, answer) = server.push(&job, &events).await;
    assert_eq!((status, answer["appended"].as_u64()), (200, Some(2)), "{answer}");
    reader.until("still.here").await;
    reader.until("completed").await;
}

/// A connection on which anything can be said.
pub struct Wire {
    stream: TcpStream,
}

impl Wire {
    pub async fn open(server: &TestServer) -> Self {
        let stream = TcpStream::connect(server.nodes().next().expect("a node"));
        let stream = stream.await.expect("it listens");
        // What is said in pieces arrives in pieces.
        stream.set_nodelay(true).expect("it is connected");
        Self { stream }
    }

    /// Says something; that the server does not listen any more is no error.
    pub async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.ok();
    }

    /// The head of a POST of events to this job, with a chunked body.
    pub async fn push(server: &TestServer, job: &str) -> Self {
        let mut wire = Self::open(server).await;
        let head =
            format!("POST /api/jobs/{job}/events HTTP/1.1\r\nhost: localhost\r\nconnection: close");
        wire.say(format!("{head}\r\ntransfer-encoding: chunked\r\n\r\n")).await;
        wire
    }

    /// One chunk of a chunked body.
    pub async fn chunk(&mut self, text: &str) {
        self.say(format!("{:x}\r\n{text}\r\n", text.len())).await;
    }

    /// Says that nothing more will come, in the middle of whatever was being said.
    pub async fn cut(&mut self) {
        self.stream.shutdown().await.ok();
    }

    /// Everything that the server says until it closes the connection.
    pub async fn hear(mut self) -> String {
        let mut heard = Vec::new();
        let read = tokio::time::timeout(PATIENCE, self.stream.read_to_end(&mut heard)).await;
        read.expect("the server closes the connection").ok();
        String::from_utf8_lossy(&heard).into_owned()
    }

    /// The status and the JSON of the one answer on this connection.
    pub async fn answer(self) -> (u16, Value) {
        let heard = self.hear().await;
        let status = heard.get(9..12).and_then(|digits| digits.parse().ok());
        let body = heard.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        let status = status.unwrap_or_else(|| panic!("no answer: {heard:?}"));
        (status, serde_json::from_str(body).unwrap_or(Value::String(body.to_owned())))
    }
}
