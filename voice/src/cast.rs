//! The cast: the voices by name.
//!
//! The names are those of `OpenAI`'s speech endpoint, so that one setting works
//! with the real provider and with the simulator. Each is one of eSpeak NG's
//! acoustic variants with its own pitch and pace: nobody takes them for the
//! originals, but they are easy to tell apart.

/// One voice.
#[derive(Debug)]
pub(crate) struct Actor {
    /// What `--voice` calls it.
    pub(crate) name: &'static str,
    /// eSpeak NG's variant, appended to the language (`en+f3`).
    pub(crate) variant: &'static str,
    /// Height of the voice, 0–100; 50 is the variant's own.
    pub(crate) pitch: u32,
    /// How much the melody moves, 0–100; 50 is normal, 0 a monotone.
    pub(crate) range: u32,
    /// Pace beside the others: 1.0 is 175 words per minute.
    pub(crate) pace: f64,
}

const CAST: [Actor; 13] = [
    actor("alloy", "m3", 52, 50, 0.98),
    actor("ash", "m1", 40, 45, 0.95),
    actor("ballad", "m7", 48, 75, 0.88),
    actor("cedar", "m2", 32, 40, 0.92),
    actor("coral", "f2", 58, 65, 1.02),
    actor("echo", "m4", 50, 45, 1.0),
    actor("fable", "m5", 60, 80, 1.0),
    actor("marin", "f1", 50, 55, 0.96),
    actor("nova", "f3", 55, 60, 1.05),
    actor("onyx", "m6", 25, 35, 0.9),
    actor("sage", "f4", 45, 45, 0.94),
    actor("shimmer", "f5", 68, 70, 1.06),
    actor("verse", "m8", 55, 65, 1.03),
];

/// The names, in alphabetical order.
pub(crate) const NAMES: [&str; CAST.len()] = {
    let mut names = [""; CAST.len()];
    let mut at = 0;
    while at < CAST.len() {
        names[at] = CAST[at].name;
        at += 1;
    }
    names
};

const fn actor(
    name: &'static str,
    variant: &'static str,
    pitch: u32,
    range: u32,
    pace: f64,
) -> Actor {
    Actor { name, variant, pitch, range, pace }
}

/// The voice of that name, in upper or lower case.
pub(crate) fn find(name: &str) -> Option<&'static Actor> {
    CAST.iter().find(|actor| actor.name.eq_ignore_ascii_case(name))
}

/// Who speaks when nobody is asked for.
pub(crate) fn narrator() -> &'static Actor {
    &CAST[0]
}
