//! A pack of cards: entries drawn in random order, none twice before all were drawn.

/// Entries of a book that are drawn from.
#[derive(Debug)]
pub(super) struct Deck {
    cards: Vec<&'static str>,
    /// What is left of this round, the next card last.
    left: Vec<&'static str>,
}

impl Deck {
    pub(super) fn new(cards: &[&'static str]) -> Self {
        Self { cards: cards.to_vec(), left: Vec::new() }
    }

    /// The next card; `None` only if there are no cards at all.
    pub(super) fn draw(&mut self, random: &mut fastrand::Rng) -> Option<&'static str> {
        if self.left.is_empty() {
            self.left.clone_from(&self.cards);
            random.shuffle(&mut self.left);
        }
        self.left.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_card_comes_once_a_round() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut deck = Deck::new(&["a", "b", "c"]);
        for _ in 0..3 {
            let mut round: Vec<_> = (0..3).filter_map(|_| deck.draw(&mut random)).collect();
            round.sort_unstable();
            assert_eq!(round, ["a", "b", "c"]);
        }
        assert_eq!(Deck::new(&[]).draw(&mut random), None);
    }
}
