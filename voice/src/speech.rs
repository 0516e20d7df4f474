//! Speaking: pieces of text in, one run of samples on disk out.

use std::fs::File;
use std::io::{BufWriter, Seek, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use espeak_ng::EspeakNg;

use crate::arguments::Request;
use crate::{Error, text, wav};

/// Words per minute at speed 1: eSpeak NG's own default.
const WORDS_PER_MINUTE: f64 = 175.0;

/// The rates that the engine itself can speak at, in words per minute.
/// Beyond them its sound is stretched or shortened at the same pitch.
const ENGINE_RATES: (f64, f64) = (80.0, 450.0);

/// The longest sound: six hours, about 950 MB. Text can be short and still
/// take long to say: figures, symbols and emoji have long names.
const MAX_BYTES: u32 = 6 * 60 * 60 * wav::SAMPLE_RATE * 2;

/// Finished sound: samples of 16 bits, little end first, without a header.
#[derive(Debug)]
pub(crate) struct Sound {
    /// Positioned at the first sample; gone from the disk when it is closed.
    pub(crate) file: File,
    /// How many bytes it holds.
    pub(crate) bytes: u32,
}

/// Speaks `text` into a nameless file beside the engine's data.
///
/// On disk and not in memory: a header with true sizes has to wait for the
/// last sample, and hours of sound are a gigabyte.
///
/// # Errors
/// When the sound gets too long, the engine fails or the disk is full.
pub(crate) fn spool(request: &Request, text: &str, data: &Path) -> Result<Sound, Error> {
    let engine = engine(request, data)?;
    let mut writer = BufWriter::new(tempfile::tempfile_in(data)?);
    let mut bytes: u32 = 0;
    for piece in text::pieces(text) {
        // The engine is young, and asserts; its state is not used after a panic.
        let spoken = catch_unwind(AssertUnwindSafe(|| engine.synth(piece)));
        let (samples, _) = spoken.map_err(|_| Error::Panic)??;
        bytes = u32::try_from(samples.len() * 2)
            .ok()
            .and_then(|more| bytes.checked_add(more))
            .filter(|sum| *sum <= MAX_BYTES)
            .ok_or_else(|| Error::Text("the text takes over six hours to say".to_owned()))?;
        for sample in samples {
            writer.write_all(&sample.to_le_bytes())?;
        }
    }
    let mut file = writer.into_inner().map_err(std::io::Error::from)?;
    file.rewind()?;
    Ok(Sound { file, bytes })
}

/// The engine, tuned to the language, the voice and the speed.
fn engine(request: &Request, data: &Path) -> Result<EspeakNg, Error> {
    let actor = request.actor;
    let wanted = WORDS_PER_MINUTE * actor.pace * request.speed;
    let rate = wanted.clamp(ENGINE_RATES.0, ENGINE_RATES.1).round();
    let engine = EspeakNg::builder()
        .voice(&format!("{}+{}", request.language, actor.variant))
        .data_dir(data)
        .rate(rate as u32)
        .pitch(actor.pitch)
        .range(actor.range)
        .build()?;
    Ok(engine.with_post_tempo(wanted / rate))
}
