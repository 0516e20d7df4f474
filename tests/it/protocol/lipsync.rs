//! § 9: lip-sync, by the shapes that pages poll.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{PATIENCE, TestServer};

fn body(prompt: &str, polls: bool) -> Value {
    json!({
        "imageUrl": "https://example.com/face.png", "audioUrl": "https://example.com/song.mp3",
        "model": "wan-video/wan-2.2-s2v", "prompt": prompt, "pollForCompletion": polls,
    })
}

/// Submits; gives the path to poll.
async fn submit(server: &TestServer, prompt: &str) -> String {
    let (status, answer) = server.post("/api/generate-lipsync", &body(prompt, false)).await;
    assert_eq!((status, &answer["status"]), (202, &json!("starting")), "{answer}");
    let path =
        format!("/api/check-lipsync?prediction_id={}", answer["prediction_id"].as_str().unwrap());
    assert_eq!(answer["poll_url"], path.as_str());
    path
}

/// Polls until the status is this one.
async fn until(server: &TestServer, path: &str, status: &str) -> Value {
    let seen = tokio::time::timeout(PATIENCE, poll(server, path, status)).await;
    seen.unwrap_or_else(|_| panic!("{path} is never '{status}'"))
}

async fn poll(server: &TestServer, path: &str, status: &str) -> Value {
    loop {
        let (code, view) = server.get(path).await;
        assert_eq!(code, 200, "{view}");
        if view["status"] == status {
            return view;
        }
        assert!(["starting", "processing"].contains(&view["status"].as_str().unwrap()), "{view}");
        tokio::task::yield_now().await;
    }
}

/// Asserts that these and no others are the fields.
#[track_caller]
fn assert_fields(view: &Value, names: &[&str]) {
    let mut expected: Vec<_> = names.iter().copied().chain(["poll_after_ms"]).collect();
    expected.sort_unstable();
    let fields: Vec<_> = view.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, expected, "{view}");
}

/// Asserts that it is a time as `2026-10-14T19:22:56.300Z`.
#[track_caller]
fn assert_time(value: &Value) {
    let text = value.as_str().unwrap();
    assert!(text.len() == 24 && text.ends_with('Z') && &text[10..11] == "T", "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p40_a_submit_that_waits_is_answered_by_the_end() {
    let server = TestServer::start().await;
    let (status, view) = server.post("/api/generate-lipsync", &body("singing", true)).await;
    assert_eq!((status, &view["status"]), (200, &json!("succeeded")), "{view}");
    let path = format!("/api/check-lipsync?prediction_id={}", view["id"].as_str().unwrap());
    assert_eq!(server.get(&path).await, (200, view));
    let (status, view) = server.post("/api/generate-lipsync", &body("[fail] it", true)).await;
    assert_eq!((status, &view["status"]), (200, &json!("failed")), "{view}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p40_a_submit_does_not_wait_for_longer_than_it_may() {
    let server = TestServer::with(|settings| {
        (settings.workers, settings.lipsync_wait) = (0, Duration::from_millis(1));
    })
    .await;
    let (status, answer) = server.post("/api/generate-lipsync", &body("singing", true)).await;
    assert_eq!((status, &answer["status"]), (202, &json!("starting")), "{answer}");
    assert_eq!(server.get(answer["poll_url"].as_str().unwrap()).await.1["status"], "starting");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p41_a_prediction_that_waits_or_was_canceled_has_its_shape() {
    let server = TestServer::with(|settings| settings.workers = 0).await;
    let path = submit(&server, "singing").await;
    let view = until(&server, &path, "starting").await;
    assert_fields(&view, &["id", "status", "output", "created_at"]);
    assert!(view["output"].is_null() && view["poll_after_ms"].is_u64(), "{view}");
    assert_time(&view["created_at"]);
    let cancel = format!("/api/jobs/{}/cancel", view["id"].as_str().unwrap());
    assert_eq!(server.post(&cancel, &json!({ "reason": "enough" })).await.0, 200);
    let view = until(&server, &path, "canceled").await;
    assert_fields(&view, &["id", "status", "error", "canceled_at"]);
    assert_eq!((&view["error"], &view["poll_after_ms"]), (&json!("enough"), &Value::Null));
    assert_time(&view["canceled_at"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p41_a_prediction_that_is_made_succeeds_or_fails_has_its_shape() {
    let server = TestServer::start().await;
    let path = submit(&server, "singing").await;
    let view = until(&server, &path, "succeeded").await;
    assert_fields(&view, &["id", "status", "output", "completed_at"]);
    assert!(view["output"].as_str().unwrap().starts_with("/api/artifacts/file_"), "{view}");
    assert_time(&view["completed_at"]);
    let path = submit(&server, "[fail] singing").await;
    let view = until(&server, &path, "failed").await;
    assert_fields(&view, &["id", "status", "error", "code", "failed_at"]);
    assert_time(&view["failed_at"]);
    server.stop().await;

    let server = TestServer::with(|settings| settings.simulator_speed = 1.0).await;
    let path = submit(&server, "[never] singing").await;
    let view = until(&server, &path, "processing").await;
    assert_fields(&view, &["id", "status", "output", "logs"]);
    assert!(view["output"].is_null() && view["logs"].is_string(), "{view}");
    let response = server.http.get(server.url(&path)).send().await.unwrap();
    assert!(response.headers().contains_key("retry-after"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p41_a_poll_without_a_prediction_is_told() {
    let server = TestServer::with(|settings| settings.workers = 0).await;
    for (path, status, code) in [
        ("/api/check-lipsync", 400, "invalid_parameter"),
        ("/api/check-lipsync?prediction_id=", 400, "invalid_parameter"),
        ("/api/check-lipsync?prediction_id=job_none", 404, "unknown_job"),
    ] {
        let (answered, problem) = server.get(path).await;
        assert_eq!((answered, &problem["code"]), (status, &json!(code)), "{problem}");
    }
    server.stop().await;
}
