//! § 7: errors.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::harness::TestServer;

use super::{content, ended_job, lock_database, unlock};

/// Sends a request that has to fail; gives the code of the problem.
async fn problem(request: RequestBuilder, status: u16) -> String {
    let response = request.send().await.unwrap();
    let url = response.url().to_string();
    assert_eq!(response.status(), status, "{url}");
    let headers = response.headers().clone();
    assert_eq!(headers["content-type"], "application/problem+json", "{url}");
    if status == 429 || status == 503 {
        let wait: u64 = headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!(wait >= 1, "{url}");
    }
    let problem: Value = response.json().await.unwrap();
    for name in ["type", "title", "detail", "code"] {
        assert!(problem[name].as_str().is_some_and(|text| !text.is_empty()), "{name}: {problem}");
    }
    assert_eq!(problem["status"], status, "{problem}");
    let code = problem["code"].as_str().unwrap();
    assert!(problem["type"].as_str().unwrap().ends_with(code), "{problem}");
    for error in problem["errors"].as_array().into_iter().flatten() {
        let pointer = error["pointer"].as_str().unwrap();
        assert!(pointer.is_empty() || pointer.starts_with('/'), "{problem}");
        assert!(error["detail"].is_string(), "{problem}");
    }
    code.to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p32_every_error_is_a_problem() {
    let server = TestServer::with(|settings| settings.workers = 0).await;
    let blog = server.submit_blog("tides", false).await;
    let ended = ended_job(&server, 1).await;
    let file = server.get(&format!("/api/jobs/{blog}")).await.1["file_id"].clone();
    let file = file.as_str().unwrap();
    let ask = |method: Method, path: &str| server.http.request(method, server.url(path));
    let get = |path: &str| ask(Method::GET, path);
    let submit = || ask(Method::POST, "/api/jobs");
    let push = |job: &str| ask(Method::POST, &format!("/api/jobs/{job}/events"));
    let json = "application/json";
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let requests = [
        (get("/nowhere"), 404, "unknown_route"),
        (get("/api/jobs/job_none"), 404, "unknown_job"),
        (get("/api/jobs/none/stream"), 404, "unknown_job"),
        (get("/api/jobs/job_none/events"), 404, "unknown_job"),
        (get("/api/stream?job=job_none"), 404, "unknown_job"),
        (get("/api/stream"), 400, "invalid_parameter"),
        (get("/api/projects/a%20b/stream"), 400, "invalid_parameter"),
        (get("/api/jobs?limit=0"), 400, "invalid_parameter"),
        (get("/api/jobs?limlt=1"), 400, "invalid_parameter"),
        (get("/api/jobs/%FF"), 400, "invalid_parameter"),
        (get("/api/file/file_none"), 404, "unknown_file"),
        (get("/api/artifacts/file_none/content"), 404, "unknown_file"),
        (get(&format!("/api/artifacts/{file}/content")), 404, "file_not_ready"),
        (ask(Method::PUT, "/api/jobs"), 405, "method_not_allowed"),
        (submit().body("{"), 400, "invalid_json"),
        (submit().body(deep), 400, "invalid_json"),
        (submit().body(vec![0xFF, 0xFE]), 400, "invalid_json"),
        (submit().body("[]"), 400, "invalid_field"),
        (submit().header("content-type", "text/plain").body("{}"), 415, "unsupported_media_type"),
        (submit().body(vec![b' '; 2 << 20]), 413, "body_too_large"),
        (submit().json(&json!({ "kind": "opera" })), 400, "unknown_kind"),
        (submit().json(&json!({ "kind": "blog" })), 400, "invalid_field"),
        (
            submit().header("idempotency-key", "ä").json(&json!({ "kind": "external" })),
            400,
            "invalid_parameter",
        ),
        (push(&blog).json(&content("x")), 409, "not_external"),
        (push(&ended).json(&content("x")), 409, "job_ended"),
        (push(&ended).body("nonsense"), 400, "invalid_event"),
        (
            push(&ended).header("content-type", json).body(vec![b' '; 1 << 20]),
            413,
            "event_too_large",
        ),
        (ask(Method::DELETE, &format!("/api/jobs/{ended}")), 409, "job_ended"),
    ];
    for (request, status, code) in requests {
        assert_eq!(problem(request, status).await, code);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p32_who_is_refused_for_now_is_told_when_to_come_again() {
    let server = TestServer::start().await.at_one_node();
    let job = server.submit_external().await;
    let lock = lock_database(&server.database()).await;
    let submit = server.http.post(server.url("/api/jobs")).json(&json!({ "kind": "external" }));
    assert_eq!(problem(submit, 503).await, "unavailable");
    let cancel = server.http.delete(server.url(&format!("/api/jobs/{job}")));
    assert_eq!(problem(cancel, 503).await, "unavailable");
    unlock(lock).await;
}
