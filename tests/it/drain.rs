//! Going down in order: streams are told, jobs are handed over, nothing counts as a failure.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::database::Database;
use crate::harness::process::Process;
use crate::harness::reader::{Message, assert_ids_rise, text_of};
use crate::harness::{Reader, TestServer, client};

/// A speed at which a long post takes many seconds.
const REAL_TIME: [&str; 2] = ["--simulator-speed", "1"];

const AT_ONCE: [&str; 2] = ["--simulator-speed", "1000"];

async fn submit(process: &Process, body: &Value) -> String {
    let url = format!("http://{}/api/jobs", process.address);
    let response = client().post(url).json(body).send().await.expect("an answer");
    assert_eq!(response.status(), 202);
    let answer: Value = response.json().await.expect("JSON");
    answer["job_id"].as_str().expect("an id").to_owned()
}

fn post(topic: &str) -> Value {
    json!({ "kind": "blog", "input": { "topic": topic, "words": 1500 } })
}

async fn open(process: &Process, path: &str, after: Option<u64>) -> Reader {
    let url = format!("http://{}{path}", process.address);
    let after = after.map(|id| id.to_string());
    Reader::open(&client(), &url, after.as_deref()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_tells_every_stream_and_hands_every_job_over() {
    let folder = TempDir::new().unwrap();
    let process = Process::serve(folder.path(), "127.0.0.1:0", &REAL_TIME).await;
    let mut jobs = Vec::new();
    for topic in ["harbours", "lighthouses"] {
        jobs.push(submit(&process, &post(topic)).await);
    }
    let waiting = submit(&process, &json!({ "kind": "external" })).await;
    let mut readers = Vec::new();
    for job in &jobs {
        let mut reader = open(&process, &format!("/api/jobs/{job}/stream"), None).await;
        let mut seen = vec![reader.until("status").await];
        seen.push(reader.until("content").await);
        readers.push((reader, seen));
    }
    let mut others = Vec::new();
    for path in [
        format!("/api/jobs/{waiting}/stream"),
        format!("/api/stream?job={}&job={waiting}", jobs[0]),
        "/api/projects/default/stream".to_owned(),
    ] {
        others.push(open(&process, &path, None).await);
    }
    assert_eq!(process.terminate().await, Some(0));
    for other in &mut others {
        says_goodbye(other).await;
    }
    let process = Process::serve(folder.path(), "127.0.0.1:0", &AT_ONCE).await;
    for (job, (mut reader, mut seen)) in jobs.iter().zip(readers) {
        seen.extend(says_goodbye(&mut reader).await);
        let cursor = seen.iter().rev().find_map(|message| message.id);
        let mut again = open(&process, &format!("/api/jobs/{job}/stream"), cursor).await;
        let after = again.read_to_end().await;
        assert!(after.iter().all(|message| message.event != "gap"), "{after:?}");
        seen.extend(after);
        assert_ids_rise(&seen);
        assert_eq!(seen.last().unwrap().event, "completed");
        let running = seen.iter().filter(|message| message.data["status"] == "running");
        assert_eq!(running.filter_map(|message| message.data["attempt"].as_u64()).max(), Some(2));
        let url = format!("http://{}/api/jobs/{job}", process.address);
        let view: Value = client().get(url).send().await.unwrap().json().await.unwrap();
        assert_eq!(view["text"], text_of(&seen));
    }
    assert_eq!(process.terminate().await, Some(0));
    let mut database = Database::open(&folder.path().join(tailwater::db::FILE)).await;
    assert_eq!(database.number("select cast(sum(failures) as bigint) from job", &[]).await, 0);
    let events = "select count(*) from job where status = 'completed' and end_event_id is null";
    assert_eq!(database.number(events, &[]).await, 0);
}

/// The rest of a stream: it ends with `bye`, and a second `retry:` says when to come back.
async fn says_goodbye(reader: &mut Reader) -> Vec<Message> {
    let rest = reader.read_to_end().await;
    let bye = rest.last().expect("something is said");
    assert_eq!((bye.event.as_str(), bye.id), ("bye", None), "{rest:?}");
    assert_eq!(reader.retries.len(), 2, "{:?}", reader.retries);
    rest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_the_process_at_once() {
    let folder = TempDir::new().unwrap();
    let mut process = Process::serve(folder.path(), "127.0.0.1:0", &AT_ONCE).await;
    let job = submit(&process, &post("[stall] a night at sea")).await;
    let mut reader = open(&process, &format!("/api/jobs/{job}/stream"), None).await;
    reader.until("content").await;
    // The job cannot be handed over, so an orderly stop would go on up to its limit.
    let mut database = Database::open(&folder.path().join(tailwater::db::FILE)).await;
    database.lock().await;
    process.signal("-TERM").await;
    assert_eq!(reader.read_to_end().await.last().unwrap().event, "bye");
    process.signal("-TERM").await;
    assert_eq!(process.wait().await, Some(143));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_database_is_locked_stops_all_the_same() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let mut reader = server.follow(&job).await;
    let mut database = Database::open(&server.database()).await;
    database.lock().await;
    server.push(&job, &[json!({ "type": "step" })]).await;
    reader.until("step").await;
    let data = server.stop().await;
    assert_eq!(reader.read_to_end().await.last().unwrap().event, "bye");
    database.unlock().await;
    drop(data);
}
