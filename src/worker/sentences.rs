//! Text for a voice: Markdown made speakable, and long text cut where a reader would breathe.

use std::ops::Range;

use pulldown_cmark::{Event, Parser, Tag, TagEnd};
use unicode_segmentation::UnicodeSegmentation;

use super::markdown::OPTIONS;

/// Ends a sentence, or leaves it open on purpose: behind these no full stop is added.
const STOPS: [char; 16] =
    ['.', '!', '?', '…', ':', ';', '。', '！', '？', '：', '；', '．', '।', '؟', '۔', '۝'];

/// Ends a clause: where a sentence that is too long is cut first.
const CLAUSE_ENDS: [char; 10] = [',', ';', ':', '–', '—', '，', '、', '；', '：', '،'];

/// Makes plain text to be spoken out of Markdown.
///
/// Headings, list items and table rows become sentences of their own, with a full stop where they
/// have none, so that a voice pauses there. Links and images are their text, emphasis is dropped,
/// code blocks and raw HTML are left out: nobody wants them read aloud. Blocks are separated by one
/// line feed.
#[must_use]
pub fn speakable(markdown: &str) -> String {
    let mut spoken = Spoken::default();
    for event in Parser::new_ext(markdown, OPTIONS) {
        spoken.hear(event);
    }
    spoken.end_block();
    spoken.text
}

/// Cuts text into parts of at most `limit` Unicode scalar values (at least 1), in order.
///
/// A cut is made at the end of a sentence; in a sentence that is too long alone, at the end of a
/// clause; then between words, between graphemes, and only inside a grapheme that is longer than
/// `limit`. Every part is as long as it can be. The parts hold the whole text but for white space
/// around the cuts; no part is empty.
#[must_use]
pub fn parts(text: &str, limit: usize) -> Vec<&str> {
    let mut cutter = Cutter { text, limit: limit.max(1), current: 0..0, parts: Vec::new() };
    cutter.add(0..text.len(), Unit::Sentence);
    cutter.close();
    cutter.parts
}

/// Text being spoken, block by block.
#[derive(Debug, Default)]
struct Spoken {
    text: String,
    block: String,
    /// Inside a code block, whose text is passed over.
    in_code: bool,
}

impl Spoken {
    fn hear(&mut self, event: Event<'_>) {
        match event {
            Event::Start(Tag::CodeBlock(_)) => {
                self.end_block();
                self.in_code = true;
            }
            Event::End(TagEnd::CodeBlock) => self.in_code = false,
            Event::Text(text) | Event::Code(text) if !self.in_code => self.block.push_str(&text),
            Event::SoftBreak | Event::HardBreak => self.block.push(' '),
            Event::InlineHtml(tag) if tag.starts_with("<br") => self.block.push(' '),
            Event::End(TagEnd::TableCell) if !self.block.ends_with(", ") => {
                self.block.push_str(", ");
            }
            Event::Start(tag) if begins_block(&tag) => self.end_block(),
            Event::End(tag) if ends_block(tag) => self.end_block(),
            _ => {}
        }
    }

    /// Moves the block to the text, as a sentence.
    fn end_block(&mut self) {
        let block = std::mem::take(&mut self.block);
        let block = block.trim().trim_end_matches([',', ' ']);
        let Some(last) = block.trim_end_matches(is_closing).chars().next_back() else {
            return;
        };
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(block);
        if !STOPS.contains(&last) {
            self.text.push('.');
        }
    }
}

/// A list item begins a block of its own: a tight one has no paragraph around its text.
fn begins_block(tag: &Tag<'_>) -> bool {
    matches!(
        tag,
        Tag::Paragraph
            | Tag::Heading { .. }
            | Tag::Item
            | Tag::List(_)
            | Tag::Table(_)
            | Tag::BlockQuote(_)
    )
}

fn ends_block(tag: TagEnd) -> bool {
    matches!(
        tag,
        TagEnd::Paragraph
            | TagEnd::Heading(_)
            | TagEnd::Item
            | TagEnd::TableHead
            | TagEnd::TableRow
    )
}

/// Stands behind a sentence's stop: quotes and brackets.
fn is_closing(character: char) -> bool {
    matches!(character, '"' | '\'' | ')' | ']' | '”' | '’' | '»' | '」' | '』' | '）')
}

/// What text is cut into, from the best places for a cut to the worst.
#[derive(Debug, Clone, Copy)]
enum Unit {
    Sentence,
    Clause,
    Word,
    Grapheme,
    Character,
}

impl Unit {
    /// Where the units of a text begin, after the first.
    fn starts(self, text: &str) -> Vec<usize> {
        match self {
            Self::Sentence => text.split_sentence_bound_indices().map(|(at, _)| at).collect(),
            Self::Clause => clause_starts(text),
            Self::Word => word_starts(text),
            Self::Grapheme => text.grapheme_indices(true).map(|(at, _)| at).collect(),
            Self::Character => text.char_indices().map(|(at, _)| at).collect(),
        }
    }

    fn finer(self) -> Self {
        match self {
            Self::Sentence => Self::Clause,
            Self::Clause => Self::Word,
            Self::Word => Self::Grapheme,
            Self::Grapheme | Self::Character => Self::Character,
        }
    }
}

/// A clause begins behind the mark that ends one and the space after it. Scripts that write no
/// spaces have marks of their own, which need none; "1,000" is one number.
fn clause_starts(text: &str) -> Vec<usize> {
    let words: Vec<_> = text.split_word_bound_indices().collect();
    let ends_clause = |word: &str, next: &str| {
        let mark = word.starts_with(CLAUSE_ENDS);
        mark && (next.starts_with(char::is_whitespace) || !word.is_ascii())
    };
    let mut starts = vec![0];
    for pair in words.windows(2) {
        let ((_, word), (at, next)) = (pair[0], pair[1]);
        if ends_clause(word, next) {
            let space = next.len() - next.trim_start().len();
            starts.push(at + space);
        }
    }
    starts
}

/// A word begins behind white space, or where the script has none, at a word's bound. Marks stay
/// with the word before them.
fn word_starts(text: &str) -> Vec<usize> {
    let is_word = |(_, word): &(usize, &str)| word.starts_with(char::is_alphanumeric);
    let mut starts: Vec<_> =
        text.split_word_bound_indices().filter(is_word).map(|(at, _)| at).collect();
    starts.insert(0, 0);
    starts
}

/// Fills parts with units, as long as they fit.
#[derive(Debug)]
struct Cutter<'a> {
    text: &'a str,
    limit: usize,
    /// The part being filled, as bytes of `text`.
    current: Range<usize>,
    parts: Vec<&'a str>,
}

impl Cutter<'_> {
    /// Adds a stretch of the text, unit by unit; a unit that is too long is added in finer ones,
    /// into parts of its own.
    fn add(&mut self, stretch: Range<usize>, unit: Unit) {
        let mut starts = unit.starts(&self.text[stretch.clone()]);
        starts.push(stretch.len());
        for pair in starts.windows(2) {
            let piece = stretch.start + pair[0]..stretch.start + pair[1];
            if self.fits(self.current.start..piece.end) {
                self.current.end = piece.end;
                continue;
            }
            self.close_at(piece.start);
            if self.fits(piece.clone()) {
                self.current.end = piece.end;
            } else {
                self.add(piece, unit.finer());
            }
        }
    }

    fn fits(&self, range: Range<usize>) -> bool {
        // A value has at most four bytes, so most ranges are told apart without counting.
        let text = self.text[range].trim();
        text.len() <= self.limit
            || (text.len() <= self.limit * 4 && text.chars().count() <= self.limit)
    }

    fn close_at(&mut self, start: usize) {
        self.close();
        self.current = start..start;
    }

    fn close(&mut self) {
        let part = self.text[self.current.clone()].trim();
        if !part.is_empty() {
            self.parts.push(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn blocks_become_sentences() {
        let markdown = "# A title\n\nA *first* line\nand **a [link](https://example.org)**.\n\n- one\n- two?\n  - inner `code`\n\n> Said so\n\n\
             | x | y |\n|---|---|\n| 1 | 2 |\n\n```rust\nfn skipped() {}\n```\n\n<b>raw</b>\n\n***\n\nThe end";
        let spoken = "A title.\nA first line and a link.\none.\ntwo?\ninner code.\nSaid so.\nx, y.\n1, 2.\nraw.\nThe end.";
        assert_eq!(speakable(markdown), spoken);
    }

    #[test]
    fn a_stop_is_added_only_where_there_is_none() {
        for text in ["Really?", "\"Yes.\"", "是的。", "As follows:", "क्या।", "(So it is.)"]
        {
            assert_eq!(speakable(text), text);
        }
        assert_eq!(speakable("# Chapter (one)"), "Chapter (one).");
        assert_eq!(speakable("* loose\n\n  second\n\n* item"), "loose.\nsecond.\nitem.");
        assert_eq!(speakable(" \n\n---\n"), "");
    }

    #[test]
    fn text_is_cut_at_the_end_of_a_sentence() {
        let text = "One is here. Two is here! Is three? Yes.";
        assert_eq!(parts(text, 100), [text]);
        assert_eq!(parts(text, 26), ["One is here. Two is here!", "Is three? Yes."]);
        assert_eq!(parts(text, 12), ["One is here.", "Two is here!", "Is three?", "Yes."]);
        assert_eq!(parts("", 10), Vec::<&str>::new());
    }

    #[test]
    fn a_sentence_that_is_too_long_is_cut_at_clauses_then_words_then_graphemes() {
        assert_eq!(
            parts("For 1,000 days, as they say, it rained.", 20),
            ["For 1,000 days,", "as they say,", "it rained."]
        );
        assert_eq!(
            parts("Short. One two three four five", 14),
            ["Short.", "One two three", "four five"]
        );
        assert_eq!(parts("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(parts("e\u{301}e\u{301}e\u{301}", 3), ["e\u{301}", "e\u{301}", "e\u{301}"]);
        assert_eq!(parts("我们今天很高兴，因为下雨了。", 8), ["我们今天很高兴，", "因为下雨了。"]);
    }

    #[test]
    fn the_rest_of_a_long_sentence_is_filled_up_with_the_next() {
        assert_eq!(parts("Aaaa bbbb, cc. Dd. Ee.", 12), ["Aaaa bbbb,", "cc. Dd. Ee."]);
    }

    proptest! {
        #[test]
        fn the_parts_are_the_text_in_order_and_none_is_too_long(
            text in "(\\PC|[a-z]{1,6}[ .,!?\n]|\u{301}|👨‍👩‍👧|。){0,80}",
            limit in 1_usize..40,
        ) {
            let parts = parts(&text, limit);
            for part in &parts {
                prop_assert!(!part.trim().is_empty());
                prop_assert!(part.chars().count() <= limit, "{:?}", part);
            }
            let without_space = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(without_space(&parts.concat()), without_space(&text));
        }

        #[test]
        fn speaking_never_fails(markdown in "([#*`|>~_\\-\\[\\]()! \n]|\\PC){0,80}") {
            let spoken = speakable(&markdown);
            prop_assert!(!spoken.contains("\n\n"));
        }
    }
}
