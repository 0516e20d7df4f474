//! What is the same for every provider: one suite over all of them.

use serde_json::{Value, json};

use super::error::{Error, Sent};
use super::media::Operation;
use super::registry::PROVIDERS;
use super::stage::{
    KEY, Reply, Stage, WEBHOOK_SECRET, fields, hang_up, nowhere, operation, request, service,
    webhook,
};

/// A model and a route of each provider.
fn model_of(name: &str) -> (&'static str, &'static str) {
    match name {
        "runway" => ("gen4_turbo", "image_to_video"),
        "minimax" => ("MiniMax-Hailuo-02", "v1"),
        "bfl" => ("flux-2-pro", ""),
        _ => ("owner/name", ""),
    }
}

async fn start(name: &str, url: &str) -> Result<Operation, Error> {
    let (model, endpoint) = model_of(name);
    let (input, webhook) = (fields(json!({"prompt": "a kite"})), webhook());
    service(name, url).start(request(model, endpoint, &input, Some(&webhook))).await
}

async fn poll(name: &str, url: &str) -> Error {
    let operation = operation("op-1", json!({"model": "owner/name"}));
    service(name, url).poll(&operation).await.unwrap_err()
}

async fn start_error(name: &str, reply: Reply) -> Error {
    start(name, &Stage::always(reply).await.url).await.unwrap_err()
}

#[tokio::test]
async fn a_start_that_may_have_arrived_is_ambiguous() {
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"id\":";
    for entry in PROVIDERS {
        let name = entry.name;
        for words in ["", half] {
            let error = start(name, &hang_up(words).await).await.unwrap_err();
            assert_eq!(error.code(), "ambiguous_start", "{name} {error}");
        }
        for reply in [
            Reply::text(502, "<html>Bad Gateway</html>"),
            Reply::text(504, ""),
            Reply::json(503, &json!({"message": "Service Unavailable"})),
            Reply::json(504, &json!({"error": "upstream request timeout"})),
            Reply::json(524, &json!({"detail": "a timeout occurred"})),
            Reply::text(200, "<html>hello</html>"),
            Reply::text(200, ""),
            Reply::json(200, &json!({})),
            Reply::json(200, &json!({"id": "", "request_id": null, "task_id": "../x"})),
            Reply::json(200, &json!([1])),
        ] {
            let error = start_error(name, reply.clone()).await;
            assert_eq!(error.code(), "ambiguous_start", "{name} {reply:?} {error}");
        }
    }
}

#[tokio::test]
async fn a_start_that_was_clearly_refused_is_sorted() {
    for entry in PROVIDERS {
        let name = entry.name;
        let detail = json!({"detail": "so it is"});
        for (status, code) in [
            (400, "refused_input"),
            (401, "unauthorised"),
            (402, "out_of_funds"),
            (403, "unauthorised"),
            (422, "refused_input"),
            (500, "broken"),
            (503, "busy"),
            (301, "protocol"),
        ] {
            let error = start_error(name, Reply::json(status, &detail)).await;
            assert_eq!(error.code(), code, "{name} {status} {error}");
        }
        let limited = Reply::json(429, &detail).with("retry-after", "7");
        let error = start_error(name, limited).await;
        assert_eq!(error.code(), "rate_limited", "{name}");
        assert_eq!(error.retry_after().unwrap().as_secs(), 7, "{name}");
        let plain = start_error(name, Reply::text(400, "no")).await;
        assert_eq!(plain.code(), "refused_input", "{name}");
    }
}

#[tokio::test]
async fn a_start_that_reached_nobody_started_nothing() {
    for entry in PROVIDERS {
        let error = start(entry.name, &nowhere().await).await.unwrap_err();
        let unsent = matches!(error, Error::Transport { sent: Sent::No, .. });
        assert!(unsent, "{} {error:?}", entry.name);
    }
}

#[tokio::test]
async fn a_poll_that_fails_says_nothing_about_the_work() {
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"id\":";
    for entry in PROVIDERS {
        let name = entry.name;
        assert_eq!(poll(name, &hang_up("").await).await.code(), "transport", "{name}");
        assert_eq!(poll(name, &hang_up(half).await).await.code(), "truncated", "{name}");
        for (reply, code) in [
            (Reply::text(502, "<html>Bad Gateway</html>"), "busy"),
            (Reply::text(500, ""), "broken"),
            (Reply::text(404, "<html>Not Found</html>"), "broken"),
            (Reply::text(200, "<html>hello</html>"), "broken"),
            (Reply::json(200, &json!({})), "protocol"),
            (Reply::json(401, &json!({"detail": "no"})), "unauthorised"),
            (Reply::json(429, &json!({"detail": "slow"})), "rate_limited"),
        ] {
            let stage = Stage::always(reply.clone()).await;
            assert_eq!(poll(name, &stage.url).await.code(), code, "{name} {reply:?}");
        }
    }
}

#[tokio::test]
async fn a_word_that_nobody_knows_is_work_in_progress() {
    for entry in PROVIDERS {
        let stage = Stage::always(Reply::json(200, &json!({"status": "PONDERING"}))).await;
        let operation = operation("op-1", json!({"model": "owner/name"}));
        let state = stage.service(entry.name).poll(&operation).await.unwrap();
        let running = super::media::State::Running { percent: None, line: None };
        assert_eq!(state, running, "{}", entry.name);
    }
}

#[tokio::test]
async fn no_secret_comes_back_in_an_error() {
    let webhook = webhook();
    let echo = format!("{KEY} {} {WEBHOOK_SECRET}", webhook.url);
    for entry in PROVIDERS {
        for reply in [
            Reply::json(422, &json!({"detail": echo})),
            Reply::json(422, &json!({"detail": [{"msg": echo, "loc": []}]})),
            Reply::json(200, &json!({"base_resp": {"status_code": 1008, "status_msg": echo}})),
            Reply::text(400, &echo),
        ] {
            let shown = format!("{:?}", start_error(entry.name, reply).await);
            for secret in [KEY, "key-secret-5678"] {
                assert!(!shown.contains(secret), "{} {shown}", entry.name);
            }
            // Runway is told nothing of a webhook.
            if entry.name != "runway" {
                for secret in ["token-123456", WEBHOOK_SECRET] {
                    assert!(!shown.contains(secret), "{} {shown}", entry.name);
                }
            }
        }
    }
}

#[tokio::test]
async fn an_id_that_leads_elsewhere_is_not_asked_for() {
    for entry in PROVIDERS {
        let stage = Stage::always(Reply::json(200, &json!({}))).await;
        let operation = operation("../../account", json!({"model": "owner/name", "api": "v2"}));
        let service = stage.service(entry.name);
        assert_eq!(service.poll(&operation).await.unwrap_err().code(), "protocol");
        service.cancel(&operation).await.ok();
        assert_eq!(stage.lines(), Vec::<String>::new(), "{}", entry.name);
    }
}

#[tokio::test]
async fn a_cancel_that_comes_too_late_is_fine_and_one_that_is_not_taken_is_not() {
    for name in ["replicate", "fal", "runway", "minimax"] {
        let operation = operation("op-1", json!({"model": "owner/name", "api": "v2"}));
        for (status, fine) in [
            (200, true),
            (202, true),
            (204, true),
            (400, true),
            (404, true),
            (401, false),
            (503, false),
        ] {
            let body: Value = json!({"detail": "x"});
            let stage = Stage::always(Reply::json(status, &body)).await;
            let canceled = stage.service(name).cancel(&operation).await;
            assert_eq!(canceled.is_ok(), fine, "{name} {status}");
        }
    }
}
