use secrecy::SecretString;
use serde_json::{Value, json};

use super::super::error::Error;
use super::super::media::{Operation, Service, State};
use super::super::stage::{KEY, Reply, Stage, callback, fields, file, headers, operation, request};

const TASK: &str = "0b5f5a6c-0000-4000-8000-000000000001";

async fn start(
    service: &dyn Service,
    model: &str,
    endpoint: &str,
    input: Value,
) -> Result<Operation, Error> {
    service.start(request(model, endpoint, &fields(input), None)).await
}

async fn polled(task: Value) -> State {
    let stage = Stage::open().await;
    stage.on(&format!("GET /v1/tasks/{TASK}"), Reply::json(200, &task));
    stage.service("runway").poll(&operation(TASK, json!({}))).await.unwrap()
}

#[tokio::test]
async fn a_task_is_started_at_its_route_with_the_version_of_the_api() {
    let stage = Stage::always(Reply::json(200, &json!({"id": TASK}))).await;
    let input = json!({"promptImage": "data:image/png;base64,eHh4", "ratio": "1280:720"});
    let started = start(&*stage.service("runway"), "gen4_turbo", "image_to_video", input).await;
    assert_eq!(started.unwrap(), operation(TASK, json!({})));
    let [seen] = &stage.seen()[..] else { panic!("{:?}", stage.lines()) };
    assert_eq!(seen.line, "POST /v1/image_to_video");
    assert_eq!(seen.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    assert_eq!(seen.header("x-runway-version"), Some("2024-11-06"));
    let body = json!({"model": "gen4_turbo", "promptImage": "data:image/png;base64,eHh4",
        "ratio": "1280:720"});
    assert_eq!(seen.json(), body);
}

#[tokio::test]
async fn a_route_that_cannot_be_one_is_refused() {
    let stage = Stage::always(Reply::json(200, &json!({"id": TASK}))).await;
    for endpoint in ["", "../v2/x", "Tasks"] {
        let error = start(&*stage.service("runway"), "m", endpoint, json!({})).await.unwrap_err();
        assert_eq!(error.code(), "refused_input", "{endpoint}");
    }
    assert_eq!(stage.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn a_character_is_an_image_or_a_video_by_its_address_or_by_our_word() {
    for (mut input, kind) in [
        (json!({"character": "https://a.test/me.png?x=1"}), "image"),
        (json!({"character": "https://a.test/me.MP4"}), "video"),
        (json!({"character": "data:image/webp;base64,eHh4"}), "image"),
        (json!({"character": "https://a.test/me", "character_type": "video"}), "video"),
        (json!({"character": "https://a.test/me.png", "character_type": "video"}), "image"),
    ] {
        let stage = Stage::always(Reply::json(200, &json!({"id": TASK}))).await;
        let uri = input["character"].clone();
        input["reference"] = json!("https://a.test/r");
        let endpoint = "character_performance";
        start(&*stage.service("runway"), "act_two", endpoint, input).await.unwrap();
        let body = json!({
            "model": "act_two",
            "character": {"type": kind, "uri": uri},
            "reference": {"type": "video", "uri": "https://a.test/r"},
        });
        assert_eq!(stage.seen()[0].json(), body);
    }
}

#[tokio::test]
async fn a_character_of_unknown_kind_is_refused_before_it_is_sent() {
    let stage = Stage::open().await;
    let input = json!({"character": "https://a.test/me"});
    let error = start(&*stage.service("runway"), "act_two", "character_performance", input)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "refused_input");
    assert!(error.to_string().contains("character_type"), "{error}");
    assert_eq!(stage.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn each_status_has_its_state() {
    for word in ["PENDING", "THROTTLED"] {
        assert_eq!(polled(json!({"status": word})).await, State::Queued { position: None });
    }
    for (progress, percent) in
        [(json!(0.42), Some(42)), (json!(1), Some(99)), (json!(-1), Some(0)), (json!(null), None)]
    {
        let running = polled(json!({"status": "RUNNING", "progress": progress})).await;
        assert_eq!(running, State::Running { percent, line: None });
    }
    let done =
        json!({"id": TASK, "status": "SUCCEEDED", "output": ["https://c.test/o.mp4?_jwt=1"]});
    assert_eq!(polled(done.clone()).await, State::Succeeded(done));
    let canceled = State::Canceled { message: "CANCELLED".to_owned() };
    assert_eq!(polled(json!({"status": "CANCELLED"})).await, canceled);
}

#[tokio::test]
async fn a_failure_is_sorted_by_the_family_of_its_code() {
    for (code, sort) in [
        ("SAFETY.INPUT.TEXT", "moderated"),
        ("SAFETY.OUTPUT.VIDEO", "moderated"),
        ("INPUT_PREPROCESSING.SAFETY.THIRD_PARTY", "moderated"),
        ("INPUT_PREPROCESSING.INTERNAL", "broken"),
        ("INTERNAL.BAD_OUTPUT.CODE01", "broken"),
        ("INTERNAL", "broken"),
        ("ASSET.INVALID", "refused_input"),
        ("THIRD_PARTY.INPUT_VALIDATION", "refused_input"),
        ("THIRD_PARTY.UNAVAILABLE", "busy"),
        ("INTERNALS", "protocol"),
        ("SOMETHING.NEW", "protocol"),
    ] {
        let state = polled(json!({"status": "FAILED", "failure": "x", "failureCode": code})).await;
        let State::Failed(error) = state else { panic!("{state:?}") };
        assert_eq!(error.code(), sort, "{code}");
        assert_eq!(error.into_message(), format!("x ({code})"));
    }
    let silent = polled(json!({"status": "FAILED"})).await;
    assert!(matches!(silent, State::Failed(_)), "{silent:?}");
}

#[tokio::test]
async fn no_credits_and_a_spent_day_are_out_of_funds_and_a_crowd_is_a_limit() {
    for (status, text, code) in [
        (400, "You do not have enough credits to run this task.", "out_of_funds"),
        (429, "Your daily task limit has been reached.", "out_of_funds"),
        (429, "Too many requests", "rate_limited"),
        (400, "Invalid asset: only HTTPS is allowed", "refused_input"),
    ] {
        let stage = Stage::always(Reply::json(status, &json!({"error": text}))).await;
        let started = start(&*stage.service("runway"), "m", "text_to_video", json!({})).await;
        assert_eq!(started.unwrap_err().code(), code, "{text}");
    }
}

#[tokio::test]
async fn a_task_is_canceled_by_deleting_it_and_is_then_gone() {
    let stage = Stage::open().await;
    stage
        .on(&format!("DELETE /v1/tasks/{TASK}"), Reply::text(204, ""))
        .on(&format!("GET /v1/tasks/{TASK}"), Reply::json(404, &json!({"error": "Not found"})));
    let (service, operation) = (stage.service("runway"), operation(TASK, json!({})));
    service.cancel(&operation).await.unwrap();
    let state = service.poll(&operation).await.unwrap();
    assert!(matches!(state, State::Canceled { .. }), "{state:?}");
    assert_eq!(stage.seen()[0].header("x-runway-version"), Some("2024-11-06"));
}

#[tokio::test]
async fn a_large_file_is_uploaded_with_its_fields_first_and_keeps_its_kind() {
    let (stage, store) = (Stage::open().await, Stage::always(Reply::text(204, "")).await);
    let place = json!({"uploadUrl": format!("{}/up", store.url), "runwayUri": "runway://1",
        "fields": {"key": "k1", "policy": "p1"}});
    stage.on("POST /v1/uploads", Reply::json(200, &place));
    stage.on("POST /v1/character_performance", Reply::json(200, &json!({"id": TASK})));
    let service = stage.service("runway");
    let small = service.hand_on(file("video/mp4", 11_000_000)).await.unwrap();
    assert!(small.starts_with("data:video/mp4;base64,"));
    assert_eq!(service.hand_on(file("image/png", 4_000_000)).await.unwrap(), "runway://1");
    let asked = &stage.seen()[0];
    assert_eq!(asked.json(), json!({"filename": "a.png", "type": "ephemeral"}));
    let put = &store.seen()[0];
    let form = String::from_utf8_lossy(&put.body[..1000]).into_owned();
    let place = |name: &str| form.find(&format!("name=\"{name}\"")).unwrap();
    assert!(place("key") < place("file") && place("policy") < place("file"), "{form}");
    assert!(!format!("{:?}", put.headers).contains("key-"), "{:?}", put.headers);
    let input = json!({"character": "runway://1"});
    start(&*service, "act_two", "character_performance", input).await.unwrap();
    assert_eq!(stage.seen()[1].json()["character"]["type"], "image");
}

#[tokio::test]
async fn nothing_that_claims_to_be_a_callback_is_one() {
    let stage = Stage::open().await;
    let service = stage.service("runway");
    assert!(!service.calls_back());
    let (none, secret) = (headers(&[]), SecretString::from("x"));
    service.verify(callback(&none, b"{}", &secret, 0)).await.unwrap_err();
}
