//! Where the server is that is tested.

use std::net::{SocketAddr, ToSocketAddrs};

use secrecy::{ExposeSecret, SecretString};

use super::LoadError;

/// A server's address, as the load test connects to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    /// The lines that every request has: `Host`, and the key where one is needed.
    pub(super) lines: String,
    /// What stands before every path, without a slash at the end; with the query if there is one.
    pub(super) base: String,
}

impl Target {
    /// Reads a URL such as `http://127.0.0.1:8080/base`.
    ///
    /// # Errors
    /// When it is none, is not plain HTTP, or its host has no address.
    pub(super) fn parse(url: &str) -> Result<Self, LoadError> {
        let wrong = |why: &str| LoadError::Arguments(format!("'{}' {why}", url.escape_debug()));
        let rest = url.strip_prefix("http://").ok_or_else(|| {
            wrong("is not the address of a server to load: it begins with http:// (for TLS, test the server behind it)")
        })?;
        let (host, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let with_port = if has_port(host) { host.to_owned() } else { format!("{host}:80") };
        let addresses =
            with_port.to_socket_addrs().map_err(|_| wrong("names no host that there is"))?;
        // Servers on this machine mostly listen on IPv4 alone.
        let mut addresses: Vec<_> = addresses.collect();
        addresses.sort_by_key(SocketAddr::is_ipv6);
        let address = *addresses.first().ok_or_else(|| wrong("names no host that there is"))?;
        let base = path.trim_end_matches('/').to_owned();
        Ok(Self { address, lines: format!("host: {host}\r\n"), base })
    }

    /// The same server for who has a key, if there is one.
    pub(super) fn with_key(mut self, key: Option<&SecretString>) -> Self {
        if let Some(key) = key {
            self.lines += &format!("authorization: Bearer {}\r\n", key.expose_secret());
        }
        self
    }

    /// A request without a body.
    pub(super) fn request(&self, method: &str, path: &str, headers: &str) -> Vec<u8> {
        self.request_with(method, path, headers, "")
    }

    /// A request with a body.
    pub(super) fn request_with(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> Vec<u8> {
        let (base, lines, length) = (&self.base, &self.lines, body.len());
        format!(
            "{method} {base}{path} HTTP/1.1\r\n{lines}connection: close\r\n\
             content-length: {length}\r\n{headers}\r\n{body}"
        )
        .into_bytes()
    }
}

fn has_port(host: &str) -> bool {
    let behind = host.rsplit_once(':').map_or("", |(_, port)| port);
    !behind.is_empty() && behind.bytes().all(|digit| digit.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_a_port_and_a_base() {
        let target = Target::parse("http://127.0.0.1:8080/base/").unwrap();
        assert_eq!(target.address.to_string(), "127.0.0.1:8080");
        assert_eq!((&*target.lines, &*target.base), ("host: 127.0.0.1:8080\r\n", "/base"));
        let target = target.with_key(Some(&"tw_1".to_owned().into()));
        assert_eq!(target.lines, "host: 127.0.0.1:8080\r\nauthorization: Bearer tw_1\r\n");
        assert_eq!(Target::parse("http://127.0.0.1").unwrap().address.port(), 80);
        assert_eq!(Target::parse("http://[::1]:81").unwrap().address.to_string(), "[::1]:81");
    }

    #[test]
    fn what_is_no_plain_http_is_refused() {
        for url in ["", "127.0.0.1:80", "https://127.0.0.1", "http://", "http://127.0.0.1:99999"] {
            assert!(Target::parse(url).unwrap_err().is_bad_input(), "{url}");
        }
    }

    #[test]
    fn a_request_is_whole() {
        let target = Target::parse("http://127.0.0.1:1/b").unwrap();
        assert_eq!(
            String::from_utf8(target.request_with("POST", "/x", "a: b\r\n", "{}")).unwrap(),
            "POST /b/x HTTP/1.1\r\nhost: 127.0.0.1:1\r\nconnection: close\r\n\
             content-length: 2\r\na: b\r\n\r\n{}"
        );
    }
}
