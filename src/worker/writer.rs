//! A text that a language model writes, streamed as it comes.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::event::EventType;
use crate::event::payload::{Content, Progress};
use crate::job::Fact;
use crate::provider;
use crate::provider::chat::{Chat, Deltas, Request};

use super::asked::Asked;
use super::chunks::{Chunker, Piece};
use super::{Halt, Run, retry};

/// How long a piece of text waits for more before it is let out.
const FLUSH: Duration = Duration::from_millis(200);

/// How far the job is when the text is written, with a narration to come and without.
const WRITTEN_PERCENT: (u64, u64) = (60, 95);

/// Where nobody knows how long the text will be: after so many words it counts as half written,
/// and it never counts as whole before it is.
const HALF_WORDS: u64 = 200;

/// The longest text that is taken, in bytes: a model that repeats itself for ever is stopped.
const LONGEST_TEXT: usize = 1 << 20;

/// How many empty answers in a row are believed.
const EMPTY_ANSWERS: u32 = 3;

/// A text that is being written.
pub(super) struct Writer<'a> {
    run: &'a Run,
    /// About how many words there will be, where that is known.
    expected_words: Option<u64>,
    /// How far the job is once all of it is written.
    whole: u64,
    chunks: Chunker,
    text: String,
    words: u64,
    told_percent: u64,
}

impl<'a> Writer<'a> {
    /// A writer of about so many words, with a narration to come or without.
    pub(super) fn new(run: &'a Run, expected_words: Option<u64>, has_voiceover: bool) -> Self {
        let (with_voice, alone) = WRITTEN_PERCENT;
        Self {
            run,
            expected_words,
            whole: if has_voiceover { with_voice } else { alone },
            chunks: Chunker::new(),
            text: String::new(),
            words: 0,
            told_percent: 0,
        }
    }

    /// Streams the text to readers; gives the whole. It is asked for again only while nothing of it
    /// was seen: a text that broke off cannot be taken up where it ended.
    ///
    /// # Errors
    /// The reason to stop; what was written until then is with the readers.
    pub(super) async fn write(mut self, request: &Request) -> Result<String, Halt> {
        self.progress(0).await?;
        let chat = self.run.workshop.chat.clone();
        for _ in 0..EMPTY_ANSWERS {
            // The first words belong to the call: until they come, it may be repeated.
            let (first, deltas) = retry::call(self.run, || begin(self.run, &chat, request)).await?;
            let Some(first) = first else { continue };
            self.stream(first, deltas).await?;
            return Ok(self.text);
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
        let fact = Fact::Content(payload.text.as_str().into());
        self.run.append(EventType::Content, fact, &payload).await?;
        let percent = percent(self.words, self.expected_words, self.whole);
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

/// How far the job is after so many words, where it is at `whole` once all are written.
fn percent(words: u64, expected: Option<u64>, whole: u64) -> u64 {
    match expected {
        Some(expected) => (words * whole / expected.max(1)).min(whole),
        None => words * whole / (words + HALF_WORDS),
    }
}

/// Asks for a text and waits for its first words; nothing when the answer is empty.
async fn begin(
    run: &Run,
    chat: &Chat,
    request: &Request,
) -> Result<(Option<String>, Deltas), provider::Error> {
    let asked = Asked::now("chat", "chat", run.claimed.job.id.as_str());
    let answer = async {
        let mut deltas = chat.stream(request).await?;
        let first = deltas.next().await?;
        Ok((first, deltas))
    };
    let answer = answer.await;
    asked.note(&answer, |_| ("the model began to write".into(), None));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_unknown_length_comes_nearer_to_whole_and_is_never_there() {
        let told: Vec<_> =
            [0, 20, 200, 2_000, 100_000].map(|words| percent(words, None, 95)).into();
        assert_eq!(told, [0, 8, 47, 86, 94]);
    }

    #[test]
    fn a_text_that_is_longer_than_expected_is_whole_and_no_more() {
        assert_eq!([0, 300, 600, 900].map(|words| percent(words, Some(600), 60)), [0, 30, 60, 60]);
    }
}
