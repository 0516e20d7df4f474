//! The accept loop: HTTP/1.1 on plain TCP, or HTTP/1.1 and HTTP/2 over TLS, until it is told to
//! stop.
//!
//! A stream's connection leaves here when its head is written ([`super::handover`]), where it is
//! plain HTTP/1.1; over TLS it stays, and its follower is served by a task.

mod accept;
mod answer;
mod connection;
mod converse;
mod pace;
mod under_way;

#[cfg(test)]
mod tests;

pub use accept::bind;
pub(super) use answer::no_route;
pub use answer::{unknown_route, wrong_method};

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{unconstrained, yield_now};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::fanout::Engine;
use crate::tls::Tls;

use super::limits::Limits;
use super::peer::Proxies;

use accept::{BACKLOG, next};
use connection::Connection;

/// How many connections are accepted before others have their turn. Accepting is much quicker than
/// answering, and one that is not accepted when the backlog is full tries again a second later.
const TURN: u64 = BACKLOG as u64 / 4;

/// How many connections that are one too many are told so at a time; others are closed without a word.
/// They need descriptors, which must be there beside those of the connections that are served.
pub const REFUSALS: usize = 256;

/// How connections are served.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a peer may take no byte while there is something to send.
    pub stall: Duration,
    /// How long a client may take to send the head of a request, and for what comes before its
    /// first: to begin, and to agree on TLS.
    pub head: Duration,
    /// How long a connection is kept between requests.
    pub idle: Duration,
    /// The largest head of a request, in bytes.
    pub head_limit: usize,
    /// What is shown to clients who speak TLS; without it nobody may.
    pub tls: Option<Tls>,
    /// How much anybody may have.
    pub limits: Limits,
    /// Who is believed about the client before him.
    pub proxies: Proxies,
    /// Where connections go that leave, and are still counted.
    pub engine: Option<Arc<Engine>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            stall: Duration::from_secs(60),
            head: Duration::from_secs(30),
            idle: Duration::from_secs(75),
            head_limit: 32 << 10,
            tls: None,
            limits: Limits::default(),
            proxies: Proxies::default(),
            engine: None,
        }
    }
}

/// When connections end.
#[derive(Clone, Debug, Default)]
pub struct Ends {
    /// No connection is accepted any more, and those that stand end with what they answer.
    pub draining: CancellationToken,
    /// What is left ends at once.
    pub deadline: CancellationToken,
}

/// What all connections have in common.
struct Common {
    router: Router,
    options: Options,
    ends: Ends,
    connections: TaskTracker,
    /// Requests that share a connection with others.
    requests: TaskTracker,
    /// Room for connections that are being refused.
    refusals: Arc<Semaphore>,
}

/// Serves connections until they are to end, and returns when none is left.
///
/// Responses that go on for ever must watch `draining` themselves. A handler that panics costs its
/// request a 500 and nothing else. Handlers find who asks as [`super::peer::Client`].
pub async fn serve(listener: TcpListener, router: Router, options: Options, ends: Ends) {
    let common = Arc::new(Common {
        router,
        options,
        ends,
        connections: TaskTracker::new(),
        requests: TaskTracker::new(),
        refusals: Arc::new(Semaphore::new(REFUSALS)),
    });
    let mut trouble = false;
    for turn in 1_u64.. {
        let accepted = next(|context| listener.poll_accept(context), &mut trouble);
        // The runtime would have us wait for all others much more often than each `TURN`.
        let accepted = unconstrained(common.ends.draining.run_until_cancelled(accepted));
        let Some((stream, peer)) = accepted.await else { break };
        if let Some(connection) = Connection::admit(&common, stream, peer) {
            common.connections.spawn(connection.serve());
        }
        if turn % TURN == 0 {
            yield_now().await;
        }
    }
    drop(listener);
    for tasks in [&common.connections, &common.requests] {
        tasks.close();
        tasks.wait().await;
    }
}

impl Common {
    /// How many connections are served, those that have left too.
    fn open(&self) -> usize {
        let refused = REFUSALS - self.refusals.available_permits();
        let left = self.options.engine.as_ref().map_or(0, |engine| engine.readers());
        (self.connections.len() + left).saturating_sub(refused)
    }
}
