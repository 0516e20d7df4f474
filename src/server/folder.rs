//! The data folder, held by one server at a time.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use super::Error;

/// The file whose lock says that the folder is in use.
pub const LOCK_FILE: &str = "tailwater.lock";

/// A data folder that nobody else uses for as long as this lives; the system gives the lock back
/// however the process ends.
#[derive(Debug)]
pub struct Folder {
    _lock: File,
}

impl Folder {
    /// Makes the folder where it is missing, and locks it.
    ///
    /// # Errors
    /// [`Error::Folder`], [`Error::Locked`].
    pub fn lock(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Folder { path: path.into(), source };
        fs::create_dir_all(path).map_err(failed)?;
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join(LOCK_FILE))
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _lock: file }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked { path: path.into() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_server_does_not_get_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let first = Folder::lock(folder.path()).unwrap();
        let second = Folder::lock(folder.path()).unwrap_err();
        assert!(matches!(second, Error::Locked { .. }));
        assert_eq!(second.exit_code(), 2);
        drop(first);
        Folder::lock(folder.path()).unwrap();
    }
}
