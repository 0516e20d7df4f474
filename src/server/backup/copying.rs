//! Files, copied and checked a part at a time. All of it blocks.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::error::{BackupError, failed};

/// How much is read at once, in bytes.
const PART: usize = 256 << 10;

/// A file that was read to its end.
pub(super) struct Whole {
    /// Its length.
    pub(super) bytes: u64,
    /// SHA-256 in lower-case hex.
    pub(super) sha256: String,
}

/// Reads a file to its end, and hands each part on.
fn read(path: &Path, mut part: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<Whole> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; PART];
    let mut hasher = Sha256::new();
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => {
                hasher.update(&buffer[..length]);
                part(&buffer[..length])?;
                bytes += length as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Whole { bytes, sha256: format!("{:x}", hasher.finalize()) })
}

/// The checksum of a file; `seen` is told how much was read.
pub(super) fn checksum(path: &Path, seen: &mut dyn FnMut(u64)) -> io::Result<Whole> {
    read(path, |part| {
        seen(part.len() as u64);
        Ok(())
    })
}

/// What is copied, and not yet known to be on the disk.
#[derive(Debug, Default)]
pub(super) struct Copies {
    files: Vec<PathBuf>,
    folders: BTreeSet<PathBuf>,
}

impl Copies {
    /// Copies a file to a place within `root`, where it is whole or not at all; makes the folders that
    /// it needs. Nothing when there is no such file.
    pub(super) fn copy(
        &mut self,
        from: &Path,
        (root, place): (&Path, &str),
        seen: &mut dyn FnMut(u64),
    ) -> Result<Option<Whole>, BackupError> {
        // One that cannot be opened is told before there is anything of it.
        match File::open(from) {
            Ok(_) => {}
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(failed("read", from)(error)),
        }
        let to = root.join(place);
        let folder = to.parent().unwrap_or(root);
        fs::create_dir_all(folder).map_err(failed("make the folder", folder))?;
        // A name that is as long as it may be has no room for an ending.
        let part = folder.join(".part");
        let mut file = File::create(&part).map_err(failed("write", &part))?;
        let copied = read(from, |bytes| {
            seen(bytes.len() as u64);
            file.write_all(bytes)
        });
        let whole = copied.map_err(failed("copy", from))?;
        fs::rename(&part, &to).map_err(failed("write", &to))?;
        self.files.push(to.clone());
        let above = folder.ancestors().take_while(|above| above.starts_with(root));
        self.folders.extend(above.map(Path::to_owned));
        Ok(Some(whole))
    }

    /// Waits until all of it is on the disk. That is done at the end since the first file takes most of
    /// the others along.
    pub(super) fn sync(self) -> Result<(), BackupError> {
        for path in &self.files {
            let synced = File::open(path).and_then(|file| file.sync_all());
            synced.map_err(failed("write", path))?;
        }
        self.folders.iter().try_for_each(|folder| sync_folder(folder))
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Waits until the names in a folder are on the disk.
#[cfg(unix)]
pub(super) fn sync_folder(folder: &Path) -> Result<(), BackupError> {
    let synced = File::open(folder).and_then(|file| file.sync_all());
    synced.map_err(failed("write", folder))
}

/// Where folders cannot be opened, the system writes their names by itself.
#[cfg(not(unix))]
pub(super) fn sync_folder(_: &Path) -> Result<(), BackupError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of `abc`, from FIPS 180-2.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_file_is_copied_with_its_checksum_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (from, root) = (folder.path().join("from"), folder.path().join("to"));
        fs::write(&from, "abc").unwrap();
        let mut copies = Copies::default();
        let mut seen = 0;
        let whole = copies.copy(&from, (&root, "a/1/b"), &mut |bytes| seen += bytes).unwrap();
        let whole = whole.unwrap();
        assert_eq!((whole.bytes, seen, whole.sha256.as_str()), (3, 3, ABC));
        copies.sync().unwrap();
        assert_eq!(fs::read(root.join("a/1/b")).unwrap(), b"abc");
        assert_eq!(fs::read_dir(root.join("a/1")).unwrap().count(), 1);
        assert_eq!(checksum(&from, &mut |_| {}).unwrap().sha256, ABC);
    }

    #[test]
    fn a_file_that_is_not_there_makes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (from, root) = (folder.path().join("from"), folder.path().join("to"));
        let copied = Copies::default().copy(&from, (&root, "a"), &mut |_| {}).unwrap();
        assert!(copied.is_none() && !root.exists());
    }
}
