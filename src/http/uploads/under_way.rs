//! Files on their way in: they take room on disk before they have a row.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many bytes of each project's files are on their way; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct UnderWay {
    bytes: Arc<Mutex<HashMap<String, u64>>>,
}

/// What one file takes until it has its row or is gone; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    all: UnderWay,
    project: String,
    bytes: u64,
}

impl UnderWay {
    /// A file of this project, of which nothing is here yet.
    pub(super) fn begin(&self, project: &str) -> Share {
        Share { all: self.clone(), project: project.to_owned(), bytes: 0 }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// So many bytes more are here; gives how many there are of the project's files on their way.
    pub(super) fn grow(&mut self, bytes: u64) -> u64 {
        self.bytes = self.bytes.saturating_add(bytes);
        let mut all = self.all.lock();
        let of_project = all.entry(self.project.clone()).or_default();
        *of_project = of_project.saturating_add(bytes);
        *of_project
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        let Some(of_project) = all.get_mut(&self.project) else { return };
        *of_project = of_project.saturating_sub(self.bytes);
        if *of_project == 0 {
            all.remove(&self.project);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_project_count_together_until_they_are_done() {
        let all = UnderWay::default();
        let (mut first, mut second, mut other) = (all.begin("a"), all.begin("a"), all.begin("b"));
        assert_eq!((first.grow(3), second.grow(4), other.grow(9)), (3, 7, 9));
        drop(first);
        assert_eq!(second.grow(1), 5);
        drop((second, other));
        assert!(all.lock().is_empty(), "who is done takes no room");
    }
}
