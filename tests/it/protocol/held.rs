//! § 3: answers that are held until they are another one.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::cluster::is_cluster;
use crate::harness::{PATIENCE, TestServer};

use super::{content, event};

/// An answer as it came.
struct Answer {
    status: u16,
    head: String,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let of = |line: &'_ str| line.split_once(": ").is_some_and(|(key, _)| key == name);
        self.head
            .lines()
            .find(|line| of(line))
            .and_then(|line| line.split_once(": "))
            .map(|(_, value)| value)
    }

    fn tag(&self) -> String {
        self.header("etag").unwrap_or_else(|| panic!("no tag: {}", self.head)).to_owned()
    }
}

/// Asks on a connection of its own and does not wait for the answer.
async fn ask(server: &TestServer, path: &str, tag: Option<&str>) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let tag = tag.map(|tag| format!("if-none-match: {tag}\r\n")).unwrap_or_default();
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{tag}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn answer_of(mut stream: TcpStream) -> Answer {
    let mut text = String::new();
    let read = stream.read_to_string(&mut text);
    tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        body: serde_json::from_str(body).unwrap_or_default(),
        head: head.to_owned(),
    }
}

async fn get(server: &TestServer, path: &str, tag: Option<&str>) -> Answer {
    answer_of(ask(server, path, tag).await).await
}

async fn submit_file(server: &TestServer) -> (String, String) {
    let body = json!({ "kind": "blog", "input": { "topic": "tides", "words": 120 } });
    let (status, answer) = server.post("/api/jobs", &body).await;
    assert_eq!(status, 202, "{answer}");
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    (text("job_id"), format!("/api/file/{}", text("file_id")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p23_a_file_and_a_project_have_a_tag_and_say_when_to_come_again() {
    let server = TestServer::with(|settings| settings.workers = 0).await;
    let (job, file) = submit_file(&server).await;
    for path in [&*file, "/api/project/default"] {
        let first = get(&server, path, None).await;
        assert_eq!(first.status, 200, "{}", first.head);
        assert_eq!(first.header("retry-after"), Some("1"));
        assert_eq!(first.body["poll_after_ms"], 1000);
        let known = get(&server, path, Some(&first.tag())).await;
        assert_eq!((known.status, known.tag()), (304, first.tag()));
        assert_eq!(known.header("retry-after"), Some("1"));
        for wait in ["-1", "26", "x"] {
            let refused = get(&server, &format!("{path}?wait={wait}"), None).await;
            assert_eq!((refused.status, &refused.body["code"]), (400, &json!("invalid_parameter")));
        }
    }
    server.post(&format!("/api/jobs/{job}/cancel"), &json!({})).await;
    for path in [&*file, "/api/project/default"] {
        let over = get(&server, path, None).await;
        assert_eq!(over.header("retry-after"), None, "{}", over.head);
        assert_eq!(over.body["poll_after_ms"], Value::Null);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p23_with_wait_a_file_is_told_at_each_step_and_never_twice() {
    let mut server = TestServer::with(|settings| settings.workers = 0).await;
    let (_, file) = submit_file(&server).await;
    server.settings.workers = 1;
    let server = server.restart().await;
    let path = format!("{file}?wait=20");
    let mut tags = Vec::new();
    let last = loop {
        // Nothing takes 20 s here, so each answer is news.
        let answer = get(&server, &path, tags.last().map(String::as_str)).await;
        assert_eq!(answer.status, 200, "{}", answer.head);
        assert!(!tags.contains(&answer.tag()), "{}", answer.body);
        tags.push(answer.tag());
        if answer.body["completed"] == true {
            break answer;
        }
    };
    assert_eq!((&last.body["status"], &last.body["progress"]), (&json!("completed"), &json!(100)));
    assert_eq!(last.header("retry-after"), None);
    // What is over is not waited for.
    assert_eq!(get(&server, &path, Some(&last.tag())).await.status, 304);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p23_with_wait_a_file_that_will_never_be_is_told_at_once() {
    let server = TestServer::with(|settings| settings.workers = 0).await;
    let (job, file) = submit_file(&server).await;
    let path = format!("{file}?wait=20");
    let tag = get(&server, &path, None).await.tag();
    let held = ask(&server, &path, Some(&tag)).await;
    // By now an answer that is not held would be on its way.
    assert_eq!(server.get("/healthz").await.0, 200);
    server.post(&format!("/api/jobs/{job}/cancel"), &json!({})).await;
    let answer = answer_of(held).await;
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("canceled")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p23_with_wait_a_project_is_told_of_every_job_and_not_of_text() {
    let server = TestServer::start().await;
    let path = "/api/project/mine?wait=20";
    let mut tag = get(&server, path, None).await.tag();
    let held = ask(&server, path, Some(&tag)).await;
    assert_eq!(server.get("/healthz").await.0, 200);
    let body = json!({ "kind": "external", "project_id": "mine" });
    let job = server.submit(&body).await;
    let submitted = answer_of(held).await;
    assert_eq!((submitted.status, &submitted.body["jobs"][0]["id"]), (200, &json!(job)));

    server.push(&job, &[content("it runs")]).await;
    let progress = event("progress", &json!({ "percent": 7, "stage": "painting" }));
    let steps = [
        (vec![content("a"), content("b"), progress], json!({ "percent": 7, "stage": "painting" })),
        (vec![event("completed", &json!({}))], json!({ "percent": 100, "stage": "painting" })),
    ];
    for (events, expected) in steps {
        tag = get(&server, path, None).await.tag();
        let held = ask(&server, path, Some(&tag)).await;
        assert_eq!(server.get("/healthz").await.0, 200);
        for event in events {
            server.push(&job, &[event]).await;
        }
        // Released by a piece of text, it would be told that nothing is new.
        let mut answer = answer_of(held).await;
        // In a cluster the tag may be of a node that had not come as far as the others.
        while is_cluster() && answer.status == 200 && answer.body["jobs"][0]["progress"] != expected
        {
            answer = answer_of(ask(&server, path, Some(&answer.tag())).await).await;
        }
        assert_eq!((answer.status, &answer.body["jobs"][0]["progress"]), (200, &expected));
        assert_ne!(answer.tag(), tag);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p23_a_server_that_goes_down_lets_go_of_what_it_holds() {
    let server = TestServer::with(|settings| settings.workers = 0).await;
    let (_, file) = submit_file(&server).await;
    let mut held = Vec::new();
    for path in [&*format!("{file}?wait=25"), "/api/project/default?wait=25"] {
        let tag = get(&server, path, None).await.tag();
        held.push(ask(&server, path, Some(&tag)).await);
    }
    assert_eq!(server.get("/healthz").await.0, 200);
    server.begin_to_stop();
    for held in held {
        assert_eq!(answer_of(held).await.status, 304);
    }
}
