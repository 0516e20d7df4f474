//! What a check found.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::path::Remedy;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Nobody looked, and the text says why.
    NotChecked,
    /// It works, and could be better.
    Warning,
    /// Something does not work, or will not.
    Fault,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// What was looked at, as in `database` or `path.buffering`; never changed, for scripts.
    pub check: String,
    /// How it is.
    pub verdict: Verdict,
    /// The same in a sentence, with what was measured.
    pub text: String,
    /// The figures of the sentence, and those behind it.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub measured: Map<String, Value>,
    /// What to write into which proxy; the one that is there comes first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remedies: Vec<Remedy>,
}

impl Finding {
    /// Something was found.
    pub fn new(check: impl Into<String>, verdict: Verdict, text: impl Into<String>) -> Self {
        Self {
            check: check.into(),
            verdict,
            text: text.into(),
            measured: Map::new(),
            remedies: Vec::new(),
        }
    }

    /// It is as it should be.
    pub fn good(check: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(check, Verdict::Good, text)
    }

    /// It works, and could be better.
    pub fn warning(check: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(check, Verdict::Warning, text)
    }

    /// Something does not work, or will not.
    pub fn fault(check: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(check, Verdict::Fault, text)
    }

    /// Nobody looked: why not.
    pub fn not_checked(check: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(check, Verdict::NotChecked, format!("not checked: {}", why.into()))
    }

    /// The same with a figure.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.measured.insert(name.to_owned(), value.into());
        self
    }

    /// The same with what mends it.
    #[must_use]
    pub fn mended_by(mut self, remedies: Vec<Remedy>) -> Self {
        self.remedies = remedies;
        self
    }
}

/// Everything that was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// In the order in which it was found.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether nothing is at fault; there may be warnings.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.count(Verdict::Fault) == 0
    }

    /// How many findings are like this.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.findings.iter().filter(|finding| finding.verdict == verdict).count()
    }

    /// `{"well": true, "faults": 0, "warnings": 0, "findings": […]}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "well": self.is_well(),
            "faults": self.count(Verdict::Fault),
            "warnings": self.count(Verdict::Warning),
            "findings": self.findings,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_well_and_a_fault_is_not() {
        let mut report = Report::default();
        report.findings.push(Finding::warning("space", "little is left").with("free_bytes", 7));
        report.findings.push(Finding::not_checked("clock", "nobody to ask"));
        assert!(report.is_well());
        report.findings.push(Finding::fault("storage", "it is read-only"));
        assert!(!report.is_well());
        let shown = report.to_json();
        assert_eq!((&shown["well"], &shown["faults"]), (&json!(false), &json!(1)));
        assert_eq!(
            shown["findings"][0],
            json!({
                "check": "space", "verdict": "warning", "text": "little is left",
                "measured": { "free_bytes": 7 },
            })
        );
        assert_eq!(shown["findings"][1]["verdict"], "not_checked");
    }
}
