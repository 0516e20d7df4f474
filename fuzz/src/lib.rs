//! What hostile bytes are given to, each target in a file of its own.
//!
//! A target takes any bytes and panics when a claim about them does not hold. libFuzzer looks for
//! such bytes (`scripts/fuzz`); `tests/it/fuzz.rs` gives the same targets what was found before, on
//! every run of the tests.

mod catalog;
mod cursor;
mod data_url;
mod form;
mod frame;
mod ingest;
mod input;
mod media;
mod model_input;
mod provider;
mod range;
mod runtime;
mod sse;
mod stage;
mod ticket;
mod webhook;
mod whatwg;

/// A target's name, and what takes the bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Every target; each has a folder of this name in `corpus`, and a file in `fuzz_targets`.
pub const TARGETS: [Target; 13] = [
    ("catalog", catalog::run),
    ("cursor", cursor::run),
    ("data_url", data_url::run),
    ("form", form::run),
    ("frame", frame::run),
    ("ingest", ingest::run),
    ("media", media::run),
    ("model_input", model_input::run),
    ("provider", provider::run),
    ("range", range::run),
    ("sse", sse::run),
    ("ticket", ticket::run),
    ("webhook", webhook::run),
];

/// Gives a target some bytes.
///
/// # Panics
/// When a claim does not hold, and for a name that is no target.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|(target, _)| *target == name);
    target.expect("the name of a target").1(bytes);
}
