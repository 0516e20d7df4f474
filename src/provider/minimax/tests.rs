use secrecy::SecretString;
use serde_json::{Value, json};

use super::super::error::Error;
use super::super::media::{Operation, State, Verified};
use super::super::stage::{
    KEY, Reply, Stage, callback, fields, file, headers, operation, request, webhook,
};

async fn start(stage: &Stage, endpoint: &str, input: Value) -> Result<Operation, Error> {
    let (input, webhook) = (fields(input), webhook());
    stage.service("minimax").start(request("MiniMax-X", endpoint, &input, Some(&webhook))).await
}

async fn polled_v1(replies: &[(&str, Value)]) -> Result<State, Error> {
    let stage = Stage::open().await;
    for (path, body) in replies {
        stage.on(&format!("GET /v1/{path}"), Reply::json(200, body));
    }
    stage.service("minimax").poll(&operation("7", json!({"api": "v1"}))).await
}

async fn queried(mut body: Value) -> Result<State, Error> {
    if body.get("base_resp").is_none() {
        body["base_resp"] = json!({"status_code": 0, "status_msg": "success"});
    }
    polled_v1(&[("query/video_generation", body)]).await
}

async fn polled_v2(reply: Reply) -> Result<State, Error> {
    let stage = Stage::open().await;
    stage.on("GET /v2/query/video_generation/7", reply);
    stage.service("minimax").poll(&operation("7", json!({"api": "v2"}))).await
}

#[tokio::test]
async fn the_first_api_takes_the_inputs_as_they_are() {
    let task = json!({"task_id": 106_916_112_212_032_u64, "base_resp": {"status_code": 0}});
    let stage = Stage::always(Reply::json(200, &task)).await;
    let input = json!({"prompt": "a kite", "subject_reference": "https://a.test/me.png"});
    let started = start(&stage, "v1", input).await.unwrap();
    assert_eq!(started, operation("106916112212032", json!({"api": "v1"})));
    let [seen] = &stage.seen()[..] else { panic!("{:?}", stage.lines()) };
    assert_eq!(seen.line, "POST /v1/video_generation");
    assert_eq!(seen.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    let body = json!({
        "model": "MiniMax-X",
        "prompt": "a kite",
        "subject_reference": [{"type": "character", "image": ["https://a.test/me.png"]}],
        "callback_url": webhook().url,
    });
    assert_eq!(seen.json(), body);
}

#[tokio::test]
async fn the_second_api_takes_parts_with_roles() {
    let stage = Stage::always(Reply::json(200, &json!({"task_id": "7"}))).await;
    let input = json!({"prompt": "a kite", "resolution": "768P", "duration": 5,
        "first_frame_image": "i1", "last_frame_image": "i2", "reference_images": ["i3", "i4"],
        "reference_audio": "a1", "base_video": "v1"});
    let started = start(&stage, "v2", input).await.unwrap();
    assert_eq!(started, operation("7", json!({"api": "v2"})));
    let [seen] = &stage.seen()[..] else { panic!("{:?}", stage.lines()) };
    assert_eq!(seen.line, "POST /v2/video_generation");
    let image = |url: &str, role: &str| json!({"type": "image_url", "image_url": {"url": url}, "role": role});
    let body = json!({
        "model": "MiniMax-X",
        "content": [
            {"type": "text", "text": "a kite"},
            image("i1", "first_frame"),
            image("i2", "last_frame"),
            image("i3", "reference_image"),
            image("i4", "reference_image"),
            {"type": "audio_url", "audio_url": {"url": "a1"}, "role": "reference_audio"},
            {"type": "video_url", "video_url": {"url": "v1"}, "role": "base_video"},
        ],
        "resolution": "768P",
        "duration": 5,
        "callback_url": webhook().url,
    });
    assert_eq!(seen.json(), body);
}

#[tokio::test]
async fn an_api_that_does_not_exist_is_refused() {
    let stage = Stage::open().await;
    assert_eq!(start(&stage, "v3", json!({})).await.unwrap_err().code(), "refused_input");
    assert_eq!(stage.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn an_error_that_comes_with_200_refuses_the_start() {
    for (code, sort) in [
        (1002, "rate_limited"),
        (1004, "unauthorised"),
        (1008, "out_of_funds"),
        (1026, "moderated"),
        (2013, "refused_input"),
        (1000, "broken"),
    ] {
        let body = json!({"task_id": "", "base_resp": {"status_code": code, "status_msg": "x"}});
        for status in [200, 400, 500] {
            let stage = Stage::always(Reply::json(status, &body)).await;
            let error = start(&stage, "v1", json!({})).await.unwrap_err();
            assert_eq!(error.code(), sort, "{code} {status}");
        }
    }
}

#[tokio::test]
async fn an_error_of_the_second_api_is_sorted_by_type_status_and_code() {
    for (status, sort, message, code) in [
        (400, "bad_request_error", "bad (2013)", "refused_input"),
        (422, "unprocessable_entity_error", "sensitive (1026)", "moderated"),
        (401, "authorized_error", "no (1004)", "unauthorised"),
        (402, "insufficient_balance_error", "no (1008)", "out_of_funds"),
        (429, "rate_limit_error", "slow (1002)", "rate_limited"),
        (500, "server_error", "x (1000)", "broken"),
        (529, "overloaded_error", "x", "busy"),
    ] {
        let body = json!({"type": "error", "request_id": "r",
            "error": {"type": sort, "message": message, "http_code": status.to_string()}});
        let stage = Stage::always(Reply::json(status, &body)).await;
        assert_eq!(start(&stage, "v2", json!({})).await.unwrap_err().code(), code, "{sort}");
    }
}

#[tokio::test]
async fn each_status_of_the_first_api_has_its_state() {
    for word in ["Preparing", "Queueing", "queueing"] {
        let state = queried(json!({"task_id": "7", "status": word})).await.unwrap();
        assert_eq!(state, State::Queued { position: None }, "{word}");
    }
    for word in ["Processing", "processing"] {
        let state = queried(json!({"task_id": "7", "status": word})).await.unwrap();
        assert_eq!(state, State::Running { percent: None, line: None }, "{word}");
    }
    for word in ["Fail", "failed"] {
        let state = queried(json!({"task_id": "7", "status": word})).await.unwrap();
        assert!(matches!(state, State::Failed(Error::Broken { .. })), "{state:?}");
    }
    let nothing = queried(json!({"status": "Success", "file_id": ""})).await.unwrap();
    assert!(matches!(nothing, State::Failed(Error::Broken { .. })), "{nothing:?}");
}

#[tokio::test]
async fn a_success_is_the_address_of_its_file_by_an_id_of_either_type() {
    for file_id in [json!("205258526306433"), json!(205_258_526_306_433_u64)] {
        let task = json!({"status": "Success", "file_id": file_id, "video_width": 1920,
            "video_height": 1080, "base_resp": {"status_code": 0}});
        let file = json!({"file": {"file_id": 205_258_526_306_433_u64,
            "download_url": "https://c.test/o.mp4"}, "base_resp": {"status_code": 0}});
        let made = polled_v1(&[("query/video_generation", task), ("files/retrieve", file)]).await;
        let expected = json!({"url": "https://c.test/o.mp4", "width": 1920, "height": 1080});
        assert_eq!(made.unwrap(), State::Succeeded(expected));
    }
}

#[tokio::test]
async fn the_queries_name_task_and_file() {
    let stage = Stage::open().await;
    let task = json!({"status": "success", "file_id": 9});
    stage.on("GET /v1/query/video_generation", Reply::json(200, &task)).on(
        "GET /v1/files/retrieve",
        Reply::json(200, &json!({"base_resp": {"status_code": 1002}})),
    );
    let operation = operation("7", json!({"api": "v1"}));
    let error = stage.service("minimax").poll(&operation).await.unwrap_err();
    assert_eq!(error.code(), "rate_limited");
    let asked = ["GET /v1/query/video_generation?task_id=7", "GET /v1/files/retrieve?file_id=9"];
    assert_eq!(stage.lines(), asked);
}

#[tokio::test]
async fn an_error_of_a_query_fails_the_work_only_if_it_is_the_works() {
    let said = |code: i64, status: &str| json!({"status": status, "base_resp": {"status_code": code, "status_msg": "x"}});
    for (code, status, sort) in [
        (1002, "", "rate_limited"),
        (1002, "Fail", "rate_limited"),
        (1004, "", "unauthorised"),
        (1033, "", "busy"),
    ] {
        let error = queried(said(code, status)).await.unwrap_err();
        assert_eq!(error.code(), sort, "{code} {status}");
    }
    for (code, status, sort) in [
        (1026, "Fail", "moderated"),
        (1027, "", "moderated"),
        (1033, "Fail", "busy"),
        (2013, "Fail", "refused_input"),
        (2013, "", "expired"),
    ] {
        let state = queried(said(code, status)).await.unwrap();
        let State::Failed(error) = state else { panic!("{state:?}") };
        assert_eq!(error.code(), sort, "{code} {status}");
    }
}

#[tokio::test]
async fn each_status_of_the_second_api_has_its_state() {
    let task = |task: Value| Reply::json(200, &json!({"task": task}));
    let queued = polled_v2(task(json!({"id": "7", "status": "queued"}))).await.unwrap();
    assert_eq!(queued, State::Queued { position: None });
    let running = polled_v2(task(json!({"id": "7", "status": "running"}))).await.unwrap();
    assert_eq!(running, State::Running { percent: None, line: None });
    let canceled = polled_v2(task(json!({"id": "7", "status": "cancelled"}))).await.unwrap();
    assert_eq!(canceled, State::Canceled { message: "cancelled".to_owned() });
    let made = json!({"id": "7", "status": "succeeded", "content": {"url": "https://c.test/o.mp4"},
        "resolution": "2K", "duration": 5, "usage": {"total_seconds": 5}});
    let expected = json!({"url": "https://c.test/o.mp4", "resolution": "2K", "duration": 5});
    assert_eq!(polled_v2(task(made)).await.unwrap(), State::Succeeded(expected));
    for (error, sort) in [
        (json!({"code": "1026", "message": "x"}), "moderated"),
        (json!({"code": "odd", "message": "x"}), "broken"),
        (json!(null), "broken"),
    ] {
        let state = polled_v2(task(json!({"status": "failed", "error": error}))).await.unwrap();
        let State::Failed(error) = state else { panic!("{state:?}") };
        assert_eq!(error.code(), sort);
    }
    let expired = polled_v2(task(json!({"status": "expired"}))).await.unwrap();
    assert!(matches!(expired, State::Failed(Error::Expired { .. })), "{expired:?}");
}

#[tokio::test]
async fn a_task_that_nobody_knows_has_expired() {
    let unknown = json!({"type": "error",
        "error": {"type": "bad_request_error", "message": "invalid task_id (2013)"}});
    let state = polled_v2(Reply::json(400, &unknown)).await.unwrap();
    assert!(matches!(state, State::Failed(Error::Expired { .. })), "{state:?}");
}

#[tokio::test]
async fn only_the_second_api_can_be_told_to_stop() {
    let stage = Stage::always(Reply::json(200, &json!({}))).await;
    let service = stage.service("minimax");
    service.cancel(&operation("7", json!({"api": "v1"}))).await.unwrap();
    assert_eq!(stage.lines(), Vec::<String>::new());
    service.cancel(&operation("7", json!({"api": "v2"}))).await.unwrap();
    assert_eq!(stage.lines(), ["DELETE /v2/video_generation/7"]);
}

#[tokio::test]
async fn a_file_goes_along_until_it_is_too_large() {
    let stage = Stage::open().await;
    let service = stage.service("minimax");
    assert_eq!(service.hand_on(file("image/png", 3)).await.unwrap(), "data:image/png;base64,eHh4");
    let error = service.hand_on(file("image/png", 20_000_000)).await.unwrap_err();
    let message = "a.png has 20000000 bytes, MiniMax takes at most 19999999".to_owned();
    assert_eq!(error, Error::RefusedInput { message });
}

#[tokio::test]
async fn a_challenge_is_echoed_and_a_state_is_a_message() {
    let stage = Stage::open().await;
    let service = stage.service("minimax");
    let (none, secret) = (headers(&[]), SecretString::from("x"));
    let verify = |body| service.verify(callback(&none, body, &secret, 0));
    let answer = Some(json!({"challenge": "c-1"}));
    let echoed = Verified { answer, ..Verified::default() };
    assert_eq!(verify(br#"{"challenge":"c-1"}"#).await.unwrap(), echoed);
    let told = |message: &str| Verified {
        message: Some(message.to_owned()),
        operation: Some("7".to_owned()),
        ..Verified::default()
    };
    let going_on = br#"{"task_id":7,"status":"Processing"}"#;
    let expected = Verified { is_progress: true, ..told("7:processing") };
    assert_eq!(verify(going_on).await.unwrap(), expected);
    let v1 = br#"{"task_id":7,"status":"Success","file_id":"9"}"#;
    assert_eq!(verify(v1).await.unwrap(), told("7:success"));
    let v2 = br#"{"task":{"id":"7","status":"failed"}}"#;
    assert_eq!(verify(v2).await.unwrap(), told("7:failed"));
    for odd in [&b"{}"[..], b"nonsense", br#"{"challenge":{}}"#, br#"{"task_id":"../x"}"#] {
        verify(odd).await.unwrap_err();
    }
}
