//! Replicate.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;

use super::*;

const MODEL: &str = "/models/bytedance/seedance-1-pro/predictions";

async fn create(fixture: &Fixture, prompt: &str) -> Value {
    let body = json!({ "input": { "prompt": prompt } });
    let (status, prediction) = fixture.post("replicate", MODEL, &body).await;
    assert_eq!(status, StatusCode::CREATED, "{prediction}");
    prediction
}

fn path(prediction: &Value) -> String {
    format!("/predictions/{}", prediction["id"].as_str().unwrap())
}

async fn finish(fixture: &Fixture, prediction: &Value) -> Value {
    let over = |it: &Value| it.get("completed_at").is_some();
    fixture.get_until("replicate", &path(prediction), over).await
}

#[tokio::test]
async fn a_new_prediction_is_starting() {
    let fixture = Fixture::start_at_speed(0.1).await;
    let prediction = create(&fixture, "a red kite").await;
    assert_eq!(prediction["status"], "starting");
    assert_eq!(prediction["model"], "bytedance/seedance-1-pro");
    assert_eq!(prediction["id"].as_str().unwrap().len(), 26);
    assert!(prediction.get("started_at").is_none() && prediction.get("metrics").is_none());
}

#[tokio::test]
async fn a_prediction_lives_to_a_film() {
    let fixture = Fixture::start().await;
    let prediction = create(&fixture, "a red kite").await;
    let get = prediction["urls"]["get"].as_str().unwrap();
    let done = fixture.get_until("replicate", get, |it| it["status"] == "succeeded").await;
    assert!(done["logs"].as_str().unwrap().contains("100%|██████████| 50/50"), "{done}");
    let run = done["metrics"]["predict_time"].as_f64().unwrap();
    assert!((30.0..=60.0).contains(&run), "{run} s at a real provider's pace");
    assert_is_file(fixture.fetch(&done["output"]).await, "video/mp4").await;
    let counts = fixture.counts("replicate");
    assert_eq!((counts.starts, counts.started, counts.downloads), (1, 1, 1));
}

#[tokio::test]
async fn failures_say_why() {
    let fixture = Fixture::start().await;
    for (prompt, words) in [("x [fail]", "E1000"), ("x [moderated]", "flagged as sensitive")] {
        let done = finish(&fixture, &create(&fixture, prompt).await).await;
        assert_eq!(done["status"], "failed");
        assert!(done["error"].as_str().unwrap().contains(words), "{done}");
        assert!(done["output"].is_null());
    }
}

#[tokio::test]
async fn a_cancel_ends_it_and_a_deadline_too() {
    let fixture = Fixture::start().await;
    let prediction = create(&fixture, "x [never]").await;
    let running = |it: &Value| it["status"] == "processing";
    fixture.get_until("replicate", &path(&prediction), running).await;
    let cancel = prediction["urls"]["cancel"].as_str().unwrap();
    let (status, canceled) = fixture.post("replicate", cancel, &json!(null)).await;
    assert_eq!((status, &canceled["status"]), (StatusCode::OK, &json!("canceled")));
    let (_, again) = fixture.post("replicate", cancel, &json!(null)).await;
    assert_eq!(again["completed_at"], canceled["completed_at"]);
    assert_eq!(fixture.counts("replicate").cancels, 2);

    let url = fixture.url("replicate", MODEL);
    let request = fixture.client.post(url).bearer_auth("k").header("cancel-after", "10s");
    let body = json!({ "input": { "prompt": "x [never]" } });
    let (_, prediction) = json_of(request.json(&body).send().await.unwrap()).await;
    assert_eq!(finish(&fixture, &prediction).await["status"], "canceled");
}

#[tokio::test]
async fn a_request_can_wait_for_the_end() {
    let fixture = Fixture::start().await;
    let request = fixture.client.post(fixture.url("replicate", MODEL)).bearer_auth("k");
    let body = json!({ "input": { "prompt": "x" } });
    let response = request.header("prefer", "wait=60").json(&body).send().await.unwrap();
    assert_eq!(response.headers()["preference-applied"], "wait=60");
    let waited = json_of(response).await.1;
    assert!(["succeeded", "processing"].contains(&waited["status"].as_str().unwrap()));
}

#[tokio::test]
async fn bad_requests_get_problems() {
    let fixture = Fixture::start().await;
    let (status, body) = fixture.post("replicate", MODEL, &json!({ "input": {} })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(body["detail"], "- input: prompt is required\n");
    assert_eq!(body["invalid_fields"][0]["type"], "required");
    let unknown = json!({ "version": "a".repeat(64), "input": { "prompt": "x" } });
    let (status, body) = fixture.post("replicate", "/predictions", &unknown).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    assert_eq!(fixture.get("replicate", "/predictions/unknown").await.0, StatusCode::NOT_FOUND);
    for key in [None, Some("wrong-key")] {
        let mut request = fixture.client.post(fixture.url("replicate", MODEL));
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        let (status, body) = json_of(request.json(&json!({})).send().await.unwrap()).await;
        assert_eq!((status, &body["title"]), (StatusCode::UNAUTHORIZED, &json!("Unauthenticated")));
    }
    assert_eq!(fixture.counts("replicate").started, 0);
}

#[tokio::test]
async fn a_model_has_a_version_that_runs() {
    let fixture = Fixture::start().await;
    let (_, model) = fixture.get("replicate", "/models/kwaivgi/kling-lip-sync").await;
    let version = &model["latest_version"]["id"];
    let inputs = json!({ "audio_file": "https://a", "video_url": "https://b" });
    let body = json!({ "version": version, "input": inputs });
    let (status, prediction) = fixture.post("replicate", "/predictions", &body).await;
    assert_eq!(status, StatusCode::CREATED, "{prediction}");
    assert_eq!(prediction["model"], "kwaivgi/kling-lip-sync");
    let silent = json!({ "version": version, "input": { "video_url": "https://b" } });
    let (_, prediction) = fixture.post("replicate", "/predictions", &silent).await;
    assert_eq!(finish(&fixture, &prediction).await["status"], "failed");
}

#[tokio::test]
async fn webhooks_are_signed_filtered_and_tried_again() {
    let fixture = Fixture::start().await;
    let mut receiver = Receiver::start(2, false).await;
    let body = json!({
        "input": { "prompt": "x" },
        "webhook": receiver.url,
        "webhook_events_filter": ["start", "completed"],
    });
    let (_, prediction) = fixture.post("replicate", MODEL, &body).await;
    let (_, secret) = fixture.get("replicate", "/webhooks/default/secret").await;
    let secret = secret["key"].as_str().unwrap().strip_prefix("whsec_").unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &BASE64_STANDARD.decode(secret).unwrap());

    let mut messages = Vec::new();
    for _ in 0..3 {
        let letter = receiver.next().await;
        let body = std::str::from_utf8(&letter.body).unwrap();
        let (id, at) = (letter.header("webhook-id"), letter.header("webhook-timestamp"));
        let tag = letter.header("webhook-signature").strip_prefix("v1,").unwrap();
        let tag = BASE64_STANDARD.decode(tag).unwrap();
        hmac::verify(&key, format!("{id}.{at}.{body}").as_bytes(), &tag).unwrap();
        assert_eq!(letter.json()["id"], prediction["id"]);
        messages.push((id.to_owned(), letter.json()["status"].clone()));
    }
    // "start" was refused and is not repeated; the end was refused once and is.
    assert_ne!(messages[0].0, messages[1].0);
    assert_eq!(messages[1], messages[2]);
    assert_eq!(messages[2].1, "succeeded");
}

#[tokio::test]
async fn a_file_is_taken_and_given_back() {
    let fixture = Fixture::start().await;
    let part = reqwest::multipart::Part::bytes(b"hello".to_vec()).file_name("a.txt");
    let form =
        reqwest::multipart::Form::new().part("content", part.mime_str("text/plain").unwrap());
    let request = fixture.client.post(fixture.url("replicate", "/files")).bearer_auth("k");
    let (status, file) = json_of(request.multipart(form).send().await.unwrap()).await;
    assert_eq!(status, StatusCode::CREATED);
    let (_, same) = fixture.get("replicate", file["urls"]["get"].as_str().unwrap()).await;
    assert_eq!(same["checksums"], file["checksums"]);
    assert_eq!(fixture.fetch(&file["urls"]["download"]).await.text().await.unwrap(), "hello");
}

#[tokio::test]
async fn requests_carry_what_is_left_of_the_rate_limit() {
    let fixture = Fixture::start_at_speed(1.0).await;
    let body = json!({ "input": { "prompt": "x" } });
    let response = fixture.send("replicate", Method::POST, MODEL, Some(&body)).await.unwrap();
    assert_eq!(response.headers()["ratelimit-remaining"], "599");
    for _ in 0..599 {
        fixture.send("replicate", Method::POST, MODEL, Some(&json!({}))).await.unwrap();
    }
    let (status, refusal) = fixture.post("replicate", MODEL, &body).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert!(refusal["retry_after"].as_u64().unwrap() <= 60, "{refusal}");
}
