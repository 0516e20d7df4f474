//! §§ 15 and 17, by somebody who means harm.

use futures_util::future::{Either, select};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tailwater::access::Secret;
use tailwater::db::keys::{KeyRow, SESSIONS};
use tailwater::event::now_ms;
use tailwater::server::keys;
use tokio::sync::mpsc::{Sender, channel};
use tokio::time::timeout;

use crate::harness::keys::Locked;
use crate::harness::{PATIENCE, Reader, TestServer};

use super::{content, event, read_until};

/// A body that goes on until the sender is gone.
fn endless() -> (Sender<Result<Vec<u8>, std::io::Error>>, reqwest::Body) {
    let (go, pieces) = channel(1);
    let pieces = futures_util::stream::unfold(pieces, async |mut pieces| {
        Some((pieces.recv().await?, pieces))
    });
    (go, reqwest::Body::wrap_stream(pieces))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p64_what_was_open_without_a_key_ends_with_the_first_one() {
    let server = TestServer::start().await;
    let (_, job) = server.post("/api/jobs", &json!({ "kind": "external" })).await;
    let job = job["job_id"].as_str().unwrap().to_owned();
    let mut readers = Vec::new();
    for path in [format!("/api/jobs/{job}/stream"), format!("/api/stream?job={job}")] {
        let mut reader = Reader::open(&server.http, &server.url(&path), None).await;
        read_until(&mut reader, "hello").await;
        readers.push(reader);
    }
    let (go, body) = endless();
    let push = server.http.post(server.url(&format!("/api/jobs/{job}/events"))).body(body);
    let pushing = tokio::spawn(push.header("content-type", "application/x-ndjson").send());
    go.send(Ok(format!("{}\n", content("before")).into_bytes())).await.unwrap();
    for reader in &mut readers {
        read_until(reader, "content").await;
    }
    assert_eq!(server.post("/api/keys", &json!({ "scopes": ["admin"] })).await.0, 201);
    for reader in &mut readers {
        let rest = reader.read_to_end().await;
        assert_eq!(rest.last().expect("a goodbye").data["reason"], "revoked");
    }
    let refused = timeout(PATIENCE, pushing).await.unwrap().unwrap().unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    drop(go);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p65_who_sees_one_project_does_not_see_what_pays_for_all() {
    let locked = Locked::with(|settings| settings.workers = 0).await;
    let video = json!({ "kind": "video", "model": "seedance-t2v", "input": { "prompt": "a kite" },
        "project_id": "theirs" });
    let theirs = locked.submit(&locked.admin, &video).await;
    let body = json!({ "project_id": "mine" });
    let made = locked.post(&locked.admin, "/api/tickets", &body).await;
    let made: Value = made.json().await.unwrap();
    let ticket = made["ticket"].as_str().unwrap();
    for path in ["/api/credits", "/api/credits/ledger"] {
        let answer = locked.get(ticket, path).await;
        assert_eq!(answer.status(), 403, "{path}");
        let told = answer.text().await.unwrap();
        assert!(!told.contains(theirs["job_id"].as_str().unwrap()), "{told}");
    }
    let grant = json!({ "amount": 5, "project_id": "mine" });
    assert_eq!(locked.post(&locked.admin, "/api/credits/grant", &grant).await.status(), 201);
    let own: Value = locked.get(ticket, "/api/credits").await.json().await.unwrap();
    assert_eq!((&own["account"], &own["available"]), (&json!("project:mine"), &json!(5)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p67_a_push_ends_when_its_key_has_run_out() {
    let locked = Locked::start().await.at_one_node();
    let job = locked.submit(&locked.admin, &json!({ "kind": "external" })).await;
    let path = format!("/api/jobs/{}/events", job["job_id"].as_str().unwrap());
    // A key that the server knew too late opened nothing, and says nothing: the next one lasts longer.
    for lasts in [1_000, 4_000, 16_000] {
        let secret = Secret::generate();
        let row = KeyRow {
            expires_at: Some(now_ms() + lasts),
            ..KeyRow::new(&secret.hash(), "publish".into(), now_ms())
        };
        keys::create(&locked.server.settings, &row).await.unwrap();
        while now_ms() < row.expires_at.unwrap() {
            let (go, body) = endless();
            let push = locked.ask(secret.reveal(), Method::POST, &path);
            let push = push.header("content-type", "application/x-ndjson").body(body).send();
            let refused = timeout(PATIENCE, push).await.expect("it ends by itself").unwrap();
            assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
            let problem: Value = refused.json().await.unwrap();
            if problem["line"] == 1 {
                return;
            }
            drop(go);
        }
    }
    panic!("no push was open when its key ran out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p68_a_key_has_no_more_sessions_than_it_may() {
    let locked = Locked::start().await;
    let (key, _) = locked.key(&["read"], None).await;
    let mut cookies = Vec::new();
    for _ in 0..=SESSIONS {
        let opened = locked.post("", "/api/session", &json!({ "key": key })).await;
        assert_eq!(opened.status(), 201);
        let cookie = opened.headers()["set-cookie"].to_str().unwrap();
        cookies.push(cookie.split(';').next().unwrap().to_owned());
    }
    let status = async |cookie: &str| {
        let request = locked.ask("", Method::GET, "/api/session").header("cookie", cookie);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(status(&cookies[0]).await, 401, "the oldest has made room");
    assert_eq!((status(&cookies[1]).await, status(cookies.last().unwrap()).await), (200, 200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p68_over_tls_a_cookie_that_a_neighbour_can_set_is_no_session() {
    let locked = Locked::with(|settings| {
        settings.public_url = Some("https://jobs.example.com".into());
    })
    .await;
    let opened = locked.post("", "/api/session", &json!({ "key": locked.admin })).await;
    let cookie = opened.headers()["set-cookie"].to_str().unwrap().to_owned();
    let own = cookie.split(';').next().unwrap();
    let planted = own.replace("__Host-", "");
    for (cookie, status) in [(own, 200), (&planted, 401)] {
        let request = locked.ask("", Method::GET, "/api/jobs").header("cookie", cookie);
        assert_eq!(request.send().await.unwrap().status(), status, "{cookie}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p04_a_large_body_of_very_many_values_is_refused() {
    let server = TestServer::start().await;
    let zeros = format!(r#"{{"prompt":"x","a":[{}0]}}"#, "0,".repeat(1 << 20));
    let request = server.http.post(server.url("/api/images/generate"));
    let answer = request.header("content-type", "application/json").body(zeros).send();
    let problem: Value = answer.await.unwrap().json().await.unwrap();
    assert_eq!(problem["code"], "invalid_json", "{problem}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p81_files_that_come_at_once_have_no_more_room_together() {
    let server = TestServer::with(|settings| settings.disk_per_project = 8_292).await.at_one_node();
    let upload = || {
        let (go, body) = endless();
        let request = server.http.post(server.url("/api/uploads?project_id=p"));
        let sending = request.header("content-type", "image/gif").body(body).send();
        (go, tokio::spawn(sending))
    };
    let (mut first, mut second) = (upload(), upload());
    for (go, _) in [&first, &second] {
        let mut gif = b"GIF89a\x40\x01\xF0\0\0\0\0;".to_vec();
        gif.resize(60, 0);
        go.send(Ok(gif)).await.unwrap();
    }
    // Neither has ended, and each by itself has room.
    let refused = timeout(PATIENCE, select(&mut first.1, &mut second.1)).await.expect("one ends");
    let (refused, left) = match refused {
        Either::Left((refused, _)) => (refused, second),
        Either::Right((refused, _)) => (refused, first),
    };
    let refused = refused.unwrap().unwrap();
    assert_eq!(refused.status(), 413);
    assert_eq!(refused.json::<Value>().await.unwrap()["code"], "project_full");
    let (go, kept) = left;
    drop(go);
    assert_eq!(kept.await.unwrap().unwrap().status(), 201);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p84_an_answer_is_for_whoever_asked_and_for_no_cache() {
    let locked = Locked::start().await;
    let job = locked.submit(&locked.admin, &json!({ "kind": "external" })).await;
    let push = format!("/api/jobs/{}/events", job["job_id"].as_str().unwrap());
    locked.post(&locked.admin, &push, &event("note", &json!({}))).await;
    for path in ["/api/jobs", "/api/credits", "/api/deliveries", "/api/session", &push] {
        let answer = locked.get(&locked.admin, path).await;
        assert_eq!(answer.headers()["cache-control"], "no-store", "{path}");
    }
}
