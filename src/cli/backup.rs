//! `tailwater backup` and `tailwater restore`.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::server::backup::{self, Manifest, Progress, Restored, Show, Stage};

use super::{Failure, args, out};

/// How many files are named of those that are missing.
const NAMED: usize = 10;

pub(super) async fn make(args: args::Backup) -> Result<u8, Failure> {
    let settings = super::settings(&args.flags)?.settings;
    let order = backup::Backup { target: args.target, with_files: !args.no_files };
    let bar = Arc::new(Bar::new());
    let manifest = backup::backup(&settings, &order, &bar.show()).await;
    bar.finish();
    let manifest = manifest?;
    if args.json {
        out::print(&out::json(&json!(manifest))).ok();
    } else {
        out::print(&format!("{}: {}\n", order.target.display(), summary(&manifest))).ok();
    }
    notes(&manifest).iter().for_each(|note| out::note(note));
    Ok(0)
}

pub(super) async fn restore(args: args::Restore) -> Result<u8, Failure> {
    let settings = super::settings(&args.flags)?.settings;
    let order = backup::Restore { source: args.source, with_files: !args.no_files };
    let bar = Arc::new(Bar::new());
    let restored = backup::restore(&settings, &order, &bar.show()).await;
    bar.finish();
    let restored = restored?;
    if args.json {
        out::print(&out::json(&json!(restored.manifest))).ok();
    } else {
        let summary = summary(&restored.manifest);
        out::print(&format!("{}: {summary}\n", settings.data.display())).ok();
    }
    after(&restored, &settings.data).iter().for_each(|note| out::note(note));
    Ok(0)
}

/// What there is, in a line.
fn summary(manifest: &Manifest) -> String {
    let Manifest { jobs, files, bytes, head, schema, .. } = manifest;
    let size = out::size(*bytes);
    format!("{jobs} jobs, {files} files, {size}, up to event {head} (schema {schema})")
}

/// What is not in a backup, or not as it should be.
fn notes(manifest: &Manifest) -> Vec<String> {
    let left_out = manifest.files_in.iter().map(|place| {
        format!("note: files are not in it; they are in {place}, and are to be kept with it")
    });
    let missing = named("were not there, though rows name them", &manifest.missing);
    let damaged =
        named("are not what their rows say, and are in it as they are", &manifest.damaged);
    left_out.chain(missing).chain(damaged).collect()
}

fn named(what: &str, paths: &[String]) -> Option<String> {
    if paths.is_empty() {
        return None;
    }
    let more = paths.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let list = paths.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    Some(format!("note: {} files {what}: {list}{more}", paths.len()))
}

/// What is to be known of a restored folder.
fn after(restored: &Restored, data: &Path) -> Vec<String> {
    let Restored { manifest, files, known_schema } = restored;
    let mut notes = Vec::new();
    if *files < manifest.files {
        let left = manifest.files - files;
        notes.push(format!("note: {left} files were left in the backup"));
    }
    if let Some(place) = &manifest.files_in {
        notes.push(format!("note: files are not in the backup; they were in {place}"));
    }
    if manifest.schema < *known_schema {
        notes.push(format!(
            "note: the next start brings the database from version {} to {known_schema}",
            manifest.schema
        ));
    }
    notes.push(
        "note: keys that were revoked since the backup are valid again, and what was told and paid \
         since is not known any more"
            .into(),
    );
    notes.push(format!("start it with: tailwater serve --data {}", data.display()));
    notes
}

/// A progress bar on standard error, or where that is no terminal a line for each stage.
struct Bar {
    bar: Option<ProgressBar>,
    stage: Mutex<Option<Stage>>,
}

impl Bar {
    fn new() -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(
                "{msg:24} {bar:30} {decimal_bytes}/{decimal_total_bytes} {elapsed}",
            );
            ProgressBar::new(0).with_style(style.expect("the template is valid"))
        });
        Self { bar, stage: Mutex::default() }
    }

    fn show(self: &Arc<Self>) -> Show {
        let bar = Arc::clone(self);
        Arc::new(move |progress| bar.tell(progress))
    }

    fn tell(&self, Progress { stage, done, of }: Progress) {
        let mut known = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = known.replace(stage) != Some(stage);
        drop(known);
        let words = match stage {
            Stage::Database => "copying the database",
            Stage::Files => "copying files",
            Stage::Checks => "checking the backup",
        };
        if let Some(bar) = &self.bar {
            if is_new {
                bar.set_message(words);
                bar.set_length(of);
            }
            bar.set_position(done);
        } else if is_new {
            out::note(&format!("{words} ({})", out::size(of)));
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_but_not_without_end() {
        let missing: Vec<String> = (0..12).map(|n| format!("job/1/{n}")).collect();
        let manifest = Manifest {
            missing,
            damaged: vec!["job/1/x".into()],
            files_in: Some("s3://files".into()),
            ..Manifest::new(0)
        };
        let notes = notes(&manifest);
        assert!(notes[0].contains("s3://files"), "{notes:?}");
        assert!(notes[1].starts_with("note: 12 files were not there"), "{notes:?}");
        assert!(notes[1].ends_with("job/1/9 and 2 more"), "{notes:?}");
        assert!(notes[2].ends_with("as they are: job/1/x"), "{notes:?}");
        assert!(super::notes(&Manifest::new(0)).is_empty());
    }
}
