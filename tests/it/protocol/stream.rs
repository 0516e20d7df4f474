//! § 2: what a stream looks like.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::reader::assert_ids_rise;
use crate::harness::{Message, TestServer};

use super::raw::field;
use super::{Killable, Raw, about_the_job, content, ended_job, event, lock_database, unlock};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p05_a_stream_says_what_it_is_and_is_not_compressed() {
    let server = TestServer::start().await.at_one_node();
    let job = ended_job(&server, 1).await;
    let streams = [
        format!("/api/jobs/{job}/stream"),
        format!("/api/stream?job={job}"),
        "/api/projects/default/stream".into(),
    ];
    for path in streams {
        let asked = [("accept-encoding", "gzip, deflate, br, zstd")];
        let mut raw = Raw::open(&server, &path, &asked).await;
        let headers = raw.response.headers();
        assert_eq!(headers["content-type"], "text/event-stream", "{path}");
        assert_eq!(headers["cache-control"], "no-cache, no-transform", "{path}");
        assert_eq!(headers["x-accel-buffering"], "no", "{path}");
        assert!(!headers.contains_key("content-encoding"), "{path}");
        assert!(raw.block().await.unwrap().starts_with("retry: "), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p06_a_stream_begins_with_a_retry_of_its_own_and_hello() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let last = server.push(&job, &[content("one")]).await.1["last_id"].clone();
    let mut retries = BTreeSet::new();
    for _ in 0..12 {
        let path = format!("/api/jobs/{job}/stream?after={last}");
        let mut raw = Raw::open(&server, &path, &[]).await;
        let retry = raw.block().await.unwrap();
        let value: u64 = retry.strip_prefix("retry: ").unwrap().parse().unwrap();
        assert!((1000..=4000).contains(&value), "{retry}");
        retries.insert(value);
        let hello = raw.block().await.unwrap();
        assert_eq!(field(&hello, "event"), Some("hello"), "{hello}");
        let data: Value = serde_json::from_str(field(&hello, "data").unwrap()).unwrap();
        let expected = json!({
            "job": job, "status": "running", "attempt": 1, "after": last, "head": last,
            "keep_alive_ms": 5000,
        });
        assert_eq!(data, expected);
    }
    assert!(retries.len() > 1, "drawn for each connection: {retries:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p06_every_hello_says_how_often_a_stream_shows_that_it_lives() {
    let interval = Duration::from_millis(7500);
    let server = TestServer::with(|settings| settings.keep_alive = interval).await;
    let job = server.submit_external().await;
    let streams = [
        format!("/api/jobs/{job}/stream"),
        format!("/api/stream?job={job}"),
        "/api/projects/default/stream".into(),
    ];
    for path in streams {
        let hello = Raw::open(&server, &path, &[]).await.until("hello").await;
        let data: Value = serde_json::from_str(field(&hello, "data").unwrap()).unwrap();
        assert_eq!(data["keep_alive_ms"], 7500, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p07_events_about_a_job_have_an_id_and_control_events_have_none() {
    let server = TestServer::with(|settings| {
        settings.workers = 1;
        settings.keep_alive = Duration::from_millis(100);
    })
    .await;
    let first = server.submit_blog("[stall] tides", false).await;
    server.follow(&first).await.until("content").await;
    let waiting = server.submit_blog("moons", false).await;
    // An id of no epoch makes a gap, and the wait makes a place in the queue and keep-alives.
    let path = format!("/api/jobs/{waiting}/stream?after=5&keepalive=event");
    let mut raw = Raw::open(&server, &path, &[]).await;
    let mut seen = BTreeSet::new();
    let control = BTreeSet::from(["hello", "gap", "queue", "keep-alive", "bye"].map(str::to_owned));
    while let Some(block) = raw.block().await {
        let Some(name) = field(&block, "event") else { continue };
        let has_id = block.lines().any(|line| line.starts_with("id"));
        assert_eq!(has_id, !control.contains(name), "{block}");
        seen.insert(name.to_owned());
        if seen.contains("queue") && seen.contains("keep-alive") {
            server.begin_to_stop();
        }
    }
    assert!(seen.is_superset(&control), "{seen:?}");
    assert!(seen.contains("snapshot"), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p07_ids_rise_across_jobs_and_restarts() {
    let server = TestServer::start().await;
    let jobs = [server.submit_external().await, server.submit_external().await];
    let mut last = 0;
    let mut push = async |server: &TestServer, job: &str| {
        let (_, answer) = server.push(job, &[content("a"), content("b")]).await;
        let id = answer["last_id"].as_u64().unwrap();
        assert!(id > last, "{id} after {last}");
        last = id;
    };
    for job in jobs.iter().cycle().take(6) {
        push(&server, job).await;
    }
    let server = server.restart().await;
    for job in jobs.iter().cycle().take(6) {
        push(&server, job).await;
    }
    let mut ids = BTreeSet::new();
    for job in &jobs {
        server.push(job, &[event("completed", &json!({}))]).await;
        let messages = about_the_job(&server.follow(job).await.read_to_end().await);
        assert_ids_rise(&messages);
        // pending, running, six pushes of two, the end
        assert_eq!(messages.len(), 15);
        assert!(messages.iter().all(|message| ids.insert(message.id)), "an id is used once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p07_no_id_comes_again_after_a_crash_took_its_event() {
    let server = Killable::start(&[]).await;
    let job = server.submit_external().await;
    server.push(&job, "?durable=true", &content("kept")).await;
    let lock = lock_database(&server.database()).await;
    let lost = server.push(&job, "", &content("lost")).await;
    assert_eq!(lost["durable"], false);
    let killed = server.kill().await;
    unlock(lock).await;
    let server = killed.start(&[]).await;
    let next = server.push(&job, "", &content("next")).await;
    assert!(next["last_id"].as_u64() > lost["last_id"].as_u64(), "{next} after {lost}");
    assert!(next["last_id"].as_u64().unwrap() < 1 << 53);
}

/// Text that means something to those who split streams, shells or pages.
const NASTY: &str =
    "a\nb\rc\r\nd\n\ndata: x\nid: 9\u{0}\u{85}\u{2028}\u{2029}\u{202e}\u{feff}\\n\"";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p09_data_is_one_line_of_json_whatever_a_worker_sends() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let sent = [
        json!({ "text": NASTY }),
        json!({ NASTY: [NASTY, { NASTY: null }] }),
        json!(NASTY),
        json!([[], {}, 1.5, null]),
    ];
    let path = format!("/api/jobs/{job}/events");
    for data in &sent {
        // With line breaks between its tokens, of every kind, and raw separators in its texts.
        let pretty = serde_json::to_string_pretty(&event("x", data)).unwrap().replace('\n', "\r\n");
        let request =
            server.http.post(server.url(&path)).header("content-type", "application/json");
        assert_eq!(request.body(pretty).send().await.unwrap().status(), 200);
    }
    let mut raw = Raw::open(&server, &format!("/api/jobs/{job}/stream"), &[]).await;
    for data in &sent {
        let block = raw.until("x").await;
        // Lines as the most eager of readers split them.
        let line_ends = ['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}', '\u{0}'];
        let lines: Vec<_> = block.split(line_ends).collect();
        let fields: Vec<_> = lines.iter().map(|line| line.split(':').next().unwrap()).collect();
        assert_eq!(fields, ["id", "event", "data"], "{block:?}");
        let got: Value = serde_json::from_str(field(&block, "data").unwrap()).unwrap();
        assert_eq!(got, *data);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p09_no_name_of_an_event_breaks_a_frame() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    for name in ["a\nb", "a\rdata: x", "", "a b", "ä", "hello", "snapshot", "bye", "status", "9"] {
        let (status, problem) = server.push(&job, &[event(name, &json!({}))]).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_event")), "{name:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p10_a_silent_stream_says_that_it_is_alive() {
    let usual = tailwater::config::Settings::default().keep_alive;
    assert_eq!(usual, Duration::from_secs(5));
    let keep_alive = Duration::from_millis(200);
    let server = TestServer::with(|settings| settings.keep_alive = keep_alive).await;
    let job = server.submit_external().await;
    for (query, expected) in
        [("", ": keep-alive"), ("?keepalive=event", "event: keep-alive\ndata: {}")]
    {
        let before = Instant::now();
        let path = format!("/api/jobs/{job}/stream{query}");
        let mut raw = Raw::open(&server, &path, &[]).await;
        let mut blocks = Vec::new();
        while blocks.last().is_none_or(|block| block != expected) {
            blocks.push(raw.block().await.unwrap());
        }
        assert!(before.elapsed() >= keep_alive, "only after silence");
        let seen: Vec<_> = blocks.iter().filter(|block| field(block, "id").is_none()).collect();
        assert_eq!(seen.len(), 3, "retry, hello, keep-alive: {seen:?}");
        assert_eq!(raw.block().await.unwrap(), expected, "and again");
        server.push(&job, &[content("news")]).await;
        raw.until("content").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p10_a_reader_is_told_after_the_silence_that_it_asks_for() {
    let usual = Duration::from_millis(200);
    let server = TestServer::with(|settings| settings.keep_alive = usual).await;
    let job = server.submit_external().await;
    for (path, wanted) in [
        (format!("/api/jobs/{job}/stream?keepalive=2"), Duration::from_secs(2)),
        (format!("/api/stream?job={job}&keepalive=1"), Duration::from_secs(1)),
        (format!("/api/jobs/{job}/stream?keepalive=601"), usual),
    ] {
        let before = Instant::now();
        let mut raw = Raw::open(&server, &path, &[]).await;
        assert!(field(&raw.block().await.unwrap(), "retry").is_some());
        let hello = raw.block().await.unwrap();
        let hello: Value = serde_json::from_str(field(&hello, "data").unwrap()).unwrap();
        assert_eq!(hello["keep_alive_ms"], json!(wanted.as_millis()));
        let mut next = raw.block().await.unwrap();
        while field(&next, "id").is_some() {
            next = raw.block().await.unwrap();
        }
        assert_eq!(next, ": keep-alive", "{path}");
        assert!(before.elapsed() >= wanted, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p17_a_connection_of_the_greatest_age_is_told_to_come_again() {
    let server =
        TestServer::with(|settings| settings.max_stream_age = Duration::from_millis(200)).await;
    let job = server.submit_external().await;
    let path = format!("/api/jobs/{job}/stream");
    let mut raw = Raw::open(&server, &path, &[]).await;
    let mut blocks = Vec::new();
    while let Some(block) = raw.block().await {
        blocks.push(block);
    }
    let [.., retry, bye] = blocks.as_slice() else { panic!("no goodbye: {blocks:?}") };
    let data: Value = serde_json::from_str(field(bye, "data").unwrap()).unwrap();
    // A page does not see the field, so the event has the same.
    let retry_ms: u64 = field(retry, "retry").unwrap().parse().unwrap();
    assert_eq!(data, json!({ "reason": "max_age", "retry_ms": retry_ms }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p17_every_stream_of_a_server_that_goes_down_hears_when_to_come_again() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    server.push(&job, &[content("one")]).await;
    let paths = [
        format!("/api/jobs/{job}/stream"),
        format!("/api/stream?job={job}"),
        "/api/projects/default/stream".into(),
    ];
    let mut streams = Vec::new();
    for path in paths.iter().cycle().take(9) {
        let mut raw = Raw::open(&server, path, &[]).await;
        assert!(raw.block().await.unwrap().starts_with("retry: "));
        raw.until("hello").await;
        streams.push(raw);
    }
    server.begin_to_stop();
    let mut retries = BTreeSet::new();
    for mut raw in streams {
        let mut blocks = Vec::new();
        while let Some(block) = raw.block().await {
            blocks.push(block);
        }
        // The server cuts what is left after less than 5 s: then there would be no goodbye.
        let [.., retry, bye] = blocks.as_slice() else { panic!("no goodbye: {blocks:?}") };
        assert_eq!(field(bye, "event"), Some("bye"), "{blocks:?}");
        retries.insert(field(retry, "retry").unwrap().parse::<u64>().unwrap());
    }
    assert!(retries.iter().all(|retry| (1000..=4000).contains(retry)), "{retries:?}");
    assert!(retries.len() > 1, "drawn for each stream: {retries:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p18_a_reader_that_reads_nothing_delays_nobody_and_misses_nothing() {
    // More than the system holds for a connection: the rest must wait for the reader.
    const COUNT: usize = 160;
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let mut slow = server.follow(&job).await;
    let mut quick = server.follow(&job).await;
    let padding = "x".repeat(100_000);
    for piece in 0..COUNT {
        let (status, _) = server.push(&job, &[content(&format!("{piece} {padding}"))]).await;
        assert_eq!(status, 200);
    }
    server.push(&job, &[event("completed", &json!({}))]).await;
    let of_quick = about_the_job(&quick.read_to_end().await);
    assert_eq!(pieces(&of_quick), Vec::from_iter(0..COUNT));
    assert_eq!(about_the_job(&slow.read_to_end().await), of_quick);
}

fn pieces(messages: &[Message]) -> Vec<usize> {
    let content = messages.iter().filter(|message| message.event == "content");
    let piece = |message: &Message| {
        let text = message.data["text"].as_str().unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    };
    content.map(piece).collect()
}
