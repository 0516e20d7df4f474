//! What fuzzing found before, given to the same targets again.
//!
//! `fuzz/` is a crate of its own that libFuzzer is linked into; here its targets are plain
//! functions. Each corpus is replayed, so that a claim which no longer holds is seen on every run,
//! and without a fuzzer.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "../../fuzz/src/lib.rs"]
mod targets;

/// The bytes that a target is known to do something new with.
fn corpus(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a name").path()).collect();
    files.sort();
    files
}

fn replay(target: &str) {
    let files = corpus(target);
    assert!(!files.is_empty(), "{target} has no corpus");
    for file in files {
        let bytes = fs::read(&file).expect("a file of bytes");
        let run = || targets::run(target, &bytes);
        let outcome = std::panic::catch_unwind(run);
        assert!(outcome.is_ok(), "{target} fails with {}", file.display());
    }
}

macro_rules! replays {
    ($($target:ident),* $(,)?) => {
        $(
            #[test]
            fn $target() {
                replay(stringify!($target));
            }
        )*

        #[test]
        fn every_target_is_replayed_and_can_be_fuzzed() {
            let known = BTreeSet::from([$(stringify!($target)),*]);
            let all: BTreeSet<_> = targets::TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(known, all);
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
            let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
            for target in all {
                assert!(manifest.contains(&format!("name = \"{target}\"")), "{target}");
                let file = root.join(format!("fuzz_targets/{target}.rs"));
                let source = fs::read_to_string(&file).unwrap();
                assert!(source.contains(&format!("run(\"{target}\", bytes)")), "{source}");
            }
        }
    };
}

replays![
    catalog,
    cursor,
    data_url,
    form,
    frame,
    ingest,
    media,
    model_input,
    provider,
    range,
    sse,
    ticket,
    webhook,
];
