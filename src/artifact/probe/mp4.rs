//! The movie header of MP4 and `QuickTime` files: ISO/IEC 14496-12, sections 4.2 and 8.
//!
//! A file is boxes, some with boxes inside. They are walked by their headers, and only a few of a
//! hundred bytes are read: neither the samples nor the tables that find them.

use std::io::{Read, Seek, SeekFrom};

use super::Probe;
use super::sound::milliseconds;

/// How many boxes are looked at: far more than real files have where we look, and few enough that a
/// file of nothing else is soon given up.
const MOST_BOXES: u32 = 10_000;

/// The bytes of the longest box that is read, `tkhd` of version 1.
const LONGEST: usize = 96;

/// What the file says of itself.
pub(super) fn probe<F: Read + Seek>(file: F, size: u64) -> Probe {
    let mut walk = Walk { file, left: MOST_BOXES };
    let whole = Part { kind: *b"file", begin: 0, end: size };
    let movie = walk.find(&whole, *b"moov");
    movie.map(|movie| walk.movie(&movie)).unwrap_or_default()
}

/// A box: where its content is.
#[derive(Clone, Copy, Debug)]
struct Part {
    kind: [u8; 4],
    begin: u64,
    /// Exclusive.
    end: u64,
}

struct Walk<F> {
    file: F,
    /// How many more boxes are looked at.
    left: u32,
}

impl<F: Read + Seek> Walk<F> {
    /// The box whose header is at `at`; nothing at the end, or where what is there is no box within
    /// `end`.
    fn part(&mut self, at: u64, end: u64) -> Option<Part> {
        self.left = self.left.checked_sub(1)?;
        let header = self.read::<8>(at, end)?;
        let (size, kind) = header.split_at(4);
        let (size, begin) = match u32::from_be_bytes(*size.first_chunk()?) {
            0 => (end - at, at + 8),
            1 => (u64::from_be_bytes(self.read(at + 8, end)?), at + 16),
            size => (size.into(), at + 8),
        };
        let part_end = at.checked_add(size).filter(|part_end| (begin..=end).contains(part_end))?;
        Some(Part { kind: *kind.first_chunk()?, begin, end: part_end })
    }

    fn read<const N: usize>(&mut self, at: u64, end: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        at.checked_add(N as u64).filter(|last| *last <= end)?;
        self.file.seek(SeekFrom::Start(at)).ok()?;
        self.file.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }

    /// The first box of this kind directly within another.
    fn find(&mut self, within: &Part, kind: [u8; 4]) -> Option<Part> {
        let mut at = within.begin;
        loop {
            let part = self.part(at, within.end)?;
            if part.kind == kind {
                return Some(part);
            }
            at = part.end;
        }
    }

    /// The beginning of a box's content.
    fn content(&mut self, part: &Part) -> Option<Vec<u8>> {
        let length = usize::try_from(part.end - part.begin).unwrap_or(LONGEST).min(LONGEST);
        let mut content = vec![0; length];
        self.file.seek(SeekFrom::Start(part.begin)).ok()?;
        self.file.read_exact(&mut content).ok()?;
        Some(content)
    }

    fn movie(&mut self, movie: &Part) -> Probe {
        let mut probe = Probe::default();
        let (mut rate, mut at) = (0, movie.begin);
        while let Some(part) = self.part(at, movie.end) {
            at = part.end;
            match &part.kind {
                b"mvhd" => {
                    let times = self.content(&part).and_then(|content| times(&content));
                    rate = times.map_or(0, |(rate, _)| rate);
                    let duration = times.and_then(|(rate, units)| milliseconds(units, rate));
                    probe.duration_ms = duration.filter(|duration| *duration > 0);
                }
                b"mvex" if probe.duration_ms.is_none() => {
                    probe.duration_ms = self.fragments(&part, rate);
                }
                b"trak" if probe.width.is_none() => {
                    let size = self.picture(&part);
                    probe.width = size.map(|(width, _)| width);
                    probe.height = size.map(|(_, height)| height);
                }
                _ => {}
            }
        }
        probe
    }

    /// The duration of a file in fragments, where it says it.
    fn fragments(&mut self, extends: &Part, rate: u64) -> Option<u64> {
        let header = self.find(extends, *b"mehd")?;
        let units = unsigned(&self.content(&header)?, 4, 4)?;
        milliseconds(units, rate)
    }

    /// The size of a track's picture as it is shown, when the track has one.
    fn picture(&mut self, track: &Part) -> Option<(u32, u32)> {
        let media = self.find(track, *b"mdia")?;
        let handler = self.find(&media, *b"hdlr")?;
        if self.content(&handler)?.get(8..12)? != b"vide" {
            return None;
        }
        let header = self.find(track, *b"tkhd")?;
        shown_size(&self.content(&header)?)
    }
}

/// Units per second, and how many the movie has, of an `mvhd`.
fn times(content: &[u8]) -> Option<(u64, u64)> {
    let is_long = *content.first()? == 1;
    let rate = if is_long { content.get(20..24)? } else { content.get(12..16)? };
    let rate = u32::from_be_bytes(*rate.first_chunk()?);
    Some((rate.into(), unsigned(content, 16, 24)?))
}

/// A number that has 4 bytes in version 0 and 8 in version 1. All ones: it is not known.
fn unsigned(content: &[u8], short: usize, long: usize) -> Option<u64> {
    if *content.first()? == 1 {
        let number = u64::from_be_bytes(*content.get(long..)?.first_chunk()?);
        return Some(number).filter(|number| *number != u64::MAX);
    }
    let number = u32::from_be_bytes(*content.get(short..)?.first_chunk()?);
    Some(number).filter(|number| *number != u32::MAX).map(u64::from)
}

/// Width and height of a `tkhd`, exchanged when its matrix turns the picture by a quarter, as that
/// of a phone held upright does.
fn shown_size(content: &[u8]) -> Option<(u32, u32)> {
    let matrix = if *content.first()? == 1 { 52 } else { 40 };
    let cell = |at: usize| content.get(matrix + 4 * at..).and_then(|cell| cell.first_chunk());
    let is_zero = |at: usize| cell(at).is_some_and(|cell| *cell == [0; 4]);
    // Fixed point, 16 bits behind it.
    let pixels = |at: usize| Some(u32::from_be_bytes(*cell(at)?) >> 16);
    let size = (pixels(9)?, pixels(10)?);
    let is_turned = is_zero(0) && is_zero(4) && !is_zero(1) && !is_zero(3);
    let (width, height) = if is_turned { (size.1, size.0) } else { size };
    (width > 0 && height > 0).then_some((width, height))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    fn part(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(8 + content.len()).unwrap();
        [&size.to_be_bytes(), kind.as_slice(), content].concat()
    }

    fn mvhd(rate: u32, duration: u32) -> Vec<u8> {
        let content = [[0; 4]; 3].into_iter().chain([rate.to_be_bytes(), duration.to_be_bytes()]);
        part(b"mvhd", &[content.collect::<Vec<_>>().concat(), vec![0; 80]].concat())
    }

    fn track(handler: &[u8; 4], turned: bool, width: u32, height: u32) -> Vec<u8> {
        let (one, unit) = (0x1_0000_u32, 0x4000_0000_u32);
        let matrix = if turned {
            [0, one, 0, !one + 1, 0, 0, 0, 0, unit]
        } else {
            [one, 0, 0, 0, one, 0, 0, 0, unit]
        };
        let cells = matrix.into_iter().chain([width << 16, height << 16]);
        let cells: Vec<u8> = cells.flat_map(u32::to_be_bytes).collect();
        let header = part(b"tkhd", &[vec![0; 40], cells].concat());
        let handler = part(b"hdlr", &[&[0; 8], handler.as_slice(), &[0; 12]].concat());
        part(b"trak", &[header, part(b"mdia", &handler)].concat())
    }

    fn movie(parts: &[Vec<u8>]) -> Vec<u8> {
        let ftyp = part(b"ftyp", b"isom\0\0\x02\0isomiso2");
        [ftyp, part(b"mdat", &[7; 1000]), part(b"moov", &parts.concat())].concat()
    }

    fn probed(file: &[u8]) -> Probe {
        probe(Cursor::new(file), file.len() as u64)
    }

    fn facts(duration_ms: u64, width: u32, height: u32) -> Probe {
        Probe { duration_ms: Some(duration_ms), width: Some(width), height: Some(height) }
    }

    #[test]
    fn duration_and_size_are_found_behind_the_samples() {
        let video = track(b"vide", false, 1280, 720);
        let file = movie(&[mvhd(600, 4_500), track(b"soun", false, 0, 0), video]);
        assert_eq!(probed(&file), facts(7_500, 1280, 720));
    }

    #[test]
    fn a_picture_that_is_turned_is_shown_upright() {
        let file = movie(&[mvhd(1000, 1), track(b"vide", true, 1920, 1080)]);
        assert_eq!(probed(&file), facts(1, 1080, 1920));
    }

    #[test]
    fn a_sound_has_no_size() {
        let file = movie(&[mvhd(44_100, 44_100), track(b"soun", false, 9, 9)]);
        assert_eq!(probed(&file), Probe { duration_ms: Some(1000), ..Probe::default() });
    }

    #[test]
    fn fragments_say_their_duration_in_a_box_of_their_own() {
        let extends = part(b"mvex", &part(b"mehd", b"\0\0\0\0\0\0\x07\xD0"));
        let file = movie(&[mvhd(1000, 0), extends]);
        assert_eq!(probed(&file).duration_ms, Some(2000));
        assert_eq!(probed(&movie(&[mvhd(1000, u32::MAX)])), Probe::default());
    }

    #[test]
    fn long_boxes_and_boxes_to_the_end_are_walked() {
        let long = [b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x14".as_slice(), &[0; 4]].concat();
        let moov = [b"\0\0\0\0moov".as_slice(), &mvhd(1, 3)].concat();
        assert_eq!(probed(&[long, moov].concat()).duration_ms, Some(3000));
        let mut version_1 = [b"\x01\0\0\0".as_slice(), &[0; 16], &1000_u32.to_be_bytes()].concat();
        version_1.extend_from_slice(&(1_u64 << 33).to_be_bytes());
        assert_eq!(probed(&movie(&[part(b"mvhd", &version_1)])).duration_ms, Some(1 << 33));
    }

    #[test]
    fn sizes_that_lie_end_the_walk() {
        for size in [2_u64, 7, 15, u64::MAX, u64::MAX - 8, 1 << 40] {
            let long = [b"\0\0\0\x01free".as_slice(), &size.to_be_bytes(), &[0; 64]].concat();
            assert_eq!(probed(&long), Probe::default(), "{size}");
        }
        assert_eq!(probed(&b"\0\0\0\x08free".repeat(100_000)), Probe::default());
        assert_eq!(probed(&movie(&[mvhd(0, 5)])), Probe::default());
    }

    proptest! {
        #[test]
        fn no_damage_makes_it_panic(
            cut in 0_usize..1400,
            damage in prop::collection::vec((0_usize..1400, any::<u8>()), 0..12),
        ) {
            let tracks = [mvhd(600, 4_500), track(b"vide", true, 1280, 720)];
            let mut file = movie(&tracks);
            for (at, byte) in damage {
                let at = at % file.len();
                file[at] = byte;
            }
            file.truncate(cut);
            probed(&file);
        }
    }
}
