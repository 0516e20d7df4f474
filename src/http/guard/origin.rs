//! Which pages a browser may send requests from.
//!
//! A browser sends what any page on the web asks it to, with the cookies of whoever sits before it,
//! and to addresses that only it can reach. So a request that changes something must not come from
//! another site's page; and a server that is open to everybody on this machine answers to no name
//! that somebody outside can point at it.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::http::problem::quoted;
use crate::http::{App, Code, Options, Problem};

/// Refuses requests of pages that are not ours.
pub async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let checked = if app.access.is_open() {
        check_host(request.headers(), request.uri(), &app.options)
    } else {
        Ok(())
    };
    let checked =
        checked.and_then(|()| check_site(request.method(), request.headers(), &app.options));
    match checked {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Refuses a request that a page of another site made a browser send.
///
/// `Sec-Fetch-Site` says it where the browser sends it (<https://www.w3.org/TR/fetch-metadata/>), and
/// `Origin` otherwise. A program sends neither.
fn check_site(method: &Method, headers: &HeaderMap, options: &Options) -> Result<(), Problem> {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("null"));
    let origin = text(ORIGIN.as_str());
    let is_own = match (text("sec-fetch-site"), origin) {
        (Some("same-origin" | "none"), _) | (None, None) => true,
        (None, Some(origin)) => is_of_host(origin, headers) || is_public(origin, options),
        (Some(_), _) => false,
    };
    let is_listed =
        || origin.is_some_and(|origin| options.cors_origins.iter().any(|one| one == origin));
    if is_own || is_listed() {
        return Ok(());
    }
    let from = origin.map_or_else(|| "another site".to_owned(), quoted);
    let detail = format!(
        "a page of {from} may not do this; the operator can allow it by --cors-origins, or set \
         --public-url if it is this server's own page"
    );
    Err(Problem::new(Code::CrossSite, detail))
}

/// Whether an origin is the host that the request went to.
fn is_of_host(origin: &str, headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    host.is_some() && authority == host
}

fn is_public(origin: &str, options: &Options) -> bool {
    let public = options.public_url.as_deref().and_then(|url| url.parse::<Uri>().ok());
    let (Some(public), Ok(origin)) = (public, origin.parse::<Uri>()) else { return false };
    public.scheme() == origin.scheme() && public.authority() == origin.authority()
}

/// Refuses a name that is not known to be this machine's: a page can have its own name point here.
fn check_host(headers: &HeaderMap, uri: &Uri, options: &Options) -> Result<(), Problem> {
    let header = headers.get(HOST).map(|host| host.to_str().unwrap_or_default());
    let Some(named) = uri.authority().map(Authority::as_str).or(header) else { return Ok(()) };
    let host = host_of(named);
    let public = || options.public_url.as_deref()?.parse::<Uri>().ok();
    let is_public = || public().as_ref().and_then(Uri::host) == Some(host.as_str());
    let is_local = host == "localhost" || host.ends_with(".localhost");
    // An address is nobody's to point elsewhere.
    if is_local || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() || is_public() {
        return Ok(());
    }
    let detail = format!(
        "this server has no keys, so it answers to 'localhost', to addresses and to the host of \
         --public-url, not to {}",
        quoted(&host)
    );
    Err(Problem::new(Code::WrongHost, detail))
}

fn host_of(authority: &str) -> String {
    let authority = authority.parse::<Authority>().ok();
    authority.map_or_else(String::new, |authority| authority.host().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options {
            public_url: Some("https://jobs.example.com/base".into()),
            cors_origins: vec!["https://app.example.com".into()],
            ..Options::default()
        }
    }

    fn site(method: &Method, headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| {
            (name.parse::<axum::http::HeaderName>().unwrap(), value.parse().unwrap())
        });
        check_site(method, &headers.collect(), &options()).is_ok()
    }

    #[test]
    fn a_page_elsewhere_changes_nothing() {
        let post = |headers: &[_]| site(&Method::POST, headers);
        assert!(post(&[]), "a program");
        assert!(post(&[("sec-fetch-site", "same-origin"), ("origin", "http://x:1")]));
        assert!(post(&[("origin", "http://10.0.0.5:8080"), ("host", "10.0.0.5:8080")]));
        assert!(post(&[("origin", "https://jobs.example.com"), ("host", "127.0.0.1:8080")]));
        assert!(post(&[("sec-fetch-site", "cross-site"), ("origin", "https://app.example.com")]));
        assert!(!post(&[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")]));
        assert!(!post(&[("sec-fetch-site", "same-site"), ("origin", "https://a.example.com")]));
        assert!(!post(&[("sec-fetch-site", "cross-site")]));
        assert!(!post(&[("origin", "null"), ("host", "127.0.0.1:8080")]));
        assert!(!post(&[("origin", "http://jobs.example.com"), ("host", "127.0.0.1:8080")]));
        assert!(site(&Method::GET, &[("sec-fetch-site", "cross-site")]), "looking is no change");
        assert!(!site(&Method::DELETE, &[("sec-fetch-site", "cross-site")]));
    }

    #[test]
    fn a_server_without_keys_answers_to_no_strange_name() {
        let host = |name: &'static str| {
            let headers = HeaderMap::from_iter([(HOST, name.parse().unwrap())]);
            check_host(&headers, &Uri::from_static("/"), &options()).is_ok()
        };
        for own in [
            "localhost:8080",
            "127.0.0.1:8080",
            "[::1]:8080",
            "a.localhost",
            "10.0.0.5",
            "jobs.example.com",
            "JOBS.example.com:443",
        ] {
            assert!(host(own), "{own}");
        }
        for strange in ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "", "a b"] {
            assert!(!host(strange), "{strange}");
        }
        assert!(check_host(&HeaderMap::new(), &Uri::from_static("/"), &options()).is_ok());
    }
}
