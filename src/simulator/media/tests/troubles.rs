//! What every provider has in common: troubles, addresses that expire, counts.

use super::*;

/// A way to start work at each provider.
fn order(provider: &str, prompt: &str) -> (&'static str, Value) {
    match provider {
        "replicate" => ("/models/a/b/predictions", json!({ "input": { "prompt": prompt } })),
        "fal" => ("/fal-ai/veo3", json!({ "prompt": prompt })),
        "runway" => ("/v1/text_to_video", json!({ "model": "veo3", "promptText": prompt })),
        "minimax" => ("/v1/video_generation", json!({ "model": "T2V-01", "prompt": prompt })),
        _ => ("/v1/flux-2-pro", json!({ "prompt": prompt })),
    }
}

/// Where the work of an accepted order is asked for.
fn poll_path(provider: &str, answer: &Value) -> String {
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    match provider {
        "replicate" => format!("/predictions/{}", text("id")),
        "fal" => text("status_url"),
        "runway" => format!("/v1/tasks/{}", text("id")),
        "minimax" => format!("/v1/query/video_generation?task_id={}", text("task_id")),
        _ => text("polling_url"),
    }
}

#[tokio::test]
async fn a_start_is_refused_twice_and_coming_too_soon_is_counted() {
    let fixture = Fixture::start().await;
    for provider in PROVIDERS.into_iter().filter(|name| *name != "minimax") {
        let (path, body) = order(provider, "x [429]");
        for _ in 0..2 {
            let response = fixture.send(provider, Method::POST, path, Some(&body)).await.unwrap();
            assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS, "{provider}");
            assert_eq!(response.headers()["retry-after"], "1");
        }
        let (status, answer) = fixture.post(provider, path, &body).await;
        assert!(status.is_success(), "{provider}: {answer}");
        let poll = poll_path(provider, &answer);
        assert_eq!(fixture.get(provider, &poll).await.0, StatusCode::TOO_MANY_REQUESTS);
        assert!(fixture.get(provider, &poll).await.0.is_success(), "{provider}");
        let counts = fixture.counts(provider);
        assert_eq!((counts.starts, counts.started, counts.early), (3, 1, 3), "{provider}");
    }
}

#[tokio::test]
async fn a_bare_refusal_says_no_time_and_minimax_says_it_in_a_code() {
    let fixture = Fixture::start().await;
    for provider in PROVIDERS {
        let (path, body) = order(provider, "x [429-bare]");
        let response = fixture.send(provider, Method::POST, path, Some(&body)).await.unwrap();
        assert!(!response.headers().contains_key("retry-after"), "{provider}");
        let (status, answer) = json_of(response).await;
        if provider == "minimax" {
            assert_eq!(
                (status, &answer["base_resp"]["status_code"]),
                (StatusCode::OK, &json!(1002))
            );
        } else {
            assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
        }
        fixture.post(provider, path, &body).await;
        assert_eq!(fixture.counts(provider).early, 0, "{provider}");
    }
}

#[tokio::test]
async fn errors_of_the_providers_own_pass() {
    let fixture = Fixture::start().await;
    for provider in PROVIDERS {
        let (path, body) = order(provider, "x [500]");
        for _ in 0..2 {
            let (status, answer) = fixture.post(provider, path, &body).await;
            assert!(answer.is_object(), "{provider} speaks JSON: {answer}");
            assert_eq!(status.is_success(), provider == "minimax", "{provider}");
        }
        let (status, answer) = fixture.post(provider, path, &body).await;
        assert!(status.is_success(), "{provider}: {answer}");
        let poll = poll_path(provider, &answer);
        for expected in [500, 502] {
            let (status, page) = fixture.get(provider, &poll).await;
            assert_eq!(status.as_u16(), expected);
            assert!(page.as_str().unwrap().starts_with("<html>"), "{page}");
        }
        assert!(fixture.get(provider, &poll).await.0.is_success(), "{provider}");
    }
}

#[tokio::test]
async fn a_connection_breaks_after_the_start_and_the_work_goes_on() {
    let fixture = Fixture::start().await;
    for provider in PROVIDERS {
        let (path, body) = order(provider, "x [cut]");
        let error = fixture.send(provider, Method::POST, path, Some(&body)).await.unwrap_err();
        assert!(!error.is_connect() && !error.is_builder(), "{provider}: {error:?}");
        let counts = fixture.counts(provider);
        assert_eq!((counts.starts, counts.started), (1, 1), "{provider}");
    }
}

#[tokio::test]
async fn a_connection_breaks_twice_on_polls() {
    let fixture = Fixture::start().await;
    for provider in PROVIDERS {
        let (path, body) = order(provider, "x [cut-poll]");
        let poll = poll_path(provider, &fixture.post(provider, path, &body).await.1);
        for _ in 0..2 {
            assert!(fixture.send(provider, Method::GET, &poll, None).await.is_err(), "{provider}");
        }
        assert!(fixture.get(provider, &poll).await.0.is_success(), "{provider}");
    }
}

/// Asks Replicate until the film is there; returns its address.
async fn output(fixture: &Fixture, poll: &str) -> Value {
    fixture.get_until("replicate", poll, |it| !it["output"].is_null()).await["output"].clone()
}

#[tokio::test]
async fn an_expired_address_is_replaced_once_it_was_tried() {
    let fixture = Fixture::start().await;
    let (path, body) = order("replicate", "x [expired-url]");
    let poll = poll_path("replicate", &fixture.post("replicate", path, &body).await.1);
    let first = output(&fixture, &poll).await;
    assert_eq!(output(&fixture, &poll).await, first);
    assert_eq!(fixture.fetch(&first).await.status(), StatusCode::NOT_FOUND);
    let second = output(&fixture, &poll).await;
    assert_is_file(fixture.fetch(&second).await, "video/mp4").await;
    assert_eq!(fixture.fetch(&first).await.status(), StatusCode::NOT_FOUND);
    let counts = fixture.counts("replicate");
    assert_eq!((counts.expired, counts.downloads), (2, 1));
}

#[tokio::test]
async fn an_address_that_is_gone_is_never_replaced() {
    let fixture = Fixture::start().await;
    let (path, body) = order("bfl", "x [gone-url]");
    let poll = poll_path("bfl", &fixture.post("bfl", path, &body).await.1);
    for _ in 0..3 {
        let ready = fixture.get_until("bfl", &poll, |it| it["status"] == "Ready").await;
        let response = fixture.fetch(&ready["result"]["sample"]).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn a_key_must_not_be_sent_to_the_host_of_files() {
    let fixture = Fixture::start().await;
    let (path, body) = order("bfl", "x");
    let poll = poll_path("bfl", &fixture.post("bfl", path, &body).await.1);
    let ready = fixture.get_until("bfl", &poll, |it| it["status"] == "Ready").await;
    let sample = ready["result"]["sample"].as_str().unwrap();
    let response = fixture.send("bfl", Method::GET, sample, None).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(fixture.counts("bfl").leaked_keys, 1);
}

#[tokio::test]
async fn counts_are_told_over_http_with_every_operation() {
    let fixture = Fixture::start().await;
    let (path, body) = order("replicate", "x [never]");
    let id = fixture.post("replicate", path, &body).await.1["id"].clone();
    let origin = fixture.simulator.media("replicate").unwrap().trim_end_matches("/v1");
    let url = format!("{origin}/_simulator/counts");
    let (_, counts) = json_of(fixture.client.get(&url).send().await.unwrap()).await;
    assert_eq!((&counts["starts"], &counts["started"]), (&json!(1), &json!(1)));
    assert_eq!(counts["operations"][0]["id"], id);
    assert!(counts["operations"][0]["ended_at"].is_null());

    let cancel = format!("{origin}/_simulator/cancel/{}", id.as_str().unwrap());
    fixture.client.post(cancel).send().await.unwrap();
    let (_, counts) = json_of(fixture.client.get(&url).send().await.unwrap()).await;
    let operation = &counts["operations"][0];
    assert_eq!(operation["end"], "aborted");
    assert!(operation["ended_at"].as_i64() >= operation["started_at"].as_i64(), "{operation}");
}

#[tokio::test]
async fn a_lost_webhook_never_comes() {
    let fixture = Fixture::start().await;
    let mut receiver = Receiver::start(0, false).await;
    let mut lost = json!({ "prompt": "x [lost-webhook]", "webhook_url": receiver.url });
    let (_, task) = fixture.post("bfl", "/v1/flux-2-pro", &lost).await;
    let poll = format!("/v1/get_result?id={}", task["id"].as_str().unwrap());
    fixture.get_until("bfl", &poll, |it| it["status"] == "Ready").await;
    // One that is sent after it arrives alone.
    lost["prompt"] = json!("x");
    let (_, task) = fixture.post("bfl", "/v1/flux-2-pro", &lost).await;
    assert_eq!(receiver.next().await.json()["id"], task["id"]);
}
