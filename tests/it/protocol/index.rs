//! That no clause is without a test, and no test without a clause.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The numbers of the clauses: `**P01**` at the beginning of a list item.
fn clauses(text: &str) -> Vec<u32> {
    let clause = |line: &str| line.strip_prefix("- **P")?.split_once("**")?.0.parse().ok();
    text.lines().filter_map(clause).collect()
}

/// The numbers in the names of test functions: `p01_…`, below an attribute that makes it a test.
fn tested(source: &str) -> Vec<u32> {
    let lines: Vec<_> = source.lines().map(str::trim).collect();
    let claim = |pair: &[&str]| {
        let is_test = pair[0].starts_with("#[test]") || pair[0].starts_with("#[tokio::test");
        let name = pair[1].strip_prefix("async ").unwrap_or(pair[1]).strip_prefix("fn p")?;
        let number = name.split_once('_')?.0;
        (is_test && number.len() == 2).then(|| number.parse().ok())?
    };
    lines.windows(2).filter_map(claim).collect()
}

#[test]
fn every_clause_has_a_test_and_every_test_a_clause() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("PROTOCOL.md")).expect("the protocol");
    let clauses = clauses(&text);
    let count = u32::try_from(clauses.len()).expect("a few");
    assert!(count >= 85, "clauses are never taken away");
    assert!(clauses.iter().copied().eq(1..=count), "clauses are numbered in order: {clauses:?}");
    let mut tests = BTreeSet::new();
    for file in fs::read_dir(root.join("tests/it/protocol")).expect("the tests") {
        let source = fs::read_to_string(file.expect("a file").path()).expect("a source");
        tests.extend(tested(&source));
    }
    let clauses = BTreeSet::from_iter(clauses);
    let missing: Vec<_> = clauses.difference(&tests).collect();
    assert!(missing.is_empty(), "clauses without a test: {missing:?}");
    let unknown: Vec<_> = tests.difference(&clauses).collect();
    assert!(unknown.is_empty(), "tests of clauses that there are not: {unknown:?}");
}

#[test]
fn only_a_test_counts_as_one() {
    assert_eq!(clauses("- **P07** Ids rise.\n  **P08** is no item\n- **P9x**"), [7]);
    assert_eq!(tested("#[test]\nfn p07_ids_rise() {}\nfn p08_helper() {}"), [7]);
    assert_eq!(tested("#[tokio::test]\nasync fn p33_goes_on() {}\n// fn p34_no"), [33]);
}
