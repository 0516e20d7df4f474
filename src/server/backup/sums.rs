//! The checksums of a backup's files, in the form that `sha256sum --check` reads.

use std::fmt::Write as _;
use std::path::Path;

use crate::artifact::is_place;
use crate::db;

use super::error::BackupError;

/// The list's name in the backup.
pub(super) const FILE: &str = "SHA256SUMS";

/// The folder of files in the backup.
pub(super) const FILES: &str = "artifacts";

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sum {
    /// SHA-256 of its bytes, in lower-case hex.
    pub(super) sha256: String,
    /// Its path in the backup, with slashes.
    pub(super) path: String,
}

impl Sum {
    /// Its place in artifact storage; nothing for the database.
    pub(super) fn place(&self) -> Option<&str> {
        self.path.strip_prefix(FILES)?.strip_prefix('/')
    }
}

/// The list as a text.
pub(super) fn to_text(sums: &[Sum]) -> String {
    let mut text = String::new();
    for Sum { sha256, path } in sums {
        writeln!(text, "{sha256}  {path}").expect("a string takes everything");
    }
    text
}

/// Reads a list: the database, and files at places within artifact storage.
pub(super) fn parse(text: &str, list: &Path) -> Result<Vec<Sum>, BackupError> {
    let sums: Option<Vec<Sum>> = text.lines().map(line).collect();
    let sums = sums.filter(|sums| sums.iter().any(|sum| sum.path == db::FILE));
    sums.ok_or_else(|| BackupError::Manifest {
        path: list.into(),
        reason: "it is no list of a backup's files".into(),
    })
}

fn line(line: &str) -> Option<Sum> {
    let (sha256, path) = line.split_once("  ")?;
    let is_sum = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
    let sum = Sum { sha256: sha256.to_ascii_lowercase(), path: path.into() };
    let is_ours = path == db::FILE || sum.place().is_some_and(is_place);
    (is_sum && is_ours).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(path: &str) -> Sum {
        Sum { sha256: "0123456789abcdef".repeat(4), path: path.into() }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let sums = vec![sum(db::FILE), sum("artifacts/job_1/1/post.md"), sum("artifacts/a b  c")];
        assert_eq!(parse(&to_text(&sums), Path::new(FILE)).unwrap(), sums);
        assert_eq!(sums[1].place(), Some("job_1/1/post.md"));
        assert_eq!(sums[0].place(), None);
    }

    #[test]
    fn no_path_leads_out_of_the_folder() {
        for path in [
            "../tailwater.db",
            "/etc/passwd",
            "artifacts",
            "artifacts/",
            "artifacts/../../x",
            "artifacts//etc",
            "artifacts\\x",
            "artifactsx/y",
            "manifest.json",
            "",
        ] {
            let text = to_text(&[sum(db::FILE), sum(path)]);
            assert!(parse(&text, Path::new(FILE)).is_err(), "{path:?}");
        }
    }

    #[test]
    fn a_list_without_a_database_or_with_other_lines_is_refused() {
        for text in ["", "abc  tailwater.db\n", "\n", "# a comment\n"] {
            assert!(parse(text, Path::new(FILE)).is_err(), "{text:?}");
        }
        assert!(parse(&to_text(&[sum("artifacts/a")]), Path::new(FILE)).is_err());
    }
}
