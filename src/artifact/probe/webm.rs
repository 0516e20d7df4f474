//! The beginning of `WebM` files: RFC 8794 (EBML) and RFC 9559 (Matroska).
//!
//! Duration and size stand before the pictures, so the beginning of a file is enough.

use super::Probe;

const SEGMENT: u64 = 0x1853_8067;
const INFO: u64 = 0x1549_A966;
const TIMESTAMP_SCALE: u64 = 0x2A_D7B1;
const DURATION: u64 = 0x4489;
const TRACKS: u64 = 0x1654_AE6B;
const TRACK_ENTRY: u64 = 0xAE;
const VIDEO: u64 = 0xE0;
const PIXEL_WIDTH: u64 = 0xB0;
const PIXEL_HEIGHT: u64 = 0xBA;

/// Nanoseconds in a unit of time where the file says no other number: RFC 9559, section 5.1.2.9.
const USUAL_SCALE: u64 = 1_000_000;

/// What the file says of itself.
pub(super) fn probe(head: &[u8]) -> Probe {
    let mut probe = Probe::default();
    for (_, segment) in elements(head).filter(|(id, _)| *id == SEGMENT) {
        for (id, content) in elements(segment) {
            match id {
                INFO => probe.duration_ms = duration_ms(content),
                TRACKS => (probe.width, probe.height) = size(content).unzip(),
                _ => {}
            }
        }
    }
    probe
}

fn duration_ms(info: &[u8]) -> Option<u64> {
    let scale = child(info, TIMESTAMP_SCALE).map_or(Some(USUAL_SCALE), unsigned)?;
    let units = match child(info, DURATION)? {
        long if long.len() == 8 => f64::from_be_bytes(*long.first_chunk()?),
        short if short.len() == 4 => f32::from_be_bytes(*short.first_chunk()?).into(),
        _ => return None,
    };
    let milliseconds = (units * scale as f64 / 1e6).round();
    // A float's `as` is saturating; what is past a million years is no duration.
    (1.0..3.2e16).contains(&milliseconds).then_some(milliseconds as u64)
}

/// The size of the first picture.
fn size(tracks: &[u8]) -> Option<(u32, u32)> {
    let video = elements(tracks)
        .filter(|(id, _)| *id == TRACK_ENTRY)
        .find_map(|(_, track)| child(track, VIDEO))?;
    let pixels = |id| {
        let side = child(video, id).and_then(unsigned)?;
        u32::try_from(side).ok().filter(|side| *side > 0)
    };
    Some((pixels(PIXEL_WIDTH)?, pixels(PIXEL_HEIGHT)?))
}

fn child(parent: &[u8], id: u64) -> Option<&[u8]> {
    elements(parent).find(|(found, _)| *found == id).map(|(_, content)| content)
}

/// The elements that follow each other here; the last may be cut.
fn elements(mut rest: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    std::iter::from_fn(move || {
        let (id, _, after) = number(rest)?;
        let (size, bits, after) = number(after)?;
        let (marker, unknown) = (1 << bits, (1 << bits) - 1);
        // All ones: to the end of what it stands in.
        let size = match size - marker {
            size if size == unknown => after.len(),
            size => usize::try_from(size).unwrap_or(usize::MAX).min(after.len()),
        };
        let (content, after) = after.split_at(size);
        rest = after;
        Some((id, content))
    })
}

/// A number whose leading zeros say how many bytes it has, with the one behind them, and how many
/// bits it has without: RFC 8794, section 4.
fn number(bytes: &[u8]) -> Option<(u64, u32, &[u8])> {
    let length = bytes.first()?.leading_zeros() as usize + 1;
    let (digits, rest) = bytes.split_at_checked(length).filter(|_| length <= 8)?;
    Some((big_endian(digits), 7 * u32::try_from(length).ok()?, rest))
}

fn unsigned(content: &[u8]) -> Option<u64> {
    (content.len() <= 8).then(|| big_endian(content))
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn element(id: &[u8], content: &[u8]) -> Vec<u8> {
        let size = u8::try_from(content.len()).unwrap();
        [id, &[0x40, size], content].concat()
    }

    fn info(duration: &[u8]) -> Vec<u8> {
        let scale = element(b"\x2A\xD7\xB1", &500_000_u32.to_be_bytes());
        element(b"\x15\x49\xA9\x66", &[scale, element(b"\x44\x89", duration)].concat())
    }

    fn file(duration: &[u8]) -> Vec<u8> {
        let sides = [element(b"\xB0", &[5, 0]), element(b"\xBA", &[0, 0, 2, 0xD0])].concat();
        let video = element(b"\xAE", &element(b"\xE0", &sides));
        let sound = element(b"\xAE", b"");
        let tracks = element(b"\x16\x54\xAE\x6B", &[sound, video].concat());
        let header = element(b"\x1A\x45\xDF\xA3", b"\x42\x82\x84webm");
        // A segment of unknown size, as a recorder in a browser writes it.
        let segment = b"\x18\x53\x80\x67\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF";
        [&header, segment.as_slice(), &info(duration), &tracks].concat()
    }

    #[test]
    fn duration_and_size_are_found() {
        let facts = Probe { duration_ms: Some(1500), width: Some(1280), height: Some(720) };
        assert_eq!(probe(&file(&3000_f64.to_be_bytes())), facts);
        assert_eq!(probe(&file(&3000_f32.to_be_bytes())), facts);
    }

    #[test]
    fn a_duration_without_sense_is_none() {
        for duration in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
            let probe = probe(&file(&duration.to_be_bytes()));
            assert_eq!((probe.duration_ms, probe.width), (None, Some(1280)), "{duration}");
        }
        assert_eq!(probe(&file(b"123")).duration_ms, None);
    }

    proptest! {
        #[test]
        fn no_damage_makes_it_panic(
            cut in 0_usize..200,
            damage in prop::collection::vec((0_usize..200, any::<u8>()), 0..12),
        ) {
            let mut file = file(&3000_f64.to_be_bytes());
            for (at, byte) in damage {
                let at = at % file.len();
                file[at] = byte;
            }
            file.truncate(cut);
            probe(&file);
        }
    }
}
