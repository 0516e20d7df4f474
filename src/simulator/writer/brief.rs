//! What a message asks for.

use super::language::Language;
use crate::simulator::markers;

/// How long a post may be, in words, and how long it is when nobody says.
const WORDS: std::ops::RangeInclusive<usize> = 50..=5000;
const DEFAULT_WORDS: usize = 600;

/// How a post sounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Friendly,
    Professional,
    Playful,
    Technical,
    Inspiring,
}

/// The beginnings of words that ask for a tone.
const TONE_WORDS: [(Tone, &[&str]); 4] = [
    (Tone::Professional, &["profession", "formal", "business", "serious", "academic", "neutral"]),
    (Tone::Playful, &["playful", "fun", "humor", "humour", "witty", "casual", "joke"]),
    (Tone::Technical, &["technical", "precise", "expert", "scientific", "detailed"]),
    (Tone::Inspiring, &["inspir", "motivat", "enthusias", "uplift", "poetic"]),
];

impl Tone {
    /// The tone that `text` names; friendly if it names none.
    fn parse(text: &str) -> Self {
        let text = text.to_lowercase();
        let mut words = text.split(|c: char| !c.is_alphanumeric());
        let tone_of = |word: &str| {
            TONE_WORDS.iter().find(|(_, starts)| starts.iter().any(|start| word.starts_with(start)))
        };
        words.find_map(tone_of).map_or(Self::Friendly, |(tone, _)| *tone)
    }

    /// What the books call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Friendly => "friendly",
            Self::Professional => "professional",
            Self::Playful => "playful",
            Self::Technical => "technical",
            Self::Inspiring => "inspiring",
        }
    }
}

/// The order for one post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Brief {
    /// What the post is about, without markers; may be empty.
    pub(super) topic: String,
    pub(super) language: Language,
    pub(super) tone: Tone,
    /// How many words are wanted.
    pub(super) words: usize,
}

impl Brief {
    /// Reads the lines `Topic:`, `Language:`, `Tone:` and `Words:` of a message, in any order. A
    /// message without a topic line is a topic as a whole.
    pub(super) fn parse(message: &str) -> Self {
        let topic = field(message, "topic").unwrap_or(message);
        let words = field(message, "words").and_then(first_number).unwrap_or(DEFAULT_WORDS);
        Self {
            topic: markers::remove(topic),
            language: Language::parse(&markers::remove(field(message, "language").unwrap_or(""))),
            tone: Tone::parse(field(message, "tone").unwrap_or_default()),
            words: words.clamp(*WORDS.start(), *WORDS.end()),
        }
    }
}

/// The rest of the first line that begins with `name:`.
fn field<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message.lines().find_map(|line| {
        let (label, value) = line.split_once(':')?;
        label.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn first_number(text: &str) -> Option<usize> {
    text.split(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty())?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::language::Edition;
    use super::*;

    #[test]
    fn the_lines_of_a_message_are_read() {
        let message =
            "Topic: Green tea [slow]\nLanguage: de\nTone: quite playful\nWords: 120 or so";
        let brief = Brief::parse(message);
        assert_eq!(brief.topic, "Green tea");
        assert_eq!(brief.language, Language::Known(Edition::German));
        assert_eq!((brief.tone, brief.words), (Tone::Playful, 120));
    }

    #[test]
    fn a_message_without_lines_is_a_topic() {
        let brief = Brief::parse("green tea\nin Kyoto");
        assert_eq!(brief.topic, "green tea\nin Kyoto");
        assert_eq!((brief.tone, brief.words), (Tone::Friendly, DEFAULT_WORDS));
    }

    #[test]
    fn the_length_stays_within_its_range() {
        let words = |text: &str| Brief::parse(&format!("Topic: tea\nWords: {text}")).words;
        assert_eq!(
            [words("1"), words("99999"), words("-"), words("99999999999999999999999")],
            [50, 5000, 600, 600]
        );
    }

    #[test]
    fn informal_is_not_formal() {
        assert_eq!(Tone::parse("informal"), Tone::Friendly);
        assert_eq!(Tone::parse("Formal, please"), Tone::Professional);
    }
}
