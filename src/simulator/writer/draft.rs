//! A post being written: what stands there so far, and the decks that the rest is drawn from.

use std::collections::{HashMap, VecDeque};

use super::book::{Book, Theme};
use super::brief::Tone;
use super::deck::Deck;
use super::topic::{Topic, capitalised, title_case};

/// A text that is this many words short of its length is long enough: half a sentence.
const TOLERANCE: usize = 7;

/// The longest title that a topic is dressed up in, in Unicode scalar values.
const MAX_TITLE_CHARACTERS: usize = 60;

/// A post being written.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    book: &'static Book,
    topic: &'a Topic,
    tone: Tone,
    random: fastrand::Rng,
    text: String,
    words: usize,
    decks: HashMap<String, Deck>,
    remarks: Deck,
    /// The themes that are still to come, in their order.
    themes: VecDeque<&'static Theme>,
    /// What the current theme still has to say.
    sentences: VecDeque<&'static str>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(book: &'static Book, topic: &'a Topic, tone: Tone, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut themes: Vec<&Theme> = book.themes().iter().collect();
        random.shuffle(&mut themes);
        let aside = format!("aside {}", tone.name());
        let remarks = [&*aside, "story", "observation"].map(|part| book.part(part)).concat();
        Self {
            book,
            topic,
            tone,
            random,
            text: String::new(),
            words: 0,
            decks: HashMap::new(),
            remarks: Deck::new(&remarks),
            themes: themes.into(),
            sentences: VecDeque::new(),
        }
    }

    /// How many sections can be written before a heading comes again.
    pub(super) fn themes(&self) -> usize {
        self.book.themes().len()
    }

    /// The title. A question, a sentence or a long topic is its own title.
    pub(super) fn title(&mut self) {
        let plain = self.topic.typed.chars().count() > MAX_TITLE_CHARACTERS / 2 + 10
            || self.topic.typed.contains(':')
            || !self.topic.is_phrase;
        let title = if plain { "{Topic}" } else { self.draw("title") };
        let title = self.fill(title);
        self.block(&format!("# {}", capitalised(&title)));
    }

    /// A paragraph of its own, word for word.
    pub(super) fn note(&mut self, paragraph: &str) {
        self.block(paragraph);
    }

    /// The first paragraph, up to `until` words.
    pub(super) fn introduction(&mut self, until: usize) {
        let mut paragraph = vec![self.sentence_of_tone("opening")];
        if !self.topic.is_phrase && !self.book.part("line").is_empty() {
            paragraph.push(self.sentence("line"));
        }
        while self.missing(&paragraph, until) > TOLERANCE {
            paragraph.push(self.sentence("introduction"));
        }
        self.block(&paragraph.join(" "));
    }

    /// The heading of the next theme.
    pub(super) fn heading(&mut self) {
        let theme = self.themes.pop_front().expect("no post has more sections than themes");
        self.themes.push_back(theme);
        self.sentences = theme.sentences.iter().copied().collect();
        self.block(&format!("## {}", theme.heading));
    }

    /// Paragraphs of the current theme up to half the way from here to `until` words.
    pub(super) fn paragraphs_for_half(&mut self, until: usize) {
        self.paragraphs(usize::midpoint(self.words, until));
    }

    /// Paragraphs of the current theme up to `until` words.
    pub(super) fn paragraphs(&mut self, until: usize) {
        while self.missing(&[], until) > TOLERANCE {
            let length = self.random.usize(3..=5);
            let mut paragraph = Vec::new();
            while paragraph.len() < length && self.missing(&paragraph, until) > TOLERANCE {
                // The theme speaks first; somebody's story or a remark closes the paragraph.
                let sentence = match self.sentences.front() {
                    Some(_) if paragraph.len() + 1 < length => self.theme_sentence(),
                    _ => self.remark(),
                };
                paragraph.push(sentence);
            }
            self.block(&paragraph.join(" "));
        }
    }

    /// A list with bullets, and the sentence before it.
    pub(super) fn bullets(&mut self) {
        let items = (0..self.random.usize(3..=5)).map(|_| self.sentence("point")).collect();
        self.list("list", items, |_| "- ".to_owned());
    }

    /// A numbered list, and the sentence before it.
    pub(super) fn steps(&mut self) {
        let steps = self.book.part("step");
        let mut chosen = self.random.choose_multiple(0..steps.len(), 5);
        chosen.sort_unstable(); // in the order of the book, which makes sense
        let items = chosen.into_iter().map(|at| self.spoken(steps[at])).collect();
        self.list("steps", items, |at| format!("{}. ", at + 1));
    }

    fn list(&mut self, lead: &str, items: Vec<String>, mark: fn(usize) -> String) {
        let lead = self.sentence(lead);
        self.block(&lead);
        let items = items.into_iter().enumerate();
        let lines: Vec<_> = items.map(|(at, item)| mark(at) + &item).collect();
        self.block(&lines.join("\n"));
    }

    /// Somebody's words.
    pub(super) fn quote(&mut self) {
        let quote = self.sentence("quote");
        self.block(&format!("> {quote}"));
    }

    /// The heading of the last section.
    pub(super) fn ending_heading(&mut self) {
        let heading = self.sentence("ending heading");
        self.block(&format!("## {heading}"));
    }

    /// The last paragraph: at least one sentence, then those that bring the post closest to
    /// `until` words.
    pub(super) fn ending(&mut self, until: usize) {
        let tone = format!("ending {}", self.tone.name());
        let endings = self.book.part(&tone).iter().chain(self.book.part("ending"));
        let mut left: Vec<String> = endings.map(|template| self.spoken(template)).collect();
        let mut paragraph = vec![left.remove(0)];
        while !left.is_empty() {
            let missing = self.missing(&paragraph, until);
            let distance = |at: usize| count_words(&left[at]).abs_diff(missing);
            // Far from the end in the order of the book; close to it, what fits best.
            let fitting = (0..left.len()).min_by_key(|at| distance(*at)).unwrap_or(0);
            let at = if missing > 40 { 0 } else { fitting };
            if distance(at) >= missing {
                break;
            }
            paragraph.push(left.remove(at));
        }
        self.block(&paragraph.join(" "));
    }

    /// The post. With `speech_fails`, its last sentence carries the marker for that.
    pub(super) fn finish(mut self, speech_fails: bool) -> String {
        let end = self.text.trim_end().len();
        self.text.truncate(end);
        if speech_fails {
            let stop = self.text.pop().unwrap_or('.');
            self.text.push_str(" [speech-fail]");
            self.text.push(stop);
        }
        self.text.push('\n');
        self.text
    }

    /// How many words are missing to `until`, with this paragraph added.
    fn missing(&self, paragraph: &[String], until: usize) -> usize {
        let written = self.words + paragraph.iter().map(|line| count_words(line)).sum::<usize>();
        until.saturating_sub(written)
    }

    /// Adds a block of Markdown.
    fn block(&mut self, block: &str) {
        self.words += count_words(block);
        self.text.push_str(block);
        self.text.push_str("\n\n");
    }

    /// The current theme's next sentence.
    fn theme_sentence(&mut self) -> String {
        let template = self.sentences.pop_front().unwrap_or_default();
        self.spoken(template)
    }

    /// A story, an observation, or something in the tone that is wanted: all from one deck, so
    /// that none comes again before all were told.
    fn remark(&mut self) -> String {
        let template = self.remarks.draw(&mut self.random).unwrap_or_default();
        self.spoken(template)
    }

    fn sentence_of_tone(&mut self, part: &str) -> String {
        self.sentence(&format!("{part} {}", self.tone.name()))
    }

    /// A sentence of a part of the book, ready to stand.
    fn sentence(&mut self, part: &str) -> String {
        let template = self.draw(part);
        self.spoken(template)
    }

    fn draw(&mut self, part: &str) -> &'static str {
        let book = self.book;
        let deck = self.decks.entry(part.to_owned()).or_insert_with(|| Deck::new(book.part(part)));
        deck.draw(&mut self.random).unwrap_or_default()
    }

    fn spoken(&mut self, template: &'static str) -> String {
        capitalised(&self.fill(template))
    }

    /// Fills the slots of a template. Within one sentence, the same slot holds the same thing.
    fn fill(&mut self, template: &'static str) -> String {
        let mut filled = String::new();
        let mut chosen: HashMap<String, String> = HashMap::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let (slot, after) = after.split_once('}').expect("the books' slots are closed");
            let name = slot.to_lowercase();
            let value = match slot {
                "Subject" => title_case(&self.topic.subject),
                _ => chosen.entry(name).or_insert_with_key(|name| self.value(name)).clone(),
            };
            filled.push_str(before);
            if slot.starts_with(char::is_uppercase) {
                filled.push_str(&capitalised(&value));
            } else {
                filled.push_str(&value);
            }
            rest = after;
        }
        filled + rest
    }

    fn value(&mut self, slot: &str) -> String {
        let keys = &self.topic.keys;
        match slot {
            "topic" => self.topic.typed.clone(),
            "subject" if self.random.bool() => self.topic.short_subject().to_owned(),
            "subject" => self.topic.subject.clone(),
            "key" => keys[self.random.usize(..keys.len())].clone(),
            _ => self.draw(&format!("slot {slot}")).to_owned(),
        }
    }
}

/// Words as readers count them: what stands between spaces and has a letter or a digit in it.
fn count_words(text: &str) -> usize {
    text.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).count()
}
