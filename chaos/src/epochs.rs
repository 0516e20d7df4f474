//! What each life of the server left behind, as its database says.

use std::collections::BTreeMap;
use std::path::Path;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use crate::failure::Failure;

/// The last id that each epoch committed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Epochs(BTreeMap<u64, u64>);

impl Epochs {
    /// Reads them from the database in this data folder.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) async fn read(data: &Path) -> Result<Self, Failure> {
        let file = data.join(tailwater::db::FILE);
        let mut database =
            SqliteConnectOptions::new().filename(file).read_only(true).connect().await?;
        let rows: Vec<(i64, i64)> =
            sqlx::query_as("select epoch, last_id from epoch").fetch_all(&mut database).await?;
        Ok(Self::from_iter(
            rows.into_iter().map(|(epoch, last)| (epoch.cast_unsigned(), last.cast_unsigned())),
        ))
    }

    /// Whether an id was never committed: a crash took it, or nobody gave it out.
    pub(crate) fn has_lost(&self, id: u64) -> bool {
        id > 0 && self.0.get(&epoch_of(id)).is_none_or(|last| id > *last)
    }

    /// Whether there was such a life.
    pub(crate) fn knows(&self, epoch: u64) -> bool {
        self.0.contains_key(&epoch)
    }

    /// How many lives there were.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
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
