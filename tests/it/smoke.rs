//! The main job, from end to end.

use serde_json::json;

use crate::harness::reader::{assert_ids_rise, text_of};
use crate::harness::{TestServer, client};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_with_its_narration_is_watched_being_made() {
    let server = TestServer::start().await;
    let job = server.submit_blog("how tides work", true).await;
    let messages = server.follow(&job).await.read_to_end().await;
    assert_ids_rise(&messages);
    assert_eq!(messages[0].event, "hello");
    assert_eq!(messages.last().unwrap().event, "completed");
    let names: Vec<_> = messages.iter().map(|message| message.event.as_str()).collect();
    let spoken = names.iter().position(|name| *name == "tts_completed").unwrap();
    assert_eq!(names[spoken - 1], "artifact_ready");
    let view = server.get(&format!("/api/jobs/{job}")).await.1;
    assert_eq!(view["status"], "completed");
    let markdown = view["artifacts"]
        .as_array()
        .unwrap()
        .iter()
        .find(|artifact| artifact["kind"] == "markdown")
        .unwrap()["url"]
        .as_str()
        .unwrap();
    let body = client().get(server.url(markdown)).send().await.unwrap().text().await.unwrap();
    assert_eq!(body, text_of(&messages));
    assert_eq!(view["text"], json!(body));
    let voice = messages[spoken].data["url"].as_str().unwrap();
    let wav = client().get(server.url(voice)).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(&wav[..4], b"RIFF");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_external_worker_pushes_and_readers_see_it() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let mut reader = server.follow(&job).await;
    let events = [
        json!({"type": "progress", "data": {"percent": 10}}),
        json!({"type": "frame.rendered", "data": {"n": 1}}),
        json!({"type": "completed", "data": {"url": "x"}}),
    ];
    let (status, answer) = server.push(&job, &events).await;
    assert_eq!((status, answer["appended"].as_u64()), (200, Some(3)), "{answer}");
    assert_eq!(reader.until("frame.rendered").await.data, json!({"n": 1}));
    assert_eq!(reader.read_to_end().await.last().unwrap().event, "completed");
    server.stop().await;
}
