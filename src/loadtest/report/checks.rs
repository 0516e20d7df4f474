//! What has to hold, whatever is measured.

use serde::Serialize;

use super::Report;
use crate::loadtest::crowd::Outcome;
use crate::loadtest::polls::Polls;

/// Something that had to hold.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What it is, as a claim.
    pub claim: String,
    /// Whether it held.
    pub passed: bool,
    /// In numbers.
    pub detail: String,
}

impl Report {
    /// Adds a check.
    pub(in crate::loadtest) fn check(&mut self, claim: &str, passed: bool, detail: String) {
        self.checks.push(Check { claim: claim.to_owned(), passed, detail });
    }

    /// All of so many have to have done something.
    pub(in crate::loadtest) fn check_count(&mut self, claim: &str, count: u64, of: u64) {
        self.check(claim, count == of, format!("{count} of {of}"));
    }

    /// None of what can go wrong may have.
    fn check_none(&mut self, claim: &str, count: u64) {
        self.check(claim, count == 0, count.to_string());
    }

    /// What readers saw has to be all, once, in order and whole.
    pub(in crate::loadtest) fn check_outcome(&mut self, outcome: &Outcome) {
        self.counts.add(&outcome.ledger.counts);
        self.findings.extend(outcome.ledger.findings.iter().cloned());
        let counts = outcome.ledger.counts;
        self.check_none("no event is missing", counts.missing);
        self.check_none("no event comes twice", counts.doubled);
        self.check_none("no event comes out of order", counts.disordered);
        self.check_none("every event is whole", counts.damaged);
        self.check_none("no event is another job's", counts.strangers);
        self.check_none("no reader is told of a gap", counts.gaps);
    }

    /// Who asks again and again has to see every job's end, and never an older state.
    pub(in crate::loadtest) fn check_polls(&mut self, polls: &Polls, clients: u64) {
        self.findings.extend(polls.findings.iter().cloned());
        self.check_count("every polling client sees its job's end", polls.ended, clients);
        self.check_none("no poll is told an older state", polls.backward);
        self.check_none("no poll fails", polls.failed);
        let told = polls.unchanged > 0;
        self.check("a poll with nothing new is told so by 304", told, polls.unchanged.to_string());
    }
}
