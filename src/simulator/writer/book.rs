//! A language's stock of sentences.
//!
//! Prose lives in text files, where it can be read and translated without reading Rust:
//!
//! - `[part]` begins a part, and every line up to the next part is one entry of it;
//! - `[theme]` begins a section of a post: a heading, then sentences in the order they may appear;
//! - `[slot name]` lists what may stand for `{name}` in a sentence;
//! - parts that depend on the tone carry its name: `[opening playful]`;
//! - `//` begins a comment, and empty lines mean nothing.
//!
//! Some slots are filled from the topic: `{topic}` as it was typed, `{Topic}` beginning with a
//! capital, `{subject}` as a noun phrase and `{Subject}` as one in title case (English only), and
//! `{key}`, one of its words. A capital in `{Name}` makes one in what is filled in.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::language::Edition;

/// A section of a post, as far as it is written beforehand.
#[derive(Debug)]
pub(super) struct Theme {
    pub(super) heading: &'static str,
    /// In the order in which they make sense; any may be left out.
    pub(super) sentences: Vec<&'static str>,
}

/// One language's sentences.
#[derive(Debug)]
pub(super) struct Book {
    parts: HashMap<&'static str, Vec<&'static str>>,
    themes: Vec<Theme>,
}

static ENGLISH: LazyLock<Book> = LazyLock::new(|| Book::parse(include_str!("prose/en.txt")));
static GERMAN: LazyLock<Book> = LazyLock::new(|| Book::parse(include_str!("prose/de.txt")));
static FRENCH: LazyLock<Book> = LazyLock::new(|| Book::parse(include_str!("prose/fr.txt")));
static SPANISH: LazyLock<Book> = LazyLock::new(|| Book::parse(include_str!("prose/es.txt")));

impl Book {
    /// The book of a language.
    pub(super) fn of(edition: Edition) -> &'static Self {
        match edition {
            Edition::English => &ENGLISH,
            Edition::German => &GERMAN,
            Edition::French => &FRENCH,
            Edition::Spanish => &SPANISH,
        }
    }

    /// The entries of a part; none if the book has no such part.
    pub(super) fn part(&self, name: &str) -> &[&'static str] {
        self.parts.get(name).map_or(&[], Vec::as_slice)
    }

    /// The sections that can be written.
    pub(super) fn themes(&self) -> &[Theme] {
        &self.themes
    }

    fn parse(text: &'static str) -> Self {
        let mut parts: HashMap<_, Vec<_>> = HashMap::new();
        let mut themes: Vec<Theme> = Vec::new();
        let mut part = "";
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with("//"));
        for line in lines {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                part = name;
                if part == "theme" {
                    themes.push(Theme { heading: "", sentences: Vec::new() });
                }
            } else if let ("theme", Some(theme)) = (part, themes.last_mut()) {
                if theme.heading.is_empty() {
                    theme.heading = line;
                } else {
                    theme.sentences.push(line);
                }
            } else {
                parts.entry(part).or_default().push(line);
            }
        }
        Self { parts, themes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDITIONS: [Edition; 4] =
        [Edition::English, Edition::German, Edition::French, Edition::Spanish];

    const PARTS: [&str; 10] = [
        "title",
        "introduction",
        "story",
        "observation",
        "list",
        "point",
        "steps",
        "step",
        "quote",
        "ending heading",
    ];

    #[test]
    fn every_book_has_every_part() {
        for edition in EDITIONS {
            let book = Book::of(edition);
            for part in PARTS {
                assert!(book.part(part).len() >= 2, "{edition:?}: {part}");
            }
            for tone in ["friendly", "professional", "playful", "technical", "inspiring"] {
                for part in ["opening", "aside", "ending"] {
                    assert!(
                        !book.part(&format!("{part} {tone}")).is_empty(),
                        "{edition:?}: {tone}"
                    );
                }
            }
            assert!(book.part("point").len() >= 6 && book.part("step").len() >= 6);
            assert!(book.themes.len() >= 8);
            assert!(book.themes.iter().all(|theme| theme.sentences.len() >= 5));
        }
    }

    #[test]
    fn every_slot_is_one_that_can_be_filled() {
        for edition in EDITIONS {
            let book = Book::of(edition);
            let themes = book.themes.iter().flat_map(|theme| &theme.sentences);
            for line in book.parts.values().flatten().chain(themes) {
                for slot in line.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()) {
                    let of_topic = ["topic", "subject", "key"].contains(&&*slot.to_lowercase());
                    let filled =
                        of_topic || !book.part(&format!("slot {}", slot.to_lowercase())).is_empty();
                    assert!(filled, "{edition:?}: {line}");
                }
            }
        }
    }

    #[test]
    fn no_sentence_stands_in_a_book_twice() {
        for edition in EDITIONS {
            let book = Book::of(edition);
            let mut seen = std::collections::HashSet::new();
            for sentence in book.themes.iter().flat_map(|theme| &theme.sentences) {
                assert!(seen.insert(sentence), "{sentence}");
            }
        }
    }
}
