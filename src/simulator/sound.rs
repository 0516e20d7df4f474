//! Sound as samples: read from WAV, written as WAV or as bare PCM, and a tone for when there is no
//! voice.

use bytes::Bytes;

/// The rate of a bare PCM answer, in samples per second, as `OpenAI` documents it.
const PCM_RATE: u32 = 24_000;

/// The rate of the test tone: that of the voices.
const TONE_RATE: u32 = 22_050;

/// How long the tone sounds for each character, in milliseconds; speech takes about as long.
const TONE_MS_PER_CHARACTER: u64 = 60;

/// The longest tone, in milliseconds.
const MAX_TONE_MS: u64 = 60_000;

/// Sound of one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sound {
    /// Samples per second.
    rate: u32,
    samples: Vec<i16>,
}

impl Sound {
    /// No sound at all.
    pub(super) fn silence() -> Self {
        Self { rate: TONE_RATE, samples: Vec::new() }
    }

    /// A soft tone as long as `text` would take to say at `speed`; `voice` chooses its height.
    pub(super) fn tone(text: &str, voice: &str, speed: f64) -> Self {
        let ms = (text.chars().count() as u64 * TONE_MS_PER_CHARACTER).min(MAX_TONE_MS);
        let count = (ms as f64 / speed * f64::from(TONE_RATE) / 1000.0) as usize;
        // A pentatonic scale: any two of its notes agree.
        let scale = [262.0, 294.0, 330.0, 392.0, 440.0];
        let note = scale[voice.bytes().map(usize::from).sum::<usize>() % scale.len()];
        let fade = f64::from(TONE_RATE) * 0.05;
        let sample = |at: usize| {
            let edge = (at.min(count - 1 - at) as f64 / fade).min(1.0);
            let phase = at as f64 / f64::from(TONE_RATE) * note * std::f64::consts::TAU;
            (phase.sin() * edge * 0.15 * f64::from(i16::MAX)) as i16
        };
        Self { rate: TONE_RATE, samples: (0..count).map(sample).collect() }
    }

    /// Reads a WAV file of 16 bits and one channel; `None` if it is anything else.
    ///
    /// The chunks are walked, and a data chunk that claims more than there is ends with the file:
    /// `espeak-ng` writes placeholders for the sizes it does not know yet.
    pub(super) fn from_wav(file: &[u8]) -> Option<Self> {
        let mut rest = file.strip_prefix(b"RIFF")?.get(4..)?.strip_prefix(b"WAVE")?;
        let mut rate = None;
        loop {
            let (name, size, body) = chunk(rest)?;
            match name {
                b"fmt " => rate = Some(mono_rate(body.get(..size)?)?),
                b"data" => {
                    let data = &body[..size.min(body.len())];
                    let pairs = data.chunks_exact(2);
                    let samples =
                        pairs.map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
                    return Some(Self { rate: rate?, samples });
                }
                _ => {}
            }
            // Chunks begin at even positions.
            rest = body.get(size.checked_add(size % 2)?..)?;
        }
    }

    /// A WAV file with true sizes.
    pub(super) fn to_wav(&self) -> Bytes {
        let data = little_endian(&self.samples);
        let size = u32::try_from(data.len()).expect("a voice's output is capped far below 4 GiB");
        let mut file = Vec::with_capacity(44 + data.len());
        file.extend(b"RIFF");
        file.extend((36 + size).to_le_bytes());
        file.extend(b"WAVEfmt ");
        file.extend(16u32.to_le_bytes()); // size of this chunk
        file.extend(1u16.to_le_bytes()); // PCM
        file.extend(1u16.to_le_bytes()); // channels
        file.extend(self.rate.to_le_bytes());
        file.extend((self.rate * 2).to_le_bytes()); // bytes per second
        file.extend(2u16.to_le_bytes()); // bytes per frame
        file.extend(16u16.to_le_bytes()); // bits per sample
        file.extend(b"data");
        file.extend(size.to_le_bytes());
        file.extend(data);
        Bytes::from(file)
    }

    /// Bare samples at 24 kHz, little end first.
    pub(super) fn to_pcm(&self) -> Bytes {
        Bytes::from(little_endian(&self.resample(PCM_RATE)))
    }

    /// Each new sample lies on the line between the two old ones beside it. Speech has little
    /// above 8 kHz, so nothing better is called for.
    fn resample(&self, rate: u32) -> Vec<i16> {
        let count = self.samples.len() as u64 * u64::from(rate) / u64::from(self.rate);
        let sample = |at: u64| {
            let position = at as f64 * f64::from(self.rate) / f64::from(rate);
            let left = position as usize;
            let right = (left + 1).min(self.samples.len() - 1);
            let [left_value, right_value] =
                [left, right].map(|index| f64::from(self.samples[index]));
            (left_value + (right_value - left_value) * position.fract()) as i16
        };
        (0..count).map(sample).collect()
    }
}

/// A chunk's name, the size it claims, and everything behind its header.
fn chunk(rest: &[u8]) -> Option<(&[u8; 4], usize, &[u8])> {
    let (name, rest) = rest.split_first_chunk::<4>()?;
    let (size, body) = rest.split_first_chunk::<4>()?;
    Some((name, usize::try_from(u32::from_le_bytes(*size)).ok()?, body))
}

/// The rate in a format chunk, if it is 16-bit PCM of one channel.
fn mono_rate(format: &[u8]) -> Option<u32> {
    let short = |at: usize| Some(u16::from_le_bytes(*format.get(at..)?.first_chunk::<2>()?));
    let rate = u32::from_le_bytes(*format.get(4..)?.first_chunk::<4>()?);
    let is_mono = (short(0)?, short(2)?, short(14)?) == (1, 1, 16);
    (is_mono && rate > 0).then_some(rate)
}

fn little_endian(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let tone = Sound::tone("hello", "alloy", 1.0);
        assert_eq!(Sound::from_wav(&tone.to_wav()), Some(tone));
        assert_eq!(Sound::silence().to_wav().len(), 44);
    }

    #[test]
    fn placeholder_sizes_and_foreign_chunks_are_read() {
        let tone = Sound::tone("hello", "alloy", 1.0);
        let mut file = tone.to_wav().to_vec();
        file[4..8].copy_from_slice(&0x7fff_f024_u32.to_le_bytes());
        file[40..44].copy_from_slice(&0x7fff_f000_u32.to_le_bytes());
        file.splice(36..36, *b"LIST\x03\x00\x00\x00abc\x00");
        assert_eq!(Sound::from_wav(&file), Some(tone));
    }

    #[test]
    fn what_is_no_wav_file_is_not_read() {
        let wav = Sound::tone("a", "alloy", 1.0).to_wav();
        for file in [&b""[..], b"RIFF", &wav[..20], &wav[..38], b"ID3\x04mp3"] {
            assert_eq!(Sound::from_wav(file), None);
        }
    }

    #[test]
    fn a_tone_is_exactly_as_long_as_its_text_and_fades() {
        let tone = Sound::tone("0123456789", "nova", 1.0);
        assert_eq!(tone.samples.len(), 13_230);
        assert_eq!((tone.samples[0], tone.samples[13_229]), (0, 0));
        assert!(tone.samples.iter().all(|sample| sample.unsigned_abs() < 5_000));
        assert_eq!(Sound::tone("0123456789", "nova", 2.0).samples.len(), 6_615);
        let longest = Sound::tone(&"a".repeat(4096), "nova", 1.0);
        assert_eq!(longest.samples.len(), 60 * 22_050);
    }

    #[test]
    fn pcm_lasts_as_long_as_the_wav_file() {
        let tone = Sound::tone(&"a".repeat(100), "alloy", 1.0);
        assert_eq!(tone.to_pcm().len(), 2 * 6 * 24_000);
        assert!(Sound::silence().to_pcm().is_empty());
    }
}
