//! From a model's deltas to `content` pieces.
//!
//! Deltas come in any size and are cut anywhere, also inside what a reader sees as one character:
//! tokens split emoji sequences and base letters from their accents. A piece has at most
//! [`LONGEST_PIECE`] Unicode scalar values and is cut between grapheme clusters (UAX #29), unless one
//! cluster alone is longer than that. Joined, the pieces are the deltas joined, to the byte.

use std::mem;

use unicode_segmentation::UnicodeSegmentation;

/// The most Unicode scalar values of one piece.
pub const LONGEST_PIECE: usize = 500;

/// The text of one `content` event, and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The number of the piece, from 0.
    pub index: u64,
    /// Where it begins in the whole text, in Unicode scalar values.
    pub offset: u64,
    /// The text: never empty.
    pub text: String,
}

/// Collects deltas and gives pieces.
///
/// The caller pushes a delta and takes what is full; on its flush timer it takes what is settled,
/// and at the end all that is left:
///
/// ```text
/// push(delta); while take_full() → append     at each delta
/// while take_settled() → append               every 200 ms
/// while take_rest() → append                  at the end
/// ```
#[derive(Debug, Default)]
pub struct Chunker {
    waiting: String,
    /// The Unicode scalar values of `waiting`.
    characters: usize,
    index: u64,
    offset: u64,
}

impl Chunker {
    /// A chunker at the beginning of a text.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next delta.
    pub fn push(&mut self, delta: &str) {
        self.waiting.push_str(delta);
        self.characters += delta.chars().count();
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The Unicode scalar values that were given out so far.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// A full piece, if there is one: as many whole clusters as fit.
    ///
    /// Exactly [`LONGEST_PIECE`] values are not full yet, since the next delta may extend their last
    /// cluster; one value more settles where they may be cut.
    pub fn take_full(&mut self) -> Option<Piece> {
        if self.characters <= LONGEST_PIECE {
            return None;
        }
        let limit = byte_of(&self.waiting, LONGEST_PIECE);
        let clusters = self.waiting.grapheme_indices(true).map(|(start, _)| start);
        let cut = clusters.take_while(|&start| start <= limit).last();
        match cut {
            Some(cut) if cut > 0 => self.take(cut),
            // One cluster longer than a piece: it has to be cut inside.
            Some(_) | None => self.take(limit),
        }
    }

    /// What may be shown now, in one piece after another: all but the last cluster, which the next
    /// delta may still extend (an accent, the next person of a family emoji, the LF of a CRLF).
    ///
    /// So a page lags one visible character behind the model, and never shows half of one. Only a
    /// line feed and other controls cannot be extended (rule GB4), and are not held back.
    pub fn take_settled(&mut self) -> Option<Piece> {
        if let Some(piece) = self.take_full() {
            return Some(piece);
        }
        let (last, cluster) = self.waiting.grapheme_indices(true).next_back()?;
        let is_settled = cluster.ends_with(|last: char| last.is_control() && last != '\r');
        self.take(if is_settled { self.waiting.len() } else { last })
    }

    /// What is left, in one piece after another, when no more deltas come.
    pub fn take_rest(&mut self) -> Option<Piece> {
        self.take_full().or_else(|| self.take(self.waiting.len()))
    }

    /// Gives out the first `bytes` of what waits; nothing when there are none.
    fn take(&mut self, bytes: usize) -> Option<Piece> {
        if bytes == 0 {
            return None;
        }
        let rest = self.waiting.split_off(bytes);
        let text = mem::replace(&mut self.waiting, rest);
        let characters = text.chars().count();
        let piece = Piece { index: self.index, offset: self.offset, text };
        self.characters -= characters;
        self.index += 1;
        self.offset += characters as u64;
        Some(piece)
    }
}

/// The byte at which the scalar value number `characters` begins; the end when there are fewer.
fn byte_of(text: &str, characters: usize) -> usize {
    text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(mut take: impl FnMut() -> Option<Piece>) -> Vec<String> {
        std::iter::from_fn(|| take().map(|piece| piece.text)).collect()
    }

    #[test]
    fn a_piece_has_at_most_500_characters_and_knows_its_place() {
        let mut chunker = Chunker::new();
        chunker.push(&"é".repeat(1_200));
        let mut pieces: Vec<_> = std::iter::from_fn(|| chunker.take_full()).collect();
        pieces.extend(chunker.take_rest());
        let places: Vec<_> =
            pieces.iter().map(|p| (p.index, p.offset, p.text.chars().count())).collect();
        assert_eq!(places, [(0, 0, 500), (1, 500, 500), (2, 1000, 200)]);
        assert!(chunker.is_empty());
        assert_eq!((chunker.offset(), chunker.take_rest()), (1200, None));
    }

    #[test]
    fn a_piece_is_not_cut_inside_a_grapheme() {
        let mut chunker = Chunker::new();
        let family = "👨‍👩‍👧‍👦";
        chunker.push(&"a".repeat(497));
        chunker.push(family);
        chunker.push("b");
        assert_eq!(texts(|| chunker.take_full()), ["a".repeat(497)]);
        assert_eq!(texts(|| chunker.take_rest()), [format!("{family}b")]);
    }

    #[test]
    fn exactly_500_characters_wait_for_the_accent_of_the_last() {
        let mut chunker = Chunker::new();
        chunker.push(&"e".repeat(500));
        assert_eq!(chunker.take_full(), None);
        chunker.push("\u{301}");
        assert_eq!(texts(|| chunker.take_full()), ["e".repeat(499)]);
        assert_eq!(texts(|| chunker.take_rest()), ["e\u{301}"]);
    }

    #[test]
    fn only_a_grapheme_that_is_longer_than_a_piece_is_cut_inside() {
        let mut chunker = Chunker::new();
        chunker.push("x");
        chunker.push(&format!("e{}", "\u{301}".repeat(700)));
        let lengths: Vec<_> =
            texts(|| chunker.take_rest()).iter().map(|t| t.chars().count()).collect();
        assert_eq!(lengths, [1, 500, 201]);
    }

    #[test]
    fn a_timed_flush_holds_back_only_what_may_still_grow() {
        let mut chunker = Chunker::new();
        chunker.push("Hello 👨‍👩");
        assert_eq!(texts(|| chunker.take_settled()), ["Hello "]);
        chunker.push("\u{200d}👧");
        assert_eq!(texts(|| chunker.take_settled()), Vec::<String>::new());
        chunker.push("!\n");
        assert_eq!(texts(|| chunker.take_settled()), ["👨‍👩\u{200d}👧!\n"]);
        chunker.push("end\r");
        assert_eq!(texts(|| chunker.take_settled()), ["end"]);
        chunker.push("\n");
        assert_eq!(texts(|| chunker.take_settled()), ["\r\n"]);
        assert!(chunker.is_empty());
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Full,
        Settled,
    }

    proptest! {
        #[test]
        fn the_pieces_joined_are_the_deltas_joined(
            deltas in prop::collection::vec(
                ("(\\PC|\u{301}|\u{200d}|👩|🇩|\r|\n){0,90}", 1_usize..8, prop::sample::select(vec![Step::Full, Step::Settled])),
                0..30,
            ),
        ) {
            let mut chunker = Chunker::new();
            let mut whole = String::new();
            let mut pieces = Vec::new();
            for (delta, times, step) in deltas {
                let delta = delta.repeat(times);
                whole.push_str(&delta);
                chunker.push(&delta);
                pieces.extend(std::iter::from_fn(|| match step {
                    Step::Full => chunker.take_full(),
                    Step::Settled => chunker.take_settled(),
                }));
            }
            pieces.extend(std::iter::from_fn(|| chunker.take_rest()));

            let boundaries: std::collections::HashSet<_> = whole.grapheme_indices(true).map(|(at, _)| at).collect();
            let longest = whole.graphemes(true).map(|cluster| cluster.chars().count()).max().unwrap_or(0);
            let (mut offset, mut bytes) = (0, 0);
            for (index, piece) in pieces.iter().enumerate() {
                prop_assert_eq!((piece.index, piece.offset), (index as u64, offset));
                prop_assert!(longest > LONGEST_PIECE || bytes == 0 || boundaries.contains(&bytes), "cut inside a grapheme");
                let characters = piece.text.chars().count();
                prop_assert!((1..=LONGEST_PIECE).contains(&characters));
                offset += characters as u64;
                bytes += piece.text.len();
            }
            let joined: String = pieces.into_iter().map(|piece| piece.text).collect();
            prop_assert_eq!(joined, whole);
        }
    }
}
