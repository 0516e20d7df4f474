//! What each life of the server left behind, as its database says.

use std::collections::BTreeMap;

/// The last id that each epoch committed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Epochs(BTreeMap<u64, u64>);

impl Epochs {
    /// Whether an id was never committed: a crash took it, or nobody gave it out.
    pub(crate) fn has_lost(&self, id: u64) -> bool {
        id > 0 && self.0.get(&epoch_of(id)).is_none_or(|last| id > *last)
    }

    /// Whether there was such a life.
    pub(crate) fn knows(&self, epoch: u64) -> bool {
        self.0.contains_key(&epoch)
    }
}

impl FromIterator<(u64, u64)> for Epochs {
    fn from_iter<I: IntoIterator<Item = (u64, u64)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

/// The life that gave an id out.
pub(crate) const fn epoch_of(id: u64) -> u64 {
    id >> 32
}
