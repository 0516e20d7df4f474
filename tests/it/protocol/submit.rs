//! § 1: submitting.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::{PATIENCE, TestServer};

use super::Killable;

fn blog(topic: &str) -> Value {
    json!({ "kind": "blog", "input": { "topic": topic, "words": 80 } })
}

/// A server that runs no job, so that everything stays in flight.
async fn idle_server() -> TestServer {
    TestServer::with(|settings| settings.workers = 0).await
}

async fn submit_with_key(server: &TestServer, key: &str, body: &Value) -> (u16, Value) {
    let request = server.http.post(server.url("/api/jobs")).header("idempotency-key", key);
    let response = request.json(body).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p01_a_submit_is_answered_although_the_provider_never_answers() {
    // Connections are taken by the system; nobody ever reads them.
    let deaf = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let provider = format!("http://{}/v1", deaf.local_addr().unwrap());
    let server = TestServer::with(|settings| settings.chat_base_url = Some(provider)).await;
    let request = server.http.post(server.url("/api/jobs")).json(&blog("tides"));
    let response = tokio::time::timeout(PATIENCE, request.send()).await.unwrap().unwrap();
    assert_eq!(response.status(), 202);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let answer: Value = response.json().await.unwrap();
    let get = |name: &str| answer[name].as_str().unwrap_or_else(|| panic!("no {name}: {answer}"));
    assert!(get("job_id").starts_with("job_") && get("file_id").starts_with("file_"));
    assert!(["pending", "running"].contains(&get("status")));
    assert_eq!(location, get("poll_url"));
    let (status, view) = server.get(get("poll_url")).await;
    assert_eq!((status, &view["id"]), (200, &answer["job_id"]));
    let (status, page) = server.get(get("events_url")).await;
    assert_eq!((status, &page["events"][0]["type"]), (200, &json!("status")));
    let stream = server.http.get(server.url(get("stream_url"))).send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    assert_eq!(server.post(get("cancel_url"), &json!({})).await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p01_a_submitted_job_survives_a_crash() {
    let server = Killable::start(&["--workers", "0"]).await;
    let answer = server.submit(&blog("tides")).await;
    let job = answer["job_id"].as_str().unwrap();
    let server = server.kill().await.start(&["--simulator-speed", "1000"]).await;
    let mut reader = server.follow_from(job, None).await;
    assert_eq!(reader.status, 200);
    reader.until("completed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p02_a_repeated_key_gets_the_same_job_from_however_many_senders() {
    let server = idle_server().await;
    let key = "one click\"";
    let (body, all) = (blog("tides"), 0..8);
    let answers = join_all(all.map(|_| submit_with_key(&server, key, &body))).await;
    let jobs: BTreeSet<_> = answers.iter().map(|(_, answer)| answer["job_id"].as_str()).collect();
    assert!(answers.iter().all(|(status, _)| *status == 202), "{answers:?}");
    assert_eq!(jobs.len(), 1, "{answers:?}");
    let first = answers[0].1["job_id"].as_str().unwrap();
    // Its end changes nothing, nor does a restart.
    assert_eq!(server.post(&format!("/api/jobs/{first}/cancel"), &json!({})).await.0, 200);
    let server = server.restart().await;
    let (status, again) = submit_with_key(&server, key, &body).await;
    assert_eq!((status, again["job_id"].as_str()), (202, Some(first)));
    let (status, other) = submit_with_key(&server, "another click", &body).await;
    assert_eq!(status, 202);
    assert_ne!(other["job_id"], first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p02_a_key_of_another_request_is_refused() {
    let server = idle_server().await;
    assert_eq!(submit_with_key(&server, "k", &blog("tides")).await.0, 202);
    let (status, problem) = submit_with_key(&server, "k", &blog("moons")).await;
    assert_eq!((status, &problem["code"]), (422, &json!("key_reused")), "{problem}");
    assert_eq!(server.get("/api/jobs").await.1["jobs"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p03_an_identical_task_in_flight_is_not_queued_twice() {
    let server = idle_server().await;
    let first = server.submit(&blog("tides")).await;
    let (status, second) = server.post("/api/jobs", &blog("tides")).await;
    assert_eq!((status, &second["deduplicated"]), (202, &json!(true)), "{second}");
    assert_eq!(second["job_id"], first);
    assert_eq!(server.get("/api/jobs").await.1["jobs"].as_array().unwrap().len(), 1);
    // Another input, another project or an end of the first make it another task.
    let mut elsewhere = blog("tides");
    elsewhere["project_id"] = "elsewhere".into();
    for other in [blog("moons"), elsewhere] {
        let (status, answer) = server.post("/api/jobs", &other).await;
        assert_eq!((status, answer.get("deduplicated")), (202, None), "{answer}");
        assert_ne!(answer["job_id"], first);
    }
    server.post(&format!("/api/jobs/{first}/cancel"), &json!({})).await;
    assert_ne!(server.submit(&blog("tides")).await, first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p03_a_duplicate_is_queued_when_it_is_allowed_or_a_chats_or_external() {
    let server = idle_server().await;
    let first = server.submit(&blog("tides")).await;
    let mut allowed = blog("tides");
    allowed["allow_duplicate"] = true.into();
    assert_ne!(server.submit(&allowed).await, first);
    let external = json!({ "kind": "external", "input": { "same": 1 } });
    let messages = json!([{ "role": "user", "content": "hello" }]);
    let chat = json!({ "kind": "chat", "input": { "messages": messages } });
    for never_merged in [external, chat] {
        assert_ne!(server.submit(&never_merged).await, server.submit(&never_merged).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p04_every_bad_field_is_named_and_nothing_is_queued() {
    let server = idle_server().await;
    let bad = [
        (json!({}), vec!["/kind"]),
        (json!({ "kind": "opera" }), vec!["/kind"]),
        (json!({ "kind": 5 }), vec!["/kind"]),
        (json!({ "kind": "blog" }), vec!["/input/topic"]),
        (json!({ "kind": "voiceover", "input": {} }), vec!["/input/text"]),
        (json!({ "kind": "blog", "input": [] }), vec!["/input"]),
        (
            json!({
                "kind": "blog", "project_id": "a b", "priority": 101, "topic": "at the wrong place",
                "input": { "topic": "a\u{0}b", "words": 49, "voiceover": "yes", "mood": "sad" },
            }),
            vec![
                "/input/mood",
                "/input/topic",
                "/input/voiceover",
                "/input/words",
                "/priority",
                "/project_id",
                "/topic",
            ],
        ),
        (json!({ "kind": "blog", "input": { "topic": "x".repeat(4001) } }), vec!["/input/topic"]),
        (json!({ "kind": "external", "silence_limit_ms": 999 }), vec!["/silence_limit_ms"]),
        (json!({ "kind": "external", "retry_of": "job_none" }), vec!["/retry_of"]),
    ];
    for (body, pointers) in bad {
        let (status, problem) = server.post("/api/jobs", &body).await;
        assert_eq!(status, 400, "{body}: {problem}");
        let errors = problem["errors"].as_array().unwrap();
        let named: BTreeSet<_> =
            errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        assert_eq!(named, BTreeSet::from_iter(pointers), "{problem}");
        assert!(errors.iter().all(|error| error["detail"].as_str().is_some_and(|s| s.len() > 3)));
    }
    let (_, problem) = server.post("/api/jobs", &json!({ "kind": "opera" })).await;
    assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("voiceover"), "{problem}");
    assert_eq!(server.get("/api/jobs").await.1["jobs"], json!([]));
}
