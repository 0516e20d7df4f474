//! Where a cluster's NATS servers are.

use std::fmt;
use std::str::FromStr;

use async_nats::ServerAddr;

/// The name of a cluster that has none of its own.
const DEFAULT_NAME: &str = "tailwater";

/// The servers, and under which name the cluster is known there: `nats://one:4222,two:4222/name`.
#[derive(Clone)]
pub struct Address {
    servers: Vec<ServerAddr>,
    name: String,
}

impl Address {
    pub(super) fn servers(&self) -> &[ServerAddr] {
        &self.servers
    }

    /// What the names of its stream and subjects begin with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A text that is no [`Address`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the address of NATS servers, as in nats://one:4222,two:4222/name")]
pub struct BadAddress;

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let (scheme, _) = text.split_once("://").ok_or(BadAddress)?;
        if !matches!(scheme, "nats" | "tls" | "ws" | "wss") {
            return Err(BadAddress);
        }
        // Each server may say its scheme, as other programs' lists have it.
        let hosts = text.replace(&format!("{scheme}://"), "");
        let (servers, name) = hosts.split_once('/').unwrap_or((&hosts, ""));
        let server = |server: &str| {
            let address: ServerAddr =
                format!("{scheme}://{server}").parse().map_err(|_| BadAddress)?;
            if address.host().is_empty() { Err(BadAddress) } else { Ok(address) }
        };
        let servers = servers.split(',').map(str::trim).map(server).collect::<Result<_, _>>()?;
        let name = if name.is_empty() { DEFAULT_NAME } else { name };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if name.len() > 64 || !name.bytes().all(plain) {
            return Err(BadAddress);
        }
        Ok(Self { servers, name: name.to_owned() })
    }
}

/// Without who we are there.
impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, server) in self.servers.iter().enumerate() {
            let before = if at == 0 { format!("{}://", server.scheme()) } else { ",".into() };
            write!(formatter, "{before}{}:{}", server.host(), server.port())?;
        }
        write!(formatter, "/{}", self.name)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_servers_and_a_name_and_shows_no_password() {
        let address: Address = "nats://me:pass@one:4222,two/jobs".parse().unwrap();
        assert_eq!(address.to_string(), "nats://one:4222,two:4222/jobs");
        assert_eq!(address.name(), "jobs");
        let listed: Address = "nats://one:4222,nats://two:4222/jobs".parse().unwrap();
        assert_eq!(listed.to_string(), address.to_string());
        let alone: Address = "nats://127.0.0.1".parse().unwrap();
        assert_eq!(alone.to_string(), "nats://127.0.0.1:4222/tailwater");
        for junk in ["one:4222", "http://one", "nats://", "nats://one/a.b", "nats://one/a b"] {
            assert_eq!(junk.parse::<Address>().map(|_| ()), Err(BadAddress), "{junk}");
        }
    }
}
