//! Requests that are broken below HTTP's words: cut, garbled, huge, slow.

use serde_json::json;

use super::{Wire, names, works_on};
use crate::harness::database::Database;
use crate::harness::{Reader, TestServer};

#[tokio::test]
async fn a_body_that_is_cut_within_a_line_leaves_the_lines_before_it() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let mut reader = server.follow(&job).await;
    let mut wire = Wire::push(&server, &job).await;
    wire.chunk("{\"type\":\"first\"}\n{\"type\":\"sec").await;
    reader.until("first").await;
    wire.cut().await;
    let (status, answer) = wire.answer().await;
    assert_eq!((status, &answer["code"]), (400, &json!("invalid_body")), "{answer}");
    assert_eq!((&answer["appended"], &answer["line"]), (&json!(1), &json!(2)));
    // The producer sends the rest again.
    let (status, _) = server.push(&job, &[json!({"type": "second"})]).await;
    assert_eq!((status, names(&server, &job).await), (200, vec!["first".into(), "second".into()]));
    works_on(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn a_body_whose_chunks_are_garbled_is_told_and_half_a_line_is_no_event() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let mut wire = Wire::push(&server, &job).await;
    wire.chunk("{\"type\":\"first\"}\n{\"type\":\"half\"}").await;
    wire.say("these are no hex digits\r\n").await;
    let (status, answer) = wire.answer().await;
    assert_eq!((status, &answer["code"]), (400, &json!("invalid_body")), "{answer}");
    assert_eq!(names(&server, &job).await, ["first"]);
    works_on(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn a_line_that_comes_byte_by_byte_is_an_event_when_it_is_whole() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let mut reader = server.follow(&job).await;
    let mut wire = Wire::push(&server, &job).await;
    for byte in "{\"type\":\"slow\"}\n{\"type\":\"last\"}".chars() {
        wire.chunk(&byte.to_string()).await;
    }
    reader.until("slow").await;
    // Without a line end the last line is whole when the body is.
    wire.say("0\r\n\r\n").await;
    let (status, answer) = wire.answer().await;
    assert_eq!((status, &answer["appended"]), (200, &json!(2)), "{answer}");
    reader.until("last").await;
    server.stop().await;
}

#[tokio::test]
async fn a_submit_that_is_cut_queues_nothing() {
    let server = TestServer::start().await;
    let mut wire = Wire::open(&server).await;
    let body = r#"{"kind":"external"}"#;
    wire.say(format!(
        "POST /api/jobs HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{body}"
    ))
    .await;
    wire.cut().await;
    let (status, answer) = wire.answer().await;
    assert_eq!((status, &answer["code"]), (400, &json!("invalid_body")), "{answer}");
    assert_eq!(server.get("/api/jobs").await.1["jobs"], json!([]));
    works_on(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_is_announced_too_large_is_not_waited_for() {
    let server = TestServer::start().await;
    let mut wire = Wire::open(&server).await;
    let head = "POST /api/jobs HTTP/1.1\r\nhost: localhost\r\nconnection: close";
    wire.say(format!("{head}\r\ncontent-length: 10000000000\r\n\r\n")).await;
    let (status, answer) = wire.answer().await;
    assert_eq!((status, &answer["code"]), (413, &json!("body_too_large")), "{answer}");
    works_on(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_costs_nobody_else_anything() {
    let server = TestServer::start().await;
    let host = "host: localhost\r\nconnection: close\r\n";
    let headers: String = (0..200).map(|n| format!("h{n}: x\r\n")).collect();
    for (request, statuses) in [
        ("garbage\r\n\r\n".to_owned(), ["400"].as_slice()),
        ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}".into(), &["400"]),
        (format!("GET / HTTP/1.1\r\n{host}x: {}\r\n\r\n", "a".repeat(600_000)), &["431"]),
        (format!("GET / HTTP/1.1\r\n{host}{headers}\r\n"), &["431"]),
        (format!("GET /{} HTTP/1.1\r\n{host}\r\n", "a".repeat(70_000)), &["414", "431"]),
        (format!("POST /api/jobs HTTP/1.1\r\n{host}content-length: -5\r\n\r\n"), &["400"]),
        (
            format!(
                "POST /api/jobs HTTP/1.1\r\n{host}content-length: 2\r\ncontent-length: 3\r\n\r\n{{}}"
            ),
            &["400"],
        ),
    ] {
        let mut wire = Wire::open(&server).await;
        wire.say(&request).await;
        let heard = wire.hear().await;
        let status = heard.get(9..12).unwrap_or_default();
        assert!(statuses.contains(&status), "{:?}: {heard:?}", &request[..20.min(request.len())]);
    }
    // Half a request, and no request at all, end with the connection.
    for half in ["", "GET /heal", "POST /api/jobs HTTP/1.1\r\nhost:"] {
        let mut wire = Wire::open(&server).await;
        wire.say(half).await;
        wire.cut().await;
        assert_eq!(wire.hear().await, "", "{half:?}");
    }
    works_on(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn a_stream_that_cannot_be_opened_now_asks_its_reader_to_come_again() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    server.until_durable().await;
    let server = server.restart().await;
    // The log is not in memory, and the database has no answer.
    let mut database = Database::open(&server.database()).await;
    database.run("alter table job rename to gone", &[]).await;
    for path in [
        format!("/api/jobs/{job}/stream"),
        format!("/api/stream?job={job}"),
        "/api/projects/default/stream".into(),
    ] {
        let mut reader = Reader::open(&server.http, &server.url(&path), None).await;
        assert_eq!(reader.status, 200, "a browser gives up for good on anything else");
        let messages = reader.read_to_end().await;
        assert_eq!(messages.len(), 1, "{messages:?}");
        assert_eq!((messages[0].event.as_str(), messages[0].id), ("bye", None));
        assert_eq!(messages[0].data["reason"], "unavailable");
        assert!((5_000..15_000).contains(&reader.retries[0]), "{:?}", reader.retries);
    }
    database.run("alter table gone rename to job", &[]).await;
    assert_eq!(server.follow(&job).await.next().await.unwrap().event, "hello");
    works_on(&server).await;
    server.stop().await;
}
