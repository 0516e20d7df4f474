//! Who a request is from: the address that counts for limits and stands in logs.
//!
//! A client can write into a header whatever it likes. What the headers of a proxy say is believed
//! only where the connection itself comes from one that the operator trusts.

mod forwarded;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use ipnet::IpNet;

use super::{Code, Problem};

/// Who a request is from; every request that was served carries it as an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address, an IPv4 one never in the clothes of IPv6.
    pub address: IpAddr,
    /// Whether it came by https, to us or to the proxy before us.
    pub secure: bool,
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let client = parts.extensions.get().copied();
        client.ok_or_else(|| Problem::new(Code::Internal, "the server does not know who asked"))
    }
}

/// The proxies that are believed.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    trusted: Vec<IpNet>,
}

impl Proxies {
    /// Believes those whose address is in one of these networks.
    #[must_use]
    pub const fn new(trusted: Vec<IpNet>) -> Self {
        Self { trusted }
    }

    /// Whether this address is one of theirs.
    #[must_use]
    pub fn trust(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }

    /// Who a request with these headers is from, that came from `peer`, over TLS or not.
    ///
    /// The chain of proxies is walked from our end, over everybody who is trusted; the first who is
    /// not is the client. An entry that is no address ends the walk at whoever wrote it: what stands
    /// further to the left was there before, and may be anybody's.
    #[must_use]
    pub fn client(&self, peer: SocketAddr, over_tls: bool, headers: &HeaderMap) -> Client {
        let mut client = Client { address: plain(peer.ip()), secure: over_tls };
        if !self.trust(client.address) {
            return client;
        }
        if let Some(secure) = forwarded::secure(headers) {
            client.secure = secure;
        }
        for address in forwarded::addresses(headers) {
            let Some(address) = address else { break };
            client.address = plain(address);
            if !self.trust(client.address) {
                break;
            }
        }
        client
    }
}

/// An IPv4 address that a socket of both kinds shows as an IPv6 one, as what it is.
#[must_use]
pub fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// What counts as one client: an IPv4 address, or the /64 that an IPv6 address is in. A household
/// gets at least that many, and may use each of its 2^64 addresses once.
#[must_use]
pub fn block(address: IpAddr) -> IpAddr {
    match plain(address) {
        IpAddr::V6(address) => {
            let network = address.to_bits() & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn client(peer: &str, headers: &[(&str, &str)]) -> Client {
        let trusted = ["10.0.0.0/8", "127.0.0.1/32", "fd00::/8"];
        let proxies = Proxies::new(trusted.map(|network| network.parse().unwrap()).to_vec());
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        proxies.client(SocketAddr::new(peer.parse().unwrap(), 1), false, &map)
    }

    fn address(peer: &str, headers: &[(&str, &str)]) -> String {
        client(peer, headers).address.to_string()
    }

    #[test]
    fn who_is_not_trusted_cannot_say_who_he_is() {
        let said = [
            ("x-forwarded-for", "1.2.3.4"),
            ("forwarded", "for=1.2.3.4"),
            ("x-forwarded-proto", "https"),
        ];
        assert_eq!(address("203.0.113.9", &said), "203.0.113.9");
        assert!(!client("203.0.113.9", &said).secure);
    }

    #[test]
    fn the_client_is_the_rightmost_that_is_not_trusted() {
        for (chain, expected) in [
            ("203.0.113.9", "203.0.113.9"),
            ("6.6.6.6, 203.0.113.9", "203.0.113.9"),
            ("6.6.6.6, 203.0.113.9, 10.1.1.1", "203.0.113.9"),
            ("10.2.2.2, 10.1.1.1", "10.2.2.2"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("203.0.113.9:1234", "203.0.113.9"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
        ] {
            assert_eq!(address("127.0.0.1", &[("x-forwarded-for", chain)]), expected, "{chain}");
        }
        let lines = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "203.0.113.9, 10.1.1.1")];
        assert_eq!(address("::ffff:127.0.0.1", &lines), "203.0.113.9");
    }

    #[test]
    fn an_entry_that_is_no_address_ends_the_walk_at_who_wrote_it() {
        for chain in ["unknown", "6.6.6.6, _hidden", "6.6.6.6, ", "6.6.6.6,'; drop", "1.2.3", "é"]
        {
            assert_eq!(address("127.0.0.1", &[("x-forwarded-for", chain)]), "127.0.0.1", "{chain}");
        }
        let chain = [("x-forwarded-for", "6.6.6.6, junk, 10.1.1.1")];
        assert_eq!(address("127.0.0.1", &chain), "10.1.1.1");
    }

    #[test]
    fn the_standard_header_says_the_same() {
        for (header, expected) in [
            ("for=203.0.113.9;proto=https", "203.0.113.9"),
            ("for=6.6.6.6, For=\"203.0.113.9:80\";by=10.0.0.1, for=10.1.1.1", "203.0.113.9"),
            ("for=\"[2001:db8::1]:443\"", "2001:db8::1"),
            ("for=_hidden", "127.0.0.1"),
            ("for=6.6.6.6, proto=https", "127.0.0.1"),
        ] {
            assert_eq!(address("127.0.0.1", &[("forwarded", header)]), expected, "{header}");
        }
    }

    #[test]
    fn whether_it_was_https_is_told_by_the_nearest_proxy() {
        let secure = |headers: &[(&str, &str)]| client("127.0.0.1", headers).secure;
        assert!(secure(&[("x-forwarded-proto", "https")]));
        assert!(secure(&[("x-forwarded-proto", "http, HTTPS")]));
        assert!(secure(&[("forwarded", "for=1.1.1.1;proto=http, for=2.2.2.2;proto=https")]));
        assert!(!secure(&[("x-forwarded-proto", "https, http")]));
        assert!(!secure(&[("x-forwarded-proto", "junk")]) && !secure(&[]));
    }

    #[test]
    fn a_block_of_ipv6_is_one_client() {
        let of = |text: &str| block(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("203.0.113.9"), "203.0.113.9");
        assert_eq!(of("::ffff:203.0.113.9"), "203.0.113.9");
    }
}
