//! The logs that are read here.

use std::collections::HashMap;
use std::ops::{Index, IndexMut};
use std::sync::Arc;

use bytes::Bytes;
use slab::Slab;

use crate::event::EventId;
use crate::fanout::reader::row_number;
use crate::store::{Log, Watch};

/// A log, and those who read it here.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) log: Arc<Log>,
    _watch: Watch,
    /// How many readers there are, live or behind.
    readers: u32,
    /// The last event that all live readers have.
    pub(super) tail: EventId,
    /// When they last got one, in milliseconds of the shard's clock.
    pub(super) spoke: u32,
    /// The rows of the readers that are live.
    pub(super) live: Vec<u32>,
    /// The place in the queue that they were told.
    pub(super) place: Option<u32>,
    /// How much they have had of what the database shows while no event can come.
    asides: u32,
}

/// All lines of a shard.
#[derive(Debug, Default)]
pub(super) struct Lines {
    lines: Slab<Line>,
    /// Lines by the address of their log, which lives as long as its line.
    by_log: HashMap<usize, u32>,
}

impl Lines {
    /// The line of a log, with one reader more. `listener` is the shard's place among those who hear
    /// of appends.
    pub(super) fn join(&mut self, log: &Arc<Log>, listener: u32) -> u32 {
        let line = *self.by_log.entry(address(log)).or_insert_with(|| {
            // Before the first look, so that nothing falls between.
            log.hear(listener, true);
            let line = Line {
                log: Arc::clone(log),
                _watch: log.watch(),
                readers: 0,
                tail: EventId::ZERO,
                spoke: 0,
                live: Vec::new(),
                place: None,
                asides: log.asides(),
            };
            row_number(self.lines.insert(line))
        });
        self.lines[line as usize].readers += 1;
        line
    }

    /// A reader fewer; a line without any is gone.
    pub(super) fn leave(&mut self, line: u32, listener: u32) {
        let found = &mut self[line];
        found.readers -= 1;
        if found.readers == 0 {
            found.log.hear(listener, false);
            let address = address(&found.log);
            self.by_log.remove(&address);
            self.lines.remove(line as usize);
        }
    }

    /// The line of a log, if it has readers.
    pub(super) fn of(&self, log: &Arc<Log>) -> Option<u32> {
        self.by_log.get(&address(log)).copied()
    }

    /// Whether a line still has readers.
    pub(super) fn contains(&self, line: u32) -> bool {
        self.lines.contains(line as usize)
    }

    /// What the database shows of jobs while no event can come, and their readers have not had.
    pub(super) fn asides(&mut self) -> Vec<(u32, Bytes)> {
        let lines = self.lines.iter_mut();
        let news = lines.filter_map(|(line, found)| {
            Some((row_number(line), found.log.aside(&mut found.asides)?))
        });
        news.collect()
    }

    /// The lines whose readers know another place in the queue than the log does; from now on they
    /// count as told.
    pub(super) fn moved(&mut self) -> Vec<(u32, Option<u32>)> {
        let mut moved = Vec::new();
        for (line, found) in &mut self.lines {
            let place = found.log.position();
            if place != found.place {
                found.place = place;
                moved.push((row_number(line), place));
            }
        }
        moved
    }
}

fn address(log: &Arc<Log>) -> usize {
    Arc::as_ptr(log).addr()
}

impl Index<u32> for Lines {
    type Output = Line;

    fn index(&self, line: u32) -> &Line {
        &self.lines[line as usize]
    }
}

impl IndexMut<u32> for Lines {
    fn index_mut(&mut self, line: u32) -> &mut Line {
        &mut self.lines[line as usize]
    }
}
