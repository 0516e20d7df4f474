//! Settings that name addresses and networks.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::form::{Described, Form};

/// An address and a port; `localhost` stands for 127.0.0.1.
pub(super) struct Address;

impl Form for Address {
    type Value = SocketAddr;

    fn read(&self, text: &str) -> Option<SocketAddr> {
        match text.strip_prefix("localhost:") {
            Some(port) => Some(SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?))),
            None => text.parse().ok(),
        }
    }

    fn show(&self, value: &SocketAddr) -> Option<String> {
        Some(value.to_string())
    }

    fn describe(&self) -> Described {
        Described::new("ADDRESS", "an IP address and a port such as 127.0.0.1:8080")
    }
}

/// Networks as RFC 4632 writes them, or single addresses; none is allowed.
pub(super) struct Networks;

impl Form for Networks {
    type Value = Vec<IpNet>;

    fn read(&self, text: &str) -> Option<Vec<IpNet>> {
        let network = |text: &str| {
            let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
            let network: IpNet = text.parse().ok().or_else(address)?;
            // 10.0.0.1/8 is perhaps meant to be one address.
            (network.addr() == network.network()).then_some(network)
        };
        let networks = text.split(',').map(str::trim).filter(|network| !network.is_empty());
        networks.map(network).collect()
    }

    fn show(&self, value: &Vec<IpNet>) -> Option<String> {
        let networks: Vec<_> = value.iter().map(IpNet::to_string).collect();
        (!networks.is_empty()).then(|| networks.join(","))
    }

    fn describe(&self) -> Described {
        Described::new("NETWORKS", "networks or addresses, as in 10.0.0.0/8,127.0.0.1,fd00::/8")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_port_and_may_be_localhost() {
        assert_eq!(Address.read("localhost:0").unwrap().to_string(), "127.0.0.1:0");
        assert_eq!(Address.read("[::1]:80").unwrap().to_string(), "[::1]:80");
        for junk in ["", "8080", "127.0.0.1", "example.org:80", "1.2.3.4:65536", "localhost:x"] {
            assert!(Address.read(junk).is_none(), "{junk}");
        }
    }

    #[test]
    fn networks_are_read_and_shown_with_their_lengths() {
        let networks = Networks.read(" 10.0.0.0/8, 127.0.0.1,fd00::/8 ").unwrap();
        assert_eq!(Networks.show(&networks).unwrap(), "10.0.0.0/8,127.0.0.1/32,fd00::/8");
        assert_eq!(Networks.show(&Networks.read("").unwrap()), None);
        for junk in ["10.0.0.0/33", "10.0.0.1/8", "proxy", "10.0.0.0/8;fd00::/8", "10"] {
            assert!(Networks.read(junk).is_none(), "{junk}");
        }
    }
}
