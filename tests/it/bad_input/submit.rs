//! Submits that cannot be taken.

use serde_json::json;

use super::{send, submit_text, works_on};
use crate::harness::TestServer;

/// Asserts that nothing was queued.
async fn nothing_is_queued(server: &TestServer) {
    assert_eq!(server.get("/api/jobs").await.1["jobs"], json!([]));
    works_on(server).await;
}

#[tokio::test]
async fn an_unknown_kind_is_told_with_the_kinds_that_there_are() {
    let server = TestServer::start().await;
    let answer = submit_text(&server, r#"{"kind":"vidoe","input":{}}"#).await;
    let problem = answer.problem(400, "unknown_kind");
    assert_eq!(answer.pointers(), ["/kind"]);
    assert_eq!(
        problem["detail"],
        "'vidoe' is not one of blog, voiceover, chat, video, image, lipsync, external"
    );
    nothing_is_queued(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn every_missing_or_wrong_field_is_named_by_its_pointer() {
    let server = TestServer::start().await;
    for (body, pointers) in [
        ("{}", vec!["/kind"]),
        (r#"{"kind":null}"#, vec!["/kind"]),
        (r#"{"kind":["blog"]}"#, vec!["/kind"]),
        ("[]", vec![""]),
        ("\"blog\"", vec![""]),
        (r#"{"kind":"blog"}"#, vec!["/input/topic"]),
        (r#"{"kind":"blog","input":null}"#, vec!["/input/topic"]),
        (r#"{"kind":"blog","input":[]}"#, vec!["/input"]),
        (r#"{"kind":"blog","input":{"topic":7}}"#, vec!["/input/topic"]),
        (r#"{"kind":"blog","input":{"topic":" \n "}}"#, vec!["/input/topic"]),
        (r#"{"kind":"blog","input":{"topic":"a","prompt":"b"}}"#, vec!["/input/prompt"]),
        (r#"{"kind":"blog","input":{"topic":"nul \u0000"}}"#, vec!["/input/topic"]),
        (r#"{"kind":"blog","input":{"topic":"a","words":1.5}}"#, vec!["/input/words"]),
        (r#"{"kind":"blog","input":{"topic":"a","words":-1}}"#, vec!["/input/words"]),
        (r#"{"kind":"voiceover","input":{}}"#, vec!["/input/text"]),
        (r#"{"kind":"external","input":7}"#, vec!["/input"]),
        (r#"{"kind":"external","silence_limit_ms":0}"#, vec!["/silence_limit_ms"]),
        (r#"{"kind":"external","retry_of":"job_nobody"}"#, vec!["/retry_of"]),
        (
            r#"{"kind":"blog","a~/b":1,"priority":"high","allow_duplicate":1,"project_id":"../x",
               "retry_of":7,"silence_limit_ms":5000,
               "input":{"topic":"a","voice":"a b","voiceover":"yes","tone":5,"language":"\n","x":0}}"#,
            vec![
                "/project_id",
                "/input/language",
                "/input/tone",
                "/input/voiceover",
                "/input/voice",
                "/input/x",
                "/priority",
                "/allow_duplicate",
                "/retry_of",
                "/silence_limit_ms",
                "/a~0~1b",
            ],
        ),
    ] {
        let answer = submit_text(&server, body).await;
        answer.problem(400, "invalid_field");
        assert_eq!(answer.pointers(), pointers, "{body}");
    }
    nothing_is_queued(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn a_topic_of_a_megabyte_is_too_long_for_its_field_or_for_any_body() {
    let server = TestServer::start().await;
    let topic =
        |length| format!(r#"{{"kind":"blog","input":{{"topic":"{}"}}}}"#, "x".repeat(length));
    let answer = submit_text(&server, topic(1_000_000)).await;
    answer.problem(400, "invalid_field");
    assert_eq!(answer.pointers(), ["/input/topic"]);
    let answer = submit_text(&server, topic(1 << 20)).await;
    assert_eq!(answer.problem(413, "body_too_large")["limit"], 1 << 20);
    nothing_is_queued(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_json_is_told_with_its_place() {
    let server = TestServer::start().await;
    let mut deep = r#"{"kind":"external","input":{"a":"#.to_owned();
    deep += &("[".repeat(10_000) + &"]".repeat(10_000) + "}}");
    for (body, part) in [
        (b"".to_vec(), "empty"),
        (b"{".to_vec(), "line 1 column 1"),
        (b"{\"kind\":\n blog}".to_vec(), "line 2 column 2"),
        (b"{\"kind\":\"blog\"} {}".to_vec(), "trailing characters"),
        (b"{\"kind\":\"blog\",\"input\":{\"topic\":\"\xff\"}}".to_vec(), "not UTF-8 at byte 33"),
        (br#"{"kind":"blog","input":{"topic":"\ud800"}}"#.to_vec(), "line 1 column"),
        (br#"{"kind":"external","input":{"a":1e999}}"#.to_vec(), "number out of range"),
        (deep.into_bytes(), "deeper than"),
    ] {
        let answer = submit_text(&server, body).await;
        let detail = answer.problem(400, "invalid_json")["detail"].to_string();
        assert!(detail.contains(part), "{detail}");
    }
    nothing_is_queued(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn a_job_is_json_and_nothing_else() {
    let server = TestServer::start().await;
    let body = r#"{"kind":"external"}"#;
    let post = |media_type: &str| {
        let request = server.http.post(server.url("/api/jobs")).body(body);
        send(request.header("content-type", media_type))
    };
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "x",
        "",
    ] {
        post(media_type).await.problem(415, "unsupported_media_type");
    }
    assert_eq!(server.get("/api/jobs").await.1["jobs"], json!([]));
    for media_type in ["application/json", "APPLICATION/JSON ; charset=utf-8", "application/x+json"]
    {
        assert_eq!(post(media_type).await.status, 202, "{media_type}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_bad_idempotency_key_is_told() {
    let server = TestServer::start().await;
    for key in ["", "\u{fc}", &"k".repeat(256)] {
        let request = server.http.post(server.url("/api/jobs")).json(&json!({"kind": "external"}));
        let key = reqwest::header::HeaderValue::from_bytes(key.as_bytes()).unwrap();
        send(request.header("idempotency-key", key)).await.problem(400, "invalid_parameter");
    }
    nothing_is_queued(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn a_cancel_that_says_anything_odd_is_told_and_cancels_nothing() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let path = server.url(&format!("/api/jobs/{job}/cancel"));
    for (body, pointer) in [("[]", ""), (r#"{"reson":"x"}"#, ""), (r#"{"reason":5}"#, "/reason")] {
        let request = server.http.post(&path).header("content-type", "application/json");
        let answer = send(request.body(body)).await;
        answer.problem(400, "invalid_field");
        assert_eq!(answer.pointers(), [pointer]);
    }
    send(server.http.post(&path).body("no json")).await.problem(400, "invalid_json");
    assert_eq!(server.get(&format!("/api/jobs/{job}")).await.1["status"], "pending");
    assert_eq!(send(server.http.post(&path)).await.status, 200);
    server.stop().await;
}
