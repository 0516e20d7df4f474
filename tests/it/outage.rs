//! The database takes no writes: another program holds its lock. Readers notice nothing, nothing
//! is promised that could not be kept, and afterwards nothing is missing.

use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};

use crate::harness::cluster::is_cluster;
use crate::harness::database::{Database, is_postgres};
use crate::harness::reader::{Message, assert_ids_rise, text_of};
use crate::harness::{Reader, TestServer};

const ENDED: &str = "select count(*) from job where ended_at is not null";

fn step(n: u64) -> Value {
    json!({ "type": "step", "data": { "n": n } })
}

/// Reads the steps from `first` to `last`, which must be the next ones.
async fn steps(reader: &mut Reader, first: u64, last: u64) {
    for n in first..=last {
        assert_eq!(reader.until("step").await.data["n"], n);
    }
}

/// A submit while the database is locked; it is answered once the journal knows.
async fn refused_submit(server: &TestServer) {
    let submit = server.http.post(server.url("/api/jobs")).json(&json!({ "kind": "external" }));
    let response = submit.send().await.expect("an answer");
    assert_eq!(response.status(), 503);
    let wait = response.headers()["retry-after"].to_str().expect("a number").parse::<u64>();
    assert!(wait.is_ok_and(|seconds| seconds > 0));
    let problem: Value = response.json().await.expect("a problem");
    assert_eq!(problem["code"], "unavailable");
}

/// What the database has of a job's events, asked for page by page.
async fn stored(server: &TestServer, job: &str) -> Vec<Message> {
    let page = server.get(&format!("/api/jobs/{job}/events?limit=1000")).await.1;
    let event = |event: &Value| Message {
        id: event["id"].as_u64(),
        event: event["type"].as_str().expect("a type").to_owned(),
        data: event["data"].clone(),
    };
    page["events"].as_array().expect("events").iter().map(event).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_go_on_no_job_ends_and_everything_is_written_afterwards() {
    let server = TestServer::start().await;
    let post = server.submit_blog("[stall] the long winter", false).await;
    let pushed = server.submit_external().await;
    let (mut writing, mut pushing) = (server.follow(&post).await, server.follow(&pushed).await);
    let mut written = vec![writing.until("content").await];
    let mut database = Database::open(&server.database()).await;
    let mut other = Database::open(&server.database()).await;
    database.lock().await;

    // Both jobs want to end: one by its producer, one because it is canceled.
    let end = json!({ "type": "completed", "data": { "n": 100 } });
    let events: Vec<_> = (1..=100).map(step).chain([end]).collect();
    let (push, cancel) = (server.push(&pushed, &events), async {
        server.post(&format!("/api/jobs/{post}/cancel"), &json!({ "reason": "enough" })).await
    });
    let meanwhile = async {
        steps(&mut pushing, 1, 100).await;
        refused_submit(&server).await;
        let (mut status, mut health) = server.get("/readyz").await;
        // Of a cluster any node may be asked, and not all of them have something to write.
        while is_cluster() && status == 200 {
            (status, health) = server.get("/readyz").await;
        }
        assert_eq!((status, &health["reason"]), (503, &json!("database")), "{health}");
        assert_eq!(server.get("/healthz").await.0, 200);
        for job in [&post, &pushed] {
            assert_eq!(server.get(&format!("/api/jobs/{job}")).await.1["status"], "running");
        }
        assert_eq!(other.number(ENDED, &[]).await, 0);
        database.unlock().await;
    };
    let (push, cancel, ()) = tokio::join!(push, cancel, meanwhile);
    assert_eq!((push.0, &push.1["appended"]), (200, &json!(101)), "{push:?}");
    assert!(matches!(cancel.0, 200 | 202), "{cancel:?}");

    let rest = pushing.read_to_end().await;
    assert_eq!(rest.last().unwrap().event, "completed");
    written.extend(writing.read_to_end().await);
    assert_eq!(written.last().unwrap().data["reason"], "enough");
    assert_ids_rise(&written);
    assert_eq!(server.get("/readyz").await.0, 200);
    let server = server.restart().await;
    for job in [&post, &pushed] {
        let stored = stored(&server, job).await;
        let seen = server.follow(job).await.read_to_end().await;
        assert_eq!(seen[1..], stored[..]);
    }
    assert!(stored(&server, &post).await.ends_with(&written[written.len() - 1..]));
    let view = server.get(&format!("/api/jobs/{post}")).await.1;
    assert_eq!(view["text"], text_of(&stored(&server, &post).await));
    assert_eq!(other.number(ENDED, &[]).await, 2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ingest_stops_reading_at_the_journals_bound_and_goes_on_afterwards() {
    const LIMIT: usize = 64 << 10;
    const LINES: u64 = 2000;
    let server = TestServer::with(|settings| settings.journal_limit = LIMIT).await;
    let job = server.submit_external().await;
    let mut reader = server.follow(&job).await;
    server.until_durable().await;
    let mut database = Database::open(&server.database()).await;
    database.lock().await;

    let lines = (1..=LINES).map(|n| {
        let event = json!({ "type": "step", "data": { "n": n, "padding": "x".repeat(1000) } });
        Ok::<_, std::io::Error>(Bytes::from(format!("{event}\n")))
    });
    let body = reqwest::Body::wrap_stream(stream::iter(lines));
    let request = server.http.post(server.url(&format!("/api/jobs/{job}/events"))).body(body);
    let push = async { request.send().await.unwrap().json::<Value>().await.unwrap() };
    let meanwhile = async {
        // As many as the bound has room for: one event is about 1 KB.
        steps(&mut reader, 1, 50).await;
        refused_submit(&server).await;
        let health = server.get("/readyz").await.1;
        let waiting = health["not_durable"].as_u64().unwrap();
        assert!((50..=64).contains(&waiting), "{health}");
        database.unlock().await;
        steps(&mut reader, 51, LINES).await;
    };
    let (answer, ()) = tokio::join!(push, meanwhile);
    assert_eq!(answer["appended"], LINES, "{answer}");
    assert_eq!(server.get("/readyz").await.0, 200);
    server.stop().await;
}

/// Also when so much has piled up that it takes more than one transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_is_committed_after_everything_before_it() {
    const LINES: u64 = 40;
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let mut reader = server.follow(&job).await;
    let mut database = Database::open(&server.database()).await;
    database.run("create table ending (job text, newest bigint)", &[]).await;
    if is_postgres() {
        let body = "create function ends() returns trigger language plpgsql as $$ begin \
             insert into ending select new.id, max(last_id) from event_segment where job_id = new.id; \
             return null; end $$";
        database.run(body, &[]).await;
        let trigger = "create trigger ends after update of status on job for each row \
             when (new.status = 'completed') execute function ends()";
        database.run(trigger, &[]).await;
    } else {
        let trigger = "create trigger ends after update of status on job when new.status = 'completed' begin \
             insert into ending select new.id, max(last_id) from event_segment where job_id = new.id; \
             end";
        database.run(trigger, &[]).await;
    }
    database.lock().await;
    let padding = "x".repeat(200 << 10);
    let big = |n| json!({ "type": "step", "data": { "n": n, "padding": padding } });
    let end = json!({ "type": "completed", "data": {} });
    let events: Vec<_> = (1..=LINES).map(big).chain([end]).collect();
    let push = server.push(&job, &events);
    let meanwhile = async {
        let mut newest = None;
        for _ in 1..=LINES {
            newest = reader.until("step").await.id;
        }
        refused_submit(&server).await;
        database.unlock().await;
        newest.unwrap()
    };
    let ((status, answer), newest) = tokio::join!(push, meanwhile);
    assert_eq!(status, 200, "{answer}");
    let at_the_end = database.number("select newest from ending where job = ?", &[&job]).await;
    assert_eq!(at_the_end.cast_unsigned(), newest);
    server.stop().await;
}
