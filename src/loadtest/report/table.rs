//! A report for a terminal.

use std::fmt::Write;

use super::{Figure, Report};

impl Report {
    /// The report as lines of text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let rows: Vec<_> =
            self.figures.iter().map(|figure| (figure.label.as_str(), figure.shown())).collect();
        let width = rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
        for (label, value) in rows {
            line(&mut text, &format!("{label:width$}  {value}"));
        }
        line(&mut text, "");
        for check in &self.checks {
            let mark = if check.passed { "ok    " } else { "FAILED" };
            line(&mut text, &format!("{mark}  {} ({})", check.claim, check.detail));
        }
        for finding in &self.findings {
            line(&mut text, &format!("        {finding}"));
        }
        for note in &self.notes {
            line(&mut text, &format!("note: {note}"));
        }
        text
    }
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a string grows");
}

impl Figure {
    /// The number with its unit, as precise as it is worth.
    #[must_use]
    pub fn shown(&self) -> String {
        let value = match self.value.abs() {
            _ if self.unit.is_empty() => grouped(self.value),
            1000.0.. => grouped(self.value),
            100.0.. => format!("{:.0}", self.value),
            10.0.. => format!("{:.1}", self.value),
            _ => format!("{:.2}", self.value),
        };
        format!("{value} {}", self.unit).trim_end().to_owned()
    }
}

/// A whole number with a comma after each three digits.
pub(super) fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |rest| ("-", rest));
    let mut text = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{sign}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_as_precise_as_it_is_worth() {
        let shown =
            |value, unit| Figure { key: String::new(), label: String::new(), value, unit }.shown();
        assert_eq!(shown(1_234_567.0, ""), "1,234,567");
        assert_eq!(shown(-1_234.0, "B"), "-1,234 B");
        assert_eq!(shown(3.456, "µs"), "3.46 µs");
        assert_eq!(shown(34.56, "ms"), "34.6 ms");
        assert_eq!(shown(345.6, "B"), "346 B");
    }
}
