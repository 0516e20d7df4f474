//! Lines of the queue: bounds, turns, positions.

use serde_json::{Value, json};

use super::{Fate, Studio};
use crate::harness::Reader;

async fn submit(studio: &Studio, project: &str, prompt: &str) -> String {
    let body = json!({ "prompt": prompt, "project_id": project });
    let (status, answer) = studio.server.post("/api/replicate/seedance-t2v/submit", &body).await;
    assert_eq!(status, 202, "{answer}");
    answer["job_id"].as_str().expect("an id").to_owned()
}

/// Reads until the job runs; gives the id of that event.
async fn until_running(reader: &mut Reader) -> u64 {
    loop {
        let status = reader.until("status").await;
        if status.data["status"] == "running" {
            return status.id.expect("an id");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_of_one_project_does_not_hold_up_a_job_of_another() {
    let studio = Studio::with(1000.0, |settings| settings.workers = 1).await;
    let first = submit(&studio, "batch", "[never] holds the place").await;
    until_running(&mut studio.server.follow(&first).await).await;
    let mut readers = Vec::new();
    for number in 0..6 {
        let job = submit(&studio, "batch", &format!("kite {number}")).await;
        readers.push(("batch", studio.server.follow(&job).await));
    }
    for number in 0..2 {
        let job = submit(&studio, "single", &format!("ball {number}")).await;
        readers.push(("single", studio.server.follow(&job).await));
    }
    studio.server.post(&format!("/api/jobs/{first}/cancel"), &json!({})).await;
    let mut order = Vec::new();
    for (project, reader) in &mut readers {
        order.push((until_running(reader).await, *project));
    }
    order.sort_unstable();
    let order: Vec<_> = order.into_iter().map(|(_, project)| project).collect();
    assert_eq!(order, ["single", "batch", "single", "batch", "batch", "batch", "batch", "batch"]);
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_jobs_run_at_each_provider_and_a_model_can_have_fewer() {
    let studio = Studio::with(1000.0, |settings| {
        settings.concurrency = [("veo3/text-to-video".to_owned(), 1), ("bfl".to_owned(), 5)].into();
    })
    .await;
    let mut jobs = Vec::new();
    for number in 0..7 {
        for (provider, path, body) in [
            ("replicate", "/api/replicate/seedance-t2v/submit", json!({})),
            ("fal", "/api/fal/veo3/text-to-video/submit", json!({})),
            ("bfl", "/api/images/generate", json!({ "model": "bfl/flux-2-pro" })),
        ] {
            let mut body = body;
            body["prompt"] = format!("[never] kite {number}").into();
            let (status, answer) = studio.server.post(path, &body).await;
            assert_eq!(status, 202, "{answer}");
            jobs.push((provider, answer["job_id"].as_str().expect("an id").to_owned()));
        }
    }
    studio.until_counted("replicate", "started", 3).await;
    studio.until_counted("fal", "started", 1).await;
    studio.until_counted("bfl", "started", 5).await;
    let running = |provider: &str, page: &Value| {
        let jobs: Vec<_> =
            jobs.iter().filter(|(of, _)| *of == provider).map(|(_, id)| id).collect();
        let is_one = |job: &&Value| jobs.iter().any(|id| job["id"] == id.as_str());
        page["jobs"].as_array().expect("jobs").iter().filter(is_one).count()
    };
    let page = studio.server.get("/api/jobs?status=running&limit=200").await.1;
    assert!(running("replicate", &page) <= 3 && running("fal", &page) <= 1, "{page}");
    assert!(running("bfl", &page) <= 5, "{page}");
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_watches_is_told_the_place_in_the_queue_and_nothing_of_it_is_stored() {
    let studio = Studio::with(1000.0, |settings| settings.workers = 0).await;
    for number in 0..4 {
        submit(&studio, "batch", &format!("kite {number}")).await;
    }
    let job = submit(&studio, "single", "ball").await;
    let last = submit(&studio, "batch", "kite 4").await;
    for (job, place) in [(job, 2), (last, 6)] {
        let mut reader = studio.server.follow(&job).await;
        let told = reader.until("queue").await;
        assert_eq!((told.id, &told.data["position"]), (None, &json!(place)), "{told:?}");
        let events = studio.server.get(&format!("/api/jobs/{job}/events")).await.1;
        let events = events["events"].as_array().expect("events");
        assert!(events.iter().all(|event| event["type"] != "queue"), "{events:?}");
    }
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_task_is_not_queued_or_charged_twice() {
    let studio = Studio::with(1000.0, |settings| settings.workers = 0).await;
    let body = json!({ "prompt": "a red kite" });
    let path = "/api/replicate/seedance-t2v/submit";
    let first = studio.server.post(path, &body).await.1;
    let (_, held, _) = studio.credits().await;
    let second = studio.server.post(path, &body).await.1;
    assert_eq!(second["job_id"], first["job_id"]);
    assert_eq!(second["deduplicated"], true);
    assert_eq!(studio.credits().await.1, held);
    let other = json!({ "prompt": "a red kite", "allow_duplicate": true });
    let third = studio.server.post(path, &other).await.1;
    assert_ne!(third["job_id"], first["job_id"]);
    let fast = studio.server.post("/api/replicate/seedance-pro-fast-t2v/submit", &body).await.1;
    assert_ne!(fast["job_id"], first["job_id"], "another model is another task");
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_too_few_credits_is_told_how_many_are_missing() {
    let studio = Studio::with(1000.0, |settings| settings.demo_credits = 0).await;
    let body = json!({ "prompt": "a red kite" });
    let path = "/api/replicate/seedance-t2v/submit";
    let (status, problem) = studio.server.post(path, &body).await;
    assert_eq!((status, &problem["code"]), (402, &json!("insufficient_credits")), "{problem}");
    let needed = problem["needed"].as_i64().expect("a number");
    assert_eq!(problem["shortfall"], needed);
    let grant = json!({ "amount": needed });
    assert_eq!(studio.server.post("/api/credits/grant", &grant).await.0, 201);
    let (status, answer) = studio.server.post(path, &body).await;
    assert_eq!((status, &answer["hold"]), (202, &json!(needed)), "{answer}");
    let job = answer["job_id"].as_str().expect("an id").to_owned();
    let messages = studio.server.follow(&job).await.read_to_end().await;
    Fate { messages }.assert_completed();
    let (available, held, captured) = studio.credits().await;
    assert_eq!((available + captured, held), (needed, 0));
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_with_a_file_in_it_is_the_same_request_when_it_is_sent_again() {
    let studio = Studio::with(1000.0, |settings| settings.workers = 0).await;
    let image = "data:image/gif;base64,R0lGODlhQAHwAAAAADs=";
    let body = json!({ "promptText": "a kite", "promptImage": image, "ratio": "1280:720",
        "duration": 5, "model": "runway/gen4.5/image-to-video" });
    let url = studio.server.url("/api/runway/video");
    let send = || studio.server.http.post(&url).header("idempotency-key", "k").json(&body).send();
    let first = send().await.expect("an answer");
    assert_eq!(first.status(), 202);
    let first: Value = first.json().await.expect("JSON");
    let again = send().await.expect("an answer");
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(again.json::<Value>().await.expect("JSON")["job_id"], first["job_id"]);
    let (_, plain) = studio.server.post("/api/runway/video", &body).await;
    assert_eq!((&plain["job_id"], &plain["deduplicated"]), (&first["job_id"], &json!(true)));
    studio.stop().await;
}
