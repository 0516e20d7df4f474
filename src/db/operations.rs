//! What was started at providers: the intent before the request, the handle after the answer.

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::job::JobId;

use super::sql::{self, Conn, On};
use super::{Change, Db, DbError, unsigned};

/// What is known of a job's work at a provider.
#[derive(Clone, Debug)]
pub struct OperationRow {
    /// The run that meant to start it.
    pub attempt: u32,
    /// Where.
    pub provider: String,
    /// The secret in the address that the provider calls back.
    pub token: SecretString,
    /// The provider's handle; nothing between the intent and the provider's answer.
    pub handle: Option<Value>,
    /// When it was to be started, in UTC milliseconds.
    pub intended_at: i64,
    /// When the provider answered.
    pub started_at: Option<i64>,
}

async fn find(tx: On<'_>, job: &JobId) -> Result<Option<OperationRow>, sqlx::Error> {
    let row = sql::query("select * from operation where job_id = ?")
        .bind(job.as_str())
        .fetch_optional(tx)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let handle: Option<String> = row.try_get("handle")?;
    Ok(Some(OperationRow {
        attempt: unsigned(row.try_get("attempt")?),
        provider: row.try_get("provider")?,
        token: row.try_get::<String, _>("token")?.into(),
        handle: handle.and_then(|text| serde_json::from_str(&text).ok()),
        intended_at: row.try_get("intended_at")?,
        started_at: row.try_get("started_at")?,
    }))
}

/// Writes down that work is about to be started, before the request leaves.
#[derive(Debug)]
pub struct Intend {
    /// The job.
    pub job: JobId,
    /// The run that starts it.
    pub attempt: u32,
    /// Where.
    pub provider: String,
    /// The secret of its callbacks.
    pub token: SecretString,
    /// UTC milliseconds.
    pub now: i64,
}

impl Change for Intend {
    /// What was there before, which then stands: the caller must not start anything.
    type Outcome = Option<OperationRow>;

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<Self::Outcome, sqlx::Error> {
        let inserted = sql::query(
            "insert into operation (job_id, attempt, provider, token, intended_at) \
             values (?, ?, ?, ?, ?) on conflict (job_id) do nothing",
        )
        .bind(self.job.as_str())
        .bind(i64::from(self.attempt))
        .bind(&self.provider)
        .bind(self.token.expose_secret())
        .bind(self.now)
        .execute(&mut *tx)
        .await?;
        if inserted == 1 { Ok(None) } else { find(tx.into(), &self.job).await }
    }
}

/// Writes down the provider's handle: what was started is polled from here on, whatever dies.
#[derive(Debug)]
pub struct Started {
    /// The job.
    pub job: JobId,
    /// The provider's handle.
    pub handle: Value,
    /// Whether it is the provider's answer to the start, which knows more than a callback: where
    /// the work is asked for. It takes the place of what a faster callback told.
    pub is_answer: bool,
    /// UTC milliseconds.
    pub now: i64,
}

impl Change for Started {
    /// What stands now. Nothing when there was no intent.
    type Outcome = Option<OperationRow>;

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<Self::Outcome, sqlx::Error> {
        sql::query(
            "update operation set handle = ?, started_at = coalesce(started_at, ?) \
             where job_id = ? and (handle is null or ?)",
        )
        .bind(self.handle.to_string())
        .bind(self.now)
        .bind(self.job.as_str())
        .bind(self.is_answer)
        .execute(&mut *tx)
        .await?;
        find((&mut *tx).into(), &self.job).await
    }
}

/// Takes an intent back that the provider refused: nothing was started, so it may be tried again.
#[derive(Debug)]
pub struct Withdraw {
    /// The job.
    pub job: JobId,
    /// The run whose intent it is.
    pub attempt: u32,
}

impl Change for Withdraw {
    type Outcome = ();

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<(), sqlx::Error> {
        sql::query("delete from operation where job_id = ? and attempt = ? and handle is null")
            .bind(self.job.as_str())
            .bind(i64::from(self.attempt))
            .execute(tx)
            .await?;
        Ok(())
    }
}

/// Notes that nothing is left to be done at the provider.
#[derive(Debug)]
pub struct Close {
    /// The job.
    pub job: JobId,
    /// UTC milliseconds.
    pub now: i64,
}

impl Change for Close {
    type Outcome = ();

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<(), sqlx::Error> {
        sql::query("update operation set closed_at = ? where job_id = ? and closed_at is null")
            .bind(self.now)
            .bind(self.job.as_str())
            .execute(tx)
            .await?;
        Ok(())
    }
}

/// Work at a provider whose job is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Abandoned {
    /// The job.
    pub job: JobId,
    /// When it ended, in UTC milliseconds.
    pub ended_at: i64,
    /// The provider's handle.
    pub handle: Value,
}

impl Db {
    /// Work at a provider whose jobs are over, the newest ends first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn abandoned_operations(
        &self,
        provider: &str,
        most: u32,
    ) -> Result<Vec<Abandoned>, DbError> {
        let rows: Vec<(String, Option<i64>, String)> = sql::query_as(
            "select operation.job_id, job.ended_at, operation.handle \
             from operation join job on job.id = operation.job_id \
             where operation.closed_at is null and operation.handle is not null \
                 and operation.provider = ? and job.status in ('completed', 'failed', 'canceled') \
             order by job.ended_at desc nulls last limit ?",
        )
        .bind(provider)
        .bind(i64::from(most))
        .fetch_all(&self.pool)
        .await?;
        let abandoned = |(job, ended_at, handle): (String, Option<i64>, String)| {
            let handle = serde_json::from_str(&handle).unwrap_or_default();
            Some(Abandoned { job: job.parse().ok()?, ended_at: ended_at.unwrap_or(0), handle })
        };
        Ok(rows.into_iter().filter_map(abandoned).collect())
    }

    /// What is known of a job's work at a provider.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn operation(&self, job: &JobId) -> Result<Option<OperationRow>, DbError> {
        Ok(find((&self.pool).into(), job).await?)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::rig::Rig;
    use super::*;
    use crate::event::payload::End;

    fn intend(job: &JobId, attempt: u32) -> Intend {
        let (provider, token) = ("fal".to_owned(), format!("secret-{attempt}").into());
        Intend { job: job.clone(), attempt, provider, token, now: 5 }
    }

    #[tokio::test]
    async fn an_intent_stands_until_it_is_taken_back_or_answered() {
        let mut rig = Rig::with(10).await;
        let job = rig.submit(0).await;
        assert!(rig.apply(intend(&job, 1)).await.unwrap().is_none());
        let before = rig.apply(intend(&job, 2)).await.unwrap().unwrap();
        assert_eq!((before.attempt, before.handle, before.started_at), (1, None, None));
        // Only the run that meant it takes it back.
        rig.apply(Withdraw { job: job.clone(), attempt: 2 }).await.unwrap();
        assert!(rig.db.operation(&job).await.unwrap().is_some());
        rig.apply(Withdraw { job: job.clone(), attempt: 1 }).await.unwrap();
        assert!(rig.db.operation(&job).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn the_answer_to_a_start_knows_more_than_a_faster_callback() {
        let mut rig = Rig::with(10).await;
        let job = rig.submit(0).await;
        let bare = json!({ "id": "x" });
        let whole = json!({ "id": "x", "details": { "polling_url": "https://eu.bfl.ai/x" } });
        let started = |handle: &Value, is_answer| Started {
            job: job.clone(),
            handle: handle.clone(),
            is_answer,
            now: 7,
        };
        assert!(rig.apply(started(&bare, false)).await.unwrap().is_none(), "there is no intent");
        rig.apply(intend(&job, 1)).await.unwrap();
        for (handle, is_answer, stands) in
            [(&bare, false, &bare), (&whole, true, &whole), (&bare, false, &whole)]
        {
            let row = rig.apply(started(handle, is_answer)).await.unwrap().unwrap();
            assert_eq!((row.handle.as_ref(), row.started_at), (Some(stands), Some(7)));
        }
        rig.apply(Withdraw { job: job.clone(), attempt: 1 }).await.unwrap();
        let row = rig.db.operation(&job).await.unwrap().unwrap();
        assert_eq!(row.handle, Some(whole), "what was started is not taken back");
    }

    #[tokio::test]
    async fn work_is_abandoned_when_its_job_is_over_and_nobody_closed_it() {
        let mut rig = Rig::with(10).await;
        let job = rig.submit(0).await;
        rig.apply(intend(&job, 1)).await.unwrap();
        let handle = json!({ "id": "x" });
        let started = Started { job: job.clone(), handle: handle.clone(), is_answer: true, now: 7 };
        rig.apply(started).await.unwrap();
        assert_eq!(rig.db.abandoned_operations("fal", 9).await.unwrap(), []);
        rig.finish(&job, End::failed("timeout", "too long", true), None).await;
        let found = Abandoned { job: job.clone(), ended_at: 2, handle };
        assert_eq!(rig.db.abandoned_operations("fal", 9).await.unwrap(), [found]);
        rig.apply(Close { job, now: 9 }).await.unwrap();
        assert_eq!(rig.db.abandoned_operations("fal", 9).await.unwrap(), []);
    }
}
