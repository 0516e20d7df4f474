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
    fn a_terminal_gets_no_escape_sequence() {
        assert_eq!(harmless("a\tb\n\u{1b}[2Jc\u{9b}1m\r"), "a\tb\n\u{fffd}[2Jc\u{fffd}1m\u{fffd}");
    }
}
