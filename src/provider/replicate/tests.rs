use secrecy::SecretString;
use serde_json::{Value, json};

use super::super::error::Error;
use super::super::local_client;
use super::super::media::{Operation, Place, Service, State, Unverified};
use super::super::stage::{
    KEY, Reply, Stage, callback, fields, file, headers, operation, request, webhook,
};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

async fn start(service: &dyn Service) -> Result<Operation, Error> {
    let input = fields(json!({"prompt": "a kite", "duration": 5}));
    service.start(request("owner/name", "", &input, Some(&webhook()))).await
}

async fn polled(prediction: Value) -> State {
    let stage = Stage::open().await;
    stage.on("GET /predictions/p1", Reply::json(200, &prediction));
    stage.service("replicate").poll(&operation("p1", json!({}))).await.unwrap()
}

#[tokio::test]
async fn an_official_model_costs_one_request() {
    let stage = Stage::open().await;
    stage.on("POST /models/owner/name/predictions", Reply::json(201, &json!({"id": "p1"})));
    let started = start(&*stage.service("replicate")).await.unwrap();
    assert_eq!(started, operation("p1", json!({})));
    let [seen] = &stage.seen()[..] else { panic!("{:?}", stage.lines()) };
    assert_eq!(seen.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    assert_eq!(seen.header("prefer"), None);
    let body = json!({
        "input": {"prompt": "a kite", "duration": 5},
        "webhook": webhook().url,
        "webhook_events_filter": ["completed"],
    });
    assert_eq!(seen.json(), body);
}

#[tokio::test]
async fn another_model_is_run_by_its_latest_version_which_is_remembered() {
    let stage = Stage::open().await;
    let model = json!({"latest_version": {"id": "abc"}});
    stage.on("GET /models/owner/name", Reply::json(200, &model));
    stage.on("POST /predictions", Reply::json(202, &json!({"id": "p1"})));
    let service = stage.service("replicate");
    start(&*service).await.unwrap();
    start(&*service).await.unwrap();
    let asked = [
        "POST /models/owner/name/predictions",
        "GET /models/owner/name",
        "POST /predictions",
        "POST /predictions",
    ];
    assert_eq!(stage.lines(), asked);
    assert!(stage.seen()[2..].iter().all(|seen| seen.json()["version"] == "abc"));
}

#[tokio::test]
async fn a_version_that_is_gone_is_looked_up_again() {
    let stage = Stage::open().await;
    for version in ["abc", "def"] {
        let model = json!({"latest_version": {"id": version}});
        stage.on("GET /models/owner/name", Reply::json(200, &model));
    }
    let invalid =
        json!({"title": "Invalid version or not permitted", "detail": "x", "status": 422});
    stage
        .on("POST /predictions", Reply::json(201, &json!({"id": "p1"})))
        .on("POST /predictions", Reply::json(422, &invalid))
        .on("POST /predictions", Reply::json(201, &json!({"id": "p2"})));
    let service = stage.service("replicate");
    assert_eq!(start(&*service).await.unwrap().id, "p1");
    assert_eq!(start(&*service).await.unwrap().id, "p2");
    assert_eq!(stage.seen().last().unwrap().json()["version"], "def");
}

#[tokio::test]
async fn a_model_that_does_not_exist_is_refused() {
    let stage = Stage::open().await;
    let nothing = json!({"detail": "not found", "status": 404});
    stage.on("GET /models/owner/name", Reply::json(404, &nothing));
    let service = stage.service("replicate");
    assert_eq!(start(&*service).await.unwrap_err().code(), "refused_input");
    stage.on("GET /models/owner/name", Reply::json(200, &json!({"latest_version": null})));
    assert_eq!(start(&*service).await.unwrap_err().code(), "refused_input");
}

#[tokio::test]
async fn the_delay_of_a_limit_is_found_in_header_body_or_words() {
    let words = json!({"detail": "Request was throttled. Your rate limit resets in ~30s."});
    let number = json!({"detail": "throttled", "status": 429, "retry_after": 10});
    for (reply, seconds) in [
        (Reply::json(429, &number).with("retry-after", "3"), Some(3)),
        (Reply::json(429, &number), Some(10)),
        (Reply::json(429, &words), Some(30)),
        (Reply::json(429, &json!({"detail": "slow"})), None),
    ] {
        let stage = Stage::always(reply).await;
        let error = start(&*stage.service("replicate")).await.unwrap_err();
        assert_eq!(error.code(), "rate_limited");
        assert_eq!(error.retry_after().map(|delay| delay.as_secs()), seconds);
    }
}

#[tokio::test]
async fn an_input_that_the_schema_refuses_is_told_in_its_words() {
    let refused = json!({"title": "Input validation failed", "detail": "- input: prompt is required\n",
        "status": 422, "invalid_fields": []});
    let stage = Stage::always(Reply::json(422, &refused)).await;
    let error = start(&*stage.service("replicate")).await.unwrap_err();
    let message = "- input: prompt is required (HTTP 422)".to_owned();
    assert_eq!(error, Error::RefusedInput { message });
}

#[tokio::test]
async fn each_status_has_its_state() {
    assert_eq!(polled(json!({"status": "starting"})).await, State::Queued { position: None });
    let logs = "loading\n 42%|████      | 21/50 [00:10<00:14]\n";
    let running = polled(json!({"status": "processing", "logs": logs})).await;
    let line = Some("42%|████ | 21/50 [00:10<00:14]".to_owned());
    assert_eq!(running, State::Running { percent: Some(42), line });
    let silent = polled(json!({"status": "processing", "logs": null})).await;
    assert_eq!(silent, State::Running { percent: None, line: None });
    for status in ["canceled", "aborted"] {
        let canceled = State::Canceled { message: status.to_owned() };
        assert_eq!(polled(json!({"status": status})).await, canceled);
    }
}

#[tokio::test]
async fn a_result_holds_the_output_and_nothing_that_is_secret() {
    let made = polled(json!({"id": "p1", "status": "succeeded", "output": "https://r.test/o.mp4",
        "input": {"prompt": "x"}, "logs": "x", "webhook": webhook().url}))
    .await;
    let kept = json!({"id": "p1", "status": "succeeded", "output": "https://r.test/o.mp4"});
    assert_eq!(made, State::Succeeded(kept));
    let removed =
        polled(json!({"status": "succeeded", "output": null, "data_removed": true})).await;
    assert!(matches!(removed, State::Failed(Error::Expired { .. })), "{removed:?}");
}

#[tokio::test]
async fn a_failure_is_sorted_by_its_text() {
    for (text, code) in [
        (json!("The input or output was flagged as sensitive. (E005)"), "moderated"),
        (json!("NSFW content detected"), "moderated"),
        (json!("E9243: error at start"), "refused_input"),
        (json!("Either audio_file or text must be given"), "refused_input"),
        (json!("E6716: start timeout"), "broken"),
        (json!(null), "broken"),
    ] {
        let state = polled(json!({"status": "failed", "error": text})).await;
        let State::Failed(error) = state else { panic!("{state:?}") };
        assert_eq!(error.code(), code, "{text}");
    }
}

#[tokio::test]
async fn a_prediction_that_nobody_knows_has_expired() {
    let stage = Stage::always(Reply::json(404, &json!({"detail": "no", "status": 404}))).await;
    let state = stage.service("replicate").poll(&operation("p1", json!({}))).await.unwrap();
    assert!(matches!(state, State::Failed(Error::Expired { .. })), "{state:?}");
}

#[tokio::test]
async fn a_cancel_goes_to_the_prediction() {
    let stage = Stage::always(Reply::json(200, &json!({"status": "canceled"}))).await;
    stage.service("replicate").cancel(&operation("p1", json!({}))).await.unwrap();
    assert_eq!(stage.lines(), ["POST /predictions/p1/cancel"]);
}

#[tokio::test]
async fn a_small_file_goes_along_and_a_large_one_is_uploaded() {
    let stage = Stage::open().await;
    let uploaded = json!({"id": "f1", "urls": {"get": "https://r.test/f1"}});
    stage.on("POST /files", Reply::json(201, &uploaded));
    let service = stage.service("replicate");
    let small = service.hand_on(file("image/png", 3)).await.unwrap();
    assert_eq!(small, "data:image/png;base64,eHh4");
    assert_eq!(stage.lines(), Vec::<String>::new());
    let large = service.hand_on(file("image/png", 200_000)).await.unwrap();
    assert_eq!(large, "https://r.test/f1");
    let [seen] = &stage.seen()[..] else { panic!("{:?}", stage.lines()) };
    let form = String::from_utf8_lossy(&seen.body);
    assert!(form.contains(r#"name="content"; filename="a.png""#), "{}", &form[..200]);
    assert!(form.contains("Content-Type: image/png") && form.len() > 200_000);
    assert_eq!(seen.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
}

const BODY: &[u8] = br#"{"test": 2432232314}"#;
const AT: i64 = 1_614_265_330;

fn signed(signature: &str) -> http::HeaderMap {
    headers(&[
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", signature),
    ])
}

const GOOD: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

#[tokio::test]
async fn a_callback_is_checked_with_the_secret_that_was_given() {
    let stage = Stage::open().await;
    let place = Place {
        base_url: Some(stage.url.clone()),
        webhook_secret: Some(SecretString::from(SECRET)),
        ..Place::default()
    };
    let client = local_client().unwrap();
    let service = super::super::registry::connect("replicate", client, place).unwrap();
    let (ours, good, bad) = (SecretString::from(""), signed(GOOD), signed("v1,AAAA"));
    let verified = service.verify(callback(&good, BODY, &ours, AT)).await.unwrap();
    assert_eq!(verified.message.as_deref(), Some("msg_p5jXN8AQM9LWM0D4loKWxJek"));
    let verify = |headers, body, now| service.verify(callback(headers, body, &ours, now));
    let forged = Unverified::Forged("webhook-signature");
    assert_eq!(verify(&bad, BODY, AT).await.unwrap_err(), forged);
    assert_eq!(verify(&good, b"{}", AT).await.unwrap_err(), forged);
    assert_eq!(verify(&good, BODY, AT + 301).await.unwrap_err(), Unverified::Stale(301));
    let none = headers(&[]);
    assert_eq!(verify(&none, BODY, AT).await.unwrap_err(), Unverified::Forged("webhook-id"));
    assert_eq!(stage.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn the_accounts_secret_is_fetched_once() {
    let stage = Stage::open().await;
    stage.on("GET /webhooks/default/secret", Reply::json(200, &json!({"key": SECRET})));
    let service = stage.service("replicate");
    let (ours, good, bad) = (SecretString::from(""), signed(GOOD), signed("v1,AAAA"));
    service.verify(callback(&good, BODY, &ours, AT)).await.unwrap();
    service.verify(callback(&bad, BODY, &ours, AT)).await.unwrap_err();
    service.verify(callback(&good, BODY, &ours, AT)).await.unwrap();
    assert_eq!(stage.lines(), ["GET /webhooks/default/secret"]);
    assert!(!format!("{service:?}").contains("MfKQ9r8"));
}

#[tokio::test]
async fn a_callback_that_cannot_be_checked_is_not_called_forged() {
    let stage = Stage::always(Reply::text(503, "")).await;
    let (ours, good) = (SecretString::from(""), signed(GOOD));
    let service = stage.service("replicate");
    let error = service.verify(callback(&good, BODY, &ours, AT)).await.unwrap_err();
    assert!(matches!(error, Unverified::Unchecked(Error::Busy { .. })), "{error:?}");
}
