//! The whole of it, over sockets.

use super::super::peer::Client;
use super::*;
use std::convert::Infallible;
use std::net::SocketAddr;

use axum::body::Body;
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

struct Server {
    address: SocketAddr,
    draining: CancellationToken,
    deadline: CancellationToken,
    task: JoinHandle<()>,
}

fn start(router: Router) -> Server {
    start_with(router, Options::default())
}

fn start_with(router: Router, options: Options) -> Server {
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let (draining, deadline) = (CancellationToken::new(), CancellationToken::new());
    let router = router.fallback(unknown_route).method_not_allowed_fallback(wrong_method);
    let ends = Ends { draining: draining.clone(), deadline: deadline.clone() };
    let served = serve(listener, router, options, ends);
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
    assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains("unknown_route"), "{answer}");
    let answer = server.ask(&request("POST", "/here")).await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    assert!(answer.contains("allow: GET,HEAD") && answer.contains("method_not_allowed"));
}

#[tokio::test]
async fn a_handler_knows_who_asks() {
    let who = async |client: Client| client.address.to_string();
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
