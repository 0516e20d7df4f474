//! More input than there is memory for.

use std::path::Path;

use bytes::Bytes;
use futures_util::stream;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::process::Process;
use crate::harness::{PATIENCE, Reader, client};

/// How many lines the body has, and about how long each is: over 200 MB.
const LINES: u64 = 3_300;
const PAD: usize = 64 << 10;

/// What the server may hold of events, and of events that are not yet in the database.
const MEMORY_LIMIT: u64 = 16 << 20;
const JOURNAL_LIMIT: u64 = 1 << 20;

/// Lines are made as they are sent: neither side ever has the whole body.
fn endless() -> reqwest::Body {
    let pad = "x".repeat(PAD);
    let line = move |n: u64| {
        let line = format!("{{\"type\":\"frame\",\"data\":{{\"n\":{n},\"pad\":\"{pad}\"}}}}\n");
        Ok::<_, std::convert::Infallible>(Bytes::from(line))
    };
    reqwest::Body::wrap_stream(stream::iter((1..=LINES).map(line)))
}

async fn get(http: &reqwest::Client, server: &Process, path: &str) -> Value {
    let url = format!("http://{}{path}", server.address);
    http.get(url).send().await.expect("an answer in JSON").json().await.expect("an answer in JSON")
}

/// The most memory that a process ever had, in bytes, where the system tells.
fn peak_memory(server: &Process) -> Option<u64> {
    let id = server.id()?;
    let status = std::fs::read_to_string(Path::new("/proc").join(id.to_string()).join("status"));
    let status = status.ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes << 10)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_larger_than_memory_is_taken_line_by_line_and_nothing_of_it_is_lost() {
    let data = TempDir::new().unwrap();
    let (memory, journal) = (MEMORY_LIMIT.to_string(), JOURNAL_LIMIT.to_string());
    let limits = ["--memory-limit", &memory, "--journal-limit", &journal, "--workers", "0"];
    let server = Process::serve(data.path(), "127.0.0.1:0", &limits).await;
    let http = client();
    let base = format!("http://{}", server.address);
    let body = serde_json::json!({"kind": "external"});
    let job: Value = http
        .post(format!("{base}/api/jobs"))
        .json(&body)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let job = job["job_id"].as_str().unwrap();
    let push = http.post(format!("{base}/api/jobs/{job}/events?durable=true")).body(endless());
    let mut push = tokio::spawn(push.send());
    let mut most = 0;
    let answer = loop {
        tokio::select! {
            answer = &mut push => break answer.unwrap().unwrap(),
            ready = get(&http, &server, "/readyz") => {
                most = most.max(ready["memory_bytes"].as_u64().unwrap());
            }
        }
    };
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(
        (&answer["appended"], &answer["durable"]),
        (&LINES.into(), &true.into()),
        "{answer}"
    );
    // Twice the limits: memory is given back a moment after it is over its bound.
    let bound = 2 * (MEMORY_LIMIT + JOURNAL_LIMIT);
    assert!(most < bound, "{most} bytes of events were in memory");
    let resident = peak_memory(&server).unwrap_or(0);
    assert!(resident < 160 << 20, "the process had {resident} bytes");
    // Every line is there, in order, for a reader that begins at the beginning.
    let url = format!("{base}/api/jobs/{job}/stream");
    let mut reader = Reader::open(&http, &url, None).await;
    for n in 1..=LINES {
        assert_eq!(reader.until("frame").await.data["n"], n);
    }
    let ended = tokio::time::timeout(PATIENCE, server.terminate()).await.unwrap();
    assert_eq!(ended, Some(0));
}
