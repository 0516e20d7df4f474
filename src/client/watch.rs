//! Watching a job until its end, over as many connections as it takes.
//!
//! The cursor moves only on events that were handed to the caller, so whatever breaks a connection,
//! the next one goes on behind the last event that was seen: none is lost and none comes twice.

use std::time::Duration;

use reqwest::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use reqwest::{Response, StatusCode};
use serde_json::Value;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::backoff::{self, Delays};
use crate::event::kind::EventType;
use crate::event::parse::{Item, Message, Parser};

use super::{Client, ClientError, error};

/// The delay before a reconnect where the server named none.
const DEFAULT_RETRY: Duration = Duration::from_secs(1);

/// The longest delay that a server's `retry:` can ask for.
const LONGEST_RETRY: Duration = Duration::from_secs(5 * 60);

/// What a watcher sees.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchEvent {
    /// A connection is open: `job`, `status`, `attempt`, `after`, `head`.
    Hello(Value),
    /// An event of the job, in order, each once.
    Event(StreamEvent),
    /// Events between the cursor and what is kept are gone; a snapshot follows: `from`, `to`,
    /// `reason`.
    Gap(Value),
    /// All that the job is so far, in place of events that are gone. The text in it replaces what a
    /// watcher has.
    Snapshot(StreamEvent),
    /// Where the job waits: `position`.
    Queue(Value),
    /// The server is about to close the connection; the watch goes on.
    Bye(Value),
    /// The connection is lost; the watch goes on.
    Reconnecting(Reconnect),
}

/// An event with an id.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamEvent {
    /// Its id, the cursor of a reader that has it.
    pub id: u64,
    /// What it is about, as in `content`.
    pub name: String,
    /// Its JSON.
    pub data: Value,
}

impl StreamEvent {
    /// Whether nothing comes after it.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        EventType::from_stored(&self.name).is_terminal()
    }
}

/// A connection that was lost, and when the next one is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconnect {
    /// How long the watch waits before it tries.
    pub delay: Duration,
    /// What happened, for people.
    pub reason: String,
}

/// A job being watched. Dropping it closes the connection.
#[derive(Debug)]
pub struct Watch {
    client: Client,
    url: String,
    cursor: u64,
    parser: Parser,
    connection: Connection,
    /// When the last byte came: silence counts from here, even over canceled calls of `next`.
    heard: Instant,
    /// What the server wants between a loss and a reconnect.
    retry: Duration,
    delays: Delays,
    /// Whether any connection ever worked: until then an unreachable server is an error.
    was_connected: bool,
}

#[derive(Debug)]
enum Connection {
    Waiting { until: Instant },
    Open(Response),
    Ended,
}

impl Watch {
    pub(super) fn new(client: Client, url: String, after: u64) -> Self {
        let now = Instant::now();
        Self {
            url,
            cursor: after,
            parser: Parser::new(client.options.event_limit),
            connection: Connection::Waiting { until: now },
            heard: now,
            retry: DEFAULT_RETRY,
            delays: client.options.reconnect.delays(),
            was_connected: false,
            client,
        }
    }

    /// The id of the last event that was handed out: where another watch could go on.
    #[must_use]
    pub const fn cursor(&self) -> u64 {
        self.cursor
    }

    /// What happens next; nothing once the terminal event was handed out, or when the server says
    /// that there is nothing behind the cursor.
    ///
    /// # Errors
    /// When the job is unknown, the server refuses for good, cannot be reached from the start, or
    /// [`super::Options::reconnect`] is used up.
    ///
    /// # Cancel safety
    /// A call that is dropped loses no event.
    pub async fn next(&mut self) -> Result<Option<WatchEvent>, ClientError> {
        loop {
            while let Some(item) = self.parser.poll() {
                let item = item.map_err(|error| ClientError::Unreadable(error.to_string()))?;
                if let Some(event) = self.take(item)? {
                    return Ok(Some(event));
                }
            }
            let lost = match &mut self.connection {
                Connection::Ended => return Ok(None),
                Connection::Waiting { until } => {
                    sleep_until(*until).await;
                    self.connect().await?
                }
                Connection::Open(response) => {
                    let silence = self.client.options.silence;
                    match timeout_at(self.heard + silence, response.chunk()).await {
                        Ok(Ok(Some(bytes))) => {
                            self.heard = Instant::now();
                            self.parser.push(&bytes);
                            None
                        }
                        Ok(Ok(None)) => Some("the server closed the stream".to_owned()),
                        Ok(Err(error)) => Some(error::causes(&error)),
                        Err(_) => Some(format!("nothing came for {} s", silence.as_secs())),
                    }
                }
            };
            if let Some(reason) = lost {
                return self.lose(reason).map(Some);
            }
        }
    }

    /// Opens a connection behind the cursor; tells why it could not, where another try may do.
    async fn connect(&mut self) -> Result<Option<String>, ClientError> {
        let mut request = self
            .client
            .http
            .get(&self.url)
            .header(ACCEPT, "text/event-stream")
            .header(CACHE_CONTROL, "no-store");
        if self.cursor > 0 {
            request = request.header("last-event-id", self.cursor);
        }
        // The head of an answer comes at once, whatever the job does.
        let sent = timeout_at(Instant::now() + self.client.options.silence, request.send()).await;
        let response = match sent {
            Ok(Ok(response)) => response,
            Ok(Err(error)) if self.was_connected => return Ok(Some(error::causes(&error))),
            Ok(Err(error)) => return Err(self.client.unreachable(&error)),
            Err(_) => return Ok(Some("the server took too long to answer".to_owned())),
        };
        self.open(response).await
    }

    async fn open(&mut self, response: Response) -> Result<Option<String>, ClientError> {
        let status = response.status();
        if status == StatusCode::NO_CONTENT {
            self.connection = Connection::Ended;
            return Ok(None);
        }
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            if let Some(hint) = error::retry_after(&response) {
                self.retry = hint;
            }
            return Ok(Some(format!("the server answered {status}")));
        }
        let response = error::refusal(response).await?;
        if !is_event_stream(&response) {
            return Err(ClientError::Unreadable("it is no event stream".to_owned()));
        }
        self.parser = Parser::new(self.client.options.event_limit);
        self.heard = Instant::now();
        self.was_connected = true;
        self.connection = Connection::Open(response);
        Ok(None)
    }

    /// Waits before the next connection: as long as the server wants at least, longer the more
    /// often it fails.
    fn lose(&mut self, reason: String) -> Result<WatchEvent, ClientError> {
        let Some(step) = self.delays.next() else {
            let server = super::without_password(&self.client.base);
            return Err(ClientError::Unreachable { server, reason });
        };
        let delay = backoff::no_sooner_than(step, Some(self.retry));
        self.connection = Connection::Waiting { until: Instant::now() + delay };
        Ok(WatchEvent::Reconnecting(Reconnect { delay, reason }))
    }

    fn take(&mut self, item: Item) -> Result<Option<WatchEvent>, ClientError> {
        match item {
            Item::Comment(_) => Ok(None),
            Item::Retry(retry_ms) => {
                self.retry = Duration::from_millis(retry_ms).min(LONGEST_RETRY);
                Ok(None)
            }
            Item::Message(message) => self.receive(message),
        }
    }

    fn receive(&mut self, message: Message) -> Result<Option<WatchEvent>, ClientError> {
        let data: Value = serde_json::from_str(&message.data)
            .map_err(|error| ClientError::Unreadable(format!("{}: {error}", message.event)))?;
        Ok(match message.event.as_str() {
            "hello" => {
                // Only now is the server known to serve: a proxy's 200, or an overloaded server
                // that closes at once, must not make the delays short again.
                self.delays = self.client.options.reconnect.delays();
                Some(WatchEvent::Hello(data))
            }
            "gap" => {
                // The cursor is not of this server's history; the snapshot brings one that is.
                self.cursor = 0;
                Some(WatchEvent::Gap(data))
            }
            "queue" => Some(WatchEvent::Queue(data)),
            "bye" => Some(WatchEvent::Bye(data)),
            "keep-alive" => None,
            "snapshot" => {
                let event = identified(message, data)?;
                self.cursor = self.cursor.max(event.id);
                Some(WatchEvent::Snapshot(event))
            }
            _ => self.advance(identified(message, data)?),
        })
    }

    /// Hands an event out, unless it was handed out before.
    fn advance(&mut self, event: StreamEvent) -> Option<WatchEvent> {
        if event.id <= self.cursor {
            return None;
        }
        self.cursor = event.id;
        if event.is_terminal() {
            self.connection = Connection::Ended;
        }
        Some(WatchEvent::Event(event))
    }
}

fn identified(message: Message, data: Value) -> Result<StreamEvent, ClientError> {
    let id = message.last_event_id.parse().map_err(|_| {
        ClientError::Unreadable(format!("{} has the id '{}'", message.event, message.last_event_id))
    })?;
    Ok(StreamEvent { id, name: message.event, data })
}

fn is_event_stream(response: &Response) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("text/event-stream")
}

#[cfg(test)]
mod tests {
    use super::super::Options;
    use super::*;
    use crate::backoff::Policy;
    use serde_json::json;
    use std::sync::{Arc, Mutex, Once};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    const OPEN: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nretry: 1\n\n";
    const HELLO: &str = "event: hello\ndata: {}\n\n";

    /// What a connection gets: these bytes, then silence until the client leaves, or the end.
    struct Answer {
        bytes: String,
        silent: bool,
    }

    fn stream(events: &str) -> Answer {
        Answer { bytes: format!("{OPEN}{HELLO}{events}"), silent: false }
    }

    fn content(id: u64) -> String {
        format!("id: {id}\nevent: content\ndata: {{\"n\":{id}}}\n\n")
    }

    fn completed(id: u64) -> String {
        format!("id: {id}\nevent: completed\ndata: {{}}\n\n")
    }

    /// A server that gives one answer per connection, in this order, and keeps what it was asked.
    struct Script {
        address: String,
        requests: Arc<Mutex<Vec<String>>>,
    }

    impl Script {
        async fn new(answers: Vec<Answer>) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = format!("http://{}", listener.local_addr().unwrap());
            let requests = Arc::new(Mutex::new(Vec::new()));
            let seen = Arc::clone(&requests);
            tokio::spawn(async move {
                for answer in answers {
                    let (socket, _) = listener.accept().await.unwrap();
                    serve(socket, answer, &seen).await;
                }
            });
            Self { address, requests }
        }

        fn watch(&self, after: u64) -> Watch {
            watch_at(&self.address, after, Duration::from_secs(10))
        }

        fn asked(&self, at: usize) -> String {
            self.requests.lock().unwrap()[at].clone()
        }
    }

    async fn serve(mut socket: TcpStream, answer: Answer, seen: &Mutex<Vec<String>>) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        seen.lock().unwrap().push(String::from_utf8(head).unwrap().to_lowercase());
        socket.write_all(answer.bytes.as_bytes()).await.unwrap();
        if answer.silent {
            // Ends when the client has closed the connection.
            socket.read_u8().await.unwrap_err();
        }
    }

    fn watch_at(address: &str, after: u64, silence: Duration) -> Watch {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            rustls::crypto::ring::default_provider().install_default().ok();
        });
        let millisecond = Duration::from_millis(1);
        let options = Options {
            silence,
            reconnect: Policy { first: millisecond, ceiling: millisecond, retries: Some(5) },
            ..Options::new(address)
        };
        Client::new(options).unwrap().watch("job_1", after)
    }

    /// Ids of the events that a watch hands out until its end, and how often it reconnected.
    async fn drain(watch: &mut Watch) -> (Vec<u64>, usize) {
        let (mut ids, mut reconnects) = (Vec::new(), 0);
        while let Some(event) = watch.next().await.unwrap() {
            match event {
                WatchEvent::Event(event) | WatchEvent::Snapshot(event) => ids.push(event.id),
                WatchEvent::Reconnecting(_) => reconnects += 1,
                _ => {}
            }
        }
        (ids, reconnects)
    }

    #[tokio::test]
    async fn a_lost_connection_goes_on_behind_the_last_event() {
        let script = Script::new(vec![
            stream(&format!("{}{}id: 9\nevent: cut", content(5), content(7))),
            stream(&format!("{}{}{}", content(7), content(8), completed(9))),
        ])
        .await;
        assert_eq!(drain(&mut script.watch(3)).await, (vec![5, 7, 8, 9], 1));
        assert!(script.asked(0).contains("last-event-id: 3\r\n"));
        assert!(script.asked(1).contains("last-event-id: 7\r\n"), "{}", script.asked(1));
    }

    #[tokio::test]
    async fn the_beginning_is_asked_for_without_a_cursor() {
        let script = Script::new(vec![stream(&completed(1))]).await;
        assert_eq!(drain(&mut script.watch(0)).await, (vec![1], 0));
        assert!(!script.asked(0).contains("last-event-id"));
    }

    #[tokio::test]
    async fn silence_is_a_lost_connection() {
        let silent = Answer { silent: true, ..stream(&content(1)) };
        let script = Script::new(vec![silent, stream(&completed(2))]).await;
        let mut watch = watch_at(&script.address, 0, Duration::from_millis(300));
        assert_eq!(drain(&mut watch).await, (vec![1, 2], 1));
    }

    #[tokio::test]
    async fn no_content_is_the_end() {
        let bytes = "HTTP/1.1 204 No Content\r\n\r\n".to_owned();
        let script = Script::new(vec![Answer { bytes, silent: false }]).await;
        assert_eq!(script.watch(9).next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn an_overloaded_server_is_asked_again() {
        let bytes = "HTTP/1.1 503 x\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n".to_owned();
        let script =
            Script::new(vec![Answer { bytes, silent: false }, stream(&completed(2))]).await;
        assert_eq!(drain(&mut script.watch(0)).await, (vec![2], 1));
    }

    #[tokio::test]
    async fn after_a_gap_the_snapshots_id_is_the_cursor() {
        let events = "event: gap\ndata: {\"reason\":\"future\"}\n\n\
                      id: 4\nevent: snapshot\ndata: {\"text\":\"so far\"}\n\n";
        let script =
            Script::new(vec![stream(&format!("{events}{}{}", content(5), completed(6)))]).await;
        assert_eq!(drain(&mut script.watch(999)).await, (vec![4, 5, 6], 0));
    }

    #[tokio::test]
    async fn a_refusal_is_told_with_its_code() {
        let body = r#"{"code":"job_not_found","detail":"there is no such job"}"#;
        let bytes = format!("HTTP/1.1 404 x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let script = Script::new(vec![Answer { bytes, silent: false }]).await;
        let error = script.watch(0).next().await.unwrap_err();
        assert_eq!(error.to_string(), "there is no such job (job_not_found)");
        assert!(error.is_bad_input());
    }

    #[tokio::test]
    async fn what_is_no_event_stream_is_no_stream() {
        let bytes = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<h1>".to_owned();
        let script = Script::new(vec![Answer { bytes, silent: false }]).await;
        let error = script.watch(0).next().await.unwrap_err();
        assert!(matches!(error, ClientError::Unreadable(_)), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_never_was_there_is_an_error_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let error =
            watch_at(&address, 0, Duration::from_secs(10)).next().await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("no server answers at {address}")), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_stays_away_ends_the_watch_when_the_policy_does() {
        let script = Script::new(vec![stream(&content(1))]).await;
        let mut watch = script.watch(0);
        let mut reconnects = 0;
        let error = loop {
            match watch.next().await {
                Ok(Some(WatchEvent::Reconnecting(_))) => reconnects += 1,
                Ok(event) => assert!(event.is_some()),
                Err(error) => break error,
            }
        };
        assert_eq!(reconnects, 5);
        assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
        assert_eq!(watch.cursor(), 1);
    }

    #[tokio::test]
    async fn control_events_are_told_and_move_no_cursor() {
        let events = "event: queue\ndata: {\"position\":2}\n\n: keep-alive\n\n\
                      event: bye\ndata: {}\n\n";
        let script = Script::new(vec![stream(&format!("{}{events}", content(3)))]).await;
        let mut watch = script.watch(0);
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(watch.next().await.unwrap().unwrap());
        }
        let event = StreamEvent { id: 3, name: "content".to_owned(), data: json!({ "n": 3 }) };
        assert_eq!(
            seen,
            [
                WatchEvent::Hello(json!({})),
                WatchEvent::Event(event),
                WatchEvent::Queue(json!({ "position": 2 })),
                WatchEvent::Bye(json!({})),
            ]
        );
        assert_eq!(watch.cursor(), 3);
    }
}
