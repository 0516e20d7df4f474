//! The simulated model: a writer of blog posts about whatever it is asked for.
//!
//! It is no model. It has a [`book`] of sentences for each language, written by people so that they
//! hold for nearly any topic, and it composes a post from them: a plan of sections from the length
//! that is wanted, sentences drawn without repetition, names and places drawn into them. The same
//! seed gives the same post.

mod book;
mod brief;
mod deck;
mod draft;
mod language;
mod topic;

use book::Book;
use brief::Brief;
use draft::Draft;
use topic::Topic;

/// From this many words on a post has sections.
const WORDS_WITH_SECTIONS: usize = 140;

/// About how many words a section has.
const WORDS_PER_SECTION: usize = 125;

/// What comes between the title and the first section, and after the last one, in words.
const INTRODUCTION_WORDS: usize = 60;
const ENDING_WORDS: usize = 45;

/// Writes the post that the message `prompt` asks for, in Markdown.
///
/// `speech_fails`: the marker `[speech-fail]` is left in the last sentence, for the speech endpoint
/// to trip over.
pub(super) fn write(prompt: &str, speech_fails: bool, seed: u64) -> String {
    let brief = Brief::parse(prompt);
    let book = Book::of(brief.language.edition());
    let topic = Topic::new(&brief.topic, brief.language.edition());
    let mut draft = Draft::new(book, &topic, brief.tone, seed);
    draft.title();
    if let Some(missing) = brief.language.missing() {
        draft.note(&format!(
            "*The simulator does not write the language “{missing}”, so this post is in English.*"
        ));
    }
    if brief.words < WORDS_WITH_SECTIONS {
        write_short(&mut draft, brief.words);
    } else {
        write_long(&mut draft, brief.words);
    }
    draft.finish(speech_fails)
}

/// One paragraph that opens and one that ends.
fn write_short(draft: &mut Draft<'_>, words: usize) {
    draft.introduction(words.saturating_sub(ENDING_WORDS / 2).max(words * 2 / 3));
    draft.ending(words);
}

/// An introduction, sections with now and then a list or a quote, an ending under a heading.
fn write_long(draft: &mut Draft<'_>, words: usize) {
    let introduction = INTRODUCTION_WORDS.min(words / 4);
    draft.introduction(introduction);
    let body = words - introduction - ENDING_WORDS;
    let sections = ((body + WORDS_PER_SECTION / 2) / WORDS_PER_SECTION).clamp(1, draft.themes());
    for section in 0..sections {
        let until = introduction + body * (section + 1) / sections;
        draft.heading();
        draft.paragraphs_for_half(until);
        match section % 5 {
            0 => draft.bullets(),
            1 if sections == 2 => draft.steps(),
            1 | 4 => draft.quote(),
            2 => draft.steps(),
            _ => {}
        }
        draft.paragraphs(until);
    }
    draft.ending_heading();
    draft.ending(words);
}

#[cfg(test)]
mod tests {
    use super::*;

    const TONES: [&str; 5] = ["friendly", "professional", "playful", "technical", "inspiring"];

    fn post(topic: &str, language: &str, tone: &str, words: usize) -> String {
        let prompt = format!("Topic: {topic}\nLanguage: {language}\nTone: {tone}\nWords: {words}");
        write(&prompt, false, super::super::answer::fingerprint(prompt.as_bytes()))
    }

    fn words(text: &str) -> usize {
        text.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).count()
    }

    #[test]
    fn the_same_order_gives_the_same_post_and_another_topic_another() {
        let tea = post("Green tea", "en", "friendly", 400);
        assert_eq!(tea, post("Green tea", "en", "friendly", 400));
        assert_ne!(tea, post("Black tea", "en", "friendly", 400));
    }

    #[test]
    fn the_length_is_within_fifteen_percent() {
        for language in ["en", "de", "fr", "es", "ja"] {
            for (wanted, tone) in [50, 60, 80, 120, 139, 140, 200, 300, 450, 600, 1000, 2500, 5000]
                .into_iter()
                .zip(TONES.into_iter().cycle())
            {
                for topic in ["Tea", "How to bake bread", "Why do cats purr at night?"] {
                    let got = words(&post(topic, language, tone, wanted));
                    let error = got.abs_diff(wanted) as f64 / wanted as f64;
                    assert!(error <= 0.15, "{language}, {tone}, {topic}: {got} for {wanted} words");
                }
            }
        }
    }

    #[test]
    fn a_post_has_everything_that_markdown_is_for() {
        for language in ["en", "de", "fr", "es"] {
            for seed in 0..20 {
                let text = post(&format!("Tea number {seed}"), language, "friendly", 600);
                for part in ["# ", "\n## ", "\n- **", "\n1. ", "\n2. ", "\n> ", "**"] {
                    assert!(text.contains(part), "{part:?} is missing in {text}");
                }
                assert!(text.starts_with("# ") && text.ends_with(['.', '\n']));
                assert!(!text.contains(['{', '}']) && !text.contains("  "), "{text}");
            }
        }
    }

    #[test]
    fn a_post_is_about_its_topic() {
        for tone in TONES {
            let text = post("Lighthouses of the North Sea", "en", tone, 600).to_lowercase();
            assert!(text.matches("lighthouses of the north sea").count() >= 4, "{text}");
        }
        let text = post("Warum schnurren Katzen?", "de", "friendly", 600);
        assert!(text.starts_with("# Warum schnurren Katzen?\n"));
    }

    #[test]
    fn a_long_post_does_not_repeat_its_headings() {
        let text = post("Green tea", "en", "friendly", 5000);
        let mut headings: Vec<_> = text.lines().filter(|line| line.starts_with("## ")).collect();
        let count = headings.len();
        headings.sort_unstable();
        headings.dedup();
        assert!(count > 15 && headings.len() == count, "{headings:?}");
    }

    #[test]
    fn a_language_without_a_book_is_written_in_english_and_says_so() {
        let text = post("Green tea", "ja", "friendly", 200);
        assert!(text.contains("does not write the language “ja”"), "{text}");
    }

    #[test]
    fn markers_are_not_written_except_the_one_for_the_voice() {
        let prompt = "Topic: Green [cut] tea [speech-fail]\nWords: 200";
        let text = write(prompt, true, 1);
        assert!(!text.contains("[cut]"));
        assert_eq!(text.matches("[speech-fail]").count(), 1);
        let last = text.trim_end().lines().last().unwrap();
        assert!(last.contains("[speech-fail]"), "{last}");
        assert!(text.starts_with("# ") && text.lines().next().unwrap().contains("Green Tea"));
    }

    #[test]
    fn odd_topics_are_written_about_as_well() {
        for topic in
            ["", "?", "!!!", "\u{202e}", "a{b}c {name}", "# <script>", "🫖", &"x".repeat(9000)]
        {
            for language in ["en", "de"] {
                let text = post(topic, language, "", 300);
                assert!(words(&text) > 240, "{topic}: {text}");
            }
        }
    }
}
