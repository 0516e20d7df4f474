//! Files on their way in, on a disk of this machine.
//!
//! Each process has a folder of its own for them, `incoming/{id}`, beside a file `incoming/{id}.lock`
//! that it holds locked for as long as it lives: several may have one storage. Whoever opens the
//! storage removes the folders whose locks are free, since the system gives a lock back however a
//! process ends.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path as Place;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The folder in which files are staged. No id of a job or an upload begins like this.
pub(super) const FOLDER: &str = "incoming";

/// What the name of a lock ends with.
const LOCK: &str = ".lock";

/// The folder of this process; it is gone when this is dropped.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    lock_path: PathBuf,
    /// Its name within the storage's folder.
    name: String,
    _lock: File,
}

impl Spool {
    /// Makes a folder for this process within `root`, and removes those of dead ones.
    ///
    /// # Errors
    /// When there can be no such folder, or no lock in it.
    pub(super) fn open(root: &Path) -> io::Result<Arc<Self>> {
        let incoming = root.join(FOLDER);
        fs::create_dir_all(&incoming)?;
        sweep(&incoming)?;
        loop {
            let id = Uuid::now_v7();
            let lock_path = incoming.join(format!("{id}{LOCK}"));
            let lock = File::options().write(true).create_new(true).open(&lock_path)?;
            match lock.try_lock() {
                Ok(()) if lock_path.try_exists()? => {
                    let folder = incoming.join(id.to_string());
                    fs::create_dir(&folder)?;
                    let name = format!("{FOLDER}/{id}");
                    return Ok(Arc::new(Self { folder, lock_path, name, _lock: lock }));
                }
                // Another process came between, took it for one whose owner is dead, and removed it.
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    /// Fails where the disk has no hard links, by which a file gets its place in a folder.
    pub(super) fn check_links(&self) -> io::Result<()> {
        let link = self.folder.join("link");
        fs::hard_link(&self.lock_path, &link)?;
        fs::remove_file(link)
    }

    /// What is on its way in.
    #[cfg(test)]
    pub(super) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Begins a file.
    pub(super) async fn begin(self: &Arc<Self>) -> io::Result<Spooled> {
        let spool = Arc::clone(self);
        let begun = tokio::task::spawn_blocking(move || {
            let name = Uuid::now_v7().to_string();
            let path = spool.folder.join(&name);
            let create = || File::options().write(true).create_new(true).open(&path);
            let file = match create() {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    // The whole storage was taken away and came back empty.
                    fs::create_dir_all(&spool.folder)?;
                    create()?
                }
                other => other?,
            };
            let writing = Some(Writing { file, hasher: Sha256::new() });
            Ok(Spooled { path: Removed { path, spool }, name, writing })
        });
        begun.await.map_err(io::Error::other)?
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // Whatever stays is removed by who opens the storage next. The lock goes last: a folder
        // without one is nobody's.
        fs::remove_dir_all(&self.folder).ok();
        fs::remove_file(&self.lock_path).ok();
    }
}

/// Removes what dead processes left.
fn sweep(incoming: &Path) -> io::Result<()> {
    for entry in fs::read_dir(incoming)? {
        let path = entry?.path();
        if let Err(error) = sweep_one(&path)
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %path.display(), "what a dead process left stays");
        }
    }
    Ok(())
}

fn sweep_one(path: &Path) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let Some(id) = name.strip_suffix(LOCK) else {
        let lock = path.with_file_name(format!("{name}{LOCK}"));
        return if lock.try_exists()? { Ok(()) } else { remove(path) };
    };
    let lock = File::options().write(true).open(path)?;
    match lock.try_lock() {
        Ok(()) => {}
        // Its owner lives.
        Err(TryLockError::WouldBlock) => return Ok(()),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    match remove(&path.with_file_name(id)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => fs::remove_file(path),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
}

/// A file that is on its way in; it is gone when this is dropped.
#[derive(Debug)]
pub(super) struct Spooled {
    path: Removed,
    name: String,
    /// Away while a part is written; for good where that was given up.
    writing: Option<Writing>,
}

#[derive(Debug)]
struct Writing {
    file: File,
    hasher: Sha256,
}

impl Spooled {
    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.path.path
    }

    /// Where it lies within the storage's folder.
    pub(super) fn place(&self) -> Place {
        Place::from(format!("{}/{}", self.path.spool.name, self.name))
    }

    /// Writes a part behind what is there.
    pub(super) async fn write(&mut self, part: Bytes) -> io::Result<()> {
        self.with(move |writing| {
            writing.hasher.update(&part);
            writing.file.write_all(&part)
        })
        .await
    }

    /// SHA-256 of what was written, which is the whole file.
    pub(super) fn checksum(&self) -> io::Result<String> {
        let writing = self.writing.as_ref().ok_or_else(given_up)?;
        Ok(super::store::hex(&writing.hasher.clone().finalize()))
    }

    /// Sees the bytes to the disk.
    pub(super) async fn sync(&mut self) -> io::Result<()> {
        self.with(|writing| writing.file.sync_all()).await
    }

    async fn with(
        &mut self,
        work: impl FnOnce(&mut Writing) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let mut writing = self.writing.take().ok_or_else(given_up)?;
        let done = tokio::task::spawn_blocking(move || work(&mut writing).map(|()| writing));
        self.writing = Some(done.await.map_err(io::Error::other)??);
        Ok(())
    }
}

fn given_up() -> io::Error {
    io::Error::other("the file was given up before")
}

/// A path at which there is no file when this is gone.
#[derive(Debug)]
struct Removed {
    path: PathBuf,
    /// Its folder stays for as long.
    spool: Arc<Spool>,
}

impl Drop for Removed {
    fn drop(&mut self) {
        let path = std::mem::take(&mut self.path);
        let remove = move || {
            if let Err(error) = fs::remove_file(&path)
                && error.kind() != ErrorKind::NotFound
            {
                tracing::warn!(%error, "a staged file stays until the next start");
            }
        };
        // A large file takes its time.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of `abc`, from FIPS 180-2.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn names(root: &Path) -> Vec<String> {
        let entries = fs::read_dir(root.join(FOLDER)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[tokio::test]
    async fn what_is_written_is_there_and_hashed() {
        let root = tempfile::tempdir().unwrap();
        let mut file = Spool::open(root.path()).unwrap().begin().await.unwrap();
        for part in ["a", "", "bc"] {
            file.write(Bytes::from_static(part.as_bytes())).await.unwrap();
        }
        file.sync().await.unwrap();
        assert_eq!(file.checksum().unwrap(), ABC);
        assert_eq!(fs::read(file.path()).unwrap(), b"abc");
        assert_eq!(root.path().join(file.place().as_ref()), file.path());
    }

    #[tokio::test]
    async fn a_process_that_lives_keeps_its_files_and_a_dead_ones_go() {
        let root = tempfile::tempdir().unwrap();
        let first = Spool::open(root.path()).unwrap();
        let file = first.begin().await.unwrap();
        // A dead process left these: a folder with its lock, one without, and a file.
        let incoming = root.path().join(FOLDER);
        for dead in ["dead", "older"] {
            fs::create_dir(incoming.join(dead)).unwrap();
            fs::write(incoming.join(dead).join("half"), "x").unwrap();
        }
        fs::write(incoming.join("dead.lock"), "").unwrap();
        fs::write(incoming.join("0#1"), "x").unwrap();
        let second = Spool::open(root.path()).unwrap();
        assert!(file.path().exists());
        assert_eq!(names(root.path()).len(), 4, "{:?}", names(root.path()));
        drop(second);
        drop((file, first));
        while !names(root.path()).is_empty() {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn many_that_open_at_once_leave_each_other_alone() {
        let root = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let spool = Spool::open(root.path()).unwrap();
                        fs::write(spool.folder.join("mine"), "x").unwrap();
                        spool.check_links().unwrap();
                        assert!(spool.folder.join("mine").exists());
                    }
                });
            }
        });
        assert!(names(root.path()).is_empty());
    }

    #[tokio::test]
    async fn a_folder_that_was_taken_away_is_made_again() {
        let root = tempfile::tempdir().unwrap();
        let spool = Spool::open(root.path()).unwrap();
        fs::remove_dir_all(root.path().join(FOLDER)).unwrap();
        let mut file = spool.begin().await.unwrap();
        file.write(Bytes::from_static(b"abc")).await.unwrap();
        assert_eq!(fs::read(file.path()).unwrap(), b"abc");
    }
}
