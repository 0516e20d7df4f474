//! What submitters, readers and producers share: a server that keeps dying.

use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::harness::reader::Message;
use crate::harness::{PATIENCE, client};

use super::moment::{Moment, Seen};

/// A server at one address, in many lives.
#[derive(Debug)]
pub struct World {
    pub http: Client,
    base: String,
    /// Which life answers: raised once the process listens.
    life: watch::Receiver<usize>,
    seen: watch::Sender<Seen>,
    kills: AtomicUsize,
    /// The newest id that the project's reader has.
    project: watch::Sender<u64>,
    /// Set when the test has seen enough: what goes on for ever ends.
    pub over: CancellationToken,
}

impl World {
    /// A world whose server will be at this address.
    pub fn new(address: &str, life: watch::Receiver<usize>) -> Self {
        // The trust store for TLS is installed by the harness's client; this one keeps no
        // connection, since one to a dead process would fail a request to the next.
        drop(client());
        let http = Client::builder().no_proxy().pool_max_idle_per_host(0).build();
        Self {
            http: http.expect("a plain client"),
            base: format!("http://{address}"),
            life,
            seen: watch::Sender::default(),
            kills: AtomicUsize::new(0),
            project: watch::Sender::default(),
            over: CancellationToken::new(),
        }
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Which life answers at the moment.
    pub fn life(&self) -> usize {
        *self.life.borrow()
    }

    /// How often the server was killed so far.
    pub fn kills(&self) -> usize {
        self.kills.load(Ordering::Relaxed)
    }

    /// Counts a kill that comes now.
    pub fn count_kill(&self) {
        self.kills.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until a later life than this one answers.
    pub async fn life_after(&self, life: usize) {
        let mut lives = self.life.clone();
        let later = tokio::time::timeout(PATIENCE, lives.wait_for(|now| *now > life)).await;
        later.expect("the server comes back").expect("the test goes on");
    }

    /// Sends a request until some life answers it in full.
    pub async fn ask(&self, request: impl Fn() -> RequestBuilder) -> (StatusCode, Value) {
        loop {
            let life = self.life();
            if let Ok(response) = request().send().await {
                let status = response.status();
                if let Ok(body) = response.json().await {
                    return (status, body);
                }
            }
            self.life_after(life).await;
        }
    }

    /// Answers a GET that has to succeed.
    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(|| self.http.get(self.url(path))).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    /// Notes what a reader has got.
    pub fn note(&self, message: &Message) {
        self.seen.send_modify(|seen| {
            seen.total += 1;
            seen.newest = seen.newest.max(message.id.unwrap_or(0));
            match seen.by_name.get_mut(&message.event) {
                Some(count) => *count += 1,
                None => drop(seen.by_name.insert(message.event.clone(), 1)),
            }
        });
    }

    /// Notes what the project's reader has got.
    pub fn note_in_project(&self, message: &Message) {
        if let Some(id) = message.id {
            self.project.send_replace(id);
        }
    }

    /// Waits until the project's reader has everything that readers of jobs have seen.
    pub async fn project_is_read(&self) {
        let newest = self.newest();
        let mut project = self.project.subscribe();
        let read = tokio::time::timeout(PATIENCE, project.wait_for(|id| *id >= newest)).await;
        read.expect("the project is read").expect("its reader reads");
    }

    /// Waits for a moment, counted from now.
    pub async fn wait_for(&self, moment: &Moment) {
        let mut seen = self.seen.subscribe();
        let before = seen.borrow_and_update().clone();
        let here = seen.wait_for(|now| moment.is_here(&before, now));
        let here = tokio::time::timeout(PATIENCE, here).await;
        drop(here.unwrap_or_else(|_| panic!("{moment:?} never comes")).expect("readers read"));
    }

    /// The newest id that any reader has seen.
    pub fn newest(&self) -> u64 {
        self.seen.borrow().newest
    }

    /// Asserts that a new life gives out no id that an earlier one has given out.
    pub async fn head_is_above(&self, newest: u64) {
        let ready = self.get("/readyz").await;
        let head = ready["head"].as_u64().expect("a head");
        assert!(head > newest, "the head is {head}, but readers have seen {newest}");
    }
}
