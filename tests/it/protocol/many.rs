//! § 2: several jobs on one connection.

use serde_json::json;

use crate::harness::reader::assert_ids_rise;
use crate::harness::{Message, Reader, TestServer};

use super::{about_the_job, content, cursor, event, names};

async fn open(server: &TestServer, path: &str, after: Option<&str>) -> Reader {
    Reader::open(&server.http, &server.url(path), after).await
}

/// What a stream of several jobs has to give for these events of one of them.
fn in_envelopes(job: &str, messages: &[Message]) -> Vec<Message> {
    let envelope =
        |message: Message| Message { data: json!({ "job": job, "data": message.data }), ..message };
    about_the_job(messages).into_iter().map(envelope).collect()
}

/// Two jobs whose events alternate, and everything that a stream of both has to give.
async fn two_jobs(server: &TestServer) -> ([String; 2], Vec<Message>) {
    let jobs = [server.submit_external().await, server.submit_external().await];
    for round in 0..4 {
        for job in &jobs {
            server.push(job, &[content(&format!("{round}")), content("…")]).await;
        }
    }
    for job in &jobs {
        server.push(job, &[event("x.y", &json!([1])), event("completed", &json!({}))]).await;
    }
    let mut expected = Vec::new();
    for job in &jobs {
        expected.extend(in_envelopes(job, &server.follow(job).await.read_to_end().await));
    }
    expected.sort_by_key(|message| message.id);
    (jobs, expected)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p19_several_jobs_are_merged_by_id_with_the_same_events() {
    let server = TestServer::start().await;
    let ([one, other], expected) = two_jobs(&server).await;
    let path = format!("/api/stream?job={one}&job={other}");
    let messages = open(&server, &path, None).await.read_to_end().await;
    assert_eq!(messages[0].event, "hello");
    assert_eq!(messages[1..], expected);
    for (index, from) in expected.iter().enumerate().step_by(5) {
        let rest = open(&server, &path, Some(&cursor(from))).await.read_to_end().await;
        assert_eq!(rest[1..], expected[index + 1..], "a cursor holds for the same set of jobs");
    }
    let end = cursor(expected.last().unwrap());
    assert_eq!(open(&server, &path, Some(&end)).await.status, 204);
    let server = server.restart().await;
    let from = &expected[7];
    let rest = open(&server, &path, Some(&cursor(from))).await.read_to_end().await;
    assert_eq!(rest[1..], expected[8..], "from the database too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p19_the_stream_of_named_jobs_ends_when_all_of_them_have() {
    let server = TestServer::start().await;
    let jobs = [server.submit_external().await, server.submit_external().await];
    let path = format!("/api/stream?job={}&job={}", jobs[0], jobs[1]);
    let mut reader = open(&server, &path, None).await;
    let mut messages = Vec::new();
    for job in &jobs {
        // The other's end was delivered, and this one's events still come.
        server.push(job, &[content("news"), event("completed", &json!({}))]).await;
        let from = messages.len();
        while messages[from..].iter().all(|message: &Message| message.event != "completed") {
            messages.push(reader.next().await.expect("one job is not over"));
        }
        assert_eq!(messages.last().unwrap().data["job"], *job);
    }
    assert_eq!(reader.next().await, None);
    assert_ids_rise(&messages);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p19_a_bad_cursor_gets_a_gap_and_a_snapshot_of_each_job() {
    let server = TestServer::start().await;
    let jobs = [server.submit_external().await, server.submit_external().await];
    for job in &jobs {
        server.push(job, &[content("so far")]).await;
    }
    let path = format!("/api/stream?job={}&job={}", jobs[0], jobs[1]);
    let mut reader = open(&server, &path, Some("nonsense")).await;
    let mut opening = Vec::new();
    while opening.len() < 4 {
        opening.push(reader.next().await.unwrap());
    }
    assert_eq!(names(&opening), ["hello", "gap", "snapshot", "snapshot"]);
    for snapshot in &opening[2..] {
        assert_eq!(snapshot.data["data"]["text"], "so far");
    }
    // A reader that is cut off between the snapshots must not take the first for everything.
    assert_eq!(opening[2].id, None);
    assert_eq!(opening[3].id, opening[1].data["to"].as_u64());
    for job in &jobs {
        server.push(job, &[event("completed", &json!({}))]).await;
    }
    assert_eq!(names(&reader.read_to_end().await), ["completed", "completed"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p19_each_job_may_have_a_cursor_of_its_own() {
    let server = TestServer::start().await;
    let ([one, other], expected) = two_jobs(&server).await;
    let of = |job: &str| -> Vec<&Message> {
        expected.iter().filter(|message| message.data["job"] == *job).collect()
    };
    // Far in the one, at the beginning of the other.
    let (far, near) = (of(&one)[7].id, of(&other)[1].id);
    let wanted = |from: Option<u64>| -> Vec<Message> {
        let after = |message: &&Message| {
            let own = if message.data["job"] == *one { far } else { near };
            message.id > own.max(from)
        };
        expected.iter().filter(after).cloned().collect()
    };
    let path = format!("/api/stream?job={one}@{}&job={other}%40{}", far.unwrap(), near.unwrap());
    let messages = open(&server, &path, None).await.read_to_end().await;
    let hello = &messages[0].data;
    assert_eq!((&hello["jobs"][0]["job"], &hello["after"]), (&json!(one), &json!(0)), "{hello}");
    assert_eq!(
        (&hello["jobs"][0]["after"], &hello["jobs"][1]["after"]),
        (&json!(far), &json!(near))
    );
    assert_eq!(messages[1..], wanted(None));
    // A browser comes back to the same URL with the last id that it saw.
    for from in expected.iter().step_by(3).filter(|message| message.id > near) {
        let rest = open(&server, &path, Some(&cursor(from))).await.read_to_end().await;
        assert_eq!(rest[1..], wanted(from.id), "from {from:?}");
    }
    // `after` is for those without one of their own.
    let path =
        format!("/api/stream?job={one}&job={other}@{}&after={}", near.unwrap(), far.unwrap());
    assert_eq!(open(&server, &path, None).await.read_to_end().await[1..], wanted(None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p19_a_set_of_jobs_may_change_from_one_connection_to_the_next() {
    let server = TestServer::start().await;
    let ([one, other], expected) = two_jobs(&server).await;
    let of_one = server.follow(&one).await.read_to_end().await;
    let seen = of_one.iter().filter_map(|message| message.id).nth(3).unwrap();
    // The other's earlier events are below what was seen of the one, and come all the same.
    let path = format!("/api/stream?job={one}@{seen}&job={other}@0");
    let messages = open(&server, &path, None).await.read_to_end().await;
    let is_new = |message: &&Message| message.data["job"] == *other || message.id > Some(seen);
    let wanted: Vec<_> = expected.iter().filter(is_new).cloned().collect();
    assert!(wanted[0].id < Some(seen));
    assert_eq!(messages[1..], wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p19_a_job_that_ended_at_its_cursor_is_over() {
    let server = TestServer::start().await;
    let jobs = [server.submit_external().await, server.submit_external().await];
    let (_, answer) = server.push(&jobs[0], &[event("completed", &json!({}))]).await;
    let path = format!("/api/stream?job={}@{}&job={}@", jobs[0], answer["last_id"], jobs[1]);
    let mut reader = open(&server, &path, None).await;
    server.push(&jobs[1], &[event("completed", &json!({}))]).await;
    let messages = about_the_job(&reader.read_to_end().await);
    assert!(messages.iter().all(|message| message.data["job"] == jobs[1]), "{messages:?}");
    let end = messages.last().unwrap();
    assert_eq!(end.event, "completed");
    assert_eq!(open(&server, &path, Some(&cursor(end))).await.status, 204);
    let path = format!("{path}{}", cursor(end));
    assert_eq!(open(&server, &path, None).await.status, 204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p19_a_bad_cursor_of_one_job_is_a_gap_of_all_that_are_not_over() {
    let server = TestServer::start().await;
    let jobs = [(); 3].map(|()| async { server.submit_external().await });
    let [over, good, bad] = jobs;
    let (over, good, bad) = (over.await, good.await, bad.await);
    let (_, ended) = server.push(&over, &[event("completed", &json!({}))]).await;
    let (_, answer) = server.push(&good, &[content("so far")]).await;
    server.push(&bad, &[content("so far")]).await;
    for (own, reason) in [("x", "invalid_cursor"), ("9007199254740991", "ahead_of_head")] {
        let path = format!(
            "/api/stream?job={over}@{}&job={good}@{}&job={bad}@{own}",
            ended["last_id"], answer["last_id"],
        );
        let mut reader = open(&server, &path, None).await;
        let mut opening = Vec::new();
        while opening.len() < 4 {
            opening.push(reader.next().await.unwrap());
        }
        assert_eq!(names(&opening), ["hello", "gap", "snapshot", "snapshot"]);
        assert_eq!(opening[1].data["reason"], reason);
        let told = [&opening[2].data["job"], &opening[3].data["job"]];
        assert!(told.contains(&&json!(good)) && told.contains(&&json!(bad)), "{told:?}");
        // The last snapshot's id is good for the whole set, whatever the URL says.
        assert_eq!(opening[3].id, opening[1].data["to"].as_u64());
    }
    // A browser goes on sending the URL with the bad cursor, and still comes to the end.
    let path = format!("/api/stream?job={good}&job={bad}@9007199254740991");
    for job in [&good, &bad] {
        server.push(job, &[event("completed", &json!({}))]).await;
    }
    let messages = open(&server, &path, None).await.read_to_end().await;
    let last = messages.iter().rfind(|message| message.id.is_some()).unwrap();
    assert_eq!(open(&server, &path, Some(&cursor(last))).await.status, 204);
}

async fn submit_to(server: &TestServer, project: &str) -> String {
    server.submit(&json!({ "kind": "external", "project_id": project })).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p20_a_projects_stream_begins_with_a_snapshot_and_takes_in_new_jobs() {
    let server = TestServer::start().await;
    let early = submit_to(&server, "mine").await;
    server.push(&early, &[content("before"), event("progress", &json!({ "percent": 7 }))]).await;
    let other = submit_to(&server, "theirs").await;
    let mut reader = open(&server, "/api/projects/mine/stream", None).await;
    let hello = reader.next().await.unwrap();
    assert_eq!((hello.event.as_str(), &hello.data["project"]), ("hello", &json!("mine")));
    let snapshot = reader.next().await.unwrap();
    assert_eq!((snapshot.event.as_str(), snapshot.id), ("snapshot", hello.data["head"].as_u64()));
    let shown = &snapshot.data["jobs"];
    assert_eq!(shown.as_array().unwrap().len(), 1, "{shown}");
    assert_eq!((&shown[0]["id"], &shown[0]["status"]), (&json!(early), &json!("running")));
    assert_eq!(shown[0]["progress"]["percent"], 7);

    let late = submit_to(&server, "mine").await;
    for job in [&other, &late, &early] {
        let log = event("log", &json!({ "line": "x", "level": "info" }));
        server.push(job, &[content("text"), log, event("completed", &json!({}))]).await;
    }
    let mut messages = Vec::new();
    while messages.iter().filter(|message: &&Message| message.event == "completed").count() < 2 {
        messages.push(reader.next().await.unwrap());
    }
    // Nothing of before, nothing of theirs, no text and no log.
    let got: Vec<_> = messages
        .iter()
        .map(|message| (message.data["job"].as_str().unwrap(), message.event.as_str()))
        .collect();
    let expected =
        [(&late, "status"), (&late, "status"), (&late, "completed"), (&early, "completed")];
    assert_eq!(got, expected.map(|(job, name)| (job.as_str(), name)));
    assert_ids_rise(&messages);
    let whole = server.follow(&late).await.read_to_end().await;
    let whole = in_envelopes(&late, &whole);
    assert!(messages[..3].iter().all(|message| whole.contains(message)), "the same events");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p20_a_projects_stream_has_text_and_logs_when_asked() {
    let server = TestServer::start().await;
    let mut reader = open(&server, "/api/projects/mine/stream?include=content", None).await;
    reader.until("snapshot").await;
    let job = submit_to(&server, "mine").await;
    let log = event("log", &json!({ "line": "x", "level": "info" }));
    server.push(&job, &[content("text"), log]).await;
    assert_eq!(reader.until("content").await.data["data"]["text"], "text");
    assert_eq!(reader.next().await.unwrap().event, "log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p20_a_projects_stream_goes_on_from_a_cursor_without_a_snapshot() {
    let server = TestServer::start().await;
    let job = submit_to(&server, "mine").await;
    let (_, answer) = server.push(&job, &[event("progress", &json!({ "percent": 7 }))]).await;
    let seen = answer["last_id"].to_string();
    server.push(&job, &[event("completed", &json!({}))]).await;
    let server = server.restart().await;
    let mut reader = open(&server, "/api/projects/mine/stream", Some(&seen)).await;
    assert_eq!(reader.next().await.unwrap().event, "hello");
    assert_eq!(reader.next().await.unwrap().event, "completed");
}
