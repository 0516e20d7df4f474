//! § 2: taking a stream up again.

use serde_json::{Value, json};
use tailwater::db::{Change, segments::Trim};
use tailwater::event::EventId;

use crate::harness::cluster::is_cluster;
use crate::harness::database::Database;
use crate::harness::reader::text_of;
use crate::harness::{Message, Reader, TestServer};

use super::{
    Killable, about_the_job, content, cursor, ended_job, event, lock_database, names, unlock,
};

/// Gives up a job's events but for its end, as retention does after its time. Gives the server
/// after a restart, since the old one has the events in memory.
pub async fn trim(server: TestServer, job: &str, end: &Message) -> TestServer {
    server.until_durable().await;
    let server = server.restart().await;
    let through = EventId::from_u64(end.id.unwrap() - 1).unwrap();
    let trim = Trim { jobs: vec![(job.parse().unwrap(), through)] };
    let mut database = Database::open(&server.database()).await;
    trim.apply(&mut database.conn()).await.unwrap();
    drop(database);
    server.restart().await
}

async fn assert_resumes_everywhere(server: &TestServer, job: &str, all: &[Message]) {
    for (index, from) in all.iter().enumerate().take(all.len() - 1) {
        let by_header = server.follow_from(job, Some(&cursor(from))).await.read_to_end().await;
        assert_eq!(by_header[0].event, "hello");
        assert_eq!(by_header[1..], all[index + 1..]);
        let url = server.url(&format!("/api/jobs/{job}/stream?after={}", cursor(from)));
        let by_query = Reader::open(&server.http, &url, None).await.read_to_end().await;
        assert_eq!(by_query[1..], all[index + 1..]);
    }
    let nothing = server.follow(job).await.read_to_end().await;
    assert_eq!(nothing[1..], *all, "no cursor is the beginning");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p08_a_reader_gets_exactly_what_comes_after_its_cursor() {
    let server = TestServer::start().await;
    let job = ended_job(&server, 8).await;
    let all = about_the_job(&server.follow(&job).await.read_to_end().await);
    assert_eq!(all.len(), 11, "{:?}", names(&all));
    // An id of another job is as good a cursor.
    let other = ended_job(&server, 1).await;
    assert_resumes_everywhere(&server, &job, &all).await;
    // Now from the database.
    let server = server.restart().await;
    assert_resumes_everywhere(&server, &job, &all).await;
    let between = server.follow_from(&other, Some(&cursor(&all[4]))).await.read_to_end().await;
    assert_eq!(about_the_job(&between).len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p08_a_reader_that_was_cut_off_goes_on_where_it_was() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let mut got: Vec<Message> = Vec::new();
    for round in 0..4 {
        let after = got.last().map(cursor);
        let mut reader = server.follow_from(&job, after.as_deref()).await;
        let pair = [content(&format!("{round}a ")), content(&format!("{round}b "))];
        server.push(&job, &pair).await;
        // It leaves in the middle of what there is.
        while got.last().is_none_or(|last| last.data["text"] != format!("{round}a ")) {
            got.extend(about_the_job(&[reader.next().await.unwrap()]));
        }
    }
    server.push(&job, &[event("completed", &json!({}))]).await;
    let rest =
        server.follow_from(&job, got.last().map(cursor).as_deref()).await.read_to_end().await;
    got.extend(about_the_job(&rest));
    assert_eq!(text_of(&got), "0a 0b 1a 1b 2a 2b 3a 3b ");
    assert_eq!(got, about_the_job(&server.follow(&job).await.read_to_end().await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p08_the_header_wins_over_the_parameter() {
    let server = TestServer::start().await;
    let job = ended_job(&server, 6).await;
    let all = about_the_job(&server.follow(&job).await.read_to_end().await);
    let url = server.url(&format!("/api/jobs/{job}/stream?after={}", cursor(&all[1])));
    let mut reader = Reader::open(&server.http, &url, Some(&cursor(&all[5]))).await;
    let messages = reader.read_to_end().await;
    assert_eq!(messages[0].data["after"].as_u64(), all[5].id);
    assert_eq!(messages[1..], all[6..]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p11_after_the_end_there_is_nothing_to_come_back_for() {
    let server = TestServer::start().await;
    for last in ["completed", "failed", "canceled"] {
        let job = server.submit_external().await;
        let mut open = server.follow(&job).await;
        let data = json!({ "code": "x", "message": "x", "reason": "x" });
        server.push(&job, &[content("x"), event(last, &data)]).await;
        let messages = open.read_to_end().await;
        assert_eq!(messages.last().unwrap().event, last);
        let end = cursor(messages.last().unwrap());
        let later = ended_job(&server, 0).await;
        let beyond = about_the_job(&server.follow(&later).await.read_to_end().await);
        for at in [&end, &cursor(beyond.last().unwrap())] {
            let reader = server.follow_from(&job, Some(at)).await;
            assert_eq!(reader.status, 204);
            let response = server.http.get(server.url(&format!("/api/stream?job={job}")));
            let response = response.header("last-event-id", at).send().await.unwrap();
            assert_eq!(response.status(), 204);
        }
        let just_before = cursor(&messages[messages.len() - 2]);
        assert_eq!(server.follow_from(&job, Some(&just_before)).await.status, 200);
    }
    let server = server.restart().await;
    let job = ended_job(&server, 0).await;
    let end = server.follow(&job).await.read_to_end().await.last().map(cursor);
    assert_eq!(server.follow_from(&job, end.as_deref()).await.status, 204);
}

/// Reads a stream that has to begin with a gap; gives the gap's data and the snapshot.
async fn assert_gap(reader: &mut Reader, reason: &str) -> (Value, Message) {
    assert_eq!(reader.status, 200);
    assert_eq!(reader.headers["content-type"], "text/event-stream");
    let hello = reader.next().await.unwrap();
    assert_eq!(hello.event, "hello");
    let gap = reader.next().await.unwrap();
    assert_eq!((gap.event.as_str(), gap.id), ("gap", None), "{gap:?}");
    assert_eq!(gap.data["reason"], reason);
    assert_eq!(gap.data["from"], hello.data["after"]);
    let snapshot = reader.next().await.unwrap();
    assert_eq!(snapshot.event, "snapshot");
    assert_eq!(snapshot.id, gap.data["to"].as_u64(), "{gap:?} {snapshot:?}");
    (gap.data, snapshot)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p12_a_cursor_that_never_was_ours_gets_a_gap_and_a_snapshot() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let (_, answer) = server.push(&job, &[content("so "), content("far")]).await;
    let head = answer["last_id"].as_u64().unwrap();
    // In a cluster an entry of the log has room for 256.
    let next = if is_cluster() { (head / 256 + 1) * 256 } else { head + 1 };
    let ahead = next.to_string();
    let bad = [
        ("letters", "invalid_cursor", Value::Null),
        ("-1", "invalid_cursor", Value::Null),
        ("1.5", "invalid_cursor", Value::Null),
        ("9007199254740992", "invalid_cursor", Value::Null),
        ("18446744073709551616", "invalid_cursor", Value::Null),
        ("5", "unknown_epoch", json!(5)),
        (&ahead, "ahead_of_head", json!(next)),
        ("9007199254740991", "ahead_of_head", json!(9_007_199_254_740_991_u64)),
    ];
    let mut readers = Vec::new();
    for (cursor, reason, from) in bad {
        let mut reader = server.follow_from(&job, Some(cursor)).await;
        let (gap, snapshot) = assert_gap(&mut reader, reason).await;
        assert_eq!((&gap["from"], gap["to"].as_u64()), (&from, Some(head)), "{cursor}");
        let expected = json!({
            "job": job, "kind": "external", "status": "running", "attempt": 1,
            "progress": { "percent": 0 }, "text": "so far", "text_offset": 0, "artifacts": [],
        });
        assert_eq!(snapshot.data, expected, "{cursor}");
        readers.push(reader);
    }
    // None of them begins again, and none waits for something that never comes.
    server.push(&job, &[content(" and on"), event("completed", &json!({}))]).await;
    for mut reader in readers {
        assert_eq!(names(&reader.read_to_end().await), ["content", "completed"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p12_a_bad_cursor_is_a_gap_for_an_ended_job_too() {
    let server = TestServer::start().await;
    let job = ended_job(&server, 2).await;
    let mut reader = server.follow_from(&job, Some("9007199254740991")).await;
    let (_, snapshot) = assert_gap(&mut reader, "ahead_of_head").await;
    assert_eq!(snapshot.data["text"], "piece 0;piece 1;");
    assert_eq!(names(&reader.read_to_end().await), ["completed"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p12_who_saw_what_a_crash_took_is_told() {
    let server = Killable::start(&[]).await;
    let job = server.submit_external().await;
    let kept = server.push(&job, "?durable=true", &content("kept")).await;
    let lock = lock_database(&server.database()).await;
    let mut reader = server.follow_from(&job, None).await;
    server.push(&job, "", &content(" and lost")).await;
    reader.until("content").await;
    let lost = cursor(&reader.until("content").await);
    let killed = server.kill().await;
    unlock(lock).await;
    let server = killed.start(&[]).await;
    let mut reader = server.follow_from(&job, Some(&lost)).await;
    let (gap, snapshot) = assert_gap(&mut reader, "lost_in_crash").await;
    assert_eq!(gap["from"].to_string(), lost);
    assert_eq!((&gap["to"], &snapshot.data["text"]), (&kept["last_id"], &json!("kept")));
    server.push(&job, "", &content(" and new")).await;
    let new = reader.until("content").await;
    assert_eq!(new.data["text"], " and new");
    // Who had seen only what was kept goes on without a gap.
    let kept = kept["last_id"].to_string();
    let mut reader = server.follow_from(&job, Some(&kept)).await;
    assert_eq!(reader.next().await.unwrap().event, "hello");
    assert_eq!(reader.next().await.unwrap(), new);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p12_events_that_retention_gave_up_are_a_gap() {
    let server = TestServer::start().await;
    let job = ended_job(&server, 3).await;
    let all = about_the_job(&server.follow(&job).await.read_to_end().await);
    let server = trim(server, &job, all.last().unwrap()).await;
    for after in [None, Some(cursor(&all[1]))] {
        let mut reader = server.follow_from(&job, after.as_deref()).await;
        let (_, snapshot) = assert_gap(&mut reader, "trimmed").await;
        assert_eq!(snapshot.data["kind"], "external");
        assert_eq!(reader.read_to_end().await, all[all.len() - 1..]);
    }
}
