//! A connection from its first byte to its last.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use crate::http::handover::Promise;
use crate::http::limits::{Held, refuse_all};
use crate::http::peer;
use crate::http::stall::Stall;
use crate::tls::{self, Tls};

use super::Common;
use super::answer::Asker;
use super::converse::{converse, share};

/// How long a connection that is one too many may take to ask for what it will not get.
const REFUSAL_TIME: Duration = Duration::from_secs(5);

/// A connection that was accepted.
pub(super) struct Connection {
    common: Arc<Common>,
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
}

/// What a connection is given.
enum Place {
    /// It is served, and counted until it ends.
    Served(Held),
    /// It is one too many: whatever it asks for, this is the answer.
    Refused(Router, OwnedSemaphorePermit),
}

impl Connection {
    /// A connection to be served or to be refused; nothing where so many are being refused that this
    /// one is closed without a word.
    pub(super) fn admit(common: &Arc<Common>, stream: TcpStream, peer: SocketAddr) -> Option<Self> {
        // A frame goes out at once. A peer that is gone already shows on the first read.
        let _ = stream.set_nodelay(true);
        let options = &common.options;
        // Behind a proxy there may be anybody: its clients are counted, and not its connections.
        let counts = !options.proxies.trust(peer::plain(peer.ip()));
        let who = counts.then(|| options.limits.address(peer.ip())).flatten();
        let place = match options.limits.connection(who, common.open()) {
            Ok(held) => Place::Served(held),
            Err(problem) => {
                let permit = Arc::clone(&common.refusals).try_acquire_owned().ok()?;
                tracing::debug!(%peer, why = problem.detail(), "a connection is refused");
                Place::Refused(refuse_all(&problem), permit)
            }
        };
        Some(Self { common: Arc::clone(common), stream, peer, place })
    }

    /// Waits until the connection has something to say, and serves it.
    ///
    /// HTTP's buffers are made only then: when all readers of a server come at once, thousands of
    /// connections wait for their turn.
    pub(super) async fn serve(self) {
        let begins = tokio::select! {
            biased;
            begins = timeout(self.common.options.head, self.stream.readable()) => begins,
            () = self.common.ends.draining.cancelled() => return,
        };
        if !matches!(begins, Ok(Ok(()))) {
            return;
        }
        match self.place {
            Place::Served(_) => Box::pin(self.speak()).await,
            Place::Refused(..) => {
                // Over time is as good as over.
                let _ = timeout(REFUSAL_TIME, Box::pin(self.speak())).await;
            }
        }
    }

    async fn speak(self) {
        let Self { common, stream, peer, place } = self;
        let (router, held, refusal) = match place {
            Place::Served(held) => (common.router.clone(), held, None),
            Place::Refused(router, permit) => (router, Held::default(), Some(permit)),
        };
        let mut asker = Asker::new(Arc::clone(&common), router, peer);
        asker.asks_once = refusal.is_some();
        let stream = Stall::new(stream, common.options.stall);
        let Some(tls) = &common.options.tls else {
            asker.may_leave = common.options.engine.is_some();
            if let Some((stream, promise)) = converse(stream, asker).await {
                leave(stream, promise, held);
            }
            return;
        };
        let agreed = common.ends.deadline.run_until_cancelled(agree(&common, tls, stream, peer));
        let Some(Some(stream)) = agreed.await else { return };
        asker.over_tls = true;
        if tls::speaks_h2(&stream) {
            share(stream, asker).await;
        } else {
            converse(stream, asker).await;
        }
    }
}

/// Agrees on TLS; nothing comes of it where the client cannot, or takes too long.
async fn agree(
    common: &Common,
    tls: &Tls,
    stream: Stall<TcpStream>,
    peer: SocketAddr,
) -> Option<TlsStream<Stall<TcpStream>>> {
    match timeout(common.options.head, tls.handshake(stream)).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            if tls::is_no_tls(&error) {
                tracing::debug!(%peer, "a client speaks no TLS on the port for TLS");
            } else {
                tracing::debug!(%peer, error = &error as &dyn std::error::Error, "no TLS was agreed on");
            }
            None
        }
        Err(_) => {
            tracing::debug!(%peer, "a client took too long to agree on TLS");
            None
        }
    }
}

/// Gives a connection to whoever its stream was promised to. What the peer sent ahead is dropped: no
/// request is answered after a stream, which says `connection: close`.
fn leave(stream: Stall<TcpStream>, promise: Promise, held: Held) {
    let kept: io::Result<()> = promise.keep(stream.into_inner(), held);
    if let Err(error) = kept {
        tracing::warn!(%error, "a stream could not leave HTTP");
    }
}
