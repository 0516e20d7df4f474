//! The time of day as the server sees it: libfaketime, preloaded, told by a file.
//! <https://github.com/wolfcw/libfaketime>

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Where Debian's package `faketime` has the library for programs with threads.
const LIBRARIES: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

/// A clock that can be set while a process looks at it.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// A clock that is right, told by a file in this folder; none where there is no libfaketime.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn find(folder: &Path) -> Result<Option<Self>, Failure> {
        let Some(library) = LIBRARIES.iter().map(PathBuf::from).find(|path| path.exists()) else {
            return Ok(None);
        };
        let clock = Self { library, file: folder.join("clock") };
        clock.set(0)?;
        Ok(Some(clock))
    }

    /// Sets it so many hours forward from the right time, or back.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn set(&self, hours: i32) -> Result<(), Failure> {
        // In one step: a file that is empty for a moment would be read as one that says nothing.
        let fresh = self.file.with_extension("new");
        std::fs::write(&fresh, format!("{:+}\n", hours * 3600))
            .and_then(|()| std::fs::rename(&fresh, &self.file))
            .map_err(|error| Failure::machine("the clock's file", error))
    }

    /// What a process must find in its environment. Only the time of day is changed: the monotonic
    /// clock does not jump in life either.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let path = |path: &Path| path.display().to_string();
        vec![
            ("LD_PRELOAD", path(&self.library)),
            ("FAKETIME_TIMESTAMP_FILE", path(&self.file)),
            ("FAKETIME_CACHE_DURATION", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("NO_FAKE_STAT", "1".to_owned()),
        ]
    }

    /// Removes what a process that was killed leaves of the library's: a later one with its id would
    /// wait for it.
    pub(crate) fn forget(&self, pid: u32) {
        for name in [format!("faketime_shm_{pid}"), format!("sem.faketime_sem_{pid}")] {
            std::fs::remove_file(Path::new("/dev/shm").join(name)).ok();
        }
    }
}
