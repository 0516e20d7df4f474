//! The JSON of `/chat/completions`: what is sent, and what of a stream's payloads matters.
//!
//! Every field of an answer is optional and may be null: each server leaves out another one.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::chat::Request;
use crate::job::input::Message;

/// Which field bounds the answer: `OpenAI`'s newer models refuse the older name, and many local
/// servers do not know the newer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LimitField {
    MaxTokens,
    MaxCompletionTokens,
}

impl LimitField {
    pub(super) fn of(base_url: &str) -> Self {
        let url = reqwest::Url::parse(base_url).ok();
        match url.as_ref().and_then(|url| url.host_str()) {
            Some("api.openai.com") => Self::MaxCompletionTokens,
            Some(_) | None => Self::MaxTokens,
        }
    }
}

/// The body of a request.
#[derive(Debug, Serialize)]
pub(super) struct Body<'a> {
    model: &'a str,
    messages: &'a [Message],
    stream: bool,
    stream_options: StreamOptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
}

#[derive(Debug, Serialize)]
struct StreamOptions {
    include_usage: bool,
}

impl<'a> Body<'a> {
    /// The body that asks for a stream, with its cost at the end.
    pub(super) fn new(model: &'a str, request: &'a Request, limit_field: LimitField) -> Self {
        let limit = |field| request.max_tokens.filter(|_| limit_field == field);
        Self {
            model,
            messages: &request.messages,
            stream: true,
            stream_options: StreamOptions { include_usage: true },
            max_tokens: limit(LimitField::MaxTokens),
            max_completion_tokens: limit(LimitField::MaxCompletionTokens),
        }
    }
}

/// One payload of the stream, as far as it matters.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Chunk {
    choices: Option<Vec<Choice>>,
    usage: Option<Value>,
}

impl Chunk {
    /// Reads a payload that is known to be JSON.
    ///
    /// # Errors
    /// When it has a known field of another type.
    pub(super) fn read(payload: Value) -> Result<Self, serde_json::Error> {
        Self::deserialize(payload)
    }

    /// What the answer cost so far. One that makes no sense is passed over: it is no reason to lose
    /// the text.
    pub(super) fn usage(&self) -> Option<Usage> {
        Usage::deserialize(self.usage.as_ref()?).ok()
    }

    /// Its part of the answer; usage and progress chunks have none.
    pub(super) fn first_choice(self) -> Option<Choice> {
        self.choices?.into_iter().find(|choice| choice.index.unwrap_or(0) == 0)
    }
}

/// One of the answers that were asked for; we ask for one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Choice {
    index: Option<u32>,
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

impl Choice {
    /// The text and the finish reason, neither of them empty.
    pub(super) fn read(self) -> (Option<String>, Option<String>) {
        let text = self.delta.and_then(|delta| delta.content).map(Content::into_text);
        let filled = |words: Option<String>| words.filter(|words| !words.is_empty());
        (filled(text), filled(self.finish_reason))
    }
}

#[derive(Debug, Default, Deserialize)]
struct Delta {
    content: Option<Content>,
}

/// A delta's content: text, or parts of which those with text count.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
struct Part {
    text: Option<String>,
}

impl Content {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Parts(parts) => parts.into_iter().filter_map(|part| part.text).collect(),
        }
    }
}

/// What an answer cost, in the provider's tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
    /// The sum.
    pub total_tokens: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(payload: &str) -> (Option<String>, Option<String>) {
        let chunk = Chunk::read(serde_json::from_str(payload).unwrap()).unwrap();
        chunk.first_choice().map(Choice::read).unwrap_or_default()
    }

    #[test]
    fn only_openai_itself_gets_the_newer_name_of_the_limit() {
        assert_eq!(LimitField::of("https://api.openai.com/v1"), LimitField::MaxCompletionTokens);
        assert_eq!(LimitField::of("http://localhost:11434/v1"), LimitField::MaxTokens);
        assert_eq!(LimitField::of("nonsense"), LimitField::MaxTokens);
    }

    #[test]
    fn text_is_found_as_a_string_and_in_parts() {
        let text = |text: &str| (Some(text.to_owned()), None);
        assert_eq!(read(r#"{"choices":[{"delta":{"content":"a"}}]}"#), text("a"));
        let parts = r#"{"choices":[{"delta":{"content":[{"type":"text","text":"a"},{"type":"thinking"},{"text":"b"}]}}]}"#;
        assert_eq!(read(parts), text("ab"));
    }

    #[test]
    fn chunks_without_text_are_passed_over() {
        for payload in [
            r#"{}"#,
            r#"{"choices":null,"usage":null}"#,
            r#"{"choices":[{"index":null}],"usage":{"total_tokens":null}}"#,
            r#"{"choices":[]}"#,
            r#"{"choices":[{"index":1,"delta":{"content":"another answer"}}]}"#,
            r#"{"choices":[{"delta":null,"finish_reason":""}]}"#,
            r#"{"choices":[{"delta":{"content":"","reasoning":"hm"},"finish_reason":null}]}"#,
        ] {
            assert_eq!(read(payload), (None, None), "{payload}");
        }
    }
}
