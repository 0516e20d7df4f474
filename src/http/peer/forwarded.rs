//! What proxies write of the client before them: `X-Forwarded-For` and `-Proto`, or `Forwarded`
//! (RFC 7239).

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use axum::http::header::FORWARDED;

const FOR: &str = "x-forwarded-for";
const PROTO: &str = "x-forwarded-proto";

/// The addresses, the nearest first; nothing stands for one that cannot be read. `X-Forwarded-For`
/// counts where there are both: it is what proxies write unless they are told otherwise.
pub(super) fn addresses(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    let old = from_the_right(headers, FOR).map(address);
    let standard = from_the_right(headers, FORWARDED.as_str());
    let standard = standard.map(|element| address(parameter(element, "for")?));
    let has_old = headers.contains_key(FOR);
    old.chain(standard.filter(move |_| !has_old))
}

/// Whether the client came by https to the nearest proxy, where that says so.
pub(super) fn secure(headers: &HeaderMap) -> Option<bool> {
    let old = from_the_right(headers, PROTO).next();
    let standard = || parameter(from_the_right(headers, FORWARDED.as_str()).next()?, "proto");
    let scheme = old.or_else(standard)?;
    Some(scheme.eq_ignore_ascii_case("https"))
}

/// The elements of a list that may be spread over several lines, the last first. A line that is no
/// ASCII counts as one element that means nothing.
fn from_the_right<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).iter().rev();
    let lines = lines.map(|line| line.to_str().unwrap_or_default());
    lines.flat_map(|line| line.rsplit(',')).map(str::trim)
}

/// The value of a parameter of an element of `Forwarded`, without its quotes. Names are in any case.
fn parameter<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    element.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

/// An address as it is, in brackets, or with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse().ok().map(|with_port: SocketAddr| with_port.ip()))
}
