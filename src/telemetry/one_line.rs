//! One event, one line, whatever stands in it.
//!
//! What is logged may come from outside: a name, a path, what a provider answered. With a line break
//! in it, it could add a line of its own to the log; with others, steer the terminal of who reads it.

use std::fmt::Write as _;
use std::io::{self, Write};

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

/// The colours that the formatter gives a line, which are left alone where lines have colours: plain,
/// bold, faint, italic, red, green, yellow, blue, violet.
const COLOURS: [&str; 9] = [
    "\u{1b}[0m",
    "\u{1b}[1m",
    "\u{1b}[2m",
    "\u{1b}[3m",
    "\u{1b}[31m",
    "\u{1b}[32m",
    "\u{1b}[33m",
    "\u{1b}[34m",
    "\u{1b}[35m",
];

/// What writes events, each on a line.
#[derive(Debug)]
pub(super) struct OneLine<M> {
    pub(super) writer: M,
    /// Whether lines have colours.
    pub(super) colour: bool,
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for OneLine<M> {
    type Writer = Line<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Line { writer: self.writer.make_writer(), colour: self.colour }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Self::Writer {
        Line { writer: self.writer.make_writer_for(meta), colour: self.colour }
    }
}

/// What writes one event, which comes in one piece.
#[derive(Debug)]
pub(super) struct Line<W> {
    writer: W,
    colour: bool,
}

impl<W: Write> Write for Line<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        if line.contains(breaks) {
            let mut whole = escaped(line, self.colour);
            whole.push('\n');
            self.writer.write_all(whole.as_bytes())?;
        } else {
            self.writer.write_all(event)?;
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Whether a character could end a line, or show what follows as something else: controls, line
/// separators, and those that turn the direction of text.
const fn breaks(c: char) -> bool {
    matches!(c, '\0'..='\x1f' | '\x7f'..='\u{9f}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escaped(line: &str, colour: bool) -> String {
    let mut shown = String::with_capacity(line.len() + 16);
    for (at, c) in line.char_indices() {
        let begins_colour = || COLOURS.iter().any(|sequence| line[at..].starts_with(sequence));
        if breaks(c) && !(colour && begins_colour()) {
            // As JSON has it, since that is one of the formats.
            write!(shown, "\\u{:04x}", u32::from(c)).expect("memory takes it");
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(event: &str, colour: bool) -> String {
        let mut line = Line { writer: Vec::new(), colour };
        line.write_all(event.as_bytes()).unwrap();
        String::from_utf8(line.writer).unwrap()
    }

    #[test]
    fn a_line_stays_one_whatever_stands_in_it() {
        for (event, line) in [
            ("plain, Über\n", "plain, Über\n"),
            ("a\nERROR forged\r\n", "a\\u000aERROR forged\\u000d\n"),
            ("\u{1b}[31mred\n", "\\u001b[31mred\n"),
            ("a\u{2028}b\u{202e}c\0\u{9b}d\n", "a\\u2028b\\u202ec\\u0000\\u009bd\n"),
        ] {
            assert_eq!(written(event, false), line);
        }
    }

    #[test]
    fn a_terminal_is_coloured_and_not_steered() {
        let coloured = "\u{1b}[2mfaint\u{1b}[0m\n";
        assert_eq!(written(coloured, true), coloured);
        for hostile in ["\u{1b}[2J", "\u{1b}[8m", "\u{1b}]0;title\u{7}", "\u{1b}c", "\u{9b}2J"] {
            let shown = written(&format!("{coloured}{hostile}\n"), true);
            assert_eq!(shown.matches('\u{1b}').count(), 2, "{shown}");
            assert!(!shown.contains(['\u{7}', '\u{9b}']), "{shown}");
        }
    }
}
