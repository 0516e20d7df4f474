//! A blog post, streamed as it is written, narrated if asked for.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use crate::event::EventType;
use crate::event::payload::{Content, Progress};
use crate::job::input::Blog;
use crate::job::{Fact, StoredArtifact};
use crate::provider;
use crate::provider::chat::{Deltas, Request};

use super::chunks::{Chunker, Piece};
use super::{Halt, Run, markdown, narrate, retry};

/// How long a piece of text waits for more before it is let out.
const FLUSH: Duration = Duration::from_millis(200);

/// How far the job is when the text is written, with a narration to come and without.
const WRITTEN_PERCENT: (u64, u64) = (60, 95);

/// The longest text that is taken, in bytes: a model that repeats itself for ever is stopped.
const LONGEST_TEXT: usize = 1 << 20;

/// How many empty answers in a row are believed.
const EMPTY_ANSWERS: u32 = 3;

/// Runs a blog job.
///
/// # Errors
/// The reason to stop.
pub(super) async fn run(run: &Run) -> Result<Value, Halt> {
    let input: Blog = serde_json::from_value(run.claimed.job.input.clone())
        .map_err(|error| Halt::failed("invalid_input", error.to_string(), false))?;
    let mut post = Post::new(run, &input);
    post.progress(0).await?;
    post.write().await?;
    run.give_permit_back().await;
    let markdown = post.text;
    let title = markdown::title(&markdown).unwrap_or_else(|| input.topic.clone());
    let mut files = store_text(run, &markdown).await?;
    if input.voiceover {
        run.take_speech_permit().await?;
        let speech = narrate::Narration {
            markdown: &markdown,
            language: &input.language,
            voice: input.voice.as_deref(),
            from_percent: 62,
        };
        files.push(speech.run(run).await?);
    }
    run.progress(Progress { percent: 100, stage: "finishing".into(), ..Progress::default() })
        .await?;
    let duration_ms = files.iter().find_map(|file| file.view.duration_ms);
    let ids: Vec<_> = files.iter().map(|file| file.view.id.clone()).collect();
    let mut summary = json!({
        "title": title,
        "words": markdown::word_count(&markdown),
        "characters": markdown.chars().count(),
        "artifacts": ids,
    });
    if let Some(duration_ms) = duration_ms {
        summary["duration_ms"] = duration_ms.into();
    }
    Ok(summary)
}

async fn store_text(run: &Run, markdown: &str) -> Result<Vec<StoredArtifact>, Halt> {
    let html = markdown::html(markdown);
    let mut files = Vec::new();
    for (kind, media_type, name, body) in [
        ("markdown", "text/markdown", "post.md", markdown),
        ("html", "text/html", "post.html", html.as_str()),
    ] {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let file = narrate::File { kind, media_type, name, duration_ms: None, voice: None };
        let stored = file.store(run, body).await?;
        run.announce(stored.clone()).await?;
        files.push(stored);
    }
    Ok(files)
}

/// A post that is being written.
struct Post<'a> {
    run: &'a Run,
    input: &'a Blog,
    chunks: Chunker,
    text: String,
    words: u64,
    told_percent: u64,
}

impl<'a> Post<'a> {
    fn new(run: &'a Run, input: &'a Blog) -> Self {
        let (chunks, text) = (Chunker::new(), String::new());
        Self { run, input, chunks, text, words: 0, told_percent: 0 }
    }

    fn request(&self) -> Request {
        let Blog { topic, language, tone, words, .. } = self.input;
        Request {
            system: "You write blog posts in Markdown: a level-one heading, then an engaging \
                     introduction, sections with level-two headings, lists where they help, and \
                     a conclusion. You write only the post itself, no remarks around it and no \
                     code fence around the whole."
                .into(),
            user: format!("Topic: {topic}\nLanguage: {language}\nTone: {tone}\nWords: {words}"),
            max_tokens: u32::try_from(words * 4 + 500).ok(),
        }
    }

    /// Streams the text. It is asked for again only while nothing of it was seen: a text that
    /// broke off cannot be taken up where it ended.
    async fn write(&mut self) -> Result<(), Halt> {
        let request = self.request();
        let chat = self.run.workshop.chat.clone();
        for _ in 0..EMPTY_ANSWERS {
            // The first words belong to the call: until they come, it may be repeated.
            let (first, deltas) = retry::call(self.run, || begin(&chat, &request)).await?;
            let Some(first) = first else { continue };
            return self.stream(first, deltas).await;
        }
        Err(Halt::failed("empty_answer", "the model answered without a word", true))
    }

    async fn stream(&mut self, first: String, mut deltas: Deltas) -> Result<(), Halt> {
        self.take(&first).await?;
        let mut flush_at = Instant::now() + FLUSH;
        loop {
            let next = async {
                tokio::select! {
                    biased;
                    delta = deltas.next() => Some(delta),
                    () = sleep_until(flush_at), if !self.chunks.is_empty() => None,
                }
            };
            let next = self.run.or_halt(pin!(next)).await;
            match next {
                Ok(Some(Ok(Some(delta)))) => {
                    if self.chunks.is_empty() {
                        flush_at = Instant::now() + FLUSH;
                    }
                    self.take(&delta).await?;
                }
                Ok(Some(Ok(None))) => return self.let_out_rest().await,
                Ok(Some(Err(error))) => {
                    self.let_out_rest().await?;
                    return Err(error.into());
                }
                Ok(None) => {
                    self.let_out_settled().await?;
                    flush_at = Instant::now() + FLUSH;
                }
                Err(halt) => {
                    // Whoever canceled keeps what was written so far.
                    self.let_out_rest().await?;
                    return Err(halt);
                }
            }
        }
    }

    async fn take(&mut self, delta: &str) -> Result<(), Halt> {
        if self.text.len() + delta.len() > LONGEST_TEXT {
            let message = format!("the model wrote more than {LONGEST_TEXT} bytes");
            return Err(Halt::failed("too_long", message, true));
        }
        self.chunks.push(delta);
        while let Some(piece) = self.chunks.take_full() {
            self.let_out(piece).await?;
        }
        Ok(())
    }

    async fn let_out_settled(&mut self) -> Result<(), Halt> {
        while let Some(piece) = self.chunks.take_settled() {
            self.let_out(piece).await?;
        }
        Ok(())
    }

    async fn let_out_rest(&mut self) -> Result<(), Halt> {
        while let Some(piece) = self.chunks.take_rest() {
            self.let_out(piece).await?;
        }
        Ok(())
    }

    async fn let_out(&mut self, piece: Piece) -> Result<(), Halt> {
        let Piece { index, offset, text } = piece;
        self.text.push_str(&text);
        self.words += text.split_whitespace().count() as u64;
        let attempt = self.run.attempt();
        let payload = Content { index, offset, text, attempt };
        let fact = Fact::Content(payload.text.clone());
        self.run.append(EventType::Content, fact, &payload).await?;
        let (with_voice, alone) = WRITTEN_PERCENT;
        let whole = if self.input.voiceover { with_voice } else { alone };
        let percent = (self.words * whole / self.input.words.max(1)).min(whole);
        if percent >= self.told_percent + 2 {
            self.progress(percent).await?;
        }
        Ok(())
    }

    async fn progress(&mut self, percent: u64) -> Result<(), Halt> {
        self.told_percent = percent;
        let message = (self.words > 0).then(|| format!("{} words", self.words));
        let percent = u8::try_from(percent).unwrap_or(100);
        let stage = "writing".into();
        self.run.progress(Progress { percent, stage, message, ..Progress::default() }).await
    }
}

/// Asks for a text and waits for its first words; nothing when the answer is empty.
async fn begin(
    chat: &provider::chat::Chat,
    request: &Request,
) -> Result<(Option<String>, Deltas), provider::Error> {
    let mut deltas = chat.stream(request).await?;
    let first = deltas.next().await?;
    Ok((first, deltas))
}
