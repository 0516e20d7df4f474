//! A server that does one thing wrong with the events that it is sent.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

use super::{Ended, run};

/// What happens to the eighth event.
#[derive(Clone, Copy)]
enum Fault {
    None,
    /// It is lost.
    Lost,
    /// It comes twice.
    Doubled,
    /// It comes after the ninth.
    Late,
    /// It loses its last bytes.
    Cut,
    /// A byte of it is another one.
    Changed,
}

/// Which event is wrong, from 0.
const WRONG: usize = 7;

/// What is written for the nth event.
fn written(fault: Fault, nth: usize, events: &[String]) -> Vec<String> {
    let event = events[nth].clone();
    match (fault, nth) {
        (Fault::Lost, WRONG) => vec![],
        (Fault::Doubled, WRONG) => vec![event.clone(), event],
        (Fault::Late, WRONG) => vec![],
        (Fault::Late, nth) if nth == WRONG + 1 => vec![event, events[WRONG].clone()],
        (Fault::Cut, WRONG) => vec![event[..event.len() - 10].to_owned()],
        (Fault::Changed, WRONG) => vec![event.replacen("abc", "abd", 1)],
        _ => vec![event],
    }
}

/// Publishes by POST, reads by GET; events go out as they came but for the fault.
async fn serve(listener: TcpListener, fault: Fault) {
    let (sender, _) = broadcast::channel(1024);
    let sender = Arc::new(sender);
    while let Ok((stream, _)) = listener.accept().await {
        let sender = Arc::clone(&sender);
        tokio::spawn(async move { connection(stream, &sender, fault).await });
    }
}

async fn connection(stream: TcpStream, sender: &broadcast::Sender<String>, fault: Fault) {
    let mut stream = BufReader::new(stream);
    let mut events = Vec::new();
    while let Some((method, length)) = head(&mut stream).await {
        if method == "GET" {
            return stream_events(stream.into_inner(), sender.subscribe()).await;
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.expect("a whole body");
        events.push(String::from_utf8(body).expect("JSON"));
        for event in written(fault, events.len() - 1, &events) {
            sender.send(event).ok();
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.expect("it reads");
    }
}

/// The method and the length of the body.
async fn head(stream: &mut BufReader<TcpStream>) -> Option<(String, usize)> {
    let (mut method, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
        if line == "\r\n" {
            return Some((method?, length));
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().expect("a number");
        }
        method = method.or_else(|| line.split(' ').next().map(str::to_owned));
    }
}

async fn stream_events(mut stream: TcpStream, mut events: broadcast::Receiver<String>) {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("it reads");
    while let Ok(event) = events.recv().await {
        if stream.write_all(format!("data: {event}\n\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Loads a server with this fault.
async fn load(fault: Fault) -> Ended {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address: SocketAddr = listener.local_addr().expect("it is bound");
    let server = tokio::spawn(serve(listener, fault));
    let url = format!("http://{address}/");
    let ended = run(&[
        "fanout",
        "--adapter",
        "sse",
        "--server",
        &url,
        "--publish",
        &url,
        "--readers",
        "3",
        "--events",
        "20",
        "--rate",
        "200",
        "--patience",
        "3",
    ])
    .await;
    server.abort();
    ended
}

/// The load test fails on nothing but this, and names the event.
#[track_caller]
fn assert_noticed(ended: &Ended, claim: &str, finding: &str) {
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.failed().contains(&claim), "{:?}", ended.failed());
    assert!(ended.findings().contains(finding), "{}", ended.findings());
}

#[tokio::test]
async fn a_bare_server_that_does_nothing_wrong_passes() {
    let ended = load(Fault::None).await;
    ended.assert_passed();
    assert_eq!(ended.figure("delivered"), 60.0);
}

#[tokio::test]
async fn a_lost_event_is_noticed() {
    let ended = load(Fault::Lost).await;
    assert_noticed(&ended, "no event is missing", "events 7 to 7 did not come before 8");
}

#[tokio::test]
async fn a_doubled_event_is_noticed() {
    let ended = load(Fault::Doubled).await;
    assert_noticed(&ended, "no event comes twice", "event 7 came again");
}

#[tokio::test]
async fn an_event_out_of_order_is_noticed() {
    let ended = load(Fault::Late).await;
    assert_noticed(&ended, "no event comes out of order", "event 7 came after event 8");
}

#[tokio::test]
async fn a_cut_event_is_noticed() {
    let ended = load(Fault::Cut).await;
    assert_noticed(&ended, "every event is whole", "at or behind 7 is not what was published");
}

#[tokio::test]
async fn a_changed_event_is_noticed() {
    let ended = load(Fault::Changed).await;
    assert_noticed(&ended, "every event is whole", "at or behind 7 is not what was published");
}
