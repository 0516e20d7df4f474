//! What stands between the server and everybody who speaks to it, and breaks.
//!
//! [`Proxy`] is for readers, producers and submitters: each connection has a [`fate`] of its own, and a
//! storm strikes all of them at once. [`Upstream`] stands between the server and a provider.

mod fate;
mod pipe;
mod upstream;

pub(crate) use upstream::Upstream;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::plan::Storm;

use fate::Fate;

/// A proxy to one address, until it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    storms: watch::Sender<Option<Storm>>,
    _stop: tokio_util::sync::DropGuard,
}

impl Proxy {
    /// Listens, and sends on to `target` what comes; `random` draws the fate of each connection.
    ///
    /// # Errors
    /// When no port can be had.
    pub(crate) async fn start(target: SocketAddr, random: fastrand::Rng) -> Result<Self, Failure> {
        let (listener, address) = listen(Ipv4Addr::LOCALHOST.into()).await?;
        let stop = CancellationToken::new();
        let storms = watch::Sender::new(None);
        let draw = Arc::new(Mutex::new(random));
        let (storm, accepting) = (storms.clone(), stop.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            while let Ok((client, _)) = listener.accept().await {
                let fate = Fate::draw(&mut draw.lock().unwrap_or_else(PoisonError::into_inner));
                let storm = storm.subscribe();
                tokio::spawn(accepting.clone().run_until_cancelled_owned(async move {
                    if let Ok(server) = TcpStream::connect(target).await {
                        pipe::run(client, server, fate, storm).await;
                    }
                }));
            }
        }));
        Ok(Self { address, storms, _stop: stop.drop_guard() })
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Strikes every connection that is open now.
    pub(crate) fn strike(&self, storm: Storm) {
        self.storms.send_replace(Some(storm));
    }
}

/// A listener on a free port of this address.
async fn listen(host: IpAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let failed = |error| Failure::machine("a port for a proxy", error);
    let listener = TcpListener::bind((host, 0)).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}
