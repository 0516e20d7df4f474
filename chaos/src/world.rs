//! What submitters, producers and readers share: where the server is, what was seen, what was found.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::plan::{Moment, Tally};
use crate::say;

/// How long anything may take that must happen at last.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// How long a client waits for an answer before it asks again, blindly: less than some faults last.
const ANSWER: Duration = Duration::from_secs(8);

/// How long a client waits before it tries again, at most.
const PAUSE_MS: u64 = 100;

/// How many violations are told; the others are counted.
const TOLD: usize = 20;

/// What the plan asks of readers, producers and submitters; each number rises with each order.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Orders {
    /// Take nothing for so long.
    pub(crate) stall: (u64, u8, Duration),
    /// Leave, and return with another cursor.
    pub(crate) cursors: (u64, u8),
    /// Send everything again.
    pub(crate) resend: (u64, u8),
}

/// The world.
#[derive(Debug)]
pub(crate) struct World {
    /// A client that keeps no connection: one to a dead process would fail the next request.
    pub(crate) http: Client,
    /// Where clients go: the proxy; in a cluster that of the balancer, then those of its nodes.
    fronts: Vec<SocketAddr>,
    /// Where the server itself is, or its nodes are.
    backs: Vec<SocketAddr>,
    /// What all readers have got.
    pub(crate) tally: Tally,
    /// The newest id that any of them has.
    newest: AtomicU64,
    /// The newest id that the readers of the project have, one at each front.
    projects: Vec<AtomicU64>,
    /// What is asked of clients.
    pub(crate) orders: watch::Sender<Orders>,
    /// Set when there was enough: no new jobs are begun.
    pub(crate) enough: CancellationToken,
    /// Set when everything was read: what goes on for ever ends.
    pub(crate) over: CancellationToken,
    /// How often a log was damaged: what was promised before may be gone then.
    damages: AtomicUsize,
    violations: Mutex<Vec<String>>,
    violated: AtomicUsize,
}

impl World {
    /// A world whose clients go to `front`, and whose server is at `back`.
    pub(crate) fn new(front: SocketAddr, back: SocketAddr) -> Self {
        Self::of_many(vec![front], vec![back])
    }

    /// A world with a balancer at the first of the fronts, behind which are the nodes.
    pub(crate) fn of_many(fronts: Vec<SocketAddr>, backs: Vec<SocketAddr>) -> Self {
        let http = Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .connect_timeout(Duration::from_secs(5))
            .build()
            .expect("a plain client");
        Self {
            http,
            projects: fronts.iter().map(|_| AtomicU64::new(0)).collect(),
            fronts,
            backs,
            tally: Tally::default(),
            newest: AtomicU64::new(0),
            orders: watch::Sender::default(),
            enough: CancellationToken::new(),
            over: CancellationToken::new(),
            damages: AtomicUsize::new(0),
            violations: Mutex::default(),
            violated: AtomicUsize::new(0),
        }
    }

    /// The URL of a path, through the proxy and the balancer.
    pub(crate) fn url(&self, path: &str) -> String {
        self.url_by(0, path)
    }

    /// The URL of a path, through the proxy of this front.
    pub(crate) fn url_by(&self, front: usize, path: &str) -> String {
        format!("http://{}{path}", self.fronts[front])
    }

    /// The URL of a path, past the proxy.
    pub(crate) fn direct(&self, path: &str) -> String {
        self.direct_to(0, path)
    }

    /// The URL of a path at this node, past everything.
    pub(crate) fn direct_to(&self, node: usize, path: &str) -> String {
        format!("http://{}{path}", self.backs[node])
    }

    /// How many fronts there are.
    pub(crate) const fn fronts(&self) -> usize {
        self.fronts.len()
    }

    /// How many nodes there are.
    pub(crate) const fn nodes(&self) -> usize {
        self.backs.len()
    }

    /// Where a reader goes: half of them to the balancer, the others to one node each.
    pub(crate) fn draw_front(&self, random: &mut fastrand::Rng) -> usize {
        if self.fronts.len() > 1 && random.bool() { random.usize(1..self.fronts.len()) } else { 0 }
    }

    /// Whether a status says that nobody is there at the moment who can answer: the server itself, or a
    /// balancer that finds none.
    pub(crate) fn is_away(&self, status: StatusCode) -> bool {
        let by_balancer = matches!(status, StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT);
        status == StatusCode::SERVICE_UNAVAILABLE || (by_balancer && self.fronts.len() > 1)
    }

    /// Asks something of clients.
    pub(crate) fn order(&self, change: impl FnOnce(&mut Orders)) {
        self.orders.send_modify(change);
    }

    /// How often a log was damaged so far.
    pub(crate) fn damages(&self) -> usize {
        self.damages.load(Ordering::Relaxed)
    }

    /// Counts a log that is damaged now.
    pub(crate) fn count_damage(&self) {
        self.damages.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes an event that a reader got.
    pub(crate) fn note(&self, name: &str, id: u64) {
        self.tally.count(name);
        self.newest.fetch_max(id, Ordering::Relaxed);
    }

    /// The newest id that any reader has got.
    pub(crate) fn newest(&self) -> u64 {
        self.newest.load(Ordering::Relaxed)
    }

    /// Notes what the reader of the project at this front has.
    pub(crate) fn note_project(&self, front: usize, id: u64) {
        self.projects[front].store(id, Ordering::Relaxed);
    }

    /// What all readers of the project have.
    pub(crate) fn project_has(&self) -> u64 {
        self.projects.iter().map(|has| has.load(Ordering::Relaxed)).min().unwrap_or(0)
    }

    /// Notes something that must not happen.
    pub(crate) fn violate(&self, what: String) {
        let count = self.violated.fetch_add(1, Ordering::Relaxed);
        if count < TOLD {
            say::line(&format!("VIOLATION: {what}"));
        }
        self.violations.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    /// Whether the newest violation was one of those that are told.
    pub(crate) fn has_told(&self) -> bool {
        self.violated() <= TOLD
    }

    /// How many things happened that must not.
    pub(crate) fn violated(&self) -> usize {
        self.violated.load(Ordering::Relaxed)
    }

    /// Waits a moment before a client tries again.
    pub(crate) async fn pause(&self, random: &mut fastrand::Rng) {
        tokio::time::sleep(Duration::from_millis(random.u64(5..=PAUSE_MS))).await;
    }

    /// Waits for a moment, counted from now; false when it never comes.
    pub(crate) async fn wait_for(&self, moment: &Moment) -> bool {
        let goal = self.tally.goal(moment);
        let here = async {
            while !self.tally.has_reached(&goal) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, here).await.is_ok()
    }

    /// Sends a request once; status and JSON, or nothing when no whole answer came.
    pub(crate) async fn once(request: RequestBuilder) -> Option<(StatusCode, Value)> {
        let response = request.timeout(ANSWER).send().await.ok()?;
        let status = response.status();
        let text = response.text().await.ok()?;
        Some((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// Sends a request past the proxy until it is answered with 200 or 404, for at most a while.
    pub(crate) async fn ask(&self, path: &str) -> Option<(StatusCode, Value)> {
        self.ask_node(0, path).await
    }

    /// The same of this node.
    pub(crate) async fn ask_node(&self, node: usize, path: &str) -> Option<(StatusCode, Value)> {
        let asked = async {
            loop {
                match Self::once(self.http.get(self.direct_to(node, path))).await {
                    Some((status, body)) if matches!(status.as_u16(), 200 | 404) => {
                        return (status, body);
                    }
                    _ => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, asked).await.ok()
    }
}
