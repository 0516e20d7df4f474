//! Free space where the server writes.

use std::path::{Path, PathBuf};

use crate::artifact::Location;
use crate::config::Settings;

use super::Finding;

/// Below this much a server fails soon, in bytes.
const LITTLE: u64 = 256 << 20;

/// Below this much it is time to look, in bytes, or in hundredths.
const SOME: u64 = 2 << 30;
const SOME_PERCENT: u64 = 5;

/// Looks at the data folder, and at the folder of files where that is another one.
pub(super) fn check(settings: &Settings) -> Vec<Finding> {
    let mut folders: Vec<PathBuf> = vec![settings.data.clone()];
    if let Some(Location::Folder(path)) = &settings.artifacts {
        folders.push(path.clone());
    }
    folders.iter().map(|folder| look(folder)).collect()
}

/// The folder, or the nearest one above it that is there.
pub(super) fn nearest(folder: &Path) -> Option<PathBuf> {
    let whole = std::path::absolute(folder).ok()?;
    whole.ancestors().find(|path| path.is_dir()).map(Path::to_owned)
}

#[cfg(unix)]
fn look(folder: &Path) -> Finding {
    let Some(there) = nearest(folder) else {
        return Finding::not_checked("space", format!("{} leads nowhere", folder.display()));
    };
    match rustix::fs::statvfs(&there) {
        Ok(told) => {
            let bytes = |blocks: u64| blocks.saturating_mul(told.f_frsize);
            judge(&there, bytes(told.f_bavail), bytes(told.f_blocks), told.f_favail, told.f_files)
        }
        Err(error) => Finding::not_checked("space", format!("{}: {error}", there.display())),
    }
}

#[cfg(not(unix))]
fn look(_folder: &Path) -> Finding {
    Finding::not_checked("space", "not known on this system")
}

fn judge(folder: &Path, free: u64, all: u64, files_free: u64, files: u64) -> Finding {
    const CHECK: &str = "space";
    let percent = free.saturating_mul(100).checked_div(all).unwrap_or(100);
    let gigabytes =
        |bytes: u64| format!("{}.{} GiB", bytes >> 30, ((bytes % (1 << 30)) * 10) >> 30);
    let place = folder.display();
    let text = format!("{} of {} are free at {place}", gigabytes(free), gigabytes(all));
    let finding = if free < LITTLE {
        Finding::fault(CHECK, format!("only {text}: soon no job is taken"))
    } else if files > 0 && files_free < 1_000 {
        Finding::fault(
            CHECK,
            format!("there is room for {files_free} files only at {place} (inodes)"),
        )
    } else if free < SOME || percent < SOME_PERCENT {
        Finding::warning(CHECK, format!("only {text} ({percent} %)"))
    } else {
        Finding::good(CHECK, text)
    };
    finding.with("free_bytes", free).with("percent", percent)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn little_is_a_fault_and_some_a_warning() {
        let of = |free, all| judge(Path::new("/srv"), free, all, 1 << 20, 1 << 20).verdict;
        assert_eq!(of(100 << 20, 100 << 30), Verdict::Fault);
        assert_eq!(of(1 << 30, 100 << 30), Verdict::Warning);
        assert_eq!(of(4 << 30, 100 << 30), Verdict::Warning);
        assert_eq!(of(50 << 30, 100 << 30), Verdict::Good);
        let full = judge(Path::new("/srv"), 50 << 30, 100 << 30, 3, 1 << 20);
        assert_eq!(full.verdict, Verdict::Fault);
        assert_eq!(judge(Path::new("/srv"), 50 << 30, 100 << 30, 0, 0).verdict, Verdict::Good);
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_where_its_parent_is() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("a/b");
        assert_eq!(nearest(&data).unwrap(), folder.path());
    }
}
