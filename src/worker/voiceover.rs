//! A narration of a given text.

use serde_json::{Value, json};

use crate::event::payload::Progress;
use crate::job::input::Voiceover;

use super::narrate::Narration;
use super::{Halt, Run};

/// Runs a voiceover job.
///
/// # Errors
/// The reason to stop.
pub(super) async fn run(run: &Run) -> Result<Value, Halt> {
    let input: Voiceover = serde_json::from_value(run.claimed.job.input.clone())
        .map_err(|error| Halt::failed("invalid_input", error.to_string(), false))?;
    let narration = Narration {
        markdown: &input.text,
        language: &input.language,
        voice: input.voice.as_deref(),
        from_percent: 0,
    };
    let stored = narration.run(run).await?;
    run.progress(Progress { percent: 100, stage: "finishing".into(), ..Progress::default() })
        .await?;
    Ok(json!({
        "artifacts": [stored.view.id],
        "duration_ms": stored.view.duration_ms,
        "characters": input.text.chars().count(),
    }))
}
