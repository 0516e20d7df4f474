//! Runway.

use super::*;

fn input(prompt: &str) -> Value {
    json!({
        "model": "gen4_turbo",
        "promptImage": "https://example.org/a.png",
        "promptText": prompt,
        "ratio": "1280:720",
    })
}

async fn start(fixture: &Fixture, prompt: &str) -> String {
    let (status, body) = fixture.post("runway", "/v1/image_to_video", &input(prompt)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    format!("/v1/tasks/{}", body["id"].as_str().unwrap())
}

fn is_over(task: &Value) -> bool {
    ["SUCCEEDED", "FAILED", "CANCELLED"].contains(&task["status"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn a_task_lives_from_pending_to_a_film() {
    let fixture = Fixture::start().await;
    let path = start(&fixture, "a red kite").await;
    let (_, first) = fixture.get("runway", &path).await;
    assert!(first["createdAt"].as_str().unwrap().ends_with('Z'), "{first}");
    let running = |it: &Value| it["status"] == "RUNNING" || is_over(it);
    let task = fixture.get_until("runway", &path, running).await;
    assert!(is_over(&task) || (0.0..1.0).contains(&task["progress"].as_f64().unwrap()), "{task}");
    let task = fixture.get_until("runway", &path, is_over).await;
    assert_eq!(task["status"], "SUCCEEDED");
    assert_is_file(fixture.fetch(&task["output"][0]).await, "video/mp4").await;
}

#[tokio::test]
async fn within_five_seconds_a_task_looks_the_same() {
    // So slow that five of its seconds are fifty of ours.
    let fixture = Fixture::start_at_speed(0.1).await;
    let path = start(&fixture, "x").await;
    let (_, before) = fixture.get("runway", &path).await;
    let id = before["id"].as_str().unwrap();
    let end = format!("/_simulator/cancel/{id}");
    let (_, ended) = fixture.post("runway", &end, &json!(null)).await;
    assert_eq!(ended["ended"], true);
    assert_eq!(fixture.get("runway", &path).await.1, before);
}

#[tokio::test]
async fn failures_have_codes() {
    let fixture = Fixture::start().await;
    for (prompt, code) in [("x [fail]", "INTERNAL"), ("x [moderated]", "SAFETY.INPUT.TEXT")] {
        let path = start(&fixture, prompt).await;
        let task = fixture.get_until("runway", &path, is_over).await;
        assert_eq!((&task["status"], &task["failureCode"]), (&json!("FAILED"), &json!(code)));
    }
}

#[tokio::test]
async fn a_deleted_task_is_gone_and_one_ended_by_the_provider_is_cancelled() {
    let fixture = Fixture::start().await;
    let path = start(&fixture, "x [never]").await;
    let response = fixture.send("runway", Method::DELETE, &path, None).await.unwrap();
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(fixture.get("runway", &path).await.0, StatusCode::NOT_FOUND);
    let path = start(&fixture, "x [aborted]").await;
    let task = fixture.get_until("runway", &path, is_over).await;
    assert_eq!(task["status"], "CANCELLED");
}

#[tokio::test]
async fn more_tasks_than_slots_are_throttled() {
    let fixture = Fixture::start_at_speed(0.1).await;
    let mut last = String::new();
    for n in 0..21 {
        last = start(&fixture, &format!("kite {n}")).await;
    }
    assert_eq!(fixture.get("runway", &last).await.1["status"], "THROTTLED");
}

#[tokio::test]
async fn bad_requests_are_refused() {
    let fixture = Fixture::start().await;
    let (status, body) =
        fixture.post("runway", "/v1/image_to_video", &json!({ "model": "gen4_turbo" })).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body["error"], "Validation of body failed");
    assert_eq!(body["issues"][0]["path"], json!(["promptImage"]));
    let performance = json!({
        "model": "act_two",
        "character": { "type": "image", "uri": "https://a" },
        "reference": { "type": "image", "uri": "https://b" },
    });
    let (status, body) = fixture.post("runway", "/v1/character_performance", &performance).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body["issues"][0]["path"], json!(["reference", "type"]));

    let url = fixture.url("runway", "/v1/image_to_video");
    let unversioned = fixture.client.post(&url).bearer_auth("key_1").json(&input("x"));
    assert_eq!(unversioned.send().await.unwrap().status(), StatusCode::BAD_REQUEST);
    for key in ["other", "key_wrong"] {
        let request = fixture.client.post(&url).bearer_auth(key).json(&input("x"));
        let request = request.header("x-runway-version", "2024-11-06");
        assert_eq!(request.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(fixture.counts("runway").started, 0);
}

#[tokio::test]
async fn a_file_is_uploaded_by_a_form() {
    let fixture = Fixture::start().await;
    let body = json!({ "filename": "a.png", "type": "ephemeral" });
    let (_, place) = fixture.post("runway", "/v1/uploads", &body).await;
    assert!(place["runwayUri"].as_str().unwrap().starts_with("runway://"), "{place}");
    for (size, status) in [(600, StatusCode::NO_CONTENT), (100, StatusCode::BAD_REQUEST)] {
        let mut form = reqwest::multipart::Form::new();
        for (name, value) in place["fields"].as_object().unwrap() {
            form = form.text(name.clone(), value.as_str().unwrap().to_owned());
        }
        let part = reqwest::multipart::Part::bytes(vec![0; size]).file_name("a.png");
        let request = fixture.client.post(place["uploadUrl"].as_str().unwrap());
        let response = request.multipart(form.part("file", part)).send().await.unwrap();
        assert_eq!(response.status(), status);
    }
}
