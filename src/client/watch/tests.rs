//! A watch against servers that do as they are told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::super::Options;
use super::*;
use crate::backoff::Policy;

const OPEN: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nretry: 1\n\n";
const HELLO: &str = "event: hello\ndata: {\"keep_alive_ms\":50}\n\n";

/// What a connection gets: these bytes, then silence until the client leaves, or the end.
struct Answer {
    bytes: String,
    silent: bool,
}

fn stream(events: &str) -> Answer {
    Answer { bytes: format!("{OPEN}{HELLO}{events}"), silent: false }
}

fn answer(status: &str, body: &str) -> Answer {
    let size = body.len();
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {size}");
    Answer { bytes: format!("{head}\r\n\r\n{body}"), silent: false }
}

fn content(id: u64) -> String {
    format!("id: {id}\nevent: content\ndata: {{\"n\":{id}}}\n\n")
}

fn completed(id: u64) -> String {
    format!("id: {id}\nevent: completed\ndata: {{}}\n\n")
}

/// Listens; `serve` gets each connection with the head of its request.
async fn listen<F, S>(serve: S) -> String
where
    S: Fn(TcpStream, String) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let serve = Arc::new(serve);
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let serve = Arc::clone(&serve);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = socket.read_u8().await else { return };
                    head.push(byte);
                }
                serve(socket, String::from_utf8(head).unwrap().to_lowercase()).await;
            });
        }
    });
    address
}

async fn give(mut socket: TcpStream, answer: Answer) {
    socket.write_all(answer.bytes.as_bytes()).await.unwrap();
    if answer.silent {
        // Ends when the client has closed the connection.
        drop(socket.read_u8().await);
    }
}

/// A server that gives one answer per connection, in this order, then refuses all, and keeps what
/// it was asked.
struct Script {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Script {
    async fn new(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            for answer in answers {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(socket.read_u8().await.unwrap());
                }
                seen.lock().unwrap().push(String::from_utf8(head).unwrap().to_lowercase());
                give(socket, answer).await;
            }
        });
        Self { address, requests }
    }

    fn watch(&self, after: u64) -> Watch {
        watch_at(&self.address, after)
    }

    fn asked(&self, at: usize) -> String {
        self.requests.lock().unwrap()[at].clone()
    }
}

fn watch_at(address: &str, after: u64) -> Watch {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        rustls::crypto::ring::default_provider().install_default().ok();
    });
    let millisecond = Duration::from_millis(1);
    let options = Options {
        reconnect: Policy { first: millisecond, ceiling: millisecond, retries: Some(5) },
        ..Options::new(address)
    };
    Client::new(options).unwrap().watch("job_1", after)
}

/// Ids of the events that a watch hands out until its end, and how often it reconnected.
async fn drain(watch: &mut Watch) -> (Vec<u64>, usize) {
    let (mut ids, mut reconnects) = (Vec::new(), 0);
    while let Some(event) = watch.next().await.unwrap() {
        ids.extend(event.id());
        reconnects += usize::from(matches!(event, WatchEvent::Reconnecting(_)));
    }
    assert_eq!(watch.phase(), Phase::Ended);
    (ids, reconnects)
}

#[tokio::test]
async fn a_lost_connection_goes_on_behind_the_last_event() {
    let script = Script::new(vec![
        stream(&format!("{}{}id: 9\nevent: cut", content(5), content(7))),
        stream(&format!("{}{}{}", content(7), content(8), completed(9))),
    ])
    .await;
    assert_eq!(drain(&mut script.watch(3)).await, (vec![5, 7, 8, 9], 1));
    assert!(script.asked(0).contains("last-event-id: 3\r\n"));
    assert!(script.asked(1).contains("last-event-id: 7\r\n"), "{}", script.asked(1));
}

#[tokio::test]
async fn the_beginning_is_asked_for_without_a_cursor() {
    let script = Script::new(vec![stream(&completed(1))]).await;
    assert_eq!(drain(&mut script.watch(0)).await, (vec![1], 0));
    assert!(!script.asked(0).contains("last-event-id"));
}

#[tokio::test]
async fn three_missed_keep_alives_are_a_lost_connection() {
    let silent = Answer { silent: true, ..stream(&content(1)) };
    let script = Script::new(vec![silent, stream(&completed(2))]).await;
    let mut watch = script.watch(0);
    assert_eq!(drain(&mut watch).await, (vec![1, 2], 1));
}

#[tokio::test]
async fn no_content_is_the_end() {
    let bytes = "HTTP/1.1 204 No Content\r\n\r\n".to_owned();
    let script = Script::new(vec![Answer { bytes, silent: false }]).await;
    assert_eq!(script.watch(9).next().await.unwrap(), None);
}

#[tokio::test]
async fn an_overloaded_server_is_asked_again() {
    let script = Script::new(vec![answer("503 x\r\nretry-after: 0", ""), stream(&completed(2))]);
    assert_eq!(drain(&mut script.await.watch(0)).await, (vec![2], 1));
}

#[tokio::test]
async fn after_a_gap_the_snapshots_id_is_the_cursor() {
    let events = "event: gap\ndata: {\"reason\":\"future\"}\n\n\
                  id: 4\nevent: snapshot\ndata: {\"text\":\"so far\"}\n\n";
    let script =
        Script::new(vec![stream(&format!("{events}{}{}", content(5), completed(6)))]).await;
    assert_eq!(drain(&mut script.watch(999)).await, (vec![4, 5, 6], 0));
}

#[tokio::test]
async fn a_refusal_is_told_with_its_code() {
    let body = r#"{"code":"unknown_job","detail":"there is no such job"}"#;
    let script = Script::new(vec![answer("404 x", body)]).await;
    let mut watch = script.watch(0);
    let error = watch.next().await.unwrap_err();
    assert_eq!(error.to_string(), "there is no such job (unknown_job)");
    assert!(error.is_bad_input());
    assert_eq!(watch.next().await.unwrap(), None, "then it is over");
}

#[tokio::test]
async fn an_address_that_has_expired_is_asked_for_again() {
    let job = json!({ "id": "job_1", "kind": "blog", "status": "running",
                      "stream_url": "/api/jobs/job_1/stream?ticket=fresh" });
    let script = Script::new(vec![
        answer("401 x", "{}"),
        answer("200 OK", &job.to_string()),
        stream(&completed(2)),
    ])
    .await;
    assert_eq!(drain(&mut script.watch(0)).await, (vec![2], 0));
    assert!(script.asked(1).starts_with("get /api/jobs/job_1 http"), "{}", script.asked(1));
    assert!(script.asked(2).starts_with("get /api/jobs/job_1/stream?ticket=fresh http"));
    let script = Script::new(vec![
        answer("401 x", "{}"),
        answer("200 OK", &job.to_string()),
        answer("401 x", "{}"),
    ]);
    let error = script.await.watch(0).next().await.unwrap_err();
    assert!(matches!(error, ClientError::Problem { status: 401, .. }), "{error}");
}

#[tokio::test]
async fn what_is_no_event_stream_and_no_page_is_no_server_of_ours() {
    let html = || answer("200 OK\r\ncontent-type: text/html", "<h1>");
    let script = Script::new(vec![html(), html(), html(), html()]).await;
    let mut watch = script.watch(0);
    let error = loop {
        match watch.next().await {
            Ok(event) => assert!(matches!(event, Some(WatchEvent::Reconnecting(_))), "{event:?}"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, ClientError::Unreadable(_)), "{error}");
    assert!(script.asked(3).starts_with("get /api/jobs/job_1/events?after=0"));
}

#[tokio::test]
async fn a_server_that_never_was_there_is_an_error_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = watch_at(&address, 0).next().await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("no server answers at {address}")), "{error}");
}

#[tokio::test]
async fn a_server_that_stays_away_ends_the_watch_when_the_policy_does() {
    let script = Script::new(vec![stream(&content(1))]).await;
    let mut watch = script.watch(0);
    let mut reconnects = 0;
    let error = loop {
        match watch.next().await {
            Ok(Some(WatchEvent::Reconnecting(_))) => reconnects += 1,
            Ok(event) => assert!(event.is_some()),
            Err(error) => break error,
        }
    };
    assert_eq!(reconnects, 4, "streams and polls share one budget, and so does turning to polls");
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
    assert_eq!(watch.cursor(), 1);
}

#[tokio::test]
async fn control_events_are_told_and_move_no_cursor() {
    let events = "event: queue\ndata: {\"position\":2}\n\n: keep-alive\n\nevent: bye\ndata: {}\n\n";
    let script = Script::new(vec![stream(&format!("{}{events}", content(3)))]).await;
    let mut watch = script.watch(0);
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(watch.next().await.unwrap().unwrap());
    }
    let event = StreamEvent { id: 3, name: "content".to_owned(), data: json!({ "n": 3 }) };
    assert_eq!(
        seen,
        [
            WatchEvent::Hello(json!({ "keep_alive_ms": 50 })),
            WatchEvent::Event(event),
            WatchEvent::Queue(json!({ "position": 2 })),
            WatchEvent::Bye(json!({})),
        ]
    );
    assert_eq!(watch.cursor(), 3);
}

#[tokio::test]
async fn a_server_that_says_goodbye_is_come_back_to_when_it_wants() {
    let bye = "event: bye\ndata: {\"reason\":\"draining\",\"retry_ms\":2}\n\n";
    let script = Script::new(vec![stream(bye), stream(&completed(1))]).await;
    let mut watch = script.watch(0);
    let mut reconnects = Vec::new();
    while let Some(event) = watch.next().await.unwrap() {
        if let WatchEvent::Reconnecting(reconnect) = event {
            reconnects.push(reconnect);
        }
    }
    let reason = "the server asked to come back".to_owned();
    assert_eq!(reconnects, [Reconnect { delay: Duration::from_millis(2), reason }]);
}

#[tokio::test]
async fn a_call_that_is_dropped_loses_no_event() {
    let script = Script::new(vec![
        stream(&format!("{}{}", content(1), content(2))),
        stream(&format!("{}{}", content(3), completed(4))),
    ])
    .await;
    let mut watch = script.watch(0);
    let mut ids = Vec::new();
    loop {
        // Each call is asked once and dropped where it has nothing.
        match watch.next().now_or_never() {
            None => tokio::task::yield_now().await,
            Some(event) => match event.unwrap() {
                Some(event) => ids.extend(event.id()),
                None => break,
            },
        }
    }
    assert_eq!(ids, [1, 2, 3, 4]);
}

/// A number in the query of a request.
fn number(head: &str, name: &str) -> u64 {
    let query = head.lines().next().unwrap().split([' ', '?', '&']);
    let value = query.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
    value.unwrap_or_else(|| panic!("no '{name}' in {head}")).1.parse().unwrap()
}

/// A page of the events behind a cursor, of those with these ids; the last one is the end.
fn page(after: u64, newest: u64, last: u64) -> Answer {
    let event = |id: u64| {
        let name = if id == last { "completed" } else { "content" };
        json!({ "id": id, "type": name, "at": 1, "data": {} })
    };
    let events: Vec<Value> = (after + 1..=newest).map(event).collect();
    let page = json!({ "events": events, "next": newest, "head": newest, "ended": newest == last,
                       "poll_after_ms": 300 });
    answer("200 OK", &page.to_string())
}

/// A server on whose way this many streams are held back: their head comes, and never a byte of
/// their body. What is known of six events is one more with each poll, as long as streams do not get
/// through; then the last two come by a stream.
async fn behind_a_buffer(streams: &Arc<AtomicUsize>, held_back: usize) -> String {
    let streams = Arc::clone(streams);
    let polls = Arc::new(AtomicUsize::new(0));
    let most = if held_back == usize::MAX { 6 } else { 4 };
    listen(move |socket, head| {
        let answer = if !head.contains("/stream") {
            let newest = polls.fetch_add(1, Ordering::SeqCst) as u64 + 1;
            page(number(&head, "after"), newest.min(most), 6)
        } else if streams.fetch_add(1, Ordering::SeqCst) < held_back {
            Answer { bytes: OPEN.trim_end_matches("retry: 1\n\n").to_owned(), silent: true }
        } else {
            stream(&format!("{}{}", content(5), completed(6)))
        };
        give(socket, answer)
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn where_streams_are_held_back_a_watch_polls_to_the_end() {
    let streams = Arc::default();
    let address = behind_a_buffer(&streams, usize::MAX).await;
    let mut watch = watch_at(&address, 0);
    let (mut ids, mut reasons) = (Vec::new(), Vec::new());
    while let Some(event) = watch.next().await.unwrap() {
        ids.extend(event.id());
        if let WatchEvent::Polling { reason } = event {
            assert_eq!(watch.phase(), Phase::Polling);
            reasons.push(reason);
        }
    }
    assert_eq!(ids, [1, 2, 3, 4, 5, 6], "each event once");
    assert_eq!(reasons, ["the stream is held back on the way"]);
    assert_eq!(streams.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_gets_through_later_takes_over_from_polls() {
    let streams = Arc::default();
    let address = behind_a_buffer(&streams, 2).await;
    let mut watch = watch_at(&address, 0);
    let (mut ids, mut phases) = (Vec::new(), Vec::new());
    while let Some(event) = watch.next().await.unwrap() {
        ids.extend(event.id());
        match event {
            WatchEvent::Polling { .. } => phases.push("polling"),
            WatchEvent::Hello(_) => phases.push("live"),
            _ => {}
        }
    }
    assert_eq!(ids, [1, 2, 3, 4, 5, 6], "each event once");
    assert_eq!(phases, ["polling", "live"]);
    assert_eq!(streams.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_gap_in_a_page_is_a_gap() {
    let address = listen(|socket, head| async move {
        let answer = if head.contains("/stream") {
            Answer { bytes: String::new(), silent: true }
        } else {
            assert_eq!(number(&head, "after"), 999);
            let event = json!({ "id": 5, "type": "completed", "at": 1, "data": {} });
            let page = json!({ "events": [event], "next": 5, "head": 5, "ended": true,
                               "gap": { "from": 999, "to": 4, "reason": "ahead_of_head" },
                               "snapshot": { "text": "so far" }, "poll_after_ms": null });
            answer("200 OK", &page.to_string())
        };
        give(socket, answer).await;
    })
    .await;
    let mut watch = watch_at(&address, 999);
    assert!(matches!(watch.next().await.unwrap(), Some(WatchEvent::Gap(_))));
    assert_eq!(watch.cursor(), 999);
    let snapshot =
        StreamEvent { id: 4, name: "snapshot".to_owned(), data: json!({ "text": "so far" }) };
    assert_eq!(watch.next().await.unwrap(), Some(WatchEvent::Snapshot(snapshot)));
    assert_eq!(drain(&mut watch).await, (vec![5], 0));
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_is_away_hears_no_silence() {
    let mut clock = Clock::default();
    clock.start();
    tokio::time::advance(Duration::from_millis(40)).await;
    clock.stop();
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(clock.now(), 40);
    clock.start();
    tokio::time::advance(Duration::from_millis(2)).await;
    // A call that was dropped did not stop it.
    clock.start();
    assert_eq!(clock.now(), 42);
    tokio::time::sleep_until(clock.at(50)).await;
    assert_eq!(clock.now(), 50);
}

#[test]
fn a_watch_can_go_to_another_thread() {
    fn goes<T: Send>() {}
    goes::<Watch>();
}
