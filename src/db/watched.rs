//! What the reconciler looks at: jobs that somebody watches, all in one look.

use std::collections::{BTreeMap, HashMap};

use crate::job::{Job, JobId};

use super::artifacts::{self, ArtifactRow};
use super::sql::{self, Conn};
use super::{Db, DbError, jobs, readable, unsigned};

/// A watched job with its files, as one snapshot of the database shows them.
#[derive(Debug)]
pub struct Watched {
    /// Its row.
    pub job: Job,
    /// Its files' rows.
    pub artifacts: Vec<ArtifactRow>,
}

/// What the database has of a job, apart from its events.
#[derive(Debug)]
pub struct Stored {
    /// Its row.
    pub job: Job,
    /// Its files' rows.
    pub artifacts: Vec<ArtifactRow>,
    /// The last `producer_seq` of each producer.
    pub producers: BTreeMap<String, u64>,
}

impl Db {
    /// Looks at these jobs: two queries whatever their number, in one snapshot, files before
    /// states, so that an end is never seen without the files that came before it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn watched(&self, ids: &[JobId]) -> Result<Vec<Watched>, DbError> {
        let mut tx = self.pool.snapshot().await?;
        let watched = look(&mut tx.conn(), &listed(ids)).await?;
        tx.commit().await?;
        Ok(watched)
    }

    /// The same with what producers have counted: everything that a job's events fold to.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn stored(&self, ids: &[JobId]) -> Result<Vec<Stored>, DbError> {
        let ids = listed(ids);
        let mut tx = self.pool.snapshot().await?;
        let watched = look(&mut tx.conn(), &ids).await?;
        let counted: Vec<(String, String, i64)> = sql::query_as(
            "select job_id, producer, seq from producer \
             where job_id in (select value from json_each(?))",
        )
        .bind(&ids)
        .fetch_all(&mut tx.conn())
        .await?;
        tx.commit().await?;
        let mut producers: HashMap<String, BTreeMap<String, u64>> = HashMap::new();
        for (job, producer, seq) in counted {
            producers.entry(job).or_default().insert(producer, unsigned(seq));
        }
        let stored = watched.into_iter().map(|Watched { job, artifacts }| {
            let producers = producers.remove(job.id.as_str()).unwrap_or_default();
            Stored { job, artifacts, producers }
        });
        Ok(stored.collect())
    }
}

fn listed(ids: &[JobId]) -> String {
    serde_json::to_string(ids).expect("ids are plain text")
}

async fn look(tx: &mut Conn<'_>, ids: &str) -> Result<Vec<Watched>, DbError> {
    let artifacts = sql::query(format!(
        "select {} from artifact where job_id in (select value from json_each(?)) \
             order by created_at, id",
        artifacts::COLUMNS
    ))
    .bind(ids)
    .fetch_all(&mut *tx)
    .await?;
    let rows = sql::query("select * from job where id in (select value from json_each(?))")
        .bind(ids)
        .fetch_all(tx)
        .await?;
    let mut by_job: HashMap<JobId, Vec<ArtifactRow>> = HashMap::new();
    for row in readable(&artifacts, artifacts::decode) {
        by_job.entry(row.job.clone()).or_default().push(row);
    }
    let watched = readable(&rows, jobs::decode).map(|job| {
        let artifacts = by_job.remove(&job.id).unwrap_or_default();
        Watched { job, artifacts }
    });
    Ok(watched.collect())
}

#[cfg(test)]
mod tests {
    use super::super::jobs::Filter;
    use super::super::rig::{Rig, claim};

    #[tokio::test]
    async fn of_a_fraction_the_whole_part_is_read() {
        let mut rig = Rig::with(10).await;
        let job = rig.submit(5).await;
        for sql in [
            format!("update job set progress = 100.0 * 3 / 7, cost = 2.5 where id = '{job}'"),
            format!(
                "insert into artifact (id, job_id, url, bytes, duration_ms, width) \
                 values ('file_v', '{job}', 'https://cdn.test/v.wav', 9.5, 1500.25, 640.5)"
            ),
            format!("update job set status = 'completed' where id = '{job}'"),
        ] {
            rig.outside(&sql).await.unwrap();
        }
        let watched = rig.db.watched(std::slice::from_ref(&job)).await.unwrap().remove(0);
        let of_job = (watched.job.progress.percent, watched.job.cost);
        let file = &watched.artifacts[0].stored.view;
        let of_file = (file.bytes, file.duration_ms, file.width);
        // Postgres rounds what it is given.
        let (job, file) = if rig.is_postgres() {
            ((43, Some(3)), (10, Some(1500), Some(641)))
        } else {
            ((42, Some(2)), (9, Some(1500), Some(640)))
        };
        assert_eq!((of_job, of_file), (job, file));
    }

    #[tokio::test]
    async fn a_row_that_cannot_be_read_hides_no_other() {
        let mut rig = Rig::with(10).await;
        let job = rig.submit(0).await;
        for sql in [
            // Who gives no id gives null, which a primary key of texts takes, of SQLite's.
            format!(
                "insert into artifact (id, job_id, url) values ({}, '{job}', 'https://cdn.test/1')",
                if rig.is_postgres() { "'mine'" } else { "null" },
            ),
            format!("insert into artifact (id, job_id, url) values ('file_1', '{job}', 'x')"),
            "insert into job (id, kind, updated_at) values ('mine-1', 'external', 1)".into(),
            format!("insert into job (id, kind, updated_at) select '{job}x', 'external', 2"),
        ] {
            rig.outside(&sql).await.unwrap();
        }
        assert_eq!(rig.db.artifacts_of(&job).await.unwrap().len(), 1);
        let filter = Filter { limit: 10, ..Filter::default() };
        assert_eq!(rig.db.jobs(&filter).await.unwrap().len(), 2);
        assert_eq!(rig.db.silent_jobs(1_000, 0, 10, 10).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_job_that_cannot_be_read_leaves_its_lane_to_the_next() {
        let mut rig = Rig::with(10).await;
        let job = rig.submit(0).await;
        // Texts in columns of whole numbers, where the database takes them.
        let place = if rig.is_postgres() { "9, 0" } else { "'high', 'now'" };
        let odd = format!(
            "insert into job (id, kind, lane, priority, turn) values ('mine-1', 'video', 'fal', {place})"
        );
        rig.outside(&odd).await.unwrap();
        assert!(rig.apply(claim("fal")).await.unwrap().job().is_none());
        assert_eq!(rig.apply(claim("fal")).await.unwrap().job().unwrap().id, job);
    }
}
