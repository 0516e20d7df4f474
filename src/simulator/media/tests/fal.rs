//! fal.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::signature::{ED25519, UnparsedPublicKey};
use sha2::{Digest, Sha256};

use super::*;

async fn submit(fixture: &Fixture, model: &str, input: &Value) -> Value {
    let (status, submitted) = fixture.post("fal", &format!("/{model}"), input).await;
    assert_eq!(status, StatusCode::OK, "{submitted}");
    submitted
}

async fn complete(fixture: &Fixture, submitted: &Value) -> Value {
    let url = submitted["status_url"].as_str().unwrap();
    fixture.get_until("fal", url, |it| it["status"] == "COMPLETED").await
}

async fn result(fixture: &Fixture, submitted: &Value) -> (StatusCode, Value) {
    fixture.get("fal", submitted["response_url"].as_str().unwrap()).await
}

#[tokio::test]
async fn a_request_lives_from_the_queue_to_a_film() {
    let fixture = Fixture::start().await;
    let input = json!({ "prompt": "a red kite" });
    let submitted = submit(&fixture, "fal-ai/veo3.1/fast", &input).await;
    assert_eq!(submitted["status"], "IN_QUEUE");
    let id = submitted["request_id"].as_str().unwrap();
    let expected = fixture.url("fal", &format!("/fal-ai/veo3.1/requests/{id}"));
    assert_eq!(submitted["response_url"], expected);

    let (status, early) = fixture.get("fal", submitted["status_url"].as_str().unwrap()).await;
    assert!(status == StatusCode::ACCEPTED || early["status"] == "COMPLETED");
    let done = complete(&fixture, &submitted).await;
    assert!(done["metrics"]["inference_time"].as_f64().unwrap() >= 30.0, "{done}");
    assert!(done.get("error").is_none() && done["logs"].is_null());
    let (status, output) = result(&fixture, &submitted).await;
    assert_eq!(status, StatusCode::OK);
    assert_is_file(fixture.fetch(&output["video"]["url"]).await, "video/mp4").await;
    // The long form, the old suffix, and the trailing slash of the Python client.
    for path in [
        format!("/fal-ai/veo3.1/fast/requests/{id}/response"),
        format!("/fal-ai/veo3.1/requests/{id}/status/?logs=1"),
    ] {
        assert_eq!(fixture.get("fal", &path).await.0, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn inputs_are_checked_when_it_runs() {
    let fixture = Fixture::start().await;
    let model = "fal-ai/veo3.1/image-to-video";
    let submitted = submit(&fixture, model, &json!({ "prompt": "x" })).await;
    let done = complete(&fixture, &submitted).await;
    assert_eq!(done["error"], "Invalid status code: 422");
    let response = submitted["response_url"].as_str().unwrap();
    let response = fixture.send("fal", Method::GET, response, None).await.unwrap();
    assert_eq!(response.headers()["x-fal-retryable"], "false");
    let (status, body) = json_of(response).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(body["detail"][0]["loc"], json!(["body", "image_url"]));
    assert_eq!(body["detail"][0]["type"], "missing");
}

#[tokio::test]
async fn failures_read_completed_and_show_in_the_result() {
    let fixture = Fixture::start().await;
    for (prompt, status, kind) in [
        ("x [fail]", StatusCode::INTERNAL_SERVER_ERROR, "internal_server_error"),
        ("x [moderated]", StatusCode::UNPROCESSABLE_ENTITY, "content_policy_violation"),
    ] {
        let submitted = submit(&fixture, "fal-ai/veo3", &json!({ "prompt": prompt })).await;
        assert!(complete(&fixture, &submitted).await["error"].is_string());
        let (found, body) = result(&fixture, &submitted).await;
        assert_eq!((found, &body["detail"][0]["type"]), (status, &json!(kind)));
    }
}

#[tokio::test]
async fn a_cancel_has_an_answer_for_every_state() {
    let fixture = Fixture::start().await;
    let submitted = submit(&fixture, "fal-ai/veo3", &json!({ "prompt": "x [never]" })).await;
    let url = submitted["status_url"].as_str().unwrap();
    fixture.get_until("fal", url, |it| it["status"] == "IN_PROGRESS").await;
    let (status, early) = result(&fixture, &submitted).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(early["detail"], "Request is still in progress");

    let cancel = submitted["cancel_url"].as_str().unwrap();
    for (expected, word) in [
        (StatusCode::ACCEPTED, "CANCELLATION_REQUESTED"),
        (StatusCode::BAD_REQUEST, "ALREADY_COMPLETED"),
    ] {
        let response = fixture.send("fal", Method::PUT, cancel, None).await.unwrap();
        let (status, body) = json_of(response).await;
        assert_eq!((status, &body["status"]), (expected, &json!(word)));
    }
    assert_eq!(complete(&fixture, &submitted).await["error_type"], "client_cancelled");
    assert_eq!(result(&fixture, &submitted).await.0.as_u16(), 499);
    let unknown = fixture.get("fal", "/fal-ai/veo3/requests/unknown/status").await;
    assert_eq!(unknown, (StatusCode::NOT_FOUND, json!({ "status": "NOT_FOUND" })));
}

fn verifies(letter: &Received, jwks: &Value) -> bool {
    let digest: String =
        Sha256::digest(&letter.body).iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |name: &str| letter.header(&format!("x-fal-webhook-{name}")).to_owned();
    let parts = [part("request-id"), part("user-id"), part("timestamp"), digest];
    let message = parts.join("\n");
    let text = part("signature");
    let hex = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    let signature: Vec<u8> = (0..text.len()).step_by(2).map(hex).collect();
    jwks["keys"].as_array().unwrap().iter().any(|key| {
        let key = BASE64_URL_SAFE_NO_PAD.decode(key["x"].as_str().unwrap()).unwrap();
        UnparsedPublicKey::new(&ED25519, key).verify(message.as_bytes(), &signature).is_ok()
    })
}

#[tokio::test]
async fn webhooks_are_signed_and_a_forged_one_is_not() {
    let fixture = Fixture::start().await;
    let mut receiver = Receiver::start(0, false).await;
    let jwks = fixture.client.get(fixture.url("fal", "/.well-known/jwks.json"));
    let (_, jwks) = json_of(jwks.send().await.unwrap()).await;
    let hook: String = form_urlencoded::byte_serialize(receiver.url.as_bytes()).collect();
    let model = format!("fal-ai/veo3?fal_webhook={hook}");
    let input = json!({ "prompt": "x [forged-webhook] [twice-webhook]" });
    let submitted = submit(&fixture, &model, &input).await;
    let forged = receiver.next().await;
    assert_eq!(forged.json()["status"], "ERROR");
    assert!(!verifies(&forged, &jwks));
    for _ in 0..2 {
        let letter = receiver.next().await;
        assert!(verifies(&letter, &jwks));
        let body = letter.json();
        assert_eq!(body["request_id"], submitted["request_id"]);
        assert_eq!(body["status"], "OK");
        assert_is_file(fixture.fetch(&body["payload"]["video"]["url"]).await, "video/mp4").await;
    }
}

#[tokio::test]
async fn states_are_streamed_until_the_end() {
    let fixture = Fixture::start().await;
    let submitted = submit(&fixture, "fal-ai/sora-2/text-to-video", &json!({"prompt": "x"})).await;
    let url = format!("{}/stream?logs=1", submitted["status_url"].as_str().unwrap());
    let response = fixture.send("fal", Method::GET, &url, None).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let text = response.text().await.unwrap();
    let last = text.trim_end().rsplit("\n\n").next().unwrap().strip_prefix("data: ").unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    assert_eq!(last["status"], "COMPLETED");
    assert!(!last["logs"].as_array().unwrap().is_empty());
    assert!(result(&fixture, &submitted).await.1["video_id"].is_string());
}

#[tokio::test]
async fn a_file_is_put_where_it_can_be_fetched() {
    let fixture = Fixture::start().await;
    let body = json!({ "content_type": "image/png", "file_name": "a b.png" });
    let path = "/storage/upload/initiate?storage_type=fal-cdn-v3";
    let (_, place) = fixture.post("fal", path, &body).await;
    let upload = fixture.client.put(place["upload_url"].as_str().unwrap());
    let upload = upload.header("content-type", "image/png").body("bytes");
    assert_eq!(upload.send().await.unwrap().status(), StatusCode::OK);
    let file = fixture.fetch(&place["file_url"]).await;
    assert_eq!(file.headers()["content-type"], "image/png");
    assert_eq!(file.text().await.unwrap(), "bytes");
}

#[tokio::test]
async fn a_key_is_needed_in_fals_own_scheme() {
    let fixture = Fixture::start().await;
    for key in ["Bearer x", "Key wrong:key", "Key "] {
        let request = fixture.client.post(fixture.url("fal", "/fal-ai/veo3"));
        let request = request.header("authorization", key).json(&json!({ "prompt": "x" }));
        let (status, body) = json_of(request.send().await.unwrap()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(body["detail"], "No user found for Key ID and Secret");
    }
    assert_eq!(fixture.counts("fal").starts, 0);
}

#[tokio::test]
async fn it_can_be_the_proxy_of_a_client() {
    let fixture = Fixture::start().await;
    let request = fixture.client.post(fixture.url("fal", "/")).header("authorization", "Key k");
    let target = "https://queue.fal.run/fal-ai/veo3.1/fast?fal_max_queue_length=5";
    let request = request.header("x-fal-target-url", target).json(&json!({ "prompt": "x" }));
    let (status, submitted) = json_of(request.send().await.unwrap()).await;
    assert_eq!(status, StatusCode::OK, "{submitted}");
    assert!(submitted["status_url"].as_str().unwrap().contains("/fal-ai/veo3.1/requests/"));
}
