//! The headers of MP3 frames: what a file is known by, and how long it plays.
//!
//! ISO/IEC 11172-3, section 2.4.2.3, with the lower rates of ISO/IEC 13818-3 and "MPEG 2.5".

/// The bytes of a tag in front of the sound, its header included.
const ID3_HEADER: usize = 10;

/// One frame of layer III.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Its length in bytes, header included.
    pub(super) length: usize,
    /// Samples of each channel in it.
    samples: u64,
    /// Samples per second.
    rate: u64,
    /// Bits per second.
    bits: u64,
    /// Where an encoder's note about the whole file stands in a first frame without sound.
    note: usize,
}

impl Frame {
    /// Reads a frame's header; nothing when the bytes are none.
    pub(super) fn parse(header: &[u8]) -> Option<Self> {
        let &[0xFF, second, third, fourth, ..] = header else { return None };
        let slower = match second & 0xFE {
            0xFA => 1,
            0xF2 => 2,
            0xE2 => 4,
            _ => return None,
        };
        let is_first = slower == 1;
        let kilobits = if is_first {
            [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0]
        } else {
            [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0]
        };
        let bits = 1000 * kilobits[usize::from(third >> 4)];
        let rate = [44_100, 48_000, 32_000, 0][usize::from(third >> 2 & 3)] / slower;
        if bits == 0 || rate == 0 {
            return None;
        }
        let samples = if is_first { 1152 } else { 576 };
        let length = samples / 8 * bits / rate + u64::from(third >> 1 & 1);
        let is_mono = fourth >> 6 == 3;
        let note = match (is_first, is_mono) {
            (true, false) => 36,
            (true, true) | (false, false) => 21,
            (false, true) => 13,
        };
        let length = usize::try_from(length).ok()?;
        Some(Self { length, samples, rate, bits, note })
    }
}

/// How long a file of `size` bytes plays that begins with `head`, in milliseconds: by its encoder's
/// count of frames, or as if all frames were as long as the first.
pub(super) fn duration_ms(head: &[u8], size: u64) -> Option<u64> {
    let begin = if head.starts_with(b"ID3") { ID3_HEADER + tag_length(head)? } else { 0 };
    let first = head.get(begin..)?;
    let frame = Frame::parse(first)?;
    if let Some(count) = counted(first.get(frame.note..).unwrap_or_default()) {
        return Some(count * frame.samples * 1000 / frame.rate);
    }
    let sound = size.checked_sub(begin as u64)?;
    Some(sound.saturating_mul(8000) / frame.bits)
}

/// Seven bits a byte: <https://id3.org/id3v2.4.0-structure>, section 6.2.
fn tag_length(head: &[u8]) -> Option<usize> {
    let size = head.get(6..ID3_HEADER)?;
    Some(size.iter().fold(0, |size, byte| size << 7 | usize::from(byte & 0x7F)))
}

/// The count of frames that LAME and others leave in the first one; its lowest flag says that it is
/// there.
fn counted(note: &[u8]) -> Option<u64> {
    let is_note = note.starts_with(b"Xing") || note.starts_with(b"Info");
    let count = note.get(8..12).filter(|_| is_note && note[7] & 1 == 1)?;
    Some(u32::from_be_bytes(*count.first_chunk()?).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 128 kbit/s at 44.1 kHz, stereo.
    const HEADER: &[u8] = b"\xFF\xFB\x90\x00";

    #[test]
    fn a_header_says_how_long_its_frame_is() {
        let length = |header: &[u8]| Frame::parse(header).map(|frame| frame.length);
        assert_eq!(length(HEADER), Some(417));
        assert_eq!(length(b"\xFF\xFB\x92\x00"), Some(418));
        // MPEG 2 and 2.5, 64 kbit/s at 22.05 and 11.025 kHz.
        assert_eq!(length(b"\xFF\xF3\x80\x00"), Some(208));
        assert_eq!(length(b"\xFF\xE3\x80\x00"), Some(417));
        for none in
            [b"\xFF\xFB\xF0\x00", b"\xFF\xFB\x9C\x00", b"\xFF\xFD\x90\x00", b"\xFF\xEB\x90\x00"]
        {
            assert_eq!(length(none), None, "{none:?}");
        }
    }

    #[test]
    fn equal_frames_are_measured_by_the_size() {
        assert_eq!(duration_ms(HEADER, 16_000), Some(1000));
        let tagged = [b"ID3\x04\0\0\0\0\x01\0".as_slice(), &[0; 128], HEADER].concat();
        assert_eq!(duration_ms(&tagged, 138 + 16_000), Some(1000));
        assert_eq!(duration_ms(&tagged, 0), None);
    }

    #[test]
    fn frames_of_any_length_are_counted_by_their_encoder() {
        let mut first = vec![0; 417];
        first[..4].copy_from_slice(HEADER);
        first[36..48].copy_from_slice(b"Xing\0\0\0\x0F\0\0\x00\x64");
        assert_eq!(duration_ms(&first, 1), Some(100 * 1152 * 1000 / 44_100));
        first[43] = 0;
        assert_eq!(duration_ms(&first, 16_000), Some(1000));
    }
}
