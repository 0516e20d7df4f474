//! § 4: canceling.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::TestServer;

use super::{content, ended_job, names};

async fn send(server: &TestServer, method: Method, path: &str) -> (u16, Value) {
    let response = server.http.request(method, server.url(path)).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p25_a_job_that_waits_is_canceled_and_never_runs() {
    let mut server = TestServer::with(|settings| settings.workers = 0).await;
    let job = server.submit_blog("tides", false).await;
    let mut reader = server.follow(&job).await;
    let path = format!("/api/jobs/{job}/cancel");
    let (status, answer) = server.post(&path, &json!({ "reason": "wrong topic" })).await;
    assert_eq!((status, &answer["status"]), (200, &json!("canceled")), "{answer}");
    let end = reader.read_to_end().await.pop().unwrap();
    assert_eq!((end.event.as_str(), &end.data["reason"]), ("canceled", &json!("wrong topic")));
    server.settings.workers = 1;
    let server = server.restart().await;
    let after = server.submit_blog("moons", false).await;
    server.wait_for_end(&after).await;
    let view = server.get(&format!("/api/jobs/{job}")).await.1;
    assert_eq!((&view["status"], &view["attempt"]), (&json!("canceled"), &json!(0)), "{view}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p25_a_job_that_runs_is_canceled_and_keeps_what_it_has_made() {
    let server = TestServer::with(|settings| settings.workers = 1).await;
    let cancel = |job: &str| format!("/api/jobs/{job}/cancel");
    let delete = |job: &str| format!("/api/jobs/{job}");
    for (method, path) in
        [(Method::POST, &cancel as &dyn Fn(&str) -> String), (Method::DELETE, &delete)]
    {
        let job = server.submit_blog("[stall] tides", false).await;
        let mut reader = server.follow(&job).await;
        let mut messages = vec![reader.until("content").await];
        let (status, answer) = send(&server, method, &path(&job)).await;
        assert_eq!((status, &answer["status"]), (200, &json!("canceled")), "{answer}");
        messages.extend(reader.read_to_end().await);
        assert_eq!(names(&messages).last(), Some(&"canceled"));
        let text: String = messages.iter().filter_map(|one| one.data["text"].as_str()).collect();
        let view = server.get(&format!("/api/jobs/{job}")).await.1;
        assert_eq!((&view["status"], &view["text"]), (&json!("canceled"), &json!(text)));
        assert!(text.len() > 10, "{text}");
    }
    // The permit is free again.
    let next = server.submit_blog("moons", false).await;
    assert_eq!(server.wait_for_end(&next).await["status"], "completed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p25_a_cancel_is_repeatable_and_an_ended_job_is_not_canceled() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    server.push(&job, &[content("so far")]).await;
    for method in [Method::DELETE, Method::DELETE] {
        assert_eq!(send(&server, method, &format!("/api/jobs/{job}")).await.0, 200);
    }
    assert_eq!(send(&server, Method::POST, &format!("/api/jobs/{job}/cancel")).await.0, 200);
    assert_eq!(server.get(&format!("/api/jobs/{job}")).await.1["text"], "so far");
    let ended = ended_job(&server, 1).await;
    for (method, path) in [
        (Method::POST, format!("/api/jobs/{ended}/cancel")),
        (Method::DELETE, format!("/api/jobs/{ended}")),
    ] {
        let (status, problem) = send(&server, method, &path).await;
        assert_eq!((status, &problem["code"]), (409, &json!("job_ended")), "{problem}");
    }
    assert_eq!(server.get(&format!("/api/jobs/{ended}")).await.1["status"], "completed");
}
