//! A narration: text to speech in parts, joined into one file.

use bytes::Bytes;

use crate::artifact::wav::Wav;
use crate::db::artifacts::content_url;
use crate::event::payload::{Artifact, Progress};
use crate::job::StoredArtifact;
use crate::provider::speech::SpeechRequest;

use super::asked::Asked;
use super::{Halt, Run, retry, sentences};

/// The pause between two parts, in milliseconds: about that between two sentences.
const PAUSE_MS: u32 = 180;

/// The most characters in one part. Shorter than the provider's limit, so that progress moves and
/// a failed part costs little.
const PART_CHARACTERS: usize = 800;

/// A text that is to be spoken.
pub(super) struct Narration<'a> {
    pub(super) markdown: &'a str,
    pub(super) language: &'a str,
    pub(super) voice: Option<&'a str>,
    /// How far the job is when the speaking begins; it ends at 99.
    pub(super) from_percent: u8,
}

impl Narration<'_> {
    /// Speaks the text, stores the file and announces it.
    ///
    /// # Errors
    /// The reason to stop.
    pub(super) async fn run(&self, run: &Run) -> Result<StoredArtifact, Halt> {
        let text = sentences::speakable(self.markdown);
        let limit = PART_CHARACTERS.min(run.workshop.speech.max_characters());
        let parts = sentences::parts(&text, limit);
        if parts.is_empty() {
            return Err(Halt::failed("nothing_to_speak", "there is nothing to speak", false));
        }
        self.tell(run, 0, parts.len()).await?;
        let mut spoken = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            spoken.push(self.speak(run, part).await?);
            self.tell(run, index + 1, parts.len()).await?;
        }
        let (bytes, duration_ms) = tokio::task::spawn_blocking(move || join(&spoken))
            .await
            .map_err(|error| Halt::failed("internal", error.to_string(), true))??;
        let voice = self.voice.unwrap_or_else(|| run.workshop.speech.default_voice());
        let file = File {
            kind: "voice",
            media_type: "audio/wav",
            name: "narration.wav",
            duration_ms: Some(duration_ms),
            voice: Some(voice.to_owned()),
        };
        let stored = file.store(run, bytes).await?;
        run.announce_narration(stored.clone()).await?;
        Ok(stored)
    }

    async fn speak(&self, run: &Run, part: &str) -> Result<Wav, Halt> {
        let request = SpeechRequest {
            text: part.to_owned(),
            voice: self.voice.map(str::to_owned),
            language: Some(self.language.to_owned()),
            speed: None,
        };
        let speak = async || {
            let asked = Asked::now("speech", "speech", run.claimed.job.id.as_str());
            let answer = run.workshop.speech.speak(&request).await;
            asked.note(&answer, |bytes| ("spoken".into(), Some(format!("{} bytes", bytes.len()))));
            answer
        };
        let bytes = retry::call(run, speak).await?;
        Wav::parse(&bytes).map_err(|error| {
            Halt::failed(
                "protocol",
                format!("the provider's speech is no WAV file: {error}"),
                false,
            )
        })
    }

    async fn tell(&self, run: &Run, part: usize, parts: usize) -> Result<(), Halt> {
        let span = usize::from(99 - self.from_percent);
        let percent = usize::from(self.from_percent) + span * part / parts;
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        run.progress(Progress {
            percent: u8::try_from(percent).unwrap_or(99),
            stage: "narrating".into(),
            message: (part > 0).then(|| format!("part {part} of {parts} spoken")),
            part: Some(number(part)),
            parts: Some(number(parts)),
        })
        .await
    }
}

fn join(parts: &[Wav]) -> Result<(Bytes, u64), Halt> {
    let joined = Wav::join(parts, PAUSE_MS)
        .map_err(|error| Halt::failed("protocol", error.to_string(), false))?;
    Ok((joined.encode().into(), joined.duration_ms()))
}

/// A file that a run is about to store.
pub(super) struct File<'a> {
    pub(super) kind: &'a str,
    pub(super) media_type: &'a str,
    pub(super) name: &'a str,
    pub(super) duration_ms: Option<u64>,
    pub(super) voice: Option<String>,
}

impl File<'_> {
    /// Puts the bytes into artifact storage; nobody is told yet.
    ///
    /// # Errors
    /// When storage fails, or the run is to stop.
    pub(super) async fn store(&self, run: &Run, body: Bytes) -> Result<StoredArtifact, Halt> {
        let id = run.reserved(self.kind).await?;
        let (job, attempt) = (&run.claimed.job.id, run.attempt());
        let stored = run
            .workshop
            .artifacts
            .put(job, attempt, self.name, body)
            .await
            .map_err(|error| Halt::failed("storage", error.to_string(), true))?;
        let view = Artifact {
            id: id.to_string(),
            kind: self.kind.into(),
            media_type: self.media_type.into(),
            url: content_url(&id),
            bytes: stored.bytes,
            duration_ms: self.duration_ms,
            width: None,
            height: None,
        };
        Ok(StoredArtifact {
            view,
            id,
            attempt,
            name: self.name.into(),
            path: Some(stored.path),
            sha256: Some(stored.sha256),
            voice: self.voice.clone(),
        })
    }
}
