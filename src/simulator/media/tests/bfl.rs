//! Black Forest Labs.

use ring::hmac;

use super::*;

const START: &str = "/v1/flux-2-pro";

async fn start(fixture: &Fixture, input: &Value) -> Value {
    let (status, body) = fixture.post("bfl", START, input).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

fn is_over(task: &Value) -> bool {
    task["status"] != "Pending"
}

#[tokio::test]
async fn an_image_is_polled_for_in_its_region() {
    let fixture = Fixture::start().await;
    for (format, media_type) in
        [("jpeg", "image/jpeg"), ("png", "image/png"), ("webp", "image/webp")]
    {
        let input = json!({ "prompt": "a red kite", "output_format": format });
        let task = start(&fixture, &input).await;
        let polling = task["polling_url"].as_str().unwrap();
        assert!(!polling.starts_with(fixture.simulator.media("bfl").unwrap()), "another host");
        let global = format!("/v1/get_result?id={}", task["id"].as_str().unwrap());
        assert_eq!(fixture.get("bfl", &global).await.1["status"], "Task not found");
        let ready = fixture.get_until("bfl", polling, is_over).await;
        assert_eq!(ready["status"], "Ready");
        assert_is_file(fixture.fetch(&ready["result"]["sample"]).await, media_type).await;
    }
}

#[tokio::test]
async fn failures_and_moderation_are_statuses() {
    let fixture = Fixture::start().await;
    for (prompt, status) in [("x [fail]", "Error"), ("x [moderated]", "Content Moderated")] {
        let task = start(&fixture, &json!({ "prompt": prompt })).await;
        let polling = task["polling_url"].as_str().unwrap();
        let over = fixture.get_until("bfl", polling, is_over).await;
        assert_eq!(over["status"], status);
        assert!(over["result"].is_null());
    }
}

#[tokio::test]
async fn bad_requests_are_refused() {
    let fixture = Fixture::start().await;
    let (status, body) = fixture.post("bfl", START, &json!({ "prompt": "x", "width": 1001 })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(body["detail"][0]["loc"], json!(["body", "width"]));
    assert_eq!(fixture.post("bfl", "/v1/dall-e", &json!({})).await.0, StatusCode::NOT_FOUND);
    for key in ["", "wrong"] {
        let request = fixture.client.post(fixture.url("bfl", START)).header("x-key", key);
        let response = request.json(&json!({ "prompt": "x" })).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn no_more_tasks_are_taken_than_may_be_in_flight() {
    let fixture = Fixture::start().await;
    for n in 0..24 {
        start(&fixture, &json!({ "prompt": format!("{n} [never]") })).await;
    }
    let (status, _) = fixture.post("bfl", START, &json!({ "prompt": "x" })).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn webhooks_are_signed_with_the_callers_secret() {
    let fixture = Fixture::start().await;
    let mut receiver = Receiver::start(1, false).await;
    let input = json!({
        "prompt": "x",
        "webhook_url": receiver.url,
        "webhook_secret": "between us",
    });
    let task = start(&fixture, &input).await;
    assert!(task.get("polling_url").is_none(), "{task}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"between us");
    for _ in 0..2 {
        let letter = receiver.next().await;
        let signature = letter.header("x-bfl-signature").strip_prefix("sha256=").unwrap();
        let hex = |at: usize| u8::from_str_radix(&signature[at..at + 2], 16).unwrap();
        let tag: Vec<u8> = (0..signature.len()).step_by(2).map(hex).collect();
        hmac::verify(&key, &letter.body, &tag).unwrap();
        assert_eq!(letter.json()["id"], task["id"]);
        assert_eq!(letter.json()["status"], "Ready");
    }
    let global = format!("/v1/get_result?id={}", task["id"].as_str().unwrap());
    assert_eq!(fixture.get("bfl", &global).await.1["status"], "Ready");
}
