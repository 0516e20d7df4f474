//! Chats, beyond what the protocol says of them.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use crate::harness::TestServer;
use crate::harness::parts::{Parts, says, text_of};
use crate::harness::reader;

/// What a model was asked, request by request.
type Asked = Arc<Mutex<Vec<Value>>>;

/// A model that answers each conversation with the number of its messages.
async fn model(asked: Asked) -> String {
    async fn answer(State(asked): State<Asked>, axum::Json(body): axum::Json<Value>) -> String {
        let count = body["messages"].as_array().map_or(0, Vec::len);
        asked.lock().await.push(body);
        let delta = json!({ "choices": [{ "delta": { "content": format!("answer {count}") } }] });
        format!("data: {delta}\n\ndata: [DONE]\n\n")
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}/v1", listener.local_addr().expect("an address"));
    let router = Router::new().route("/v1/chat/completions", post(answer)).with_state(asked);
    tokio::spawn(async move { axum::serve(listener, router).await });
    base
}

async fn send(server: &TestServer, body: &Value) -> Parts {
    Parts::open(server.http.post(server.url("/api/chat")).json(body)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_model_is_asked_with_the_whole_conversation_and_nothing_else() {
    let asked = Asked::default();
    let base = model(Arc::clone(&asked)).await;
    let server = TestServer::with(|settings| settings.chat_base_url = Some(base)).await;
    let text = |text: &str| json!([{ "type": "text", "text": text }]);
    let body = json!({ "id": "c1", "messages": [
        { "id": "0", "role": "system", "parts": text("Be brief.") },
        { "id": "1", "role": "user", "parts": text("Why is the sea salty?") },
        { "id": "2", "role": "assistant", "parts": text("Rivers.") },
        { "id": "3", "role": "user", "parts": text("And lakes?") },
    ]});
    let parts = send(&server, &body).await.read_to_end().await;
    assert_eq!(text_of(&parts), "answer 4");
    let expected = json!([
        { "role": "system", "content": "Be brief." },
        { "role": "user", "content": "Why is the sea salty?" },
        { "role": "assistant", "content": "Rivers." },
        { "role": "user", "content": "And lakes?" },
    ]);
    let asked = asked.lock().await;
    assert_eq!((asked.len(), &asked[0]["messages"]), (1, &expected));
    assert_eq!(asked[0].get("max_tokens"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_earlier_message_makes_no_trouble_again() {
    let server = TestServer::start().await;
    let mut body = says("c1", "[cut] Why is the sea salty?");
    let answer =
        json!({ "id": "2", "role": "assistant", "parts": [{ "type": "text", "text": "Riv" }] });
    let more = json!({ "id": "3", "role": "user", "parts": [{ "type": "text", "text": "Go on" }] });
    body["messages"].as_array_mut().unwrap().extend([answer, more]);
    let parts = send(&server, &body).await.read_to_end().await;
    assert_eq!(parts.last().unwrap()["finishReason"], "stop");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_job_is_a_job_like_any_other() {
    let server = TestServer::start().await;
    let messages = json!([{ "role": "user", "content": "Words: 60\nTopic: salt" }]);
    let input = json!({ "messages": messages, "voiceover": true });
    let job = server.submit(&json!({ "kind": "chat", "input": input })).await;
    let events = server.follow(&job).await.read_to_end().await;
    let end = events.last().unwrap();
    assert_eq!(end.event, "completed");
    let view = server.get(&format!("/api/jobs/{job}")).await.1;
    assert_eq!(view["text"], json!(reader::text_of(&events)));
    let kinds: Vec<_> =
        view["artifacts"].as_array().unwrap().iter().map(|file| &file["kind"]).collect();
    assert_eq!(kinds, ["markdown", "voice"]);
    assert_eq!(end.data["artifacts"].as_array().unwrap().len(), 2);
    assert!(end.data["duration_ms"].as_u64().unwrap() > 1000 && end.data["title"].is_string());
    let listed = server.get("/api/jobs?kind=chat").await.1;
    assert_eq!(listed["jobs"][0]["id"], job.as_str());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chats_of_projects_are_told_apart_where_a_page_names_its_own() {
    let server = TestServer::with(|settings| settings.workers = 0).await;
    let mut jobs = Vec::new();
    for project in ["shop", "blog"] {
        let mut body = says("main", "hello");
        body["project_id"] = project.into();
        jobs.push(send(&server, &body).await.job());
    }
    let get = |query: &str| server.http.get(server.url(&format!("/api/chat/main/stream{query}")));
    for (query, job) in
        [("?project_id=shop", &jobs[0]), ("?project_id=blog", &jobs[1]), ("", &jobs[1])]
    {
        assert_eq!(Parts::open(get(query)).await.job(), *job);
    }
    assert_eq!(Parts::open(get("?project_id=other")).await.status, 204);
    let (status, view) = server.post("/api/chat/main/stop?project_id=shop", &json!({})).await;
    assert_eq!((status, &view["job_id"]), (200, &json!(jobs[0])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_in_a_message_is_carried_and_passed_over() {
    let server = TestServer::with(|settings| settings.workers = 0).await;
    let url = format!("data:image/png;base64,{}", "A".repeat(2 << 20));
    let picture = json!({ "type": "file", "mediaType": "image/png", "url": url });
    let mut body = says("c1", "What is this?");
    body["messages"][0]["parts"].as_array_mut().unwrap().push(picture);
    let stream = send(&server, &body).await;
    assert_eq!(stream.status, 200);
    let view = server.get(&format!("/api/jobs/{}", stream.job())).await.1;
    let expected = json!([{ "role": "user", "content": "What is this?" }]);
    assert_eq!(view["input"]["messages"], expected);
}
