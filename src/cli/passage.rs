//! Which part of a text a watcher has not printed yet.

/// How far the text of a job's current attempt is printed.
#[derive(Debug, Default)]
pub(super) struct Passage {
    /// The attempt whose text this is.
    attempt: u64,
    /// How many Unicode scalar values of it are printed; nothing before the first piece, since a
    /// watch may begin in the middle.
    printed: Option<u64>,
}

/// What is to be printed of a piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fresh<'a> {
    /// Whether it belongs to another text than what was printed so far.
    pub(super) restarted: bool,
    /// The part that was not printed yet.
    pub(super) text: &'a str,
}

impl Passage {
    /// Takes a piece of text that begins `offset` Unicode scalar values into its attempt's text.
    pub(super) fn take<'a>(&mut self, attempt: u64, offset: u64, text: &'a str) -> Fresh<'a> {
        let restarted = attempt > self.attempt && self.printed.is_some_and(|printed| printed > 0);
        if attempt > self.attempt {
            *self = Self { attempt, printed: None };
        }
        let printed = self.printed.unwrap_or(offset);
        let known = printed.saturating_sub(offset);
        let length = text.chars().count() as u64;
        self.printed = Some(printed.max(offset + length));
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        let start = text.char_indices().nth(known).map_or(text.len(), |(at, _)| at);
        Fresh { restarted, text: &text[start..] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(text: &str) -> Fresh<'_> {
        Fresh { restarted: false, text }
    }

    #[test]
    fn pieces_follow_one_another() {
        let mut passage = Passage::default();
        assert_eq!(passage.take(1, 0, "Grüß"), piece("Grüß"));
        assert_eq!(passage.take(1, 4, " Gott"), piece(" Gott"));
    }

    #[test]
    fn what_a_snapshot_repeats_is_printed_once() {
        let mut passage = Passage::default();
        passage.take(1, 0, "Grüß");
        assert_eq!(passage.take(1, 0, "Grüß Gott"), piece(" Gott"));
        assert_eq!(passage.take(1, 4, " Gott"), piece(""));
        assert_eq!(passage.take(1, 9, "!"), piece("!"));
    }

    #[test]
    fn a_watch_may_begin_in_the_middle() {
        let mut passage = Passage::default();
        assert_eq!(passage.take(2, 700, "middle"), piece("middle"));
        assert_eq!(passage.take(2, 706, "."), piece("."));
    }

    #[test]
    fn another_attempt_is_another_text() {
        let mut passage = Passage::default();
        passage.take(1, 0, "half a sen");
        assert_eq!(passage.take(2, 0, "A sentence"), Fresh { restarted: true, text: "A sentence" });
    }
}
