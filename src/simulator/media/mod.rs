//! Five providers of media on loopback: Replicate, fal, Runway, `MiniMax`, Black Forest Labs.
//!
//! Each is played on a port of its own, since their paths collide, and their files are handed out on
//! another. They take as long as real ones, divided by the speed, and they misbehave like real ones
//! when a text in the inputs says so (`markers.rs`). What a provider's documentation leaves open is
//! played in one of the ways that were seen.
//!
//! Beside its own routes each has two more: `GET /_simulator/counts` tells what arrived, as JSON, and
//! `POST /_simulator/cancel/{id}` ends work from the provider's side.

mod bfl;
mod callback;
mod counts;
mod desk;
mod fal;
mod host;
mod minimax;
mod order;
mod replicate;
mod rfc3339;
mod runway;
mod serve;
mod task;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use counts::Counts;

use callback::Caller;
use desk::Desk;
use host::{Host, Terms};
use serve::serve;

/// The providers, by the names that the catalog has for them.
pub const PROVIDERS: [&str; 5] = ["replicate", "fal", "runway", "minimax", "bfl"];

/// The providers, running.
#[derive(Clone, Debug)]
pub(super) struct Media {
    places: Vec<Place>,
}

/// One provider.
#[derive(Clone, Debug)]
struct Place {
    name: &'static str,
    base_url: String,
    desk: Arc<Desk>,
}

impl Media {
    /// The base URL that a client of this provider is given.
    pub(super) fn base_url(&self, provider: &str) -> Option<&str> {
        Some(&self.place(provider)?.base_url)
    }

    /// What has arrived at this provider.
    pub(super) fn counts(&self, provider: &str) -> Option<Counts> {
        Some(self.place(provider)?.desk.tally.counts())
    }

    fn place(&self, provider: &str) -> Option<&Place> {
        self.places.iter().find(|place| place.name == provider)
    }
}

/// What is needed to open a provider.
struct Opening {
    speed: f64,
    address: SocketAddr,
    host: Arc<Host>,
    caller: Caller,
    stop: CancellationToken,
}

/// Starts the providers on the ports after `address`, or on free ones when its port is 0, and
/// returns when they listen: five providers, the region of the last, and the host of files.
///
/// # Errors
/// When a port cannot be had, or TLS cannot be set up for callbacks.
pub(super) async fn start(
    address: SocketAddr,
    speed: f64,
    stop: CancellationToken,
) -> io::Result<Media> {
    let caller = Caller::new(stop.clone()).map_err(io::Error::other)?;
    let (listener, origin) = listen(address, 7).await?;
    let host = Arc::new(Host::new(origin));
    serve(listener, host.clone().router(), stop.clone());
    let opening = Opening { speed, address, host, caller, stop };

    let replicate = opening.open(1, replicate::terms(speed), replicate::router).await?;
    let fal = opening.open(2, fal::terms(speed), fal::router).await?;
    let runway = opening.open(3, runway::terms(speed), runway::router).await?;
    let minimax = opening.open(4, minimax::terms(speed), minimax::router).await?;
    let (region, region_origin) = listen(address, 6).await?;
    let bfl_router = |desk| bfl::router(desk, region_origin);
    let bfl = opening.open(5, bfl::terms(speed), bfl_router).await?;
    serve(region, bfl::region(bfl.clone()), opening.stop.clone());

    let desks = [replicate, fal, runway, minimax, bfl];
    let place = |(name, desk): (&'static str, Arc<Desk>)| {
        // Replicate's base URL has the version in it; its clients are given it so.
        let version = if name == "replicate" { "/v1" } else { "" };
        Place { name, base_url: format!("{}{version}", desk.origin), desk }
    };
    Ok(Media { places: PROVIDERS.into_iter().zip(desks).map(place).collect() })
}

impl Opening {
    async fn open(
        &self,
        nth: u16,
        terms: Terms,
        router: impl FnOnce(Arc<Desk>) -> axum::Router,
    ) -> io::Result<Arc<Desk>> {
        let (listener, origin) = listen(self.address, nth).await?;
        let (host, caller) = (self.host.clone(), self.caller.clone());
        let desk = Arc::new(Desk::new(origin, self.speed, terms, host, caller));
        serve(listener, router(desk.clone()), self.stop.clone());
        Ok(desk)
    }
}

/// Listens on the nth port after this address's, or on a free one.
pub(super) async fn listen(mut address: SocketAddr, nth: u16) -> io::Result<(TcpListener, String)> {
    if address.port() != 0 {
        let past = || io::Error::new(io::ErrorKind::InvalidInput, "there is no port after 65535");
        address.set_port(address.port().checked_add(nth).ok_or_else(past)?);
    }
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{address}: {error}"));
    let listener = TcpListener::bind(address).await.map_err(named)?;
    let origin = format!("http://{}", listener.local_addr()?);
    Ok((listener, origin))
}

#[cfg(test)]
mod tests;
