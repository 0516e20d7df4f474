//! Whether a reader gets every event once, in order, whole.

use serde::{Deserialize, Serialize};

/// How many findings are told in words; the rest is only counted.
const TOLD: usize = 20;

/// What was wrong, counted over many readers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Events that came as they should, and those that came out of order.
    pub delivered: u64,
    /// Events that never came.
    pub missing: u64,
    /// Events that came again.
    pub doubled: u64,
    /// Events that came after a later one.
    pub disordered: u64,
    /// Events that were cut, changed, or had something added.
    pub damaged: u64,
    /// Events of another job.
    pub strangers: u64,
    /// Gaps that the server told a reader about.
    pub gaps: u64,
}

impl Counts {
    /// Adds what others counted.
    pub(super) fn add(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.missing += other.missing;
        self.doubled += other.doubled;
        self.disordered += other.disordered;
        self.damaged += other.damaged;
        self.strangers += other.strangers;
        self.gaps += other.gaps;
    }
}

/// How far one reader is.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    /// The sequence that should come next.
    next: u32,
    /// Sequences below `next` that have not come, in order. Empty unless something is wrong.
    missing: Vec<u32>,
}

/// The most missing events of one reader that are remembered one by one: a server that loses more
/// than that is not forgiven for bringing them late.
const REMEMBERED: u32 = 10_000;

impl Tracker {
    /// The sequence that should come next.
    pub(super) const fn next(&self) -> u32 {
        self.next
    }

    /// Takes note of an event; true when it is new.
    pub(super) fn note(&mut self, sequence: u32, who: Who, ledger: &mut Ledger) -> bool {
        if sequence == self.next {
            self.next += 1;
            ledger.counts.delivered += 1;
            return true;
        }
        if sequence > self.next {
            let skipped = sequence - self.next;
            ledger.tell(who, || {
                format!("events {} to {} did not come before {sequence}", self.next, sequence - 1)
            });
            ledger.counts.missing += u64::from(skipped);
            let room =
                REMEMBERED.saturating_sub(u32::try_from(self.missing.len()).unwrap_or(REMEMBERED));
            self.missing.extend(self.next..self.next + skipped.min(room));
            self.next = sequence + 1;
            ledger.counts.delivered += 1;
            return true;
        }
        if let Ok(at) = self.missing.binary_search(&sequence) {
            self.missing.remove(at);
            ledger.tell(who, || format!("event {sequence} came after event {}", self.next - 1));
            ledger.counts.missing -= 1;
            ledger.counts.disordered += 1;
            ledger.counts.delivered += 1;
            return true;
        }
        ledger.tell(who, || format!("event {sequence} came again"));
        ledger.counts.doubled += 1;
        false
    }

    /// Looks whether the reader has all of so many events.
    pub(super) fn finish(&self, published: u32, who: Who, ledger: &mut Ledger) {
        if self.next < published {
            let missing = published - self.next;
            ledger.tell(who, || format!("the last {missing} of {published} events did not come"));
            ledger.counts.missing += u64::from(missing);
        }
    }
}

/// A reader, for people.
#[derive(Clone, Copy, Debug)]
pub(super) struct Who {
    pub(super) reader: u32,
    pub(super) job: u32,
}

/// What a crowd of readers found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Ledger {
    pub(super) counts: Counts,
    /// The first findings, in words.
    pub(super) findings: Vec<String>,
}

impl Ledger {
    /// Keeps a finding, if there are not too many already.
    pub(super) fn tell(&mut self, who: Who, finding: impl FnOnce() -> String) {
        if self.findings.len() < TOLD {
            self.findings.push(format!("reader {} of job {}: {}", who.reader, who.job, finding()));
        }
    }

    /// Adds what others found.
    pub(super) fn add(&mut self, other: Self) {
        self.counts.add(&other.counts);
        let room = TOLD - self.findings.len();
        self.findings.extend(other.findings.into_iter().take(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHO: Who = Who { reader: 7, job: 1 };

    /// What is said of a reader that gets these of `published` events.
    fn verdict(sequences: &[u32], published: u32) -> Ledger {
        let (mut tracker, mut ledger) = (Tracker::default(), Ledger::default());
        for sequence in sequences {
            tracker.note(*sequence, WHO, &mut ledger);
        }
        tracker.finish(published, WHO, &mut ledger);
        ledger
    }

    #[test]
    fn all_events_in_order_are_right() {
        let ledger = verdict(&[0, 1, 2], 3);
        assert_eq!(ledger.counts, Counts { delivered: 3, ..Counts::default() });
        assert!(ledger.findings.is_empty());
    }

    #[test]
    fn a_lost_event_is_missing_in_the_middle_and_at_the_end() {
        let ledger = verdict(&[0, 2], 4);
        assert_eq!(ledger.counts, Counts { delivered: 2, missing: 2, ..Counts::default() });
        assert_eq!(
            ledger.findings,
            [
                "reader 7 of job 1: events 1 to 1 did not come before 2",
                "reader 7 of job 1: the last 1 of 4 events did not come",
            ]
        );
    }

    #[test]
    fn an_event_that_comes_again_is_doubled_and_no_more() {
        let ledger = verdict(&[0, 1, 1, 0, 2], 3);
        assert_eq!(ledger.counts, Counts { delivered: 3, doubled: 2, ..Counts::default() });
    }

    #[test]
    fn an_event_that_comes_late_is_disordered_and_not_missing() {
        let ledger = verdict(&[0, 2, 1, 3], 4);
        assert_eq!(ledger.counts, Counts { delivered: 4, disordered: 1, ..Counts::default() });
    }

    #[test]
    fn findings_are_bounded() {
        let ledger = verdict(&[0; 1000], 1);
        assert_eq!((ledger.findings.len(), ledger.counts.doubled), (TOLD, 999));
    }
}
