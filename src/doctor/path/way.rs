//! A way to a server: by the public address, or straight.

use std::error::Error as _;
use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::{ACCEPT, ACCEPT_ENCODING};
use reqwest::{Method, RequestBuilder, Url, redirect};
use secrecy::{ExposeSecret, SecretString};

use super::super::DoctorError;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);

/// How long an answer may take that nobody holds.
pub(super) const ANSWER: Duration = Duration::from_secs(30);

/// What a browser says that it can unpack.
pub(super) const AS_A_BROWSER: &str = "gzip, deflate, br, zstd";

/// The same of who takes bytes as they are.
pub(super) const AS_IT_IS: &str = "identity";

/// One address of the server, and the key for it; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Way {
    client: reqwest::Client,
    base: String,
    key: Option<SecretString>,
}

impl Way {
    /// By this address; connects to nothing yet.
    ///
    /// # Errors
    /// When it is no web address, or TLS cannot be set up.
    pub(super) fn new(
        flag: &'static str,
        url: &str,
        key: Option<SecretString>,
    ) -> Result<Self, DoctorError> {
        let wrong = || DoctorError::BadAddress { flag, value: url.escape_debug().to_string() };
        let base = Url::parse(url).map_err(|_| wrong())?;
        let is_plain = matches!(base.scheme(), "http" | "https")
            && base.host_str().is_some()
            && base.username().is_empty()
            && base.password().is_none()
            && base.query().is_none()
            && base.fragment().is_none();
        if !is_plain {
            return Err(wrong());
        }
        let mut client = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .redirect(redirect::Policy::none())
            // What is looked at are the bytes that come.
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd()
            .user_agent(concat!("tailwater-doctor/", env!("CARGO_PKG_VERSION")));
        if is_this_machine(&base) {
            client = client.no_proxy();
        }
        let client = client.build().map_err(|error| DoctorError::Setup(reason(&error)))?;
        Ok(Self { client, base: base.as_str().trim_end_matches('/').to_owned(), key })
    }

    /// The address, without a slash at the end.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Whether there is TLS on it.
    pub(super) fn is_tls(&self) -> bool {
        self.base.starts_with("https:")
    }

    /// Whether it ends on this machine.
    pub(super) fn is_local(&self) -> bool {
        Url::parse(&self.base).is_ok_and(|url| is_this_machine(&url))
    }

    /// Whether there is a key to send.
    pub(super) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// A request for a path, with the key if there is one.
    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.bare(method, path);
        match &self.key {
            Some(key) => request.bearer_auth(key.expose_secret()),
            None => request,
        }
    }

    /// A request for a path, as somebody without a key makes it.
    pub(super) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// A stream, as a page opens it.
    pub(super) fn stream(&self, path: &str, encoding: &'static str) -> RequestBuilder {
        let request = self.bare(Method::GET, path);
        request.header(ACCEPT, "text/event-stream").header(ACCEPT_ENCODING, encoding)
    }
}

fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What went wrong, down to what the system said.
pub(super) fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it took too long to answer".to_owned();
    }
    let mut cause = error.source();
    let mut words = error.to_string();
    while let Some(deeper) = cause {
        words = deeper.to_string();
        cause = deeper.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_of_a_site_is_refused_with_the_flag_that_has_it() {
        rustls::crypto::ring::default_provider().install_default().ok();
        for wrong in ["", "example.org", "ftp://a", "http://", "https://a/?b", "https://me:it@a/"] {
            let error = Way::new("url", wrong, None).unwrap_err();
            assert!(error.to_string().contains("--url"), "{error}");
        }
        let way = Way::new("url", "https://example.org/base/", None).unwrap();
        assert_eq!((way.base(), way.is_tls()), ("https://example.org/base", true));
        assert!(Way::new("url", "http://[::1]:80", None).unwrap().is_local());
    }
}
