//! A few things remembered, the oldest forgotten first.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many things are remembered.
const MOST: usize = 64;

/// A small map of texts with a bound: what is lost by its bound, or by a restart, is asked again.
#[derive(Debug, Default)]
pub(super) struct Recent {
    entries: Mutex<VecDeque<(String, String)>>,
}

impl Recent {
    /// What was remembered under the name.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.lock().iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    /// Remembers; a name has one value.
    pub(super) fn put(&self, name: &str, value: &str) {
        let mut entries = self.lock();
        entries.retain(|(known, _)| known != name);
        entries.truncate(MOST - 1);
        entries.push_front((name.to_owned(), value.to_owned()));
    }

    /// Forgets what turned out to be wrong.
    pub(super) fn forget(&self, name: &str) {
        self.lock().retain(|(known, _)| known != name);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(String, String)>> {
        // No code here can panic half way through a change.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_known_and_the_oldest_forgotten() {
        let recent = Recent::default();
        for number in 0..=MOST {
            recent.put(&number.to_string(), "x");
        }
        recent.put("1", "y");
        assert_eq!(recent.get("0"), None);
        assert_eq!(recent.get("1"), Some("y".to_owned()));
        recent.forget("1");
        assert_eq!(recent.get("1"), None);
        assert_eq!(recent.lock().len(), MOST - 1);
    }
}
