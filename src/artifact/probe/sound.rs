//! How long FLAC and Ogg files play.

use std::io::{Read, Seek, SeekFrom};

/// The longest page of an Ogg file, in bytes: RFC 3533, section 6.
const LONGEST_PAGE: u64 = 65_307;

/// What is needed of the first page: its header and the beginning of its only packet.
const FIRST_PAGE: u64 = 64;

/// Opus counts at this rate, whatever its sound had: RFC 7845, section 4.
const OPUS_RATE: u64 = 48_000;

/// The duration that a FLAC file's first block says, in milliseconds: RFC 9639, section 8.2.
pub(super) fn flac(head: &[u8]) -> Option<u64> {
    let fields = u64::from_be_bytes(*head.strip_prefix(b"fLaC")?.get(14..)?.first_chunk()?);
    let (rate, samples) = (fields >> 44, fields & ((1 << 36) - 1));
    milliseconds(samples, rate).filter(|duration| *duration > 0)
}

/// The duration of an Ogg file of Vorbis or Opus, in milliseconds: the last page says how many
/// samples there are up to its end.
pub(super) fn ogg<F: Read + Seek>(file: &mut F, size: u64) -> Option<u64> {
    let first = part(file, 0, FIRST_PAGE)?;
    let packet = first.get(28..)?;
    let (rate, skipped) = if packet.starts_with(b"\x01vorbis") {
        (u32::from_le_bytes(*packet.get(12..)?.first_chunk()?).into(), 0)
    } else if packet.starts_with(b"OpusHead") {
        (OPUS_RATE, u16::from_le_bytes(*packet.get(10..)?.first_chunk()?).into())
    } else {
        return None;
    };
    let last = part(file, size.saturating_sub(LONGEST_PAGE), LONGEST_PAGE)?;
    let at = last.windows(5).rposition(|bytes| bytes == b"OggS\0")?;
    let position = u64::from_le_bytes(*last.get(at + 6..)?.first_chunk()?);
    // All ones: no packet ends on the page.
    let position = Some(position).filter(|position| *position != u64::MAX)?;
    milliseconds(position.checked_sub(skipped)?, rate)
}

fn part<F: Read + Seek>(file: &mut F, from: u64, limit: u64) -> Option<Vec<u8>> {
    let mut part = Vec::new();
    file.seek(SeekFrom::Start(from)).ok()?;
    file.take(limit).read_to_end(&mut part).ok()?;
    Some(part)
}

/// How long so many units play, when there are `rate` of them in a second.
pub(super) fn milliseconds(units: u64, rate: u64) -> Option<u64> {
    let duration = (u128::from(units) * 1000).checked_div(rate.into())?;
    u64::try_from(duration).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn page(position: u64, packet: &[u8]) -> Vec<u8> {
        [b"OggS\0\0".as_slice(), &position.to_le_bytes(), &[0; 12], &[1, 30], packet].concat()
    }

    fn ogg_of(file: &[u8]) -> Option<u64> {
        ogg(&mut Cursor::new(file), file.len() as u64)
    }

    #[test]
    fn a_flac_file_counts_its_samples() {
        let mut head = b"fLaC\0\0\0\x22".to_vec();
        head.extend_from_slice(&[0; 10]);
        // 44.1 kHz, 2 channels, 16 bits, 66150 samples.
        head.extend_from_slice(&(44_100 << 44 | 1 << 41 | 15 << 36 | 66_150_u64).to_be_bytes());
        assert_eq!(flac(&head), Some(1500));
        assert_eq!(flac(&head[..25]), None);
        head[18..].fill(0);
        assert_eq!(flac(&head), None);
    }

    #[test]
    fn the_last_page_of_an_ogg_file_says_how_long_it_is() {
        let opus = page(0, b"OpusHead\x01\x01\x38\x01\x80\xBB\0\0\0\0\0");
        let long = vec![0; 100_000];
        let file = [opus.as_slice(), &page(960, &long), &page(48_000 + 312, b"end")].concat();
        assert_eq!(ogg_of(&file), Some(1000));
        let vorbis = page(0, b"\x01vorbis\0\0\0\0\x01\x40\x1F\0\0");
        assert_eq!(ogg_of(&[vorbis.as_slice(), &page(4000, b"end")].concat()), Some(500));
    }

    #[test]
    fn an_ogg_file_without_sense_has_no_duration() {
        assert_eq!(ogg_of(b"OggS\0"), None);
        assert_eq!(ogg_of(&page(u64::MAX, b"OpusHead\x01\x01\x38\x01\x80\xBB")), None);
        assert_eq!(ogg_of(&page(5, b"\x01vorbis\0\0\0\0\x01\0\0\0\0\0")), None);
    }
}
