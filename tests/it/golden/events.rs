//! One of each event of a stream.

use serde_json::{Value, json};

use crate::harness::{Message, Reader, TestServer};

use super::Samples;

fn sample(message: &Message) -> Value {
    // One number for all of them: only whether there is one does not differ from run to run.
    json!({ "id": message.id.map(|_| 4_294_967_338_u64), "type": message.event, "data": message.data })
}

/// Keeps the first of each of these events, under these names.
fn keep(samples: &mut Samples, messages: &[Message], wanted: &[(&str, &str)]) {
    for (event, name) in wanted {
        let found = messages.iter().find(|message| message.event == *event);
        let found = found.unwrap_or_else(|| panic!("no '{event}' among {messages:#?}"));
        samples.add(name, sample(found));
    }
}

pub(super) async fn of_streams(samples: &mut Samples) {
    let server = TestServer::with(|settings| {
        settings.start_jitter = std::time::Duration::ZERO;
    })
    .await;
    of_a_blog(&server, samples).await;
    of_media(&server, samples).await;
    of_a_worker(&server, samples).await;
    of_several(&server, samples).await;
    let job = server.submit_external().await;
    let mut reader = server.follow(&job).await;
    reader.until("status").await;
    server.begin_to_stop();
    keep(samples, &reader.read_to_end().await, &[("bye", "event.bye")]);
    server.stop().await;

    let server = TestServer::with(|settings| settings.workers = 0).await;
    let body = json!({ "kind": "video", "model": "seedance-t2v", "input": { "prompt": "a kite" } });
    let job = server.submit(&body).await;
    let mut reader = server.follow(&job).await;
    let messages = [reader.until("hello").await, reader.until("queue").await];
    keep(samples, &messages, &[("hello", "event.hello"), ("queue", "event.queue")]);
    let mut reader = open(&server, &format!("/api/stream?job={job}")).await;
    let queue = reader.until("queue").await;
    keep(samples, &[queue], &[("queue", "envelope.queue")]);
    server.stop().await;
}

async fn open(server: &TestServer, path: &str) -> Reader {
    Reader::open(&server.http, &server.url(path), None).await
}

async fn of_a_blog(server: &TestServer, samples: &mut Samples) {
    let job = server.submit_blog("tides", true).await;
    let messages = server.follow(&job).await.read_to_end().await;
    let wanted = [
        ("status", "event.status"),
        ("progress", "event.progress"),
        ("content", "event.content"),
        ("artifact_ready", "event.artifact_ready"),
        ("tts_completed", "event.tts_completed"),
        ("completed", "event.completed"),
    ];
    keep(samples, &messages, &wanted);
    let narrating = |message: &&Message| message.data.get("part").is_some();
    let part = messages.iter().find(narrating).expect("a narration has parts");
    samples.add("event.progress_part", sample(part));
}

async fn of_media(server: &TestServer, samples: &mut Samples) {
    let image = |prompt: &str| {
        json!({
            "kind": "image", "model": "bfl/flux-2-klein-4b", "input": { "prompt": prompt },
        })
    };
    let job = server.submit(&image("a kite")).await;
    let messages = server.follow(&job).await.read_to_end().await;
    let wanted = [
        ("progress", "event.progress_of_media"),
        ("artifact_ready", "event.artifact_ready_of_media"),
        ("completed", "event.completed_of_media"),
    ];
    keep(samples, &messages, &wanted);
    let job = server.submit(&image("a kite [moderated]")).await;
    let messages = server.follow(&job).await.read_to_end().await;
    keep(samples, &messages, &[("failed", "event.failed")]);
}

async fn of_a_worker(server: &TestServer, samples: &mut Samples) {
    let job = server.submit_external().await;
    let log = json!({ "type": "log", "data": { "line": "it runs", "level": "info" } });
    let content = json!({ "type": "content", "data": { "text": "so far" } });
    server.push(&job, &[log, content]).await;
    server.post(&format!("/api/jobs/{job}/cancel"), &json!({})).await;
    let messages = server.follow(&job).await.read_to_end().await;
    keep(samples, &messages, &[("log", "event.log"), ("canceled", "event.canceled")]);
    let messages = server.follow_from(&job, Some("x")).await.read_to_end().await;
    let wanted = [
        ("hello", "event.hello_without_cursor"),
        ("gap", "event.gap"),
        ("snapshot", "event.snapshot"),
    ];
    keep(samples, &messages, &wanted);
}

async fn of_several(server: &TestServer, samples: &mut Samples) {
    let job = server.submit_external().await;
    let progress = json!({ "type": "progress", "data": { "percent": 7, "stage": "painting" } });
    server.push(&job, &[progress]).await;
    let mut reader = open(server, &format!("/api/stream?job={job}")).await;
    let messages = [reader.until("hello").await, reader.until("progress").await];
    keep(
        samples,
        &messages,
        &[("hello", "stream_of_jobs.hello"), ("progress", "envelope.progress")],
    );
    let mut reader = open(server, &format!("/api/stream?job={job}@x")).await;
    let snapshot = reader.until("snapshot").await;
    keep(samples, &[snapshot], &[("snapshot", "envelope.snapshot")]);
    let mut reader = open(server, "/api/projects/default/stream").await;
    let messages = [reader.until("hello").await, reader.until("snapshot").await];
    let mut messages = messages;
    // One job stands for all.
    messages[1].data["jobs"].as_array_mut().unwrap().truncate(1);
    keep(
        samples,
        &messages,
        &[("hello", "stream_of_project.hello"), ("snapshot", "stream_of_project.snapshot")],
    );
}
