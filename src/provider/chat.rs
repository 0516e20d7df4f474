//! A text, streamed from an OpenAI-compatible `POST /chat/completions`.
//!
//! The rules that make one client work with `OpenAI`, Ollama, llama.cpp, vLLM and `LiteLLM`: an error
//! may come as a payload of a stream that began with 200; anything that begins with `[DONE]` ends
//! it; chunks without choices and fields that we do not know (reasoning, timings, padding) are passed
//! over; pings keep it alive; and a body that ends with neither a finish reason nor `[DONE]` was cut,
//! however tidily the connection closed.

use std::time::Duration;

use reqwest::{Client, Response};
use secrecy::SecretString;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

pub use super::completion::Usage;
use super::completion::{Body, Choice, Chunk, LimitField};
use super::error::Error;
use super::http::{Endpoint, cut, media_type};
use crate::event::parse::{Item, Message, Parser};
use crate::job::input::Message as Said;

/// The longest event of a stream that is read, in bytes. Real ones are a few hundred.
const LONGEST_EVENT: usize = 1 << 20;

/// How long the usage and the `[DONE]` behind the finish reason are waited for: the text is whole
/// without them.
const FINISH_GRACE: Duration = Duration::from_secs(5);

/// Where and how to ask.
#[derive(Debug, Clone)]
pub struct Options {
    /// The base URL with its version, such as `https://api.openai.com/v1`.
    pub base_url: String,
    /// The key; local servers need none.
    pub api_key: Option<SecretString>,
    /// The model's name at the provider.
    pub model: String,
    /// How long the provider may be silent: before the answer's headers, and between its bytes.
    /// A model that thinks or is loaded first can be silent for minutes.
    pub idle_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            base_url: "https://api.openai.com/v1".to_owned(),
            api_key: None,
            model: "gpt-4o-mini".to_owned(),
            idle_timeout: Duration::from_secs(120),
        }
    }
}

/// A client of one chat model; cheap to clone.
#[derive(Debug, Clone)]
pub struct Chat {
    endpoint: Endpoint,
    model: String,
    idle_timeout: Duration,
    limit_field: LimitField,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The conversation that is to be continued, oldest message first.
    pub messages: Vec<Said>,
    /// The most tokens that the answer may have; the provider's own limit when absent.
    pub max_tokens: Option<u32>,
}

impl Chat {
    /// A client; `client` comes from [`super::client`].
    #[must_use]
    pub fn new(client: Client, options: Options) -> Self {
        Self {
            limit_field: LimitField::of(&options.base_url),
            endpoint: Endpoint::new(client, &options.base_url, "chat/completions", options.api_key),
            model: options.model,
            idle_timeout: options.idle_timeout,
        }
    }

    /// Sends the request and returns its stream once the provider has begun to answer.
    ///
    /// # Errors
    /// Any [`Error`]; nothing was streamed yet, so a retry repeats no text.
    pub async fn stream(&self, request: &Request) -> Result<Deltas, Error> {
        let body = Body::new(&self.model, request, self.limit_field);
        let response = self.endpoint.post(&body, self.idle_timeout).await?;
        // Some servers send streams without the right type, none sends one as these two.
        if matches!(media_type(&response), "application/json" | "text/html") {
            return Err(self.endpoint.unexpected(response, "an event stream").await);
        }
        Ok(Deltas {
            endpoint: self.endpoint.clone(),
            response,
            parser: Parser::new(LONGEST_EVENT),
            state: State::Open,
            idle_timeout: self.idle_timeout,
            deadline: Instant::now() + self.idle_timeout,
            finish_reason: None,
            usage: None,
            has_text: false,
        })
    }
}

/// Where a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Text may come.
    Open,
    /// The finish reason has come; usage and `[DONE]` may follow.
    Finished,
    /// It has ended properly.
    Ended,
    /// It has failed.
    Failed,
}

/// The text of an answer, piece by piece. Dropping it ends the request.
#[derive(Debug)]
pub struct Deltas {
    endpoint: Endpoint,
    response: Response,
    parser: Parser,
    state: State,
    idle_timeout: Duration,
    /// When the silence becomes too long. It lives here and not in a call of `next`, because a
    /// caller that drops and repeats that call every 200 ms would never see it pass.
    deadline: Instant,
    finish_reason: Option<String>,
    usage: Option<Usage>,
    has_text: bool,
}

impl Deltas {
    /// The next piece of text, never empty; `None` at the proper end, and ever after.
    ///
    /// # Errors
    /// [`Error::Truncated`] when the stream was cut, [`Error::Timeout`] when it fell silent,
    /// [`Error::Moderated`] when the provider's filter ended it, [`Error::Protocol`] when it makes no
    /// sense, or what the provider said in it. After an error there is no more text, and every
    /// further call is an error.
    ///
    /// # Cancel safety
    /// Safe: a dropped call loses no text, and the idle limit goes on counting.
    pub async fn next(&mut self) -> Result<Option<String>, Error> {
        let outcome = self.read().await;
        match &outcome {
            Ok(Some(_)) => self.has_text = true,
            Ok(None) => self.state = State::Ended,
            Err(_) => self.state = State::Failed,
        }
        outcome
    }

    /// What the answer cost; known at the end, if the provider says it at all.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// Why the answer ended: `stop`, or `length` when it ran into its limit.
    #[must_use]
    pub fn finish_reason(&self) -> Option<&str> {
        self.finish_reason.as_deref()
    }

    /// Whether no text has come. At the proper end this is an empty reply, which is the caller's to
    /// judge: some servers fail before the first token and send nothing but `[DONE]`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.has_text
    }

    async fn read(&mut self) -> Result<Option<String>, Error> {
        loop {
            match self.state {
                State::Ended => return Ok(None),
                State::Failed => return Err(truncated("it had failed before")),
                State::Open | State::Finished => {}
            }
            match self.parser.poll() {
                Some(Ok(Item::Message(message))) => {
                    if let Some(text) = self.take(&message)? {
                        return Ok(Some(text));
                    }
                }
                Some(Ok(Item::Comment(_) | Item::Retry(_))) => {}
                Some(Err(error)) => return Err(Error::Protocol { message: error.to_string() }),
                None => self.receive().await?,
            }
        }
    }

    /// Waits for more bytes and gives them to the parser.
    async fn receive(&mut self) -> Result<(), Error> {
        let received = timeout_at(self.deadline, self.response.chunk()).await;
        if let Ok(Ok(Some(bytes))) = &received {
            self.parser.push(bytes);
            // A stream that pings for ever after its end gets no more time by that.
            if self.state == State::Open {
                self.deadline = Instant::now() + self.idle_timeout;
            }
            return Ok(());
        }
        // Nothing more will come. Behind a finish reason that is an end, however it came about.
        if self.state == State::Finished {
            self.state = State::Ended;
            return Ok(());
        }
        Err(match received {
            Ok(Ok(_)) => truncated("the stream ended without a finish reason"),
            Ok(Err(error)) => cut(error),
            Err(_) => Error::Timeout { waited: self.idle_timeout },
        })
    }

    /// Reads one event; gives its text, if it has any.
    fn take(&mut self, message: &Message) -> Result<Option<String>, Error> {
        if message.data.starts_with("[DONE]") {
            self.state = State::Ended;
            return Ok(None);
        }
        let payload: Value =
            serde_json::from_str(&message.data).map_err(|error| self.nonsense(message, &error))?;
        if let Some(error) = self.endpoint.error_in(&payload) {
            return Err(error);
        }
        if message.event == "error" {
            return Err(Error::Broken { message: self.endpoint.tame(&message.data) });
        }
        let chunk = Chunk::read(payload).map_err(|error| self.nonsense(message, &error))?;
        self.usage = chunk.usage().or(self.usage);
        match chunk.first_choice() {
            Some(choice) => self.take_choice(choice),
            None => Ok(None),
        }
    }

    fn take_choice(&mut self, choice: Choice) -> Result<Option<String>, Error> {
        let (text, finish_reason) = choice.read();
        if let Some(reason) = finish_reason {
            if reason == "content_filter" {
                let message = "the provider's content filter ended the text".to_owned();
                return Err(Error::Moderated { message });
            }
            self.finish_reason = Some(reason);
            if self.state == State::Open {
                self.state = State::Finished;
                self.deadline = Instant::now() + FINISH_GRACE.min(self.idle_timeout);
            }
        }
        Ok(text)
    }

    fn nonsense(&self, message: &Message, error: &serde_json::Error) -> Error {
        let start: String = message.data.chars().take(80).collect();
        Error::Protocol {
            message: self.endpoint.tame(&format!("a chunk that is not one ({error}): {start}")),
        }
    }
}

fn truncated(message: &str) -> Error {
    Error::Truncated { message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::http::testing::{Ending, drip, serve};
    use super::super::local_client;
    use super::*;
    use crate::job::input::Role;
    use axum::Router;
    use axum::http::StatusCode;
    use axum::response::IntoResponse;
    use axum::routing::post;
    use std::sync::{Arc, Mutex};

    const FINISH: &str =
        r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}"#;
    const DONE: &str = "data: [DONE]";

    fn delta(text: &str) -> String {
        let choice =
            serde_json::json!({"index": 0, "delta": {"content": text}, "finish_reason": null});
        format!("data: {}", serde_json::json!({"id": "c", "choices": [choice], "usage": null}))
    }

    fn events(events: &[&str]) -> Vec<u8> {
        events.iter().map(|event| format!("{event}\n\n")).collect::<String>().into_bytes()
    }

    async fn chat(router: Router) -> Chat {
        let options = Options {
            base_url: serve(router).await,
            api_key: Some("sk-secret".into()),
            model: "m".to_owned(),
            idle_timeout: Duration::from_secs(20),
        };
        Chat::new(local_client().unwrap(), options)
    }

    /// A chat whose answer drips `pieces` and ends so.
    async fn dripping(pieces: Vec<Vec<u8>>, ending: Ending) -> Chat {
        let answer =
            move || async move { ([("content-type", "text/event-stream")], drip(pieces, ending)) };
        chat(Router::new().route("/v1/chat/completions", post(answer))).await
    }

    async fn ask(chat: &Chat) -> Result<Deltas, Error> {
        let says = |role, content: &str| Said { role, content: content.to_owned() };
        let messages = vec![says(Role::System, "s"), says(Role::User, "u")];
        chat.stream(&Request { messages, max_tokens: Some(9) }).await
    }

    /// Everything that one answer gives: the text, then how it ended.
    async fn answer(pieces: Vec<Vec<u8>>, ending: Ending) -> (String, Result<Deltas, Error>) {
        let chat = dripping(pieces, ending).await;
        let mut deltas = ask(&chat).await.unwrap();
        let mut text = String::new();
        loop {
            match deltas.next().await {
                Ok(Some(delta)) => text.push_str(&delta),
                Ok(None) => return (text, Ok(deltas)),
                Err(error) => {
                    assert!(deltas.next().await.is_err(), "a failed stream must not look ended");
                    return (text, Err(error));
                }
            }
        }
    }

    #[tokio::test]
    async fn a_whole_answer_gives_its_text_finish_and_usage() {
        let role = r#"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}],"obfuscation":"x"}"#;
        let thinks =
            r#"data: {"choices":[{"index":0,"delta":{"reasoning_content":"hm","content":null}}]}"#;
        let usage = r#"data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8,"x":{}}}"#;
        let (hello, world) = (delta("Hel😀"), delta("lo"));
        let body = events(&[": ping", role, thinks, &hello, &world, FINISH, usage, DONE]);
        let (text, end) = answer(vec![body], Ending::Never).await;
        let mut deltas = end.unwrap();
        assert_eq!(text, "Hel😀lo");
        assert_eq!(deltas.finish_reason(), Some("stop"));
        let usage = Usage { prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 };
        assert_eq!(deltas.usage(), Some(usage));
        assert!(!deltas.is_empty());
        assert_eq!(deltas.next().await, Ok(None));
    }

    #[tokio::test]
    async fn bytes_that_drip_one_by_one_make_the_same_text() {
        let body = events(&[&delta("é😀\n\n"), &delta("ü"), FINISH, "data: [DONE] "]);
        let (text, end) =
            answer(body.into_iter().map(|byte| vec![byte]).collect(), Ending::Proper).await;
        assert_eq!(text, "é😀\n\nü");
        assert!(end.is_ok());
    }

    #[tokio::test]
    async fn the_request_says_what_the_provider_needs() {
        let seen = Arc::new(Mutex::new(None));
        let record = {
            let seen = Arc::clone(&seen);
            move |axum::Json(body): axum::Json<Value>| async move {
                *seen.lock().unwrap() = Some(body);
                ([("content-type", "text/event-stream")], "data: [DONE]\n\n")
            }
        };
        let chat = chat(Router::new().route("/v1/chat/completions", post(record))).await;
        assert_eq!(ask(&chat).await.unwrap().next().await, Ok(None));
        let expected = serde_json::json!({
            "model": "m", "stream": true, "stream_options": {"include_usage": true}, "max_tokens": 9,
            "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}],
        });
        assert_eq!(seen.lock().unwrap().take(), Some(expected));
    }

    #[tokio::test]
    async fn a_cut_stream_is_an_error() {
        for ending in [Ending::Cut, Ending::Proper] {
            let (text, end) = answer(vec![events(&[&delta("half")])], ending).await;
            assert_eq!(text, "half");
            assert_eq!(end.unwrap_err().code(), "truncated", "{ending:?}");
        }
    }

    #[tokio::test]
    async fn a_finish_reason_is_an_end_also_without_done() {
        for ending in [Ending::Cut, Ending::Proper] {
            let (text, end) = answer(vec![events(&[&delta("all"), FINISH])], ending).await;
            assert_eq!((text.as_str(), end.is_ok()), ("all", true), "{ending:?}");
        }
    }

    #[tokio::test]
    async fn an_answer_of_nothing_but_done_ends_and_is_empty() {
        let (text, end) = answer(vec![events(&[DONE])], Ending::Proper).await;
        assert_eq!(text, "");
        assert!(end.unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_error_in_the_stream_is_sorted_after_the_text_before_it() {
        let fails = r#"data: {"error":{"message":"worker died for sk-secret","type":"server_error","code":500}}"#;
        let (text, end) =
            answer(vec![events(&[&delta("some"), fails, DONE])], Ending::Proper).await;
        assert_eq!(text, "some");
        let message = "worker died for [key]".to_owned();
        assert_eq!(end.unwrap_err(), Error::Broken { message });
    }

    #[tokio::test]
    async fn a_filtered_answer_is_moderated() {
        let filter =
            r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"content_filter"}]}"#;
        let (_, end) = answer(vec![events(&[&delta("some"), filter, DONE])], Ending::Proper).await;
        assert_eq!(end.unwrap_err().code(), "moderated");
    }

    #[tokio::test]
    async fn a_chunk_that_is_no_json_is_a_protocol_error() {
        let (_, end) = answer(vec![events(&["data: {oops"])], Ending::Proper).await;
        assert_eq!(end.unwrap_err().code(), "protocol");
    }

    #[tokio::test]
    async fn json_in_place_of_a_stream_is_its_error_or_not_understood() {
        for (body, code) in [
            (r#"{"error":"model is loading","code":503}"#, "busy"),
            (r#"{"choices":[]}"#, "protocol"),
        ] {
            let json = move || async move {
                ([("content-type", "application/json; charset=utf-8")], body)
            };
            let chat = chat(Router::new().route("/v1/chat/completions", post(json))).await;
            assert_eq!(ask(&chat).await.unwrap_err().code(), code);
        }
    }

    #[tokio::test]
    async fn a_refusal_before_the_stream_is_sorted_by_its_status() {
        let refuse = || async { (StatusCode::UNAUTHORIZED, "no such key").into_response() };
        let chat = chat(Router::new().route("/v1/chat/completions", post(refuse))).await;
        assert_eq!(ask(&chat).await.unwrap_err().code(), "unauthorised");
    }

    #[tokio::test]
    async fn silence_is_a_timeout_even_for_a_caller_that_asks_again_and_again() {
        let mut chat = dripping(vec![events(&[&delta("one")])], Ending::Never).await;
        let mut deltas = ask(&chat).await.unwrap();
        assert_eq!(deltas.next().await, Ok(Some("one".to_owned())));
        drop(deltas);

        let waited = Duration::from_millis(300);
        chat.idle_timeout = waited;
        let mut deltas = ask(&chat).await.unwrap();
        let mut calls = 0;
        let error = loop {
            calls += 1;
            match tokio::time::timeout(Duration::from_millis(10), deltas.next()).await {
                Ok(Err(error)) => break error,
                Ok(Ok(_)) | Err(_) => assert!(calls < 1_000, "the silence never ended"),
            }
        };
        assert_eq!(error, Error::Timeout { waited });
        assert!(calls > 3);
    }
}
