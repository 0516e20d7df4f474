//! WAV files: read with all the sizes that speech programs get wrong, joined without a click,
//! written right.
//!
//! A program that streams WAV cannot know its length when it writes the header, so it writes a
//! placeholder: 0, `0x7FFFF000` (espeak-ng), `0x7FFFFFFF` (`ElevenLabs`) or `0xFFFFFFFF` (`OpenAI`).
//! Such a size means "to the end". Whatever comes in becomes 16-bit PCM, which every browser plays.
//!
//! Format: Microsoft's "Multimedia Programming Interface and Data Specifications 1.0" (RIFF) and
//! `WAVEFORMATEXTENSIBLE`.

/// The length of the fades at a seam, in milliseconds: too short to be heard as a fade, long enough
/// that no step is heard as a click.
const FADE_MS: u32 = 5;

/// Sizes from here up are placeholders: 2 GiB less the 4 KiB that espeak-ng rounds down by.
const SMALLEST_PLACEHOLDER: u32 = 0x7FFF_F000;

/// The fastest sample rate that is believed, in frames per second.
const FASTEST_RATE: u32 = 384_000;

/// The bytes before the samples in a file that [`Wav::encode`] writes.
const HEADER_BYTES: u32 = 44;

/// Sound as 16-bit PCM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wav {
    /// Frames per second, at least 1.
    pub sample_rate: u32,
    /// 1 (mono) or 2 (stereo).
    pub channels: u16,
    /// The samples, channels interleaved, whole frames only.
    pub samples: Vec<i16>,
}

/// Why a file is not taken, or parts are not joined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WavError {
    /// The file does not begin as a WAV file does.
    #[error("not a WAV file")]
    NotWav,
    /// A part that every WAV file has is not there.
    #[error("the WAV file has no whole \"{0}\" chunk")]
    Missing(&'static str),
    /// The samples are encoded in a way that is not read, or the format makes no sense.
    #[error("the WAV file's format is not supported: {0}")]
    Unsupported(String),
    /// The file says that it is longer than it is.
    #[error("the WAV file was cut: {found} of {declared} bytes of sound")]
    Cut {
        /// The bytes of sound that its header promises.
        declared: usize,
        /// Those that are there.
        found: usize,
    },
    /// There are no parts.
    #[error("there is nothing to join")]
    Nothing,
}

impl Wav {
    /// Reads a WAV file of 1 or 2 channels in 8, 16, 24 or 32-bit PCM or 32 or 64-bit float.
    ///
    /// # Errors
    /// Any [`WavError`] but [`WavError::Nothing`].
    pub fn parse(file: &[u8]) -> Result<Self, WavError> {
        let (format, declared, body) = open(file)?;
        Ok(format.read(sound(body, declared)?))
    }

    /// How long a file of `size` bytes plays that begins with `head`, in milliseconds, rounded to
    /// the nearest. Of a file that was cut, what is there counts.
    ///
    /// # Errors
    /// As [`Self::parse`], also when the sound does not begin within `head`.
    pub fn duration_of(head: &[u8], size: u64) -> Result<u64, WavError> {
        let (format, declared, body) = open(head)?;
        let there = size.saturating_sub((head.len() - body.len()) as u64);
        let bytes = if is_placeholder(declared) { there } else { there.min(declared.into()) };
        let frame = u64::from(format.channels) * format.encoding.bytes() as u64;
        Ok(milliseconds(bytes / frame, format.sample_rate))
    }

    /// How many frames (one sample of each channel) it has.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.samples.len() / usize::from(self.channels)
    }

    /// How long it plays, in milliseconds, rounded to the nearest.
    #[must_use]
    pub fn duration_ms(&self) -> u64 {
        milliseconds(self.frames() as u64, self.sample_rate)
    }

    /// Writes a WAV file whose sizes are right. (Sound of over 4 GiB, which a WAV file cannot say,
    /// gets the placeholder that means "to the end".)
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let data_bytes = u32::try_from(self.samples.len() * 2).unwrap_or(u32::MAX);
        let frame_bytes = self.channels * 2;
        let mut file = Vec::with_capacity(HEADER_BYTES as usize + self.samples.len() * 2);
        file.extend_from_slice(b"RIFF");
        file.extend_from_slice(&data_bytes.saturating_add(HEADER_BYTES - 8).to_le_bytes());
        file.extend_from_slice(b"WAVEfmt ");
        file.extend_from_slice(&16_u32.to_le_bytes());
        file.extend_from_slice(&1_u16.to_le_bytes());
        file.extend_from_slice(&self.channels.to_le_bytes());
        file.extend_from_slice(&self.sample_rate.to_le_bytes());
        let bytes_per_second = self.sample_rate.saturating_mul(u32::from(frame_bytes));
        file.extend_from_slice(&bytes_per_second.to_le_bytes());
        file.extend_from_slice(&frame_bytes.to_le_bytes());
        file.extend_from_slice(&16_u16.to_le_bytes());
        file.extend_from_slice(b"data");
        file.extend_from_slice(&data_bytes.to_le_bytes());
        for sample in &self.samples {
            file.extend_from_slice(&sample.to_le_bytes());
        }
        file
    }

    /// Joins parts, with `pause_ms` of silence between two of them, in the format of the first.
    ///
    /// At each seam the sound fades out to silence and in from it over 5 ms, so that neither a wave
    /// cut in the middle nor a constant offset makes a click. The outer ends stay as they are, and a
    /// single part comes back untouched. A part of another rate is resampled linearly, which is good
    /// enough for speech from one provider that changed its mind; parts without sound are left out.
    ///
    /// # Errors
    /// [`WavError::Nothing`] when there are no parts.
    pub fn join(parts: &[Self], pause_ms: u32) -> Result<Self, WavError> {
        let first = parts.first().ok_or(WavError::Nothing)?;
        let (sample_rate, channels) = (first.sample_rate, first.channels);
        let pause = frames_of(pause_ms, sample_rate) * usize::from(channels);
        let fade = frames_of(FADE_MS, sample_rate);
        let total: usize = parts.iter().map(|part| part.samples.len() + pause).sum();
        let mut samples = Vec::with_capacity(total);
        let mut parts = parts.iter().filter(|part| !part.samples.is_empty()).peekable();
        let mut is_first = true;
        while let Some(part) = parts.next() {
            let begin = samples.len();
            part.append_as(sample_rate, channels, &mut samples);
            let piece = &mut samples[begin..];
            if !is_first {
                fade_in(piece.chunks_exact_mut(usize::from(channels)), fade);
            }
            if parts.peek().is_some() {
                fade_in(piece.chunks_exact_mut(usize::from(channels)).rev(), fade);
                samples.resize(samples.len() + pause, 0);
            }
            is_first = false;
        }
        Ok(Self { sample_rate, channels, samples })
    }

    /// Appends its samples in another format.
    fn append_as(&self, sample_rate: u32, channels: u16, out: &mut Vec<i16>) {
        if (self.sample_rate, self.channels) == (sample_rate, channels) {
            out.extend_from_slice(&self.samples);
            return;
        }
        let frames = (self.frames() as u64 * u64::from(sample_rate)) / u64::from(self.sample_rate);
        for frame in 0..frames {
            // The place in the source, in frames: whole and the rest in parts of the target rate.
            let place = frame * u64::from(self.sample_rate);
            let whole = usize::try_from(place / u64::from(sample_rate)).unwrap_or(usize::MAX);
            let part = place % u64::from(sample_rate);
            for channel in 0..channels {
                let here = i64::from(self.sample(whole, channel, channels));
                let next = i64::from(self.sample(whole + 1, channel, channels));
                let step =
                    (next - here) * i64::try_from(part).unwrap_or(0) / i64::from(sample_rate);
                out.push(clamp(here + step));
            }
        }
    }

    /// The sample of a channel when there are `of` channels: mono is heard on both sides, stereo is
    /// mixed to mono. Behind the end the last frame goes on.
    fn sample(&self, frame: usize, channel: u16, of: u16) -> i16 {
        let at = frame.min(self.frames() - 1) * usize::from(self.channels);
        match (self.channels, of) {
            (1, _) => self.samples[at],
            (_, 1) => i16::midpoint(self.samples[at], self.samples[at + 1]),
            _ => self.samples[at + usize::from(channel)],
        }
    }
}

/// The format of the sound, the size that it declares, and everything from its first byte on.
fn open(file: &[u8]) -> Result<(Format, u32, &[u8]), WavError> {
    let riff = file.get(..12).ok_or(WavError::NotWav)?;
    if &riff[..4] != b"RIFF" || &riff[8..] != b"WAVE" {
        return Err(WavError::NotWav);
    }
    let mut format = None;
    let mut rest = &file[12..];
    // The size of the whole file in the RIFF header is not looked at: it is wrong as often as
    // the chunks' own, and says nothing that they do not.
    while let Some((header, body)) = rest.split_at_checked(8) {
        let declared = u32_at(header, 4);
        if &header[..4] == b"data" {
            return Ok((format.ok_or(WavError::Missing("fmt "))?, declared, body));
        }
        let size = usize::try_from(declared).unwrap_or(usize::MAX);
        if &header[..4] == b"fmt " {
            let chunk = body.get(..size).ok_or(WavError::Missing("fmt "))?;
            format = Some(Format::parse(chunk)?);
        }
        // Chunks begin at even places.
        let next = size.saturating_add(size % 2);
        rest = body.get(next..).unwrap_or_default();
    }
    Err(WavError::Missing("data"))
}

fn is_placeholder(declared: u32) -> bool {
    declared == 0 || declared >= SMALLEST_PLACEHOLDER
}

/// How long so many frames play, rounded to the nearest.
fn milliseconds(frames: u64, sample_rate: u32) -> u64 {
    let rate = u64::from(sample_rate);
    (frames * 1000 + rate / 2) / rate
}

/// The bytes of sound: as many as declared, or all when the size is a placeholder.
fn sound(body: &[u8], declared: u32) -> Result<&[u8], WavError> {
    if is_placeholder(declared) {
        return Ok(body);
    }
    let declared = usize::try_from(declared).unwrap_or(usize::MAX);
    body.get(..declared).ok_or(WavError::Cut { declared, found: body.len() })
}

fn frames_of(duration_ms: u32, sample_rate: u32) -> usize {
    usize::try_from(u64::from(duration_ms) * u64::from(sample_rate) / 1000).unwrap_or(usize::MAX)
}

/// Raises the sound from silence over the first `fade` frames. With the frames in reverse order it
/// is the fade to silence. A part of fewer frames than that is raised over all it has.
fn fade_in<'a>(frames: impl ExactSizeIterator<Item = &'a mut [i16]>, fade: usize) {
    let fade = fade.min(frames.len());
    for (at, frame) in frames.take(fade).enumerate() {
        for sample in frame {
            // At most 32768 · fade; fade is at most 5 ms of the fastest rate, 1920.
            *sample = clamp(i64::from(*sample) * at as i64 / fade as i64);
        }
    }
}

fn clamp(sample: i64) -> i16 {
    let clamped = sample.clamp(i64::from(i16::MIN), i64::from(i16::MAX));
    i16::try_from(clamped).expect("it is clamped to the range of i16")
}

/// How the samples of a file are encoded.
#[derive(Debug, Clone, Copy)]
struct Format {
    sample_rate: u32,
    channels: u16,
    encoding: Encoding,
}

#[derive(Debug, Clone, Copy)]
enum Encoding {
    Unsigned8,
    /// Little-endian integers of so many bytes.
    Signed(usize),
    Float32,
    Float64,
}

impl Format {
    fn parse(chunk: &[u8]) -> Result<Self, WavError> {
        if chunk.len() < 16 {
            return Err(WavError::Missing("fmt "));
        }
        // WAVE_FORMAT_EXTENSIBLE: the true tag is the beginning of the sub-format's GUID.
        let tag = match u16_at(chunk, 0) {
            0xFFFE if chunk.len() >= 26 => u16_at(chunk, 24),
            tag => tag,
        };
        let bits = u16_at(chunk, 14);
        let encoding = match (tag, bits) {
            (1, 8) => Encoding::Unsigned8,
            (1, 16 | 24 | 32) => Encoding::Signed(usize::from(bits / 8)),
            (3, 32) => Encoding::Float32,
            (3, 64) => Encoding::Float64,
            _ => return Err(WavError::Unsupported(format!("encoding {tag} with {bits} bits"))),
        };
        let (channels, sample_rate) = (u16_at(chunk, 2), u32_at(chunk, 4));
        if !(1..=2).contains(&channels) {
            return Err(WavError::Unsupported(format!("{channels} channels")));
        }
        if !(1..=FASTEST_RATE).contains(&sample_rate) {
            return Err(WavError::Unsupported(format!("{sample_rate} frames per second")));
        }
        Ok(Self { sample_rate, channels, encoding })
    }

    /// Converts whole frames; a broken one at the end is dropped.
    fn read(self, sound: &[u8]) -> Wav {
        let bytes = self.encoding.bytes();
        let whole = sound.len() - sound.len() % (bytes * usize::from(self.channels));
        let samples = sound[..whole].chunks_exact(bytes);
        Wav {
            sample_rate: self.sample_rate,
            channels: self.channels,
            samples: samples.map(|sample| self.encoding.read(sample)).collect(),
        }
    }
}

impl Encoding {
    fn bytes(self) -> usize {
        match self {
            Self::Unsigned8 => 1,
            Self::Signed(bytes) => bytes,
            Self::Float32 => 4,
            Self::Float64 => 8,
        }
    }

    /// Converts one sample. Of wider integers the upper 16 bits count; floats beyond ±1 are clipped.
    fn read(self, bytes: &[u8]) -> i16 {
        match self {
            Self::Unsigned8 => (i16::from(bytes[0]) - 128) << 8,
            Self::Signed(_) => i16::from_le_bytes([bytes[bytes.len() - 2], bytes[bytes.len() - 1]]),
            Self::Float32 => {
                let value = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                from_float(f64::from(value))
            }
            Self::Float64 => {
                let mut value = [0; 8];
                value.copy_from_slice(bytes);
                from_float(f64::from_le_bytes(value))
            }
        }
    }
}

/// A float's `as` is saturating, and NaN becomes silence.
fn from_float(value: f64) -> i16 {
    (value * f64::from(i16::MAX)).round() as i16
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mono(sample_rate: u32, samples: Vec<i16>) -> Wav {
        Wav { sample_rate, channels: 1, samples }
    }

    fn tone(sample_rate: u32, frames: usize) -> Wav {
        let wave =
            |at: usize| (at as f64 * 440.0 * std::f64::consts::TAU / f64::from(sample_rate)).sin();
        mono(sample_rate, (0..frames).map(|at| (wave(at) * 30_000.0) as i16).collect())
    }

    /// A file with a `fmt ` chunk of so many bits, an odd chunk that is passed over, and the data.
    fn file(tag: u16, channels: u16, bits: u16, size: u32, data: &[u8]) -> Vec<u8> {
        let mut file = b"RIFF\xFF\xFF\xFF\xFFWAVEfmt \x10\0\0\0".to_vec();
        file.extend_from_slice(&tag.to_le_bytes());
        file.extend_from_slice(&channels.to_le_bytes());
        file.extend_from_slice(&8000_u32.to_le_bytes());
        file.extend_from_slice(&[0; 6]);
        file.extend_from_slice(&bits.to_le_bytes());
        file.extend_from_slice(b"LIST\x03\0\0\0abc\0data");
        file.extend_from_slice(&size.to_le_bytes());
        file.extend_from_slice(data);
        file
    }

    fn largest_step(samples: &[i16]) -> i32 {
        let step = |pair: &[i16]| (i32::from(pair[1]) - i32::from(pair[0])).abs();
        samples.windows(2).map(step).max().unwrap_or(0)
    }

    #[test]
    fn what_is_encoded_is_parsed_again_and_has_right_sizes() {
        let wav = Wav { sample_rate: 44_100, channels: 2, samples: vec![1, -2, 300, i16::MIN] };
        let file = wav.encode();
        assert_eq!(u32_at(&file, 4) as usize, file.len() - 8);
        assert_eq!(u32_at(&file, 40) as usize, file.len() - 44);
        assert_eq!(Wav::parse(&file), Ok(wav));
    }

    #[test]
    fn a_placeholder_for_the_size_means_to_the_end_in_whole_frames() {
        for size in [0, 0x7FFF_F000, 0x7FFF_F024, 0x7FFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFDB] {
            let wav =
                Wav::parse(&file(1, 2, 16, size, &[1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6])).unwrap();
            assert_eq!(wav.samples, [1, 2, 3, 4], "{size:#x}");
            assert_eq!((wav.channels, wav.sample_rate), (2, 8000));
        }
    }

    #[test]
    fn chunks_behind_the_sound_are_not_sound() {
        let wav = Wav::parse(&file(1, 1, 16, 2, b"\x01\0LIST\x02\0\0\0ab")).unwrap();
        assert_eq!(wav.samples, [1]);
    }

    #[test]
    fn every_encoding_becomes_16_bits() {
        let parse =
            |tag, bits, data: &[u8]| Wav::parse(&file(tag, 1, bits, 0, data)).unwrap().samples;
        assert_eq!(parse(1, 8, &[0, 128, 255]), [-32768, 0, 32512]);
        assert_eq!(parse(1, 24, &[0xFF, 0x34, 0x12, 0, 0, 0x80]), [0x1234, -32768]);
        assert_eq!(parse(1, 32, &[0xFF, 0xFF, 0x34, 0x12]), [0x1234]);
        let floats = [0.0_f32, 1.0, -1.0, 7.0, f32::NAN].map(f32::to_le_bytes).concat();
        assert_eq!(parse(3, 32, &floats), [0, 32767, -32767, 32767, 0]);
        assert_eq!(parse(3, 64, &0.5_f64.to_le_bytes()), [16384]);
    }

    #[test]
    fn the_extensible_format_is_read_by_its_sub_format() {
        let mut file = b"RIFF\0\0\0\0WAVEfmt \x28\0\0\0\xFE\xFF\x01\0\x40\x1F\0\0".to_vec();
        file.extend_from_slice(&[0; 6]);
        file.extend_from_slice(&[16, 0, 22, 0, 16, 0, 4, 0, 0, 0, 1, 0]);
        file.extend_from_slice(&[0; 14]);
        file.extend_from_slice(b"data\x02\0\0\0\x07\0");
        assert_eq!(Wav::parse(&file), Ok(mono(8000, vec![7])));
    }

    #[test]
    fn a_cut_or_foreign_file_is_an_error() {
        let cut = WavError::Cut { declared: 10, found: 4 };
        assert_eq!(Wav::parse(&file(1, 1, 16, 10, &[0; 4])), Err(cut));
        assert_eq!(Wav::parse(b"ID3"), Err(WavError::NotWav));
        assert_eq!(Wav::parse(b"RIFF\0\0\0\0AVI LIST"), Err(WavError::NotWav));
        assert_eq!(Wav::parse(b"RIFF\0\0\0\0WAVE"), Err(WavError::Missing("data")));
        assert_eq!(Wav::parse(b"RIFF\0\0\0\0WAVEdata\0\0\0\0"), Err(WavError::Missing("fmt ")));
        assert_eq!(Wav::parse(b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\0"), Err(WavError::Missing("fmt ")));
        for (tag, channels, bits) in [(7, 1, 8), (1, 0, 16), (1, 3, 16), (1, 1, 12), (3, 1, 16)] {
            let error = Wav::parse(&file(tag, channels, bits, 0, &[0; 8])).unwrap_err();
            assert!(matches!(error, WavError::Unsupported(_)), "{error}");
        }
    }

    #[test]
    fn the_duration_counts_frames() {
        let stereo = Wav { sample_rate: 8000, channels: 2, samples: vec![0; 16_000] };
        assert_eq!(stereo.duration_ms(), 1000);
        assert_eq!(mono(22_050, vec![0; 12_345]).duration_ms(), 560);
        assert_eq!(mono(8000, Vec::new()).duration_ms(), 0);
    }

    #[test]
    fn the_beginning_of_a_file_says_how_long_it_plays() {
        let whole = file(1, 2, 16, 32_000, &[0; 32_000]);
        let size = whole.len() as u64;
        assert_eq!(Wav::duration_of(&whole[..100], size), Ok(1000));
        assert_eq!(Wav::duration_of(&whole[..100], size - 16_000), Ok(500));
        let streamed = file(1, 2, 16, 0x7FFF_F000, &[0; 16_000]);
        assert_eq!(Wav::duration_of(&streamed[..100], streamed.len() as u64), Ok(500));
        assert_eq!(Wav::duration_of(&whole[..40], size), Err(WavError::Missing("data")));
        assert_eq!(Wav::duration_of(&whole, 0), Ok(0));
    }

    #[test]
    fn a_seam_makes_no_click_whatever_the_parts_end_and_begin_with() {
        // 120 frames of fade at 24 kHz: no step at a seam may be larger than a full fade's.
        let bound = i32::from(i16::MAX) / 120 + 2;
        let constant = |value| mono(24_000, vec![value; 2_400]);
        for pause_ms in [0, 1, 250] {
            let parts = [constant(i16::MAX), constant(i16::MIN), constant(i16::MAX)];
            let joined = Wav::join(&parts, pause_ms).unwrap();
            assert!(largest_step(&joined.samples) <= bound, "{}", largest_step(&joined.samples));

            let parts = [tone(24_000, 1_013), tone(24_000, 777), tone(24_000, 9)];
            let own = parts.iter().map(|part| largest_step(&part.samples)).max().unwrap();
            let joined = Wav::join(&parts[..2], pause_ms).unwrap();
            assert!(largest_step(&joined.samples) <= own + bound);
        }
    }

    #[test]
    fn joined_parts_have_their_pause_and_keep_their_outer_ends() {
        let parts =
            [mono(8000, vec![1000; 800]), mono(8000, Vec::new()), mono(8000, vec![-1000; 800])];
        let joined = Wav::join(&parts, 100).unwrap();
        assert_eq!(joined.duration_ms(), 300);
        assert_eq!((joined.samples[0], joined.samples[2399]), (1000, -1000));
        assert!(joined.samples[799..=1600].iter().all(|&sample| sample == 0));
        assert_eq!(Wav::join(&parts[..1], 100).unwrap(), parts[0]);
        assert_eq!(Wav::join(&[], 100), Err(WavError::Nothing));
    }

    #[test]
    fn a_part_of_another_format_takes_on_the_first_ones() {
        let stereo = Wav { sample_rate: 16_000, channels: 2, samples: [100, 300].repeat(1_600) };
        let joined = Wav::join(&[mono(8000, vec![200; 800]), stereo.clone()], 0).unwrap();
        assert_eq!((joined.sample_rate, joined.channels, joined.duration_ms()), (8000, 1, 200));
        assert_eq!(joined.samples[1599], 200);
        let joined = Wav::join(&[stereo, mono(8000, vec![200; 800])], 0).unwrap();
        assert_eq!((joined.channels, joined.duration_ms()), (2, 200));
        assert_eq!(joined.samples[6398..], [200, 200]);
    }

    #[test]
    fn resampling_follows_the_wave() {
        let joined = Wav::join(&[mono(48_000, vec![0]), tone(24_000, 2_400)], 0).unwrap();
        let expected = tone(48_000, 4_800);
        let apart = joined.samples[500..4_700].iter().zip(&expected.samples[499..]);
        assert!(apart.map(|(a, b)| a.abs_diff(*b)).max().unwrap() < 60);
    }

    proptest! {
        #[test]
        fn no_file_makes_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..120), cut in 0_usize..80) {
            let mut file = file(1, 2, 16, 0, &[1, 2, 3, 4]);
            file.truncate(cut);
            file.extend_from_slice(&bytes);
            let _ = Wav::parse(&file);
        }
    }
}
