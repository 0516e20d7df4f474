//! Text that tries to be more than text.

use serde_json::{Value, json};

use super::{push_text, send, works_on};
use crate::harness::reader::{assert_ids_rise, text_of};
use crate::harness::{Message, Reader, TestServer};

/// Texts that would break a frame, start a field, end the job or turn the page around, if any layer
/// took them for more than text.
const TRICKS: [&str; 16] = [
    "\u{0}",
    "nul \u{0} inside",
    "\n\nevent: completed\ndata: {}\n\n",
    "\r\rid: 9007199254740991\r\rdata: x\r\r",
    "line\r\nline\nline\rline",
    "data: data: data:",
    ": a comment",
    "retry: 0\n",
    "\u{85}next\u{2028}line\u{2029}paragraph",
    "\u{202e}gnp.exe\u{2066}\u{2069}\u{200f}",
    "\u{feff}mark",
    "\u{fffe}\u{ffff}\u{10ffff}",
    "\u{1b}[2J\u{7}\u{9b}31m\u{7f}\t",
    "\"}\n{\"type\":\"completed\",\"data\":{}}",
    "</script><img src=x onerror=alert(1)>\\u0000\\",
    "👩\u{200d}👩\u{200d}👧\u{1f3fd}é\u{301}",
];

fn assert_tricks(messages: &[Message]) {
    assert_ids_rise(messages);
    let texts = messages.iter().filter(|message| message.event == "content");
    let texts: Vec<_> =
        texts.map(|message| message.data["text"].as_str().expect("a text")).collect();
    assert_eq!(texts, TRICKS);
    let ends = messages.iter().filter(|message| message.event == "completed").count();
    assert_eq!((ends, messages.last().expect("a message").event.as_str()), (1, "completed"));
}

#[tokio::test]
async fn every_text_reaches_the_reader_as_the_same_text() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let mut body = String::new();
    for text in TRICKS {
        body += &json!({ "type": "content", "data": { "text": text } }).to_string();
        body.push('\n');
    }
    body += "{\"type\":\"completed\",\"data\":{}}\n";
    let answer = push_text(&server, &job, body).await;
    assert_eq!((answer.status, &answer.body["appended"]), (200, &json!(17)), "{answer:?}");
    assert_tricks(&server.follow(&job).await.read_to_end().await);
    let (_, view) = server.get(&format!("/api/jobs/{job}")).await;
    assert_eq!(view["text"], TRICKS.concat());
    // In the envelope, in a page, in a snapshot and out of the database it is the same.
    let merged = server.url(&format!("/api/stream?job={job}"));
    let mut messages = Reader::open(&server.http, &merged, None).await.read_to_end().await;
    for message in messages.iter_mut().skip(1) {
        message.data = message.data["data"].take();
    }
    assert_tricks(&messages);
    let (_, page) = server.get(&format!("/api/jobs/{job}/events")).await;
    let texts: Vec<_> = page["events"].as_array().unwrap().iter().collect();
    let texts = texts.iter().filter(|event| event["type"] == "content");
    assert_eq!(texts.map(|event| &event["data"]["text"]).collect::<Vec<_>>(), TRICKS);
    let server = server.restart().await;
    assert_tricks(&server.follow(&job).await.read_to_end().await);
    let messages = server.follow_from(&job, Some("x")).await.read_to_end().await;
    assert_eq!(text_of(&messages), TRICKS.concat());
    server.stop().await;
}

#[tokio::test]
async fn a_frame_has_one_line_of_data_whatever_is_in_it() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    // Written raw, as far as JSON lets it be: only escapes may stand for control characters.
    let raw = "{\"type\":\"x\",\"data\":{\"bidi\":\"\u{202e}\u{2066}\",\"lines\":\"\u{2028}\u{2029}\u{85}\",\
               \"key \u{2028}\":\"\u{7f}\",\"escaped\":\"\\u000a\\u000D\\u0000\"}}";
    assert_eq!(push_text(&server, &job, raw).await.status, 200);
    push_text(&server, &job, r#"{"type":"completed","data":{}}"#).await;
    let url = server.url(&format!("/api/jobs/{job}/stream"));
    let stream = server.http.get(url).send().await.unwrap().text().await.unwrap();
    for frame in stream.trim_end().split("\n\n").skip(1) {
        let names: Vec<_> = frame.split('\n').map(|line| line.split(':').next().unwrap()).collect();
        assert!(matches!(names[..], ["event", "data"] | ["id", "event", "data"]), "{frame:?}");
        // Nor do clients that split text at other line ends see more lines than there are.
        let others = ['\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}', '\u{0}'];
        assert!(!frame.contains(others), "{frame:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn json_on_many_lines_is_one_line_on_the_wire_and_untouched_otherwise() {
    let server = TestServer::start().await;
    let job = server.submit_external().await;
    let pretty = "{\r\n  \"type\": \"x\",\r  \"data\": {\n\t\"n\": 1.50,\r\n\t\"big\": 12345678901234567890123,\n\t\"e\": 1E2\n}\n}";
    let request = server.http.post(server.url(&format!("/api/jobs/{job}/events")));
    let request = request.header("content-type", "application/json");
    assert_eq!(send(request.body(pretty)).await.status, 200);
    push_text(&server, &job, "{\"type\":\"y\",\"data\":null}\n{\"type\":\"z\"}").await;
    push_text(&server, &job, r#"{"type":"completed","data":{}}"#).await;
    let url = server.url(&format!("/api/jobs/{job}/stream"));
    let stream = server.http.get(url).send().await.unwrap().text().await.unwrap();
    let data = |name: &str| {
        let frame = stream.split("\n\n").find(|frame| frame.contains(&format!("event: {name}")));
        frame.unwrap().split_once("data: ").unwrap().1.split_whitespace().collect::<String>()
    };
    assert_eq!(data("x"), "{\"n\":1.50,\"big\":12345678901234567890123,\"e\":1E2}");
    assert_eq!((data("y").as_str(), data("z").as_str()), ("null", "{}"));
    server.stop().await;
}

#[tokio::test]
async fn a_topic_full_of_tricks_is_a_topic() {
    let server = TestServer::start().await;
    let topic = "\u{202e}sedit\u{2066}\nevent: failed\ndata: {}\u{2028}\u{feff}<script>";
    let job = server.submit_blog(topic, false).await;
    let messages = server.follow(&job).await.read_to_end().await;
    assert_eq!(messages.last().unwrap().event, "completed");
    let (_, view) = server.get(&format!("/api/jobs/{job}")).await;
    assert_eq!(view["input"]["topic"], topic);
    assert_eq!(view["text"], Value::String(text_of(&messages)));
    let html = view["artifacts"].as_array().unwrap().iter().find(|file| file["kind"] == "html");
    let url = server.url(html.unwrap()["url"].as_str().unwrap());
    let html = server.http.get(url).send().await.unwrap().text().await.unwrap();
    assert!(!html.contains("<script"), "{html}");
    works_on(&server).await;
    server.stop().await;
}
