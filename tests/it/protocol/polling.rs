//! § 3: the same without a stream.

use std::collections::BTreeSet;

use reqwest::Response;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Message, PATIENCE, TestServer};

use super::{about_the_job, content, cursor, ended_job, event};

/// An event of a page as the stream has it.
fn as_message(event: &Value) -> Message {
    Message {
        id: event["id"].as_u64(),
        event: event["type"].as_str().unwrap().into(),
        data: event["data"].clone(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p21_pages_hold_the_same_events_in_the_same_order() {
    let server = TestServer::start().await;
    let job = ended_job(&server, 7).await;
    let expected = about_the_job(&server.follow(&job).await.read_to_end().await);
    for server in [server] {
        let (mut got, mut after) = (Vec::new(), json!(0));
        loop {
            let path = format!("/api/jobs/{job}/events?after={after}&limit=3");
            let (status, page) = server.get(&path).await;
            assert_eq!(status, 200);
            let events = page["events"].as_array().unwrap();
            assert!(!events.is_empty() && events.len() <= 3, "{page}");
            assert!(events.iter().all(|event| event["at"].as_i64() > Some(1_600_000_000_000)));
            got.extend(events.iter().map(as_message));
            assert_eq!(page["next"], events.last().unwrap()["id"]);
            assert_eq!(page["head"].as_u64(), expected.last().unwrap().id);
            assert_eq!(page["ended"], got.len() == expected.len(), "{page}");
            after = page["next"].clone();
            if page["ended"] == true {
                break;
            }
        }
        assert_eq!(got, expected);
    }
}

/// Sends a request on a connection of its own and does not wait for the answer.
async fn ask(server: &TestServer, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn answer_of(mut stream: TcpStream) -> Value {
    let mut text = String::new();
    let read = stream.read_to_string(&mut text);
    tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
    serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p21_with_wait_an_answer_is_held_until_there_is_an_event() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let mut last = server.push(&job, &[content("one")]).await.1["last_id"].clone();
    for end in [false, true] {
        let held = ask(&server, &format!("/api/jobs/{job}/events?after={last}&wait=20")).await;
        // By now an answer that is not held would be on its way.
        assert_eq!(server.get("/healthz").await.0, 200);
        let news = if end { event("completed", &json!({})) } else { content("two") };
        last = server.push(&job, &[news]).await.1["last_id"].clone();
        let page = answer_of(held).await;
        assert_eq!(page["events"].as_array().unwrap().len(), 1, "{page}");
        assert_eq!((&page["next"], &page["ended"]), (&last, &json!(end)), "{page}");
    }
    let over =
        answer_of(ask(&server, &format!("/api/jobs/{job}/events?after={last}&wait=20")).await);
    assert_eq!(over.await["events"], json!([]), "after the end nothing is waited for");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p21_a_bad_cursor_gets_gap_and_snapshot_in_a_page_too() {
    let server = TestServer::start().await;
    let job = ended_job(&server, 2).await;
    let all = about_the_job(&server.follow(&job).await.read_to_end().await);
    for (after, reason) in [("x", "invalid_cursor"), ("5", "unknown_epoch")] {
        let (status, page) = server.get(&format!("/api/jobs/{job}/events?after={after}")).await;
        assert_eq!((status, &page["gap"]["reason"]), (200, &json!(reason)), "{page}");
        assert_eq!(page["snapshot"]["text"], "piece 0;piece 1;");
        let events: Vec<_> = page["events"].as_array().unwrap().iter().map(as_message).collect();
        assert_eq!(events, all[all.len() - 1..], "what comes after the snapshot");
        assert!(page["gap"]["to"].as_u64() < all.last().unwrap().id);
    }
    let (_, page) = server.get(&format!("/api/jobs/{job}/events?after={}", cursor(&all[0]))).await;
    assert_eq!((page.get("gap"), page.get("snapshot")), (None, None));
}

async fn fetch(server: &TestServer, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = server.http.get(server.url(path));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p22_a_job_has_a_tag_that_every_event_changes() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let path = format!("/api/jobs/{job}");
    let mut tags = BTreeSet::new();
    let events = [
        content("one"),
        event("x", &json!(1)),
        event("x", &json!(1)),
        event("progress", &json!({ "percent": 5 })),
        event("completed", &json!({})),
    ];
    for event in events {
        let response = fetch(&server, &path, &[]).await;
        let tag = header(response.headers(), "etag").unwrap().to_owned();
        assert!(tags.insert(tag.clone()), "{tag} again");
        let wait: u64 = header(response.headers(), "retry-after").unwrap().parse().unwrap();
        assert!(wait >= 1);
        let view: Value = response.json().await.unwrap();
        assert!((200..=1000).contains(&view["poll_after_ms"].as_u64().unwrap()), "{view}");
        let unchanged = fetch(&server, &path, &[("if-none-match", &tag)]).await;
        assert_eq!(unchanged.status(), 304);
        assert_eq!(header(unchanged.headers(), "etag"), Some(tag.as_str()));
        assert!(unchanged.headers().contains_key("retry-after"));
        assert_eq!(server.push(&job, &[event]).await.0, 200);
        assert_eq!(fetch(&server, &path, &[("if-none-match", &tag)]).await.status(), 200);
    }
    let response = fetch(&server, &path, &[]).await;
    assert!(tags.insert(header(response.headers(), "etag").unwrap().to_owned()));
    assert_eq!(header(response.headers(), "retry-after"), None, "it is over");
    assert_eq!(response.json::<Value>().await.unwrap()["poll_after_ms"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p23_a_file_and_a_project_answer_from_the_moment_of_the_submit() {
    let mut server = TestServer::with(|settings| settings.workers = 0).await;
    let body = json!({
        "kind": "blog", "project_id": "mine", "input": { "topic": "tides", "words": 60 },
    });
    let (_, answer) = server.post("/api/jobs", &body).await;
    let (job, path) =
        (&answer["job_id"], format!("/api/file/{}", answer["file_id"].as_str().unwrap()));
    let response = fetch(&server, &path, &[]).await;
    assert_eq!(response.status(), 200);
    assert!(response.headers().contains_key("retry-after"));
    let file: Value = response.json().await.unwrap();
    assert_eq!((&file["job_id"], &file["status"]), (job, &json!("pending")), "{file}");
    assert_eq!((&file["completed"], &file["url"]), (&json!(false), &Value::Null), "{file}");
    let (status, project) = server.get("/api/project/mine").await;
    assert_eq!((status, project["jobs"].as_array().unwrap().len()), (200, 1), "{project}");
    assert_eq!((&project["jobs"][0]["id"], &project["completed"]), (job, &json!(false)));

    server.settings.workers = 1;
    let server = server.restart().await;
    server.wait_for_end(job.as_str().unwrap()).await;
    let (_, file) = server.get(&path).await;
    assert_eq!((&file["status"], &file["completed"]), (&json!("completed"), &json!(true)));
    let content = fetch(&server, file["url"].as_str().unwrap(), &[]).await;
    assert_eq!(json!(content.bytes().await.unwrap().len()), file["bytes"]);
    let (_, project) = server.get("/api/project/mine").await;
    assert_eq!((&project["completed"], &project["active"]), (&json!(true), &json!(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p24_a_file_can_be_fetched_whole_in_parts_or_not_at_all() {
    let server = TestServer::start().await;
    let job = server.submit_blog("tides", true).await;
    let view = server.wait_for_end(&job).await;
    let types = [
        ("markdown", "text/markdown; charset=utf-8"),
        ("html", "text/html; charset=utf-8"),
        ("voice", "audio/wav"),
    ];
    for (kind, media_type) in types {
        let artifacts = view["artifacts"].as_array().unwrap();
        let artifact = artifacts.iter().find(|artifact| artifact["kind"] == kind).unwrap();
        let path = artifact["url"].as_str().unwrap();
        let whole = fetch(&server, path, &[]).await;
        let headers = whole.headers().clone();
        assert_eq!(header(&headers, "content-type"), Some(media_type));
        let tag = header(&headers, "etag").unwrap();
        let bytes = whole.bytes().await.unwrap();
        let size = bytes.len();
        assert_eq!(artifact["bytes"], size);

        let part = fetch(&server, path, &[("range", "bytes=2-5"), ("if-range", tag)]).await;
        assert_eq!(part.status(), 206);
        assert_eq!(header(part.headers(), "content-range"), Some(&*format!("bytes 2-5/{size}")));
        assert_eq!(part.bytes().await.unwrap(), bytes[2..6]);
        let last = fetch(&server, path, &[("range", "bytes=-3")]).await;
        assert_eq!(last.bytes().await.unwrap(), bytes[size - 3..]);
        let other = fetch(&server, path, &[("range", "bytes=2-5"), ("if-range", "\"x\"")]).await;
        assert_eq!((other.status().as_u16(), other.bytes().await.unwrap().len()), (200, size));
        let past = fetch(&server, path, &[("range", &format!("bytes={size}-"))]).await;
        assert_eq!(past.status(), 416);
        assert_eq!(header(past.headers(), "content-range"), Some(&*format!("bytes */{size}")));

        let head = server.http.head(server.url(path)).send().await.unwrap();
        assert_eq!(header(head.headers(), "content-length"), Some(&*size.to_string()));
        assert_eq!(header(head.headers(), "etag"), Some(tag));
        assert_eq!(header(head.headers(), "accept-ranges"), Some("bytes"));
        assert!(head.bytes().await.unwrap().is_empty());
        let known = fetch(&server, path, &[("if-none-match", tag)]).await;
        assert_eq!((known.status().as_u16(), known.bytes().await.unwrap().len()), (304, 0));
    }
}
