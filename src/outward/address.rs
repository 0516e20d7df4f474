//! Which addresses are those of the open internet.
//!
//! An address that a stranger names, followed blindly, would let that stranger ask this machine's own
//! services, its neighbours, or a cloud's metadata service for something. What is special is listed in
//! IANA's "Special-Purpose Address Registry" for each of the two families.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address is a public host's.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Blocks of addresses that are nobody's on the internet: the first address and how many of its
/// bits count.
const SPECIAL_V4: [([u8; 4], u32); 16] = [
    // "This network".
    ([0, 0, 0, 0], 8),
    // Private: RFC 1918.
    ([10, 0, 0, 0], 8),
    ([172, 16, 0, 0], 12),
    ([192, 168, 0, 0], 16),
    // Between a provider and its customers: RFC 6598.
    ([100, 64, 0, 0], 10),
    // This machine.
    ([127, 0, 0, 0], 8),
    // This link, and the metadata services of clouds.
    ([169, 254, 0, 0], 16),
    // Protocols, relays and tests.
    ([192, 0, 0, 0], 24),
    ([192, 88, 99, 0], 24),
    ([198, 18, 0, 0], 15),
    // Documentation.
    ([192, 0, 2, 0], 24),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    // Groups.
    ([224, 0, 0, 0], 4),
    // Reserved, and everybody on the link.
    ([240, 0, 0, 0], 4),
    // A cloud's own resolver and health checks, which answer inside of it alone.
    ([168, 63, 129, 16], 32),
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    let is_within = |(first, bits): ([u8; 4], u32)| {
        (address.to_bits() ^ u32::from_be_bytes(first)).leading_zeros() >= bits
    };
    !SPECIAL_V4.into_iter().any(is_within)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // IPv4 in another notation.
        [0, 0, 0, 0, 0, 0xFFFF, high, low] => is_public_v4(embedded(high, low)),
        // IPv4 by way of a translator, as networks without IPv4 have one: RFC 6052, section 2.1.
        [0x64, 0xFF9B, 0, 0, 0, 0, high, low] => is_public_v4(embedded(high, low)),
        // Protocols and tunnels (Teredo), documentation, IPv4 in the middle (6to4), documentation.
        [0x2001, 0..=0x1FF, ..] | [0x2001, 0xDB8, ..] | [0x2002, ..] | [0x3FFF, 0..=0xFFF, ..] => {
            false
        }
        // All that was given out so far; unique-local, link-local and groups are outside.
        [first, ..] => (0x2000..=0x3FFF).contains(&first),
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_the_internet_are_public() {
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2a00::1",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn everything_else_is_not() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1.1.1.1",
            "100::1",
            "2001::1",
            "2001:1ff::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }
}
