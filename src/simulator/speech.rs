//! `POST /v1/audio/speech`: a text, spoken, as WAV or bare PCM.
//!
//! Source: `OpenAI`'s API reference, "create speech". The field `language` is ours: the real models
//! hear the language, ours has to be told.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::Stage;
use super::answer::{self, Refusal};
use super::markers::{self, Marker, Markers};
use super::script::{self, Step};
use super::voice::Line;

/// The longest input, in Unicode scalar values.
const MAX_CHARACTERS: usize = 4096;

/// How fast the voice may speak.
const SPEED: RangeInclusive<f64> = 0.25..=4.0;

/// From the request to the first byte, for any text and for each of its characters.
const FIRST_BYTE_MS: u64 = 500;
const CHARACTER_MS: u64 = 2;

/// The answer is sent in parts of this size, with a wait between.
const PART_BYTES: usize = 64 << 10;
const PART_MS: u64 = 15;

/// What is read of a request; other fields are accepted and passed over.
#[derive(Debug, Deserialize)]
struct Request {
    input: String,
    #[serde(default)]
    voice: Option<Name>,
    #[serde(default)]
    response_format: Option<String>,
    #[serde(default)]
    speed: Option<f64>,
    #[serde(default)]
    language: Option<String>,
}

/// A voice is a name, or an object with an id.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Name {
    Plain(String),
    Custom { id: String },
}

/// The formats that can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Wav,
    Pcm,
}

impl Format {
    /// `OpenAI`'s default is MP3, which is not made here: whoever wants sound has to say so.
    fn parse(name: Option<&str>) -> Result<Self, Refusal> {
        match name.unwrap_or("mp3") {
            "wav" => Ok(Self::Wav),
            "pcm" => Ok(Self::Pcm),
            other => Err(Refusal::invalid(
                "response_format",
                &format!("The simulator speaks 'wav' and 'pcm', not '{other}'."),
            )),
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Wav => "audio/wav",
            Self::Pcm => "audio/pcm",
        }
    }
}

/// Answers a speech request.
pub(super) async fn speak(
    State(stage): State<Arc<Stage>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    stage.speech_requests.fetch_add(1, Ordering::Relaxed);
    let (body, request) = answer::parse::<Request>(body)?;
    let markers = Markers::find(&request.input);
    let format = Format::parse(request.response_format.as_deref())?;
    let line = line(request)?;
    answer::check(&stage, &markers, &body)?;
    if markers.has(Marker::SpeechFail) {
        return Err(Refusal::failure());
    }

    let wait =
        Duration::from_millis(FIRST_BYTE_MS + CHARACTER_MS * line.text.chars().count() as u64);
    let sound =
        if markers.has(Marker::Empty) { Bytes::new() } else { say(&stage, &line, format).await? };
    let speed = script::speed(stage.speed, &markers);
    let body = script::play(steps(wait, &sound, &markers), speed, stage.stop.clone());
    Ok(([(header::CONTENT_TYPE, format.media_type())], body).into_response())
}

/// Checks the request's fields and makes a line of them.
fn line(request: Request) -> Result<Line, Refusal> {
    if request.input.chars().count() > MAX_CHARACTERS {
        return Err(Refusal::invalid("input", "The input is longer than 4096 characters."));
    }
    if request.input.is_empty() {
        return Err(Refusal::invalid("input", "The input is empty."));
    }
    let speed = request.speed.unwrap_or(1.0);
    if !SPEED.contains(&speed) {
        return Err(Refusal::invalid("speed", "The speed is not between 0.25 and 4.0."));
    }
    Ok(Line {
        text: markers::remove(&request.input),
        voice: match request.voice {
            Some(Name::Plain(name) | Name::Custom { id: name }) => name,
            None => "alloy".to_owned(),
        },
        language: request.language.unwrap_or_else(|| "en".to_owned()),
        speed,
    })
}

/// Has the line spoken, unless the simulator stops first.
async fn say(stage: &Stage, line: &Line, format: Format) -> Result<Bytes, Refusal> {
    let sound = match stage.stop.run_until_cancelled(stage.studio.speak(line)).await {
        Some(Ok(sound)) => sound,
        Some(Err(error)) => {
            tracing::warn!(%error, "the simulated voice failed");
            return Err(Refusal::server_error("The voice failed; the server's log says why."));
        }
        None => return Err(Refusal::server_error("The simulator has stopped.")),
    };
    Ok(match format {
        Format::Wav => sound.to_wav(),
        Format::Pcm => sound.to_pcm(),
    })
}

/// The script of an answer: a wait while the model would be speaking, then the file in parts.
fn steps(wait: Duration, sound: &Bytes, markers: &Markers) -> Vec<Step> {
    let (kept, ending) = match script::bad_ending(markers, sound.len()) {
        Some((at, step)) => (at, Some(step)),
        None => (sound.len(), None),
    };
    let mut steps = vec![Step::Wait(wait)];
    for start in (0..kept).step_by(PART_BYTES) {
        steps.push(Step::Send(sound.slice(start..kept.min(start + PART_BYTES))));
        steps.push(Step::Wait(Duration::from_millis(PART_MS)));
    }
    steps.extend(ending);
    steps
}
