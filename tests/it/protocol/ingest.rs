//! § 5: pushing from outside.

use std::convert::Infallible;

use futures_util::stream;
use reqwest::Body;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::harness::{PATIENCE, TestServer};

use super::{Killable, about_the_job, content, ended_job, event, lock_database, names, unlock};

/// A body that is sent line by line, as its sender is given them.
fn body() -> (mpsc::Sender<String>, Body) {
    let (sender, lines) = mpsc::channel(1);
    let lines = stream::unfold(lines, async |mut lines: mpsc::Receiver<String>| {
        let line = lines.recv().await?;
        Some((Ok::<_, Infallible>(line), lines))
    });
    (sender, Body::wrap_stream(lines))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p26_each_line_is_in_front_of_readers_before_the_next_is_sent() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let mut reader = server.follow(&job).await;
    let (sender, body) = body();
    let request = server.http.post(server.url(&format!("/api/jobs/{job}/events"))).body(body);
    let answer = tokio::spawn(request.send());
    let mut last = None;
    for n in 0..5 {
        sender.send(format!("{}\n", event("tick", &json!(n)))).await.unwrap();
        let tick = reader.until("tick").await;
        assert_eq!(tick.data, n);
        last = tick.id;
    }
    drop(sender);
    let answer: Value = answer.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!((&answer["appended"], answer["last_id"].as_u64()), (&json!(5), last), "{answer}");
    assert!(answer["durable"].is_boolean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p26_a_refused_line_ends_the_request_and_what_came_before_stays() {
    let server = TestServer::with(|settings| settings.event_limit = 2000).await;
    let long = format!("\"{}\"", "x".repeat(2000));
    let bad = [
        ("nonsense", 400, "invalid_event"),
        ("{\"type\":\"x\"", 400, "invalid_event"),
        ("{\"type\":\"hello\"}", 400, "invalid_event"),
        ("{\"type\":\"content\",\"data\":{}}", 400, "invalid_event"),
        ("{\"type\":\"progress\",\"data\":{\"percent\":101}}", 400, "invalid_event"),
        (&long, 413, "line_too_long"),
    ];
    for (line, status, code) in bad {
        let job = server.submit_external().await;
        let good = |n: u32| event("x", &json!(n));
        let body = format!("{}\n\n{}\r\n{line}\n{}\n", good(1), good(2), good(3));
        let request = server.http.post(server.url(&format!("/api/jobs/{job}/events")));
        let response = request.body(body).send().await.unwrap();
        assert_eq!(response.status(), status, "{line:.40}");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!((&problem["line"], &problem["appended"]), (&json!(4), &json!(2)), "{problem}");
        let page = server.get(&format!("/api/jobs/{job}/events")).await.1;
        let events = page["events"].as_array().unwrap();
        assert_eq!(events.last().unwrap()["id"], problem["last_id"]);
        let data: Vec<_> = events[2..].iter().map(|event| event["data"].clone()).collect();
        assert_eq!(data, [1, 2], "{page}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p26_of_lines_that_come_together_those_before_a_bad_one_stay() {
    let server = TestServer::start().await;
    let x = |n: u32| event("x", &json!(n));
    let bad = [
        (event("content", &json!({ "text": 1 })), 400, "invalid_event"),
        (event("open", &json!({})), 400, "invalid_event"),
        (event("artifact_ready", &json!({})), 400, "invalid_event"),
        (numbered(None, 2), 409, "sequence_gap"),
    ];
    for (line, status, code) in bad {
        let job = server.submit_external().await;
        server.push(&job, &[x(0)]).await;
        let (got, problem) = server.push(&job, &[x(1), x(2), line, x(3)]).await;
        assert_eq!((got, &problem["code"]), (status, &json!(code)), "{problem}");
        assert_eq!((&problem["line"], &problem["appended"]), (&json!(3), &json!(2)), "{problem}");
        let page = server.get(&format!("/api/jobs/{job}/events")).await.1;
        let events = page["events"].as_array().unwrap();
        assert_eq!(events.last().unwrap()["id"], problem["last_id"]);
        assert_eq!(events.last().unwrap()["data"], 2, "{page}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p26_thousands_of_lines_of_every_form_keep_their_order() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let line = |n: u32| match n % 7 {
        0 => format!(r#"{{"data":{{"line":"\u00e4","n":{n}}},"type":"log"}}"#),
        1 => format!(r#"{{"type":"l\u006fg","data":{{"line":"x","n":{n}}}}}"#),
        2 => format!("\r\n {{ \"type\" : \"x\" , \"data\" : {{\"n\":{n}}} }} \r"),
        3 => format!(r#"{{"type":"progress","data":{{"percent":50,"n":{n}}}}}"#),
        4 => format!("{{\"type\":\"x\",\"data\":{{\"n\":{n},\"text\":\"\u{2028}\"}}}}"),
        5 => format!(r#"{{"type":"x","data":{{"n":{n},"more":"{}"}}}}"#, "y".repeat(20_000)),
        _ => format!(r#"{{"type":"content","data":{{"text":"a\nb","n":{n}}}}}"#),
    };
    let lines: Vec<_> = (0..2000).map(line).collect();
    let request = server.http.post(server.url(&format!("/api/jobs/{job}/events")));
    let answer: Value = request.body(lines.join("\n")).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["appended"], 2000, "{answer}");
    server.push(&job, &[event("completed", &json!({}))]).await;
    let messages = server.follow(&job).await.read_to_end().await;
    let got: Vec<_> = messages.iter().filter_map(|one| one.data["n"].as_u64()).collect();
    assert_eq!(got, (0..2000).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p27_a_durable_answer_waits_for_the_commit() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let mut reader = server.follow(&job).await;
    let lock = lock_database(&server.database()).await;
    let (_, answer) = server.push(&job, &[content("seen")]).await;
    assert_eq!((&answer["appended"], &answer["durable"]), (&json!(1), &json!(false)), "{answer}");
    let url = server.url(&format!("/api/jobs/{job}/events?durable=true"));
    let durable = tokio::spawn(server.http.post(url).json(&content("durable")).send());
    while reader.until("content").await.data["text"] != "durable" {}
    // Nothing can be committed: a refused submit shows that the journal has found out.
    assert_eq!(server.post("/api/jobs", &json!({ "kind": "external" })).await.0, 503);
    assert!(!durable.is_finished(), "nothing is durable yet");
    unlock(lock).await;
    let answer = tokio::time::timeout(PATIENCE, durable).await.unwrap().unwrap().unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap()["durable"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p27_what_was_durable_is_there_after_a_crash() {
    let server = Killable::start(&[]).await;
    let job = server.submit_external().await;
    let answer = server.push(&job, "?durable=true", &content("kept")).await;
    assert_eq!(answer["durable"], true);
    let server = server.kill().await.start(&[]).await;
    let page = server.get(&format!("/api/jobs/{job}/events")).await.1;
    let last = page["events"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["id"], &last["data"]["text"]), (&answer["last_id"], &json!("kept")));
}

fn numbered(producer: Option<&str>, seq: u64) -> Value {
    let mut event = event("x", &json!(format!("{} {seq}", producer.unwrap_or_default())));
    event["producer_seq"] = seq.into();
    if let Some(producer) = producer {
        event["producer"] = producer.into();
    }
    event
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p28_a_repeated_event_is_known_and_a_missing_one_is_told() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let (a, b) = (|seq| numbered(None, seq), |seq| numbered(Some("b"), seq));
    let (_, first) = server.push(&job, &[a(1), a(2), b(1)]).await;
    assert_eq!(first["appended"], 3, "{first}");
    // A blind retry of the same, with one more.
    let (status, again) = server.push(&job, &[a(1), a(2), b(1), a(3)]).await;
    assert_eq!((status, &again["appended"]), (200, &json!(4)), "{again}");
    for (early, expected) in [(a(5), 4), (b(3), 2), (numbered(Some("new"), 2), 1)] {
        let (status, problem) = server.push(&job, &[early]).await;
        assert_eq!((status, &problem["code"]), (409, &json!("sequence_gap")), "{problem}");
        assert_eq!(problem["expected"], expected, "{problem}");
    }
    let server = server.restart().await;
    let (status, again) = server.push(&job, &[a(1), a(2), a(3), b(1), b(2)]).await;
    assert_eq!((status, &again["appended"]), (200, &json!(5)), "{again}");
    let (status, problem) = server.push(&job, &[a(5)]).await;
    assert_eq!((status, &problem["expected"]), (409, &json!(4)), "{problem}");
    server.push(&job, &[event("completed", &json!({}))]).await;
    let messages = server.follow(&job).await.read_to_end().await;
    let got: Vec<_> = messages.iter().filter(|one| one.event == "x").map(|one| &one.data).collect();
    assert_eq!(got, [" 1", " 2", "b 1", " 3", "b 2"], "each once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p28_a_hole_among_lines_that_come_together_is_told_at_its_line() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let a = |seq| numbered(None, seq);
    server.push(&job, &[a(1)]).await;
    let (status, problem) = server.push(&job, &[a(1), a(2), a(3), a(5), a(6)]).await;
    assert_eq!((status, &problem["code"]), (409, &json!("sequence_gap")), "{problem}");
    assert_eq!((&problem["line"], &problem["appended"]), (&json!(4), &json!(3)), "{problem}");
    assert_eq!(problem["expected"], 4, "{problem}");
    let (status, answer) = server.push(&job, &[a(2), a(3), a(4), a(5)]).await;
    assert_eq!((status, &answer["appended"]), (200, &json!(4)), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p28_what_a_crash_took_is_asked_for_again() {
    let server = Killable::start(&[]).await;
    let job = server.submit_external().await;
    server.push(&job, "?durable=true", &numbered(None, 1)).await;
    let lock = lock_database(&server.database()).await;
    assert_eq!(server.push(&job, "", &numbered(None, 2)).await["durable"], false);
    let killed = server.kill().await;
    unlock(lock).await;
    let server = killed.start(&[]).await;
    for seq in [1, 2, 3] {
        server.push(&job, "", &numbered(None, seq)).await;
    }
    let page = server.get(&format!("/api/jobs/{job}/events")).await.1;
    let events = page["events"].as_array().unwrap();
    let got: Vec<_> =
        events.iter().filter(|one| one["type"] == "x").map(|one| &one["data"]).collect();
    assert_eq!(got, [" 1", " 2", " 3"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p29_a_producer_ends_its_job_and_nothing_follows() {
    let server = TestServer::start().await;
    let ends = [
        ("completed", json!({ "url": "x" })),
        ("failed", json!({ "code": "no_gpu", "message": "no GPU", "retryable": true })),
        ("canceled", json!({ "reason": "not wanted" })),
    ];
    for (name, data) in ends {
        let job = server.submit_external().await;
        let mut reader = server.follow(&job).await;
        let (status, answer) = server.push(&job, &[content("x"), event(name, &data)]).await;
        assert_eq!((status, &answer["appended"]), (200, &json!(2)), "{answer}");
        let mut end = reader.read_to_end().await.pop().unwrap();
        assert!(end.data.as_object_mut().unwrap().remove("at").is_some_and(|at| at.is_u64()));
        assert_eq!((end.event.as_str(), &end.data), (name, &data));
        assert_eq!(server.get(&format!("/api/jobs/{job}")).await.1["status"], name);
        for late in [content("x"), event("completed", &json!({})), event("x", &json!(1))] {
            let (status, problem) = server.push(&job, &[late]).await;
            assert_eq!((status, &problem["code"]), (409, &json!("job_ended")), "{problem}");
        }
        let all = about_the_job(&server.follow(&job).await.read_to_end().await);
        assert_eq!(names(&all), ["status", "status", "content", name]);
    }
    let job = ended_job(&server, 0).await;
    let server = server.restart().await;
    assert_eq!(server.push(&job, &[content("x")]).await.0, 409);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p29_an_end_among_lines_that_come_together_is_the_last_of_them() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let mut end = event("completed", &json!({}));
    end["producer_seq"] = 4.into();
    let a = |seq| numbered(None, seq);
    let (status, answer) = server.push(&job, &[a(1), a(2), a(3), end.clone(), a(1)]).await;
    assert_eq!((status, &answer["appended"]), (200, &json!(5)), "{answer}");
    // A blind retry; then one that goes on.
    let (status, answer) = server.push(&job, &[a(1), a(2), a(3), end.clone()]).await;
    assert_eq!((status, &answer["appended"]), (200, &json!(4)), "{answer}");
    let (status, problem) = server.push(&job, &[a(1), a(2), a(3), end, a(9)]).await;
    assert_eq!((status, &problem["code"]), (409, &json!("job_ended")), "{problem}");
    assert_eq!((&problem["line"], &problem["appended"]), (&json!(5), &json!(4)), "{problem}");
    let all = about_the_job(&server.follow(&job).await.read_to_end().await);
    assert_eq!(names(&all), ["status", "status", "x", "x", "x", "completed"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p30_a_silent_producer_fails_its_job() {
    let server = TestServer::start().await;
    let patient = server.submit_external().await;
    let silent = json!({ "kind": "external", "silence_limit_ms": 1000 });
    let (never, once) = (server.submit(&silent).await, server.submit(&silent).await);
    server.push(&once, &[content("and then nothing")]).await;
    for job in [never, once] {
        let end = server.follow(&job).await.read_to_end().await.pop().unwrap();
        assert_eq!((end.event.as_str(), &end.data["code"]), ("failed", &json!("producer_silent")));
    }
    assert_eq!(server.get(&format!("/api/jobs/{patient}")).await.1["status"], "pending");
}
