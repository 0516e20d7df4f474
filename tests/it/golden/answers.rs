//! Answers of routes that are no streams.

use serde_json::{Value, json};

use crate::harness::TestServer;

use super::Samples;

/// Models that have between them every member that a model may have.
const MODELS: [(&str, &str); 9] = [
    ("to_be_retired", "sora2/image-to-video"),
    ("any_of", "bfl/flux-pro-1.1-ultra"),
    ("one_of", "kling-lipsync"),
    ("when_absent", "runway/gen4.5/image-to-video"),
    ("priced_by_an_input", "veo3_1/reference-to-video"),
    ("variants", "kling-i2v"),
    ("aliases", "ltx2/text-to-video/pro"),
    ("retired", "runway/gen4_aleph/video-to-video"),
    ("multiple_of", "bfl/flux-2-pro"),
];

/// A picture of 320 by 240.
const GIF: &[u8] = b"GIF89a\x40\x01\xF0\0\0\0\0;";

/// A second of silence.
fn wav() -> Vec<u8> {
    let samples = vec![0; 16_000];
    let mut wav = b"RIFF\xa4\x3e\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    wav.extend(b"\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\x80\x3e\0\0");
    wav.extend(samples);
    wav
}

async fn get(server: &TestServer, path: &str, expected: u16) -> Value {
    let (status, answer) = server.get(path).await;
    assert_eq!(status, expected, "{path}: {answer}");
    answer
}

async fn post(server: &TestServer, path: &str, body: &Value, expected: u16) -> Value {
    let (status, answer) = server.post(path, body).await;
    assert_eq!(status, expected, "{path}: {answer}");
    answer
}

fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name].as_str().unwrap_or_else(|| panic!("no '{name}': {answer}"))
}

/// A server where every job waits.
pub(super) async fn of_a_server_that_waits(samples: &mut Samples) {
    let server = TestServer::with(|settings| {
        (settings.workers, settings.demo_credits) = (0, 0);
    })
    .await;
    let blog = json!({ "kind": "blog", "input": { "topic": "tides", "words": 120 } });
    let submitted = post(&server, "/api/jobs", &blog, 202).await;
    samples.add("submit.deduplicated", post(&server, "/api/jobs", &blog, 202).await);
    let (job, file) = (text(&submitted, "job_id"), text(&submitted, "file_id"));
    let (job, file) = (format!("/api/jobs/{job}"), format!("/api/file/{file}"));
    samples.add("job.pending", get(&server, &job, 200).await);
    samples.add("file.pending", get(&server, &file, 200).await);
    samples.add("project.active", get(&server, "/api/project/default", 200).await);
    samples.add("events_page.first", get(&server, &format!("{job}/events"), 200).await);
    samples.add("cancel", post(&server, &format!("{job}/cancel"), &json!({}), 200).await);
    samples.add("job.canceled", get(&server, &job, 200).await);
    samples.add("file.canceled", get(&server, &file, 200).await);
    samples.add("submit.blog", submitted);

    let media =
        json!({ "kind": "video", "model": "seedance-t2v", "input": { "prompt": "a kite" } });
    samples.add("problem.insufficient_credits", post(&server, "/api/jobs", &media, 402).await);
    let grant = json!({ "amount": 5_000_000, "note": "for the tests" });
    samples.add("ledger_entry.grant", post(&server, "/api/credits/grant", &grant, 201).await);
    samples.add("submit.media", post(&server, "/api/jobs", &media, 202).await);
    let soon = json!({
        "kind": "video", "model": "sora2/image-to-video",
        "input": { "prompt": "a kite", "image_url": "https://example.com/kite.png" },
    });
    samples.add("submit.notice", post(&server, "/api/jobs", &soon, 202).await);
    let external = json!({ "kind": "external" });
    samples.add("submit.external", post(&server, "/api/jobs", &external, 202).await);
    samples.add("credits.held", get(&server, "/api/credits", 200).await);
    samples.add("job_page.more", get(&server, "/api/jobs?limit=2", 200).await);
    samples.add("job_page.last", get(&server, "/api/jobs?limit=50", 200).await);

    samples.add("problem.unknown_job", get(&server, "/api/jobs/job_1", 404).await);
    let wrong = json!({ "kind": "blog", "input": { "words": 5 } });
    samples.add("problem.invalid_field", post(&server, "/api/jobs", &wrong, 400).await);
    samples.add("problem.key_reused", with_a_reused_key(&server).await);
    for (name, slug) in MODELS {
        let path = format!("/api/models/{slug}");
        samples.add(&format!("model.{name}"), get(&server, &path, 200).await);
    }
    let info = get(&server, "/api/info", 200).await;
    samples.add("info", with_any_voice(info));
    for (name, bytes) in [("picture", GIF.to_vec()), ("sound", wav())] {
        let request = server.http.post(server.url(&format!("/api/uploads?name={name}")));
        let request = request.header("content-type", "application/octet-stream").body(bytes);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 201);
        samples.add(&format!("upload.{name}"), response.json().await.unwrap());
    }
    server.stop().await;
}

async fn with_a_reused_key(server: &TestServer) -> Value {
    let mut answers = Vec::new();
    for (priority, expected) in [(0, 202), (1, 422)] {
        let body = json!({ "kind": "external", "priority": priority });
        let request = server.http.post(server.url("/api/jobs")).header("idempotency-key", "k");
        let response = request.json(&body).send().await.unwrap();
        assert_eq!(response.status(), expected);
        answers.push(response.json().await.unwrap());
    }
    answers.remove(1)
}

/// Which voice speaks depends on what else is installed.
fn with_any_voice(mut info: Value) -> Value {
    assert!(["bundled", "system", "tone"].contains(&text(&info["voice"], "kind")));
    info["voice"]["kind"] = "bundled".into();
    info["voices"] = json!(["alloy"]);
    info
}

/// A server where every job runs.
pub(super) async fn of_a_server_that_works(samples: &mut Samples) {
    let server = TestServer::with(|settings| {
        settings.start_jitter = std::time::Duration::ZERO;
    })
    .await;
    let blog = json!({
        "kind": "blog",
        "input": { "topic": "tides", "words": 60, "voiceover": true },
    });
    let blog = post(&server, "/api/jobs", &blog, 202).await;
    samples.add("job.completed", server.wait_for_end(text(&blog, "job_id")).await);
    let file = format!("/api/file/{}", text(&blog, "file_id"));
    samples.add("file.completed", get(&server, &file, 200).await);
    samples.add("project.completed", get(&server, "/api/project/default", 200).await);

    let image = json!({
        "kind": "image", "project_id": "pictures", "model": "bfl/flux-2-klein-4b",
        "input": { "prompt": "a kite" },
    });
    let image = post(&server, "/api/jobs", &image, 202).await;
    samples.add("job.completed_media", server.wait_for_end(text(&image, "job_id")).await);
    samples.add("ledger_page.charged", get(&server, "/api/credits/ledger?limit=3", 200).await);
    samples.add("credits.charged", get(&server, "/api/credits", 200).await);

    let refused = json!({
        "kind": "image", "project_id": "refused", "model": "bfl/flux-2-klein-4b",
        "input": { "prompt": "a kite [moderated]" },
    });
    let refused = post(&server, "/api/jobs", &refused, 202).await;
    samples.add("job.failed", server.wait_for_end(text(&refused, "job_id")).await);
    let file = format!("/api/file/{}", text(&refused, "file_id"));
    samples.add("file.failed", get(&server, &file, 200).await);
    samples.add("ledger_page.released", get(&server, "/api/credits/ledger", 200).await);
    samples.add("project.failed", get(&server, "/api/project/refused", 200).await);

    let external = server.submit_external().await;
    for event in [
        json!({ "type": "content", "data": { "text": "so far" } }),
        json!({ "type": "progress", "data": { "percent": 7 } }),
    ] {
        // Durable, since the row has when the job began.
        let path = format!("/api/jobs/{external}/events?durable=true");
        post(&server, &path, &event, 200).await;
    }
    samples.add("job.running", get(&server, &format!("/api/jobs/{external}"), 200).await);
    let events = format!("/api/jobs/{external}/events");
    samples.add("events_page.gap", get(&server, &format!("{events}?after=x"), 200).await);
    let path = format!("/api/jobs/{}/events?limit=3", text(&blog, "job_id"));
    samples.add("events_page.three", get(&server, &path, 200).await);
    server.stop().await;
}
