//! Connections: HTTP/1.1 that can also break before an answer, which no handler of axum's can say.

use std::io;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// Marks a response in whose place the connection breaks.
#[derive(Clone, Copy, Debug)]
struct Cut;

/// No answer: the connection breaks.
pub(super) fn cut() -> Response {
    let mut response = StatusCode::OK.into_response();
    response.extensions_mut().insert(Cut);
    response
}

/// Serves `router` until `stop` is cancelled; requests that are being answered are then cut off.
pub(super) fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => connect(stream, router.clone(), stop.clone()),
                // Too many open files, or a connection that was gone before it was taken.
                Err(error) => {
                    tracing::debug!(%error, "the simulator could not take a connection");
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                }
            }
        }
    }));
}

fn connect(stream: TcpStream, router: Router, stop: CancellationToken) {
    // An answer goes out at once.
    let _ = stream.set_nodelay(true);
    let routes = TowerToHyperService::new(router);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let answer = routes.call(request);
        async move {
            let Ok(response) = answer.await;
            match response.extensions().get::<Cut>() {
                Some(Cut) => Err(io::Error::other("the connection broke (simulated)")),
                None => Ok(response),
            }
        }
    });
    tokio::spawn(stop.run_until_cancelled_owned(async move {
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to the simulator ended");
        }
    }));
}

/// A page as the edge in front of a provider answers with: no JSON at all.
pub(super) fn html(status: StatusCode) -> Response {
    let page = format!("<html><head><title>{status}</title></head><body>{status}</body></html>");
    (status, axum::response::Html(page)).into_response()
}
