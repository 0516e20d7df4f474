//! Cursors that cannot be resumed: a gap and a snapshot, never an error, never a silent restart.

use serde_json::{Value, json};

use crate::harness::{Reader, TestServer};

/// Cursors that nobody can have, with the reason that a reader is given.
const FOREIGN: [(&str, &str); 14] = [
    ("letters", "invalid_cursor"),
    ("-1", "invalid_cursor"),
    ("+1", "invalid_cursor"),
    ("1.5", "invalid_cursor"),
    ("1e3", "invalid_cursor"),
    ("0x10", "invalid_cursor"),
    ("1 2", "invalid_cursor"),
    ("\u{661}", "invalid_cursor"),
    ("9007199254740992", "invalid_cursor"),
    ("18446744073709551615", "invalid_cursor"),
    ("18446744073709551616", "invalid_cursor"),
    ("99999999999999999999999999", "invalid_cursor"),
    // An epoch that never was, and an id that was never given out.
    ("7", "unknown_epoch"),
    ("9007199254740991", "ahead_of_head"),
];

async fn job_with_text(server: &TestServer) -> String {
    let job = server.submit_external().await;
    let event = json!({"type": "content", "data": {"text": "so far"}});
    assert_eq!(server.push(&job, &[event]).await.0, 200);
    job
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// Asserts that a stream begins with a gap and a snapshot, and then goes on live.
async fn assert_gap(reader: &mut Reader, reason: &str) -> Value {
    assert_eq!(reader.status, 200);
    let hello = reader.next().await.expect("a message");
    assert_eq!((hello.event.as_str(), hello.id), ("hello", None));
    let gap = reader.next().await.expect("a message");
    assert_eq!((gap.event.as_str(), gap.id), ("gap", None));
    assert_eq!(gap.data["reason"], reason);
    let snapshot = reader.next().await.expect("a message");
    assert_eq!(snapshot.event, "snapshot");
    assert_eq!(snapshot.id, gap.data["to"].as_u64());
    snapshot.data
}

#[tokio::test]
async fn a_stream_from_a_cursor_that_is_not_ours_goes_on_from_a_snapshot() {
    let server = TestServer::start().await;
    let job = job_with_text(&server).await;
    for (cursor, reason) in FOREIGN {
        let url = server.url(&format!("/api/jobs/{job}/stream?after={}", encoded(cursor)));
        let mut by_parameter = Reader::open(&server.http, &url, None).await;
        assert_eq!(assert_gap(&mut by_parameter, reason).await["text"], "so far", "{cursor}");
        // The client library has no header that is not ASCII.
        let cursor = if cursor.is_ascii() { cursor } else { "letters" };
        let mut by_header = server.follow_from(&job, Some(cursor)).await;
        assert_eq!(assert_gap(&mut by_header, reason).await["text"], "so far", "{cursor}");
        server.push(&job, &[json!({"type": "live"})]).await;
        assert_eq!(by_header.next().await.unwrap().event, "live");
        assert_eq!(by_parameter.next().await.unwrap().event, "live");
    }
    server.stop().await;
}

#[tokio::test]
async fn pages_and_merged_streams_tell_the_gap_too() {
    let server = TestServer::start().await;
    let job = job_with_text(&server).await;
    for (cursor, reason) in FOREIGN {
        let after = encoded(cursor);
        let path = format!("/api/jobs/{job}/events?wait=20&after={after}");
        let (status, page) = server.get(&path).await;
        assert_eq!((status, page["gap"]["reason"].as_str()), (200, Some(reason)), "{cursor}");
        assert_eq!(page["snapshot"]["text"], "so far");
        assert_eq!((&page["events"], &page["next"]), (&json!([]), &page["gap"]["to"]));
        for path in [
            format!("/api/stream?job={job}&after={after}"),
            format!("/api/projects/default/stream?after={after}"),
        ] {
            let mut reader = Reader::open(&server.http, &server.url(&path), None).await;
            assert_gap(&mut reader, reason).await;
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_cursor_from_a_dead_epoch_above_what_that_committed_is_told() {
    let server = TestServer::start().await;
    let job = job_with_text(&server).await;
    let last = server.get(&format!("/api/jobs/{job}")).await.1["last_event_id"].as_u64().unwrap();
    let server = server.restart().await;
    // What the first process committed is resumed as if nothing had been.
    let mut resumed = server.follow_from(&job, Some(&last.to_string())).await;
    assert_eq!(resumed.next().await.unwrap().event, "hello");
    server.push(&job, &[json!({"type": "after.restart"})]).await;
    assert_eq!(resumed.next().await.unwrap().event, "after.restart");
    // What it might have shown and a crash would have taken is not.
    let lost = (last + 1_000).to_string();
    let mut reader = server.follow_from(&job, Some(&lost)).await;
    let snapshot = assert_gap(&mut reader, "lost_in_crash").await;
    assert_eq!(snapshot["text"], "so far");
    let (_, page) = server.get(&format!("/api/jobs/{job}/events?after={lost}")).await;
    assert_eq!(page["gap"]["reason"], "lost_in_crash");
    drop((resumed, reader));
    server.stop().await;
}

#[tokio::test]
async fn a_bad_cursor_into_a_finished_job_still_gets_its_end() {
    let server = TestServer::start().await;
    let job = job_with_text(&server).await;
    server.push(&job, &[json!({"type": "completed", "data": {}})]).await;
    for (cursor, reason) in [("x", "invalid_cursor"), ("9007199254740991", "ahead_of_head")] {
        let mut reader = server.follow_from(&job, Some(cursor)).await;
        assert_eq!(assert_gap(&mut reader, reason).await["text"], "so far");
        let rest = reader.read_to_end().await;
        assert_eq!(rest.len(), 1, "{rest:?}");
        assert_eq!(rest[0].event, "completed");
    }
    server.stop().await;
}

#[tokio::test]
async fn an_empty_cursor_is_the_beginning_and_hides_no_parameter() {
    let server = TestServer::start().await;
    let job = job_with_text(&server).await;
    let mut reader = server.follow_from(&job, Some("")).await;
    assert_eq!(reader.until("content").await.data["text"], "so far");
    let last = server.get(&format!("/api/jobs/{job}")).await.1["last_event_id"].to_string();
    let url = server.url(&format!("/api/jobs/{job}/stream?after={last}"));
    let mut reader = Reader::open(&server.http, &url, Some("")).await;
    reader.until("hello").await;
    server.push(&job, &[json!({"type": "live"})]).await;
    assert_eq!(reader.next().await.unwrap().event, "live");
    drop(reader);
    server.stop().await;
}
