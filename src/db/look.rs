//! A look at a database that somebody else may have: nothing is made, migrated or locked.

use super::{DbError, Place, postgres, sqlite};

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The newest migration that was applied; 0 where none was.
    pub version: i64,
    /// The newest one that this program knows.
    pub known: i64,
    /// How many keys were ever made; none where there is no table of them.
    pub keys: Option<i64>,
    /// Whether a server has it, where that can be seen in the database.
    pub is_in_use: bool,
    /// The database's clock, where it has one of its own, in milliseconds of UTC.
    pub clock_ms: Option<i64>,
    /// What is wrong with the file, in the database's words, if it was looked through and something is.
    pub damage: Option<String>,
}

/// Looks at the database there; nothing where none was made yet.
///
/// # Errors
/// When it is there and cannot be opened.
pub async fn look(place: Place<'_>) -> Result<Option<Look>, DbError> {
    match place {
        Place::Folder(folder) => sqlite::look(folder).await,
        Place::Postgres(url) => postgres::look(url).await.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db;

    #[tokio::test]
    async fn a_look_makes_nothing_and_sees_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(look(Place::Folder(folder.path())).await.unwrap(), None);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let (reading, writer, versions) = db::open(folder.path()).await.unwrap();
        let seen = look(Place::Folder(folder.path())).await.unwrap().unwrap();
        assert_eq!((seen.version, seen.known), (versions.to, versions.to));
        assert_eq!((seen.keys, seen.damage), (Some(0), None));
        reading.close().await;
        writer.close().await;
    }

    #[tokio::test]
    async fn what_is_no_database_is_told() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(db::FILE), [b'x'; 4096]).unwrap();
        let seen = look(Place::Folder(folder.path())).await;
        assert!(seen.is_err() || seen.unwrap().unwrap().damage.is_some());
    }
}
