//! The accept loop: HTTP/1.1 on plain TCP, until it is told to stop.
//!
//! A stream's connection leaves here when its head is written ([`super::handover`]).

use std::any::Any;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::header::{CONNECTION, HeaderValue};
use axum::http::{Method, Request, Uri, Version};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{unconstrained, yield_now};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::handover::{Exit, Promise, Tap};
use super::problem::{Code, Problem, quoted};
use super::stall::Stall;
use super::unread;

/// How many connections may wait to be accepted: when a server comes back, all its readers come at
/// once. The system may hold fewer (`net.core.somaxconn`, 4096 on Linux).
const BACKLOG: u32 = 4096;

/// How much of what was sent the system holds for a peer that has not taken it, in bytes; Linux
/// doubles it.
///
/// Left alone it grows to megabytes, and room in it is only told once a third is free: a peer that
/// takes 8 KB/s would look like one that takes nothing for minutes. This bounds what a slow reader
/// costs, and still fills a line of 5 MB/s at 100 ms.
const SEND_BUFFER: u32 = 256 << 10;

/// How long a client may take to begin, how long to send the head of a request, and how long a
/// connection is kept between requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How many connections are accepted before others have their turn. Accepting is much quicker than
/// answering, and one that is not accepted when the backlog is full tries again a second later.
const TURN: u64 = BACKLOG as u64 / 4;

/// How long the accept loop rests when the process is out of file descriptors or memory.
const REST: Duration = Duration::from_millis(50);

/// How long a closed connection is read on, see [`linger`].
const LINGER: Duration = Duration::from_secs(2);

/// Listens on an address; port 0 picks one.
///
/// # Errors
/// When the address is in use, or not ours to listen on.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A server that was just stopped leaves its port in TIME_WAIT. (On Windows the option would
    // let two servers share a port.)
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    // Accepted connections inherit it.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves connections until `draining`, lets what is running end until `deadline`, and returns when
/// no connection is left.
///
/// A peer that takes no byte for `stall` while there is something to send is cut off. Responses
/// that go on for ever must watch `draining` themselves. A handler that panics costs its request a
/// 500 and nothing else. Handlers find the peer as `ConnectInfo<SocketAddr>`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stall: Duration,
    draining: CancellationToken,
    deadline: CancellationToken,
) {
    let connections = TaskTracker::new();
    let mut trouble = false;
    for turn in 1_u64.. {
        let accepted = next(|context| listener.poll_accept(context), &mut trouble);
        // The runtime would have us wait for all others much more often than each `TURN`.
        let accepted = unconstrained(draining.run_until_cancelled(accepted));
        let Some((stream, peer)) = accepted.await else { break };
        // A frame goes out at once. A peer that is gone already shows on the first read.
        let _ = stream.set_nodelay(true);
        let (router, draining, deadline) = (router.clone(), draining.clone(), deadline.clone());
        connections.spawn(connection(stream, peer, router, stall, draining, deadline));
        if turn % TURN == 0 {
            yield_now().await;
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// The next connection, however often accepting fails. `trouble` is whether it failed last time.
async fn next<T>(
    mut accept: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>,
    trouble: &mut bool,
) -> T {
    loop {
        match poll_fn(&mut accept).await {
            Ok(accepted) => {
                if std::mem::take(trouble) {
                    tracing::info!("accepting connections again");
                }
                return accepted;
            }
            // The peer was gone before we came to it: accept(2).
            Err(error) if is_of_the_peer(&error) => {}
            Err(error) => {
                if !std::mem::replace(trouble, true) {
                    tracing::error!(%error, "cannot accept connections; trying on");
                }
                tokio::time::sleep(REST).await;
            }
        }
    }
}

fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Waits until a connection has something to say, and serves it.
///
/// HTTP's buffers are made only then: when all readers of a server come at once, thousands of
/// connections wait for their turn.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    stall: Duration,
    draining: CancellationToken,
    deadline: CancellationToken,
) {
    let begins = tokio::select! {
        biased;
        begins = tokio::time::timeout(HEAD_TIMEOUT, stream.readable()) => begins,
        () = draining.cancelled() => return,
    };
    if matches!(begins, Ok(Ok(()))) {
        let routes = TowerToHyperService::new(router);
        Box::pin(converse(Stall::new(stream, stall), peer, routes, draining, deadline)).await;
    }
}

/// Speaks HTTP on one connection to its end, or until it leaves with a stream.
async fn converse(
    io: Stall<TcpStream>,
    peer: SocketAddr,
    routes: TowerToHyperService<Router>,
    draining: CancellationToken,
    deadline: CancellationToken,
) {
    let exit = Exit::default();
    let io = TokioIo::new(exit.tap(io));
    let at_exit = exit.clone();
    let service =
        service_fn(move |request| Box::pin(answer(routes.clone(), request, peer, at_exit.clone())));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(io, service);
    let mut told = false;
    let ended = loop {
        let served = poll_fn(|context| match connection.poll_without_shutdown(context) {
            Poll::Ready(ended) => Poll::Ready(Ok(ended)),
            Poll::Pending => exit.take().map_or(Poll::Pending, |promise| Poll::Ready(Err(promise))),
        });
        tokio::select! {
            // A request that came before the server went down is answered.
            biased;
            served = served => match served {
                Ok(ended) => break ended,
                Err(promise) => return leave(connection.into_parts().io, promise),
            },
            () = deadline.cancelled() => return,
            () = draining.cancelled(), if !told => {
                std::pin::Pin::new(&mut connection).graceful_shutdown();
                told = true;
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = &error as &dyn std::error::Error, %peer, "a connection broke");
        return;
    }
    let mut stream = connection.into_parts().io.into_inner();
    deadline
        .run_until_cancelled(async {
            // A peer that is gone already needs no goodbye.
            if stream.shutdown().await.is_ok() {
                linger(stream).await;
            }
        })
        .await;
}

/// Gives a connection to whoever its stream was promised to. What the peer sent ahead is dropped: no
/// request is answered after a stream, which says `connection: close`.
fn leave(io: TokioIo<Tap<Stall<TcpStream>>>, promise: Promise) {
    let socket = io.into_inner().into_inner().into_inner();
    if let Err(error) = promise.keep(socket) {
        tracing::warn!(%error, "a stream could not leave HTTP");
    }
}

/// Reads on for a moment after the last response, and throws it away.
///
/// A client that is refused in the middle of a large body is still sending. Closing on it would
/// make the system answer with a reset, and a reset takes the response with it that the client has
/// not read yet: RFC 9112, section 9.6.
async fn linger(mut stream: impl AsyncRead + Unpin) {
    let rest = async {
        let mut waste = vec![0; 16 << 10];
        while stream.read(&mut waste).await.is_ok_and(|read| read > 0) {}
    };
    // Over time is as good as over.
    let _ = tokio::time::timeout(LINGER, rest).await;
}

/// Answers one request, whatever its handler does.
async fn answer(
    routes: TowerToHyperService<Router>,
    mut request: Request<Incoming>,
    peer: SocketAddr,
    exit: Exit,
) -> Result<Response, Infallible> {
    request.extensions_mut().insert(ConnectInfo(peer));
    if request.version() == Version::HTTP_11 {
        // What leaves is a body of chunks.
        request.extensions_mut().insert(exit);
    }
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let (request, body) = unread::watch(request);
    let handled = AssertUnwindSafe(async move { routes.call(request).await }).catch_unwind();
    let mut response = handled.await.unwrap_or_else(|panic| {
        let message = panic_message(panic.as_ref());
        // The end of a callback's path is a secret.
        let path = path.split_once("/api/webhooks/").map_or(path.as_str(), |_| "/api/webhooks/…");
        tracing::error!(%method, path, message, "a handler panicked");
        Ok(Problem::new(Code::Internal, "the server failed").into_response())
    })?;
    if !body.is_read() {
        // The rest of the body is in the way of any further request: a client that was not told
        // would send one, and never get an answer (RFC 9112, section 9.3).
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
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
pub(super) fn no_route(path: &str) -> Problem {
    Problem::new(Code::UnknownRoute, format!("nothing answers at {}", quoted(path)))
}

/// For `Router::method_not_allowed_fallback`; axum adds `Allow`.
pub async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("{} does not take {method}", uri.path());
    Problem::new(Code::MethodNotAllowed, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use axum::body::Body;
    use axum::routing::{get, post};
    use bytes::Bytes;
    use futures_util::{StreamExt, stream};
    use tokio::io::AsyncWriteExt;
    use tokio::sync::Notify;
    use tokio::task::JoinHandle;
    use tokio::time::Instant;

    struct Server {
        address: SocketAddr,
        draining: CancellationToken,
        deadline: CancellationToken,
        task: JoinHandle<()>,
    }

    fn start(router: Router) -> Server {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let (draining, deadline) = (CancellationToken::new(), CancellationToken::new());
        let router = router.fallback(unknown_route).method_not_allowed_fallback(wrong_method);
        let stall = Duration::from_secs(60);
        let served = serve(listener, router, stall, draining.clone(), deadline.clone());
        Server { address, draining, deadline, task: tokio::spawn(served) }
    }

    impl Server {
        async fn send(&self, request: &str) -> TcpStream {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            stream
        }

        /// Everything that comes back to one request, to the end of the connection.
        async fn ask(&self, request: &str) -> String {
            rest(self.send(request).await).await
        }
    }

    async fn rest(mut stream: TcpStream) -> String {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    fn request(method: &str, path: &str) -> String {
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    }

    /// A response of one chunk now and another one once it is told.
    fn in_two_parts(go: &Arc<Notify>) -> Router {
        let go = Arc::clone(go);
        let handler = async move || {
            let first = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"first;"))]);
            let second = async move {
                go.notified().await;
                Ok(Bytes::from_static(b"second;"))
            };
            Body::from_stream(first.chain(stream::once(second)))
        };
        Router::new().route("/parts", get(handler))
    }

    async fn read_until(stream: &mut TcpStream, text: &str) {
        let mut seen = String::new();
        while !seen.contains(text) {
            seen.push(char::from(stream.read_u8().await.unwrap()));
        }
    }

    #[tokio::test]
    async fn a_panic_costs_its_request_and_nothing_else() {
        async fn broken() -> &'static str {
            panic!("a secret")
        }
        let router = Router::new().route("/panic", get(broken)).route("/", get(async || "fine"));
        let server = start(router);
        let answer = server.ask(&request("GET", "/panic")).await;
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        assert!(answer.contains("\"code\":\"internal\"") && !answer.contains("secret"), "{answer}");
        assert!(server.ask(&request("GET", "/")).await.ends_with("fine"));
    }

    #[tokio::test]
    async fn what_is_not_there_is_told_as_a_problem() {
        let server = start(Router::new().route("/here", get(async || "")));
        let answer = server.ask(&request("GET", "/there?x=1")).await;
        assert!(
            answer.starts_with("HTTP/1.1 404 ") && answer.contains("unknown_route"),
            "{answer}"
        );
        let answer = server.ask(&request("POST", "/here")).await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
        assert!(answer.contains("allow: GET,HEAD") && answer.contains("method_not_allowed"));
    }

    #[tokio::test]
    async fn a_handler_knows_its_peer() {
        let who = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.ip().to_string();
        let server = start(Router::new().route("/", get(who)));
        assert!(server.ask(&request("GET", "/")).await.ends_with("127.0.0.1"));
    }

    #[tokio::test]
    async fn a_drain_waits_for_responses_and_closes_idle_connections() {
        let go = Arc::new(Notify::new());
        let server = start(in_two_parts(&go));
        let mut running = server.send("GET /parts HTTP/1.1\r\nhost: x\r\n\r\n").await;
        read_until(&mut running, "first;").await;
        let fresh = server.send("").await;
        let mut idle = server.send("GET /none HTTP/1.1\r\nhost: x\r\n\r\n").await;
        read_until(&mut idle, "}").await;
        server.draining.cancel();
        assert_eq!(rest(idle).await, "");
        assert_eq!(rest(fresh).await, "");
        assert!(!server.task.is_finished());
        go.notify_one();
        assert!(rest(running).await.contains("second;"));
        server.task.await.unwrap();
        assert!(TcpStream::connect(server.address).await.is_err());
    }

    #[tokio::test]
    async fn the_deadline_ends_what_a_drain_would_wait_for() {
        let server = start(in_two_parts(&Arc::new(Notify::new())));
        let mut running = server.send(&request("GET", "/parts")).await;
        read_until(&mut running, "first;").await;
        server.draining.cancel();
        server.deadline.cancel();
        server.task.await.unwrap();
        assert!(!rest(running).await.contains("second;"));
    }

    #[tokio::test]
    async fn a_client_that_is_refused_while_it_sends_still_reads_why() {
        let refuse = async |body: Body| super::super::body::bounded(body, 10).await.map(drop);
        let server = start(Router::new().route("/", post(refuse)));
        let length = 4 << 20;
        let head = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
        let mut stream = server.send(&head).await;
        // The whole body first, as many clients do, and only then the answer.
        stream.write_all(&vec![b'x'; length]).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = rest(stream).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.contains("connection: close"), "and sends nothing more there: {answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_cannot_accept_rests_and_goes_on() {
        let mut errors = vec![
            io::Error::from_raw_os_error(24), // EMFILE
            io::ErrorKind::ConnectionAborted.into(),
            io::Error::from_raw_os_error(24),
        ];
        let accept = |_: &mut Context<'_>| match errors.pop() {
            Some(error) => Poll::Ready(Err(error)),
            None => Poll::Ready(Ok("connection")),
        };
        let (start, mut trouble) = (Instant::now(), false);
        assert_eq!(next(accept, &mut trouble).await, "connection");
        assert!(!trouble);
        assert_eq!(start.elapsed().as_millis(), 2 * REST.as_millis());
    }

    #[tokio::test]
    async fn an_address_in_use_is_refused() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let error = bind(first.local_addr().unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
