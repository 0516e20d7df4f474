use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::super::error::Error;
use super::super::media::{Operation, State, Unverified};
use super::super::stage::{
    KEY, Reply, Stage, callback, fields, file, headers, operation, request, webhook,
};
use super::{REST, rest_of, wire};

const ID: &str = "11111111-2222-4333-8444-555555555555";
const MODEL: &str = "fal-ai/veo3.1/fast";

async fn start(stage: &Stage) -> Result<Operation, Error> {
    let input = fields(json!({"prompt": "a kite"}));
    stage.service("fal").start(request(MODEL, "", &input, Some(&webhook()))).await
}

fn queued() -> Operation {
    operation(ID, json!({"model": MODEL}))
}

fn path(end: &str) -> String {
    format!("/fal-ai/veo3.1/requests/{ID}{end}")
}

async fn polled(status: Value, result: Option<Reply>) -> Result<State, Error> {
    let stage = Stage::open().await;
    stage.on(&format!("GET {}", path("/status")), Reply::json(200, &status));
    if let Some(result) = result {
        stage.on(&format!("GET {}", path("")), result);
    }
    stage.service("fal").poll(&queued()).await
}

#[tokio::test]
async fn a_request_is_put_into_the_queue_by_its_whole_id() {
    let stage = Stage::always(Reply::json(200, &json!({"request_id": ID}))).await;
    assert_eq!(start(&stage).await.unwrap(), queued());
    let [seen] = &stage.seen()[..] else { panic!("{:?}", stage.lines()) };
    let callback = "https%3A%2F%2Ftail.test%2Fapi%2Fwebhooks%2Fp%2Fjob_1%2F1%2Ftoken-123456";
    assert_eq!(seen.line, format!("POST /fal-ai/veo3.1/fast?fal_webhook={callback}"));
    assert_eq!(seen.header("authorization"), Some(format!("Key {KEY}").as_str()));
    assert_eq!(seen.header("x-fal-queue-priority"), Some("normal"));
    assert_eq!(seen.json(), json!({"prompt": "a kite"}));
}

#[tokio::test]
async fn addresses_at_the_same_place_are_kept_and_used() {
    let stage = Stage::open().await;
    let at = |end: &str| format!("{}/other/way/{end}", stage.url);
    let submitted = json!({"request_id": ID, "status_url": at("status"),
        "response_url": at("result"), "cancel_url": at("cancel")});
    stage
        .on("POST /fal-ai/veo3.1/fast", Reply::json(200, &submitted))
        .on("GET /other/way/status", Reply::json(200, &json!({"status": "COMPLETED"})))
        .on("GET /other/way/result", Reply::json(200, &json!({"video": {"url": "u"}})))
        .on("PUT /other/way/cancel", Reply::json(202, &json!({})));
    let operation = start(&stage).await.unwrap();
    let service = stage.service("fal");
    let made = service.poll(&operation).await.unwrap();
    assert_eq!(made, State::Succeeded(json!({"video": {"url": "u"}})));
    service.cancel(&operation).await.unwrap();
    let asked = ["GET /other/way/status?logs=1", "GET /other/way/result", "PUT /other/way/cancel"];
    assert_eq!(stage.lines()[1..], asked);
}

#[tokio::test]
async fn an_address_at_another_place_is_never_followed() {
    let (stage, stranger) = (Stage::open().await, Stage::open().await);
    let submitted = json!({"request_id": ID, "status_url": format!("{}/s", stranger.url),
        "response_url": format!("{}/r", stranger.url), "cancel_url": "file:///etc/passwd"});
    stage
        .on("POST /fal-ai/veo3.1/fast", Reply::json(200, &submitted))
        .on(&format!("GET {}", path("/status")), Reply::json(202, &json!({"status": "IN_QUEUE"})));
    let mut operation = start(&stage).await.unwrap();
    assert_eq!(operation, queued());
    // Not even when it was kept, for instance under another base URL.
    operation.details.insert("status_url".to_owned(), json!(format!("{}/s", stranger.url)));
    let state = stage.service("fal").poll(&operation).await.unwrap();
    assert_eq!(state, State::Queued { position: None });
    assert_eq!(stranger.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn without_addresses_they_are_built_by_the_first_parts_of_the_id() {
    let stage = Stage::open().await;
    stage.on(&format!("PUT {}", path("/cancel")), Reply::json(200, &json!({"success": true})));
    stage.service("fal").cancel(&queued()).await.unwrap();
    assert_eq!(stage.lines(), [format!("PUT {}", path("/cancel"))]);
    for (model, app) in [
        ("fal-ai/sora-2/text-to-video/pro", "fal-ai/sora-2"),
        ("fal-ai/veo3", "fal-ai/veo3"),
        ("workflows/me/flow/sub", "workflows/me/flow"),
        ("comfy/me/flow/sub", "comfy/me/flow"),
    ] {
        assert_eq!(wire::app(model), app);
    }
}

#[tokio::test]
async fn each_status_has_its_state() {
    let queued = polled(json!({"status": "IN_QUEUE", "queue_position": 3}), None).await.unwrap();
    assert_eq!(queued, State::Queued { position: Some(3) });
    let logs = json!([{"message": "warm"}, {"message": " 42%|████ | 21/50 [00:10]"}, {}]);
    let running = polled(json!({"status": "IN_PROGRESS", "logs": logs}), None).await.unwrap();
    let line = Some("42%|████ | 21/50 [00:10]".to_owned());
    assert_eq!(running, State::Running { percent: Some(42), line });
    let silent = polled(json!({"status": "IN_PROGRESS", "logs": null}), None).await.unwrap();
    assert_eq!(silent, State::Running { percent: None, line: None });
    for canceled in [
        json!({"status": "COMPLETED", "error": "x", "error_type": "client_cancelled"}),
        json!({"status": "CANCELLED"}),
    ] {
        let state = polled(canceled, None).await.unwrap();
        assert_eq!(state, State::Canceled { message: "client_cancelled".to_owned() });
    }
}

async fn failed(status: Value, result: Option<Reply>) -> &'static str {
    match polled(status, result).await.unwrap() {
        State::Failed(error) => error.code(),
        state => panic!("{state:?}"),
    }
}

#[tokio::test]
async fn a_failure_that_the_status_names_is_sorted_by_its_type() {
    for (error_type, code) in [
        ("startup_timeout", "busy"),
        ("runner_disconnected", "busy"),
        ("internal_error", "broken"),
        ("content_policy_violation", "moderated"),
        ("bad_request", "refused_input"),
    ] {
        let status = json!({"status": "COMPLETED", "error": "x", "error_type": error_type});
        assert_eq!(failed(status, None).await, code, "{error_type}");
    }
}

#[tokio::test]
async fn a_failure_without_a_type_is_sorted_by_its_result() {
    let status = || json!({"status": "COMPLETED", "error": "Invalid status code: 422"});
    let detail = |sort: &str| json!({"detail": [{"loc": ["body"], "msg": "no", "type": sort}]});
    for (reply, code) in [
        (Reply::json(422, &detail("missing")), "refused_input"),
        (Reply::json(422, &detail("content_policy_violation")), "moderated"),
        (Reply::json(504, &detail("generation_timeout")), "busy"),
        (Reply::json(500, &json!({"detail": "x", "error_type": "runner_server_error"})), "broken"),
        (Reply::json(404, &json!({"detail": "Path /x not found"})), "refused_input"),
        (Reply::json(400, &json!({"error": {"message": "upstream said no"}})), "refused_input"),
    ] {
        assert_eq!(failed(status(), Some(reply.clone())).await, code, "{reply:?}");
        let silent = json!({"status": "COMPLETED"});
        assert_eq!(failed(silent, Some(reply.clone())).await, code, "{reply:?}");
    }
    // The result is gone before the status, or does not know of the failure.
    let gone = Reply::json(404, &json!({"status": "NOT_FOUND"}));
    assert_eq!(failed(status(), Some(gone.clone())).await, "broken");
    assert_eq!(failed(json!({"status": "COMPLETED"}), Some(gone)).await, "expired");
    assert_eq!(failed(status(), Some(Reply::json(200, &json!({})))).await, "broken");
}

#[tokio::test]
async fn a_result_that_is_not_the_models_fails_the_question_only() {
    for (reply, code) in [
        (Reply::text(502, "<html>"), "busy"),
        (Reply::json(503, &json!({"message": "no healthy upstream"})), "busy"),
        (Reply::json(401, &json!({"detail": "no user"})), "unauthorised"),
        (Reply::text(200, "<html>"), "broken"),
    ] {
        let error = polled(json!({"status": "COMPLETED"}), Some(reply)).await.unwrap_err();
        assert_eq!(error.code(), code);
    }
}

#[tokio::test]
async fn a_result_that_is_not_ready_or_was_canceled_is_no_failure() {
    let completed = || json!({"status": "COMPLETED"});
    let early = Reply::json(400, &json!({"detail": "Request is still in progress"}));
    let state = polled(completed(), Some(early)).await.unwrap();
    assert_eq!(state, State::Running { percent: None, line: None });
    let canceled = Reply::json(499, &json!({"detail": "x", "error_type": "client_cancelled"}));
    let state = polled(completed(), Some(canceled)).await.unwrap();
    assert!(matches!(state, State::Canceled { .. }), "{state:?}");
}

#[tokio::test]
async fn a_request_that_nobody_knows_has_expired() {
    let stage = Stage::always(Reply::json(404, &json!({"status": "NOT_FOUND"}))).await;
    let state = stage.service("fal").poll(&queued()).await.unwrap();
    assert!(matches!(state, State::Failed(Error::Expired { .. })), "{state:?}");
}

#[tokio::test]
async fn an_account_without_balance_is_out_of_funds() {
    let locked = "User is locked. Reason: Exhausted balance. Top up your balance.";
    let stage = Stage::always(Reply::json(403, &json!({"detail": locked}))).await;
    assert_eq!(start(&stage).await.unwrap_err().code(), "out_of_funds");
}

#[tokio::test]
async fn a_large_file_is_uploaded_without_showing_the_key_to_the_store() {
    let (stage, store) = (Stage::open().await, Stage::always(Reply::text(200, "")).await);
    let place = json!({"upload_url": format!("{}/put", store.url), "file_url": "https://f.test/a"});
    stage.on("POST /storage/upload/initiate", Reply::json(200, &place));
    let service = stage.service("fal");
    assert_eq!(service.hand_on(file("image/png", 3)).await.unwrap(), "data:image/png;base64,eHh4");
    let url = service.hand_on(file("video/mp4", 3_500_000)).await.unwrap();
    assert_eq!(url, "https://f.test/a");
    let asked = &stage.seen()[0];
    assert_eq!(asked.line, "POST /storage/upload/initiate?storage_type=fal-cdn-v3");
    assert_eq!(asked.json(), json!({"content_type": "video/mp4", "file_name": "a.mp4"}));
    let put = &store.seen()[0];
    assert_eq!((put.line.as_str(), put.body.len()), ("PUT /put", 3_500_000));
    assert_eq!(put.header("content-type"), Some("video/mp4"));
    assert!(!format!("{:?}", put.headers).contains("key-"), "{:?}", put.headers);
}

#[test]
fn files_and_keys_are_at_fals_other_host_or_at_the_same_place() {
    assert_eq!(rest_of("https://queue.fal.run"), REST);
    assert_eq!(rest_of("http://127.0.0.1:9/fal/"), "http://127.0.0.1:9");
}

const BODY: &str = r#"{"request_id":"11111111-2222-4333-8444-555555555555","gateway_request_id":"11111111-2222-4333-8444-555555555555","status":"OK","payload":{"video":{"url":"http://sim.local/out.mp4"}}}"#;
const AT: i64 = 1_767_225_600;
const SIGNED: &str = "951023dd931073fb94bbabc1fb5d07c301b52cb00f030b785f049fe8ac840da2c241d04c712b23a7a453b13934d2526fcc3a3b28833652042c260328a06e6b05";
const JWK_X: &str = "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg";

fn signed(signature: &str) -> http::HeaderMap {
    headers(&[
        (super::REQUEST_ID, ID),
        (super::USER_ID, "user_test"),
        (super::TIMESTAMP, "1767225600"),
        (super::SIGNATURE, signature),
    ])
}

fn key_set(x: &str) -> Reply {
    let other = json!({"kty": "EC", "crv": "P-256", "x": "AAAA"});
    Reply::json(200, &json!({"keys": [other, {"kty": "OKP", "crv": "Ed25519", "x": x}]}))
}

#[tokio::test]
async fn a_callback_is_checked_with_the_published_keys_fetched_once() {
    let stage = Stage::open().await;
    stage.on("GET /.well-known/jwks.json", key_set(JWK_X));
    let service = stage.service("fal");
    let (ours, good) = (SecretString::from(""), signed(SIGNED));
    let verified = service.verify(callback(&good, BODY.as_bytes(), &ours, AT)).await.unwrap();
    assert_eq!(verified.message.as_deref(), Some(ID));
    assert_eq!(verified.operation.as_deref(), Some(ID));
    let verify = |headers, body, now| service.verify(callback(headers, body, &ours, now));
    let forged = Unverified::Forged(super::SIGNATURE);
    let other = signed(&SIGNED.replace("951", "952"));
    assert_eq!(verify(&other, BODY.as_bytes(), AT).await.unwrap_err(), forged);
    assert_eq!(verify(&good, b"{}", AT).await.unwrap_err(), forged);
    assert_eq!(
        verify(&good, BODY.as_bytes(), AT - 301).await.unwrap_err(),
        Unverified::Stale(-301)
    );
    let none = headers(&[]);
    let missing = Unverified::Forged(super::REQUEST_ID);
    assert_eq!(verify(&none, BODY.as_bytes(), AT).await.unwrap_err(), missing);
    assert_eq!(stage.lines(), ["GET /.well-known/jwks.json"]);
    assert_eq!(stage.seen()[0].header("authorization"), None);
}

#[tokio::test]
async fn keys_that_changed_are_fetched_again_after_a_minute() {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
    let old = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    let stage = Stage::open().await;
    stage.on("GET /.well-known/jwks.json", key_set(&old));
    stage.on("GET /.well-known/jwks.json", key_set(JWK_X));
    let service = stage.service("fal");
    let (ours, good) = (SecretString::from(""), signed(SIGNED));
    service.verify(callback(&good, BODY.as_bytes(), &ours, AT)).await.unwrap_err();
    service.verify(callback(&good, BODY.as_bytes(), &ours, AT)).await.unwrap_err();
    assert_eq!(stage.lines().len(), 1, "fetched again within a minute");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    service.verify(callback(&good, BODY.as_bytes(), &ours, AT)).await.unwrap();
    assert_eq!(stage.lines().len(), 2);
}
