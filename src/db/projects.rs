//! What a project has, held against what it may have.

use super::sql::{self, Conn, On};
use super::{Db, DbError, unsigned};

/// What a file takes besides its bytes, in bytes: its row, and what is left empty of its last block. The
/// triggers of the migrations count the same.
pub const FILE_OVERHEAD: u64 = 4096;

/// How much one project may have; nothing is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Jobs that wait.
    pub jobs: Option<u32>,
    /// What it takes on disk, in bytes.
    pub bytes: Option<u64>,
}

/// What one project has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// Jobs that wait.
    pub jobs: u32,
    /// What it takes on disk, in bytes: its files, its jobs' events, and a row of a job as 1,024 and
    /// what was written in it. Files that another server keeps take nothing.
    pub bytes: u64,
}

/// Which limit a project is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// It has all the jobs that may wait.
    Jobs {
        /// How many.
        limit: u32,
    },
    /// It takes all that it may on disk.
    Bytes {
        /// How much, in bytes.
        limit: u64,
        /// How much it takes, in bytes.
        used: u64,
    },
}

impl Room {
    /// Whether a project may have one more job that waits. The caller is alone with the project.
    pub(super) async fn for_job(
        self,
        tx: &mut Conn<'_>,
        project: &str,
    ) -> Result<Option<Full>, sqlx::Error> {
        if self == Self::default() {
            return Ok(None);
        }
        let has = used((&mut *tx).into(), project).await?;
        let jobs = self.jobs.filter(|limit| has.jobs >= *limit).map(|limit| Full::Jobs { limit });
        Ok(jobs.or_else(|| self.on_disk(has)))
    }

    /// Whether a project may have a file of so many bytes more. The caller is alone with the project.
    pub(super) async fn for_file(
        self,
        tx: &mut Conn<'_>,
        project: &str,
        bytes: u64,
    ) -> Result<Option<Full>, sqlx::Error> {
        let Some(limit) = self.bytes else { return Ok(None) };
        let used = used((&mut *tx).into(), project).await?.bytes;
        let taken = used.saturating_add(FILE_OVERHEAD).saturating_add(bytes);
        Ok((taken > limit).then_some(Full::Bytes { limit, used }))
    }

    /// Whether there is no room on disk for anything more, however small.
    #[must_use]
    pub fn on_disk(self, has: Use) -> Option<Full> {
        let used = has.bytes;
        self.bytes.filter(|limit| used >= *limit).map(|limit| Full::Bytes { limit, used })
    }
}

async fn used(from: On<'_>, project: &str) -> Result<Use, sqlx::Error> {
    let row = sql::query("select waiting, bytes from project_use where project_id = ?")
        .bind(project)
        .fetch_optional(from)
        .await?;
    let Some(row) = row else { return Ok(Use::default()) };
    Ok(Use { jobs: unsigned(row.try_get("waiting")?), bytes: unsigned(row.try_get("bytes")?) })
}

impl Db {
    /// What a project has.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn project_use(&self, project: &str) -> Result<Use, DbError> {
        Ok(used((&self.pool).into(), project).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::jobs::{Submit, Submitted};
    use super::super::rig::{Rig, submit};
    use super::*;

    async fn of(rig: &Rig, project: &str) -> (u32, u64) {
        let has = rig.db.project_use(project).await.unwrap();
        (has.jobs, has.bytes)
    }

    #[tokio::test]
    async fn whoever_writes_the_figures_hold() {
        let mut rig = Rig::empty().await;
        let job = "insert into job (id, kind, project_id) values";
        let file = "insert into artifact (id, job_id, path, url, bytes) values";
        let upload = "insert into upload (id, project_id, name, media_type, bytes, sha256, path, \
                      created_at) values";
        let events = "insert into event_segment (job_id, first_id, last_id, frames, marks) values";
        let (five, two) = if rig.is_postgres() {
            (r"'\x0102030405'", r"'\x0102'")
        } else {
            ("x'0102030405'", "x'0102'")
        };
        // What a row takes that says nothing but its input, `{}`.
        let (row, block) = (1_026, 4_096);
        for (sql, p, q) in [
            (format!("{job} ('1', 'blog', 'p'), ('2', 'blog', 'p')"), (2, 2 * row), (0, 0)),
            ("update job set status = 'running' where id = '1'".into(), (1, 2 * row), (0, 0)),
            ("update job set status = 'pending' where id = '1'".into(), (2, 2 * row), (0, 0)),
            (format!("{events} ('1', 1, 2, {five}, {two})"), (2, 2 * row + 7), (0, 0)),
            ("update job set project_id = 'q' where id = '1'".into(), (1, row), (1, row + 7)),
            ("update job set stage = 'x'".into(), (1, row), (1, row + 7)),
            (
                "update job set result = '{\"é\":1}' where id = '2'".into(),
                (1, row + 8),
                (1, row + 7),
            ),
            ("update job set result = null where id = '2'".into(), (1, row), (1, row + 7)),
            ("update job set error_message = 'no' where id = '1'".into(), (1, row), (1, row + 9)),
            ("delete from event_segment".into(), (1, row), (1, row + 2)),
            (
                format!("{file} ('a', '2', 'x', null, 5), ('b', '2', null, 'u', 7)"),
                (1, row + block + 5),
                (1, row + 2),
            ),
            (
                "update artifact set bytes = 9 where id = 'a'".into(),
                (1, row + block + 9),
                (1, row + 2),
            ),
            (
                "update artifact set path = 'y' where id = 'b'".into(),
                (1, row + 2 * block + 16),
                (1, row + 2),
            ),
            ("delete from artifact where id = 'b'".into(), (1, row + block + 9), (1, row + 2)),
            (
                format!("{upload} ('u', 'q', '', '', 100, '', '', 0)"),
                (1, row + block + 9),
                (1, row + block + 102),
            ),
            ("delete from upload".into(), (1, row + block + 9), (1, row + 2)),
            ("update job set status = 'canceled'".into(), (0, row + block + 9), (0, row + 2)),
            ("delete from job where id = '1'".into(), (0, row + block + 9), (0, 0)),
        ] {
            rig.outside(&sql).await.unwrap();
            assert_eq!((of(&rig, "p").await, of(&rig, "q").await), (p, q), "{sql}");
            let drifted = "select count(*) from project_use where bytes <> \
                 (select coalesce(sum(bytes), 0) from job_disk where project_id = project_use.project_id) \
                 + (select coalesce(sum(4096 + bytes), 0) from upload where project_id = project_use.project_id)";
            assert_eq!(rig.number(drifted).await, 0, "{sql}");
        }
    }

    #[tokio::test]
    async fn one_job_more_than_may_wait_is_not_taken_and_the_same_again_is() {
        let mut rig = Rig::with(0).await;
        let room = Room { jobs: Some(1), ..Room::default() };
        let task = || Submit { room, idempotency_key: Some("key".into()), ..submit(0) };
        let Submitted::New(first) = rig.apply(task()).await.unwrap() else { panic!("it is taken") };
        let again = rig.apply(task()).await.unwrap();
        assert!(matches!(again, Submitted::Repeated(job) if job.id == first.id));
        let other = || Submit { idempotency_key: None, ..task() };
        let refused = rig.apply(other()).await.unwrap();
        assert!(matches!(refused, Submitted::Full(Full::Jobs { limit: 1 })), "{refused:?}");
        rig.outside("update job set status = 'running'").await.unwrap();
        assert!(matches!(rig.apply(other()).await.unwrap(), Submitted::New(_)));
    }

    #[test]
    fn no_limit_is_never_reached() {
        let has = Use { jobs: u32::MAX, bytes: u64::MAX };
        assert_eq!(Room::default().on_disk(has), None);
        let room = Room { bytes: Some(10), ..Room::default() };
        assert_eq!(room.on_disk(Use { bytes: 9, ..has }), None);
        let full = Full::Bytes { limit: 10, used: 10 };
        assert_eq!(room.on_disk(Use { bytes: 10, ..has }), Some(full));
    }
}
