use ring::hmac;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::super::error::Error;
use super::super::media::{Operation, State, Unverified};
use super::super::stage::{
    KEY, Reply, Stage, WEBHOOK_SECRET, callback, fields, file, headers, operation, request, webhook,
};
use super::{may_see_key, unix_seconds};

async fn start(stage: &Stage) -> Result<Operation, Error> {
    let (input, webhook) = (fields(json!({"prompt": "a kite"})), webhook());
    stage.service("bfl").start(request("flux-2-pro", "", &input, Some(&webhook))).await
}

async fn polled(status: u16, answer: Value, started_at: u64) -> Result<State, Error> {
    let stage = Stage::open().await;
    stage.on("GET /v1/get_result", Reply::json(status, &answer));
    stage.service("bfl").poll(&operation("7", json!({"started_at": started_at}))).await
}

#[tokio::test]
async fn a_task_is_started_with_the_key_in_its_own_header() {
    let answer = json!({"id": "7", "status": "Pending", "webhook_url": "u"});
    let stage = Stage::always(Reply::json(200, &answer)).await;
    let started = start(&stage).await.unwrap();
    assert_eq!(started.id, "7");
    assert!(started.details["started_at"].as_u64().unwrap() <= unix_seconds());
    assert_eq!(started.details.len(), 1);
    let [seen] = &stage.seen()[..] else { panic!("{:?}", stage.lines()) };
    assert_eq!(seen.line, "POST /v1/flux-2-pro");
    assert_eq!(seen.header("x-key"), Some(KEY));
    assert_eq!(seen.header("authorization"), None);
    let body = json!({"prompt": "a kite", "webhook_url": webhook().url,
        "webhook_secret": WEBHOOK_SECRET});
    assert_eq!(seen.json(), body);
}

#[tokio::test]
async fn the_regions_address_is_used_as_it_came() {
    let (stage, region) = (Stage::open().await, Stage::open().await);
    let polling_url = format!("{}/eu/poll?id=7&r=1", region.url);
    stage.on(
        "POST /v1/flux-2-pro",
        Reply::json(200, &json!({"id": "7", "polling_url": polling_url})),
    );
    region.on("GET /eu/poll", Reply::json(200, &json!({"status": "Pending"})));
    let operation = start(&stage).await.unwrap();
    stage.service("bfl").poll(&operation).await.unwrap();
    let [seen] = &region.seen()[..] else { panic!("{:?}", region.lines()) };
    assert_eq!(seen.line, "GET /eu/poll?id=7&r=1");
    assert_eq!(seen.header("x-key"), Some(KEY));
}

#[tokio::test]
async fn the_key_is_not_shown_to_a_strange_host() {
    let (stage, stranger) = (Stage::open().await, Stage::open().await);
    stage.on("GET /v1/get_result", Reply::json(200, &json!({"status": "Pending"})));
    // The same machine, by another name.
    let polling_url = stranger.url.replace("127.0.0.1", "localhost");
    let operation = operation("7", json!({"polling_url": polling_url}));
    stage.service("bfl").poll(&operation).await.unwrap();
    assert_eq!(stranger.lines(), Vec::<String>::new());
    assert_eq!(stage.lines(), ["GET /v1/get_result?id=7"]);
}

#[test]
fn the_key_belongs_to_one_host_or_to_bfls_regions() {
    let bfl = "https://api.bfl.ai";
    for url in ["https://api.bfl.ai/x", "https://api.eu1.bfl.ai/x", "https://bfl.ai/x"] {
        assert!(may_see_key(bfl, url), "{url}");
    }
    for url in [
        "http://api.bfl.ai/x",
        "https://evilbfl.ai/x",
        "https://bfl.ai.evil.test/x",
        "https://evil.test/?api.bfl.ai",
        "https://api.bfl.ai@evil.test/",
        "nonsense",
    ] {
        assert!(!may_see_key(bfl, url), "{url}");
    }
    assert!(may_see_key("http://127.0.0.1:1/bfl", "http://127.0.0.1:2/x"));
    assert!(!may_see_key("http://127.0.0.1:1", "http://api.bfl.ai/x"));
}

#[tokio::test]
async fn each_status_has_its_state() {
    for (progress, percent) in
        [(json!(null), None), (json!(0.5), Some(50)), (json!(42), Some(42)), (json!(1), Some(99))]
    {
        let state = polled(200, json!({"status": "Pending", "progress": progress}), 0).await;
        assert_eq!(state.unwrap(), State::Running { percent, line: None });
    }
    let ready = json!({"id": "7", "status": "Ready", "result": {"sample": "https://d.test/o"}});
    assert_eq!(polled(200, ready.clone(), 0).await.unwrap(), State::Succeeded(ready));
    for (answer, code, message) in [
        (
            json!({"status": "Request Moderated", "details": "no"}),
            "moderated",
            "Request Moderated: no",
        ),
        (
            json!({"status": "Content Moderated", "details": {"a": 1}}),
            "moderated",
            "Content Moderated: {\"a\":1}",
        ),
        (json!({"status": "Error", "details": null}), "broken", "Error"),
        (json!({"state": "Failed", "error": "x"}), "broken", "Failed: x"),
    ] {
        let state = polled(200, answer, 0).await.unwrap();
        let State::Failed(error) = state else { panic!("{state:?}") };
        assert_eq!(error.code(), code);
        assert_eq!(error.into_message(), message);
    }
}

#[tokio::test]
async fn a_task_may_be_unknown_for_some_seconds() {
    for status in [200, 404] {
        let unknown = json!({"id": "7", "status": "Task not found"});
        let young = polled(status, unknown.clone(), unix_seconds()).await.unwrap();
        assert_eq!(young, State::Queued { position: None });
        let lost = polled(status, unknown, unix_seconds() - 11).await.unwrap();
        assert!(matches!(lost, State::Failed(Error::Broken { .. })), "{lost:?}");
    }
}

#[tokio::test]
async fn a_field_that_is_wrong_is_named() {
    let detail =
        json!([{"loc": ["body", "width"], "msg": "must be a multiple of 16", "type": "x"}]);
    let stage = Stage::always(Reply::json(422, &json!({"detail": detail}))).await;
    let message = "body.width: must be a multiple of 16 (HTTP 422)".to_owned();
    assert_eq!(start(&stage).await.unwrap_err(), Error::RefusedInput { message });
}

#[tokio::test]
async fn a_file_is_plain_base64_until_it_is_too_large() {
    let stage = Stage::open().await;
    let service = stage.service("bfl");
    assert_eq!(service.hand_on(file("image/png", 3)).await.unwrap(), "eHh4");
    let error = service.hand_on(file("image/png", 20_000_001)).await.unwrap_err();
    assert_eq!(error.code(), "refused_input");
}

#[tokio::test]
async fn a_callback_is_signed_with_our_secret_or_holds_it() {
    let stage = Stage::open().await;
    let service = stage.service("bfl");
    let secret = SecretString::from(WEBHOOK_SECRET);
    let body = br#"{"id":"7","status":"Ready","result":{"sample":"u"}}"#;
    let key = hmac::Key::new(hmac::HMAC_SHA256, WEBHOOK_SECRET.as_bytes());
    let tag = hmac::sign(&key, body);
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let signed = headers(&[("x-bfl-signature", &format!("sha256={hex}"))]);
    let plain = headers(&[("x-webhook-secret", WEBHOOK_SECRET)]);
    for good in [&signed, &plain] {
        let verified = service.verify(callback(good, body, &secret, 0)).await.unwrap();
        assert_eq!(verified.message.as_deref(), Some("7:Ready"));
        assert_eq!(verified.operation.as_deref(), Some("7"));
    }
    let verify = |headers, body| service.verify(callback(headers, body, &secret, 0));
    let forged = Unverified::Forged("x-bfl-signature");
    assert_eq!(verify(&signed, br#"{"id":"8"}"#).await.unwrap_err(), forged);
    let guessed = headers(&[("x-webhook-secret", "guess")]);
    assert_eq!(verify(&guessed, body).await.unwrap_err(), forged);
    // A wrong signature is not made good by anything else.
    let both = headers(&[("x-bfl-signature", "sha256=00"), ("x-webhook-secret", WEBHOOK_SECRET)]);
    assert_eq!(verify(&both, body).await.unwrap_err(), forged);
    let none = headers(&[]);
    assert_eq!(verify(&none, body).await.unwrap_err(), Unverified::Forged("x-webhook-secret"));
}
