//! What can go wrong at a provider, at each of them.

use futures_util::future::join_all;
use serde_json::json;

use super::{PROVIDERS, Studio};

/// Lets every provider meet the same fate, all at once, and looks at what came of it.
async fn each(prompt: &str, judge: impl Fn(&str, &super::Fate)) -> Studio {
    let studio = Studio::start().await;
    let fates = PROVIDERS.map(|provider| studio.fate(provider, prompt));
    for (provider, fate) in PROVIDERS.into_iter().zip(join_all(fates).await) {
        judge(provider, &fate);
        // The fate is the job's, not the provider's.
        assert_eq!(studio.count(provider, "leaked_keys").await, 0, "{provider}");
        assert_eq!(studio.count(provider, "early").await, 0, "{provider}");
    }
    studio
}

async fn assert_nothing_charged(studio: &Studio) {
    let (available, held, captured) = studio.credits().await;
    assert_eq!((available, held, captured), (100_000_000_000, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_goes_well_is_started_once_and_charged_once() {
    let studio = each("a red kite", |provider, fate| {
        let summary = fate.assert_completed();
        assert_eq!(summary["provider"], provider);
        assert!(summary["cost"].as_i64() > Some(0), "{summary}");
    })
    .await;
    for provider in PROVIDERS {
        let counts = studio.counts(provider).await;
        assert_eq!((&counts["started"], &counts["downloads"]), (&json!(1), &json!(1)), "{counts}");
        assert_eq!(counts["cancels"], 0);
    }
    let (available, held, captured) = studio.credits().await;
    assert_eq!((available + captured, held), (100_000_000_000, 0));
    assert!(captured > 0);
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_its_provider_fails_is_failed_and_costs_nothing() {
    let studio = each("[fail] a red kite", |provider, fate| {
        assert!(["broken", "busy"].contains(&fate.code()), "{provider}: {:?}", fate.end());
    })
    .await;
    assert_nothing_charged(&studio).await;
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moderated_job_says_so_and_is_not_tried_again() {
    let studio = each("[moderated] a red kite", |provider, fate| {
        assert_eq!(fate.code(), "moderated", "{provider}");
        assert_eq!(fate.end().data["retryable"], false, "{provider}");
    })
    .await;
    for provider in PROVIDERS {
        assert_eq!(studio.count(provider, "starts").await, 1, "{provider}");
    }
    assert_nothing_charged(&studio).await;
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limited_job_waits_as_long_as_it_was_told_and_completes() {
    for prompt in ["[429] a red kite", "[429-bare] a red kite"] {
        let studio = each(prompt, |_, fate| {
            fate.assert_completed();
        })
        .await;
        for provider in PROVIDERS {
            let counts = studio.counts(provider).await;
            assert_eq!(counts["started"], 1, "{provider}: {counts}");
            assert!(counts["starts"].as_u64() >= Some(3), "{provider}: {counts}");
        }
        studio.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_storm_nobody_comes_back_before_the_time_that_was_named() {
    let studio = Studio::with(20.0, |settings| settings.workers = 8).await;
    let storm = (0..3).flat_map(|number| {
        let prompt = format!("[429] kite {number}");
        PROVIDERS.map(|provider| {
            let (studio, prompt) = (&studio, prompt.clone());
            async move { studio.fate(provider, &prompt).await }
        })
    });
    for fate in join_all(storm).await {
        fate.assert_completed();
    }
    for provider in PROVIDERS {
        let counts = studio.counts(provider).await;
        assert_eq!((&counts["early"], &counts["started"]), (&json!(0), &json!(3)), "{counts}");
    }
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_of_the_provider_are_waited_out() {
    let studio = each("[500] a red kite", |_, fate| {
        fate.assert_completed();
    })
    .await;
    for provider in PROVIDERS {
        assert_eq!(studio.count(provider, "started").await, 1, "{provider}");
    }
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_whose_answer_was_cut_is_never_repeated() {
    let studio = each("[cut] a red kite", |provider, fate| {
        assert_eq!(fate.code(), "ambiguous_start", "{provider}");
        assert_eq!(fate.end().data["retryable"], false, "{provider}");
    })
    .await;
    for provider in PROVIDERS {
        assert_eq!(studio.count(provider, "starts").await, 1, "{provider}");
    }
    assert_nothing_charged(&studio).await;
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poll_that_was_cut_is_asked_again() {
    let studio = each("[cut-poll] a red kite", |_, fate| {
        fate.assert_completed();
    })
    .await;
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_work_is_waited_for() {
    let studio = each("[slow] a red kite", |_, fate| {
        fate.assert_completed();
    })
    .await;
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_the_provider_ends_has_an_end_here() {
    let studio = Studio::start().await;
    for provider in PROVIDERS {
        let fate = studio.fate(provider, "[aborted] a red kite").await;
        // The last two have no word for it but that of a failure.
        let words = match provider {
            "minimax" => "busy",
            "bfl" => "broken",
            _ => "canceled_by_provider",
        };
        assert_eq!(fate.code(), words, "{provider}");
        assert_eq!(studio.count(provider, "cancels").await, 0, "{provider}");
    }
    assert_nothing_charged(&studio).await;
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_never_ends_times_out_and_is_canceled_at_the_provider() {
    let studio = Studio::start().await;
    let fates = join_all(PROVIDERS.map(|provider| studio.fate(provider, "[never] a red kite")));
    for (provider, fate) in PROVIDERS.into_iter().zip(fates.await) {
        assert_eq!(fate.code(), "timeout", "{provider}");
        // The other two have no way to cancel.
        if ["replicate", "fal", "runway"].contains(&provider) {
            studio.until_counted(provider, "cancels", 1).await;
        }
    }
    assert_nothing_charged(&studio).await;
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canceled_job_is_canceled_at_the_provider_and_costs_nothing() {
    let studio = Studio::start().await;
    for provider in PROVIDERS {
        let answer = studio.submit(provider, "[never] a red kite").await;
        let job = answer["job_id"].as_str().expect("an id");
        studio.until_counted(provider, "polls", 1).await;
        let path = format!("/api/jobs/{job}/cancel");
        let (status, view) = studio.server.post(&path, &json!({ "reason": "enough" })).await;
        assert_eq!((status, &view["status"]), (200, &json!("canceled")), "{provider}: {view}");
        if ["replicate", "fal", "runway"].contains(&provider) {
            studio.until_counted(provider, "cancels", 1).await;
        }
    }
    assert_nothing_charged(&studio).await;
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_has_expired_is_asked_for_anew_once() {
    let studio = Studio::start().await;
    for provider in PROVIDERS {
        let fate = studio.fate(provider, "[expired-url] a red kite").await;
        assert_eq!(fate.end().event, "completed", "{provider}: {:?}", fate.end());
        assert!(studio.count(provider, "expired").await >= 1, "{provider}");
        let gone = studio.fate(provider, "[gone-url] a red kite").await;
        assert_eq!(gone.code(), "expired", "{provider}");
    }
    studio.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_keeps_failing_is_paused_and_said_to_be() {
    let mut studio = Studio::with(1.0, |settings| {
        settings.replicate_api_token = Some("wrong-key".into());
        settings.workers = 1;
    })
    .await;
    // Each node finds out by itself.
    studio.server = studio.server.at_one_node();
    for number in 0..5 {
        let fate = studio.fate("replicate", &format!("kite {number}")).await;
        assert_eq!(fate.code(), "unauthorised");
    }
    let model = studio.server.get("/api/models/seedance-t2v").await.1;
    assert_eq!(model["health"]["status"], "paused", "{model}");
    assert_eq!(model["health"]["reason"], "unauthorised");
    assert!(model["health"]["resumes_in_ms"].as_u64() > Some(0));
    let waiting = studio.submit("replicate", "one more").await;
    let well = studio.server.get("/api/models/bfl/flux-2-pro").await.1;
    assert_eq!(well["health"]["status"], "ok", "{well}");
    let job = waiting["job_id"].as_str().expect("an id");
    let view = studio.server.get(&format!("/api/jobs/{job}")).await.1;
    assert_eq!(view["status"], "pending", "{view}");
    studio.stop().await;
}
