//! The four lessons of the system that this one was built after, whose narrations seldom reached
//! the page that waited for them: the database showed a file before its event was there, readers
//! found events by polling, the last events of a job came latest, and the commit came first.

use std::sync::mpsc;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::database::Database;
use crate::harness::reader::{Message, assert_ids_rise};
use crate::harness::{PATIENCE, Reader, TestServer};

/// How often each event of a narration was seen.
fn counts(messages: &[Message]) -> (usize, usize) {
    let count = |name| messages.iter().filter(|message| message.event == name).count();
    (count("artifact_ready"), count("tts_completed"))
}

fn names(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.event.as_str()).collect()
}

/// A file's row, as a worker commits it that does not know that there are events.
async fn insert_file(database: &mut Database, job: &str, file: &str, kind: &str) {
    let insert = "insert into artifact (id, job_id, kind, media_type, url, bytes, duration_ms) \
                  values (?, ?, ?, 'audio/wav', 'https://files.test/voice.wav', 1024, 900)";
    database.run(insert, &[file, job, kind]).await;
}

fn ready(file: &str) -> Value {
    json!({ "type": "artifact_ready", "data": { "artifact": {
        "id": file, "kind": "voice", "media_type": "audio/wav",
        "url": "https://files.test/voice.wav", "bytes": 1024, "duration_ms": 900,
    }}})
}

fn spoken(file: &str) -> Value {
    json!({ "type": "tts_completed", "data": { "artifact_id": file } })
}

fn completed() -> Value {
    json!({ "type": "completed", "data": {} })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_narration_that_only_the_database_shows_is_told_whole() {
    let server = TestServer::start().await;
    let mut database = Database::open(&server.database()).await;
    let job = server.submit_external().await;
    let mut reader = server.follow(&job).await;
    insert_file(&mut database, &job, "file_only_there", "voice").await;
    let seen = reader.until("artifact_ready").await;
    let next = reader.next().await.unwrap();
    assert_eq!(next.event, "tts_completed");
    assert_eq!(next.data["artifact_id"], "file_only_there");
    assert_eq!(next.data["duration_ms"], 900);
    assert!(next.id > seen.id);
    server.push(&job, &[completed()]).await;
    assert_eq!(counts(&reader.read_to_end().await), (0, 0));
    server.stop().await;
}

/// The bug itself: a file that was found in the database moved the reader's cursor past the
/// `tts_completed` that the worker told afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_found_in_the_database_does_not_hide_the_narration_that_is_told_after_it() {
    let server = TestServer::start().await;
    let mut database = Database::open(&server.database()).await;
    let job = server.submit_external().await;
    let mut reader = server.follow(&job).await;
    insert_file(&mut database, &job, "file_found_first", "audio").await;
    let found = reader.until("artifact_ready").await;
    server.push(&job, &[spoken("file_found_first"), completed()]).await;
    let rest = reader.read_to_end().await;
    assert_eq!(names(&rest), ["status", "tts_completed", "completed"]);
    assert!(rest[0].id > found.id);
    assert_ids_rise(&rest);
    server.stop().await;
}

/// However the worker's commit, the reconciler's look and the worker's events fall, readers are
/// told of the file once and of the narration once, in this order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_order_of_row_and_event_tells_a_narration_exactly_once() {
    let server = TestServer::start().await;
    let mut database = Database::open(&server.database()).await;
    for (file, order) in [
        ("file_1", "row, look, events"),
        ("file_2", "row, events"),
        ("file_3", "events"),
        ("file_4", "events, look"),
    ] {
        let job = server.submit_external().await;
        let mut reader = server.follow(&job).await;
        let mut before = Vec::new();
        if order.starts_with("row") {
            insert_file(&mut database, &job, file, "voice").await;
        }
        if order.starts_with("row, look") {
            before = until_count(&mut reader, "tts_completed", 1).await;
        }
        let (status, answer) = server.push(&job, &[ready(file), spoken(file)]).await;
        assert_eq!(status, 200, "{order}: {answer}");
        if order.ends_with("events, look") {
            // A look that brings news is one that has seen the rows of the events, too.
            insert_file(&mut database, &job, "file_that_shows_a_look", "file").await;
            before = until_count(&mut reader, "artifact_ready", 2).await;
        }
        server.push(&job, &[completed()]).await;
        before.extend(reader.read_to_end().await);
        before.retain(|message| message.data["artifact"]["id"] != "file_that_shows_a_look");
        assert_eq!(counts(&before), (1, 1), "{order}: {:?}", names(&before));
        let place = |name| names(&before).iter().position(|other| *other == name);
        assert_eq!(
            place("artifact_ready").map(|place| place + 1),
            place("tts_completed"),
            "{order}"
        );
        assert_ids_rise(&before);
    }
    server.stop().await;
}

async fn until_count(reader: &mut Reader, event: &str, count: usize) -> Vec<Message> {
    let mut messages = Vec::new();
    while messages.iter().filter(|message: &&Message| message.event == event).count() < count {
        messages.push(reader.next().await.expect("the stream goes on"));
    }
    messages
}

/// Stops the clock of this runtime: no timer fires until the guard is dropped, so nothing that
/// waits for an interval can run. (A blocking task keeps the clock from leaping ahead; should the
/// test hang, it ends, and the harness's own time limits speak.)
struct StoppedClock {
    since: Instant,
    go_on: mpsc::Sender<()>,
}

impl StoppedClock {
    fn new() -> Self {
        let (go_on, wait) = mpsc::channel();
        tokio::task::spawn_blocking(move || wait.recv_timeout(PATIENCE));
        tokio::time::pause();
        Self { since: Instant::now(), go_on }
    }

    /// Lets time go on; says whether none has passed.
    fn start_again(self) -> bool {
        let stood = self.since == Instant::now();
        tokio::time::resume();
        self.go_on.send(()).is_ok() && stood
    }
}

#[tokio::test]
async fn no_reader_waits_for_a_poll() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let mut reader = server.follow(&job).await;
    reader.until("status").await;
    let clock = StoppedClock::new();
    for n in 0..100 {
        server.push(&job, &[json!({ "type": "step", "data": { "n": n } })]).await;
        assert_eq!(reader.until("step").await.data["n"], n);
    }
    assert!(clock.start_again(), "a timer has fired");
    server.stop().await;
}

#[tokio::test]
async fn the_last_events_of_a_job_wait_for_no_interval() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let mut reader = server.follow(&job).await;
    reader.until("status").await;
    let clock = StoppedClock::new();
    let file = "file_at_the_end";
    let (status, answer) = server.push(&job, &[ready(file), spoken(file), completed()]).await;
    assert_eq!(status, 200, "{answer}");
    let messages = reader.read_to_end().await;
    assert_eq!(names(&messages), ["status", "artifact_ready", "tts_completed", "completed"]);
    assert!(clock.start_again(), "a timer has fired");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_have_events_before_the_database_has() {
    let server = TestServer::start().await;
    let mut database = Database::open(&server.database()).await;
    let mut other = Database::open(&server.database()).await;
    let job = server.submit_external().await;
    let mut reader = server.follow(&job).await;
    database.lock().await;
    let file = "file_before_the_commit";
    let (_, answer) = server.push(&job, &[ready(file), spoken(file)]).await;
    assert_eq!(answer["durable"], false, "{answer}");
    let told = reader.until("tts_completed").await;
    let id = told.id.unwrap();
    let health = server.get("/readyz").await.1;
    assert!(health["durable_through"].as_u64().unwrap() < id, "{health}");
    assert!(health["head"].as_u64().unwrap() >= id, "{health}");
    let files = "select count(*) from artifact where job_id = ?";
    assert_eq!(other.number(files, &[&job]).await, 0);
    database.unlock().await;
    let (status, answer) = push_durable(&server, &job, &completed()).await;
    assert_eq!((status, &answer["durable"]), (200, &json!(true)), "{answer}");
    assert_eq!(other.number(files, &[&job]).await, 1);
    let newest = "select max(last_id) from event_segment where job_id = ?";
    assert_eq!(other.number(newest, &[&job]).await, answer["last_id"].as_i64().unwrap());
    server.stop().await;
}

async fn push_durable(server: &TestServer, job: &str, event: &Value) -> (u16, Value) {
    let path = format!("/api/jobs/{job}/events?durable=true");
    server.post(&path, event).await
}
