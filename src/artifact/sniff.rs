//! What a file is, by its first bytes.
//!
//! Only images, videos and sounds are known here, and each by all that its format fixes: a text
//! that happens to begin with `GIF` or `ID3` is none. So whatever a browser could run (HTML, SVG,
//! scripts) is never taken for media, whatever it is called. After the WHATWG's "MIME Sniffing",
//! sections 6.1 and 6.2, with stricter patterns and the formats that phones and providers add.

use std::fmt;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};

use super::mp3;

/// How many bytes [`sniff`] looks at, at most: two frames of MP3 and their header.
pub const HEAD: usize = 4096;

/// What is taken, for messages.
pub const KNOWN: &str = "PNG, JPEG, WebP or GIF images, MP4, WebM or QuickTime videos, \
                         WAV, MP3, Ogg, FLAC, AAC or M4A sounds";

/// What a person does with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Looks at it.
    Image,
    /// Watches it.
    Video,
    /// Listens to it.
    Audio,
}

impl Family {
    /// The family of this word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::Image, Self::Video, Self::Audio].into_iter().find(|one| one.as_str() == word)
    }

    /// The word for it: the first half of its media types.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What a file turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sniffed {
    /// What a person does with it.
    pub family: Family,
    /// Its media type.
    pub media_type: &'static str,
    /// How the names of such files usually end, without the dot.
    pub extension: &'static str,
}

impl Sniffed {
    /// A plain name for such a file, such as `video.mp4`.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}.{}", self.family, self.extension)
    }
}

const PNG: Sniffed = of(Family::Image, "image/png", "png");
const JPEG: Sniffed = of(Family::Image, "image/jpeg", "jpg");
const WEBP: Sniffed = of(Family::Image, "image/webp", "webp");
const GIF: Sniffed = of(Family::Image, "image/gif", "gif");
const MP4: Sniffed = of(Family::Video, "video/mp4", "mp4");
const WEBM: Sniffed = of(Family::Video, "video/webm", "webm");
const QUICKTIME: Sniffed = of(Family::Video, "video/quicktime", "mov");
const WAV: Sniffed = of(Family::Audio, "audio/wav", "wav");
const MP3: Sniffed = of(Family::Audio, "audio/mpeg", "mp3");
const OGG: Sniffed = of(Family::Audio, "audio/ogg", "ogg");
const FLAC: Sniffed = of(Family::Audio, "audio/flac", "flac");
const AAC: Sniffed = of(Family::Audio, "audio/aac", "aac");
const M4A: Sniffed = of(Family::Audio, "audio/mp4", "m4a");

const fn of(family: Family, media_type: &'static str, extension: &'static str) -> Sniffed {
    Sniffed { family, media_type, extension }
}

/// What a file is that begins with these bytes; nothing when it is no media that is known here.
#[must_use]
pub fn sniff(head: &[u8]) -> Option<Sniffed> {
    let head = &head[..head.len().min(HEAD)];
    match head {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Some(PNG),
        [0xFF, 0xD8, 0xFF, ..] => Some(JPEG),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(GIF),
        [b'R', b'I', b'F', b'F', _, _, _, _, kind @ ..] => riff(kind),
        [0x1A, 0x45, 0xDF, 0xA3, rest @ ..] => is_webm(rest).then_some(WEBM),
        [b'O', b'g', b'g', b'S', 0, ..] => ogg(head),
        [b'f', b'L', b'a', b'C', kind, ..] if kind & 0x7F == 0 => Some(FLAC),
        [b'I', b'D', b'3', ..] => is_id3(head).then_some(MP3),
        [0xFF, ..] => frames(head),
        [0, ..] => iso(head),
        _ => None,
    }
}

/// Reads the beginning of a stream for [`sniff`], and gives the whole stream back.
///
/// # Errors
/// The stream's own, if it fails within those bytes.
pub async fn peek<S, E>(mut source: S) -> Result<(Bytes, impl Stream<Item = Result<Bytes, E>>), E>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    let mut head = BytesMut::new();
    while head.len() < HEAD {
        let Some(chunk) = source.try_next().await? else { break };
        head.extend_from_slice(&chunk);
    }
    let head = head.freeze();
    Ok((head.clone(), stream::iter([Ok(head)]).chain(source)))
}

fn riff(kind: &[u8]) -> Option<Sniffed> {
    match kind {
        [b'W', b'E', b'B', b'P', b'V', b'P', b'8', b' ' | b'L' | b'X', ..] => Some(WEBP),
        [b'W', b'A', b'V', b'E', ..] => Some(WAV),
        _ => None,
    }
}

/// Whether the header that follows says `webm` as its `DocType`: RFC 8794, section 11.2.6.
fn is_webm(header: &[u8]) -> bool {
    let header = &header[..header.len().min(64)];
    header.windows(7).any(|field| field == b"\x42\x82\x84webm")
}

/// Ogg holds videos too; these begin with a page of theirs.
fn ogg(head: &[u8]) -> Option<Sniffed> {
    let packet = head.get(28..).unwrap_or_default();
    let sound = [b"\x01vorbis".as_slice(), b"OpusHead", b"\x7fFLAC", b"Speex   "];
    sound.iter().any(|codec| packet.starts_with(codec)).then_some(OGG)
}

/// Versions 2 to 4, four flags, and a length in which no byte is above 127:
/// <https://id3.org/id3v2.4.0-structure>, section 3.1.
fn is_id3(head: &[u8]) -> bool {
    match head {
        [_, _, _, 2..=4, _, flags, a, b, c, d, ..] => {
            flags & 0x0F == 0 && [a, b, c, d].iter().all(|byte| **byte < 0x80)
        }
        _ => false,
    }
}

/// Sound without any container. What looks like a frame's header is believed when another one
/// follows where the first says, or the bytes end before.
fn frames(head: &[u8]) -> Option<Sniffed> {
    let is_run = |length: fn(&[u8]) -> Option<usize>| {
        let next = length(head).map(|length| head.get(length..length + 6));
        next.is_some_and(|next| next.is_none_or(|next| length(next).is_some()))
    };
    if is_run(|header| Some(mp3::Frame::parse(header)?.length)) {
        Some(MP3)
    } else {
        is_run(adts_frame).then_some(AAC)
    }
}

/// The length of an AAC frame with its own header, in bytes: ISO/IEC 13818-7, section 6.2.
fn adts_frame(header: &[u8]) -> Option<usize> {
    let &[0xFF, second, third, fourth, fifth, sixth, ..] = header else { return None };
    let is_header = second & 0xF6 == 0xF0 && (third >> 2) & 0x0F < 13;
    let length = usize::from(fourth & 3) << 11 | usize::from(fifth) << 3 | usize::from(sixth >> 5);
    (is_header && length >= 7).then_some(length)
}

/// The ISO base media format and `QuickTime`, from which it comes: ISO/IEC 14496-12, section 4.3.
/// The same box also begins still pictures (AVIF, HEIC), which are not taken.
fn iso(head: &[u8]) -> Option<Sniffed> {
    let length = u32::from_be_bytes(*head.first_chunk()?);
    match head.get(4..8)? {
        b"ftyp" => {}
        b"moov" | b"mdat" | b"wide" if length >= 8 || length == 1 => return Some(QUICKTIME),
        _ => return None,
    }
    let length = usize::try_from(length).ok().filter(|length| (16..=HEAD).contains(length))?;
    let brands = head.get(8..length.min(head.len()))?;
    let major = brands.first_chunk()?;
    match major {
        b"qt  " => Some(QUICKTIME),
        b"M4A " | b"M4B " => Some(M4A),
        b"avif" | b"avis" | b"heic" | b"heix" | b"hevc" | b"mif1" | b"msf1" | b"crx " => None,
        _ if brands.chunks_exact(4).any(is_mp4_brand) => Some(MP4),
        _ => None,
    }
}

fn is_mp4_brand(brand: &[u8]) -> bool {
    let known = [b"mp41", b"mp42", b"mp71", b"avc1", b"dash", b"MSNV", b"M4V ", b"M4VH", b"M4VP"];
    brand.starts_with(b"iso") || known.iter().any(|known| brand == *known)
}

#[cfg(test)]
pub(crate) mod testing {
    //! The least that is taken for each kind of file.

    /// The smallest PNG there is: one transparent pixel.
    pub(crate) const PIXEL: &[u8] =
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\
        \x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc\0\x01\0\0\x05\0\x01\r\n-\xb4\0\0\0\0IEND\xaeB`\x82";
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn media_type(head: &[u8]) -> Option<&'static str> {
        sniff(head).map(|sniffed| sniffed.media_type)
    }

    fn ftyp(brands: &[u8]) -> Vec<u8> {
        let length = u32::try_from(8 + brands.len()).unwrap();
        [&length.to_be_bytes(), b"ftyp".as_slice(), brands, b"\0\0\0\x08free"].concat()
    }

    /// Two frames of MP3 at 128 kbit/s and 44.1 kHz.
    fn mp3() -> Vec<u8> {
        let mut file = vec![0; 2 * 417];
        file[..4].copy_from_slice(b"\xFF\xFB\x90\x00");
        file[417..421].copy_from_slice(b"\xFF\xFB\x90\x00");
        file
    }

    fn ogg(packet: &[u8]) -> Vec<u8> {
        [b"OggS\0\x02".as_slice(), &[0; 20], &[1, 30], packet].concat()
    }

    #[test]
    fn every_kind_of_media_is_known_by_its_first_bytes() {
        let mp4 = ftyp(b"isom\0\0\x02\0isomiso2avc1mp41");
        for (head, expected) in [
            (testing::PIXEL, "image/png"),
            (b"\xFF\xD8\xFF\xE0\0\x10JFIF\0", "image/jpeg"),
            (b"GIF89a\x01\0\x01\0", "image/gif"),
            (b"RIFF\x24\0\0\0WEBPVP8L", "image/webp"),
            (b"RIFF\x24\0\0\0WAVEfmt ", "audio/wav"),
            (b"\x1A\x45\xDF\xA3\x9F\x42\x86\x81\x01\x42\x82\x84webm", "video/webm"),
            (&mp4, "video/mp4"),
            (&ftyp(b"mp42\0\0\0\0"), "video/mp4"),
            (&ftyp(b"XAVC\x01\0\x1F\xFFXAVCmp42iso2"), "video/mp4"),
            (&ftyp(b"qt  \0\0\x02\0qt  "), "video/quicktime"),
            (b"\0\0\0\x08wide\0\0\0\x10mdat", "video/quicktime"),
            (&ftyp(b"M4A \0\0\x02\0M4A isomiso2"), "audio/mp4"),
            (b"ID3\x04\0\0\0\0\0\x23TSSE", "audio/mpeg"),
            (&mp3(), "audio/mpeg"),
            (b"\xFF\xFB\x90\x00", "audio/mpeg"),
            (b"\xFF\xF1\x50\x80\x04\xBF\xFC\x21", "audio/aac"),
            (b"fLaC\0\0\0\x22", "audio/flac"),
            (&ogg(b"\x01vorbis"), "audio/ogg"),
            (&ogg(b"OpusHead"), "audio/ogg"),
        ] {
            let sniffed = sniff(head).unwrap_or_else(|| panic!("{expected}"));
            assert_eq!(sniffed.media_type, expected);
            let family = sniffed.family.as_str();
            assert!(expected.starts_with(family), "{expected}");
            assert_eq!(sniffed.file_name(), format!("{family}.{}", sniffed.extension));
        }
    }

    #[test]
    fn what_a_browser_could_run_or_nobody_can_play_is_no_media() {
        for head in [
            b"".as_slice(),
            b"<!doctype html><html>",
            b"<svg xmlns=\"http://www.w3.org/2000/svg\">",
            b"<?xml version=\"1.0\"?><svg>",
            b"{\"error\":\"expired\"}",
            b"GIF is a format, and this is a text about it",
            b"ID3 is one too: a tag",
            b"RIFF\x24\0\0\0AVI LIST",
            b"moov\0\0\0\0",
            b"abcdmoov",
            b"%PDF-1.7",
            b"PK\x03\x04",
            b"MZ\x90\0",
            b"\xFF\xFE<\0h\0t\0m\0l\0",
            b"\xEF\xBB\xBF<html>",
            b"\x1A\x45\xDF\xA3\x9F\x42\x86\x81\x01\x42\x82\x88matroska",
            b"\xFF\xFB\xFF\x00",
            b"\0\0\0\x18ftypavif\0\0\0\0mif1isom",
            b"\0\0\0\x18ftypheic\0\0\0\0mif1isom",
            b"\0\0\0\x18ftyp3gp4\0\0\x02\x003gp43gp4",
            b"\0\0\0\x01ftyp",
            &ogg(b"\x80theora"),
        ] {
            assert_eq!(media_type(head), None, "{:?}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn bytes_that_only_begin_like_a_frame_are_no_sound() {
        let mut once = mp3();
        once[417] = 0;
        assert_eq!(media_type(&once), None);
        let adts = [b"\xFF\xF1\x50\x80\x01\x1F\xFC".as_slice(), &[0; 20]].concat();
        assert_eq!(media_type(&adts), None);
    }

    #[tokio::test]
    async fn a_stream_is_whole_after_its_beginning_was_looked_at() {
        for count in [0_usize, 1, 5000] {
            let pieces: Vec<Bytes> =
                (0..count).map(|at| vec![at.to_le_bytes()[0]].into()).collect();
            let source = stream::iter(pieces.clone().into_iter().map(Ok::<_, &str>));
            let (head, rest) = peek(source).await.unwrap();
            assert_eq!(head.len(), count.min(HEAD));
            let rest: Vec<Bytes> = rest.try_collect().await.unwrap();
            assert_eq!(rest.concat(), pieces.concat());
        }
        let cut = stream::iter([Ok(Bytes::from_static(b"a")), Err("cut")]);
        assert_eq!(peek(cut).await.map(|_| ()), Err("cut"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            mut head in prop::collection::vec(any::<u8>(), 0..64),
            first in prop::sample::select(vec![
                b"\xFF".as_slice(), b"\xFF\xF1", b"\xFF\xFB", b"\0\0\0\x10ftyp", b"RIFF", b"OggS\0",
                b"ID3", b"\x1A\x45\xDF\xA3", b"fLaC",
            ]),
            cut in 0_usize..64,
        ) {
            head.splice(..0, first.iter().copied());
            head.truncate(cut);
            let _ = sniff(&head);
        }
    }
}
