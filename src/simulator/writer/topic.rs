//! What a post is about, in the forms that sentences need.
//!
//! A topic is anything a user types: a noun phrase, a question, an order, a whole sentence. The books
//! need a noun phrase, so English topics are turned into one where that is safe, and are called "this
//! question" or "this subject" where it is not.

use super::language::Edition;

/// The longest topic that is used, in Unicode scalar values; the rest is left out.
const MAX_CHARACTERS: usize = 120;

/// A noun phrase of more words than this is taken for a sentence.
const MAX_PHRASE_WORDS: usize = 10;

/// How people begin when they mean only the topic.
const REQUESTS: [&str; 12] = [
    "please ",
    "write ",
    "me ",
    "create ",
    "a ",
    "an ",
    "short ",
    "long ",
    "blog post ",
    "blog ",
    "article ",
    "post ",
];

const QUESTION_WORDS: [&str; 18] = [
    "why", "what", "when", "where", "who", "which", "how", "is", "are", "can", "could", "do",
    "does", "did", "should", "will", "would", "whether",
];

const PRONOUNS: [&str; 9] = ["i", "we", "you", "he", "she", "it", "they", "there", "this"];

/// Verbs that topics begin with, as orders.
const ORDERS: [&str; 36] = [
    "bake",
    "become",
    "begin",
    "brew",
    "build",
    "buy",
    "choose",
    "cook",
    "create",
    "deploy",
    "draw",
    "find",
    "fix",
    "get",
    "grow",
    "improve",
    "keep",
    "learn",
    "live",
    "make",
    "manage",
    "move",
    "paint",
    "plan",
    "play",
    "prepare",
    "run",
    "save",
    "sell",
    "start",
    "stop",
    "teach",
    "train",
    "travel",
    "understand",
    "write",
];

/// Names that topics begin with, and that keep their capital in a sentence.
const NAMES: [&str; 48] = [
    "africa",
    "america",
    "android",
    "april",
    "argentina",
    "asia",
    "august",
    "australia",
    "austria",
    "berlin",
    "brazil",
    "britain",
    "canada",
    "chicago",
    "china",
    "christmas",
    "december",
    "docker",
    "earth",
    "easter",
    "egypt",
    "england",
    "europe",
    "february",
    "france",
    "germany",
    "google",
    "greece",
    "india",
    "ireland",
    "italy",
    "january",
    "japan",
    "july",
    "june",
    "jupiter",
    "kenya",
    "kubernetes",
    "kyoto",
    "linux",
    "london",
    "mars",
    "mexico",
    "norway",
    "october",
    "paris",
    "python",
    "rust",
];

/// Words that say nothing about a topic, in all four languages.
const SMALL_WORDS: [&str; 84] = [
    "a", "about", "al", "an", "and", "are", "as", "at", "au", "aus", "auf", "avec", "bei", "but",
    "by", "can", "como", "comment", "con", "das", "de", "dem", "den", "der", "des", "die", "do",
    "does", "du", "ein", "eine", "einen", "el", "en", "et", "for", "from", "für", "how", "im",
    "in", "into", "is", "it", "la", "las", "le", "les", "los", "mit", "my", "nor", "of", "on",
    "or", "our", "over", "para", "per", "por", "pour", "sans", "should", "sin", "so", "sur",
    "that", "the", "to", "und", "une", "un", "una", "und", "vom", "von", "vs", "warum", "what",
    "why", "wie", "with", "your", "zu",
];

/// A topic, ready to be used in sentences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Topic {
    /// As it was typed, on one line.
    pub(super) typed: String,
    /// A noun phrase for the middle of a sentence (English only).
    pub(super) subject: String,
    /// Whether `subject` is what was typed, and not a word that stands for it.
    pub(super) is_phrase: bool,
    /// The words that matter; at least one.
    pub(super) keys: Vec<String>,
}

impl Topic {
    /// Makes a topic of what a user typed.
    pub(super) fn new(text: &str, edition: Edition) -> Self {
        let mut typed = clean(text);
        if typed.is_empty() {
            typed = nothing(edition).to_owned();
        }
        let phrase = if edition == Edition::English { english_phrase(&typed) } else { None };
        let stand_in = if is_question(&typed) { "this question" } else { "this subject" };
        Self {
            is_phrase: phrase.is_some() || (edition != Edition::English && !is_question(&typed)),
            subject: phrase.unwrap_or_else(|| stand_in.to_owned()),
            keys: keys(&typed, edition),
            typed,
        }
    }

    /// The subject without what it is narrowed down by: "bread for beginners" is bread.
    pub(super) fn short_subject(&self) -> &str {
        let narrowed = [" for ", " in "].iter().filter_map(|word| self.subject.find(word)).min();
        match narrowed {
            Some(at) if self.is_phrase && !self.subject.starts_with("the ") => &self.subject[..at],
            _ => &self.subject,
        }
    }
}

fn nothing(edition: Edition) -> &'static str {
    match edition {
        Edition::English => "nothing in particular",
        Edition::German => "nichts Besonderes",
        Edition::French => "rien de particulier",
        Edition::Spanish => "nada en particular",
    }
}

/// One line, without a request around it, without quotes or a full stop, not too long.
fn clean(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut line = without_request(&line).trim();
    if let Some((at, _)) = line.char_indices().nth(MAX_CHARACTERS) {
        let cut = &line[..at];
        line = cut.rsplit_once(' ').map_or(cut, |(whole_words, _)| whole_words);
    }
    let quotes = ['"', '\'', '“', '”', '„', '«', '»', '`'];
    line.trim_matches(quotes).trim_end_matches(['.', '!', ',', ';', ':', ' ']).to_owned()
}

/// "Write a blog post about tea" is about tea.
fn without_request(line: &str) -> &str {
    let mut rest = line;
    while let Some(after) = REQUESTS.iter().find_map(|request| strip(rest, request)) {
        rest = after;
    }
    ["about ", "on the topic of ", "on "]
        .iter()
        .find_map(|word| strip(rest, word))
        .filter(|_| rest.len() < line.len())
        .unwrap_or(line)
}

/// `text` without `prefix`, which is in lower case ASCII.
fn strip<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let start = text.get(..prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

fn first_word(text: &str) -> String {
    text.split([' ', '\'', '’']).next().unwrap_or_default().to_lowercase()
}

fn is_question(typed: &str) -> bool {
    typed.ends_with('?') || QUESTION_WORDS.contains(&&*first_word(typed))
}

/// A noun phrase for the middle of a sentence; `None` if the topic is not safely made into one.
fn english_phrase(typed: &str) -> Option<String> {
    if let Some(order) = strip(typed, "how to ") {
        return gerund_phrase(order);
    }
    let first = first_word(typed);
    let is_sentence = typed.split(' ').count() > MAX_PHRASE_WORDS
        || [". ", "? ", "! ", "; ", ": "].iter().any(|end| typed.contains(end))
        || PRONOUNS.contains(&&*first);
    if is_sentence || is_question(typed) {
        None
    } else if ORDERS.contains(&&*first) {
        gerund_phrase(typed)
    } else {
        Some(lower_first(typed))
    }
}

/// "bake bread" becomes "baking bread".
fn gerund_phrase(order: &str) -> Option<String> {
    let order = order.trim_end_matches('?');
    let (first, rest) = order.split_once(' ').unwrap_or((order, ""));
    let first = first.to_lowercase();
    if first == "not" || first == "never" || !first.chars().all(|c| c.is_ascii_alphabetic()) {
        return None;
    }
    if first.ends_with("ly") && !rest.is_empty() {
        return Some(format!("{first} {}", gerund_phrase(rest)?));
    }
    Some(format!("{} {rest}", gerund(&first)).trim_end().to_owned())
}

fn gerund(verb: &str) -> String {
    let vowel = |c: char| "aeiou".contains(c);
    if verb.len() <= 2 {
        return format!("{verb}ing");
    }
    if let Some(stem) = verb.strip_suffix("ie") {
        return format!("{stem}ying");
    }
    if let Some(stem) = verb.strip_suffix('e').filter(|stem| !stem.ends_with(['e', 'o', 'y'])) {
        return format!("{stem}ing");
    }
    let last: Vec<char> = verb.chars().rev().take(3).collect();
    let short = verb.chars().filter(|c| vowel(*c)).count() == 1;
    let doubles = !vowel(last[0]) && !"wxy".contains(last[0]) && vowel(last[1]) && !vowel(last[2]);
    if (doubles && short) || verb == "begin" || verb == "forget" {
        return format!("{verb}{}ing", last[0]);
    }
    format!("{verb}ing")
}

/// The first letter in lower case, unless it belongs to a name.
fn lower_first(text: &str) -> String {
    let mut words = text.split(' ');
    let first = words.next().unwrap_or_default();
    let is_capital = |word: &str| word.starts_with(char::is_uppercase);
    let is_name = NAMES.contains(&&*first_word(text))
        || first.chars().skip(1).any(|c| c.is_uppercase() || c.is_numeric())
        || first.chars().count() == 1 && first != "A"
        || words.next().is_some_and(is_capital);
    if is_name {
        return text.to_owned();
    }
    let mut letters = text.chars();
    letters.next().map(|c| c.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// The words that matter, in the order they come.
fn keys(typed: &str, edition: Edition) -> Vec<String> {
    // A capital at the beginning of an English topic is seldom part of the word.
    let line = if edition == Edition::English { lower_first(typed) } else { typed.to_owned() };
    let words = line
        .split(|c: char| !c.is_alphanumeric() && c != '-')
        .map(|word| word.trim_matches('-'))
        .filter(|word| word.chars().count() > 2 && !SMALL_WORDS.contains(&&*word.to_lowercase()));
    let mut keys: Vec<String> = words.map(str::to_owned).collect();
    if keys.is_empty() {
        keys.push(typed.trim_end_matches('?').to_owned());
    }
    keys
}

/// Title case: every word begins with a capital, except small ones.
pub(super) fn title_case(text: &str) -> String {
    let word = |word: &str| {
        if SMALL_WORDS.contains(&word) { word.to_owned() } else { capitalised(word) }
    };
    capitalised(&text.split(' ').map(word).collect::<Vec<_>>().join(" "))
}

/// `text` with a capital as its first letter, behind quotes and asterisks too.
pub(super) fn capitalised(text: &str) -> String {
    let Some(at) = text.find(char::is_alphanumeric) else {
        return text.to_owned();
    };
    let (before, rest) = text.split_at(at);
    let mut letters = rest.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    before.chars().chain(first).chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(text: &str) -> String {
        Topic::new(text, Edition::English).subject
    }

    #[test]
    fn a_topic_becomes_a_noun_phrase_where_that_is_safe() {
        for (typed, expected) in [
            ("Sourdough bread for beginners.", "sourdough bread for beginners"),
            ("\"The history of lighthouses\"", "the history of lighthouses"),
            ("How to bake sourdough bread", "baking sourdough bread"),
            ("how to properly tie a knot?", "properly tying a knot"),
            ("Learn Rust in a weekend", "learning Rust in a weekend"),
            ("Write a blog post about green tea", "green tea"),
            ("Write a poem", "writing a poem"),
            ("Japan in spring", "Japan in spring"),
            ("New York", "New York"),
            ("GPUs", "GPUs"),
            ("Why do cats purr?", "this question"),
            ("How engines work", "this question"),
            ("My cat is sad. What now", "this subject"),
            ("I am late", "this subject"),
            (" \n ", "nothing in particular"),
        ] {
            assert_eq!(subject(typed), expected, "{typed}");
        }
    }

    #[test]
    fn a_subject_has_a_short_form() {
        let short = |text| Topic::new(text, Edition::English).short_subject().to_owned();
        assert_eq!(short("Sourdough bread for beginners"), "sourdough bread");
        assert_eq!(short("Learn Rust in a weekend"), "learning Rust");
        assert_eq!(short("The case for trams"), "the case for trams");
        assert_eq!(short("Tea"), "tea");
    }

    #[test]
    fn a_gerund_is_spelled_as_it_should_be() {
        let verbs = ["be", "make", "tie", "see", "run", "cook", "visit", "fix", "begin", "play"];
        let gerunds = verbs.map(gerund).join(" ");
        let expected =
            "being making tying seeing running cooking visiting fixing beginning playing";
        assert_eq!(gerunds, expected);
    }

    #[test]
    fn the_words_that_matter_are_found() {
        let keys = |text| Topic::new(text, Edition::English).keys;
        assert_eq!(keys("The history of tea in Kyoto"), ["history", "tea", "Kyoto"]);
        assert_eq!(keys("Sourdough bread"), ["sourdough", "bread"]);
        assert_eq!(keys("to be"), ["to be"]);
    }

    #[test]
    fn a_title_has_capitals_where_titles_have_them() {
        assert_eq!(title_case("the history of tea in Kyoto"), "The History of Tea in Kyoto");
        assert_eq!(capitalised("“élan”"), "“Élan”");
    }

    #[test]
    fn a_long_topic_is_cut_between_words() {
        let typed = Topic::new(&"word ".repeat(100), Edition::German).typed;
        assert!(typed.chars().count() <= MAX_CHARACTERS && typed.ends_with("word"));
        assert_eq!(clean(&"é".repeat(500)).chars().count(), MAX_CHARACTERS);
    }
}
