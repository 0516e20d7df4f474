//! A blog post, streamed as it is written, narrated if asked for.

use serde_json::Value;

use crate::job::input::{Blog, Message, Role};
use crate::provider::chat::Request;

use super::markdown;
use super::writer::Writer;
use super::written::{HTML, MARKDOWN, Written};
use super::{Halt, Run};

/// Runs a blog job.
///
/// # Errors
/// The reason to stop.
pub(super) async fn run(run: &Run) -> Result<Value, Halt> {
    let input: Blog = serde_json::from_value(run.claimed.job.input.clone())
        .map_err(|error| Halt::failed("invalid_input", error.to_string(), false))?;
    let writer = Writer::new(run, Some(input.words), input.voiceover);
    let markdown = writer.write(&request(&input)).await?;
    run.give_permit_back().await;
    let html = html(markdown.clone()).await?;
    let post = Written {
        markdown: &markdown,
        files: &[(MARKDOWN, "post.md", &markdown), (HTML, "post.html", &html)],
        fallback_title: &input.topic,
        language: &input.language,
        voiceover: input.voiceover,
        voice: input.voice.as_deref(),
    };
    post.finish(run).await
}

/// The HTML, made where nobody waits: of text that nests without end it takes minutes.
async fn html(markdown: String) -> Result<String, Halt> {
    let html = tokio::task::spawn_blocking(move || markdown::html(&markdown)).await;
    html.map_err(|error| Halt::failed("internal", error.to_string(), false))
}

fn request(input: &Blog) -> Request {
    let Blog { topic, language, tone, words, .. } = input;
    let system = "You write blog posts in Markdown: a level-one heading, then an engaging \
                  introduction, sections with level-two headings, lists where they help, and \
                  a conclusion. You write only the post itself, no remarks around it and no \
                  code fence around the whole.";
    let user = format!("Topic: {topic}\nLanguage: {language}\nTone: {tone}\nWords: {words}");
    Request {
        messages: vec![
            Message { role: Role::System, content: system.into() },
            Message { role: Role::User, content: user },
        ],
        max_tokens: u32::try_from(words * 4 + 500).ok(),
    }
}
