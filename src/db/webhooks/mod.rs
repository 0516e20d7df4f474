//! Rows of webhooks: who is to be told how jobs end, and the outbox of what is told.
//!
//! A trigger on the status of a job fills the outbox, whoever ends the job.

#[cfg(test)]
mod tests;

use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};

use crate::job::{IdError, JobId, UnknownWord};

use super::alone::Alone;
use super::sql::{self, Conn, Dialect, Row};
use super::{Change, Db, DbError, readable, unsigned};

/// How it stands with a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is still to be heard.
    Pending,
    /// It was heard.
    Delivered,
    /// It was tried for long enough.
    GivenUp,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::GivenUp];

    /// The word on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::GivenUp => "given_up",
        }
    }
}

impl FromStr for Status {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        crate::job::find_word(word, &Self::ALL, Self::as_str)
    }
}

/// The end of a job, on its way to one address.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Its id; later ones are higher.
    pub id: i64,
    /// The job.
    pub job: JobId,
    /// Where it goes; its query may be a secret.
    pub url: SecretString,
    /// Scheme, host and port of that.
    pub endpoint: String,
    /// How it stands.
    pub status: Status,
    /// How often it was tried in all.
    pub attempts: u32,
    /// How often it was tried since it was begun.
    pub step: u32,
    /// When it was begun, the last time that it was, in UTC milliseconds, like all times here.
    pub begun_at: i64,
    /// When it is tried next.
    pub next_at: Option<i64>,
    /// When it was tried last.
    pub attempted_at: Option<i64>,
    /// The HTTP status of the newest answer.
    pub last_status: Option<u16>,
    /// What was wrong with the newest attempt.
    pub last_error: Option<String>,
    /// When the job ended.
    pub created_at: i64,
    /// When it was heard or given up.
    pub ended_at: Option<i64>,
}

/// What is due.
#[derive(Debug, Default)]
pub struct Due {
    /// What can be sent.
    pub deliveries: Vec<Delivery>,
    /// The ids of rows that cannot be read: another program made their jobs, with ids that are none of
    /// ours. Left alone they would be the longest due for ever.
    pub unreadable: Vec<i64>,
}

fn decode(row: &Row) -> Result<Delivery, sqlx::Error> {
    let id = |error: IdError| sqlx::Error::Decode(error.into());
    let word = |error: UnknownWord| sqlx::Error::Decode(error.into());
    let status: Option<i64> = row.try_get("last_status")?;
    Ok(Delivery {
        id: row.try_get("id")?,
        job: row.try_get::<String, _>("job_id")?.parse().map_err(id)?,
        url: row.try_get::<String, _>("url")?.into(),
        endpoint: row.try_get("endpoint")?,
        status: row.try_get::<String, _>("status")?.parse().map_err(word)?,
        attempts: unsigned(row.try_get("attempts")?),
        step: unsigned(row.try_get("step")?),
        begun_at: row.try_get("begun_at")?,
        next_at: row.try_get("next_at")?,
        attempted_at: row.try_get("attempted_at")?,
        last_status: status.map(unsigned),
        last_error: row.try_get("last_error")?,
        created_at: row.try_get("created_at")?,
        ended_at: row.try_get("ended_at")?,
    })
}

/// Has the end of a job told to an address.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn tell(
    tx: &mut Conn<'_>,
    job: &JobId,
    url: &SecretString,
) -> Result<(), sqlx::Error> {
    sql::query("insert into webhook_target (job_id, url) values (?, ?) on conflict do nothing")
        .bind(job.as_str())
        .bind(url.expose_secret())
        .execute(tx)
        .await?;
    Ok(())
}

/// Has the ends of all jobs told to this address from now on, and to no other.
#[derive(Clone, Debug)]
pub struct TellOfAll {
    /// The address; none where nobody is to be told of all.
    pub url: Option<String>,
}

impl Change for TellOfAll {
    type Outcome = ();

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<(), sqlx::Error> {
        Alone::Webhooks.wait(tx).await?;
        sql::query("delete from webhook_for_all").execute(&mut *tx).await?;
        if let Some(url) = &self.url {
            let insert = sql::query("insert into webhook_for_all (url) values (?)");
            insert.bind(url).execute(tx).await?;
        }
        Ok(())
    }
}

/// What comes of a delivery after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It was heard.
    Delivered,
    /// It is tried again at this time.
    Again(i64),
    /// It is not tried again.
    GivenUp,
}

/// Notes an attempt. Nothing comes of it where the delivery was over before.
#[derive(Clone, Debug)]
pub struct Note {
    /// The delivery.
    pub id: i64,
    /// The HTTP status of the answer, where there was one.
    pub status: Option<u16>,
    /// What was wrong.
    pub error: Option<String>,
    /// What comes of it.
    pub next: Next,
    /// UTC milliseconds.
    pub now: i64,
}

impl Change for Note {
    type Outcome = ();

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<(), sqlx::Error> {
        let (status, next_at) = match self.next {
            Next::Delivered => (Status::Delivered, None),
            Next::Again(at) => (Status::Pending, Some(at)),
            Next::GivenUp => (Status::GivenUp, None),
        };
        sql::query(
            "update webhook set status = ?1, next_at = ?2, last_status = ?3, last_error = ?4, \
                 attempted_at = ?5, ended_at = case when ?2 is null then ?5 end, \
                 attempts = attempts + 1, step = step + 1 \
             where id = ?6 and status = 'pending'",
        )
        .bind(status.as_str())
        .bind(next_at)
        .bind(self.status)
        .bind(&self.error)
        .bind(self.now)
        .bind(self.id)
        .execute(tx)
        .await?;
        Ok(())
    }
}

/// Begins a delivery anew, however it stands.
#[derive(Clone, Debug)]
pub struct Replay {
    /// The delivery.
    pub id: i64,
    /// UTC milliseconds.
    pub now: i64,
}

impl Change for Replay {
    /// The delivery as it stands now; nothing where there is none.
    type Outcome = Option<Delivery>;

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<Option<Delivery>, sqlx::Error> {
        sql::query(
            "update webhook set status = 'pending', step = 0, begun_at = ?1, next_at = ?1, \
                 ended_at = null where id = ?2",
        )
        .bind(self.now)
        .bind(self.id)
        .execute(&mut *tx)
        .await?;
        let row = sql::query("select * from webhook where id = ?")
            .bind(self.id)
            .fetch_optional(tx)
            .await?;
        row.as_ref().map(decode).transpose()
    }
}

/// Gives up what has waited for long enough for an endpoint that does not answer.
#[derive(Clone, Debug)]
pub struct GiveUp {
    /// Scheme, host and port.
    pub endpoint: String,
    /// What was begun before this time, in UTC milliseconds.
    pub begun_before: i64,
    /// UTC milliseconds.
    pub now: i64,
}

impl Change for GiveUp {
    /// How many it were.
    type Outcome = u64;

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<u64, sqlx::Error> {
        let done = sql::query(
            "update webhook set status = 'given_up', next_at = null, ended_at = ?1, \
                 last_error = coalesce(last_error, 'its host has not answered others either') \
             where endpoint = ?2 and status = 'pending' and begun_at < ?3",
        )
        .bind(self.now)
        .bind(&self.endpoint)
        .bind(self.begun_before)
        .execute(tx)
        .await?;
        Ok(done)
    }
}

/// Forgets deliveries that have been over for long enough.
#[derive(Clone, Debug)]
pub struct Forget {
    /// What was over before this time, in UTC milliseconds.
    pub ended_before: i64,
    /// At most so many at once.
    pub most: u32,
}

impl Change for Forget {
    /// How many it were.
    type Outcome = u64;

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<u64, sqlx::Error> {
        let done = sql::query(
            "delete from webhook where id in (select id from webhook \
                 where ended_at is not null and ended_at < ? order by ended_at limit ?)",
        )
        .bind(self.ended_before)
        .bind(self.most)
        .execute(tx)
        .await?;
        Ok(done)
    }
}

/// Which deliveries to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only of jobs of this project.
    pub project_id: Option<String>,
    /// Only of this job.
    pub job: Option<JobId>,
    /// Only those that stand like this.
    pub status: Option<Status>,
    /// Only older than this one: the last id of the page before.
    pub before: Option<i64>,
    /// At most this many.
    pub limit: u32,
}

/// What is due by `?1`, but for the endpoints of the list `?2`. Told nothing of its size, the database
/// would read and sort everything that is pending.
const DUE: &str = "select * from webhook indexed by webhook_due \
    where status = 'pending' and next_at <= ?1 \
        and endpoint not in (select value from json_each(?2)) \
    order by next_at limit ?3";

impl Db {
    /// What is due by now, the longest due first, but for these endpoints.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn due_webhooks(&self, now: i64, but: &[String], most: u32) -> Result<Due, DbError> {
        let but = serde_json::to_string(but).expect("addresses are plain text");
        let text = match self.pool.dialect() {
            Dialect::Sqlite => DUE.into(),
            Dialect::Postgres => DUE.replace(" indexed by webhook_due", ""),
        };
        let due = sql::query(text).bind(now).bind(but).bind(most);
        let mut due_now = Due::default();
        for row in due.fetch_all(&self.pool).await? {
            match decode(&row) {
                Ok(delivery) => due_now.deliveries.push(delivery),
                Err(_) => due_now.unreadable.push(row.try_get("id")?),
            }
        }
        Ok(due_now)
    }

    /// One delivery.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn webhook(&self, id: i64) -> Result<Option<Delivery>, DbError> {
        let row = sql::query("select * from webhook where id = ?").bind(id);
        let row = row.fetch_optional(&self.pool).await?;
        Ok(row.as_ref().map(decode).transpose()?)
    }

    /// Deliveries that fit the filter, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn webhooks(&self, filter: &Filter) -> Result<Vec<Delivery>, DbError> {
        let mut list = sql::List::new("select * from webhook where true");
        if let Some(project) = &filter.project_id {
            let of_project = " and exists (select 1 from job where job.id = webhook.job_id \
                              and job.project_id = ?)";
            list.push(of_project, project);
        }
        if let Some(job) = &filter.job {
            list.push(" and job_id = ?", job.as_str());
        }
        if let Some(status) = filter.status {
            list.push(" and status = ?", status.as_str());
        }
        if let Some(before) = filter.before {
            list.push(" and id < ?", before);
        }
        list.push(" order by id desc limit ?", filter.limit);
        let rows = list.build().fetch_all(&self.pool).await?;
        Ok(readable(&rows, decode).collect())
    }

    /// How many deliveries are still to be heard.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn pending_webhooks(&self) -> Result<u64, DbError> {
        let count = sql::query_scalar("select count(*) from webhook where status = 'pending'");
        Ok(unsigned(count.fetch_one(&self.pool).await?))
    }
}
