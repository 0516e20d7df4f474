//! Events that cannot be appended: the answer says which line and why, and what came before stays.

use serde_json::json;

use super::{names, push_text, send, works_on};
use crate::harness::TestServer;

#[tokio::test]
async fn a_bad_event_is_told_with_its_line_and_the_ones_before_it_stay() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let body = "{\"type\":\"first\"}\n\r\n  \n{\"type\":\"second\"}\n{\"type\":\"two words\"}\n{\"type\":\"never\"}\n";
    let answer = push_text(&server, &job, body).await;
    let problem = answer.problem(400, "invalid_event");
    assert_eq!((&problem["line"], &problem["appended"]), (&json!(5), &json!(2)));
    assert_eq!(answer.pointers(), ["/type"]);
    assert_eq!(names(&server, &job).await, ["first", "second"]);
    let (_, view) = server.get(&format!("/api/jobs/{job}")).await;
    assert_eq!(problem["last_id"], view["last_event_id"]);
    works_on(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn an_event_that_is_refused_changes_nothing() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    for (body, pointer) in [
        (r#"{}"#, "/type"),
        (r#"{"type":null}"#, "/type"),
        (r#"{"type":["x"]}"#, "/type"),
        (r#"{"type":"x","dta":1}"#, "/dta"),
        (r#"{"type":"x","a/b~":1}"#, "/a~1b~0"),
        (r#"{"type":"x","producer_seq":0}"#, "/producer_seq"),
        (r#"{"type":"x","producer_seq":-1}"#, "/producer_seq"),
        (r#"{"type":"x","producer_seq":"1"}"#, "/producer_seq"),
        (r#"{"type":"x","producer_seq":1.0}"#, "/producer_seq"),
        (r#"{"type":"x","producer_seq":9007199254740992}"#, "/producer_seq"),
        (r#"{"type":"x","producer_seq":1,"producer":7}"#, "/producer"),
        (r#"{"type":"x","data":"\ud800"}"#, "/data"),
        (r#"{"type":"x","data":[1e999]}"#, "/data"),
        (r#"{"type":"progress"}"#, "/data/percent"),
        (r#"{"type":"progress","data":[]}"#, "/data"),
        (r#"{"type":"progress","data":{"percent":101}}"#, "/data/percent"),
        (r#"{"type":"progress","data":{"percent":"50 %"}}"#, "/data/percent"),
        (r#"{"type":"content","data":"text"}"#, "/data"),
        (r#"{"type":"content","data":{"text":null}}"#, "/data/text"),
        (r#"{"type":"log","data":{}}"#, "/data/line"),
        (r#"{"type":"artifact_ready","data":{}}"#, "/data/artifact/id"),
        (r#"{"type":"artifact_ready","data":{"artifact":{"id":"file_x"}}}"#, "/data/artifact"),
        (
            r#"{"type":"artifact_ready","data":{"artifact":{"id":"file_x","kind":"file",
                "media_type":"text/html","url":"javascript:alert(1)","bytes":1}}}"#,
            "/data/artifact/url",
        ),
        (r#"{"type":"tts_completed","data":{"artifact_id":"file_x"}}"#, "/data/artifact_id"),
        (r#"{"type":"completed","data":[]}"#, "/data"),
        (r#"{"type":"failed","data":{"code":5}}"#, "/data"),
        (r#"{"type":"canceled"}"#, "/data"),
    ] {
        let body = body.replace('\n', " ");
        let answer = push_text(&server, &job, body.clone()).await;
        assert_eq!(answer.problem(400, "invalid_event")["appended"], 0, "{body}");
        assert_eq!(answer.pointers(), [pointer], "{body}");
    }
    for body in
        ["x", "[]", r#"["x",{},null,null]"#, "\"x\"", "null", r#"{"type":"x"} {"type":"y"}"#]
    {
        push_text(&server, &job, body).await.problem(400, "invalid_event");
    }
    push_text(&server, &job, b"{\"type\":\"x\",\"data\":\"\xff\"}".to_vec())
        .await
        .problem(400, "invalid_event");
    let hole = push_text(&server, &job, r#"{"type":"x","producer_seq":3}"#).await;
    assert_eq!(hole.problem(409, "sequence_gap")["expected"], 1);
    let (_, view) = server.get(&format!("/api/jobs/{job}")).await;
    assert_eq!(view["status"], "pending", "no refused event has started the job");
    assert!(names(&server, &job).await.is_empty());
    works_on(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn a_name_that_could_break_a_frame_or_mean_something_else_is_refused() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let long = "x".repeat(65);
    for name in [
        "",
        "a b",
        "a\nb",
        "a\r\nid: 1",
        "a\u{0}",
        "a:b",
        "a/b",
        "é",
        "1a",
        "_a",
        "-",
        "\u{202e}a",
        "a\u{2028}",
        &long,
        "hello",
        "gap",
        "snapshot",
        "bye",
        "queue",
        "status",
        "keep-alive",
        "open",
        "error",
        "message",
    ] {
        let answer = push_text(&server, &job, json!({ "type": name }).to_string()).await;
        answer.problem(400, "invalid_event");
        assert_eq!(answer.pointers(), ["/type"], "{name:?}");
    }
    let longest = "x".repeat(64);
    for name in ["a", "A.b-c_9", "Hello", "STATUS", &longest] {
        let answer = push_text(&server, &job, json!({ "type": name }).to_string()).await;
        assert_eq!(answer.status, 200, "{name:?}: {answer:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn an_event_over_the_limit_is_refused_while_it_arrives() {
    let server = TestServer::with(|settings| settings.event_limit = 4096).await;
    let job = server.submit_external().await;
    let event = |length: usize| {
        let frame = r#"{"type":"x","data":""}"#.len();
        format!(r#"{{"type":"x","data":"{}"}}"#, "a".repeat(length - frame))
    };
    let body = format!("{}\n{}\n{{\"type\":\"never\"}}\n", event(4096), event(4097));
    let answer = push_text(&server, &job, body).await;
    let problem = answer.problem(413, "line_too_long");
    assert_eq!((&problem["line"], &problem["appended"]), (&json!(2), &json!(1)));
    assert!(problem["detail"].as_str().unwrap().contains("4096 bytes"));
    // A single event has the same limit.
    let one = |length| {
        let request = server.http.post(server.url(&format!("/api/jobs/{job}/events")));
        send(request.header("content-type", "application/json").body(event(length)))
    };
    assert_eq!(one(4097).await.problem(413, "event_too_large")["limit"], 4096);
    assert_eq!(one(4096).await.status, 200);
    assert_eq!(names(&server, &job).await, ["x", "x"]);
    works_on(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn an_event_may_nest_but_not_so_deep_that_a_client_stumbles() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let nested =
        |levels| format!(r#"{{"type":"x","data":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
    for levels in [60, 128, 10_000, 100_000] {
        let answer = push_text(&server, &job, nested(levels)).await;
        let detail = answer.problem(400, "invalid_event")["detail"].to_string();
        assert!(detail.contains("deeper than 60 levels"), "{detail}");
    }
    // What is taken can be read by this library too, which stops at 127, in every wrapping.
    assert_eq!(push_text(&server, &job, nested(59)).await.status, 200);
    assert_eq!(names(&server, &job).await, ["x"]);
    server.follow(&job).await.until("x").await;
    works_on(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn several_events_as_one_json_body_are_told_how_to_come() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let request = server.http.post(server.url(&format!("/api/jobs/{job}/events")));
    let request = request.header("content-type", "application/json");
    let answer = send(request.body("{\"type\":\"a\"}\n{\"type\":\"b\"}\n")).await;
    let detail = answer.problem(400, "invalid_event")["detail"].to_string();
    assert!(detail.contains("application/x-ndjson"), "{detail}");
    assert!(names(&server, &job).await.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn events_for_a_job_that_takes_none_are_told_why() {
    let server = TestServer::with(|settings| settings.workers = 0).await;
    let event = r#"{"type":"x"}"#;
    push_text(&server, "job_nobody", event).await.problem(404, "unknown_job");
    push_text(&server, "nothing", event).await.problem(404, "unknown_job");
    let blog = server.submit_blog("tides", false).await;
    push_text(&server, &blog, event).await.problem(409, "not_external");
    server.stop().await;
}
