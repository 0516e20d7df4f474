//! What happens without an event: keep-alives, ages reached, places in the queue, a drain.

use std::time::{Duration, Instant};

use crate::event::frame::chunk;
use crate::fanout::wheel::Key;

use super::Shard;

/// How often places in the queue are looked at.
const PLACES: Duration = Duration::from_secs(1);

/// How often the readers of a shard that drains are looked at.
pub(super) const DRAIN_STEP: Duration = Duration::from_millis(20);

impl Shard {
    pub(super) fn keep_time(&mut self, now: Instant) {
        while let Some(due) = self.wheel.turn(now) {
            for &key in &due {
                if let Some(row) = self.row(key) {
                    self.look_at(row, key, now);
                }
            }
            self.wheel.reuse(due);
        }
        if now >= self.places_at {
            self.places_at = now + PLACES;
            self.tell_places();
            self.show_asides();
            self.note_behind();
        }
        if self.bell.is_draining() {
            self.drain(now);
        }
    }

    /// A reader's timer came up.
    fn look_at(&mut self, row: usize, key: Key, now: Instant) {
        let clock = self.clock_at(now);
        let reader = &self.readers[row];
        let line = &self.lines[reader.line];
        let is_live = reader.is_live();
        let spoke = if is_live { later(reader.spoke, line.spoke) } else { reader.spoke };
        let silent = Duration::from_millis(u64::from(clock.wrapping_sub(spoke)));
        let keep_alive = reader.state.keep_alive(self.options.keep_alive);
        if !is_live && !reader.state.is_fetching && silent >= self.options.stall {
            return self.remove(row);
        }
        if is_past(clock, reader.ends) && reader.state.leaves.is_none() {
            self.dismiss(row, "max_age");
        } else if is_live && silent >= keep_alive {
            let words = self.keep_alives[usize::from(reader.state.hears_events_only)].clone();
            self.say(row, words);
        }
        if self.row(key).is_none() {
            return;
        }
        let next = if is_live && silent < keep_alive {
            now + (keep_alive - silent)
        } else {
            // One that is behind is looked at as often as any: it may be stalled.
            now + keep_alive.min(self.options.keep_alive)
        };
        self.wheel.set(key, next);
    }

    fn tell_places(&mut self) {
        for (line, place) in self.lines.moved() {
            let Some(place) = place else { continue };
            let words = chunk(&self.options.words.place(place));
            for row in self.lines[line].live.clone() {
                self.say(row as usize, words.clone());
            }
        }
    }

    /// Notes for whoever looks how many readers are behind, and how far.
    fn note_behind(&self) {
        let behind = self.readers.iter().filter(|(_, reader)| !reader.is_live());
        let (mut readers, mut most) = (0, 0);
        for (_, reader) in behind {
            let lag = self.lines[reader.line].log.count_after(reader.position);
            readers += usize::from(lag > 0);
            most = most.max(lag);
        }
        self.bell.note_behind(readers, most);
    }

    /// Shows what the database has of jobs while no event can come.
    fn show_asides(&mut self) {
        for (line, frame) in self.lines.asides() {
            let words = chunk(&frame);
            for row in self.lines[line].live.clone() {
                self.say(row as usize, words.clone());
            }
        }
    }

    /// Tells the readers whose moment has come; the moments are spread over the drain.
    fn drain(&mut self, now: Instant) {
        if self.drain_from.is_none() {
            // The others have about as many.
            self.leaving = self.readers.len() * self.options.shards;
        }
        let from = *self.drain_from.get_or_insert(now);
        let share = now.duration_since(from).as_secs_f64() / self.options.drain.as_secs_f64();
        let due: Vec<_> = self
            .readers
            .iter()
            .filter(|(_, reader)| reader.state.leaves.is_none())
            .filter(|(_, reader)| moment(reader.turn) <= share)
            .map(|(row, _)| row)
            .collect();
        due.into_iter().for_each(|row| self.dismiss(row, "draining"));
    }
}

/// When in a drain a reader is told, from 0 to 1: spread, and the same each time it is asked.
fn moment(turn: u32) -> f64 {
    f64::from(turn.wrapping_mul(0x9E37_79B1)) / f64::from(u32::MAX)
}

/// The later of two times of a clock that wraps.
pub(super) const fn later(one: u32, other: u32) -> u32 {
    if is_past(one, other) { one } else { other }
}

/// Whether a clock that wraps has reached a time.
const fn is_past(clock: u32, time: u32) -> bool {
    clock.wrapping_sub(time) < u32::MAX / 2
}
