//! Reading a stream, with the moment of every piece.

use std::time::{Duration, Instant};

use http::HeaderMap;
use reqwest::RequestBuilder;
use reqwest::header::CONTENT_ENCODING;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::event::parse::{Item, Message, Parser};

use super::way::reason;

/// The largest event that is read; ours are small.
const LARGEST: usize = 1 << 20;

/// What a stream's answer begins with.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
}

impl Head {
    /// A header's first value, where it is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// How the body is packed, if it is.
    pub(super) fn encoding(&self) -> Option<&str> {
        let value = self.headers.get(CONTENT_ENCODING)?.to_str().ok()?;
        (!value.eq_ignore_ascii_case("identity")).then_some(value)
    }
}

/// An event, and when it came.
#[derive(Clone, Debug)]
pub(super) struct Came {
    pub(super) at: Instant,
    pub(super) message: Message,
}

/// How a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// As one that is whole.
    Whole,
    /// In the middle, or before it began: why.
    Broken(String),
}

/// What was heard of a stream so far.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    /// When it was asked for.
    pub(super) asked: Instant,
    pub(super) head: Option<Head>,
    pub(super) events: Vec<Came>,
    /// How many keep-alives came.
    pub(super) keep_alives: usize,
    /// When each piece of the body came.
    pub(super) pieces: Vec<Instant>,
    pub(super) end: Option<(Instant, End)>,
}

impl Heard {
    fn new() -> Self {
        Self {
            asked: Instant::now(),
            head: None,
            events: Vec::new(),
            keep_alives: 0,
            pieces: Vec::new(),
            end: None,
        }
    }

    /// The data of the first event of this name, if it is JSON.
    pub(super) fn data(&self, event: &str) -> Option<serde_json::Value> {
        let came = self.events.iter().find(|came| came.message.event == event)?;
        serde_json::from_str(&came.message.data).ok()
    }

    /// When something was last heard of it, or it was asked for.
    pub(super) fn last_sign(&self) -> Instant {
        self.pieces.last().copied().unwrap_or(self.asked)
    }

    /// How long it had been silent when it ended, if it has.
    pub(super) fn silent_before_end(&self) -> Option<Duration> {
        let (at, _) = self.end.as_ref()?;
        Some(at.saturating_duration_since(self.last_sign()))
    }
}

/// Somebody who reads a stream, until this is dropped.
#[derive(Debug)]
pub(super) struct Listener {
    heard: watch::Receiver<Heard>,
    task: JoinHandle<()>,
}

impl Listener {
    /// Begins to read.
    pub(super) fn open(request: RequestBuilder) -> Self {
        let (sender, heard) = watch::channel(Heard::new());
        let task = tokio::spawn(async move {
            let end = listen(request, &sender).await;
            sender.send_modify(|heard| heard.end = Some((Instant::now(), end)));
        });
        Self { heard, task }
    }

    /// Waits until this holds or the stream has ended, but no longer than `most`; whether it holds.
    pub(super) async fn until(&mut self, most: Duration, holds: impl Fn(&Heard) -> bool) -> bool {
        let done = self.heard.wait_for(|heard| heard.end.is_some() || holds(heard));
        drop(tokio::time::timeout(most, done).await);
        holds(&self.heard.borrow())
    }

    /// What was heard so far.
    pub(super) fn heard(&self) -> Heard {
        self.heard.borrow().clone()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(request: RequestBuilder, heard: &watch::Sender<Heard>) -> End {
    let mut response = match request.send().await {
        Ok(response) => response,
        Err(error) => return End::Broken(reason(&error)),
    };
    let head = Head { status: response.status().as_u16(), headers: response.headers().clone() };
    let is_text = head.encoding().is_none();
    heard.send_modify(|heard| heard.head = Some(head));
    let mut parser = Parser::new(LARGEST);
    loop {
        match response.chunk().await {
            Ok(None) => return End::Whole,
            Err(error) => return End::Broken(reason(&error)),
            Ok(Some(bytes)) => {
                let at = Instant::now();
                parser.push(if is_text { &bytes } else { &[] });
                heard.send_modify(|heard| {
                    heard.pieces.push(at);
                    note(heard, &mut parser, at);
                });
            }
        }
    }
}

fn note(heard: &mut Heard, parser: &mut Parser, at: Instant) {
    while let Some(Ok(item)) = parser.poll() {
        match item {
            Item::Message(message) => heard.events.push(Came { at, message }),
            Item::Comment(_) => heard.keep_alives += 1,
            Item::Retry(_) => {}
        }
    }
}
