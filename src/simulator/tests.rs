//! The simulator over real HTTP.

use std::time::Duration;

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use super::sound::Sound;
use super::*;

/// A simulator without waits, and a client of it.
struct Fixture {
    simulator: Simulator,
    client: reqwest::Client,
    stop: CancellationToken,
}

impl Fixture {
    async fn start() -> Self {
        Self::start_with(Voice::Tone).await
    }

    async fn start_with(voice: Voice) -> Self {
        // Fails when another test was first, which is as good.
        rustls::crypto::ring::default_provider().install_default().ok();
        let stop = CancellationToken::new();
        let options = Options { speed: 1000.0 };
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let simulator = super::start_with(voice, anywhere, options, stop.clone()).await.unwrap();
        Self { simulator, client: reqwest::Client::new(), stop }
    }

    async fn post(&self, path: &str, body: &Value) -> Response {
        let url = format!("{}{path}", self.simulator.base_url());
        self.client.post(url).json(body).send().await.unwrap()
    }

    async fn chat(&self, prompt: &str) -> Response {
        self.post("/chat/completions", &chat_request(prompt)).await
    }

    async fn speech(&self, input: &str) -> Response {
        let body = json!({"model": "m", "input": input, "voice": "nova", "response_format": "wav"});
        self.post("/audio/speech", &body).await
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn chat_request(prompt: &str) -> Value {
    json!({
        "model": "any",
        "stream": true,
        "stream_options": {"include_usage": true},
        "messages": [
            {"role": "system", "content": "You write blog posts in Markdown."},
            {"role": "user", "content": format!("Topic: {prompt}\nLanguage: en\nWords: 200")},
        ],
    })
}

/// The payloads of a stream; panics unless every event is a line of data and an empty line.
fn payloads(body: &str) -> Vec<&str> {
    let events = body.strip_suffix("\n\n").expect("the stream ends with an event").split("\n\n");
    events.map(|event| event.strip_prefix("data: ").expect("an event is data")).collect()
}

/// The text in as many whole events as there are, and whether the stream says that it is done.
fn text_of(body: &str) -> (String, bool) {
    let whole = &body[..body.rfind("\n\n").map_or(0, |at| at + 2)];
    let mut text = String::new();
    let mut done = false;
    for payload in if whole.is_empty() { vec![] } else { payloads(whole) } {
        if payload == "[DONE]" {
            done = true;
            continue;
        }
        let chunk: Value = serde_json::from_str(payload).unwrap();
        let choice = &chunk["choices"][0];
        text.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
        done |= choice["finish_reason"].is_string();
    }
    (text, done)
}

/// Reads until the body ends or breaks, or until nothing comes any more.
async fn read(mut response: Response) -> (Vec<u8>, Ending) {
    let mut body = Vec::new();
    loop {
        match tokio::time::timeout(Duration::from_millis(400), response.chunk()).await {
            Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
            Ok(Ok(None)) => return (body, Ending::Proper),
            Ok(Err(_)) => return (body, Ending::Broken),
            Err(_) => return (body, Ending::Silent),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Ending {
    Proper,
    Broken,
    Silent,
}

async fn error_of(response: Response) -> Value {
    let body: Value = response.json().await.unwrap();
    for field in ["message", "type", "param", "code"] {
        assert!(body["error"].get(field).is_some(), "{body}");
    }
    body["error"].clone()
}

#[tokio::test]
async fn a_chat_stream_follows_the_grammar() {
    let fixture = Fixture::start().await;
    let response = fixture.chat("green tea").await;
    assert_eq!(response.status(), StatusCode::OK);
    let media_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(media_type.starts_with("text/event-stream"));

    let body = response.text().await.unwrap();
    let mut payloads = payloads(&body);
    assert_eq!(payloads.pop(), Some("[DONE]"));
    let chunks: Vec<Value> =
        payloads.iter().map(|payload| serde_json::from_str(payload).unwrap()).collect();
    for chunk in &chunks {
        assert_eq!(chunk["object"], "chat.completion.chunk");
        assert_eq!((&chunk["id"], &chunk["created"]), (&chunks[0]["id"], &chunks[0]["created"]));
        assert_eq!(chunk["model"], "any");
    }
    let [role, content @ .., finish, usage] = chunks.as_slice() else { panic!("{chunks:?}") };
    assert_eq!(role["choices"][0]["delta"], json!({"role": "assistant", "content": ""}));
    assert!(content.len() > 200);
    for chunk in content {
        let text = chunk["choices"][0]["delta"]["content"].as_str().unwrap();
        assert!((1..=8).contains(&text.chars().count()));
        assert_eq!(
            (&chunk["usage"], &chunk["choices"][0]["finish_reason"]),
            (&Value::Null, &Value::Null)
        );
    }
    assert_eq!(finish["choices"][0]["delta"], json!({}));
    assert_eq!(finish["choices"][0]["finish_reason"], "stop");
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"]["completion_tokens"], content.len());
}

#[tokio::test]
async fn usage_comes_only_if_it_is_asked_for() {
    let fixture = Fixture::start().await;
    let mut request = chat_request("green tea");
    request.as_object_mut().unwrap().remove("stream_options");
    let body = fixture.post("/chat/completions", &request).await.text().await.unwrap();
    assert!(!body.contains("usage"));
}

#[tokio::test]
async fn streamed_or_not_the_text_is_the_same() {
    let fixture = Fixture::start().await;
    let streamed = fixture.chat("green tea").await.text().await.unwrap();
    let (text, done) = text_of(&streamed);
    assert!(done && text.starts_with("# "));

    let mut request = chat_request("green tea");
    request["stream"] = json!(false);
    let whole: Value = fixture.post("/chat/completions", &request).await.json().await.unwrap();
    assert_eq!(whole["object"], "chat.completion");
    assert_eq!(whole["choices"][0]["message"]["content"], text);
    assert_eq!(whole["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn a_limit_of_tokens_ends_the_text_with_length() {
    let fixture = Fixture::start().await;
    let mut request = chat_request("green tea");
    request["max_completion_tokens"] = json!(5);
    let body = fixture.post("/chat/completions", &request).await.text().await.unwrap();
    assert!(body.contains(r#""finish_reason":"length""#));
    assert!(body.contains(r#""completion_tokens":5"#));
}

#[tokio::test]
async fn fail_is_a_server_error_every_time() {
    let fixture = Fixture::start().await;
    for response in [
        fixture.chat("green tea [fail]").await,
        fixture.speech("hello [fail]").await,
        fixture.speech("hello [speech-fail].").await,
    ] {
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(error_of(response).await["type"], "server_error");
    }
}

#[tokio::test]
async fn rate_limits_give_way_at_the_third_request() {
    let fixture = Fixture::start().await;
    for _ in 0..2 {
        for response in [fixture.chat("tea [429]").await, fixture.speech("tea [429]").await] {
            assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
            assert_eq!(response.headers()["retry-after"], "1");
            assert_eq!(error_of(response).await["code"], "rate_limit_exceeded");
        }
    }
    assert_eq!(fixture.chat("tea [429]").await.status(), StatusCode::OK);
    assert_eq!(fixture.speech("tea [429]").await.status(), StatusCode::OK);
    assert_eq!(fixture.simulator.requests(), Counts { chat: 3, speech: 3 });
}

#[tokio::test]
async fn a_cut_stream_breaks_without_an_end() {
    let fixture = Fixture::start().await;
    let (body, ending) = read(fixture.chat("green tea [cut]").await).await;
    let (text, done) = text_of(&String::from_utf8(body).unwrap());
    assert_eq!((ending, done), (Ending::Broken, false));
    let words = text.split_whitespace().count();
    assert!((40..90).contains(&words), "{words} of 200 words");
}

#[tokio::test]
async fn a_stalled_stream_stays_open_in_silence() {
    let fixture = Fixture::start().await;
    let (body, ending) = read(fixture.chat("green tea [stall]").await).await;
    let (text, done) = text_of(&String::from_utf8(body).unwrap());
    assert_eq!((ending, done), (Ending::Silent, false));
    assert!(text.starts_with("# "));
}

#[tokio::test]
async fn an_empty_stream_ends_properly() {
    let fixture = Fixture::start().await;
    let body = fixture.chat("green tea [empty]").await.text().await.unwrap();
    assert_eq!(text_of(&body), (String::new(), true));
    assert!(body.contains(r#""finish_reason":"stop""#) && body.ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn a_slow_stream_has_the_same_text() {
    let fixture = Fixture::start().await;
    let (text, done) = text_of(&fixture.chat("green tea [slow]").await.text().await.unwrap());
    assert!(done && text.contains("green tea") && !text.contains("slow]"));
}

#[tokio::test]
async fn the_marker_for_speech_is_in_the_text_and_trips_the_voice() {
    let fixture = Fixture::start().await;
    let body = fixture.chat("green tea [speech-fail]").await.text().await.unwrap();
    let (text, done) = text_of(&body);
    assert!(done && text.contains("[speech-fail]"));
    let response = fixture.speech(&text).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn speech_is_a_wav_file_or_bare_samples() {
    let fixture = Fixture::start().await;
    let response = fixture.speech("hello there [slow]").await;
    assert_eq!(response.headers()["content-type"], "audio/wav");
    let file = response.bytes().await.unwrap();
    assert_eq!(Sound::from_wav(&file), Some(Sound::tone("hello there", "nova", 1.0)));

    let body = json!({"input": "hello there", "response_format": "pcm", "voice": {"id": "nova"}});
    let response = fixture.post("/audio/speech", &body).await;
    assert_eq!(response.headers()["content-type"], "audio/pcm");
    assert_eq!(response.bytes().await.unwrap().len(), 2 * 24 * 60 * 11);
}

#[tokio::test]
async fn speech_can_be_cut_empty_and_stalled() {
    let fixture = Fixture::start().await;
    let input = "A sentence of some length, so that there is something to cut.";
    let whole = fixture.speech(input).await.bytes().await.unwrap().len();

    let (body, ending) = read(fixture.speech(&format!("{input} [cut]")).await).await;
    assert_eq!((body.len(), ending), (whole * 3 / 10, Ending::Broken));
    let (body, ending) = read(fixture.speech(&format!("{input} [stall]")).await).await;
    assert_eq!((body.len(), ending), (whole / 3, Ending::Silent));
    let (body, ending) = read(fixture.speech(&format!("{input} [empty]")).await).await;
    assert_eq!((body.len(), ending), (0, Ending::Proper));
}

#[tokio::test]
async fn bad_requests_are_refused_in_the_shape_of_the_real_thing() {
    let fixture = Fixture::start().await;
    let long = "a".repeat(4097);
    for (path, body) in [
        ("/chat/completions", json!({"messages": "hello"})),
        ("/chat/completions", json!({"messages": []})),
        ("/audio/speech", json!({"voice": "nova"})),
        ("/audio/speech", json!({"input": "", "response_format": "wav"})),
        ("/audio/speech", json!({"input": long, "response_format": "wav"})),
        ("/audio/speech", json!({"input": "a", "response_format": "mp3"})),
        ("/audio/speech", json!({"input": "a"})),
        ("/audio/speech", json!({"input": "a", "response_format": "wav", "speed": 9})),
    ] {
        let response = fixture.post(path, &body).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(error_of(response).await["type"], "invalid_request_error");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let fixture = Fixture::start().await;
    let response = fixture.chat(&"a".repeat(MAX_BODY_BYTES)).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    error_of(response).await;
}

#[tokio::test]
async fn it_has_models() {
    let fixture = Fixture::start().await;
    let url = format!("{}/models", fixture.simulator.base_url());
    let models: Value = fixture.client.get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(models["object"], "list");
    assert!(models["data"].as_array().unwrap().iter().all(|model| model["object"] == "model"));
}

#[tokio::test]
async fn stopping_breaks_off_what_is_still_being_said() {
    let fixture = Fixture::start().await;
    let response = fixture.chat("green tea [stall]").await;
    fixture.stop.cancel();
    assert_eq!(read(response).await.1, Ending::Broken);
}

#[tokio::test]
async fn a_voice_that_fails_is_a_server_error() {
    let fixture = Fixture::start_with(Voice::Bundled("no/such/program".into())).await;
    let response = fixture.speech("hello").await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let error = error_of(response).await;
    assert!(!error["message"].as_str().unwrap().contains("no/such"), "{error}");
}

#[tokio::test]
async fn the_voice_that_is_found_speaks() {
    let voice = Voice::find();
    if voice == Voice::Tone {
        eprintln!("skipped: neither tailwater-voice nor espeak-ng was found");
        return;
    }
    let fixture = Fixture::start_with(voice).await;
    let file = fixture.speech("Good morning, dear listeners.").await.bytes().await.unwrap();
    assert_ne!(Sound::from_wav(&file).expect("a WAV file"), Sound::silence());
    assert_eq!(Sound::from_wav(&file).unwrap().to_wav(), file, "the sizes are true");
}
