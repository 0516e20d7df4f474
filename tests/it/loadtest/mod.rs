//! The load test as people run it: each scenario small, for what it checks and not how fast it is,
//! and servers that do wrong, which it has to notice.

mod broken;
mod scenarios;

use std::process::Stdio;

use serde_json::Value;

use crate::harness::PATIENCE;
use crate::harness::process::command;

/// How a load test ended.
struct Ended {
    code: Option<i32>,
    report: Value,
    stderr: String,
}

/// Runs a load test whose report comes on standard output.
async fn run(arguments: &[&str]) -> Ended {
    let mut command = command();
    command.arg("loadtest").args(arguments).args(["--json", "-"]).stdin(Stdio::null());
    let output = tokio::time::timeout(PATIENCE, command.output());
    let output = output.await.expect("it ends").expect("it starts");
    Ended {
        code: output.status.code(),
        report: serde_json::from_slice(&output.stdout).unwrap_or_default(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Ended {
    /// A figure of the report.
    fn figure(&self, key: &str) -> f64 {
        let figures = self.report["figures"].as_array().expect("a report has figures");
        let figure = figures.iter().find(|figure| figure["key"] == key);
        figure.unwrap_or_else(|| panic!("no '{key}' in {}", self.report))["value"]
            .as_f64()
            .expect("a number")
    }

    /// The claims that did not hold.
    fn failed(&self) -> Vec<&str> {
        let checks = self.report["checks"].as_array().expect("a report has checks");
        let failed = checks.iter().filter(|check| check["passed"] == false);
        failed.map(|check| check["claim"].as_str().expect("a text")).collect()
    }

    /// What was wrong, in words.
    fn findings(&self) -> String {
        self.report["findings"].to_string()
    }

    /// All checks held.
    #[track_caller]
    fn assert_passed(&self) {
        assert_eq!(self.code, Some(0), "{} {}", self.stderr, self.report["checks"]);
        assert!(self.failed().is_empty(), "{:?}", self.failed());
    }
}
