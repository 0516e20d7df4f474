//! Credits over HTTP: granting, looking, and input that is wrong.

use serde_json::{Value, json};

use crate::bad_input::{Answer, send};
use crate::harness::TestServer;
use crate::harness::database::Database;

/// What the account of a new installation is given.
const DEMO: i64 = 1_000_000_000;

/// Grants with an idempotency key.
async fn grant(server: &TestServer, body: impl Into<reqwest::Body>, key: Option<&str>) -> Answer {
    let mut request = server.http.post(server.url("/api/credits/grant"));
    request = request.header("content-type", "application/json").body(body);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    send(request).await
}

async fn ledger(server: &TestServer, query: &str) -> (Vec<Value>, Value) {
    let (status, page) = server.get(&format!("/api/credits/ledger{query}")).await;
    assert_eq!(status, 200, "{page}");
    (page["entries"].as_array().expect("entries").clone(), page["next"].clone())
}

#[tokio::test]
async fn a_new_installation_has_demo_credits_and_a_restart_gives_no_more() {
    let server = TestServer::start().await.restart().await;
    let expected = json!({
        "account": "default", "currency": "credits",
        "available": DEMO, "available_credits": "1000.00",
        "held": 0, "held_credits": "0.00",
        "granted": DEMO, "granted_credits": "1000.00",
        "captured": 0, "captured_credits": "0.00",
    });
    assert_eq!(server.get("/api/credits").await, (200, expected));
    let (entries, next) = ledger(&server, "").await;
    assert_eq!((entries.len(), next), (1, Value::Null));
    assert_eq!((&entries[0]["entry"], &entries[0]["job_id"]), (&json!("grant"), &Value::Null));
    server.stop().await;
}

#[tokio::test]
async fn a_grant_is_available_at_once_and_in_the_ledger() {
    let server = TestServer::start().await;
    let answer = grant(&server, r#"{"amount":1250000,"note":"for Ada"}"#, None).await;
    assert_eq!(answer.status, 201);
    let mut entry = answer.body.clone();
    assert!(entry["at"].as_i64().expect("a time") > 1_600_000_000_000);
    entry["at"].take();
    let expected = json!({
        "id": 2, "entry": "grant", "job_id": null, "note": "for Ada", "at": null,
        "amount": 1_250_000, "amount_credits": "1.25",
        "available_after": DEMO + 1_250_000, "available_after_credits": "1001.25",
    });
    assert_eq!(entry, expected);
    let (entries, _) = ledger(&server, "?limit=1").await;
    assert_eq!(entries, [answer.body]);
    assert_eq!(server.get("/api/credits").await.1["available"], DEMO + 1_250_000);
    server.stop().await;
}

#[tokio::test]
async fn a_grant_that_is_sent_again_is_given_once() {
    let server = TestServer::start().await;
    let first = grant(&server, r#"{"amount":5}"#, Some("k")).await;
    assert_eq!(first.status, 201);
    let server = server.restart().await;
    let again = grant(&server, r#"{"amount":5}"#, Some("k")).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!(again.headers["idempotent-replayed"], "true");
    grant(&server, r#"{"amount":6}"#, Some("k")).await.problem(422, "key_reused");
    grant(&server, r#"{"amount":5,"note":"x"}"#, Some("k")).await.problem(422, "key_reused");
    grant(&server, r#"{"amount":5}"#, Some("")).await.problem(400, "invalid_parameter");
    assert_eq!(server.get("/api/credits").await.1["granted"], DEMO + 5);
    server.stop().await;
}

#[tokio::test]
async fn many_grants_with_one_key_at_once_are_one() {
    let server = TestServer::start().await;
    let sent = (0..20).map(|_| grant(&server, r#"{"amount":7}"#, Some("k")));
    let answers = futures_util::future::join_all(sent).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!((made, answers.len()), (1, 20));
    assert!(answers.iter().all(|answer| answer.body["id"] == 2));
    assert_eq!(server.get("/api/credits").await.1["granted"], DEMO + 7);
    server.stop().await;
}

#[tokio::test]
async fn a_ledger_is_read_in_pages() {
    let server = TestServer::start().await;
    for amount in 1..=6 {
        assert_eq!(grant(&server, format!("{{\"amount\":{amount}}}"), None).await.status, 201);
    }
    let (first, next) = ledger(&server, "?limit=4").await;
    let (second, end) = ledger(&server, &format!("?limit=4&before={next}")).await;
    let amounts: Vec<_> = first.iter().chain(&second).map(|entry| &entry["amount"]).collect();
    assert_eq!(amounts, [6, 5, 4, 3, 2, 1, DEMO]);
    assert_eq!(end, Value::Null);
    assert_eq!(ledger(&server, "?before=1").await, (Vec::new(), Value::Null));
    server.stop().await;
}

#[tokio::test]
async fn a_wrong_grant_is_told_with_what_is_allowed_and_gives_nothing() {
    let server = TestServer::start().await;
    for (body, pointers, part) in [
        ("{}", vec!["/amount"], "is required"),
        (r#"{"amount":null}"#, vec!["/amount"], "from 1 to 1000000000000000"),
        (r#"{"amount":0}"#, vec!["/amount"], "not '0'"),
        (r#"{"amount":-5}"#, vec!["/amount"], "not '-5'"),
        (r#"{"amount":0.5}"#, vec!["/amount"], "not '0.5'"),
        (r#"{"amount":1000000000000001}"#, vec!["/amount"], "whole number of micro-credits"),
        (r#"{"amount":1e300}"#, vec!["/amount"], "whole number"),
        (r#"{"amount":"5"}"#, vec!["/amount"], "whole number"),
        ("7", vec![""], "must be an object"),
        (r#"{"amount":5,"note":7}"#, vec!["/note"], "must be a text, not '7'"),
        (r#"{"amount":5,"note":"a\u0000b"}"#, vec!["/note"], "U+0000"),
        (r#"{"amount":5,"a~/b":1}"#, vec!["/a~0~1b"], "it has amount, note"),
        (r#"{"amonut":5,"note":7}"#, vec!["/amount", "/note", "/amonut"], "is required"),
    ] {
        let answer = grant(&server, body, None).await;
        let problem = answer.problem(400, "invalid_field");
        assert_eq!(answer.pointers(), pointers, "{body}");
        let detail = problem["errors"][0]["detail"].as_str().expect("a detail");
        assert!(detail.contains(part), "{detail}");
    }
    let long = json!({ "amount": 5, "note": "é".repeat(201) }).to_string();
    let detail =
        grant(&server, long, None).await.problem(400, "invalid_field")["errors"][0].clone();
    assert_eq!(detail["detail"], "must have at most 200 characters, not 201");
    grant(&server, "{", None).await.problem(400, "invalid_json");
    assert_eq!(server.get("/api/credits").await.1["granted"], DEMO);
    server.stop().await;
}

#[tokio::test]
async fn no_account_is_granted_more_than_a_page_can_show_exactly() {
    let server = TestServer::start().await;
    for _ in 0..9 {
        assert_eq!(grant(&server, r#"{"amount":1000000000000000}"#, None).await.status, 201);
    }
    let answer = grant(&server, r#"{"amount":1000000000000000}"#, None).await;
    let detail = &answer.problem(400, "invalid_field")["errors"][0];
    assert_eq!(detail["pointer"], "/amount");
    let room = ((1_i64 << 53) - 1 - DEMO - 9_000_000_000_000_000).to_string();
    assert!(detail["detail"].as_str().expect("a detail").contains(&room), "{detail}");
    assert_eq!(grant(&server, format!("{{\"amount\":{room}}}"), None).await.status, 201);
    server.stop().await;
}

#[tokio::test]
async fn a_wrong_page_of_the_ledger_is_told() {
    let server = TestServer::start().await;
    for query in ["limit=0", "limit=201", "limit=x", "before=0", "before=-1", "befor=1"] {
        let request = server.http.get(server.url(&format!("/api/credits/ledger?{query}")));
        send(request).await.problem(400, "invalid_parameter");
    }
    let wrong = server.http.get(server.url("/api/credits/grant"));
    send(wrong).await.problem(405, "method_not_allowed");
    server.stop().await;
}

#[tokio::test]
async fn what_a_job_holds_is_shown_until_it_ends_by_whatever_hand() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let mut database = Database::open(&server.database()).await;
    let hold = "insert into ledger (account_id, entry, amount, job_id, at) \
                values ('default', 'hold', 250000, ?, 1)";
    database.run(hold, &[&job]).await;
    let view = server.get("/api/credits").await.1;
    assert_eq!((&view["held"], &view["available"]), (&json!(250_000), &json!(DEMO - 250_000)));
    database.run("update job set status = 'completed', cost = 200000 where id = ?", &[&job]).await;
    let view = server.get("/api/credits").await.1;
    assert_eq!((&view["held"], &view["captured"]), (&json!(0), &json!(200_000)));
    let (entries, _) = ledger(&server, "?limit=2").await;
    let shown: Vec<_> = entries.iter().map(|entry| (&entry["entry"], &entry["amount"])).collect();
    assert_eq!(shown, [(&json!("capture"), &json!(200_000)), (&json!("hold"), &json!(250_000))]);
    assert!(entries.iter().all(|entry| entry["job_id"] == job.as_str()));
    server.stop().await;
}

#[tokio::test]
async fn a_cancel_and_a_pushed_end_settle_too() {
    let server = TestServer::start().await;
    let mut database = Database::open(&server.database()).await;
    let hold = "insert into ledger (account_id, entry, amount, job_id, at) \
                values ('default', 'hold', 10, ?, 1)";
    let (canceled, completed) = (server.submit_external().await, server.submit_external().await);
    for job in [&canceled, &completed] {
        database.run(hold, &[job]).await;
    }
    let (status, _) = server.post(&format!("/api/jobs/{canceled}/cancel"), &json!({})).await;
    assert_eq!(status, 200);
    server.push(&completed, &[json!({ "type": "completed", "data": {} })]).await;
    let (status, _) = server.post(&format!("/api/jobs/{completed}/cancel"), &json!({})).await;
    assert_eq!(status, 409);
    let (entries, _) = ledger(&server, "?limit=2").await;
    let shown: Vec<_> = entries.iter().map(|entry| (&entry["entry"], &entry["job_id"])).collect();
    let expected = [(&json!("capture"), &json!(completed)), (&json!("release"), &json!(canceled))];
    assert_eq!(shown, expected);
    server.stop().await;
}
