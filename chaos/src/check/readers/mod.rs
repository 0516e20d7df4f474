//! One reader's history against what is there.
//!
//! A reader's ids rise; it gets exactly the events after its cursor, in order, each once; an event that
//! is not there any more was never committed; and where it could not go on from its cursor it was told
//! so first, and only there.

use std::collections::{HashMap, HashSet};

use crate::epochs::{Epochs, epoch_of};
use crate::record::{History, Mark, Reason, Scope, Seen, Sent};

use super::truth::Job;

/// What readers saw, and how much of it was wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Readers.
    pub(crate) readers: u64,
    /// Connections, and pages from other cursors than the reader's own.
    pub(crate) connections: u64,
    /// Events that they got.
    pub(crate) deliveries: u64,
    /// Gaps that they were told of.
    pub(crate) gaps: u64,
    /// Events that they got, and that a crash took afterwards: each was followed by a gap.
    pub(crate) taken_back: u64,
    /// Events that they never got.
    pub(crate) lost: u64,
    /// Events that they got again.
    pub(crate) doubled: u64,
    /// Events that they got after later ones.
    pub(crate) disordered: u64,
    /// Ids under which two of them got different things.
    pub(crate) altered: u64,
    /// Gaps that nobody told them of.
    pub(crate) silent: u64,
    /// Gaps that they were told of, and that were none.
    pub(crate) needless: u64,
    /// Everything else.
    pub(crate) other: u64,
}

impl Verdict {
    /// Whether nothing was wrong.
    #[cfg(test)]
    pub(crate) const fn is_clean(&self) -> bool {
        self.lost == 0
            && self.doubled == 0
            && self.disordered == 0
            && self.altered == 0
            && self.silent == 0
            && self.needless == 0
            && self.other == 0
    }
}

/// What is wrong, and at which event of the history.
#[derive(Clone, Debug)]
pub(crate) struct Wrong {
    pub(crate) what: String,
    pub(crate) at: usize,
}

/// What was seen under ids that a crash took: the same by everybody.
pub(crate) type Lost = HashMap<u64, u64>;

/// What a reader must have seen.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    /// The jobs that it reads.
    pub(crate) jobs: Vec<&'a Job>,
    /// What each life committed.
    pub(crate) epochs: &'a Epochs,
    /// Whether a log was damaged: then what was committed may be gone.
    pub(crate) damaged: bool,
    /// Whether it is a cluster: a node that the event log is out of reach of says what the database has,
    /// in a snapshot that moves nobody.
    pub(crate) clustered: bool,
}

impl Facts<'_> {
    /// Goes through a history; gives what is wrong with it.
    pub(crate) fn check(
        &self,
        history: &History,
        lost: &mut Lost,
        verdict: &mut Verdict,
    ) -> Vec<Wrong> {
        // Of all events by their ids: whose they are, and which of its events.
        let mut places: Vec<(u64, u32, u32)> = Vec::new();
        for (job, number) in self.jobs.iter().zip(0..) {
            places.extend(job.events.iter().zip(0..).map(|(event, nth)| (event.id, number, nth)));
        }
        if self.jobs.len() > 1 {
            places.sort_unstable();
        }
        let place = Place {
            facts: self,
            scope: &history.scope,
            places: &places,
            next: vec![0; self.jobs.len()],
            after_gap: vec![None; self.jobs.len()],
            cursor: 0,
            newest: 0,
            pending: None,
            gap: None,
            missing: HashSet::new(),
            at: 0,
            lost,
            verdict,
            wrong: Vec::new(),
        };
        place.go_through(history)
    }
}

/// Where a reader stands while its history is gone through.
struct Place<'a> {
    facts: &'a Facts<'a>,
    scope: &'a Scope,
    places: &'a [(u64, u32, u32)],
    /// Of each job, which event must come next.
    next: Vec<usize>,
    /// Of each job on a stream of several: where the gap went to, until its first event after it. Its
    /// snapshot may be newer, and its end is told although it is older.
    after_gap: Vec<Option<u64>>,
    /// The last id that the reader has.
    cursor: u64,
    /// The newest id since it last came with another cursor than its own.
    newest: u64,
    /// The cursor that nobody gave it, and that it has come with this time.
    pending: Option<Sent>,
    /// The gap of this connection, until its snapshot.
    gap: Option<u64>,
    /// Events that did not come in their place; they may yet come later.
    missing: HashSet<u64>,
    at: usize,
    lost: &'a mut Lost,
    verdict: &'a mut Verdict,
    wrong: Vec<Wrong>,
}

impl Place<'_> {
    fn go_through(mut self, history: &History) -> Vec<Wrong> {
        self.verdict.readers += 1;
        self.verdict.deliveries += history.seen.len() as u64;
        let mut marks = history.marks.iter().peekable();
        for at in 0..=history.seen.len() {
            self.at = at;
            while let Some((_, mark)) = marks.next_if(|(before, _)| *before == at) {
                self.mark(*mark);
            }
            if let Some(seen) = history.seen.get(at) {
                self.event(*seen);
            }
        }
        self.wrong
    }

    fn find(&mut self, counter: fn(&mut Verdict) -> &mut u64, count: u64, what: String) {
        *counter(self.verdict) += count;
        self.wrong.push(Wrong { what, at: self.at });
    }

    fn mark(&mut self, mark: Mark) {
        match mark {
            Mark::Open(sent) => self.open(sent),
            Mark::Gap { from, to, reason } => self.gap(from, to, reason),
            Mark::Snapshot(id) => self.snapshot(id),
            Mark::Over => self.over(),
            Mark::Vanished if self.facts.damaged => {}
            Mark::Vanished => self.find(|v| &mut v.other, 1, "its job was not there".into()),
        }
    }

    fn open(&mut self, sent: Sent) {
        self.verdict.connections += 1;
        self.gap = None;
        self.pending = None;
        match sent {
            Sent::Own(id) => {
                if id != self.cursor || self.after_gap.iter().any(Option::is_some) {
                    self.stand_at(id);
                }
            }
            Sent::Old(id) => self.stand_at(id),
            Sent::Invented(_) | Sent::Foreign => self.pending = Some(sent),
        }
    }

    /// Goes on after this id, in every job.
    fn stand_at(&mut self, id: u64) {
        (self.cursor, self.newest) = (id, id);
        self.after_gap.fill(None);
        for (next, job) in self.next.iter_mut().zip(&self.facts.jobs) {
            *next = job.events.partition_point(|event| event.id <= id);
        }
    }

    fn gap(&mut self, from: Option<u64>, to: u64, reason: Reason) {
        self.verdict.gaps += 1;
        let sent = self.pending.unwrap_or(Sent::Own(self.cursor));
        if from != sent.number() {
            let what = format!("a gap from {from:?} for the cursor {sent:?}");
            self.find(|v| &mut v.other, 1, what);
        }
        let epochs = self.facts.epochs;
        let fits = match sent {
            Sent::Foreign => reason == Reason::InvalidCursor,
            Sent::Invented(id) if id >> 32 == 0 => reason == Reason::UnknownEpoch,
            Sent::Invented(_) => matches!(reason, Reason::AheadOfHead | Reason::LostInCrash),
            Sent::Own(id) | Sent::Old(id) if epochs.has_lost(id) => {
                reason == Reason::LostInCrash && epochs.knows(epoch_of(id))
            }
            Sent::Own(_) | Sent::Old(_) => {
                self.find(|v| &mut v.needless, 1, format!("a gap ({reason:?}) for {sent:?}"));
                true
            }
        };
        if !fits {
            self.find(|v| &mut v.other, 1, format!("a gap for {reason:?} for {sent:?}"));
        }
        self.gap = Some(to);
        if let Scope::Jobs(_) = self.scope {
            self.after_gap.fill(Some(to));
            (self.pending, self.newest) = (None, 0);
        }
    }

    fn snapshot(&mut self, id: Option<u64>) {
        let gap = self.gap.take();
        match (self.scope, id) {
            (Scope::Jobs(_), Some(id)) => (self.cursor, self.newest) = (id, id),
            (Scope::Jobs(_), None) => self.gap = gap,
            (Scope::Project(_), Some(id)) if self.cursor == 0 => self.stand_at(id),
            (_, Some(id)) if gap == Some(id) => self.stand_at(id),
            (_, None) if self.facts.clustered => {
                self.gap = gap;
                return;
            }
            _ => self.find(|v| &mut v.other, 1, format!("a snapshot at {id:?} after {gap:?}")),
        }
        self.pending = None;
    }

    fn over(&mut self) {
        if let Some(sent) = self.pending.take() {
            self.find(|v| &mut v.silent, 1, format!("over for the cursor {sent:?}"));
        }
        let left: usize =
            self.next.iter().zip(&self.facts.jobs).map(|(next, job)| job.events.len() - next).sum();
        // It had the end; a crash took that event before it was committed, but not the end itself,
        // which was told again under a later id.
        let told_again = self.facts.epochs.has_lost(self.cursor)
            && (left <= self.facts.jobs.len() || self.facts.damaged);
        if left > 0 && !told_again {
            self.find(|v| &mut v.lost, left as u64, format!("over, and never got {left} events"));
        }
    }

    fn event(&mut self, seen: Seen) {
        if let Some(sent) = self.pending.take() {
            self.find(|v| &mut v.silent, 1, format!("no gap for the cursor {sent:?}"));
        }
        let crossed = epoch_of(seen.id) > epoch_of(self.cursor);
        if self.gap.is_none()
            && self.after_gap.iter().all(Option::is_none)
            && crossed
            && self.facts.epochs.has_lost(self.cursor)
        {
            self.find(
                |v| &mut v.silent,
                1,
                format!("no gap between {} and {}", self.cursor, seen.id),
            );
            self.stand_at(self.cursor);
        }
        let found = self.places.binary_search_by_key(&seen.id, |place| place.0);
        match found.map(|at| self.places[at]) {
            Ok((_, job, nth)) => self.committed(seen, job as usize, nth as usize),
            Err(at) => self.uncommitted(seen, at),
        }
        self.newest = self.newest.max(seen.id);
        self.cursor = seen.id;
    }

    fn committed(&mut self, seen: Seen, job: usize, nth: usize) {
        let events = &self.facts.jobs[job].events;
        let is_last = nth + 1 == events.len();
        if events[nth].content != seen.content {
            self.find(|v| &mut v.altered, 1, format!("{} is not what is there", seen.id));
        }
        let next = self.next[job];
        let may_skip = self.after_gap[job].take().is_some_and(|to| seen.id > to || is_last);
        if nth > next && !may_skip {
            let count = (nth - next) as u64;
            self.missing.extend(events[next..nth].iter().map(|event| event.id));
            self.find(
                |v| &mut v.lost,
                count,
                format!("{count} events did not come before {}", seen.id),
            );
        } else if self.missing.remove(&seen.id) {
            self.verdict.lost -= 1;
            self.find(|v| &mut v.disordered, 1, format!("{} came too late", seen.id));
            return;
        } else if nth < next && !may_skip {
            self.find(|v| &mut v.doubled, 1, format!("{} came again", seen.id));
            return;
        } else if seen.id <= self.newest {
            let what = format!("{} came after {}", seen.id, self.newest);
            self.find(|v| &mut v.disordered, 1, what);
        }
        self.next[job] = nth + 1;
    }

    /// An event that is not there in the end. `at` is the place of the first one with a higher id.
    fn uncommitted(&mut self, seen: Seen, at: usize) {
        if !self.facts.epochs.has_lost(seen.id) {
            self.find(|v| &mut v.other, 1, format!("{} was committed, and is not there", seen.id));
            return;
        }
        self.verdict.taken_back += 1;
        if seen.id <= self.newest {
            let what = format!("{} came after {}", seen.id, self.newest);
            self.find(|v| &mut v.disordered, 1, what);
        }
        if *self.lost.entry(seen.id).or_insert(seen.content) != seen.content {
            self.find(|v| &mut v.altered, 1, format!("{} is two events", seen.id));
        }
        // Everything that was committed of this life came before.
        if let Some((id, job, nth)) = at.checked_sub(1).map(|before| self.places[before])
            && self.facts.jobs.len() == 1
            && self.next[job as usize] <= nth as usize
        {
            let count = (nth as usize + 1 - self.next[job as usize]) as u64;
            let what = format!("{count} events up to {id} did not come before {}", seen.id);
            self.find(|v| &mut v.lost, count, what);
            self.next[job as usize] = nth as usize + 1;
        }
    }
}

#[cfg(test)]
mod tests;
