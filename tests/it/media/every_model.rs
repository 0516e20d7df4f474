//! Every row of the catalog, from its own route to a file that plays.

use serde_json::{Value, json};

use super::{Fate, Studio};

/// What a file begins with, by its media type.
fn is_whole(media_type: &str, bytes: &[u8]) -> bool {
    match media_type {
        "video/mp4" => bytes.get(4..8) == Some(b"ftyp") && bytes.windows(4).any(|at| at == b"moov"),
        "image/png" => bytes.starts_with(b"\x89PNG") && bytes.windows(4).any(|at| at == b"IEND"),
        "image/jpeg" => bytes.starts_with(&[0xff, 0xd8]) && bytes.ends_with(&[0xff, 0xd9]),
        "image/webp" => bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP"),
        _ => false,
    }
}

/// Submits a model's example by the model's route; gives the job.
async fn submit(studio: &Studio, model: &Value) -> String {
    let slug = model["slug"].as_str().expect("a slug");
    let example = model["example"].as_object().filter(|example| !example.is_empty());
    let mut body = example.unwrap_or_else(|| panic!("{slug} has no example")).clone();
    let route = model["route"].as_str().expect("a route");
    if !route.ends_with("/submit") {
        body.insert("model".into(), json!(slug));
    }
    let (status, answer) = studio.server.post(route, &Value::Object(body)).await;
    assert_eq!(status, 202, "{slug} at {route}: {answer}");
    assert_eq!(answer["model"], slug, "{answer}");
    assert_eq!(answer["prediction_id"], answer["job_id"]);
    assert!(answer["stream_url"].is_string() && answer["message"].is_string(), "{answer}");
    answer["job_id"].as_str().expect("an id").to_owned()
}

async fn check(studio: &Studio, model: &Value, job: String) {
    let slug = &model["slug"];
    let messages = studio.server.follow(&job).await.read_to_end().await;
    let fate = Fate { messages };
    let summary = fate.assert_completed();
    let file = fate.file();
    assert_eq!(summary["artifacts"], json!([file["id"]]), "{slug}");
    let url = studio.server.url(file["url"].as_str().expect("an address"));
    let response = studio.server.http.get(url).send().await.expect("an answer");
    let media_type = response.headers()["content-type"].to_str().expect("a text").to_owned();
    let bytes = response.bytes().await.expect("a file");
    assert_eq!(file["media_type"], media_type, "{slug}");
    assert_eq!(file["bytes"], bytes.len(), "{slug}");
    assert!(is_whole(&media_type, &bytes), "{slug}: {media_type}");
    assert!(file["width"].as_u64() > Some(0) && file["height"].as_u64() > Some(0), "{file}");
    if media_type.starts_with("video/") {
        assert!(file["duration_ms"].as_u64() > Some(500), "{slug}: {file}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_model_makes_a_file_that_plays_by_its_own_route() {
    let studio = Studio::with(1000.0, |settings| settings.workers = 8).await;
    let models = studio.server.get("/api/models").await.1["models"].clone();
    let models = models.as_array().expect("models");
    assert!(models.len() >= 50, "{}", models.len());
    let (mut jobs, mut hold) = (Vec::new(), 0);
    for model in models.iter().filter(|model| model["retired"]["refused"] != true) {
        jobs.push((model, submit(&studio, model).await));
    }
    for (model, job) in jobs {
        let view = studio.server.get(&format!("/api/jobs/{job}")).await.1;
        hold += view["hold"].as_i64().unwrap_or_else(|| panic!("{view}"));
        check(&studio, model, job).await;
    }
    let (_, held, captured) = studio.credits().await;
    assert_eq!(held, 0);
    assert!(captured > 0 && captured <= hold, "{captured} of {hold}");
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retired_model_says_so_and_names_its_successor() {
    let studio = Studio::with(1000.0, |settings| settings.workers = 0).await;
    let models = studio.server.get("/api/models").await.1["models"].clone();
    let models = models.as_array().expect("models");
    let retired = models.iter().find(|model| model["retired"]["refused"] == true).expect("one");
    let (slug, successor) = (&retired["slug"], &retired["retired"]["successor"]);
    let body = json!({ "kind": "video", "model": slug, "input": retired["example"] });
    let (status, problem) = studio.server.post("/api/jobs", &body).await;
    assert_eq!((status, &problem["code"]), (410, &json!("model_retired")), "{problem}");
    assert_eq!(&problem["successor"], successor);
    assert!(models.iter().any(|model| model["slug"] == *successor));
    studio.stop().await;
}
