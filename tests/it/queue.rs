//! The queue and its workers, with providers that misbehave as real ones do.

use std::time::Duration;

use serde_json::{Value, json};
use tailwater::config::Settings;

use crate::harness::reader::{Message, text_of};
use crate::harness::{Reader, TestServer};

/// A post whose model falls silent after a third of it: it runs until somebody ends it.
async fn submit_endless(server: &TestServer, topic: &str) -> String {
    server.submit_blog(&format!("[stall] {topic}"), false).await
}

async fn cancel(server: &TestServer, job: &str) -> (u16, Value) {
    server.post(&format!("/api/jobs/{job}/cancel"), &json!({ "reason": "enough" })).await
}

/// Reads until the job runs.
async fn until_running(reader: &mut Reader) -> Message {
    loop {
        let status = reader.until("status").await;
        if status.data["status"] == "running" {
            return status;
        }
    }
}

async fn count(server: &TestServer, status: &str) -> usize {
    let page = server.get(&format!("/api/jobs?status={status}")).await.1;
    page["jobs"].as_array().expect("jobs").len()
}

/// How a job about this topic ends, with everything that its reader saw.
async fn fate(server: &TestServer, topic: &str, voiceover: bool) -> Vec<Message> {
    let job = server.submit_blog(topic, voiceover).await;
    server.follow(&job).await.read_to_end().await
}

fn code(messages: &[Message]) -> &str {
    let end = messages.last().expect("an end");
    assert_eq!(end.event, "failed", "{end:?}");
    end.data["code"].as_str().expect("a code")
}

fn seen(messages: &[Message], event: &str) -> usize {
    messages.iter().filter(|message| message.event == event).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_jobs_run_at_a_time_unless_the_settings_say_otherwise() {
    let server = TestServer::start().await;
    let mut jobs = Vec::new();
    for n in 0..5 {
        let job = submit_endless(&server, &format!("river {n}")).await;
        let reader = server.follow(&job).await;
        jobs.push((job, reader));
    }
    for (_, reader) in &mut jobs[..3] {
        until_running(reader).await;
    }
    assert_eq!((count(&server, "running").await, count(&server, "pending").await), (3, 2));
    assert_eq!(cancel(&server, &jobs[1].0).await.0, 200);
    until_running(&mut jobs[3].1).await;
    assert_eq!((count(&server, "running").await, count(&server, "pending").await), (3, 1));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn higher_priority_goes_first_then_age() {
    let server = TestServer::with(|settings| settings.workers = 1).await;
    let first = submit_endless(&server, "the one that holds the place").await;
    until_running(&mut server.follow(&first).await).await;
    let mut jobs = Vec::new();
    for (name, priority) in [("third", 0), ("first", 5), ("second", 5), ("last", -1)] {
        let job = server
            .submit(&json!({
                "kind": "blog", "input": { "topic": name, "words": 50 }, "priority": priority,
            }))
            .await;
        jobs.push((name, server.follow(&job).await));
    }
    assert_eq!(cancel(&server, &first).await.0, 200);
    let mut order = Vec::new();
    for (name, reader) in &mut jobs {
        order.push((until_running(reader).await.id, *name));
    }
    order.sort_unstable();
    let order: Vec<_> = order.into_iter().map(|(_, name)| name).collect();
    assert_eq!(order, ["first", "second", "third", "last"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identical_task_in_flight_is_not_queued_twice() {
    let server = TestServer::with(|settings| settings.workers = 0).await;
    let task = |topic: &str, more: Value| {
        let mut task = json!({ "kind": "blog", "input": { "topic": topic } });
        task.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        task
    };
    let first = server.post("/api/jobs", &task("bees", json!({}))).await.1;
    let again = server.post("/api/jobs", &task("bees", json!({}))).await.1;
    assert_eq!((&again["job_id"], &again["deduplicated"]), (&first["job_id"], &json!(true)));
    for other in [
        task("wasps", json!({})),
        task("bees", json!({ "project_id": "elsewhere" })),
        task("bees", json!({ "allow_duplicate": true })),
    ] {
        let answer = server.post("/api/jobs", &other).await.1;
        assert_ne!(answer["job_id"], first["job_id"], "{other}");
    }
    let job = first["job_id"].as_str().unwrap();
    assert_eq!(cancel(&server, job).await.0, 200);
    let after = server.post("/api/jobs", &task("bees", json!({}))).await.1;
    assert_ne!(after["job_id"], first["job_id"], "the first one has ended");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_makes_one_job_however_often_it_is_sent() {
    let server = TestServer::with(|settings| settings.workers = 0).await;
    let submit = async |key: &str, topic: &str| {
        let task = json!({
            "kind": "blog", "input": { "topic": topic }, "allow_duplicate": true,
        });
        let request = server.http.post(server.url("/api/jobs")).header("idempotency-key", key);
        let response = request.json(&task).send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let at_once = (0..8).map(|_| submit("a key", "bees"));
    let answers = futures_util::future::join_all(at_once).await;
    let job = &answers[0].1["job_id"];
    assert!(answers.iter().all(|(status, answer)| *status == 202 && answer["job_id"] == *job));
    let (status, problem) = submit("a key", "wasps").await;
    assert_eq!((status, &problem["code"]), (422, &json!("key_reused")));
    assert_ne!(submit("another key", "bees").await.1["job_id"], *job);
    assert_eq!(count(&server, "pending").await, 2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_does_not_wait_for_the_model_and_keeps_what_there_is() {
    let server = TestServer::start().await;
    let job = submit_endless(&server, "winter").await;
    let mut reader = server.follow(&job).await;
    let mut messages = vec![reader.until("content").await];
    let (status, answer) = cancel(&server, &job).await;
    assert_eq!((status, &answer["status"]), (200, &json!("canceled")));
    messages.extend(reader.read_to_end().await);
    let end = messages.last().unwrap();
    assert_eq!((end.event.as_str(), &end.data["reason"]), ("canceled", &json!("enough")));
    let view = server.get(&format!("/api/jobs/{job}")).await.1;
    assert_eq!((&view["status"], &view["reason"]), (&json!("canceled"), &json!("enough")));
    assert_eq!(view["text"], text_of(&messages));
    assert_ne!(view["text"], "");
    assert_eq!(cancel(&server, &job).await.0, 200, "canceling twice is no error");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_waits_is_canceled_and_one_that_is_done_is_not() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let response = server.http.delete(server.url(&format!("/api/jobs/{job}"))).send().await;
    assert_eq!(response.unwrap().status(), 200);
    assert_eq!(server.wait_for_end(&job).await["status"], "canceled");
    let job = server.submit_blog("spring", false).await;
    assert_eq!(server.wait_for_end(&job).await["status"], "completed");
    let (status, problem) = cancel(&server, &job).await;
    assert_eq!((status, &problem["code"]), (409, &json!("job_ended")));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_is_busy_is_asked_again_within_the_same_run() {
    let server = TestServer::start().await;
    let messages = fate(&server, "[429] rain", false).await;
    assert_eq!(messages.last().unwrap().event, "completed");
    assert_eq!(seen(&messages, "status"), 2, "pending, running");
    assert!(text_of(&messages).contains("ain"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_that_breaks_off_is_kept_and_not_asked_for_again() {
    let server = TestServer::start().await;
    let job = server.submit_blog("[cut] wind", false).await;
    let messages = server.follow(&job).await.read_to_end().await;
    assert_eq!(code(&messages), "truncated");
    let pieces = messages.iter().filter(|message| message.event == "content");
    let indices: Vec<_> = pieces.map(|message| message.data["index"].as_u64().unwrap()).collect();
    assert_eq!(indices, (0..indices.len() as u64).collect::<Vec<_>>());
    let view = server.get(&format!("/api/jobs/{job}")).await.1;
    assert_eq!(view["text"], text_of(&messages));
    assert_ne!(view["text"], "");
    assert_eq!(view["error"]["retryable"], true, "{view}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_says_nothing_or_only_fails_is_given_up() {
    let server = TestServer::start().await;
    let (empty, failing) =
        tokio::join!(fate(&server, "[empty] fog", false), fate(&server, "[fail] hail", false));
    assert_eq!(code(&empty), "empty_answer");
    assert_eq!(code(&failing), "broken");
    for messages in [&empty, &failing] {
        assert_eq!(seen(messages, "content") + seen(messages, "artifact_ready"), 0);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_falls_silent_is_given_up_and_its_text_kept() {
    let server =
        TestServer::with(|settings| settings.chat_idle_timeout = Duration::from_secs(1)).await;
    let messages = fate(&server, "[stall] snow", false).await;
    assert_eq!(code(&messages), "timeout");
    assert_ne!(text_of(&messages), "");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_takes_too_long_is_ended() {
    let limit = |settings: &mut Settings| settings.job_time_limit = Duration::from_secs(1);
    let server = TestServer::with(limit).await;
    assert_eq!(code(&fate(&server, "[stall] ice", false).await), "timeout");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_whose_narration_fails_keeps_its_files() {
    let server = TestServer::start().await;
    let job = server.submit_blog("[speech-fail] dew", true).await;
    let messages = server.follow(&job).await.read_to_end().await;
    assert_eq!(code(&messages), "broken");
    assert_eq!((seen(&messages, "artifact_ready"), seen(&messages, "tts_completed")), (2, 0));
    let view = server.get(&format!("/api/jobs/{job}")).await.1;
    let kinds: Vec<_> =
        view["artifacts"].as_array().unwrap().iter().map(|file| file["kind"].clone()).collect();
    assert_eq!(kinds, ["markdown", "html"]);
    let url = server.url(view["artifacts"][0]["url"].as_str().unwrap());
    let file = server.http.get(url).send().await.unwrap().text().await.unwrap();
    assert_eq!(file, text_of(&messages));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_producer_is_silent_is_ended_and_one_whose_producer_speaks_is_not() {
    let server = TestServer::start().await;
    let patient = json!({ "kind": "external", "silence_limit_ms": 86_400_000 });
    let impatient = json!({ "kind": "external", "silence_limit_ms": 1000 });
    let (patient, silent) = (server.submit(&patient).await, server.submit(&impatient).await);
    let spoke_once = server.submit(&impatient).await;
    server.push(&spoke_once, &[json!({ "type": "step" })]).await;
    for job in [&silent, &spoke_once] {
        let messages = server.follow(job).await.read_to_end().await;
        assert_eq!(code(&messages), "producer_silent");
    }
    assert_eq!(server.get(&format!("/api/jobs/{patient}")).await.1["status"], "pending");
    let (status, problem) = server.push(&silent, &[json!({ "type": "step" })]).await;
    assert_eq!((status, &problem["code"]), (409, &json!("job_ended")));
    server.stop().await;
}
