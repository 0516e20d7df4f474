//! `MiniMax`.

use super::*;

const START: &str = "/v1/video_generation";

fn input(prompt: &str) -> Value {
    json!({ "model": "MiniMax-Hailuo-2.3", "prompt": prompt })
}

fn second(prompt: &str) -> Value {
    json!({
        "model": "MiniMax-H3",
        "ratio": "16:9",
        "content": [{ "type": "text", "text": prompt }],
    })
}

async fn start(fixture: &Fixture, input: &Value) -> String {
    let (status, body) = fixture.post("minimax", START, input).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["base_resp"]["status_code"], 0, "{body}");
    format!("/v1/query/video_generation?task_id={}", body["task_id"].as_str().unwrap())
}

async fn code_of(fixture: &Fixture, input: &Value) -> u64 {
    let (status, body) = fixture.post("minimax", START, input).await;
    assert_eq!(status, StatusCode::OK);
    body["base_resp"]["status_code"].as_u64().unwrap()
}

#[tokio::test]
async fn a_task_lives_to_a_file_that_is_asked_for_apart() {
    let fixture = Fixture::start().await;
    let query = start(&fixture, &input("a red kite")).await;
    let task = fixture.get_until("minimax", &query, |it| it["status"] == "Success").await;
    let file_id = task["file_id"].as_str().unwrap();
    assert!(file_id.parse::<u64>().unwrap() > 1 << 53);
    let path = format!("/v1/files/retrieve?file_id={file_id}");
    let (_, retrieved) = fixture.get("minimax", &path).await;
    assert_eq!(retrieved["file"]["file_id"].as_u64().unwrap().to_string(), file_id);
    assert_is_file(fixture.fetch(&retrieved["file"]["download_url"]).await, "video/mp4").await;
    let path = format!("/v1/files/retrieve_content?file_id={file_id}");
    let content = fixture.send("minimax", Method::GET, &path, None).await.unwrap();
    assert_is_file(content, "video/mp4").await;
}

#[tokio::test]
async fn errors_of_the_first_generation_are_codes_in_a_200() {
    let fixture = Fixture::start().await;
    assert_eq!(code_of(&fixture, &json!({ "model": "MiniMax-Hailuo-2.3" })).await, 2013);
    assert_eq!(code_of(&fixture, &input("x [moderated]")).await, 1026);
    assert_eq!(code_of(&fixture, &input("x [quota]")).await, 1008);
    let request = fixture.client.post(fixture.url("minimax", START)).json(&input("x"));
    let (status, body) = json_of(request.send().await.unwrap()).await;
    assert_eq!((status, &body["base_resp"]["status_code"]), (StatusCode::OK, &json!(1004)));
    assert_eq!(fixture.counts("minimax").started, 0);

    let query = start(&fixture, &input("x [fail]")).await;
    let task = fixture.get_until("minimax", &query, |it| it["status"] == "Fail").await;
    assert_eq!(task["base_resp"]["status_code"], 1033);
}

#[tokio::test]
async fn callbacks_begin_with_a_challenge_and_speak_lower_case() {
    let fixture = Fixture::start().await;
    let mut receiver = Receiver::start(0, true).await;
    let mut input = input("x [forged-webhook]");
    input["callback_url"] = json!(receiver.url);
    start(&fixture, &input).await;
    let forged = receiver.next().await;
    assert_eq!(
        (forged.path.as_str(), &forged.json()["status"]),
        ("/hook/forged", &json!("failed"))
    );
    // The first is about the beginning; a busy machine may send it when all is over.
    let first = receiver.next().await;
    assert_eq!(first.path, "/hook/secret");
    assert!(["processing", "success"].contains(&first.json()["status"].as_str().unwrap()));
    assert_eq!(receiver.next().await.json()["status"], "success");

    let deaf = Receiver::start(0, false).await;
    input["callback_url"] = json!(deaf.url);
    assert_eq!(code_of(&fixture, &input).await, 2013);
}

#[tokio::test]
async fn the_second_generation_has_words_and_statuses_of_its_own() {
    let fixture = Fixture::start().await;
    let (_, body) = fixture.post("minimax", "/v2/video_generation", &second("a kite")).await;
    let path = format!("/v2/query/video_generation/{}", body["task_id"].as_str().unwrap());
    let over = |it: &Value| it["task"]["status"] == "succeeded";
    let task = fixture.get_until("minimax", &path, over).await;
    assert_is_file(fixture.fetch(&task["task"]["content"]["url"]).await, "video/mp4").await;
    for (prompt, status, words) in [
        ("x [moderated]", StatusCode::UNPROCESSABLE_ENTITY, "(1026)"),
        ("x [quota]", StatusCode::PAYMENT_REQUIRED, "(1008)"),
        ("", StatusCode::BAD_REQUEST, "(2013)"),
    ] {
        let (found, body) = fixture.post("minimax", "/v2/video_generation", &second(prompt)).await;
        assert_eq!(found, status);
        assert!(body["error"]["message"].as_str().unwrap().ends_with(words), "{body}");
    }
    let keyless = fixture.client.get(fixture.url("minimax", &path)).send().await.unwrap();
    assert_eq!(keyless.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn only_what_waits_can_be_canceled() {
    let slow = Fixture::start_at_speed(0.1).await;
    let (_, body) = slow.post("minimax", "/v2/video_generation", &second("x")).await;
    let id = body["task_id"].as_str().unwrap();
    let cancel = format!("/v2/video_generation/{id}");
    let response = slow.send("minimax", Method::DELETE, &cancel, None).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let (_, task) = slow.get("minimax", &format!("/v2/query/video_generation/{id}")).await;
    assert_eq!(task["task"]["status"], "cancelled");

    let fixture = Fixture::start().await;
    let (_, body) = fixture.post("minimax", "/v2/video_generation", &second("x [never]")).await;
    let id = body["task_id"].as_str().unwrap();
    let path = format!("/v2/query/video_generation/{id}");
    fixture.get_until("minimax", &path, |it| it["task"]["status"] == "running").await;
    let cancel = format!("/v2/video_generation/{id}");
    let response = fixture.send("minimax", Method::DELETE, &cancel, None).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
}
