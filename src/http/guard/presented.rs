//! What a request shows of who sends it: a key or a ticket in `Authorization`, a session in its
//! cookie, a ticket in its query.

use std::sync::Arc;

use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};

use crate::access::{Access, Ticket};
use crate::event::now_ms;
use crate::http::peer::Client;
use crate::http::query::Query;
use crate::http::{App, Code, Options, Problem};

use super::Caller;
use super::caller::Pass;

/// The cookie of a session, and its name where clients come by TLS: a browser takes the second from
/// nobody but this very host. There the first is nobody's session, since a neighbour in the domain can
/// have set it, to have somebody work in a session of his.
const COOKIES: [&str; 2] = [SESSION, "__Host-tailwater_session"];

/// The name of that cookie.
pub const SESSION: &str = "tailwater_session";

/// The parameter that has the ticket.
pub const TICKET: &str = "ticket";

/// Who sends this request.
///
/// # Errors
/// [`Code::Unauthorized`], [`Code::ExpiredTicket`].
pub(super) fn caller(parts: &Parts, app: &App, client: Client) -> Result<Caller, Problem> {
    let access = &app.access;
    if access.is_open() {
        return Ok(Caller::Anyone);
    }
    let now = now_ms();
    if let Some(text) = bearer(&parts.headers)? {
        return if text.starts_with("tkt_") {
            by_ticket(text, parts, access, now)
        } else {
            let key = access.key(text, now).ok_or_else(|| unauthorized("the key is not valid"))?;
            Ok(Caller::Key(key))
        };
    }
    let session = session(&parts.headers, is_by_tls(&app.options, client));
    if let Some(key) = session.and_then(|secret| access.key(secret, now)) {
        // Whoever has signed in needs no ticket, and may have one that is over.
        return Ok(Caller::Key(key));
    }
    let query = Query::of_stream(parts.uri.query());
    if let Some(text) = query.get(TICKET).filter(|text| !text.is_empty()) {
        return by_ticket(text, parts, access, now);
    }
    Err(match session {
        Some(_) => unauthorized("the session is over"),
        None => unauthorized("a key is needed: 'Authorization: Bearer tw_…'"),
    })
}

fn by_ticket(text: &str, parts: &Parts, access: &Access, now: i64) -> Result<Caller, Problem> {
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        return Err(Problem::new(Code::Forbidden, "a ticket is for reading only"));
    }
    let ticket = Ticket::parse(text).map_err(|error| unauthorized(&error.to_string()))?;
    let signer = access.signer(&ticket, now);
    let signer = signer.ok_or_else(|| unauthorized("the ticket is not valid any more"))?;
    if ticket.expires_at <= now {
        return Err(expired());
    }
    Ok(Caller::Ticket(Arc::new(Pass { ticket, text: text.to_owned(), signer })))
}

/// The text behind `Bearer`.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get(AUTHORIZATION) else { return Ok(None) };
    let text = value.to_str().ok().and_then(|text| {
        let (scheme, text) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| text.trim())
    });
    text.map(Some).ok_or_else(|| unauthorized("'Authorization' must be 'Bearer' and a key"))
}

/// Whether a client comes by TLS, to us or to whoever is before us.
pub(super) fn is_by_tls(options: &Options, client: Client) -> bool {
    let public = options.public_url.as_deref();
    client.secure || public.is_some_and(|url| url.starts_with("https:"))
}

/// What a session's cookie is called.
pub(super) const fn cookie_name(is_by_tls: bool) -> &'static str {
    COOKIES[is_by_tls as usize]
}

/// The secret of the session that a browser has.
pub(super) fn session(headers: &HeaderMap, is_by_tls: bool) -> Option<&str> {
    let own = cookie_name(is_by_tls);
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs =
        cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    let (_, secret) = pairs.find(|(name, _)| name.trim() == own)?;
    Some(secret.trim())
}

fn unauthorized(detail: &str) -> Problem {
    Problem::new(Code::Unauthorized, detail)
}

/// The ticket was good.
pub(super) fn expired() -> Problem {
    Problem::new(Code::ExpiredTicket, "the ticket has expired; whoever has a key gets another one")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: axum::http::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn a_key_stands_behind_bearer_and_nothing_else() {
        assert_eq!(bearer(&headers(AUTHORIZATION, "bearer  tw_1 ")).unwrap(), Some("tw_1"));
        assert_eq!(bearer(&HeaderMap::new()).unwrap(), None);
        for wrong in ["tw_1", "Basic dXNlcjp3b3Jk", "Bearer"] {
            let problem = bearer(&headers(AUTHORIZATION, wrong)).unwrap_err();
            assert_eq!(problem.code(), Code::Unauthorized);
            assert!(!problem.detail().contains("dXNl"), "what was sent is not repeated");
        }
    }

    #[test]
    fn a_session_is_found_among_other_cookies() {
        let of = |text: &str| session(&headers(COOKIE, text), false).map(str::to_owned);
        assert_eq!(of("a=1; tailwater_session=tw_x; b=2").as_deref(), Some("tw_x"));
        assert_eq!(of("xtailwater_session=tw_x"), None);
    }

    #[test]
    fn a_cookie_that_a_neighbour_can_set_is_no_session_where_clients_come_by_tls() {
        let of = |text: &str| session(&headers(COOKIE, text), true).map(str::to_owned);
        let planted = "tailwater_session=tw_theirs; __Host-tailwater_session=tw_own";
        assert_eq!(of(planted).as_deref(), Some("tw_own"));
        assert_eq!(of("tailwater_session=tw_theirs"), None);
    }
}
