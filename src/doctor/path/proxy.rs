//! Which proxy answers.

use http::HeaderMap;
use http::header::{SERVER, VIA};
use serde::Serialize;

/// A proxy that is known well enough to say what to write into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Proxy {
    /// nginx, also as openresty and tengine.
    #[serde(rename = "nginx")]
    Nginx,
    /// Caddy.
    Caddy,
    /// `HAProxy`.
    #[serde(rename = "HAProxy")]
    HaProxy,
    /// Traefik.
    Traefik,
    /// Cloudflare.
    Cloudflare,
    /// Amazon's Application Load Balancer, and `CloudFront`.
    #[serde(rename = "AWS")]
    Aws,
}

impl Proxy {
    /// All of them, those that are met most often first.
    pub const ALL: [Self; 6] =
        [Self::Nginx, Self::Caddy, Self::HaProxy, Self::Traefik, Self::Cloudflare, Self::Aws];

    /// Its name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "Caddy",
            Self::HaProxy => "HAProxy",
            Self::Traefik => "Traefik",
            Self::Cloudflare => "Cloudflare",
            Self::Aws => "AWS ALB",
        }
    }

    /// What headers of an answer tell, the one that is farthest out first.
    pub(super) fn by_headers(headers: &HeaderMap) -> Option<Self> {
        if headers.contains_key("cf-ray") {
            return Some(Self::Cloudflare);
        }
        if headers.contains_key("x-amz-cf-id") {
            return Some(Self::Aws);
        }
        let told = [SERVER, VIA].map(|name| {
            let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
            values.collect::<Vec<_>>().join(" ").to_ascii_lowercase()
        });
        let cookies = headers.get_all("set-cookie").iter();
        if cookies.filter_map(|value| value.to_str().ok()).any(|text| text.starts_with("AWSALB")) {
            return Some(Self::Aws);
        }
        let names = [
            ("cloudflare", Self::Cloudflare),
            ("awselb", Self::Aws),
            ("cloudfront", Self::Aws),
            ("nginx", Self::Nginx),
            ("openresty", Self::Nginx),
            ("tengine", Self::Nginx),
            ("caddy", Self::Caddy),
            ("traefik", Self::Traefik),
            ("haproxy", Self::HaProxy),
        ];
        let is_told = |name: &str| told.iter().any(|text| text.contains(name));
        names.into_iter().find(|(name, _)| is_told(name)).map(|(_, proxy)| proxy)
    }

    /// What the page of an error tells, which some show who are otherwise silent.
    pub(super) fn by_page(page: &str) -> Option<Self> {
        let sayings = [
            ("<center>nginx", Self::Nginx),
            ("<center>openresty", Self::Nginx),
            ("Your browser sent an invalid request.", Self::HaProxy),
            ("No server is available to handle this request.", Self::HaProxy),
            ("The server didn't respond in time.", Self::HaProxy),
            ("The server returned an invalid or incomplete response.", Self::HaProxy),
            ("cloudflare", Self::Cloudflare),
        ];
        sayings.into_iter().find(|(saying, _)| page.contains(saying)).map(|(_, proxy)| proxy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn by(headers: &[(&'static str, &'static str)]) -> Option<Proxy> {
        let pairs = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        Proxy::by_headers(&pairs.collect())
    }

    #[test]
    fn a_proxy_is_known_by_what_it_says_of_itself() {
        assert_eq!(by(&[("server", "nginx/1.22.1")]), Some(Proxy::Nginx));
        assert_eq!(by(&[("server", "openresty")]), Some(Proxy::Nginx));
        assert_eq!(by(&[("server", "Caddy")]), Some(Proxy::Caddy));
        assert_eq!(by(&[("via", "1.1 Caddy")]), Some(Proxy::Caddy));
        assert_eq!(by(&[("server", "awselb/2.0")]), Some(Proxy::Aws));
        assert_eq!(by(&[("set-cookie", "AWSALBCORS=x; Path=/")]), Some(Proxy::Aws));
        assert_eq!(by(&[("date", "now")]), None);
    }

    #[test]
    fn the_one_that_is_farthest_out_counts() {
        assert_eq!(by(&[("server", "nginx"), ("cf-ray", "8f-FRA")]), Some(Proxy::Cloudflare));
        let behind_cloudfront = [("server", "nginx"), ("x-amz-cf-id", "x")];
        assert_eq!(by(&behind_cloudfront), Some(Proxy::Aws));
    }

    #[test]
    fn who_has_no_header_shows_itself_in_its_errors() {
        let page = "<html><body><h1>400 Bad request</h1>\nYour browser sent an invalid request.\n";
        assert_eq!(Proxy::by_page(page), Some(Proxy::HaProxy));
        assert_eq!(Proxy::by_page("<hr><center>nginx</center>"), Some(Proxy::Nginx));
        assert_eq!(Proxy::by_page("404 page not found"), None);
    }
}
