//! Damage to the end of a write-ahead log.
//!
//! Its format: <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>. A header of 32 bytes,
//! then frames of 24 bytes and a page; a frame counts when its salts are those of the header and the
//! checksums up to it fit. Frames of an earlier round of the log may follow: damage to those would be
//! none.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use crate::plan::Break;

/// The length of the log's header, in bytes.
const HEADER: usize = 32;

/// The length of a frame's header, in bytes.
const FRAME_HEADER: usize = 24;

/// Damages one of the last frames that count; gives which of how many, or nothing when there are
/// none.
///
/// # Errors
/// When the file cannot be read or written.
pub(crate) fn damage(
    path: &Path,
    how: Break,
    random: &mut fastrand::Rng,
) -> io::Result<Option<(usize, usize)>> {
    let mut file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut log = Vec::new();
    file.read_to_end(&mut log)?;
    let Some((frame, count)) = frames(&log).filter(|(_, count)| *count > 0) else {
        return Ok(None);
    };
    let (Break::Cut(last) | Break::Flip(last)) = how;
    let last = usize::try_from(last).unwrap_or(1).clamp(1, count);
    let hit = count - 1 - random.usize(..last);
    let at = HEADER + hit * frame + random.usize(..frame);
    match how {
        Break::Cut(_) => file.set_len(at as u64)?,
        Break::Flip(_) => {
            file.seek(SeekFrom::Start(at as u64))?;
            file.write_all(&[log[at] ^ (1 << random.u8(0..8))])?;
        }
    }
    Ok(Some((hit, count)))
}

/// The length of a frame, and how many there are of the log's newest round.
fn frames(log: &[u8]) -> Option<(usize, usize)> {
    let number = |at: usize| {
        let bytes = log.get(at..at + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    // A page of 65,536 bytes is written as 1 in the database's header, but as it is here.
    let frame = FRAME_HEADER + usize::try_from(number(8)?).ok()?;
    let salts = log.get(16..24)?;
    let is_of_round =
        |at: &usize| log.get(at + 8..at + 16) == Some(salts) && at + frame <= log.len();
    let count = (HEADER..log.len()).step_by(frame).take_while(is_of_round).count();
    Some((frame, count))
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
    use sqlx::{ConnectOptions as _, Connection as _};
    use tempfile::TempDir;

    use super::*;

    async fn open(folder: &TempDir) -> SqliteConnection {
        let options = SqliteConnectOptions::new()
            .filename(folder.path().join("db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal);
        options.connect().await.unwrap()
    }

    /// A database whose newest hundred rows are in the log alone, as a kill leaves it.
    async fn killed() -> TempDir {
        let folder = TempDir::new().unwrap();
        let mut connection = open(&folder).await;
        sqlx::query("create table t (n integer)").execute(&mut connection).await.unwrap();
        sqlx::query("pragma wal_checkpoint(truncate)").execute(&mut connection).await.unwrap();
        for n in 0..100 {
            sqlx::query("insert into t values (?)").bind(n).execute(&mut connection).await.unwrap();
        }
        let left = TempDir::new().unwrap();
        for name in ["db", "db-wal"] {
            std::fs::copy(folder.path().join(name), left.path().join(name)).unwrap();
        }
        left
    }

    async fn rows(folder: &TempDir) -> Vec<i64> {
        let mut connection = open(folder).await;
        let rows =
            sqlx::query_scalar("select n from t order by n").fetch_all(&mut connection).await;
        connection.close().await.unwrap();
        rows.unwrap()
    }

    #[tokio::test]
    async fn the_newest_transactions_are_lost_and_no_other() {
        for how in [Break::Cut(8), Break::Flip(8)] {
            let folder = killed().await;
            let path = folder.path().join("db-wal");
            let hit = damage(&path, how, &mut fastrand::Rng::with_seed(5)).unwrap();
            let (hit, count) = hit.unwrap();
            assert!(count == 100 && hit >= count - 8, "{hit} of {count}");
            // One row is one page is one frame here.
            assert_eq!(rows(&folder).await, (0..).take(hit).collect::<Vec<_>>());
        }
    }

    #[tokio::test]
    async fn where_there_is_no_log_nothing_is_damaged() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("db-wal");
        let mut random = fastrand::Rng::with_seed(5);
        assert_eq!(damage(&path, Break::Cut(1), &mut random).unwrap(), None);
        std::fs::write(&path, b"").unwrap();
        assert_eq!(damage(&path, Break::Cut(1), &mut random).unwrap(), None);
    }
}
