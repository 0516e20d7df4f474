//! What is ordered from a provider, what trouble its texts ask for, and how long it takes.

use std::time::Duration;

use serde_json::{Value, json};

use crate::simulator::answer::fingerprint;
use crate::simulator::markers::{Marker, Markers};

use super::task::End;

/// The longest text of an input that is kept, in bytes; data URLs are longer.
const LONGEST_TEXT: usize = 4096;

/// What a task makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Medium {
    /// A short film with sound.
    Mp4,
    /// A picture, as one of three kinds of files.
    Jpeg,
    Png,
    Webp,
    /// A sound.
    Wav,
}

impl Medium {
    /// What a model makes, by the words in its name: films, unless it says something else.
    pub(super) fn of_model(model: &str) -> Self {
        let name = model.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
        if has(&["video", "i2v", "t2v", "s2v"]) {
            Self::Mp4
        } else if has(&["speech", "tts", "audio", "sound", "music", "voice"]) {
            Self::Wav
        } else if has(&["flux", "image", "stable-diffusion", "sdxl", "imagen"]) {
            Self::Png
        } else {
            Self::Mp4
        }
    }
}

/// What is to be made.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) id: String,
    pub(super) model: String,
    pub(super) medium: Medium,
    /// The inputs, as they came.
    pub(super) input: Value,
    pub(super) markers: Markers,
    /// Where to call back.
    pub(super) callback: Option<String>,
    /// How long it waits for a free slot first, in real time.
    pub(super) throttled: Duration,
    /// The provider ends it after this long, at a real provider's pace.
    pub(super) deadline: Option<Duration>,
    /// A mistake in the inputs that shows only at run time.
    pub(super) fault: Option<String>,
    /// What else the provider wants to remember.
    pub(super) details: Value,
}

impl Order {
    /// An order of a model with these inputs, and nothing special.
    pub(super) fn new(id: String, model: &str, input: &Value) -> Self {
        Self {
            id,
            model: model.to_owned(),
            medium: Medium::of_model(model),
            input: shortened(input),
            markers: markers(input),
            callback: None,
            throttled: Duration::ZERO,
            deadline: None,
            fault: None,
            details: Value::Null,
        }
    }

    /// How long it waits and how long it is made, at a real provider's pace.
    pub(super) fn durations(&self) -> (Duration, Duration) {
        let draw = fingerprint(self.input.to_string().as_bytes()) % 1000;
        let ms = Duration::from_millis;
        match self.medium {
            Medium::Mp4 => (ms(3_000), ms(30_000 + draw * 30)),
            Medium::Jpeg | Medium::Png | Medium::Webp => (ms(1_000), ms(4_500 + draw)),
            Medium::Wav => (ms(500), ms(3_000 + draw)),
        }
    }

    /// After which share of its run it ends, and how.
    pub(super) fn ending(&self) -> (f64, End) {
        let markers = &self.markers;
        if let Some(fault) = &self.fault {
            (0.02, End::Failed(Some(fault.clone())))
        } else if markers.has(Marker::Moderated) {
            (0.1, End::Moderated)
        } else if markers.has(Marker::Aborted) {
            (0.5, End::Aborted)
        } else if markers.has(Marker::Fail) {
            (1.0, End::Failed(None))
        } else {
            (1.0, End::Succeeded)
        }
    }
}

/// Every marker in every text of the inputs.
pub(super) fn markers(input: &Value) -> Markers {
    let mut texts = String::new();
    gather(input, &mut texts);
    Markers::find(&texts)
}

fn gather(value: &Value, texts: &mut String) {
    match value {
        Value::String(text) if !text.starts_with("data:") => {
            texts.push_str(text);
            texts.push('\n');
        }
        Value::Array(values) => values.iter().for_each(|value| gather(value, texts)),
        Value::Object(fields) => fields.values().for_each(|value| gather(value, texts)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The inputs without their bulk: ten thousand tasks with a picture in each would be too much.
fn shortened(value: &Value) -> Value {
    match value {
        Value::String(text) if text.len() > LONGEST_TEXT => {
            let kept: String = text.chars().take(64).collect();
            json!(format!("{kept}… ({} bytes)", text.len()))
        }
        Value::Array(values) => values.iter().map(shortened).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), shortened(value))).collect()
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bulk_is_not_kept() {
        let kept = shortened(&json!({ "image": "a".repeat(5_000), "prompt": "x" }));
        assert!(kept.to_string().len() < 200, "{kept}");
        assert_eq!(kept["prompt"], "x");
    }

    #[test]
    fn a_model_makes_what_its_name_says() {
        let of = Medium::of_model;
        assert_eq!(of("fal-ai/veo3.1/image-to-video"), Medium::Mp4);
        assert_eq!(of("wan-video/wan-2.5-i2v"), Medium::Mp4);
        assert_eq!(of("fal-ai/flux/dev"), Medium::Png);
        assert_eq!(of("minimax/speech-02-hd"), Medium::Wav);
        assert_eq!(of("fal-ai/veo3"), Medium::Mp4);
    }
}
