//! From the name of a host to the addresses that may be connected to.
//!
//! A client connects to what it is given here and asks for no name twice, so a host cannot have one
//! address while it is looked at and another one afterwards ("DNS rebinding").

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::is_public;
use super::target::Refused;

/// A source of addresses.
pub trait Lookup: fmt::Debug + Send + Sync {
    /// Every address of a host.
    fn lookup(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The system's own: its file of hosts, then DNS.
#[derive(Clone, Copy, Debug)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Passes over addresses that are not public.
#[derive(Debug)]
pub(super) struct PublicOnly(pub(super) Arc<dyn Lookup>);

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let found = self.0.lookup(name.as_str());
        Box::pin(async move {
            let public: Vec<_> =
                found.await?.into_iter().filter(|address| is_public(*address)).collect();
            if public.is_empty() {
                return Err(Refused::Private.into());
            }
            Ok(addresses(public))
        })
    }
}

/// Gives every address.
#[derive(Debug)]
pub(super) struct Every(pub(super) Arc<dyn Lookup>);

impl Resolve for Every {
    fn resolve(&self, name: Name) -> Resolving {
        let found = self.0.lookup(name.as_str());
        Box::pin(async move { Ok(addresses(found.await?)) })
    }
}

/// Without a port: the client puts in that of the URL.
fn addresses(found: Vec<IpAddr>) -> Addrs {
    Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)))
}
