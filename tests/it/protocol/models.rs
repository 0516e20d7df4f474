//! § 8: models.

use serde_json::{Value, json};

use crate::harness::TestServer;

use super::Upstream;

/// Every model that runs.
async fn running(server: &TestServer) -> Vec<Value> {
    let models = server.get("/api/models").await.1["models"].as_array().unwrap().clone();
    models.into_iter().filter(|model| model["retired"]["refused"] != true).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p34_every_model_is_shown_with_an_example_that_its_route_takes() {
    let server = TestServer::with(|settings| {
        (settings.workers, settings.demo_credits) = (0, 100_000);
    })
    .await;
    let models = running(&server).await;
    assert!(models.len() >= 50, "{}", models.len());
    for model in models {
        for name in ["slug", "title", "provider", "kind", "mode", "route"] {
            assert!(model[name].is_string(), "no {name}: {model}");
        }
        assert!(model["confirmed"].is_boolean() && model["simulated"] == true, "{model}");
        assert!(model["modes"].is_array() && model["cost"].is_object(), "{model}");
        assert!(model["time_limit_ms"].is_u64() && model["health"]["status"] == "ok", "{model}");
        for input in model["inputs"].as_array().unwrap() {
            for name in ["name", "type", "meaning"] {
                assert!(input[name].is_string(), "no {name}: {input} of {model}");
            }
            assert!(input["required"].is_boolean(), "{input} of {model}");
        }
        let mut body = model["example"].clone();
        body["model"] = model["slug"].clone();
        let (status, answer) = server.post(model["route"].as_str().unwrap(), &body).await;
        assert_eq!((status, &answer["model"]), (202, &model["slug"]), "{answer}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p34_models_are_chosen_by_provider_mode_and_kind_and_found_by_other_names() {
    let server = TestServer::with(|settings| settings.workers = 0).await;
    for (name, value) in [("provider", "fal"), ("mode", "image-to-video"), ("kind", "image")] {
        let (status, page) = server.get(&format!("/api/models?{name}={value}")).await;
        let models = page["models"].as_array().unwrap();
        assert!(status == 200 && !models.is_empty(), "{page}");
        for model in models {
            let modes = model["modes"].as_array().unwrap();
            let fits =
                if name == "mode" { modes.contains(&json!(value)) } else { model[name] == value };
            assert!(fits, "{model}");
        }
    }
    let (status, problem) = server.get("/api/models?mode=hologram").await;
    assert_eq!((status, &problem["code"]), (400, &json!("invalid_parameter")), "{problem}");
    for name in ["wan-2-2-s2v", "wan-video/wan-2.2-s2v"] {
        let (status, model) = server.get(&format!("/api/models/{name}")).await;
        assert_eq!((status, &model["slug"]), (200, &json!("wan-2-2-s2v")), "{model}");
    }
    let (status, problem) = server.get("/api/models/veo3/text-to-vidio").await;
    assert_eq!((status, &problem["code"]), (404, &json!("unknown_model")));
    assert_eq!(problem["did_you_mean"], "veo3/text-to-video");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p35_a_provider_that_keeps_failing_is_paused_and_its_submits_are_taken() {
    let upstream = Upstream::start(1.0).await;
    let server = upstream.server(|settings| {
        settings.replicate_api_token = Some("wrong-key".into());
        settings.workers = 1;
    });
    // Each node finds out by itself.
    let server = server.await.at_one_node();
    let submit = async |number: usize| {
        let body = json!({ "prompt": format!("kite {number}") });
        let (status, answer) = server.post("/api/replicate/seedance-t2v/submit", &body).await;
        assert_eq!(status, 202, "{answer}");
        answer["job_id"].as_str().unwrap().to_owned()
    };
    for number in 0..5 {
        let view = server.wait_for_end(&submit(number).await).await;
        assert_eq!(view["error"]["code"], "unauthorised", "{view}");
        let health = server.get("/api/models/seedance-t2v").await.1["health"].clone();
        assert_eq!(health["failures"], number + 1, "{health}");
        let expected = if number < 4 { "failing" } else { "paused" };
        assert_eq!(health["status"], expected, "{health}");
        assert_eq!(health["reason"], "unauthorised", "{health}");
        assert_eq!(health["resumes_in_ms"].is_u64(), number == 4, "{health}");
    }
    let waiting = submit(5).await;
    // Another provider's job is run meanwhile.
    let image = json!({ "model": "bfl/flux-2-klein-4b", "prompt": "a kite" });
    let (status, image) = server.post("/api/images/generate", &image).await;
    assert_eq!(status, 202, "{image}");
    let mut reader = server.follow(image["job_id"].as_str().unwrap()).await;
    while reader.until("status").await.data["status"] != "running" {}
    assert_eq!(server.get(&format!("/api/jobs/{waiting}")).await.1["status"], "pending");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p36_a_retired_model_is_refused_and_one_that_will_be_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("models.toml");
    let rows = "[[models]]\nslug = \"seedance-t2v\"\n\
                retired = { reason = \"gone\", successor = \"kling-t2v\", refused = true }\n\
                [[models]]\nslug = \"pixverse-v5-t2v\"\n\
                retired = { reason = \"old\", successor = \"kling-t2v\", refused = false }\n";
    std::fs::write(&file, rows).unwrap();
    let server = TestServer::with(|settings| {
        (settings.workers, settings.catalog) = (0, Some(file));
    })
    .await;
    let body = json!({ "prompt": "a kite" });
    let (status, problem) = server.post("/api/replicate/seedance-t2v/submit", &body).await;
    assert_eq!((status, &problem["code"]), (410, &json!("model_retired")), "{problem}");
    assert_eq!(problem["successor"], "kling-t2v");
    let (status, answer) = server.post("/api/replicate/pixverse-v5-t2v/submit", &body).await;
    assert_eq!(status, 202, "{answer}");
    assert!(answer["notice"].as_str().unwrap().contains("kling-t2v"), "{answer}");
    assert_eq!(server.get("/api/jobs").await.1["jobs"].as_array().unwrap().len(), 1);
    server.stop().await;
}
