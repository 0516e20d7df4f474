//! § 13: credits, and what of them a program that only knows the database may write (§ 6).

use serde_json::{Value, json};

use crate::harness::TestServer;
use crate::harness::database::Database;

/// What a job of an external worker would hold, written by hand.
const HOLD: &str = "insert into ledger (account_id, entry, amount, job_id, at) \
                    values ('default', 'hold', 250000, ?, 1)";

/// Submits a job that may cost something, with a key.
async fn submit(server: &TestServer, prompt: &str, key: &str) -> (u16, Value) {
    let request = server.http.post(server.url("/api/replicate/seedance-t2v/submit"));
    let request = request.header("idempotency-key", key).json(&json!({ "prompt": prompt }));
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn grant(server: &TestServer, key: &str, body: &Value) -> (u16, Value) {
    let request = server.http.post(server.url("/api/credits/grant"));
    let response = request.header("idempotency-key", key).json(body).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

/// What is held and what was captured, once it is seen that the sums are right.
async fn held_and_captured(server: &TestServer) -> (i64, i64) {
    let view = server.get("/api/credits").await.1;
    let amount = |name: &str| view[name].as_i64().unwrap();
    let (held, captured) = (amount("held"), amount("captured"));
    assert_eq!(amount("available"), amount("granted") - captured - held, "{view}");
    assert!(view["available_credits"].is_string(), "{view}");
    (held, captured)
}

async fn ledger(server: &TestServer, query: &str) -> (Vec<Value>, Value) {
    let page = server.get(&format!("/api/credits/ledger?{query}")).await.1;
    (page["entries"].as_array().unwrap().clone(), page["next"].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p53_a_job_holds_its_estimate_once_however_often_it_is_submitted() {
    let server = TestServer::with(|settings| settings.workers = 0).await;
    let (status, first) = submit(&server, "a kite", "k").await;
    let hold = first["hold"].as_i64().unwrap();
    assert!(status == 202 && hold > 0, "{first}");
    let repeated = submit(&server, "a kite", "k").await.1;
    let deduplicated = submit(&server, "a kite", "another").await.1;
    assert_eq!(
        (&repeated["job_id"], &deduplicated["job_id"]),
        (&first["job_id"], &first["job_id"])
    );
    assert_eq!(held_and_captured(&server).await, (hold, 0));
    assert_eq!(submit(&server, "a ball", "third").await.0, 202);
    assert_eq!(held_and_captured(&server).await, (2 * hold, 0));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p53_a_job_that_nobody_can_pay_is_refused_with_what_is_missing() {
    let server = TestServer::with(|settings| {
        (settings.workers, settings.demo_credits) = (0, 0);
    })
    .await;
    assert_eq!(grant(&server, "g", &json!({ "amount": 7 })).await.0, 201);
    let (status, problem) = submit(&server, "a kite", "k").await;
    assert_eq!((status, &problem["code"]), (402, &json!("insufficient_credits")), "{problem}");
    let amount = |name: &str| problem[name].as_i64().unwrap();
    assert_eq!((amount("balance"), amount("shortfall")), (7, amount("needed") - 7));
    assert_eq!(held_and_captured(&server).await, (0, 0));
    assert_eq!(server.get("/api/jobs").await.1["jobs"], json!([]));
    let missing = json!({ "amount": amount("shortfall") });
    assert_eq!(grant(&server, "h", &missing).await.0, 201);
    assert_eq!(submit(&server, "a kite", "k").await.0, 202);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p54_a_job_that_completes_is_charged_and_one_that_does_not_is_not() {
    let server = TestServer::start().await;
    for (prompt, entry) in
        [("a kite", "capture"), ("[fail] a kite", "release"), ("[never] a kite", "release")]
    {
        let job = submit(&server, prompt, prompt).await.1["job_id"].as_str().unwrap().to_owned();
        let view = server.wait_for_end(&job).await;
        let (entries, _) = ledger(&server, "limit=2").await;
        assert!(entries.iter().all(|entry| entry["job_id"] == job.as_str()), "{entries:?}");
        assert_eq!((&entries[0]["entry"], &entries[1]["entry"]), (&json!(entry), &json!("hold")));
        let settled = if entry == "capture" { &view["cost"] } else { &view["hold"] };
        assert_eq!(&entries[0]["amount"], settled, "{view}");
        assert!(view["cost"].as_i64() <= view["hold"].as_i64(), "{view}");
        assert_eq!(held_and_captured(&server).await.0, 0);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p54_a_cancel_gives_everything_back_also_after_a_restart() {
    let server = TestServer::with(|settings| settings.workers = 0).await;
    let answer = submit(&server, "a kite", "k").await.1;
    let server = server.restart().await;
    assert_eq!(held_and_captured(&server).await, (answer["hold"].as_i64().unwrap(), 0));
    for _ in 0..2 {
        server.post(answer["cancel_url"].as_str().unwrap(), &json!({})).await;
        assert_eq!(held_and_captured(&server).await, (0, 0));
    }
    assert_eq!(ledger(&server, "limit=9").await.0.len(), 3, "a grant, a hold, a release");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p54_an_end_that_is_written_to_the_database_settles_with_its_cost() {
    let server = TestServer::start().await;
    let mut database = Database::open(&server.database()).await;
    let (cheap, dear, failed) = (
        server.submit_external().await,
        server.submit_external().await,
        server.submit_external().await,
    );
    for job in [&cheap, &dear, &failed] {
        database.run(HOLD, &[job]).await;
    }
    database
        .run("update job set status = 'completed', cost = 200000 where id = ?", &[&cheap])
        .await;
    assert_eq!(held_and_captured(&server).await, (500_000, 200_000));
    // More than was held is not taken.
    database.run("update job set status = 'completed', cost = 900000 where id = ?", &[&dear]).await;
    assert_eq!(held_and_captured(&server).await, (250_000, 450_000));
    database.run("update job set status = 'failed' where id = ?", &[&failed]).await;
    assert_eq!(held_and_captured(&server).await, (0, 450_000));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p31_the_ledger_and_the_accounts_are_not_written_by_hand() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let mut database = Database::open(&server.database()).await;
    database.run(HOLD, &[&job]).await;
    for statement in [
        "update account set granted = granted + 1",
        "delete from account",
        "update ledger set amount = 1",
        "delete from ledger",
        // A second hold, an end of a job that goes on, a hold of no job.
        HOLD,
        "insert into ledger (account_id, entry, amount, job_id, at) \
         values ('default', 'release', 250000, ?, 1)",
        "insert into ledger (account_id, entry, amount, job_id, at) \
         values ('default', 'hold', 5, 'job_none' || ?, 1)",
    ] {
        let texts: &[&str] = if statement.contains('?') { &[&job] } else { &[] };
        assert!(!database.refused(statement, texts).await.is_empty(), "{statement}");
    }
    assert_eq!(held_and_captured(&server).await, (250_000, 0));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p55_the_ledger_is_read_newest_first_in_pages_and_never_changes() {
    let server = TestServer::with(|settings| settings.workers = 0).await;
    let answer = submit(&server, "a kite", "k").await.1;
    let before = ledger(&server, "limit=50").await.0;
    assert_eq!(server.post(answer["cancel_url"].as_str().unwrap(), &json!({})).await.0, 200);
    assert_eq!(grant(&server, "g", &json!({ "amount": 5 })).await.0, 201);
    let (newest, next) = ledger(&server, "limit=2").await;
    let (oldest, end) = ledger(&server, &format!("limit=3&before={next}")).await;
    let words: Vec<_> =
        newest.iter().chain(&oldest).map(|entry| entry["entry"].as_str().unwrap()).collect();
    assert_eq!((words, end), (vec!["grant", "release", "hold", "grant"], Value::Null));
    assert_eq!(oldest, before);
    // What each entry left is what there is now.
    assert_eq!(newest[0]["available_after"], server.get("/api/credits").await.1["available"]);
    assert_eq!(held_and_captured(&server).await, (0, 0));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p56_a_grant_is_given_once_for_its_key() {
    let server = TestServer::with(|settings| settings.workers = 0).await;
    let body = json!({ "amount": 5, "note": "for Ada" });
    let (status, entry) = grant(&server, "k", &body).await;
    assert_eq!((status, &entry["entry"], &entry["note"]), (201, &json!("grant"), &body["note"]));
    assert_eq!(grant(&server, "k", &body).await, (200, entry));
    let (status, problem) = grant(&server, "k", &json!({ "amount": 6 })).await;
    assert_eq!((status, &problem["code"]), (422, &json!("key_reused")), "{problem}");
    for (body, pointer) in [
        (json!({ "amount": 0 }), "/amount"),
        (json!({ "amount": 1_000_000_000_000_001_i64 }), "/amount"),
        (json!({ "amount": 5, "note": "x".repeat(201) }), "/note"),
    ] {
        let (status, problem) = grant(&server, "other", &body).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (400, &json!(pointer)), "{problem}");
    }
    let view = server.get("/api/credits").await.1;
    assert_eq!(view["granted"], 1_000_000_005, "{view}");
    server.stop().await;
}
