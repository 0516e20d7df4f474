//! § 11: the queue.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Reader, TestServer};

use super::Upstream;

/// Submits to a model of Replicate; gives the job.
async fn submit(server: &TestServer, project: &str, prompt: &str, priority: i32) -> String {
    let body = json!({ "prompt": prompt, "project_id": project, "priority": priority });
    let (status, answer) = server.post("/api/replicate/seedance-t2v/submit", &body).await;
    assert_eq!(status, 202, "{answer}");
    answer["job_id"].as_str().unwrap().to_owned()
}

/// The id of the event that says that a job runs.
async fn began(server: &TestServer, job: &str) -> u64 {
    let mut reader = server.follow(job).await;
    loop {
        let status = reader.until("status").await;
        if status.data["status"] == "running" {
            return status.id.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p47_projects_take_turns_and_priority_goes_first() {
    let mut server = TestServer::with(|settings| settings.workers = 0).await;
    let mut jobs = Vec::new();
    for (project, prompt, priority) in [
        ("batch", "kite 0", 0),
        ("batch", "kite 1", 0),
        ("batch", "kite 2", 0),
        ("batch", "kite 3", 0),
        ("single", "ball 0", 0),
        ("other", "leaf 0", 0),
        ("single", "ball 1", 0),
        ("batch", "urgent", 5),
        ("batch", "whenever", -5),
    ] {
        jobs.push((prompt, submit(&server, project, prompt, priority).await));
    }
    server.settings.workers = 1;
    let server = server.restart().await;
    let mut order = Vec::new();
    for (prompt, job) in &jobs {
        order.push((began(&server, job).await, *prompt));
    }
    order.sort_unstable();
    let order: Vec<_> = order.into_iter().map(|(_, prompt)| prompt).collect();
    let expected = [
        "urgent", "kite 0", "ball 0", "leaf 0", "kite 1", "ball 1", "kite 2", "kite 3", "whenever",
    ];
    assert_eq!(order, expected);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p47_no_more_jobs_run_at_once_than_were_said() {
    let upstream = Upstream::start(1.0).await;
    let concurrency = [("fal".to_owned(), 4), ("veo3/text-to-video".to_owned(), 1)];
    let server = upstream.server(|settings| settings.concurrency = concurrency.into()).await;
    for (path, most) in [
        ("/api/replicate/seedance-t2v/submit", 3),
        ("/api/fal/veo3/text-to-video/submit", 1),
        ("/api/fal/veo3/text-to-video/fast/submit", 3),
    ] {
        let mut jobs = Vec::new();
        for number in 0..6 {
            let body = json!({ "prompt": format!("[never] kite {number}") });
            let (status, answer) = server.post(path, &body).await;
            assert_eq!(status, 202, "{answer}");
            jobs.push(answer["job_id"].clone());
        }
        for job in jobs.iter().take(most) {
            began(&server, job.as_str().unwrap()).await;
        }
        let page = server.get("/api/jobs?status=running&limit=200").await.1;
        let is_one = |job: &&Value| jobs.contains(&job["id"]);
        let running = page["jobs"].as_array().unwrap().iter().filter(is_one).count();
        assert_eq!(running, most, "{path}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p48_a_stream_of_several_jobs_tells_the_place_of_each() {
    let server = TestServer::with(|settings| settings.workers = 0).await;
    let mut jobs = Vec::new();
    for number in 0..3 {
        jobs.push(submit(&server, "default", &format!("kite {number}"), 0).await);
    }
    let url = server.url(&format!("/api/stream?job={}&job={}", jobs[1], jobs[2]));
    let mut reader = Reader::open(&server.http, &url, None).await;
    let mut places = HashMap::new();
    while places.len() < 2 {
        let told = reader.until("queue").await;
        assert_eq!(told.id, None);
        let job = told.data["job"].as_str().unwrap().to_owned();
        places.insert(job, told.data["data"]["position"].clone());
    }
    assert_eq!((&places[&jobs[1]], &places[&jobs[2]]), (&json!(2), &json!(3)));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p48_the_place_in_the_queue_is_told_once_a_second_and_not_kept() {
    const AHEAD: u32 = 12;
    let server = TestServer::with(|settings| settings.workers = 0).await;
    let mut ahead = Vec::new();
    for number in 0..AHEAD {
        ahead.push(submit(&server, "batch", &format!("kite {number}"), 1).await);
    }
    let job = submit(&server, "single", "ball", 0).await;
    let (begun, mut reader) = (Instant::now(), server.follow(&job).await);
    let first = reader.until("queue").await;
    assert_eq!((first.id, &first.data), (None, &json!({ "position": AHEAD + 1 })));
    for job in ahead {
        assert_eq!(server.post(&format!("/api/jobs/{job}/cancel"), &json!({})).await.0, 200);
    }
    let (mut told, mut position) = (1, first.data["position"].clone());
    while position != 1 {
        let next = reader.until("queue").await;
        assert!(next.id.is_none() && next.data["position"].as_u64() < position.as_u64());
        (told, position) = (told + 1, next.data["position"].clone());
    }
    assert!(begun.elapsed() + Duration::from_secs(1) >= Duration::from_secs(told), "{told}");
    let page = server.get(&format!("/api/jobs/{job}/events")).await.1;
    let events = page["events"].as_array().unwrap();
    assert!(events.iter().all(|event| event["type"] == "status"), "{page}");
    server.stop().await;
}
