//! What happens when a log grows.

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use crate::fanout::batch::Batch;
use crate::fanout::outlet::{self, Written};
use crate::store::{Log, Look};
use crate::telemetry::metrics::metrics;

use super::Shard;

impl Shard {
    /// `since` is when the first of what is new was appended.
    pub(super) fn grow(&mut self, log: &Arc<Log>, since: Instant) {
        log.looked(self.place);
        if let Some(line) = self.lines.of(log) {
            let has_live = !self.lines[line].live.is_empty();
            self.advance(line);
            if has_live {
                metrics().append_to_write_seconds.observe(since.elapsed().as_secs_f64());
            }
        }
    }

    /// Gives those who are live everything up to the log's end.
    pub(super) fn advance(&mut self, line: u32) {
        let mut batch = mem::take(&mut self.batch);
        while self.lines.contains(line) && !self.lines[line].live.is_empty() {
            let look = batch.fill(&self.lines[line].log, self.lines[line].tail);
            match look {
                Look::Found(()) => self.hand_round(line, &batch),
                Look::Nothing { ended: false } => break,
                Look::Nothing { ended: true } | Look::Stored { .. } => {
                    // The readers look at the log for themselves, with the shard's batch.
                    batch.clear();
                    self.batch = batch;
                    return self.send_away(line);
                }
            }
        }
        batch.clear();
        self.batch = batch;
    }

    /// Writes some events to everybody who is live.
    fn hand_round(&mut self, line: u32, batch: &Batch) {
        let bytes = batch.bytes();
        let now = self.clock();
        let mut seat = self.lines[line].live.len();
        let mut whole = 0;
        while seat > 0 {
            // From the end: whoever stands up is replaced by one who has been served.
            seat -= 1;
            let row = self.lines[line].live[seat] as usize;
            match outlet::write(&self.readers[row].socket, bytes) {
                Written::Whole => whole += 1,
                Written::Part(sent) => {
                    self.stand_up(row);
                    self.readers[row].note_part(batch, sent, now);
                }
                Written::Broken => self.remove(row),
            }
        }
        batch.count(whole);
        if self.lines.contains(line)
            && let Some(last) = batch.last()
        {
            self.lines[line].tail = last;
            self.lines[line].spoke = now;
        }
    }

    /// The log is over, or its newest events are in the database only: each reader for itself.
    fn send_away(&mut self, line: u32) {
        for row in self.lines[line].live.clone() {
            self.stand_up(row as usize);
            self.push_on(row as usize);
        }
    }
}
