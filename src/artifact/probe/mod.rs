//! How long a file plays and how large its picture is.
//!
//! Files come from strangers: what is read of one is bounded, whatever it says about itself, and a
//! damaged one has no facts. Nothing is decoded.

mod mp4;
mod sound;
mod webm;

use std::io::{Read, Seek, SeekFrom};

use super::incoming::Staged;
use super::{mp3, wav};

/// How much of a file's beginning is looked at, in bytes: pictures with their colour profiles and
/// previews have their size well before that.
const HEAD: u64 = 1 << 20;

/// What is known of a media file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// How long it plays, in milliseconds.
    pub duration_ms: Option<u64>,
    /// How wide its picture is shown, in pixels.
    pub width: Option<u32>,
    /// How high its picture is shown, in pixels.
    pub height: Option<u32>,
}

impl Staged {
    /// Looks at a file before it has its place, for which a bucket would have to be asked piece by
    /// piece. What it says cannot be told is simply not known; so is everything of a file that cannot
    /// be read, which is logged.
    pub async fn probe(&self, media_type: &str) -> Probe {
        let (path, size) = (self.path().to_owned(), self.bytes());
        let media_type = media_type.to_ascii_lowercase();
        let measured = tokio::task::spawn_blocking(move || {
            Ok(measure(std::fs::File::open(path)?, size, &media_type))
        });
        match measured.await.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            Ok(probe) => probe,
            Err(error) => {
                tracing::warn!(%error, "a file could not be looked at");
                Probe::default()
            }
        }
    }
}

/// The facts of a file of `size` bytes, as far as it has them and they make sense. The media type
/// is in lower case.
#[must_use]
pub fn measure<F: Read + Seek>(mut file: F, size: u64, media_type: &str) -> Probe {
    let of_sound = |duration_ms| Probe { duration_ms, ..Probe::default() };
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    match essence {
        "video/mp4" | "video/quicktime" | "audio/mp4" => mp4::probe(file, size),
        "video/webm" => webm::probe(&head(&mut file, HEAD)),
        "audio/ogg" => of_sound(sound::ogg(&mut file, size)),
        "audio/flac" => of_sound(sound::flac(&head(&mut file, HEAD))),
        "audio/mpeg" => of_sound(mp3::duration_ms(&head(&mut file, HEAD), size)),
        "audio/wav" => of_sound(wav::Wav::duration_of(&head(&mut file, HEAD), size).ok()),
        "image/png" | "image/jpeg" | "image/webp" | "image/gif" => {
            picture(&head(&mut file, HEAD)).unwrap_or_default()
        }
        _ => Probe::default(),
    }
}

fn picture(head: &[u8]) -> Option<Probe> {
    let size = imagesize::blob_size(head).ok()?;
    let pixels = |side: usize| u32::try_from(side).ok().filter(|side| *side > 0);
    Some(Probe {
        duration_ms: None,
        width: Some(pixels(size.width)?),
        height: Some(pixels(size.height)?),
    })
}

/// The first bytes of a file, at most `limit`; fewer when it cannot be read on.
fn head<F: Read + Seek>(file: &mut F, limit: u64) -> Vec<u8> {
    let mut head = Vec::new();
    if file.seek(SeekFrom::Start(0)).is_ok() {
        // What came before an error stays in `head`.
        let _ = file.take(limit).read_to_end(&mut head);
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::{sniff, testing};
    use bytes::Bytes;
    use futures_util::stream;
    use proptest::prelude::*;
    use std::io::Cursor;

    fn measured(file: &[u8], media_type: &str) -> Probe {
        measure(Cursor::new(file), file.len() as u64, media_type)
    }

    fn pixels(width: u32, height: u32) -> Probe {
        Probe { duration_ms: None, width: Some(width), height: Some(height) }
    }

    #[tokio::test]
    async fn a_file_is_looked_at_before_it_has_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = testing::open(folder.path()).await;
        let file = stream::iter([Ok::<_, &str>(Bytes::from_static(sniff::testing::PIXEL))]);
        let staged = artifacts.stage(file, 1000).await.unwrap();
        assert_eq!(staged.probe("Image/PNG").await, pixels(1, 1));
        assert_eq!(staged.probe("video/mp4").await, Probe::default());
        std::fs::remove_file(staged.path()).unwrap();
        assert_eq!(staged.probe("image/png").await, Probe::default());
    }

    #[test]
    fn a_picture_has_a_size_and_no_duration() {
        assert_eq!(measured(b"GIF89a\x40\x01\xF0\0\0\0\0", "image/gif"), pixels(320, 240));
        let jpeg = b"\xFF\xD8\xFF\xE0\0\x04xx\xFF\xC0\0\x0B\x08\x00\xF0\x01\x40\x01\x01\x11\0";
        assert_eq!(measured(jpeg, "image/jpeg; x=y"), pixels(320, 240));
        assert_eq!(measured(b"GIF89a\0\0\0\0\0\0\0", "image/gif"), Probe::default());
    }

    #[test]
    fn a_sound_has_a_duration_and_no_size() {
        let tone = wav::Wav { sample_rate: 8000, channels: 1, samples: vec![0; 12_000] };
        let probe = measured(&tone.encode(), "audio/wav");
        assert_eq!(probe, Probe { duration_ms: Some(1500), ..Probe::default() });
    }

    #[test]
    fn what_is_not_media_has_no_facts() {
        assert_eq!(measured(b"<html>", "text/html"), Probe::default());
        assert_eq!(measured(b"<html>", "video/mp4"), Probe::default());
        assert_eq!(measured(b"", ""), Probe::default());
    }

    proptest! {
        #[test]
        fn no_file_makes_it_panic(
            media_type in prop::sample::select(vec![
                "image/png", "image/jpeg", "image/webp", "image/gif", "video/mp4", "video/webm",
                "audio/ogg",
                "audio/flac", "audio/mpeg", "audio/wav",
            ]),
            first in prop::sample::select(vec![
                b"".as_slice(), sniff::testing::PIXEL, b"\xFF\xD8\xFF\xE0\0\x10", b"GIF89a",
                b"RIFF\0\0\0\0WEBPVP8X", b"RIFF\0\0\0\0WEBPVP8 ", b"RIFF\0\0\0\0WEBPVP8L", b"fLaC\0\0\0\x22",
                b"OggS\0\x02", b"ID3\x04\0\0\0\0\0\0\xFF\xFB\x90\0", b"\0\0\0\x10ftypisom", b"\x1A\x45\xDF\xA3\x80\x18\x53\x80\x67",
            ]),
            cut in 0_usize..120,
            rest in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut file = first.to_vec();
            file.truncate(cut);
            file.extend_from_slice(&rest);
            measured(&file, media_type);
        }
    }
}
