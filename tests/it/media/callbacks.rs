//! Providers that call back.

use serde_json::{Value, json};

use super::{CALLING_BACK, Studio};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_ends_the_wait_and_saves_the_polls() {
    let studio = Studio::called_back(100.0).await;
    for provider in CALLING_BACK {
        studio.fate(provider, "a red kite").await.assert_completed();
        let counts = studio.counts(provider).await;
        assert!(counts["callbacks"].as_u64() >= Some(1), "{provider}: {counts}");
        assert!(counts["polls"].as_u64() <= Some(2), "{provider}: {counts}");
        // The result is a request of its own at two of them.
        let results = u64::from(["fal", "minimax"].contains(&provider));
        assert_eq!(counts["results"], results, "{provider}: {counts}");
    }
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_callback_is_made_good_by_a_poll() {
    let studio = Studio::called_back(1000.0).await;
    for provider in CALLING_BACK {
        studio.fate(provider, "[lost-webhook] a red kite").await.assert_completed();
    }
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_that_comes_twice_is_refused_the_second_time() {
    let studio = Studio::called_back(1000.0).await;
    for provider in CALLING_BACK {
        let fate = studio.fate(provider, "[twice-webhook] a red kite").await;
        fate.assert_completed();
        studio.until_counted(provider, "callbacks_refused", 1).await;
    }
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_callback_is_refused_and_the_real_one_is_not() {
    let studio = Studio::called_back(1000.0).await;
    for provider in CALLING_BACK {
        let fate = studio.fate(provider, "[forged-webhook] a red kite").await;
        fate.assert_completed();
        assert!(studio.count(provider, "callbacks_refused").await >= 1, "{provider}");
        studio.until_counted(provider, "callbacks", 1).await;
    }
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_whose_answer_was_cut_is_found_again_by_its_callback() {
    let studio = Studio::called_back(1000.0).await;
    for provider in CALLING_BACK {
        let fate = studio.fate(provider, "[cut] a red kite").await;
        fate.assert_completed();
        let counts = studio.counts(provider).await;
        assert_eq!((&counts["starts"], &counts["started"]), (&json!(1), &json!(1)), "{provider}");
    }
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_calls_back_about_a_job_without_its_secret() {
    let studio = Studio::called_back(1.0).await;
    let answer = studio.submit("replicate", "[never] a red kite").await;
    let job = answer["job_id"].as_str().expect("an id");
    studio.until_counted("replicate", "starts", 1).await;
    let body = json!({ "id": "x", "status": "succeeded", "output": "http://evil.example/x.mp4" });
    for path in [
        format!("/api/webhooks/replicate/{job}/1/guess"),
        format!("/api/webhooks/fal/{job}/1/guess"),
        "/api/webhooks/replicate/job_unknown/1/guess".to_owned(),
        "/api/webhooks/nobody/x/y/z".to_owned(),
    ] {
        let (status, problem) = studio.server.post(&path, &body).await;
        assert_eq!((status, &problem["code"]), (401, &json!("forged_callback")), "{problem}");
    }
    let view: Value = studio.server.get(&format!("/api/jobs/{job}")).await.1;
    assert_eq!(view["status"], "running", "{view}");
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limited_start_is_the_same_request_when_it_is_sent_again() {
    let studio = Studio::called_back(20.0).await;
    for provider in CALLING_BACK {
        studio.fate(provider, "[429] a red kite").await.assert_completed();
        assert_eq!(studio.count(provider, "early").await, 0, "{provider}");
    }
    studio.stop().await;
}
