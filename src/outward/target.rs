//! An address that is followed, or what is wrong with it.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

use super::address::is_public;

/// The longest address, in bytes: what every browser and server takes.
const LONGEST: usize = 2048;

/// Whose addresses may be private, and be reached without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust<'a> {
    /// Nobody's.
    Nobody,
    /// Those of this host, whatever its port: of a provider that has a private address itself.
    Host(&'a str),
    /// Everybody's: for development and tests.
    Everybody,
}

/// Why an address is not followed; the words follow a name for the address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no URL.
    #[error("is no URL ({0})")]
    NoUrl(String),
    /// It is too long.
    #[error("is longer than {LONGEST} bytes")]
    TooLong,
    /// It is no address of the web.
    #[error("begins with '{0}:' and not with 'https:'")]
    Scheme(String),
    /// What it carries could be read by everybody on the way.
    #[error("begins with 'http:' and not with 'https:'")]
    Insecure,
    /// It has a user name or a password in it.
    #[error("has a user name or a password in it")]
    Credentials,
    /// Its host is this machine, a neighbour or nobody.
    #[error("is not on the internet, and is not followed")]
    Private,
}

/// An address that is followed. What it shows of itself is without its query, which may be secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    url: Url,
    is_trusted: bool,
}

impl Target {
    /// Reads an address and looks at it, without asking anybody. A name may still have no public
    /// address: that is found when it is connected to.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn parse(text: &str, trust: Trust<'_>) -> Result<Self, Refused> {
        if text.len() > LONGEST {
            return Err(Refused::TooLong);
        }
        let url = Url::parse(text).map_err(|error| Refused::NoUrl(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refused::Scheme(url.scheme().chars().take(20).collect()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Credentials);
        }
        // Parsed, a host is in lower case, and an IPv4 address in its usual notation.
        let host = bare(url.host_str().unwrap_or_default());
        let is_trusted = match trust {
            Trust::Nobody => false,
            Trust::Host(name) => bare(name).eq_ignore_ascii_case(host),
            Trust::Everybody => true,
        };
        if !is_trusted {
            // A literal address is not resolved, so nobody else looks at it.
            if host.parse::<IpAddr>().is_ok_and(|address| !is_public(address)) {
                return Err(Refused::Private);
            }
            if url.scheme() != "https" {
                return Err(Refused::Insecure);
            }
        }
        Ok(Self { url, is_trusted })
    }

    /// The address itself.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Whether it may be private.
    pub(super) fn is_trusted(&self) -> bool {
        self.is_trusted
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = shown(self.url.as_str());
        let mut target = formatter.debug_struct("Target");
        target.field("url", &shown).field("is_trusted", &self.is_trusted).finish()
    }
}

/// An address as it may be shown: without what follows its path.
#[must_use]
pub fn shown(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// A host without the brackets of IPv6.
fn bare(host: &str) -> &str {
    host.trim_matches(['[', ']'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        Target::parse(text, Trust::Nobody).unwrap_err().to_string()
    }

    #[test]
    fn an_address_of_the_internet_is_followed_whatever_its_port() {
        for text in [
            "https://a.example/b.png?signature=c",
            "https://a.example:8443/",
            "HTTPS://A.example",
            "https://1.1.1.1/x",
            "https://[2606:4700::1111]/x",
        ] {
            assert!(Target::parse(text, Trust::Nobody).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_private_address_is_known_in_every_notation() {
        for host in [
            "127.0.0.1",
            "127.0.0.1.",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "127.1",
            "0",
            "\u{ff11}27.0.0.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "10.0.0.1",
            "169.254.169.254",
            "[64:ff9b::a00:1]",
        ] {
            for scheme in ["http", "https"] {
                let url = format!("{scheme}://{host}:80/x");
                assert_eq!(refusal(&url), "is not on the internet, and is not followed", "{url}");
            }
        }
    }

    #[test]
    fn what_is_wrong_with_an_address_is_told() {
        let plain = "begins with 'http:' and not with 'https:'";
        assert_eq!(refusal("http://a.example/b"), plain);
        assert_eq!(refusal("ftp://a.example/b"), "begins with 'ftp:' and not with 'https:'");
        assert_eq!(refusal("file:///etc/passwd"), "begins with 'file:' and not with 'https:'");
        assert!(refusal("/api/x").starts_with("is no URL ("));
        assert!(refusal("").starts_with("is no URL ("));
        assert!(refusal("https://").starts_with("is no URL ("));
        assert_eq!(refusal("https://a:b@c.example/"), "has a user name or a password in it");
        assert_eq!(refusal("https://a@c.example/"), "has a user name or a password in it");
        let long = format!("https://a.example/{}", "x".repeat(2048));
        assert_eq!(refusal(&long), "is longer than 2048 bytes");
    }

    #[test]
    fn a_trusted_host_may_be_private_and_plain() {
        for (trusted, url) in [
            ("127.0.0.1", "http://127.0.0.1:9100/x"),
            ("LocalHost", "http://localhost:1/x"),
            ("::1", "http://[::1]:1/x"),
        ] {
            assert!(Target::parse(url, Trust::Host(trusted)).is_ok(), "{url}");
            assert!(Target::parse(url, Trust::Host("a.example")).is_err(), "{url}");
            assert!(Target::parse(url, Trust::Everybody).is_ok(), "{url}");
        }
        assert!(Target::parse("http://a:b@127.0.0.1/", Trust::Everybody).is_err());
    }

    #[test]
    fn a_query_does_not_show() {
        let target = Target::parse("https://a.example/b?key=secret#c", Trust::Nobody).unwrap();
        assert!(!format!("{target:?}").contains("secret"), "{target:?}");
        assert_eq!(shown("https://a.example/b?key=secret#c"), "https://a.example/b");
    }
}
