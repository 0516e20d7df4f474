//! What becomes of a text that was written: its files, its narration, its summary.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::event::payload::Progress;
use crate::job::StoredArtifact;

use super::{Halt, Run, markdown, narrate};

/// A form of a text: the kind of its file and the media type.
type Form = (&'static str, &'static str);

/// The text as the model wrote it.
pub(super) const MARKDOWN: Form = ("markdown", "text/markdown");

/// The text as a page may show it.
pub(super) const HTML: Form = ("html", "text/html");

/// How far the job is when the narration begins.
const NARRATING_PERCENT: u8 = 62;

/// A text that was written.
pub(super) struct Written<'a> {
    pub(super) markdown: &'a str,
    /// What is stored of it: each form with the file's name and what is in it.
    pub(super) files: &'a [(Form, &'static str, &'a str)],
    /// Its title when it has no heading.
    pub(super) fallback_title: &'a str,
    pub(super) language: &'a str,
    /// Whether it is narrated.
    pub(super) voiceover: bool,
    pub(super) voice: Option<&'a str>,
}

impl Written<'_> {
    /// Stores and announces the files, speaks the text if that was asked for, and sums it up.
    ///
    /// # Errors
    /// The reason to stop.
    pub(super) async fn finish(&self, run: &Run) -> Result<Value, Halt> {
        let mut files = self.store(run).await?;
        if self.voiceover {
            run.take_speech_permit().await?;
            let speech = narrate::Narration {
                markdown: self.markdown,
                language: self.language,
                voice: self.voice,
                from_percent: NARRATING_PERCENT,
            };
            files.push(speech.run(run).await?);
        }
        run.progress(Progress { percent: 100, stage: "finishing".into(), ..Progress::default() })
            .await?;
        Ok(self.summary(&files))
    }

    async fn store(&self, run: &Run) -> Result<Vec<StoredArtifact>, Halt> {
        let mut files = Vec::new();
        for &((kind, media_type), name, body) in self.files {
            let body = Bytes::copy_from_slice(body.as_bytes());
            let file = narrate::File { kind, media_type, name, duration_ms: None, voice: None };
            let stored = file.store(run, body).await?;
            run.announce(stored.clone()).await?;
            files.push(stored);
        }
        Ok(files)
    }

    fn summary(&self, files: &[StoredArtifact]) -> Value {
        let title = markdown::title(self.markdown);
        let ids: Vec<_> = files.iter().map(|file| &file.view.id).collect();
        let mut summary = json!({
            "title": title.as_deref().unwrap_or(self.fallback_title),
            "words": markdown::word_count(self.markdown),
            "characters": self.markdown.chars().count(),
            "artifacts": ids,
        });
        if let Some(duration_ms) = files.iter().find_map(|file| file.view.duration_ms) {
            summary["duration_ms"] = duration_ms.into();
        }
        summary
    }
}
