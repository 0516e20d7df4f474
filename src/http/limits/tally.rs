//! How many of something everybody has at the moment, none above a bound.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Who;

/// Counts what is held by whom. Who holds nothing takes no room.
#[derive(Debug, Default)]
pub(super) struct Tally {
    held: Mutex<HashMap<Who, u32>>,
}

/// One of something, until it is dropped.
#[derive(Debug)]
pub(super) struct Hold {
    tally: Arc<Tally>,
    who: Who,
}

impl Tally {
    /// One more for somebody who may have `most`; nothing when he has them already.
    pub(super) fn take(self: &Arc<Self>, who: Who, most: u32) -> Option<Hold> {
        let mut held = self.lock();
        let count = held.entry(who.clone()).or_default();
        if *count >= most {
            if *count == 0 {
                held.remove(&who);
            }
            return None;
        }
        *count += 1;
        Some(Hold { tally: Arc::clone(self), who })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Who, u32>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = self.tally.lock();
        if let Some(count) = held.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Who {
        Who::Key(name.into())
    }

    #[test]
    fn nobody_has_more_than_his_bound_and_what_is_dropped_is_free_again() {
        let tally = Arc::new(Tally::default());
        let first = tally.take(key("a"), 2).unwrap();
        let _second = tally.take(key("a"), 2).unwrap();
        assert!(tally.take(key("a"), 2).is_none());
        drop(first);
        assert!(tally.take(key("a"), 2).is_some());
    }

    #[test]
    fn everybody_has_a_bound_of_his_own() {
        let tally = Arc::new(Tally::default());
        let _first = tally.take(key("a"), 1).unwrap();
        let _second = tally.take(key("b"), 1).unwrap();
        let _ticket = tally.take(Who::Ticket("a".into()), 1).unwrap();
        assert!(tally.take(key("a"), 1).is_none());
    }

    #[test]
    fn who_holds_nothing_takes_no_room() {
        let tally = Arc::new(Tally::default());
        drop(tally.take(key("a"), 1));
        assert!(tally.take(key("b"), 0).is_none());
        assert!(tally.lock().is_empty());
    }
}
