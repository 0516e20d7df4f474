//! How much there is of what, for the operator.

use super::sql;
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

/// What there is in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Jobs that wait for a provider, by provider.
    pub waiting: Vec<Waiting>,
    /// Jobs that nobody has begun.
    pub pending: i64,
    /// Jobs that run.
    pub running: i64,
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
            credits: (row.try_get("granted")?, row.try_get("captured")?, row.try_get("held")?),
            webhooks: row.try_get("webhooks")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Waiting;
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
    }
}
