//! Workers that know nothing but the database: what they write there reaches the readers of the
//! jobs that are watched, and what a row of another kind says is not believed too early.

use std::sync::mpsc;
use std::time::Duration;

use serde_json::json;

use crate::harness::database::Database;
use crate::harness::reader::assert_ids_rise;
use crate::harness::{PATIENCE, TestServer};

const STARTED: &str = "update job set status = 'running', progress = 10, stage = 'rendering', \
                       message = 'frame 1' where id = ?";
const COMPLETED: &str =
    "update job set status = 'completed', result = '{\"frames\": 240}' where id = ?";
const FAILED: &str = "update job set status = 'failed', error_code = 'out_of_paint', \
                      error_message = 'the blue is gone' where id = ?";
const FILE: &str = "insert into artifact (id, job_id, kind, media_type, url, bytes) \
                    values (?, ?, 'image', 'image/png', 'https://files.test/x.png', 5)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_knows_only_the_database_is_streamed() {
    let server = TestServer::start().await;
    let mut database = Database::open(&server.database()).await;
    let job = server.submit_external().await;
    let mut reader = server.follow(&job).await;
    database.run(STARTED, &[&job]).await;
    assert_eq!(reader.until("status").await.data["status"], "pending");
    let running = reader.until("status").await;
    assert_eq!(running.data["status"], "running");
    let progress = reader.until("progress").await;
    assert_eq!(progress.data["percent"], 10);
    assert_eq!(
        (&progress.data["stage"], &progress.data["message"]),
        (&json!("rendering"), &json!("frame 1"))
    );
    database.run("update job set progress = 55 where id = ?", &[&job]).await;
    assert_eq!(reader.until("progress").await.data["percent"], 55);
    database.run(FILE, &["file_from_outside", &job]).await;
    let file = reader.until("artifact_ready").await;
    assert_eq!(file.data["artifact"]["url"], "https://files.test/x.png");
    database.run(COMPLETED, &[&job]).await;
    let end = reader.until("completed").await;
    assert_eq!(end.data["frames"], 240);
    assert!(reader.read_to_end().await.is_empty());
    assert_ids_rise(&[running, progress, file, end]);
    let view = server.get(&format!("/api/jobs/{job}")).await.1;
    assert_eq!((&view["status"], &view["result"]["frames"]), (&json!("completed"), &json!(240)));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_in_the_database_is_told_with_its_code() {
    let server = TestServer::start().await;
    let mut database = Database::open(&server.database()).await;
    let job = server.submit_external().await;
    let mut reader = server.follow(&job).await;
    database.run(FAILED, &[&job]).await;
    let end = reader.until("failed").await;
    assert_eq!(
        (&end.data["code"], &end.data["message"]),
        (&json!("out_of_paint"), &json!("the blue is gone"))
    );
    assert_eq!(reader.next().await, None);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_in_the_database_never_takes_a_job_back() {
    let server = TestServer::start().await;
    let mut database = Database::open(&server.database()).await;
    let job = server.submit_external().await;
    let mut reader = server.follow(&job).await;
    server.push(&job, &[json!({ "type": "progress", "data": { "percent": 60 } })]).await;
    reader.until("progress").await;
    // A look that brings the file has seen the lower percentage, too.
    database.run("update job set progress = 20 where id = ?", &[&job]).await;
    database.run(FILE, &["file_of_a_look", &job]).await;
    let file = reader.next().await.unwrap();
    assert_eq!(file.event, "artifact_ready");
    server.push(&job, &[json!({ "type": "completed", "data": {} })]).await;
    assert_eq!(reader.next().await.unwrap().event, "completed");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_watched_jobs_are_looked_up() {
    let server = TestServer::start().await;
    let mut database = Database::open(&server.database()).await;
    let (watched, unwatched) = (server.submit_external().await, server.submit_external().await);
    let mut reader = server.follow(&watched).await;
    database
        .run(
            "update job set status = 'running', progress = 10 where id in (?, ?)",
            &[&watched, &unwatched],
        )
        .await;
    reader.until("progress").await;
    // The same look would have found the other job's progress.
    let path = format!("/api/jobs/{unwatched}/events");
    let events = server.get(&path).await.1["events"].clone();
    assert_eq!(events.as_array().unwrap().len(), 1, "{events}");
    assert_eq!(events[0]["type"], "status");
    let mut late = server.follow(&unwatched).await;
    assert_eq!(late.until("progress").await.data["percent"], 10);
    server.stop().await;
}

/// Another program's last file may come a moment after its final row. The clock of this runtime
/// stands still but for what the test advances it by, so that each look is known.
#[tokio::test]
async fn an_end_in_the_database_is_announced_at_the_second_look() {
    let server = TestServer::start().await;
    let mut database = Database::open(&server.database()).await;
    let job = server.submit_external().await;
    let mut reader = server.follow(&job).await;
    reader.until("status").await;
    let (go_on, wait) = mpsc::channel::<()>();
    // Without work for a blocking thread, a paused clock would leap ahead by itself.
    tokio::task::spawn_blocking(move || wait.recv_timeout(PATIENCE));
    tokio::time::pause();

    database.run(FILE, &["file_in_time", &job]).await;
    database.run(COMPLETED, &[&job]).await;
    tokio::time::advance(Duration::from_millis(1_200)).await;
    // This look has seen the final row.
    assert_eq!(reader.until("artifact_ready").await.data["artifact"]["id"], "file_in_time");
    database.run(FILE, &["file_that_was_late", &job]).await;
    tokio::time::advance(Duration::from_millis(600)).await;
    let late = reader.next().await.unwrap();
    assert_eq!(late.data["artifact"]["id"], "file_that_was_late");
    assert_eq!(reader.next().await.unwrap().event, "completed");

    tokio::time::resume();
    go_on.send(()).unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_was_ended_in_the_database_alone_is_told_to_whoever_comes_later() {
    let server = TestServer::start().await;
    let mut database = Database::open(&server.database()).await;
    let job = server.submit_external().await;
    database.run(COMPLETED, &[&job]).await;
    let messages = server.follow(&job).await.read_to_end().await;
    assert_eq!(messages.last().unwrap().event, "completed");
    let other = server.submit_external().await;
    database.run(COMPLETED, &[&other]).await;
    let server = server.restart().await;
    let messages = server.follow(&other).await.read_to_end().await;
    assert_eq!(messages.last().unwrap().event, "completed");
    server.stop().await;
}
