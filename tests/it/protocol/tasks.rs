//! § 9: polling in the words of Runway and of `MiniMax`.

use serde_json::{Value, json};

use crate::harness::{PATIENCE, TestServer};

/// The two services: where to submit, and where to poll.
const RUNWAY: (&str, &str) = ("/api/runway/video", "/api/runway/status/");
const MINIMAX: (&str, &str) = ("/api/minimax/video", "/api/minimax/video/status?task_id=");

/// Submits; gives the answer and the path to poll.
async fn submit(server: &TestServer, (route, poll): (&str, &str), prompt: &str) -> (Value, String) {
    let body = if route == RUNWAY.0 {
        json!({ "promptText": prompt, "ratio": "1280:720", "duration": 5 })
    } else {
        json!({ "prompt": prompt })
    };
    let (status, answer) = server.post(route, &body).await;
    assert_eq!(status, 202, "{answer}");
    let path = format!("{poll}{}", answer["task_id"].as_str().unwrap());
    (answer, path)
}

/// Polls until the status is this one; every one before is one of those that go on.
async fn until(server: &TestServer, path: &str, status: &str) -> Value {
    let seen = tokio::time::timeout(PATIENCE, poll(server, path, status)).await;
    seen.unwrap_or_else(|_| panic!("{path} is never '{status}'"))
}

async fn poll(server: &TestServer, path: &str, status: &str) -> Value {
    let going = ["PENDING", "RUNNING", "Queueing", "Preparing", "Processing"];
    loop {
        let (code, view) = server.get(path).await;
        assert_eq!(code, 200, "{view}");
        if view["status"] == status {
            return view;
        }
        assert!(going.contains(&view["status"].as_str().unwrap()), "{view}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p42_a_task_that_waits_is_pending_and_one_that_was_canceled_says_so() {
    let server = TestServer::with(|settings| settings.workers = 0).await;
    let (answer, path) = submit(&server, RUNWAY, "a kite").await;
    let view = until(&server, &path, "PENDING").await;
    assert_eq!(view["id"], answer["task_id"]);
    assert!(view["createdAt"].as_str().unwrap().ends_with('Z') && view["poll_after_ms"].is_u64());
    server.post(answer["cancel_url"].as_str().unwrap(), &json!({})).await;
    assert!(until(&server, &path, "CANCELLED").await["poll_after_ms"].is_null());

    let (answer, path) = submit(&server, MINIMAX, "a kite").await;
    let view = until(&server, &path, "Queueing").await;
    assert_eq!(
        (&view["task_id"], &view["base_resp"]["status_code"]),
        (&answer["task_id"], &json!(0))
    );
    server.post(answer["cancel_url"].as_str().unwrap(), &json!({})).await;
    until(&server, &path, "Fail").await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p42_a_task_that_is_done_has_its_files_and_one_that_failed_its_reason() {
    let server = TestServer::start().await;
    let (_, path) = submit(&server, RUNWAY, "a kite").await;
    let view = until(&server, &path, "SUCCEEDED").await;
    assert!(view["output"][0].as_str().unwrap().starts_with("/api/artifacts/file_"), "{view}");
    let (_, path) = submit(&server, RUNWAY, "[moderated] a kite").await;
    let view = until(&server, &path, "FAILED").await;
    assert!(view["failure"].is_string() && view["failureCode"] == "moderated", "{view}");

    let (answer, path) = submit(&server, MINIMAX, "a kite").await;
    let view = until(&server, &path, "Success").await;
    assert_eq!(view["file_id"], answer["file_id"]);
    assert!(view["download_url"].as_str().unwrap().starts_with("/api/artifacts/file_"), "{view}");
    let (_, path) = submit(&server, MINIMAX, "[moderated] a kite").await;
    assert_eq!(until(&server, &path, "Fail").await["error"]["code"], "moderated");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p42_a_task_that_is_made_says_how_far_it_is() {
    let server = TestServer::with(|settings| settings.simulator_speed = 1.0).await;
    let (_, path) = submit(&server, RUNWAY, "[never] a kite").await;
    let view = until(&server, &path, "RUNNING").await;
    assert!((0.0..=1.0).contains(&view["progress"].as_f64().unwrap()), "{view}");
    let response = server.http.get(server.url(&path)).send().await.unwrap();
    assert!(response.headers().contains_key("retry-after"));
    let (_, path) = submit(&server, MINIMAX, "[never] a kite").await;
    until(&server, &path, "Preparing").await;
    for (path, status, code) in [
        ("/api/minimax/video/status", 400, "invalid_parameter"),
        ("/api/minimax/video/status?task_id=job_none", 404, "unknown_job"),
        ("/api/runway/status/job_none", 404, "unknown_job"),
    ] {
        let (answered, problem) = server.get(path).await;
        assert_eq!((answered, &problem["code"]), (status, &json!(code)), "{problem}");
    }
    server.stop().await;
}
