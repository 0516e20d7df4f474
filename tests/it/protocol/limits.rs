//! § 17: limits.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Response;
use serde_json::{Value, json};
use tailwater::config::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{PATIENCE, Reader, TestServer};

use super::{content, event};

/// How often a condition is looked at that nobody tells of.
const LOOK: Duration = Duration::from_millis(20);

/// A picture of 320 by 240, and as many bytes behind it as make it this long.
fn gif(bytes: usize) -> Vec<u8> {
    let mut gif = b"GIF89a\x40\x01\xF0\0\0\0\0;".to_vec();
    gif.resize(bytes, 0);
    gif
}

/// A server that holds this machine to its limits too.
async fn limited(change: impl FnOnce(&mut Settings)) -> TestServer {
    TestServer::with(|settings| {
        settings.limit_loopback = true;
        change(settings);
    })
    .await
    .at_one_node()
}

/// Asserts that a response is a problem of a limit, with when to come again.
async fn is_over(response: Response, status: u16, code: &str) -> Value {
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let retry_after = response.headers().get("retry-after").cloned();
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["code"], code, "{problem}");
    assert!(problem["limit"].is_u64(), "{problem}");
    if matches!(status, 429 | 503) {
        let seconds: u64 = retry_after.unwrap().to_str().unwrap().parse().unwrap();
        assert!(seconds >= 1);
    }
    problem
}

/// Asserts that a stream was opened only to be told when to come again.
async fn is_sent_away(mut reader: Reader, code: &str) {
    assert_eq!(reader.status, 200, "a browser gives up for good on anything else");
    assert_eq!(reader.headers["content-type"], "text/event-stream");
    let messages = reader.read_to_end().await;
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!((messages[0].event.as_str(), messages[0].id), ("bye", None));
    assert_eq!(messages[0].data["reason"], code);
    assert!((15_000..45_000).contains(&reader.retries[0]), "{:?}", reader.retries);
    assert_eq!(reader.comments.len(), 1, "it says why: {:?}", reader.comments);
}

/// A connection on which one thing is said at a time.
async fn say(server: &TestServer, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// Everything that comes until the server closes.
async fn hear(mut stream: TcpStream) -> String {
    let mut heard = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut heard)).await;
    read.expect("the server closes the connection").ok();
    String::from_utf8_lossy(&heard).into_owned()
}

/// A connection that is kept after an answer.
async fn kept(server: &TestServer) -> TcpStream {
    let mut stream = say(server, "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let mut heard = String::new();
    while !heard.contains("\r\n\r\n") {
        heard.push(char::from(stream.read_u8().await.unwrap()));
    }
    assert!(heard.starts_with("HTTP/1.1 200 "), "{heard}");
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p77_who_asks_too_often_is_told_when_to_come_again() {
    let server = limited(|settings| settings.requests_per_address = 1).await;
    let ask = || server.http.get(server.url("/healthz")).send();
    // Two at once, then one a second: some of these are too many however slow the machine is.
    let answers = join_all((0..100).map(|_| ask())).await;
    let refused = answers.into_iter().map(Result::unwrap).find(|answer| answer.status() != 200);
    is_over(refused.expect("one is too many"), 429, "too_many_requests").await;
    for path in
        ["/api/jobs/job_none/stream", "/api/stream?job=a", "/api/projects/p/stream?include=x"]
    {
        let url = server.url(path);
        let readers = (0..100).map(|_| Reader::open(&server.http, &url, None));
        let refused = join_all(readers).await.into_iter().find(|reader| reader.status == 200);
        is_sent_away(refused.expect("one is too many"), "too_many_requests").await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p78_a_connection_too_many_is_told_so_and_closed() {
    let server = limited(|settings| settings.connections_per_address = 1).await;
    let first = kept(&server).await;
    let heard = hear(say(&server, "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await).await;
    assert!(
        heard.starts_with("HTTP/1.1 429 ") && heard.contains("too_many_connections"),
        "{heard}"
    );
    assert!(heard.contains("retry-after: ") && heard.contains("\"limit\":1"), "{heard}");
    let heard =
        hear(say(&server, "GET /api/stream?job=a HTTP/1.1\r\nhost: localhost\r\n\r\n").await).await;
    assert!(heard.starts_with("HTTP/1.1 200 ") && heard.contains("\nretry: "), "{heard}");
    drop(first);
    let served = async {
        while server
            .http
            .get(server.url("/healthz"))
            .send()
            .await
            .is_ok_and(|it| it.status() != 200)
        {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(PATIENCE, served).await.expect("the next one is served");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p78_past_the_last_connection_streams_count_as_well() {
    let server = TestServer::with(|settings| settings.max_connections = 3).await.at_one_node();
    let job = server.submit_external().await;
    // The client keeps the connection of the submit, and opens one for the stream at most.
    let mut reader = server.follow(&job).await;
    reader.until("hello").await;
    let mut held = Vec::new();
    let refused = loop {
        let mut stream = say(&server, "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        let mut heard = String::new();
        while !heard.contains("\r\n\r\n") {
            heard.push(char::from(stream.read_u8().await.unwrap()));
        }
        held.push(stream);
        if !heard.starts_with("HTTP/1.1 200 ") {
            break heard;
        }
        assert!(held.len() < 3, "the stream counts");
    };
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("retry-after: "), "{refused}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p79_a_stream_too_many_is_told_to_come_later_and_room_is_given_back() {
    let by_address: fn(&mut Settings) = |settings| settings.streams_per_address = 1;
    let by_job: fn(&mut Settings) = |settings| settings.streams_per_job = 1;
    for change in [by_address, by_job] {
        let server = limited(change).await;
        let job = server.submit_external().await;
        let mut first = server.follow(&job).await;
        first.until("hello").await;
        is_sent_away(server.follow(&job).await, "too_many_streams").await;
        let several = server.url(&format!("/api/stream?job={job}"));
        is_sent_away(Reader::open(&server.http, &several, None).await, "too_many_streams").await;
        drop(first);
        let served = async {
            while server.follow(&job).await.next().await.unwrap().event != "hello" {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(PATIENCE, served).await.expect("the next one is served");
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p80_jobs_that_wait_are_counted_for_each_project() {
    let server = TestServer::with(|settings| {
        settings.jobs_per_project = 2;
        settings.workers = 0;
    })
    .await;
    let url = server.url("/api/jobs");
    let submit = |project: &'static str, key: String| {
        let body = json!({ "kind": "external", "project_id": project });
        server.http.post(&url).header("idempotency-key", key).json(&body).send()
    };
    let answers = join_all((0..10).map(|number| submit("p", number.to_string()))).await;
    let mut taken = Vec::new();
    for (number, answer) in answers.into_iter().map(Result::unwrap).enumerate() {
        if answer.status() == 202 {
            taken.push(number);
        } else {
            let problem = is_over(answer, 429, "too_many_jobs").await;
            assert_eq!(problem["limit"], 2);
        }
    }
    assert_eq!(taken.len(), 2, "no two pass at once");
    let again = submit("p", taken[0].to_string()).await.unwrap();
    assert_eq!(again.status(), 202, "what was taken is answered again");
    let first: Value = again.json().await.unwrap();
    assert_eq!(submit("q", "q".into()).await.unwrap().status(), 202);
    let job = first["job_id"].as_str().unwrap();
    assert_eq!(server.post(&format!("/api/jobs/{job}/cancel"), &json!({})).await.0, 200);
    assert_eq!(submit("p", "next".into()).await.unwrap().status(), 202);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p81_files_that_a_project_has_no_room_for_are_refused_before_they_are_read() {
    let server = TestServer::with(|settings| settings.disk_per_project = 8_292).await.at_one_node();
    let upload = |project: &str, bytes: usize| {
        let request = server.http.post(server.url(&format!("/api/uploads?project_id={project}")));
        request.header("content-type", "image/gif").body(gif(bytes)).send()
    };
    assert_eq!(upload("p", 60).await.unwrap().status(), 201);
    let problem = is_over(upload("p", 60).await.unwrap(), 413, "project_full").await;
    assert_eq!((&problem["limit"], &problem["used"]), (&json!(8_292), &json!(4_156)));
    // Nothing of the body has come, and the answer is there.
    let head =
        "POST /api/uploads?project_id=p HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/gif\r\n";
    let heard = hear(say(&server, &format!("{head}content-length: 60\r\n\r\n")).await).await;
    assert!(heard.starts_with("HTTP/1.1 413 "), "{heard}");
    assert_eq!(upload("q", 100).await.unwrap().status(), 201);
    assert_eq!(upload("p", 40).await.unwrap().status(), 201);
    is_over(upload("p", 20).await.unwrap(), 413, "project_full").await;
    let form = reqwest::multipart::Form::new()
        .text("project_id", "p")
        .part("file", reqwest::multipart::Part::bytes(gif(20)));
    let of_form = server.http.post(server.url("/api/uploads")).multipart(form).send();
    is_over(of_form.await.unwrap(), 413, "project_full").await;
    let body = json!({ "kind": "external", "project_id": "p" });
    let submit = server.http.post(server.url("/api/jobs")).json(&body).send();
    is_over(submit.await.unwrap(), 413, "project_full").await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p81_what_jobs_say_counts_and_a_full_project_still_hears_how_they_end() {
    let server = TestServer::with(|settings| settings.disk_per_project = 100_000).await;
    let job = server.submit_external().await;
    let mut problem = Value::Null;
    let filled = async {
        loop {
            let (status, answer) = server.push(&job, &[content(&"x".repeat(10_000))]).await;
            if status != 200 {
                problem = answer;
                return assert_eq!(status, 413);
            }
        }
    };
    tokio::time::timeout(PATIENCE, filled).await.expect("it is full at some time");
    assert_eq!((&problem["code"], &problem["limit"]), (&json!("project_full"), &json!(100_000)));
    assert!(problem["used"].as_u64() >= Some(100_000), "{problem}");
    let (status, answer) = server.push(&job, &[event("completed", &json!({}))]).await;
    assert_eq!(status, 200, "{answer}");
    let submit = server.http.post(server.url("/api/jobs")).json(&json!({ "kind": "external" }));
    is_over(submit.send().await.unwrap(), 413, "project_full").await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p82_a_head_has_its_size_and_its_time_and_an_idle_connection_ends() {
    let second = Duration::from_secs(1);
    let server = TestServer::with(|settings| {
        settings.header_limit = 8 << 10;
        settings.header_timeout = second;
        settings.idle_timeout = second;
    })
    .await
    .at_one_node();
    let long =
        format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "a".repeat(9_000));
    assert!(hear(say(&server, &long).await).await.starts_with("HTTP/1.1 431 "));
    let slow = hear(say(&server, "GET /healthz HTTP/1.1\r\nhost:").await).await;
    assert!(slow.starts_with("HTTP/1.1 408 ") && slow.contains("request_timeout"), "{slow}");
    assert!(slow.contains("retry-after: "), "{slow}");
    assert_eq!(hear(kept(&server).await).await.matches("HTTP/1.1").count(), 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p83_a_client_is_known_by_its_address_before_the_proxies_that_are_trusted() {
    let asks = async |server: &TestServer, client: String| {
        let request = server.http.get(server.url("/healthz")).header("x-forwarded-for", client);
        request.send().await.unwrap().status().as_u16()
    };
    let server = TestServer::with(|settings| {
        settings.requests_per_address = 1;
        settings.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await
    .at_one_node();
    let of_one = join_all((0..50).map(|_| asks(&server, "203.0.113.9".into()))).await;
    assert!(of_one.contains(&429), "{of_one:?}");
    // A client that forges what stands to its left is the same client.
    let forged = (0..50).map(|n| asks(&server, format!("10.0.0.{n}, 203.0.113.9")));
    assert!(join_all(forged).await.contains(&429));
    // Another one is not the same; all of a /64 is.
    assert_eq!(asks(&server, "203.0.113.10".into()).await, 200);
    let of_network = (0..50).map(|n| asks(&server, format!("2001:db8::{n}")));
    assert!(join_all(of_network).await.contains(&429));
    server.stop().await;

    // Nobody is trusted by default.
    let server = limited(|settings| settings.requests_per_address = 1).await;
    let forged = (0..50).map(|n| asks(&server, format!("203.0.113.{n}")));
    assert!(join_all(forged).await.contains(&429));
    server.stop().await;
}
