//! A server that is restarted while providers work.

use serde_json::{Value, json};

use super::{PROVIDERS, Studio};
use crate::harness::database::Database;
use crate::harness::process::Process;
use crate::harness::{Reader, TestServer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_is_polled_on_after_a_restart_and_started_once() {
    // Ten times as fast as real providers: long enough to be in the middle of.
    let mut studio = Studio::with(40.0, |_| {}).await;
    let mut jobs = Vec::new();
    for provider in PROVIDERS {
        let answer = studio.submit(provider, "[slow] a red kite").await;
        jobs.push((provider, answer["job_id"].as_str().expect("an id").to_owned()));
    }
    for provider in PROVIDERS {
        studio.until_counted(provider, "polls", 1).await;
    }
    studio = studio.restart().await;
    for (provider, job) in jobs {
        let view = studio.server.wait_for_end(&job).await;
        assert_eq!(view["status"], "completed", "{provider}: {view}");
        let counts = studio.counts(provider).await;
        assert_eq!((&counts["starts"], &counts["started"]), (&json!(1), &json!(1)), "{provider}");
    }
    let (_, held, captured) = studio.credits().await;
    assert!(held == 0 && captured > 0);
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_canceled_between_two_runs_is_canceled_at_its_provider() {
    let studio = Studio::with(1000.0, |_| {}).await;
    let answer = studio.submit("replicate", "[never] a red kite").await;
    let job = answer["job_id"].as_str().expect("an id").to_owned();
    studio.until_counted("replicate", "polls", 1).await;
    // The next process runs no jobs, as one that is busy with others would not.
    let mut settings = studio.server.settings.clone();
    settings.workers = 0;
    let studio = studio.restart_with(settings).await;
    let path = format!("/api/jobs/{job}/cancel");
    let (status, view) = studio.server.post(&path, &json!({})).await;
    assert_eq!(status, 200, "{view}");
    studio.until_counted("replicate", "cancels", 1).await;
    assert_eq!(studio.count("replicate", "started").await, 1);
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_goes_on_after_the_server_was_killed_and_was_started_once() {
    let studio = Studio::with(40.0, |settings| settings.workers = 0).await;
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let mut variables = vec![("TAILWATER_SIMULATOR_SPEED", "40".to_owned())];
    for (base, key, provider) in [
        ("TAILWATER_REPLICATE_BASE_URL", "REPLICATE_API_TOKEN", "replicate"),
        ("TAILWATER_FAL_BASE_URL", "FAL_KEY", "fal"),
        ("TAILWATER_RUNWAY_BASE_URL", "RUNWAYML_API_SECRET", "runway"),
        ("TAILWATER_MINIMAX_BASE_URL", "MINIMAX_API_KEY", "minimax"),
        ("TAILWATER_BFL_BASE_URL", "BFL_API_KEY", "bfl"),
    ] {
        variables.push((base, studio.bases[provider].clone()));
        variables.push((key, "simulated-key".to_owned()));
    }
    let process = Process::serve_with(&data, "127.0.0.1:0", &[], &variables).await;
    let url = format!("http://{}", process.address);
    let http = studio.server.http.clone();
    let mut jobs = Vec::new();
    for (provider, path) in [
        ("replicate", "/api/replicate/seedance-t2v/submit"),
        ("fal", "/api/fal/veo3/text-to-video/fast/submit"),
    ] {
        let body = json!({ "prompt": "[slow] a red kite" });
        let answer = http.post(format!("{url}{path}")).json(&body).send().await.expect("an answer");
        let answer: Value = answer.json().await.expect("JSON");
        jobs.push((provider, answer["job_id"].as_str().expect("an id").to_owned()));
        studio.until_counted(provider, "polls", 1).await;
    }
    process.kill().await;
    let process = Process::serve_with(&data, "127.0.0.1:0", &[], &variables).await;
    let url = format!("http://{}", process.address);
    for (provider, job) in jobs {
        let stream = format!("{url}/api/jobs/{job}/stream");
        let messages = Reader::open(&http, &stream, None).await.read_to_end().await;
        let end = messages.last().expect("an end");
        assert_eq!(end.event, "completed", "{provider}: {end:?}");
        let counts = studio.counts(provider).await;
        assert_eq!((&counts["starts"], &counts["started"]), (&json!(1), &json!(1)), "{provider}");
    }
    process.kill().await;
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_a_dead_process_meant_to_make_is_not_made_again() {
    let studio = Studio::with(1000.0, |settings| settings.workers = 0).await;
    let answer = studio.submit("replicate", "a red kite").await;
    let job = answer["job_id"].as_str().expect("an id").to_owned();
    let mut database = Database::open(&studio.server.database()).await;
    database
        .run(
            "insert into operation (job_id, attempt, provider, token, intended_at) \
             values (?, 1, 'replicate', 'secret', 1795000000000)",
            &[&job],
        )
        .await;
    let mut settings = studio.server.settings.clone();
    settings.workers = 3;
    let studio = studio.restart_with(settings).await;
    let view = studio.server.wait_for_end(&job).await;
    assert_eq!(view["error"]["code"], "ambiguous_start", "{view}");
    assert_eq!(studio.count("replicate", "starts").await, 0);
    assert_eq!(studio.credits().await.1, 0, "nothing is held after the end");
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_was_done_while_the_server_was_down_past_its_time_limit_is_fetched() {
    let studio = Studio::with(100.0, |_| {}).await;
    let answer = studio.submit("replicate", "[slow] a red kite").await;
    let job = answer["job_id"].as_str().expect("an id").to_owned();
    studio.until_counted("replicate", "polls", 1).await;
    let Studio { server, bases, _beside } = studio;
    let (settings, file, http) = (server.settings.clone(), server.database(), server.http.clone());
    let data = server.stop().await;
    let mut database = Database::open(&file).await;
    let handle = "select handle from operation where job_id = ?";
    let handle: Value = database.text(handle, &[&job]).await.parse().expect("JSON");
    let id = handle["id"].as_str().expect("the provider's id");
    let url = format!("{}/predictions/{id}", bases["replicate"]);
    loop {
        let asked = http.get(&url).bearer_auth("simulated-key").send().await.expect("an answer");
        let view: Value = asked.json().await.expect("JSON");
        if view["status"] == "succeeded" {
            break;
        }
    }
    // Nobody has looked for a day.
    let day = "update operation set intended_at = 1, started_at = 1 where job_id = ?";
    database.run(day, &[&job]).await;
    drop(database);
    let studio = Studio { server: TestServer::on(data, settings).await, bases, _beside };
    let view = studio.server.wait_for_end(&job).await;
    assert_eq!(view["status"], "completed", "{view}");
    assert_eq!(studio.count("replicate", "started").await, 1);
    studio.stop().await;
}
