//! § 2: the one end.

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::reader::assert_ids_rise;
use crate::harness::{Message, Reader, TestServer};

use super::stream_cursor::trim;
use super::{TERMINAL, about_the_job, content, cursor, ended_job, event, names, read_until};

/// Asserts that there is one terminal event and that it is the last; gives it.
fn the_one_end(messages: &[Message]) -> Message {
    let is_end = |message: &&Message| TERMINAL.contains(&message.event.as_str());
    let ends: Vec<_> = messages.iter().filter(is_end).collect();
    assert_eq!(ends.len(), 1, "{messages:?}");
    assert_eq!(messages.last(), Some(ends[0]), "{messages:?}");
    ends[0].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p13_of_many_ends_at_once_one_is_the_end() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    server.push(&job, &[content("x")]).await;
    let mut readers = [server.follow(&job).await, server.follow(&job).await];
    let ends = [
        event("completed", &json!({ "n": 1 })),
        event("failed", &json!({ "code": "x", "message": "x" })),
        event("canceled", &json!({ "reason": "x" })),
        event("completed", &json!({ "n": 2 })),
    ];
    let pushes = ends.map(|end| {
        let (server, job) = (&server, &job);
        async move { server.push(job, &[end, content("too late")]).await }
    });
    let cancel = format!("/api/jobs/{job}/cancel");
    let nothing = json!({});
    let (answers, canceled) = tokio::join!(join_all(pushes), server.post(&cancel, &nothing));
    // Nobody may append after an end, not even who made it.
    for (status, answer) in &answers {
        assert_eq!((*status, &answer["code"]), (409, &json!("job_ended")), "{answer}");
    }
    let won: u64 = answers.iter().map(|(_, answer)| answer["appended"].as_u64().unwrap()).sum();
    let end = the_one_end(&readers[0].read_to_end().await);
    assert!(won == 1 || (won == 0 && canceled.0 == 200), "{answers:?} {canceled:?}");
    assert_eq!(the_one_end(&readers[1].read_to_end().await), end);
    assert_eq!(the_one_end(&server.follow(&job).await.read_to_end().await), end);
    let server = server.restart().await;
    assert_eq!(the_one_end(&server.follow(&job).await.read_to_end().await), end);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p13_the_end_reaches_who_has_not_had_it_however_old_the_job() {
    let server = TestServer::start().await;
    let job = ended_job(&server, 3).await;
    let all = about_the_job(&server.follow(&job).await.read_to_end().await);
    let end = the_one_end(&all);
    let server = trim(server, &job, &end).await;
    for after in all[..all.len() - 1].iter().map(cursor).chain(["".into(), "nonsense".into()]) {
        let messages = server.follow_from(&job, Some(&after)).await.read_to_end().await;
        assert_eq!(the_one_end(&messages), end, "after '{after}'");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p13_an_end_before_a_gap_reaches_a_reader_of_several_jobs() {
    let server = TestServer::start().await;
    let ended = ended_job(&server, 1).await;
    let live = server.submit_external().await;
    server.push(&live, &[content("so far")]).await;
    let url = server.url(&format!("/api/stream?job={ended}&job={live}"));
    let mut reader = Reader::open(&server.http, &url, Some("nonsense")).await;
    let mut messages = read_until(&mut reader, "completed").await;
    assert_eq!(messages.last().unwrap().data["job"], ended);
    server.push(&live, &[event("completed", &json!({}))]).await;
    messages.extend(reader.read_to_end().await);
    assert_ids_rise(&messages);
    assert_eq!(the_one_end(&messages[messages.len() - 1..]).data["job"], live);
    assert_eq!(names(&messages).iter().filter(|name| **name == "completed").count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p13_a_job_that_fails_by_itself_has_one_end_too() {
    let server = TestServer::start().await;
    let job = server.submit_blog("[cut] tides", false).await;
    let messages = server.follow(&job).await.read_to_end().await;
    let end = the_one_end(&messages);
    assert_eq!(end.event, "failed");
    assert!(end.data["code"].is_string() && end.data["message"].is_string(), "{end:?}");
    assert!(end.data["retryable"].is_boolean(), "{end:?}");
}
