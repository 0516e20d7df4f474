//! § 6: what writes to the database alone. § 7: while the database takes no writes.

use serde_json::{Value, json};

use crate::harness::database::Database;
use crate::harness::reader::{assert_ids_rise, text_of};
use crate::harness::{PATIENCE, TestServer};

use super::{Provider, about_the_job, content, cursor, event, lock_database, names, unlock};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p31_a_program_that_only_knows_the_database_is_streamed() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let mut database = Database::open(&server.database()).await;
    let mut readers = [server.follow(&job).await, server.follow(&job).await];
    let reader = &mut readers[0];
    reader.until("status").await;
    database.run("update job set status = 'running' where id = ?", &[&job]).await;
    assert_eq!(reader.until("status").await.data["status"], "running");
    let progress =
        "update job set progress = 40, stage = 'mixing', message = 'two of five' where id = ?";
    database.run(progress, &[&job]).await;
    let progress = reader.until("progress").await.data;
    assert_eq!((&progress["percent"], &progress["stage"]), (&json!(40), &json!("mixing")));
    assert_eq!(progress["message"], "two of five");
    let voice = "insert into artifact (id, job_id, kind, media_type, url, bytes, duration_ms, voice) \
                 values ('file_v', ?, 'voice', 'audio/wav', 'https://cdn.test/v.wav', 9, 1500, 'ada')";
    database.run(voice, &[&job]).await;
    let ready = reader.until("artifact_ready").await.data;
    let expected = json!({
        "id": "file_v", "kind": "voice", "media_type": "audio/wav",
        "url": "https://cdn.test/v.wav", "bytes": 9, "duration_ms": 1500,
    });
    assert_eq!(ready["artifact"], expected);
    let spoken = reader.next().await.unwrap();
    assert_eq!(spoken.event, "tts_completed");
    assert_eq!(
        (&spoken.data["artifact_id"], &spoken.data["voice"]),
        (&json!("file_v"), &json!("ada"))
    );
    // The last file and the end in one step, as a program does that knows of no streams.
    let image = "insert into artifact (id, job_id, kind, media_type, url) \
                 values ('file_i', ?, 'image', 'image/png', 'https://cdn.test/i.png')";
    let end = "update job set status = 'completed', result = '{\"frames\":7}' where id = ?";
    database.run(end, &[&job]).await;
    database.run(image, &[&job]).await;
    let rest = reader.read_to_end().await;
    assert_eq!(names(&rest), ["artifact_ready", "completed"]);
    assert_eq!(rest[1].data["frames"], 7);
    let of_other = about_the_job(&readers[1].read_to_end().await);
    assert_ids_rise(&of_other);
    assert_eq!(of_other, about_the_job(&server.follow(&job).await.read_to_end().await));
}

/// The `sqlite3` of the system is years older than ours where the system is: 3.40 in Debian 12.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p31_the_sqlite_of_the_system_will_do() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let mut reader = server.follow(&job).await;
    reader.until("status").await;
    for sql in [
        format!("update job set status = 'running' where id = '{job}'"),
        format!("update job set progress = 30, stage = 'mixing' where id = '{job}'"),
        format!(
            "insert into artifact (id, job_id, url) values ('file_x', '{job}', 'https://x.test/')"
        ),
        format!("update job set status = 'completed' where id = '{job}'"),
    ] {
        let mut sqlite = tokio::process::Command::new("sqlite3");
        sqlite.arg("-cmd").arg(".timeout 60000").arg(server.database()).arg(&sql);
        let done = sqlite.output().await.expect("sqlite3 is installed");
        assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
    }
    let rest = reader.read_to_end().await;
    let said = names(&rest);
    assert_eq!(said.last(), Some(&"completed"), "{said:?}");
    assert!(said.contains(&"artifact_ready"), "{said:?}");
    let file = "select abs(created_at - unixepoch('subsec') * 1000) < 600000 from artifact";
    assert_eq!(Database::open(&server.database()).await.number(file, &[]).await, 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p31_a_failure_in_the_database_is_told_to_readers_and_pollers() {
    let server = TestServer::start().await;
    let (watched, polled) = (server.submit_external().await, server.submit_external().await);
    let mut database = Database::open(&server.database()).await;
    let mut reader = server.follow(&watched).await;
    let failed = "update job set status = 'failed', error_code = 'no_gpu', \
                  error_message = 'no GPU is free' where id = ?";
    for job in [&watched, &polled] {
        database.run(failed, &[job]).await;
    }
    let end = reader.read_to_end().await.pop().unwrap();
    assert_eq!((end.event.as_str(), &end.data["code"]), ("failed", &json!("no_gpu")));
    assert_eq!(end.data["message"], "no GPU is free");
    // Nobody watches this one: the next poll that comes long enough after the end finds it.
    let path = format!("/api/jobs/{polled}/events");
    let mut page = Value::Null;
    let found = async {
        while page["ended"] != true {
            server.get(&format!("/api/jobs/{polled}")).await;
            page = server.get(&path).await.1;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap();
    assert_eq!(page["events"].as_array().unwrap().last().unwrap()["data"]["code"], "no_gpu");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p31_a_fraction_and_a_file_without_an_id_hold_up_nothing() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let mut database = Database::open(&server.database()).await;
    let mut reader = server.follow(&job).await;
    reader.until("status").await;
    let nameless = "insert into artifact (job_id, url) values (?, 'https://cdn.test/v.wav')";
    database.run(nameless, &[&job]).await;
    let begin = "update job set status = 'running', progress = 100.0 * 3 / 7 where id = ?";
    database.run(begin, &[&job]).await;
    assert_eq!(reader.until("progress").await.data["percent"], 42);
    let end = "update job set status = 'completed', progress = 99.5, cost = 0.5 where id = ?";
    database.run(end, &[&job]).await;
    assert_eq!(names(&reader.read_to_end().await), ["completed"]);
    // The next process reads the rows when it is asked for the job.
    let server = server.restart().await;
    let (status, view) = server.get(&format!("/api/jobs/{job}")).await;
    assert_eq!((status, &view["status"]), (200, &json!("completed")), "{view}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p33_streams_go_on_while_the_database_takes_no_writes() {
    let server = TestServer::start().await.at_one_node();
    let job = server.submit_external().await;
    server.push(&job, &[content("before ")]).await;
    let mut reader = server.follow(&job).await;
    reader.until("content").await;
    assert_eq!(server.get("/readyz").await.0, 200);
    let lock = lock_database(&server.database()).await;
    for n in 0..50 {
        let (status, _) = server.push(&job, &[content(&format!("{n} "))]).await;
        assert_eq!(status, 200);
        assert_eq!(reader.next().await.unwrap().data["text"], format!("{n} "));
    }
    let url = server.url(&format!("/api/jobs/{job}/events"));
    let end = tokio::spawn(server.http.post(url).json(&event("completed", &json!({}))).send());
    let request = server.http.post(server.url("/api/jobs")).json(&json!({ "kind": "external" }));
    let refused = request.send().await.unwrap();
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(refused.json::<Value>().await.unwrap()["code"], "unavailable");
    let (status, ready) = server.get("/readyz").await;
    assert_eq!((status, &ready["reason"]), (503, &json!("database")), "{ready}");
    assert!(ready["not_durable"].as_u64() >= Some(50), "{ready}");
    let view = server.get(&format!("/api/jobs/{job}")).await.1;
    assert_eq!(view["status"], "running", "no job ends");
    assert!(!end.is_finished());
    // A reader that comes now finds everything too.
    let mut late = server.follow(&job).await;
    for _ in 0..51 {
        late.until("content").await;
    }

    unlock(lock).await;
    let answer = tokio::time::timeout(PATIENCE, end).await.unwrap().unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(names(&reader.read_to_end().await), ["completed"]);
    assert_eq!(names(&late.read_to_end().await), ["completed"]);
    assert_eq!(server.get("/readyz").await.0, 200);
    server.submit_external().await;
    let before = about_the_job(&server.follow(&job).await.read_to_end().await);
    let server = server.restart().await;
    let stored = about_the_job(&server.follow(&job).await.read_to_end().await);
    assert_eq!(stored, before, "everything is written, in order");
    assert_eq!(stored.len(), 54);
    assert_eq!(server.follow_from(&job, stored.last().map(cursor).as_deref()).await.status, 204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p33_a_post_goes_on_without_the_database_and_ends_when_it_is_back() {
    let mut provider = Provider::start().await;
    let base_url = provider.base_url.clone();
    let server = TestServer::with(|settings| settings.chat_base_url = Some(base_url)).await;
    let job = server.submit_blog("how tides work", false).await;
    let mut reader = server.follow(&job).await;
    let call = provider.call().await;
    call.write("# Tides\n").await;
    let mut messages = vec![reader.until("content").await];
    let lock = lock_database(&server.database()).await;
    call.write("\nThey come and go.\n").await;
    messages.push(reader.until("content").await);
    call.finish().await;
    while messages.last().is_none_or(|last| last.data["percent"] != 100) {
        messages.push(reader.next().await.unwrap());
    }
    assert_eq!(server.post("/api/jobs", &json!({ "kind": "external" })).await.0, 503);
    assert_eq!(server.get(&format!("/api/jobs/{job}")).await.1["status"], "running");
    unlock(lock).await;
    assert_eq!(names(&reader.read_to_end().await), ["completed"]);
    assert_eq!(text_of(&messages), "# Tides\n\nThey come and go.\n");
}
