//! Timers for many readers, of which each has exactly one.
//!
//! A wheel has slots of a few milliseconds; a timer is an entry in the slot of its time. Nothing is
//! taken out when a reader speaks or leaves: an entry that comes up too early is put back, and one
//! whose reader is gone is dropped. So an event costs no timer.

use std::time::{Duration, Instant};

/// How many slots; a timer that is further away than one turn is put back when it comes up.
const SLOTS: usize = 256;

/// A reader's row, and which of the readers that had that row it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) row: u32,
    pub(super) turn: u32,
}

#[derive(Debug)]
pub(super) struct Wheel {
    slots: Vec<Vec<Key>>,
    /// How long a slot is.
    width: Duration,
    /// The slot that is next, and when it is due.
    next: usize,
    due_at: Instant,
    spare: Vec<Key>,
}

impl Wheel {
    /// A wheel that turns once in about this time.
    pub(super) fn new(turn: Duration, now: Instant) -> Self {
        let slots = u32::try_from(SLOTS).expect("a small number");
        let width = (turn / slots).max(Duration::from_millis(1));
        Self {
            slots: vec![Vec::new(); SLOTS],
            width,
            next: 0,
            due_at: now + width,
            spare: Vec::new(),
        }
    }

    /// When the next slot is due.
    pub(super) const fn due_at(&self) -> Instant {
        self.due_at
    }

    /// Sets a reader's timer: it comes up at that time or a slot later, or within a turn.
    pub(super) fn set(&mut self, key: Key, at: Instant) {
        let ahead = at.saturating_duration_since(self.due_at).as_nanos() / self.width.as_nanos();
        let ahead = usize::try_from(ahead).unwrap_or(SLOTS).saturating_add(1).min(SLOTS - 1);
        let slot = (self.next + ahead) % SLOTS;
        self.slots[slot].push(key);
    }

    /// Takes the entries of the next slot if that is due. Give the list back with [`Self::reuse`].
    pub(super) fn turn(&mut self, now: Instant) -> Option<Vec<Key>> {
        if now < self.due_at {
            return None;
        }
        let spare = std::mem::take(&mut self.spare);
        let due = std::mem::replace(&mut self.slots[self.next], spare);
        self.next = (self.next + 1) % SLOTS;
        self.due_at += self.width;
        Some(due)
    }

    /// Keeps a list's memory for the next slot.
    pub(super) fn reuse(&mut self, mut list: Vec<Key>) {
        list.clear();
        self.spare = list;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_comes_up_at_its_time_and_not_a_slot_more_than_one_later() {
        let start = Instant::now();
        let turn = Duration::from_secs(5);
        let width = turn / 256;
        for at in [0, 1, 19, 20, 700, 2_500, 4_900] {
            let mut wheel = Wheel::new(turn, start);
            let key = Key { row: 3, turn: 1 };
            let at = start + Duration::from_millis(at);
            wheel.set(key, at);
            let mut now = start;
            let came = loop {
                now += Duration::from_millis(1);
                if wheel.turn(now).is_some_and(|due| due == [key]) {
                    break now;
                }
                assert!(now < start + 2 * turn, "it never came up");
            };
            assert!(came >= at && came <= at + 2 * width + Duration::from_millis(2));
        }
    }

    #[test]
    fn a_timer_beyond_a_turn_comes_up_within_one() {
        let start = Instant::now();
        let mut wheel = Wheel::new(Duration::from_secs(1), start);
        wheel.set(Key { row: 1, turn: 0 }, start + Duration::from_secs(60));
        let turns = (0..256).filter(|slot| {
            let now = start + Duration::from_millis(5) * (slot + 1);
            wheel.turn(now).is_some_and(|due| !due.is_empty())
        });
        assert_eq!(turns.count(), 1);
    }
}
