//! Who runs a job: claims, hand-overs, what a dead process left.

use std::collections::HashMap;

use crate::job::{Job, JobId};

use super::permits::{self, Permit};
use super::sql::{self, Conn, Dialect, Row};
use super::{Change, Db, DbError, jobs, nodes, readable, unsigned};

/// Takes the next job of a lane: priority, then turn, then age.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Whose permit the caller holds.
    pub lane: String,
    /// The life that will run it: an epoch of a single server, or a node of a cluster.
    pub epoch: i64,
    /// What the job needs of the pools of a cluster, one permit of each: it is claimed with all of them or
    /// not at all. None where a server's own permits bound it.
    pub permits: Vec<Permit>,
    /// UTC milliseconds.
    pub now: i64,
}

/// What became of a claim.
#[derive(Clone, Debug)]
pub enum Taken {
    /// This job is the caller's now, with the permits.
    Job(Box<Job>),
    /// No job waits in the lane.
    NoJob,
    /// One waits, and no permit of this pool is free.
    NoPermit {
        /// The pool.
        pool: String,
    },
}

impl Taken {
    /// The job that was taken, if one was.
    #[must_use]
    pub fn job(self) -> Option<Job> {
        match self {
            Self::Job(job) => Some(*job),
            Self::NoJob | Self::NoPermit { .. } => None,
        }
    }
}

impl Change for Claim {
    type Outcome = Taken;

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<Taken, sqlx::Error> {
        if !self.permits.is_empty() {
            // So that nobody waits for a pool on whose lanes nothing waits.
            if !self.is_worth_it(tx).await? {
                return Ok(Taken::NoJob);
            }
            if let Some(pool) = permits::full(tx, &self.permits).await? {
                return Ok(Taken::NoPermit { pool: pool.into() });
            }
        }
        // It may have waited for longer than the cluster has waited for its node.
        if self.epoch < 0 && !nodes::is_alive(tx, self.epoch).await? {
            return Ok(Taken::NoJob);
        }
        let Some(job) = self.next(tx).await? else { return Ok(Taken::NoJob) };
        for Permit { pool, .. } in &self.permits {
            permits::add(tx, self.epoch, pool).await?;
        }
        Ok(Taken::Job(Box::new(job)))
    }
}

impl Claim {
    /// Whether a job waits.
    async fn is_worth_it(&self, tx: &mut Conn<'_>) -> Result<bool, sqlx::Error> {
        let row = sql::query("select 1 from job where status = 'pending' and lane = ? limit 1")
            .bind(&self.lane)
            .fetch_optional(tx)
            .await?;
        Ok(row.is_some())
    }

    async fn next(&self, tx: &mut Conn<'_>) -> Result<Option<Job>, sqlx::Error> {
        // Whoever else claims at this moment takes the next one, and does not wait for us.
        let alone = match tx.dialect() {
            Dialect::Sqlite => "",
            Dialect::Postgres => "for update skip locked",
        };
        let row = sql::query(format!(
            "update job set status = 'running', attempt = attempt + 1, epoch = ?1, \
                 started_at = ?2, updated_at = ?2, progress = 0, stage = '', message = null \
             where id = (select id from job where status = 'pending' and lane = ?3 \
                 order by priority desc, turn, id limit 1 {alone}) \
             returning *",
        ))
        .bind(self.epoch)
        .bind(self.now)
        .bind(&self.lane)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let (priority, turn) = (row.whole("priority")?, row.whole("turn")?);
        self.serve_turn(tx, priority.unwrap_or(0), turn.unwrap_or(0)).await?;
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

    /// Remembers how far the lane is: a project that submits now comes next, not first.
    async fn serve_turn(
        &self,
        tx: &mut Conn<'_>,
        priority: i64,
        turn: i64,
    ) -> Result<(), sqlx::Error> {
        sql::query(
            "insert into lane (lane, priority, turn) values (?1, ?2, ?3) \
             on conflict (lane, priority) do update set turn = max(lane.turn, excluded.turn)",
        )
        .bind(&self.lane)
        .bind(priority)
        .bind(turn)
        .execute(tx)
        .await?;
        Ok(())
    }
}

async fn fail_unreadable(tx: &mut Conn<'_>, row: &Row, now: i64) -> Result<(), sqlx::Error> {
    sql::query(
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

/// The priority of work that is under way at a provider, above that of any client: its time limit
/// runs, and it holds a place there, while it waits to be polled on.
const UNDER_WAY: i64 = 101;

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

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<bool, sqlx::Error> {
        let done = sql::query(
            "update job set status = 'pending', epoch = null, stage = 'queued', updated_at = ?1, \
                 priority = case when exists (select 1 from operation \
                     where operation.job_id = job.id) then ?4 else priority end \
             where id = ?2 and attempt = ?3 and status = 'running'",
        )
        .bind(self.now)
        .bind(self.job.as_str())
        .bind(i64::from(self.attempt))
        .bind(UNDER_WAY)
        .execute(tx)
        .await?;
        Ok(done == 1)
    }
}

/// Makes a job that waits the next of its lane.
#[derive(Debug)]
pub struct ToFront {
    /// The job.
    pub job: JobId,
}

impl Change for ToFront {
    type Outcome = bool;

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<bool, sqlx::Error> {
        let done = sql::query(
            "update job set \
                 priority = (select max(other.priority) from job other \
                     where other.lane = job.lane and other.status = 'pending'), \
                 turn = (select min(other.turn) - 1 from job other \
                     where other.lane = job.lane and other.status = 'pending') \
             where id = ?1 and status = 'pending' and lane is not null",
        )
        .bind(self.job.as_str())
        .execute(tx)
        .await?;
        Ok(done == 1)
    }
}

/// Puts the jobs that a dead process was running back into the queue, each with one more failure.
#[derive(Debug)]
pub struct TakeOver {
    /// The current life of the server: jobs of any other are orphans.
    pub epoch: u32,
    /// The failures at which a job is not put back: the caller ends it. Until then it is this life's, so
    /// that a crash in between makes it an orphan again and gives it no further run.
    pub most_failures: u32,
    /// UTC milliseconds.
    pub now: i64,
}

impl Change for TakeOver {
    type Outcome = Vec<Job>;

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<Vec<Job>, sqlx::Error> {
        let jobs =
            take_over(tx, "epoch <> ?2", self.epoch.into(), self.most_failures, self.now).await?;
        // A project whose turns are past starts from the lane's again: its row tells nothing.
        sql::query(
            "delete from lane_project where turn < (select turn from lane \
                 where lane.lane = lane_project.lane and lane.priority = lane_project.priority)",
        )
        .execute(tx)
        .await?;
        Ok(jobs)
    }
}

/// Puts the jobs back into the queue that nobody living runs, in a cluster: what a dead node was running, and
/// what a server left behind that had the database alone before.
#[derive(Debug)]
pub struct TakeOverDead {
    /// The node that does it, and ends what has failed too often: such a job is its own from here on, so that
    /// no other node takes it over once more, unless this one dies before.
    pub node: i64,
    /// The failures at which a job is not put back: the caller ends it.
    pub most_failures: u32,
    /// UTC milliseconds.
    pub now: i64,
}

/// A job whose node is not alive. One that came after the newest that is seen here is: it joined since.
const OF_THE_DEAD: &str = "(epoch >= (select min(number) from node) or epoch > 0) \
     and not exists (select 1 from node where number = job.epoch and lease_until > 0)";

impl Change for TakeOverDead {
    type Outcome = Vec<Job>;

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<Vec<Job>, sqlx::Error> {
        take_over(tx, OF_THE_DEAD, self.node, self.most_failures, self.now).await
    }
}

/// Gives orphans back to the queue, each with one more failure; those with too many become `life`'s. What
/// another node is at this moment is left to it.
async fn take_over(
    tx: &mut Conn<'_>,
    orphans: &str,
    life: i64,
    most_failures: u32,
    now: i64,
) -> Result<Vec<Job>, sqlx::Error> {
    let alone = match tx.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => "for update skip locked",
    };
    let rows = sql::query(format!(
        "update job set failures = failures + 1, updated_at = ?1, \
             status = case when failures + 1 < ?3 then 'pending' else status end, \
             epoch = case when failures + 1 < ?3 then null else ?2 end, \
             stage = case when failures + 1 < ?3 then 'queued' else stage end, \
             priority = case when exists (select 1 from operation \
                 where operation.job_id = job.id) then ?4 else priority end \
         where id in (select id from job where status = 'running' and epoch is not null \
             and {orphans} order by id {alone}) \
         returning *",
    ))
    .bind(now)
    .bind(life)
    .bind(i64::from(most_failures))
    .bind(UNDER_WAY)
    .fetch_all(tx)
    .await?;
    Ok(readable(&rows, jobs::decode).collect())
}

/// Moves jobs that wait to the lanes that their models have now: an operator may have given one
/// permits of its own, or taken them away.
#[derive(Debug)]
pub struct Relane {
    /// Each model with its lane.
    pub lanes: HashMap<String, String>,
}

impl Change for Relane {
    /// The jobs whose models are not there any more: nobody serves their lanes.
    type Outcome = Vec<Job>;

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<Vec<Job>, sqlx::Error> {
        let waiting: Vec<(String, String)> = sql::query_as(
            "select distinct model, lane from job \
             where status = 'pending' and model is not null and lane is not null",
        )
        .fetch_all(&mut *tx)
        .await?;
        let mut orphans = Vec::new();
        for (model, before) in waiting {
            match self.lanes.get(&model) {
                Some(now) if *now == before => {}
                Some(now) => relane(tx, &model, &before, now).await?,
                None => orphans.extend(waiting_for(tx, &model).await?),
            }
        }
        Ok(orphans)
    }
}

/// Moves a model's waiting jobs. Turns count from where a lane is, which differs between lanes: each
/// job keeps its distance.
async fn relane(
    tx: &mut Conn<'_>,
    model: &str,
    before: &str,
    now: &str,
) -> Result<(), sqlx::Error> {
    sql::query(
        "update job set lane = ?1, turn = max(0, turn - coalesce((select lane.turn from lane \
                 where lane.lane = ?3 and lane.priority = job.priority), 0)) \
             + coalesce((select lane.turn from lane \
                 where lane.lane = ?1 and lane.priority = job.priority), 0) \
         where status = 'pending' and model = ?2 and lane = ?3",
    )
    .bind(now)
    .bind(model)
    .bind(before)
    .execute(&mut *tx)
    .await?;
    // What its project submits from here on comes after it.
    sql::query(
        "insert into lane_project (lane, project_id, priority, turn) \
         select lane, project_id, priority, max(turn) from job \
         where status = 'pending' and lane = ?1 and model = ?2 \
         group by lane, project_id, priority \
         on conflict (lane, project_id, priority) do update set turn = max(lane_project.turn, excluded.turn)",
    )
    .bind(now)
    .bind(model)
    .execute(tx)
    .await?;
    Ok(())
}

async fn waiting_for(tx: &mut Conn<'_>, model: &str) -> Result<Vec<Job>, sqlx::Error> {
    let rows =
        sql::query("select * from job where status = 'pending' and model = ? and lane is not null")
            .bind(model)
            .fetch_all(tx)
            .await?;
    Ok(readable(&rows, jobs::decode).collect())
}

impl Db {
    /// Jobs that ended without a committed terminal event, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn unannounced_ends(&self, most: u32) -> Result<Vec<JobId>, DbError> {
        let ids: Vec<String> = sql::query_scalar(
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
        let rows = sql::query(
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
        Ok(readable(&rows, jobs::decode).collect())
    }

    /// The place of each of these jobs in its lane, from 1; jobs that do not wait are left out. One
    /// pass over the lanes, however many are asked for.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn queue_positions(&self, ids: &[JobId]) -> Result<Vec<(JobId, u32)>, DbError> {
        let ids = serde_json::to_string(ids).expect("ids are plain text");
        let rows = sql::query(
            "with wanted as (select id, lane from job where status = 'pending' \
                 and lane is not null and id in (select value from json_each(?))), \
             places as (select id, row_number() over \
                     (partition by lane order by priority desc, turn, id) as place \
                 from job where status = 'pending' and lane in (select lane from wanted)) \
             select id, place from places where id in (select id from wanted)",
        )
        .bind(ids)
        .fetch_all(&self.pool)
        .await?;
        let position = |row: &Row| {
            let id = row.try_get::<String, _>(0).ok()?.parse().ok()?;
            Some((id, unsigned(row.try_get(1).ok()?)))
        };
        Ok(rows.iter().filter_map(position).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::jobs::{Submit, Submitted};
    use super::super::rig::{Rig, claim, submit};
    use super::*;

    fn task(project: &str, lane: &str, priority: i32) -> Submit {
        let mut task = submit(0);
        task.job.project_id = project.into();
        task.job.lane = Some(lane.into());
        task.priority = priority;
        task
    }

    async fn put(rig: &mut Rig, project: &str, priority: i32) -> JobId {
        match rig.apply(task(project, "fal", priority)).await.unwrap() {
            Submitted::New(job) => job.id,
            other => panic!("{other:?}"),
        }
    }

    async fn next(rig: &mut Rig) -> Option<Job> {
        rig.apply(claim("fal")).await.unwrap().job()
    }

    /// The projects of the next jobs, in turn.
    async fn order(rig: &mut Rig, most: usize) -> Vec<String> {
        let mut order = Vec::new();
        while order.len() < most {
            let Some(job) = next(rig).await else { break };
            order.push(job.project_id);
        }
        order
    }

    #[tokio::test]
    async fn whoever_comes_late_with_one_job_is_next_however_long_the_batch() {
        let mut rig = Rig::empty().await;
        for _ in 0..50 {
            put(&mut rig, "batch", 0).await;
        }
        assert_eq!(order(&mut rig, 10).await, ["batch"; 10]);
        put(&mut rig, "late", 0).await;
        assert!(order(&mut rig, 2).await.contains(&"late".to_owned()));
    }

    #[tokio::test]
    async fn who_always_has_one_job_waiting_does_not_hold_the_others_up() {
        let mut rig = Rig::empty().await;
        for _ in 0..20 {
            put(&mut rig, "batch", 0).await;
        }
        let mut served = Vec::new();
        for _ in 0..20 {
            put(&mut rig, "steady", 0).await;
            served.extend(order(&mut rig, 1).await);
        }
        let of_batch = served.iter().filter(|project| *project == "batch").count();
        assert!((9..=11).contains(&of_batch), "{served:?}");
    }

    #[tokio::test]
    async fn priority_goes_before_turns() {
        let mut rig = Rig::empty().await;
        for (project, priority) in [("a", 0), ("b", 0), ("a", 5), ("a", 5)] {
            put(&mut rig, project, priority).await;
        }
        assert_eq!(order(&mut rig, 9).await, ["a", "a", "a", "b"]);
    }

    #[tokio::test]
    async fn places_are_those_in_which_jobs_are_claimed() {
        let mut rig = Rig::empty().await;
        let mut jobs = Vec::new();
        for (project, priority) in [("a", 0), ("a", 0), ("b", 0), ("c", 1), ("b", 0), ("a", 1)] {
            jobs.push(put(&mut rig, project, priority).await);
        }
        let mut places = rig.db.queue_positions(&jobs).await.unwrap();
        places.sort_by_key(|(_, place)| *place);
        for (at, (job, place)) in places.into_iter().enumerate() {
            assert_eq!(usize::try_from(place).unwrap(), at + 1);
            assert_eq!(next(&mut rig).await.unwrap().id, job);
        }
    }

    #[tokio::test]
    async fn a_job_that_waits_follows_its_model_to_another_lane() {
        let mut rig = Rig::empty().await;
        let job = put(&mut rig, "a", 0).await;
        let lanes = HashMap::from([("veo".to_owned(), "veo".to_owned())]);
        rig.apply(Relane { lanes }).await.unwrap();
        assert!(next(&mut rig).await.is_none());
        assert_eq!(rig.apply(claim("veo")).await.unwrap().job().unwrap().id, job);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        /// While two projects both have jobs that wait, neither is served twice more often.
        #[test]
        fn projects_alternate_however_their_jobs_arrive(arrivals in prop::collection::vec(0..4_u8, 1..40)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut rig = Rig::empty().await;
                let mut waiting = [0_u32; 4];
                for project in &arrivals {
                    put(&mut rig, &project.to_string(), 0).await;
                    waiting[usize::from(*project)] += 1;
                }
                let mut served = [0_u32; 4];
                for project in order(&mut rig, arrivals.len()).await {
                    let project: usize = project.parse().unwrap();
                    served[project] += 1;
                    waiting[project] -= 1;
                    for other in (0..4).filter(|other| waiting[*other] > 0) {
                        assert!(served[project] <= served[other] + 1, "{arrivals:?} {served:?}");
                    }
                }
                assert_eq!(waiting, [0; 4]);
            });
        }
    }
}
