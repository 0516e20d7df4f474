//! The next message of a conversation, streamed as it is written, narrated if asked for.

use serde_json::Value;

use crate::job::input::Chat;
use crate::provider::chat::Request;

use super::writer::Writer;
use super::written::{MARKDOWN, Written};
use super::{Halt, Run};

/// The longest title, in Unicode scalar values, of an answer that has no heading.
const TITLE_CHARACTERS: usize = 80;

/// Runs a chat job.
///
/// # Errors
/// The reason to stop.
pub(super) async fn run(run: &Run) -> Result<Value, Halt> {
    let input: Chat = serde_json::from_value(run.claimed.job.input.clone())
        .map_err(|error| Halt::failed("invalid_input", error.to_string(), false))?;
    // How the model is to answer is the app's to say: nothing is put in front of its messages.
    let request = Request { messages: input.messages.clone(), max_tokens: None };
    let markdown = Writer::new(run, None, input.voiceover).write(&request).await?;
    run.give_permit_back().await;
    let answer = Written {
        markdown: &markdown,
        files: &[(MARKDOWN, "answer.md", &markdown)],
        fallback_title: &title(input.question()),
        language: &input.language,
        voiceover: input.voiceover,
        voice: input.voice.as_deref(),
    };
    answer.finish(run).await
}

/// A question as a title: its first line, not too long.
fn title(question: &str) -> String {
    let line = question.trim().lines().next().unwrap_or_default();
    line.chars().take(TITLE_CHARACTERS).collect()
}
