//! Who runs a job: claims, hand-overs, what a dead process left.

use sqlx::{Row, SqliteConnection};

use crate::job::{Job, JobId};

use super::{Change, Db, DbError, jobs, unsigned};

/// Takes the next job of a provider: priority, then age.
#[derive(Debug)]
pub struct Claim {
    /// Whose permit the caller holds.
    pub provider: String,
    /// The life of the server that will run it.
    pub epoch: u32,
    /// UTC milliseconds.
    pub now: i64,
}

impl Change for Claim {
    type Outcome = Option<Job>;

    async fn apply(&self, tx: &mut SqliteConnection) -> Result<Option<Job>, sqlx::Error> {
        let row = sqlx::query(
            "update job set status = 'running', attempt = attempt + 1, epoch = ?1, \
                 started_at = ?2, updated_at = ?2, progress = 0, stage = '', message = null \
             where id = (select id from job where status = 'pending' and provider = ?3 \
                 order by priority desc, id limit 1) \
             returning *",
        )
        .bind(i64::from(self.epoch))
        .bind(self.now)
        .bind(&self.provider)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        match jobs::decode(&row) {
            Ok(job) => Ok(Some(job)),
            Err(error) => {
                // Somebody else wrote it; left alone it would keep everybody behind it waiting.
                tracing::error!(%error, "a job in the queue cannot be read; it fails");
                fail_unreadable(tx, &row, self.now).await?;
                Ok(None)
            }
        }
    }
}

async fn fail_unreadable(
    tx: &mut SqliteConnection,
    row: &sqlx::sqlite::SqliteRow,
    now: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update job set status = 'failed', error_code = 'unreadable_job', \
             error_message = 'the row of this job cannot be read', ended_at = ?, epoch = null \
         where id = ?",
    )
    .bind(now)
    .bind(row.try_get::<String, _>("id")?)
    .execute(tx)
    .await?;
    Ok(())
}

/// Gives a running job back to the queue, in a drain; this is no failure.
#[derive(Debug)]
pub struct HandBack {
    /// The job.
    pub job: JobId,
    /// The caller's attempt: a later one keeps the job.
    pub attempt: u32,
    /// UTC milliseconds.
    pub now: i64,
}

impl Change for HandBack {
    type Outcome = bool;

    async fn apply(&self, tx: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
        let done = sqlx::query(
            "update job set status = 'pending', epoch = null, stage = 'queued', updated_at = ?1 \
             where id = ?2 and attempt = ?3 and status = 'running'",
        )
        .bind(self.now)
        .bind(self.job.as_str())
        .bind(i64::from(self.attempt))
        .execute(tx)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

/// Puts the jobs that a dead process was running back into the queue, each with one more failure.
#[derive(Debug)]
pub struct TakeOver {
    /// The current life of the server: jobs of any other are orphans.
    pub epoch: u32,
    /// The failures at which a job is not put back: the caller ends it. Until then it stays an
    /// orphan, so that a crash in between gives it no further run.
    pub most_failures: u32,
    /// UTC milliseconds.
    pub now: i64,
}

impl Change for TakeOver {
    type Outcome = Vec<Job>;

    async fn apply(&self, tx: &mut SqliteConnection) -> Result<Vec<Job>, sqlx::Error> {
        let rows = sqlx::query(
            "update job set failures = failures + 1, updated_at = ?1, \
                 status = case when failures + 1 < ?3 then 'pending' else status end, \
                 epoch = case when failures + 1 < ?3 then null else epoch end, \
                 stage = case when failures + 1 < ?3 then 'queued' else stage end \
             where status = 'running' and epoch is not null and epoch <> ?2 \
             returning *",
        )
        .bind(self.now)
        .bind(i64::from(self.epoch))
        .bind(i64::from(self.most_failures))
        .fetch_all(tx)
        .await?;
        Ok(rows.iter().filter_map(|row| jobs::decode(row).ok()).collect())
    }
}

impl Db {
    /// Jobs that ended without a committed terminal event, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn unannounced_ends(&self, most: u32) -> Result<Vec<JobId>, DbError> {
        let ids: Vec<String> = sqlx::query_scalar(
            "select id from job where status in ('completed', 'failed', 'canceled') \
             and end_event_id is null order by id limit ?",
        )
        .bind(i64::from(most))
        .fetch_all(&self.pool)
        .await?;
        Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// External jobs that have been silent past their limit. What was before `since` is no
    /// silence: nobody listened then.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn silent_jobs(
        &self,
        now: i64,
        since: i64,
        default_limit_ms: i64,
        most: u32,
    ) -> Result<Vec<Job>, DbError> {
        let rows = sqlx::query(
            "select * from job where kind = 'external' and status in ('pending', 'running') \
             and max(updated_at, ?) + coalesce(silence_limit_ms, ?) < ? \
             order by updated_at limit ?",
        )
        .bind(since)
        .bind(default_limit_ms)
        .bind(now)
        .bind(i64::from(most))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.iter().map(jobs::decode).collect::<Result<_, _>>()?)
    }

    /// How many jobs wait in front of each of these, by id; jobs that do not wait are left out.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn queue_positions(&self, ids: &[JobId]) -> Result<Vec<(JobId, u32)>, DbError> {
        let ids = serde_json::to_string(ids).expect("ids are plain text");
        let rows = sqlx::query(
            "select mine.id, (select count(*) from job as other where other.status = 'pending' \
                 and other.provider = mine.provider and (other.priority > mine.priority \
                     or (other.priority = mine.priority and other.id < mine.id))) \
             from job as mine where mine.status = 'pending' and mine.provider is not null \
             and mine.id in (select value from json_each(?))",
        )
        .bind(ids)
        .fetch_all(&self.pool)
        .await?;
        let position = |row: &sqlx::sqlite::SqliteRow| {
            let id = row.try_get::<String, _>(0).ok()?.parse().ok()?;
            Some((id, unsigned(row.try_get(1).ok()?)))
        };
        Ok(rows.iter().filter_map(position).collect())
    }
}
