//! One request's answer, whatever its handler does.

use std::any::Any;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::http::header::{CONNECTION, HeaderValue};
use axum::http::{Method, Request, Uri, Version};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use crate::http::handover::Exit;
use crate::http::limits::refusal;
use crate::http::peer::Client;
use crate::http::problem::{Code, Problem, quoted};
use crate::http::unread;

use super::Common;
use super::pace::Beat;
use super::under_way::hold;

/// Who asks on a connection, and whom.
#[derive(Clone)]
pub(super) struct Asker {
    pub(super) common: Arc<Common>,
    routes: TowerToHyperService<Router>,
    pub(super) peer: SocketAddr,
    /// Whether nobody listens in on the connection.
    pub(super) over_tls: bool,
    /// Whether a stream may take the connection with it.
    pub(super) may_leave: bool,
    /// Whether the connection ends with its first answer.
    pub(super) asks_once: bool,
}

impl Asker {
    pub(super) fn new(common: Arc<Common>, router: Router, peer: SocketAddr) -> Self {
        let routes = TowerToHyperService::new(router);
        Self { common, routes, peer, over_tls: false, may_leave: false, asks_once: false }
    }

    /// Answers one request; the connection's pulse beats until the answer is sent.
    pub(super) async fn answer(
        self,
        mut request: Request<Incoming>,
        beat: Beat,
        exit: Option<Exit>,
    ) -> Result<Response, Infallible> {
        let options = &self.common.options;
        let client = options.proxies.client(self.peer, self.over_tls, request.headers());
        request.extensions_mut().insert(client);
        let is_http1 = request.version() < Version::HTTP_2;
        if let Some(exit) = exit
            && request.version() == Version::HTTP_11
        {
            // What leaves is a body of chunks.
            request.extensions_mut().insert(exit);
        }
        let (request, body) = unread::watch(request);
        let who = options.limits.address(client.address);
        let admitted = who.map_or(Ok(()), |who| options.limits.request(&who));
        let mut response = match admitted {
            Ok(()) => handle(&self.routes, request, client).await,
            Err(problem) => refusal(problem, request.method(), request.uri()),
        };
        if is_http1 && (self.asks_once || !body.is_read()) {
            // The rest of the body is in the way of any further request: a client that was not told
            // would send one, and never get an answer (RFC 9112, section 9.3).
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(hold(response, beat))
    }
}

/// Has a request handled; a panic is an answer as well.
async fn handle(
    routes: &TowerToHyperService<Router>,
    request: Request<unread::Watched<Incoming>>,
    client: Client,
) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let handled = AssertUnwindSafe(async move { routes.call(request).await }).catch_unwind();
    let answered = handled.await.unwrap_or_else(|panic| {
        let message = panic_message(panic.as_ref());
        // The end of a callback's path is a secret.
        let path = path.split_once("/api/webhooks/").map_or(path.as_str(), |_| "/api/webhooks/…");
        tracing::error!(%method, path, client = %client.address, message, "a handler panicked");
        Ok(Problem::new(Code::Internal, "the server failed").into_response())
    });
    answered.unwrap_or_else(|never| match never {})
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// For `Router::fallback`: nothing answers at this path.
pub async fn unknown_route(uri: Uri) -> Problem {
    no_route(uri.path())
}

/// Nothing answers at this path.
pub(in crate::http) fn no_route(path: &str) -> Problem {
    Problem::new(Code::UnknownRoute, format!("nothing answers at {}", quoted(path)))
}

/// For `Router::method_not_allowed_fallback`; axum adds `Allow`.
pub async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("{} does not take {method}", uri.path());
    Problem::new(Code::MethodNotAllowed, detail)
}
