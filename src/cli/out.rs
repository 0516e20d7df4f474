//! Standard output and standard error.

use std::io::{self, Write};

use serde_json::Value;

/// Writes to standard output and flushes, so that a reader of a pipe has it now.
///
/// # Errors
/// When nobody reads any more, as with `| head`; most callers have nothing else to say then.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Writes a line to standard error. What is said there may be lost without harm.
pub(super) fn note(line: &str) {
    writeln!(io::stderr().lock(), "{}", harmless(line)).ok();
}

/// Rows as lines under a heading; empty when there are none, so that a script counts right. Cells
/// have no line breaks.
pub(super) fn table<const COLUMNS: usize>(
    heading: [&str; COLUMNS],
    rows: impl IntoIterator<Item = [String; COLUMNS]>,
) -> String {
    let heading = heading.map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heading).chain(rows).collect();
    if rows.len() == 1 {
        return String::new();
    }
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// A text in lines of at most so many characters, where its words allow it.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A size as people say it, in decimal units.
pub(super) fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..1_000 => return format!("{bytes} bytes"),
        1_000..1_000_000 => (1_000, "kB"),
        1_000_000..1_000_000_000 => (1_000_000, "MB"),
        _ => (1_000_000_000, "GB"),
    };
    format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit)
}

/// JSON for people and scripts: indented, with a line end.
pub(super) fn json(value: &Value) -> String {
    format!("{value:#}\n")
}

/// The text without control characters but tab and line feed: what a job says must not move the
/// cursor of a terminal, change its title or type into it.
pub(super) fn harmless(text: &str) -> String {
    let shown = |symbol: char| match symbol {
        '\n' | '\t' => symbol,
        _ if symbol.is_control() => char::REPLACEMENT_CHARACTER,
        _ => symbol,
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_broken_between_words_only() {
        assert_eq!(wrapped("one two  three\nfour", 7), ["one two", "three", "four"]);
        assert_eq!(wrapped("immeasurable it is", 4), ["immeasurable", "it", "is"]);
        assert!(wrapped(" ", 4).is_empty());
    }

    #[test]
    fn a_size_has_one_decimal_and_is_never_more_than_there_is() {
        let sizes = [999, 1_000, 26_099, 1_999_999, 3_000_000_000].map(size);
        assert_eq!(sizes, ["999 bytes", "1.0 kB", "26.0 kB", "1.9 MB", "3.0 GB"]);
    }

    #[test]
    fn a_terminal_gets_no_escape_sequence() {
        assert_eq!(harmless("a\tb\n\u{1b}[2Jc\u{9b}1m\r"), "a\tb\n\u{fffd}[2Jc\u{fffd}1m\u{fffd}");
    }
}
