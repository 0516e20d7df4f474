//! A write-ahead log that is damaged while nobody has it open. What was committed may be gone then;
//! that is told, and no id is given out twice.

use serde_json::json;

use crate::protocol::crash::Killable;

/// The extreme case: all of the log is gone, and the first life with it, but for what was folded in
/// at its start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_life_whose_log_is_lost_is_remembered_and_its_ids_are_not_used_again() {
    let server = Killable::start(&[]).await;
    let job = server.submit_external().await;
    let step = json!({ "type": "step", "data": { "n": 1 } });
    let answer = server.push(&job, "?durable=true", &step).await;
    assert_eq!(answer["durable"], true);
    let seen = answer["last_id"].as_u64().expect("an id");
    let log = server.database().with_extension("db-wal");
    let killed = server.kill().await;
    std::fs::write(&log, b"").expect("the log is there");
    let server = killed.start(&[]).await;

    let (status, _) = server.get(&format!("/api/jobs/{job}")).await;
    assert_eq!(status, 404, "what was in the log alone is gone");
    let head = server.get("/readyz").await.1["head"].as_u64().expect("a head");
    assert!(head > seen, "the head is {head}, and a reader has {seen}");
    let other = server.submit_external().await;
    server.push(&other, "", &step).await;
    let page = server.get(&format!("/api/jobs/{other}/events?after={seen}")).await.1;
    assert_eq!(page["gap"]["reason"], "lost_in_crash", "{page}");
}
