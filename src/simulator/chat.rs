//! `POST /v1/chat/completions`: a text, in the chunks of `OpenAI`'s stream or as one JSON object.
//!
//! Source of the grammar: `OpenAI`'s API reference, "chat completion chunk object". A stream is one
//! chunk with the role, chunks with content, one with the finish reason, one with the usage if asked
//! for, and `[DONE]`; `id` and `created` stay the same throughout.

use std::iter;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer::{self, Refusal, fingerprint};
use super::markers::{Marker, Markers};
use super::script::{self, Step};
use super::{Stage, writer};

/// From the request to the first token.
const FIRST_TOKEN_MS: u64 = 400;

/// Between two tokens: 30 to 50 tokens a second.
const TOKEN_MS: std::ops::RangeInclusive<u64> = 20..=33;

/// The longest token, in Unicode scalar values.
const TOKEN_CHARACTERS: usize = 8;

/// What is read of a request; other fields are accepted and passed over.
#[derive(Debug, Deserialize)]
struct Request {
    #[serde(default)]
    model: Option<String>,
    messages: Vec<Message>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    max_completion_tokens: Option<usize>,
    #[serde(default)]
    max_tokens: Option<usize>,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Debug, Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Option<Content>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
struct Part {
    #[serde(default)]
    text: String,
}

impl Message {
    fn text(&self) -> String {
        match &self.content {
            None => String::new(),
            Some(Content::Text(text)) => text.clone(),
            Some(Content::Parts(parts)) => parts.iter().map(|part| part.text.as_str()).collect(),
        }
    }
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Usage {
    prompt_tokens: usize,
    completion_tokens: usize,
    total_tokens: usize,
}

/// Answers a chat request.
pub(super) async fn complete(
    State(stage): State<Arc<Stage>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    stage.chat_requests.fetch_add(1, Ordering::Relaxed);
    let (body, request) = answer::parse::<Request>(body)?;
    let Some(last_user) = request.messages.iter().rfind(|message| message.role == "user") else {
        return Err(Refusal::invalid("messages", "There is no message with the role 'user'."));
    };
    let prompt: String = request.messages.iter().map(|message| message.text() + "\n").collect();
    // What was asked for in an earlier message was had with its answer.
    let markers = Markers::find(&last_user.text());
    answer::check(&stage, &markers, &body)?;

    let completion = Completion::write(&request, &prompt, &last_user.text(), &markers);
    let speed = script::speed(stage.speed, &markers);
    let stop = stage.stop.clone();
    Ok(if request.stream == Some(true) {
        let include_usage = request.stream_options.is_some_and(|options| options.include_usage);
        let steps = completion.stream(include_usage, &markers);
        event_stream(script::play(steps, speed, stop))
    } else {
        let steps = completion.whole(&markers);
        json_answer(script::play(steps, speed, stop))
    })
}

fn event_stream(body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, body).into_response()
}

fn json_answer(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// One answer, written and cut into tokens, not yet sent.
#[derive(Debug)]
struct Completion {
    id: String,
    created: u64,
    model: String,
    tokens: Vec<String>,
    finish_reason: &'static str,
    usage: Usage,
    random: fastrand::Rng,
}

impl Completion {
    /// Writes the answer. The same messages always get the same text.
    fn write(request: &Request, prompt: &str, last_user: &str, markers: &Markers) -> Self {
        let seed = fingerprint(prompt.as_bytes());
        let mut tokens = if markers.has(Marker::Empty) {
            Vec::new()
        } else {
            tokens(&writer::write(last_user, markers.has(Marker::SpeechFail), seed))
        };
        let limit = request.max_completion_tokens.or(request.max_tokens).unwrap_or(usize::MAX);
        let finish_reason = if tokens.len() > limit { "length" } else { "stop" };
        tokens.truncate(limit);
        let prompt_tokens = prompt.chars().count().div_ceil(4);
        Self {
            id: format!("chatcmpl-{}", uuid::Uuid::now_v7().simple()),
            created: seconds_now(),
            model: request.model.clone().unwrap_or_else(|| "simulated-writer".to_owned()),
            finish_reason,
            usage: Usage {
                prompt_tokens,
                completion_tokens: tokens.len(),
                total_tokens: prompt_tokens + tokens.len(),
            },
            tokens,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// The script of a streamed answer.
    fn stream(
        mut self,
        include_usage: bool,
        markers: &Markers,
    ) -> impl Iterator<Item = Step> + Send + use<> {
        let tokens = std::mem::take(&mut self.tokens);
        let (kept, ending) = match script::bad_ending(markers, tokens.len()) {
            Some((at, step)) => (at, Some(step)),
            None => (tokens.len(), None),
        };
        let opening = [
            Step::Wait(self.first_wait()),
            self.chunk(&json!({"role": "assistant", "content": ""}), None, include_usage),
        ];
        let mut closing = vec![self.chunk(&json!({}), Some(self.finish_reason), include_usage)];
        closing.extend(include_usage.then(|| self.usage_chunk()));
        closing.push(Step::Send(Bytes::from_static(b"data: [DONE]\n\n")));
        let closing = ending.map_or(closing, |step| vec![step]);

        let content = tokens.into_iter().take(kept).flat_map(move |token| {
            let chunk = self.chunk(&json!({"content": token}), None, include_usage);
            [chunk, Step::Wait(Duration::from_millis(self.random.u64(TOKEN_MS)))]
        });
        opening.into_iter().chain(content).chain(closing)
    }

    /// The script of an answer in one piece: as long a wait, then the whole.
    fn whole(mut self, markers: &Markers) -> Vec<Step> {
        let waits = iter::repeat_with(|| self.random.u64(TOKEN_MS)).take(self.tokens.len());
        let wait = Duration::from_millis(FIRST_TOKEN_MS + waits.sum::<u64>());
        let body = Bytes::from(self.object().to_string());
        let (kept, ending) = match script::bad_ending(markers, body.len()) {
            Some((at, step)) => (at, Some(step)),
            None => (body.len(), None),
        };
        let mut steps = vec![Step::Wait(wait), Step::Send(body.slice(..kept))];
        steps.extend(ending);
        steps
    }

    fn first_wait(&mut self) -> Duration {
        Duration::from_millis(self.random.u64(FIRST_TOKEN_MS * 8 / 10..=FIRST_TOKEN_MS * 12 / 10))
    }

    /// One chunk as an event. `usage` is null in every chunk but the last, if that one is to come.
    fn chunk(&self, delta: &Value, finish_reason: Option<&str>, include_usage: bool) -> Step {
        let mut chunk = self.frame("chat.completion.chunk");
        chunk["choices"] = json!([{
            "index": 0,
            "delta": delta,
            "logprobs": null,
            "finish_reason": finish_reason,
        }]);
        if include_usage {
            chunk["usage"] = Value::Null;
        }
        event(&chunk)
    }

    fn usage_chunk(&self) -> Step {
        let mut chunk = self.frame("chat.completion.chunk");
        chunk["choices"] = json!([]);
        chunk["usage"] = json!(self.usage);
        event(&chunk)
    }

    fn object(&self) -> Value {
        let mut object = self.frame("chat.completion");
        object["choices"] = json!([{
            "index": 0,
            "message": {"role": "assistant", "content": self.tokens.concat(), "refusal": null},
            "logprobs": null,
            "finish_reason": self.finish_reason,
        }]);
        object["usage"] = json!(self.usage);
        object
    }

    /// What a chunk and a whole answer have in common.
    fn frame(&self, object: &str) -> Value {
        json!({
            "id": self.id,
            "object": object,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": "tailwater_simulator",
        })
    }
}

fn event(payload: &Value) -> Step {
    Step::Send(Bytes::from(format!("data: {payload}\n\n")))
}

fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

/// Cuts a text as a model does: a word with the space before it, a long word in several parts.
/// Joined, the tokens are the text.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut length = 0;
    let mut after_space = true;
    for character in text.chars() {
        let space = character.is_whitespace();
        let starts = space && !after_space;
        match tokens.last_mut() {
            Some(token) if !starts && length < TOKEN_CHARACTERS => {
                token.push(character);
                length += 1;
            }
            _ => {
                tokens.push(character.into());
                length = 1;
            }
        }
        after_space = space;
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_short_and_join_to_the_text() {
        let text = "# Tea\n\nÜber-Ångströms are (extraordinarily) small:\n\n- 🫖 tea\n";
        let tokens = tokens(text);
        assert_eq!(tokens.concat(), text);
        assert!(tokens.iter().all(|token| (1..=TOKEN_CHARACTERS).contains(&token.chars().count())));
        assert!(tokens.contains(&" small:".to_owned()));
    }

    #[test]
    fn a_message_is_a_string_or_parts_or_nothing() {
        let text = |json| serde_json::from_value::<Message>(json).unwrap().text();
        assert_eq!(text(json!({"role": "user", "content": "a"})), "a");
        let parts = json!([{"type": "text", "text": "a"}, {"type": "image_url"}, {"text": "b"}]);
        assert_eq!(text(json!({"role": "user", "content": parts})), "ab");
        assert_eq!(text(json!({"role": "user", "content": null})), "");
    }
}
