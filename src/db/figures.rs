//! How much there is of what, for the operator.

use crate::job::JobId;

use super::sql::{self, Row};
use super::{Db, DbError};

/// Jobs that wait for the same provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Whom they wait for.
    pub lane: String,
    /// How many.
    pub jobs: i64,
    /// When the oldest was submitted, in UTC milliseconds.
    pub oldest: i64,
}

/// Jobs of workers of others that run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    /// How many.
    pub jobs: i64,
    /// The one of which nothing was heard for longest.
    pub silent: JobId,
    /// Since when, in UTC milliseconds.
    pub since: i64,
}

/// What there is in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Jobs that wait for a provider, by provider.
    pub waiting: Vec<Waiting>,
    /// Jobs that nobody has begun.
    pub pending: i64,
    /// Jobs that run.
    pub running: i64,
    /// Those of them whose workers are others'; nothing where none runs.
    pub external: Option<External>,
    /// Micro-credits over all accounts: given, taken, held.
    pub credits: (i64, i64, i64),
    /// Webhooks that nobody has heard yet.
    pub webhooks: i64,
}

impl Db {
    /// What there is in all. By indexes alone, but for the accounts, which are few.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn figures(&self) -> Result<Figures, DbError> {
        let waiting = sql::query(
            "select lane, count(*) as jobs, min(created_at) as oldest from job
                where status = 'pending' and lane is not null group by lane order by lane",
        )
        .fetch_all(&self.pool)
        .await?;
        let waiting = waiting.iter().map(|row| {
            Ok::<_, sqlx::Error>(Waiting {
                lane: row.try_get("lane")?,
                jobs: row.try_get("jobs")?,
                oldest: row.try_get("oldest")?,
            })
        });
        let waiting = waiting.collect::<Result<_, _>>()?;
        let external = sql::query(
            "select id, updated_at, count(*) over () as jobs from job
                where kind = 'external' and status = 'running' order by updated_at, id limit 1",
        )
        .fetch_optional(&self.pool)
        .await?;
        let row = sql::query(
            "select
                (select count(*) from job where status = 'pending') as pending,
                (select count(*) from job where status = 'running') as running,
                (select cast(coalesce(sum(granted), 0) as bigint) from account) as granted,
                (select cast(coalesce(sum(captured), 0) as bigint) from account) as captured,
                (select cast(coalesce(sum(held), 0) as bigint) from account) as held,
                (select count(*) from webhook where status = 'pending') as webhooks",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Figures {
            waiting,
            pending: row.try_get("pending")?,
            running: row.try_get("running")?,
            external: external.as_ref().and_then(external_of),
            credits: (row.try_get("granted")?, row.try_get("captured")?, row.try_get("held")?),
            webhooks: row.try_get("webhooks")?,
        })
    }
}

/// Nothing where another program's id is none of ours.
fn external_of(row: &Row) -> Option<External> {
    let silent = row.try_get::<String, _>("id").ok()?.parse().ok()?;
    Some(External {
        jobs: row.try_get("jobs").ok()?,
        silent,
        since: row.try_get("updated_at").ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::{External, Waiting};
    use crate::db::rig::Rig;

    #[tokio::test]
    async fn what_waits_is_counted_by_whom_it_waits_for() {
        let mut rig = Rig::with(100).await;
        rig.submit(10).await;
        rig.submit(20).await;
        let figures = rig.db.figures().await.unwrap();
        assert_eq!((figures.pending, figures.running, figures.webhooks), (2, 0, 0));
        let oldest = figures.waiting[0].oldest;
        assert_eq!(figures.waiting, [Waiting { lane: "fal".into(), jobs: 2, oldest }]);
        assert_eq!(figures.credits, (100, 0, 30));
        assert_eq!(figures.external, None);
    }

    #[tokio::test]
    async fn of_the_jobs_of_others_the_most_silent_is_named() {
        let mut rig = Rig::with(0).await;
        let jobs = [rig.submit(0).await, rig.submit(0).await, rig.submit(0).await];
        for (job, at) in jobs.iter().zip([30, 20, 10]) {
            let status = if at == 10 { "pending" } else { "running" };
            rig.outside(&format!(
                "update job set kind = 'external', status = '{status}', updated_at = {at} \
                 where id = '{job}'"
            ))
            .await
            .unwrap();
        }
        let external = rig.db.figures().await.unwrap().external;
        let [_, silent, _] = jobs;
        assert_eq!(external, Some(External { jobs: 2, silent, since: 20 }));
    }
}
