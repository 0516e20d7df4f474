//! What the reconciler looks at: jobs that somebody watches, all in one look.

use std::collections::HashMap;

use crate::job::{Job, JobId};

use super::artifacts::{self, ArtifactRow};
use super::{Db, DbError, jobs};

/// A watched job with its files, as one snapshot of the database shows them.
#[derive(Debug)]
pub struct Watched {
    /// Its row.
    pub job: Job,
    /// Its files' rows.
    pub artifacts: Vec<ArtifactRow>,
}

impl Db {
    /// Looks at these jobs: two queries whatever their number, in one snapshot, files before
    /// states, so that an end is never seen without the files that came before it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn watched(&self, ids: &[JobId]) -> Result<Vec<Watched>, DbError> {
        let ids = serde_json::to_string(ids).expect("ids are plain text");
        let mut tx = self.pool.begin().await?;
        let artifacts = sqlx::query(sqlx::AssertSqlSafe(format!(
            "select {} from artifact where job_id in (select value from json_each(?)) \
             order by created_at, id",
            artifacts::COLUMNS
        )))
        .bind(&ids)
        .fetch_all(&mut *tx)
        .await?;
        let rows = sqlx::query("select * from job where id in (select value from json_each(?))")
            .bind(&ids)
            .fetch_all(&mut *tx)
            .await?;
        tx.commit().await?;
        let mut by_job: HashMap<JobId, Vec<ArtifactRow>> = HashMap::new();
        for row in artifacts.iter().filter_map(|row| artifacts::decode(row).ok()) {
            by_job.entry(row.job.clone()).or_default().push(row);
        }
        // Other programs write these rows too: one that cannot be read hides no other.
        let readable = rows.iter().map(jobs::decode).filter_map(|job| {
            job.inspect_err(|error| tracing::debug!(%error, "a job's row is damaged")).ok()
        });
        let watched = readable.map(|job| {
            let artifacts = by_job.remove(&job.id).unwrap_or_default();
            Watched { job, artifacts }
        });
        Ok(watched.collect())
    }
}
