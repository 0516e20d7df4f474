//! Routes that hand-built pages know, in their own words.

use serde_json::{Value, json};

use super::Studio;

/// Polls until the status is none of these.
async fn until_over(studio: &Studio, path: &str, going: &[&str]) -> Value {
    loop {
        let (status, view) = studio.server.get(path).await;
        assert_eq!(status, 200, "{view}");
        let word = view["status"].as_str().expect("a status");
        if !going.contains(&word) {
            return view;
        }
        tokio::task::yield_now().await;
    }
}

fn lipsync(prompt: &str) -> Value {
    json!({
        "imageUrl": "https://example.com/face.png",
        "audioUrl": "https://example.com/song.mp3",
        "model": "wan-video/wan-2.2-s2v",
        "prompt": prompt,
        "pollForCompletion": false,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lip_sync_by_polling_goes_through_the_shapes_that_pages_know() {
    let studio = Studio::start().await;
    let (status, answer) =
        studio.server.post("/api/generate-lipsync", &lipsync("woman singing")).await;
    assert_eq!((status, &answer["status"]), (202, &json!("starting")), "{answer}");
    assert_eq!(answer["message"], "Lip sync generation started");
    let id = answer["prediction_id"].as_str().expect("an id");
    let path = format!("/api/check-lipsync?prediction_id={id}");
    assert_eq!(answer["poll_url"], path.as_str());
    let view = until_over(&studio, &path, &["starting", "processing"]).await;
    assert_eq!((&view["id"], &view["status"]), (&json!(id), &json!("succeeded")), "{view}");
    let time = view["completed_at"].as_str().expect("a time");
    assert!(time.ends_with('Z') && time.contains('T'), "{time}");
    let url = studio.server.url(view["output"].as_str().expect("an address"));
    let file = studio.server.http.get(url).send().await.expect("an answer");
    assert_eq!(file.headers()["content-type"], "video/mp4");

    let failed = studio.server.post("/api/generate-lipsync", &lipsync("[fail] singing")).await.1;
    let id = failed["prediction_id"].as_str().expect("an id");
    let path = format!("/api/check-lipsync?prediction_id={id}");
    let view = until_over(&studio, &path, &["starting", "processing"]).await;
    assert_eq!(view["status"], "failed", "{view}");
    assert!(view["error"].is_string() && view["failed_at"].is_string(), "{view}");
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lip_sync_that_waits_answers_with_the_video_or_with_where_to_ask() {
    let studio = Studio::start().await;
    let mut body = lipsync("woman singing");
    body["pollForCompletion"] = true.into();
    let (status, view) = studio.server.post("/api/generate-lipsync", &body).await;
    assert_eq!((status, &view["status"]), (200, &json!("succeeded")), "{view}");
    assert!(view["output"].is_string());
    studio.stop().await;

    let brief = std::time::Duration::from_millis(1);
    let studio = Studio::with(1.0, |settings| settings.lipsync_wait = brief).await;
    let (status, view) = studio.server.post("/api/generate-lipsync", &body).await;
    assert_eq!((status, &view["status"]), (202, &json!("starting")), "{view}");
    let path = view["poll_url"].as_str().expect("an address");
    let seen = studio.server.get(path).await.1;
    assert!(["starting", "processing"].contains(&seen["status"].as_str().unwrap()), "{seen}");
    let id = view["prediction_id"].as_str().expect("an id");
    studio.server.post(&format!("/api/jobs/{id}/cancel"), &json!({})).await;
    let seen = until_over(&studio, path, &["starting", "processing"]).await;
    assert_eq!(seen["status"], "canceled", "{seen}");
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runway_and_minimax_are_polled_in_their_own_words() {
    let studio = Studio::start().await;
    let answer = studio.submit("runway", "a red kite").await;
    let path = format!("/api/runway/status/{}", answer["task_id"].as_str().expect("an id"));
    let view = until_over(&studio, &path, &["PENDING", "RUNNING"]).await;
    assert_eq!(view["status"], "SUCCEEDED", "{view}");
    assert!(view["output"][0].as_str().expect("an address").starts_with("/api/artifacts/"));

    let answer = studio.submit("minimax", "a red kite").await;
    let id = answer["task_id"].as_str().expect("an id");
    let path = format!("/api/minimax/video/status?task_id={id}");
    let view = until_over(&studio, &path, &["Preparing", "Queueing", "Processing"]).await;
    assert_eq!(
        (&view["status"], &view["file_id"]),
        (&json!("Success"), &answer["file_id"]),
        "{view}"
    );
    assert_eq!(view["base_resp"]["status_code"], 0);

    let act = json!({
        "model": "act_two",
        "character": { "type": "image", "uri": "https://example.com/face.png" },
        "reference": { "type": "video", "uri": "https://example.com/act.mp4" },
    });
    let (status, answer) = studio.server.post("/api/runway/character-performance", &act).await;
    assert_eq!((status, &answer["model"]), (202, &json!("runway/act_two")), "{answer}");
    let view = studio.server.wait_for_end(answer["task_id"].as_str().expect("an id")).await;
    assert_eq!(view["status"], "completed", "{view}");

    let failed = studio.submit("runway", "[fail] a red kite").await;
    let path = format!("/api/runway/status/{}", failed["task_id"].as_str().expect("an id"));
    let view = until_over(&studio, &path, &["PENDING", "RUNNING"]).await;
    assert_eq!(view["status"], "FAILED", "{view}");
    assert!(view["failure"].is_string() && view["failureCode"].is_string(), "{view}");
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canvas_gets_the_model_that_it_names_or_the_cheapest_that_takes_its_input() {
    let studio = Studio::with(1000.0, |settings| settings.workers = 0).await;
    let path = "/api/canvas/generate-video";
    let named = json!({ "model": "veo3/text-to-video/fast", "prompt": "a red kite" });
    let (status, answer) = studio.server.post(path, &named).await;
    assert_eq!((status, &answer["model"]), (202, &json!("veo3/text-to-video/fast")), "{answer}");
    let text = json!({ "prompt": "a red kite", "mode": "text-to-video" });
    let (status, cheapest) = studio.server.post(path, &text).await;
    assert_eq!(status, 202, "{cheapest}");
    for model in studio.server.get("/api/models?mode=text-to-video").await.1["models"]
        .as_array()
        .expect("models")
    {
        if model["retired"].is_null() {
            let body = json!({
                "model": model["slug"], "prompt": "a red kite", "allow_duplicate": true,
            });
            let (status, answer) = studio.server.post(path, &body).await;
            assert!(
                status != 202 || answer["hold"].as_i64() >= cheapest["hold"].as_i64(),
                "{answer} is cheaper than {cheapest}"
            );
        }
    }
    let image = json!({ "prompt": "it flies", "image": "https://example.com/kite.png" });
    let (status, answer) = studio.server.post(path, &image).await;
    assert_eq!(status, 202, "{answer}");
    let (status, problem) =
        studio.server.post(path, &json!({ "prompt": "a kite", "mode": "hologram" })).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (400, &json!("/mode")), "{problem}");
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_is_told_all_at_once_with_the_name_that_was_meant() {
    let studio = Studio::with(1000.0, |settings| settings.workers = 0).await;
    let body = json!({ "promt": "a kite", "duration": 99, "project_id": "no/slash" });
    let (status, problem) = studio.server.post("/api/replicate/seedance-t2v/submit", &body).await;
    assert_eq!((status, &problem["code"]), (400, &json!("invalid_field")), "{problem}");
    let errors = problem["errors"].as_array().expect("errors");
    let of = |pointer: &str| errors.iter().find(|error| error["pointer"] == pointer);
    assert!(of("/promt").expect("named")["detail"].to_string().contains("prompt"), "{problem}");
    assert!(of("/prompt").is_some() && of("/project_id").is_some(), "{problem}");
    assert!(of("/duration").expect("named")["detail"].to_string().contains("12"), "{problem}");
    let (status, problem) =
        studio.server.post("/api/replicate/seedence-t2v/submit", &json!({ "prompt": "x" })).await;
    assert_eq!((status, &problem["did_you_mean"]), (404, &json!("seedance-t2v")), "{problem}");
    let (status, problem) =
        studio.server.post("/api/replicate/veo3/submit", &json!({ "prompt": "x" })).await;
    assert_eq!(status, 404, "{problem}");
    let (status, problem) =
        studio.server.post("/api/fal/seedance-t2v/submit", &json!({ "prompt": "x" })).await;
    assert_eq!((status, &problem["route"]), (404, &json!("/api/replicate/seedance-t2v/submit")));
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_stands_in_the_input_is_kept_and_handed_on() {
    let studio = Studio::start().await;
    let models = studio.server.get("/api/models/seedance-i2v").await.1;
    assert_eq!(models["slug"], "seedance-i2v");
    let png = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    for (provider, path, body) in [
        ("replicate", "/api/replicate/seedance-i2v/submit", json!({ "prompt": "x", "image": png })),
        ("fal", "/api/fal/veo3/image-to-video/submit", json!({ "prompt": "x", "image_url": png })),
    ] {
        let (status, answer) = studio.server.post(path, &body).await;
        assert_eq!(status, 202, "{provider}: {answer}");
        let job = answer["job_id"].as_str().expect("an id").to_owned();
        let view = studio.server.wait_for_end(&job).await;
        assert_eq!(view["status"], "completed", "{provider}: {view}");
        let kept = view["input"].to_string();
        assert!(kept.contains("/api/uploads/upl_") && !kept.contains("base64"), "{kept}");
    }
    let twice = json!({ "prompt": "a task of its own", "image": png });
    let path = "/api/replicate/seedance-i2v/submit";
    let first = studio.server.post(path, &twice).await.1;
    let again = studio.server.post(path, &twice).await.1;
    let (one, two) = (&first["job_id"], &again["job_id"]);
    let views = [first["job_id"].as_str(), again["job_id"].as_str()].map(Option::unwrap);
    let inputs = [
        studio.server.wait_for_end(views[0]).await["input"].clone(),
        studio.server.wait_for_end(views[1]).await["input"].clone(),
    ];
    assert_eq!(inputs[0], inputs[1], "the same file is the same upload: {one} {two}");
    let wrong = json!({ "prompt": "x", "image": "data:image/png;base64,aGVsbG8=" });
    let (status, problem) = studio.server.post("/api/replicate/seedance-i2v/submit", &wrong).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (400, &json!("/image")), "{problem}");
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_is_no_text_is_not_taken_for_none() {
    let studio = Studio::with(1000.0, |settings| settings.workers = 0).await;
    let body = json!({ "model": 5, "prompt": "a red kite" });
    for path in [
        "/api/canvas/generate-video",
        "/api/images/generate",
        "/api/minimax/video",
        "/api/generate-lipsync",
        "/api/replicate/seedance-t2v/submit",
    ] {
        let (status, problem) = studio.server.post(path, &body).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (400, &json!("/model")), "{path}");
    }
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_that_is_no_text_gets_a_problem_like_any_other() {
    let studio = Studio::with(1000.0, |settings| settings.workers = 0).await;
    for path in ["/api/fal/%ff/submit", "/api/webhooks/fal/%ff/1/x"] {
        let (status, problem) = studio.server.post(path, &json!({})).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_parameter")), "{path}");
    }
    assert_eq!(studio.server.get("/api/models/%ff").await.1["code"], "invalid_parameter");
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_sent_again_gets_its_job_though_another_model_would_be_chosen_now() {
    let studio = Studio::start().await;
    let url = studio.server.url("/api/canvas/generate-video");
    let body = json!({ "prompt": "[never] a red kite" });
    let send = || studio.server.http.post(&url).header("idempotency-key", "k").json(&body).send();
    let first: Value = send().await.expect("an answer").json().await.expect("JSON");
    let provider = first["provider"].as_str().expect("a provider");
    // Its provider keeps failing from now on, so that another one's model is better.
    for number in 0.. {
        let models = studio.server.get("/api/models").await.1;
        let models = models["models"].as_array().expect("models");
        let its = models.iter().find(|model| model["provider"] == provider).expect("its models");
        if its["health"]["status"] != "ok" {
            break;
        }
        let fails = json!({ "prompt": format!("[500] kite {number}"), "model": first["model"] });
        studio.server.post("/api/canvas/generate-video", &fails).await;
    }
    let again: Value = send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(again["job_id"], first["job_id"], "{again}");
    studio.stop().await;
}
