//! What a run came to, for people and for docs/reliability.md.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::check::Findings;
use crate::say;

/// What is told of a run.
pub(super) struct Told<'a> {
    pub(super) seed: u64,
    /// By which the same plan is drawn again, before its seed.
    pub(super) again: &'static str,
    /// How many faults of each kind there were.
    pub(super) counts: Vec<(&'static str, usize)>,
    /// How long starts after a `kill -9` took.
    pub(super) starts: &'a [Duration],
    /// How long orderly ends took.
    pub(super) ends: &'a [Duration],
    /// The most memory that a server was seen to take, in bytes.
    pub(super) memory: u64,
    pub(super) findings: &'a Findings,
    pub(super) began: Instant,
    pub(super) violated: usize,
}

/// Prints the tables, and, unless they are all that is wanted, what to do when something was wrong.
pub(super) fn print(told: &Told<'_>, tables_only: bool) {
    say::plain(&tables(told));
    if told.violated == 0 {
        say::line("nothing was wrong");
    } else if !tables_only {
        let Told { violated: count, seed, again, .. } = told;
        say::line(&format!("{count} violations; the same plan again: {again} --seed {seed}"));
    }
}

fn tables(told: &Told<'_>) -> String {
    let Told { findings, began, violated, .. } = told;
    let verdict = &findings.verdict;
    let mut text = String::from("\n| what | |\n| --- | ---: |\n");
    let mut row = |what: &str, value: String| {
        writeln!(text, "| {what} | {value} |").expect("a string takes everything");
    };
    let total: usize = told.counts.iter().map(|(_, count)| count).sum();
    row("seed", told.seed.to_string());
    row("time", format!("{:.0} s", began.elapsed().as_secs_f64()));
    row("faults", total.to_string());
    for (title, count) in &told.counts {
        row(&format!("– {title}"), count.to_string());
    }
    row("lives of the server", findings.lives.to_string());
    row("jobs that ended", findings.ends.values().sum::<usize>().to_string());
    for (end, count) in &findings.ends {
        row(&format!("– as `{end}`"), count.to_string());
    }
    row("readers", grouped(verdict.readers));
    row("connections", grouped(verdict.connections));
    row("deliveries", grouped(verdict.deliveries));
    row("gaps told", grouped(verdict.gaps));
    row("deliveries that a crash took back, each with a gap", grouped(verdict.taken_back));
    row("**lost**", grouped(verdict.lost));
    row("**doubled**", grouped(verdict.doubled));
    row("**disordered**", grouped(verdict.disordered));
    row("**altered**", grouped(verdict.altered));
    row("**gaps not told**", grouped(verdict.silent));
    row("gaps told without need", grouped(verdict.needless));
    row("files whose checksums fit", grouped(findings.files as u64));
    row("pieces of work started at providers", grouped(findings.operations as u64));
    row("entries of the ledger", grouped(findings.ledger as u64));
    row("jobs that a damaged log took", grouped(findings.vanished as u64));
    row("work started again, the log of its start damaged", grouped(findings.started_again as u64));
    row("`kill -9` to listening, middle and longest", spread(told.starts));
    row("SIGTERM to the end, middle and longest", spread(told.ends));
    row("most memory of the server", format!("{} MB", told.memory >> 20));
    row("**violations of any kind**", violated.to_string());
    text
}

/// The middle and the longest of some times.
pub(super) fn spread(times: &[Duration]) -> String {
    let mut times = times.to_vec();
    times.sort_unstable();
    match (times.get(times.len() / 2), times.last()) {
        (Some(middle), Some(longest)) => format!("{middle:.2?}, {longest:.2?}"),
        _ => "–".to_owned(),
    }
}

/// A number with commas.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(["7", "70", "700"], [7, 70, 700].map(grouped).each_ref().map(String::as_str));
        assert_eq!((grouped(7_000), grouped(10_000_000)), ("7,000".into(), "10,000,000".into()));
    }

    #[test]
    fn a_spread_of_nothing_is_nothing() {
        assert_eq!(spread(&[]), "–");
        assert_eq!(spread(&[3, 1, 2].map(Duration::from_secs)), "2.00s, 3.00s");
    }
}
