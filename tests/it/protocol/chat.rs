//! § 14: the AI SDK.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::TestServer;
use crate::harness::cluster::is_cluster;
use crate::harness::parts::{Parts, of_type, says, text_of, types};

use super::Killable;

async fn send(server: &TestServer, body: &Value) -> Parts {
    Parts::open(server.http.post(server.url("/api/chat")).json(body)).await
}

async fn resume(server: &TestServer, chat: &str) -> Parts {
    Parts::open(server.http.get(server.url(&format!("/api/chat/{chat}/stream")))).await
}

/// A server that runs no job, so that everything stays in flight.
async fn idle_server() -> TestServer {
    TestServer::with(|settings| settings.workers = 0).await
}

/// The text of a job's Markdown file.
async fn markdown(server: &TestServer, job: &str) -> String {
    let view = server.get(&format!("/api/jobs/{job}")).await.1;
    let files = view["artifacts"].as_array().unwrap();
    let file = files.iter().find(|file| file["kind"] == "markdown").unwrap();
    let url = server.url(file["url"].as_str().unwrap());
    server.http.get(url).send().await.unwrap().text().await.unwrap()
}

/// Asserts that a stream ended with this part and `[DONE]`.
fn assert_finished(stream: &Parts, parts: &[Value], reason: &str) {
    let last = parts.last().unwrap();
    assert_eq!(
        (&last["type"], &last["finishReason"]),
        (&json!("finish"), &json!(reason)),
        "{parts:?}"
    );
    assert!(stream.is_done, "{parts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p57_a_message_is_streamed_from_its_start_to_done() {
    let server = TestServer::start().await.at_one_node();
    let mut stream = send(&server, &says("c1", "Why is the sea salty?")).await;
    assert_eq!(stream.status, 200);
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-cache, no-transform"),
        ("x-accel-buffering", "no"),
        ("x-vercel-ai-ui-message-stream", "v1"),
    ] {
        assert_eq!(stream.headers[name], value);
    }
    let job = stream.job();
    let parts = stream.read_to_end().await;
    assert_eq!(parts[0], json!({ "type": "start", "messageId": job }));
    assert_finished(&stream, &parts, "stop");
    let view = server.get(&format!("/api/jobs/{job}")).await.1;
    assert_eq!((&view["kind"], &view["status"]), (&json!("chat"), &json!("completed")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p57_every_end_is_told_by_a_terminal_part() {
    let server = TestServer::start().await;
    let mut stream = send(&server, &says("cut", "[cut] Why is the sea salty?")).await;
    let parts = stream.read_to_end().await;
    assert_finished(&stream, &parts, "error");
    let error = of_type(&parts, "error");
    assert_eq!(error.len(), 1, "{parts:?}");
    assert!(error[0]["errorText"].as_str().unwrap().len() > 10);
    let finish = &parts.last().unwrap()["messageMetadata"];
    assert_eq!((&finish["code"], &finish["jobId"]), (&json!("truncated"), &json!(stream.job())));

    let mut stream = send(&server, &says("canceled", "[stall] Why is the sea salty?")).await;
    let mut parts = stream.until("text-delta").await;
    let cancel = format!("/api/jobs/{}/cancel", stream.job());
    assert_eq!(server.post(&cancel, &json!({ "reason": "enough" })).await.0, 200);
    parts.extend(stream.read_to_end().await);
    assert_finished(&stream, &parts, "other");
    assert_eq!(of_type(&parts, "abort"), [&json!({ "type": "abort", "reason": "enough" })]);

    let mut stream = send(&server, &says("drained", "[stall] Why is the sea salty?")).await;
    let mut parts = stream.until("text-delta").await;
    server.begin_to_stop();
    parts.extend(stream.read_to_end().await);
    assert_finished(&stream, &parts, "error");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p57_a_connection_that_reaches_its_age_says_that_it_is_to_be_resumed() {
    let server =
        TestServer::with(|settings| settings.max_stream_age = Duration::from_secs(1)).await;
    let mut stream = send(&server, &says("old", "[stall] Why is the sea salty?")).await;
    let parts = stream.read_to_end().await;
    assert_finished(&stream, &parts, "error");
    let error = of_type(&parts, "error")[0]["errorText"].as_str().unwrap();
    assert!(error.ends_with("resume the stream"), "{error}");
    let mut again = resume(&server, "old").await;
    assert!(text_of(&again.until("text-delta").await).starts_with(&text_of(&parts)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p58_the_deltas_are_the_answer_and_progress_and_files_stand_beside_it() {
    let server = TestServer::start().await;
    let mut body = says("c1", "Words: 120\nTopic: salt");
    body["voiceover"] = true.into();
    let mut stream = send(&server, &body).await;
    let parts = stream.read_to_end().await;
    let text = text_of(&parts);
    assert!(text.len() > 200, "{text}");
    assert_eq!(text, markdown(&server, &stream.job()).await);
    // One text part, and it is closed before the end.
    let counts = ["text-start", "text-end"].map(|kind| of_type(&parts, kind).len());
    assert_eq!(counts, [1, 1]);
    let ids = parts.iter().filter(|part| part["type"].as_str().unwrap().starts_with("text-"));
    assert_eq!(ids.map(|part| part["id"].as_str().unwrap()).collect::<BTreeSet<_>>().len(), 1);
    let progress = of_type(&parts, "data-progress");
    assert!(progress.iter().all(|part| part["id"] == progress[0]["id"]));
    assert_eq!(progress.last().unwrap()["data"]["percent"], 100);
    assert!(of_type(&parts, "data-job").iter().all(|part| part["transient"] == true));
    let files = of_type(&parts, "file");
    assert_eq!(files.len(), 1, "{parts:?}");
    assert_eq!(files[0]["mediaType"], "audio/wav");
    let url = server.url(files[0]["url"].as_str().unwrap());
    assert_eq!(&server.http.get(url).send().await.unwrap().bytes().await.unwrap()[..4], b"RIFF");
    let known = [
        "start",
        "data-job",
        "data-progress",
        "text-start",
        "text-delta",
        "text-end",
        "file",
        "finish",
    ];
    assert!(types(&parts).iter().all(|kind| known.contains(kind)), "{:?}", types(&parts));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p58_a_job_that_waits_tells_its_place() {
    let server = idle_server().await;
    send(&server, &says("c1", "hello")).await;
    let mut stream = send(&server, &says("c2", "hello")).await;
    let waiting = json!({ "status": "pending", "position": 2 });
    let place = json!({ "type": "data-job", "data": waiting, "transient": true });
    let mut last = stream.next().await.unwrap();
    while last != place {
        last = stream.next().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p59_the_same_submit_gets_the_same_job_and_another_chat_another_one() {
    let server = idle_server().await;
    let job = send(&server, &says("c1", "hello")).await.job();
    assert_eq!(send(&server, &says("c1", "hello")).await.job(), job);
    assert_ne!(send(&server, &says("c2", "hello")).await.job(), job);
    assert_ne!(send(&server, &says("c1", "goodbye")).await.job(), job);
    // Not its newest any more.
    assert_ne!(send(&server, &says("c1", "hello")).await.job(), job);
    // What ended badly is tried again.
    let stopped = send(&server, &says("c3", "hello")).await.job();
    assert_eq!(server.post("/api/chat/c3/stop", &json!({})).await.0, 200);
    assert_ne!(send(&server, &says("c3", "hello")).await.job(), stopped);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p59_asking_for_another_answer_makes_a_job_each_time() {
    let server = idle_server().await;
    let first = send(&server, &says("c1", "hello")).await.job();
    let mut again = says("c1", "hello");
    again["trigger"] = "regenerate-message".into();
    let second = send(&server, &again).await.job();
    let third = send(&server, &again).await.job();
    assert_eq!(BTreeSet::from([&first, &second, &third]).len(), 3);
    assert_eq!(resume(&server, "c1").await.job(), third);
    // With a key of the client's own, a blind retry is told from another wish.
    let keyed = || server.http.post(server.url("/api/chat")).header("idempotency-key", "k");
    let fourth = Parts::open(keyed().json(&again)).await.job();
    assert_eq!(Parts::open(keyed().json(&again)).await.job(), fourth);
    again["id"] = "c2".into();
    assert_eq!(Parts::open(keyed().json(&again)).await.status, 422);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p60_who_comes_back_has_everything_once_under_the_same_id() {
    let server = TestServer::start().await;
    let mut stream = send(&server, &says("c1", "[stall] Why is the sea salty?")).await;
    let job = stream.job();
    let mut parts = stream.until("text-delta").await;
    let mut second = resume(&server, "c1").await;
    assert_eq!(second.status, 200);
    let mut again = second.until("text-delta").await;
    assert_eq!(again[0], json!({ "type": "start", "messageId": job }));
    // The first one goes away; the job goes on.
    assert_eq!(server.post("/api/chat/c1/stop", &json!({})).await.0, 200);
    parts.extend(stream.read_to_end().await);
    again.extend(second.read_to_end().await);
    assert_eq!(text_of(&again), text_of(&parts));
    assert!(text_of(&parts).len() > 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p60_a_chat_whose_answer_nobody_had_is_told_it_once() {
    let mut server = idle_server().await;
    assert_eq!(resume(&server, "nobody").await.status, 204);
    let stream = send(&server, &says("c1", "Why is the sea salty?")).await;
    let job = stream.job();
    drop(stream);
    // Nobody is there when it is written.
    server.settings.workers = 1;
    let server = server.restart().await;
    server.wait_for_end(&job).await;
    let server = server.restart().await;
    let mut late = resume(&server, "c1").await;
    let parts = late.read_to_end().await;
    assert_finished(&late, &parts, "stop");
    assert_eq!(parts[0]["messageId"], job.as_str());
    assert_eq!(of_type(&parts, "text-delta").len(), 1);
    assert_eq!(text_of(&parts), markdown(&server, &job).await);
    assert_eq!(resume(&server, "c1").await.status, 204);
    let server = server.restart().await;
    assert_eq!(resume(&server, "c1").await.status, 204);
    // The next answer is news again.
    send(&server, &says("c1", "And lakes?")).await;
    assert_eq!(resume(&server, "c1").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p60_a_reload_after_a_finished_answer_is_told_that_nothing_goes_on() {
    let server = TestServer::start().await;
    let mut stream = send(&server, &says("c1", "Why is the sea salty?")).await;
    stream.read_to_end().await;
    assert_eq!(resume(&server, "c1").await.status, 204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p60_a_crash_in_the_middle_loses_and_doubles_nothing() {
    let server = Killable::start(&["--simulator-speed", "2"]).await;
    let http = crate::harness::client();
    let body = says("c1", "Words: 600\nTopic: the sea");
    let mut stream = Parts::open(http.post(server.url("/api/chat")).json(&body)).await;
    let job = stream.job();
    stream.until("text-delta").await;
    let server = server.kill().await.start(&["--simulator-speed", "1000"]).await;
    let mut again = Parts::open(http.get(server.url("/api/chat/c1/stream"))).await;
    let mut parts = again.read_to_end().await;
    // The nodes of a cluster listen before the lease of the dead one is over.
    while is_cluster() && parts.last().is_some_and(|part| part["finishReason"] == "error") {
        again = Parts::open(http.get(server.url("/api/chat/c1/stream"))).await;
        parts = again.read_to_end().await;
    }
    assert_finished(&again, &parts, "stop");
    assert_eq!(parts[0]["messageId"], job.as_str());
    let view = server.get(&format!("/api/jobs/{job}")).await.1;
    assert_eq!((&view["attempt"], &view["text"]), (&json!(2), &json!(text_of(&parts))));
    assert_eq!(again.headers["x-tailwater-job"], job.as_str());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p61_a_stop_cancels_the_newest_job_and_is_repeatable() {
    let server = TestServer::start().await;
    let (status, problem) = server.post("/api/chat/nobody/stop", &json!({})).await;
    assert_eq!((status, &problem["code"]), (404, &json!("unknown_chat")), "{problem}");
    let mut stream = send(&server, &says("c1", "[stall] Why is the sea salty?")).await;
    stream.until("text-delta").await;
    let view = json!({ "job_id": stream.job(), "status": "canceled" });
    for _ in 0..2 {
        assert_eq!(server.post("/api/chat/c1/stop", &json!({})).await, (200, view.clone()));
    }
    let parts = stream.read_to_end().await;
    assert!(types(&parts).ends_with(&["text-end", "abort", "finish"]), "{parts:?}");
    let mut stream = send(&server, &says("c2", "Why is the sea salty?")).await;
    stream.read_to_end().await;
    let view = json!({ "job_id": stream.job(), "status": "completed" });
    assert_eq!(server.post("/api/chat/c2/stop", &json!({})).await, (200, view));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p61_a_page_that_goes_away_stops_nothing() {
    let server = TestServer::start().await;
    let mut stream = send(&server, &says("c1", "Why is the sea salty?")).await;
    stream.next().await;
    let job = stream.job();
    drop(stream);
    assert_eq!(server.wait_for_end(&job).await["status"], "completed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p62_every_bad_field_is_named_and_what_is_the_apps_own_is_passed_over() {
    let server = idle_server().await;
    let with = |name: &str, value: Value| {
        let mut body = says("c1", "hello");
        body[name] = value;
        body
    };
    for (body, pointers) in [
        (json!({}), vec!["/id", "/messages"]),
        (with("id", json!("a/b")), vec!["/id"]),
        (with("id", json!("..")), vec!["/id"]),
        (with("trigger", json!("resume-stream")), vec!["/trigger"]),
        (with("kind", json!("lipsync")), vec!["/kind"]),
        (with("project_id", json!("a b")), vec!["/project_id"]),
        (with("voiceover", json!("yes")), vec!["/voiceover"]),
        (with("input", json!({ "voice": "a b", "mood": 1 })), vec!["/input/mood", "/input/voice"]),
        (with("messages", json!([{ "role": "robot", "parts": [] }])), vec!["/messages/0/role"]),
        (
            with(
                "messages",
                json!([
                    { "role": "user", "parts": [{ "type": "text", "text": "a" }] },
                    { "role": "assistant", "parts": [{ "type": "text", "text": "b" }] },
                ]),
            ),
            vec!["/messages"],
        ),
    ] {
        let (status, problem) = server.post("/api/chat", &body).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_field")), "{problem}");
        let errors = problem["errors"].as_array().unwrap();
        let named: BTreeSet<_> =
            errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        assert_eq!(named, BTreeSet::from_iter(pointers), "{problem}");
    }
    let mut long = says("c1", &"x".repeat(4_001));
    long["kind"] = "blog".into();
    let (_, problem) = server.post("/api/chat", &long).await;
    assert_eq!(problem["errors"][0]["pointer"], "/messages/0", "{problem}");
    assert_eq!(server.get("/api/jobs").await.1["jobs"], json!([]));
    let mut own = says("c1", "hello");
    (own["model"], own["temperature"]) = ("gpt-x".into(), 1.into());
    own["messageId"] = "m0".into();
    assert_eq!(send(&server, &own).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p63_a_kind_makes_something_else_of_the_last_text() {
    let server = TestServer::start().await;
    let mut body = says("pictures", "a lighthouse in fog");
    body["kind"] = "image".into();
    body["model"] = "bfl/flux-2-klein-4b".into();
    let mut stream = send(&server, &body).await;
    assert_eq!(stream.status, 200);
    let parts = stream.read_to_end().await;
    assert_finished(&stream, &parts, "stop");
    let files = of_type(&parts, "file");
    assert_eq!(files.len(), 1, "{parts:?}");
    assert!(files[0]["mediaType"].as_str().unwrap().starts_with("image/"));
    let url = server.url(files[0]["url"].as_str().unwrap());
    assert!(server.http.get(url).send().await.unwrap().status().is_success());
    let view = server.get(&format!("/api/jobs/{}", stream.job())).await.1;
    assert_eq!(view["input"]["prompt"], "a lighthouse in fog");

    let mut body = says("posts", "how tides work");
    (body["kind"], body["input"]) = ("blog".into(), json!({ "words": 80 }));
    let mut stream = send(&server, &body).await;
    let parts = stream.read_to_end().await;
    assert_finished(&stream, &parts, "stop");
    assert_eq!(text_of(&parts), markdown(&server, &stream.job()).await);
    assert!(of_type(&parts, "file").is_empty());
}
