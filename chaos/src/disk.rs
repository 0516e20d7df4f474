//! The disk under the data folder: a file system in memory of our own, where we may mount one.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::Failure;

/// How large the disk is, in kilobytes. Only what is used of it takes memory.
const SIZE_KB: u64 = 8 << 20;

/// How much room a full disk has left, in kilobytes: a page or two, so that it is filled by the next
/// commit and not by the fault.
const LAST_ROOM_KB: u64 = 8;

/// A disk.
#[derive(Debug)]
pub(crate) struct Disk {
    path: PathBuf,
    is_ours: bool,
}

impl Disk {
    /// A disk at this folder, which is made; an ordinary folder where nothing can be mounted.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub(crate) fn new(path: PathBuf) -> Result<Self, Failure> {
        std::fs::create_dir_all(&path).map_err(|error| Failure::machine("the disk", error))?;
        let size = format!("size={SIZE_KB}k");
        let target = path.display().to_string();
        let is_ours = run("mount", &["-t", "tmpfs", "-o", &size, "tailwater-chaos", &target]);
        Ok(Self { path, is_ours })
    }

    /// Whether it is a disk of our own, which can be full and read-only.
    pub(crate) const fn is_ours(&self) -> bool {
        self.is_ours
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves no room on it, but for a page or two.
    ///
    /// # Errors
    /// When the system does not let it be changed.
    pub(crate) fn fill(&self) -> Result<(), Failure> {
        // It may have grown since it was asked.
        let full = (0..20).any(|_| {
            let used = self.used_kb().unwrap_or(0);
            self.remount(&format!("size={}k", used + LAST_ROOM_KB))
        });
        full.then_some(()).ok_or_else(|| Failure::Server("the disk cannot be filled".to_owned()))
    }

    /// Makes room again.
    ///
    /// # Errors
    /// When the system does not let it be changed.
    pub(crate) fn make_room(&self) -> Result<(), Failure> {
        let done = self.remount(&format!("size={SIZE_KB}k"));
        done.then_some(()).ok_or_else(|| Failure::Server("the disk cannot be emptied".to_owned()))
    }

    /// Makes it read-only, or writable again. Nobody may have a file of it open for writing.
    ///
    /// # Errors
    /// When the system does not let it be changed.
    pub(crate) fn set_read_only(&self, read_only: bool) -> Result<(), Failure> {
        let done = self.remount(if read_only { "ro" } else { "rw" });
        let failed = || Failure::Server(format!("the disk cannot be read-only: {read_only}"));
        done.then_some(()).ok_or_else(failed)
    }

    fn used_kb(&self) -> Option<u64> {
        let output = Command::new("df").args(["-k", "--output=used"]).arg(&self.path).output();
        let output = String::from_utf8(output.ok()?.stdout).ok()?;
        output.lines().nth(1)?.trim().parse().ok()
    }

    fn remount(&self, options: &str) -> bool {
        let options = format!("remount,{options}");
        run("mount", &["-o", &options, &self.path.display().to_string()])
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_ours {
            self.remount("rw");
            // Whoever still has a file open there keeps it until then.
            run("umount", &["--lazy", &self.path.display().to_string()]);
        }
    }
}

/// Makes a folder read-only for everybody, root too, by mounting it over itself; false where that is
/// not possible.
pub(crate) fn cover(folder: &Path) -> bool {
    let folder = folder.display().to_string();
    run("mount", &["--bind", &folder, &folder]) && run("mount", &["-o", "remount,bind,ro", &folder])
}

/// Takes that back.
pub(crate) fn uncover(folder: &Path) -> bool {
    run("umount", &["--lazy", &folder.display().to_string()])
}

fn run(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    #[test]
    fn a_disk_of_our_own_is_full_read_only_and_well_again() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(folder.path().join("disk")).unwrap();
        if !disk.is_ours() {
            println!("left out: nothing can be mounted here");
            return;
        }
        let write = |size: usize| std::fs::write(disk.path().join("file"), vec![1; size]);
        write(100_000).unwrap();
        disk.fill().unwrap();
        assert_eq!(write(10_000_000).unwrap_err().kind(), ErrorKind::StorageFull);
        disk.make_room().unwrap();
        write(10_000_000).unwrap();
        disk.set_read_only(true).unwrap();
        assert_eq!(write(1).unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem);
        disk.set_read_only(false).unwrap();
        assert!(cover(disk.path()));
        assert_eq!(write(1).unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem);
        assert!(uncover(disk.path()));
        write(1).unwrap();
    }
}
