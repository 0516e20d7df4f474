//! Ends that come twice, and events that come after one.

use serde_json::json;

use super::{Wire, names, push_text};
use crate::harness::TestServer;

const DONE: &str = r#"{"type":"completed","data":{"by":"first"}}"#;

#[tokio::test]
async fn a_second_end_is_refused_in_the_same_body_and_in_another() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let failed = r#"{"type":"failed","data":{"code":"x","message":"y"}}"#;
    let answer = push_text(&server, &job, format!("{DONE}\n{failed}\n")).await;
    let problem = answer.problem(409, "job_ended");
    assert_eq!((&problem["line"], &problem["appended"]), (&json!(2), &json!(1)));
    assert_eq!(problem["job_status"], "completed");
    for end in [DONE, failed, r#"{"type":"canceled","data":{"reason":"z"}}"#] {
        let answer = push_text(&server, &job, end).await;
        assert_eq!(answer.problem(409, "job_ended")["job_status"], "completed");
    }
    assert_eq!(names(&server, &job).await, ["completed"]);
    let messages = server.follow(&job).await.read_to_end().await;
    assert_eq!(messages.last().unwrap().data["by"], "first");
    server.stop().await;
}

#[tokio::test]
async fn an_end_that_is_too_large_once_it_is_written_is_refused() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let numbers = vec!["9e15"; 50_000].join(",");
    let end = format!(r#"{{"type":"completed","data":{{"numbers":[{numbers}]}}}}"#);
    assert!(end.len() < server.settings.event_limit);
    push_text(&server, &job, end).await.problem(413, "event_too_large");
    push_text(&server, &job, DONE).await;
    assert_eq!(names(&server, &job).await, ["completed"]);
    server.stop().await;
}

#[tokio::test]
async fn two_ends_at_once_are_one() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let ends = (0..8).map(|_| push_text(&server, &job, DONE));
    let answers = futures_util::future::join_all(ends).await;
    let taken = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(taken, 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.problem(409, "job_ended");
    }
    assert_eq!(names(&server, &job).await, ["completed"]);
    server.stop().await;
}

#[tokio::test]
async fn an_event_for_a_finished_job_is_refused_after_a_restart_too() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    push_text(&server, &job, format!("{{\"type\":\"x\"}}\n{DONE}\n")).await;
    let server = server.restart().await;
    for event in [r#"{"type":"late"}"#, r#"{"type":"content","data":{"text":"late"}}"#, DONE] {
        let answer = push_text(&server, &job, event).await;
        assert_eq!(answer.problem(409, "job_ended")["job_status"], "completed");
    }
    assert_eq!(names(&server, &job).await, ["x", "completed"]);
    server.stop().await;
}

#[tokio::test]
async fn a_counting_producer_may_repeat_its_end_and_add_nothing() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let first = r#"{"type":"x","producer_seq":1}"#;
    let end = r#"{"type":"completed","data":{},"producer_seq":2}"#;
    for _ in 0..2 {
        let answer = push_text(&server, &job, format!("{first}\n{end}\n")).await;
        assert_eq!((answer.status, &answer.body["appended"]), (200, &json!(2)), "{answer:?}");
    }
    // Not a hole in the count: that would send a producer round in circles.
    for later in [r#"{"type":"y","producer_seq":3}"#, r#"{"type":"y","producer_seq":9}"#] {
        push_text(&server, &job, later).await.problem(409, "job_ended");
    }
    assert_eq!(names(&server, &job).await, ["x", "completed"]);
    server.stop().await;
}

#[tokio::test]
async fn an_end_with_a_count_that_is_known_ends_nothing() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let body = "{\"type\":\"x\",\"producer_seq\":1}\n{\"type\":\"completed\",\"data\":{},\"producer_seq\":1}\n";
    let answer = push_text(&server, &job, body).await;
    assert_eq!((answer.status, &answer.body["appended"]), (200, &json!(2)), "{answer:?}");
    assert_eq!(server.get(&format!("/api/jobs/{job}")).await.1["status"], "running");
    server.stop().await;
}

#[tokio::test]
async fn a_producer_between_two_lines_learns_that_its_job_was_canceled() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let mut reader = server.follow(&job).await;
    let mut producer = Wire::push(&server, &job).await;
    producer.chunk("{\"type\":\"working\"}\n{\"type\":\"ha").await;
    reader.until("working").await;
    server.post(&format!("/api/jobs/{job}/cancel"), &json!({})).await;
    let (status, answer) = producer.answer().await;
    assert_eq!((status, &answer["code"]), (409, &json!("job_ended")), "{answer}");
    assert_eq!((&answer["appended"], &answer["line"]), (&json!(1), &json!(2)));
    assert_eq!(answer["job_status"], "canceled");
    server.stop().await;
}

#[tokio::test]
async fn a_producer_that_ends_its_job_may_close_its_body_later() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let mut reader = server.follow(&job).await;
    let mut producer = Wire::push(&server, &job).await;
    producer.chunk(&format!("{DONE}\n")).await;
    reader.until("completed").await;
    producer.say("0\r\n\r\n").await;
    let (status, answer) = producer.answer().await;
    assert_eq!((status, &answer["appended"]), (200, &json!(1)), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn a_producer_between_two_lines_is_told_when_the_server_goes_down() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let mut reader = server.follow(&job).await;
    let mut producer = Wire::push(&server, &job).await;
    producer.chunk("{\"type\":\"working\"}\n").await;
    reader.until("working").await;
    server.begin_to_stop();
    let (status, answer) = producer.answer().await;
    assert_eq!((status, &answer["code"]), (503, &json!("draining")), "{answer}");
    assert_eq!(answer["appended"], 1);
    server.stop().await;
}

#[tokio::test]
async fn an_end_has_one_time_and_a_workers_own_is_kept() {
    let server = TestServer::start().await;
    for (data, own) in [(r#"{"at":"noon","n":1}"#, true), (r#"{"n":1}"#, false)] {
        let job = server.submit_external().await;
        push_text(&server, &job, format!("{{\"type\":\"completed\",\"data\":{data}}}")).await;
        let url = server.url(&format!("/api/jobs/{job}/stream"));
        let stream = server.http.get(url).send().await.unwrap().text().await.unwrap();
        let end = stream.trim_end().rsplit("data: ").next().unwrap();
        assert_eq!((end.matches("\"at\":").count(), end.contains("noon")), (1, own), "{end}");
    }
    server.stop().await;
}
