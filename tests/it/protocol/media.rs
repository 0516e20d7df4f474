//! § 9: images, videos and lip-sync.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::TestServer;

use super::Upstream;

/// A server that runs no job.
async fn idle_server() -> TestServer {
    TestServer::with(|settings| settings.workers = 0).await
}

/// The number of jobs that there are.
async fn count(server: &TestServer) -> usize {
    server.get("/api/jobs").await.1["jobs"].as_array().unwrap().len()
}

/// The detail of the error at a pointer.
fn detail<'a>(problem: &'a Value, pointer: &str) -> &'a str {
    let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("no errors: {problem}"));
    let error = errors.iter().find(|error| error["pointer"] == pointer);
    error.unwrap_or_else(|| panic!("no {pointer}: {problem}"))["detail"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p37_every_submit_route_answers_with_its_own_fields() {
    let server = idle_server().await;
    let face = json!({ "image": "https://a.example/a.png", "audio": "https://a.example/a.mp3" });
    let acting = json!({
        "character": "https://a.example/a.png", "reference": "https://a.example/a.mp4",
    });
    let prompt = json!({ "prompt": "a red kite" });
    let runway = json!({ "promptText": "a red kite", "ratio": "1280:720", "duration": 5 });
    for (route, body, more) in [
        ("/api/replicate/seedance-t2v/submit", &prompt, &[][..]),
        ("/api/fal/veo3/text-to-video/fast/submit", &prompt, &[]),
        ("/api/runway/video", &runway, &["task_id", "id"]),
        ("/api/runway/character-performance", &acting, &["task_id", "id"]),
        ("/api/minimax/video", &prompt, &["task_id", "id"]),
        ("/api/canvas/generate-video", &prompt, &["provider"]),
        ("/api/images/generate", &prompt, &["provider"]),
        ("/api/generate-lipsync", &face, &[]),
    ] {
        let response = server.http.post(server.url(route)).json(body).send().await.unwrap();
        assert_eq!(response.status(), 202, "{route}");
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["poll_url"], location, "{answer}");
        let job = answer["job_id"].as_str().unwrap();
        assert_eq!(answer["prediction_id"], job);
        for name in ["file_id", "status", "stream_url", "model", "message"].iter().chain(more) {
            assert!(answer[*name].is_string(), "{route} gives no {name}: {answer}");
        }
        for name in ["task_id", "id"].into_iter().filter(|name| more.contains(name)) {
            assert_eq!(answer[name], job, "{answer}");
        }
        assert!(answer["hold"].as_i64() > Some(0) && answer["simulated"] == true, "{answer}");
        let view = server.get(&format!("/api/jobs/{job}")).await.1;
        assert_eq!((&view["model"], &view["hold"]), (&answer["model"], &answer["hold"]));
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p37_the_model_is_part_of_what_makes_a_task_the_same() {
    let server = idle_server().await;
    let body = json!({ "prompt": "a red kite" });
    let first = server.post("/api/replicate/seedance-t2v/submit", &body).await.1;
    let again = server.post("/api/replicate/seedance-t2v/submit", &body).await.1;
    assert_eq!((&again["job_id"], &again["deduplicated"]), (&first["job_id"], &json!(true)));
    let other = server.post("/api/replicate/seedance-pro-fast-t2v/submit", &body).await.1;
    assert_ne!(other["job_id"], first["job_id"]);
    assert_eq!(count(&server).await, 2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p38_everything_that_is_wrong_with_an_input_is_told_at_once() {
    let server = idle_server().await;
    let body = json!({
        "promt": "a kite", "duration": 99, "resolution": "8k", "fps": "fast", "project_id": "a/b",
    });
    let named = ["/promt", "/prompt", "/duration", "/resolution", "/fps", "/project_id"];
    let (status, problem) = server.post("/api/replicate/seedance-t2v/submit", &body).await;
    assert_eq!((status, &problem["code"]), (400, &json!("invalid_field")), "{problem}");
    let pointers: BTreeSet<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(pointers, BTreeSet::from(named), "{problem}");
    assert!(detail(&problem, "/promt").contains("did you mean 'prompt'"), "{problem}");
    assert!(detail(&problem, "/duration").contains("12"), "{problem}");
    assert!(detail(&problem, "/resolution").contains("1080p"), "{problem}");
    // The same by the route of every kind, below its `input`.
    let body = json!({ "kind": "video", "model": "seedance-t2v", "input": body });
    let (status, problem) = server.post("/api/jobs", &body).await;
    assert_eq!(status, 400, "{problem}");
    assert!(detail(&problem, "/input/promt").contains("'prompt'"), "{problem}");
    assert_eq!(count(&server).await, 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p38_a_model_that_is_not_there_or_not_here_is_told() {
    let server = idle_server().await;
    let body = json!({ "prompt": "a kite" });
    let (status, problem) = server.post("/api/replicate/seedence-t2v/submit", &body).await;
    assert_eq!((status, &problem["code"]), (404, &json!("unknown_model")), "{problem}");
    assert_eq!(problem["did_you_mean"], "seedance-t2v");
    let (status, problem) = server.post("/api/fal/seedance-t2v/submit", &body).await;
    assert_eq!(status, 404, "{problem}");
    assert_eq!(problem["route"], "/api/replicate/seedance-t2v/submit");
    assert_eq!(count(&server).await, 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p39_the_cheapest_model_that_takes_it_is_chosen() {
    let server = idle_server().await;
    let path = "/api/canvas/generate-video";
    let body = json!({ "prompt": "a red kite", "mode": "text-to-video" });
    let (status, chosen) = server.post(path, &body).await;
    assert_eq!(status, 202, "{chosen}");
    let models = server.get("/api/models?mode=text-to-video").await.1["models"].clone();
    let mut others = 0;
    for model in models.as_array().unwrap().iter().filter(|model| model["retired"].is_null()) {
        let body = json!({ "prompt": "a red kite", "model": model["slug"] });
        let (status, answer) = server.post(path, &body).await;
        others += usize::from(status == 202);
        assert!(status != 202 || answer["hold"].as_i64() >= chosen["hold"].as_i64(), "{answer}");
    }
    assert!(others > 5, "{others}");
    let (status, problem) = server.post(path, &json!({ "promt": "a red kite" })).await;
    assert_eq!(status, 400, "{problem}");
    assert!(problem["nearest_model"].is_string() && !detail(&problem, "/promt").is_empty());
    let (status, problem) = server.post(path, &json!({ "prompt": "x", "mode": "hologram" })).await;
    assert_eq!(status, 400, "{problem}");
    assert!(detail(&problem, "/mode").contains("text-to-video"), "{problem}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p39_a_provider_that_is_well_comes_before_a_cheaper_one() {
    let upstream = Upstream::start(1.0).await;
    // Each node finds out by itself.
    let server = upstream.server(|settings| {
        settings.fal_key = Some("wrong-key".into());
        settings.workers = 1;
    });
    let server = server.await.at_one_node();
    let path = "/api/canvas/generate-video";
    let body = json!({ "prompt": "a red kite" });
    let (status, cheapest) = server.post(path, &body).await;
    assert_eq!((status, &cheapest["provider"]), (202, &json!("fal")), "{cheapest}");
    let view = server.wait_for_end(cheapest["job_id"].as_str().unwrap()).await;
    assert_eq!(view["error"]["code"], "unauthorised", "{view}");
    let (status, second) = server.post(path, &body).await;
    assert_eq!(status, 202, "{second}");
    assert_ne!(second["provider"], "fal", "{second}");
    assert!(second["hold"].as_i64() >= cheapest["hold"].as_i64(), "{second}");
    server.stop().await;
}
