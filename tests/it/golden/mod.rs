//! What the server answers, as files that the TypeScript client's types are held to.
//!
//! A real server gives one of each answer; what differs from run to run is put in place
//! ([`plain`]), and the rest must be what stands in `client/golden/`, member by member. A file is
//! named after the type of the answer and what is particular to this one: `job.running.json`.
//!
//! `TAILWATER_GOLDEN=write cargo nextest run golden` writes the files anew; what changed in them is
//! a change of the wire, and the client's types have to follow.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod answers;
mod events;
mod plain;
mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Answers by the names of their files.
#[derive(Default)]
struct Samples(BTreeMap<String, Value>);

impl Samples {
    /// Keeps an answer, without what differs from run to run.
    fn add(&mut self, name: &str, answer: Value) {
        read::by_the_client(name, &answer);
        let before = self.0.insert(format!("{name}.json"), plain::of(answer));
        assert!(before.is_none(), "two answers are called '{name}'");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clients_types_are_held_to_what_the_server_answers() {
    let mut samples = Samples::default();
    answers::of_a_server_that_waits(&mut samples).await;
    answers::of_a_server_that_works(&mut samples).await;
    events::of_streams(&mut samples).await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("client/golden");
    if std::env::var("TAILWATER_GOLDEN").is_ok_and(|wish| wish == "write") {
        write(&folder, &samples);
    }
    let wrong: Vec<_> = compare(&folder, &samples);
    assert!(
        wrong.is_empty(),
        "{} answers are not what client/golden/ has; TAILWATER_GOLDEN=write takes them over\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn stored(folder: &Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("client/golden/: {error}"));
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn write(folder: &Path, Samples(samples): &Samples) {
    fs::create_dir_all(folder).unwrap();
    for stale in stored(folder) {
        fs::remove_file(stale).unwrap();
    }
    for (name, answer) in samples {
        fs::write(folder.join(name), pretty(answer)).unwrap();
    }
}

fn compare(folder: &Path, Samples(samples): &Samples) -> Vec<String> {
    let mut unknown = stored(folder);
    let mut wrong = Vec::new();
    for (name, answer) in samples {
        unknown.remove(&folder.join(name));
        let wanted = fs::read_to_string(folder.join(name)).unwrap_or_default();
        let found = pretty(answer);
        if wanted != found {
            wrong.push(format!("-- {name}: there is\n{wanted}-- and the server says\n{found}"));
        }
    }
    wrong.extend(unknown.iter().map(|path| format!("-- {}: no such answer", path.display())));
    wrong
}

fn pretty(answer: &Value) -> String {
    format!("{}\n", serde_json::to_string_pretty(answer).unwrap())
}
