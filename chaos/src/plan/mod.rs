//! What is to go wrong, and when: a list that is drawn from a seed.

pub(crate) mod cluster;
mod fault;
mod moment;

pub use cluster::Kind as ClusterKind;
pub use fault::Kind;
pub(crate) use fault::{ArtifactTrouble, Break, Fault, ProviderTrouble, Storm};
pub(crate) use moment::{Moment, Tally};

/// A kind of faults, of which one is drawn.
pub(crate) trait Draw: Copy {
    /// What is drawn.
    type Fault;

    /// A fault of this kind; a shorter one where a run must be short.
    fn draw(self, random: &mut fastrand::Rng, short: bool) -> Self::Fault;
}

/// One step of a run: a moment, then a fault.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step<K: Draw> {
    /// When, counted from the end of the step before.
    pub(crate) moment: Moment,
    /// Of which kind.
    pub(crate) kind: K,
    /// What.
    pub(crate) fault: K::Fault,
}

/// Everything that goes wrong in a run, one after the other, for as long as it is asked.
///
/// The kinds come from a deck that is shuffled again when it is used up: after as many steps as there
/// are kinds, each has happened.
#[derive(Debug)]
pub(crate) struct Plan<K> {
    random: fastrand::Rng,
    kinds: Vec<K>,
    deck: Vec<K>,
    short: bool,
}

impl<K> Plan<K> {
    /// The plan of a seed, with these kinds of faults; shorter ones where a run must be short.
    pub(crate) fn new(seed: u64, kinds: Vec<K>, short: bool) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), kinds, deck: Vec::new(), short }
    }
}

impl<K: Draw> Iterator for Plan<K> {
    type Item = Step<K>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.deck.is_empty() {
            self.deck.clone_from(&self.kinds);
            self.random.shuffle(&mut self.deck);
        }
        let kind = self.deck.pop()?;
        let moment = Moment::draw(&mut self.random, self.short);
        Some(Step { moment, kind, fault: kind.draw(&mut self.random, self.short) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(seed: u64) -> Vec<Step<Kind>> {
        Plan::new(seed, Kind::ALL.to_vec(), false).take(100).collect()
    }

    #[test]
    fn the_same_seed_draws_the_same_plan() {
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
    }

    #[test]
    fn each_kind_comes_once_before_any_comes_again() {
        let steps = plan(3);
        for deck in steps.chunks_exact(Kind::ALL.len()) {
            let mut kinds: Vec<_> = deck.iter().map(|step| step.fault.kind()).collect();
            kinds.sort_unstable();
            kinds.dedup();
            assert_eq!(kinds.len(), Kind::ALL.len());
        }
    }

    #[test]
    fn a_plan_without_kinds_is_empty() {
        assert_eq!(Plan::<Kind>::new(1, Vec::new(), true).next(), None);
    }
}
