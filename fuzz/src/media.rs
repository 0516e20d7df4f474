//! Files from strangers: told by their bytes, and measured without a panic or a nonsense.

use std::io::Cursor;

use tailwater::artifact::probe::measure;
use tailwater::artifact::sniff::{Family, sniff};
use tailwater::artifact::wav::Wav;

use super::input::Input;

const TYPES: [&str; 12] = [
    "image/png",
    "image/jpeg",
    "image/webp",
    "image/gif",
    "video/mp4",
    "video/quicktime",
    "audio/mp4",
    "video/webm",
    "audio/ogg",
    "audio/flac",
    "audio/mpeg",
    "audio/wav",
];

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let declared = input.pick(&TYPES);
    let file = input.rest();
    let told = sniff(file).map(|sniffed| {
        assert_eq!(Family::of(sniffed.family.as_str()), Some(sniffed.family));
        assert!(sniffed.media_type.starts_with(sniffed.family.as_str()));
        sniffed.media_type
    });
    for media_type in told.into_iter().chain([declared]) {
        let probe = measure(Cursor::new(file), file.len() as u64, media_type);
        assert!(probe.width != Some(0) && probe.height != Some(0), "{probe:?}");
        assert!(probe.width.is_some() == probe.height.is_some(), "{probe:?}");
    }
    if let Ok(sound) = Wav::parse(file) {
        assert!(sound.sample_rate > 0 && (1..=2).contains(&sound.channels));
        assert_eq!(sound.samples.len() % usize::from(sound.channels), 0);
        assert_eq!(Wav::parse(&sound.encode()).as_ref(), Ok(&sound));
        let joined = Wav::join(&[sound.clone(), sound.clone()], 10).expect("two make one");
        assert!(joined.frames() >= sound.frames());
    }
}
