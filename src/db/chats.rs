//! Rows of chats: which job writes the newest answer of each.

use crate::job::{Job, JobId};

use super::sql::{self, Conn};
use super::{Change, Db, DbError, jobs};

/// A submit's place in a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InChat {
    /// The app's own id for the chat.
    pub chat_id: String,
    /// Of the submit, in hex: the same one again is answered by the job that it got, as long as
    /// that is the chat's newest and did not end badly. Nothing where each submit makes a job.
    pub submit_hash: Option<String>,
}

impl InChat {
    /// The job that answers the same submit already.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn answer(
        &self,
        tx: &mut Conn<'_>,
        project: &str,
    ) -> Result<Option<Job>, sqlx::Error> {
        let Some(hash) = &self.submit_hash else { return Ok(None) };
        let row = sql::query(
            "select job.* from chat join job on job.id = chat.job_id \
             where chat.chat_id = ? and chat.project_id = ? and chat.submit_hash = ? \
                 and job.status in ('pending', 'running', 'completed')",
        )
        .bind(&self.chat_id)
        .bind(project)
        .bind(hash)
        .fetch_optional(tx)
        .await?;
        row.as_ref().map(jobs::decode).transpose()
    }

    /// Makes a job the chat's newest one, of which nobody was told.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn point_at(&self, tx: &mut Conn<'_>, job: &Job) -> Result<(), sqlx::Error> {
        sql::query(
            "insert into chat (chat_id, project_id, job_id, submit_hash) values (?, ?, ?, ?) \
             on conflict (chat_id, project_id) do update set \
                 job_id = excluded.job_id, submit_hash = excluded.submit_hash, told_at = null",
        )
        .bind(&self.chat_id)
        .bind(&job.project_id)
        .bind(job.id.as_str())
        .bind(&self.submit_hash)
        .execute(tx)
        .await?;
        Ok(())
    }
}

/// A chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chat {
    /// Its newest job.
    pub job_id: JobId,
    /// Whether a page was told how that job ended.
    pub is_told: bool,
}

/// Notes that a page was told how a chat's job ended. It changes nothing where a newer job has come.
#[derive(Clone, Debug)]
pub struct Tell {
    /// The chat.
    pub chat_id: String,
    /// The job whose end was told.
    pub job_id: JobId,
    /// UTC milliseconds.
    pub now: i64,
}

impl Change for Tell {
    type Outcome = ();

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<(), sqlx::Error> {
        sql::query(
            "update chat set told_at = ? where chat_id = ? and job_id = ? and told_at is null",
        )
        .bind(self.now)
        .bind(&self.chat_id)
        .bind(self.job_id.as_str())
        .execute(tx)
        .await?;
        Ok(())
    }
}

impl Db {
    /// A chat of a project; without one, the chat of that id that was answered last.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn chat(
        &self,
        chat_id: &str,
        project: Option<&str>,
    ) -> Result<Option<Chat>, DbError> {
        let row = sql::query(
            "select job_id, told_at is not null as is_told from chat \
             where chat_id = ?1 and (?2 is null or project_id = ?2) order by job_id desc limit 1",
        )
        .bind(chat_id)
        .bind(project)
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let job_id: String = row.try_get("job_id")?;
        Ok(Some(Chat {
            job_id: job_id.parse().map_err(|error: crate::job::IdError| {
                DbError::Statement(sqlx::Error::Decode(error.into()))
            })?,
            is_told: row.try_get("is_told")?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::jobs::Submitted;
    use super::super::rig::{Rig, submit};
    use super::*;
    use crate::event::payload::{Canceled, End};
    use serde_json::json;

    async fn say(rig: &mut Rig, project: &str, hash: Option<&str>) -> (JobId, bool) {
        let mut row = submit(0);
        row.job.project_id = project.into();
        (row.idempotency_key, row.duplicate_key) = (None, None);
        row.chat = Some(InChat { chat_id: "c".into(), submit_hash: hash.map(str::to_owned) });
        match rig.apply(row).await.unwrap() {
            Submitted::New(job) => (job.id, false),
            Submitted::Repeated(job) => (job.id, true),
            other => panic!("{other:?}"),
        }
    }

    async fn end(rig: &mut Rig, job: &JobId, end: End) {
        let finish =
            crate::db::ends::Finish { job: job.clone(), attempt: None, end, cost: None, now: 9 };
        rig.apply(finish).await.unwrap();
    }

    #[tokio::test]
    async fn a_repeated_submit_gets_its_job_unless_that_ended_badly() {
        let mut rig = Rig::with(0).await;
        let (first, _) = say(&mut rig, "a", Some("hash")).await;
        assert_eq!(say(&mut rig, "a", Some("hash")).await, (first.clone(), true));
        end(&mut rig, &first, End::Completed(json!({}))).await;
        assert_eq!(say(&mut rig, "a", Some("hash")).await, (first.clone(), true));
        // What was said in between makes it another submit, and so does a bad end.
        let (second, repeated) = say(&mut rig, "a", Some("other")).await;
        assert!(!repeated);
        end(&mut rig, &second, End::Canceled(Canceled { reason: "enough".into() })).await;
        let (third, repeated) = say(&mut rig, "a", Some("other")).await;
        assert!(!repeated && ![first, second].contains(&third));
    }

    #[tokio::test]
    async fn a_submit_without_a_hash_always_makes_a_job() {
        let mut rig = Rig::with(0).await;
        let (first, _) = say(&mut rig, "a", None).await;
        let (second, repeated) = say(&mut rig, "a", None).await;
        assert!(!repeated && first != second);
    }

    #[tokio::test]
    async fn a_chat_is_told_until_its_next_job() {
        let mut rig = Rig::with(0).await;
        let (first, _) = say(&mut rig, "a", None).await;
        let chat = |job: &JobId, is_told| Some(Chat { job_id: job.clone(), is_told });
        assert_eq!(rig.db.chat("c", None).await.unwrap(), chat(&first, false));
        let tell = Tell { chat_id: "c".into(), job_id: first.clone(), now: 5 };
        rig.apply(tell.clone()).await.unwrap();
        assert_eq!(rig.db.chat("c", None).await.unwrap(), chat(&first, true));
        let (second, _) = say(&mut rig, "a", None).await;
        // Whoever still reads the job before says nothing about this one.
        rig.apply(tell).await.unwrap();
        assert_eq!(rig.db.chat("c", None).await.unwrap(), chat(&second, false));
        assert_eq!(rig.db.chat("d", None).await.unwrap(), None);
    }

    #[tokio::test]
    async fn chats_of_two_projects_may_have_the_same_id() {
        let mut rig = Rig::with(0).await;
        let (theirs, _) = say(&mut rig, "a", Some("hash")).await;
        let (ours, repeated) = say(&mut rig, "b", Some("hash")).await;
        assert!(!repeated);
        for (project, job) in [(Some("a"), &theirs), (Some("b"), &ours), (None, &ours)] {
            assert_eq!(rig.db.chat("c", project).await.unwrap().unwrap().job_id, *job);
        }
        assert_eq!(rig.db.chat("c", Some("x")).await.unwrap(), None);
    }
}
