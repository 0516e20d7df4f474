//! Rows of jobs: submitting, finding, listing.

use secrecy::SecretString;
use serde_json::Value;

use crate::event::EventId;
use crate::event::payload::Progress;
use crate::job::{Job, JobId, Kind, Status};

use super::alone::Alone;
use super::artifacts::{self, Reserved};
use super::chats::InChat;
use super::projects::{Full, Room};
use super::sql::{self, Conn, On, Row};
use super::{Change, Db, DbError, credits, listed, readable, unsigned, webhooks};

pub(super) fn decode(row: &Row) -> Result<Job, sqlx::Error> {
    decode_within(row, usize::MAX, usize::MAX)
}

/// A job, without an input or a result of more bytes.
pub(super) fn decode_within(row: &Row, input: usize, result: usize) -> Result<Job, sqlx::Error> {
    fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, sqlx::Error>
    where
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        text.parse().map_err(|error: T::Err| sqlx::Error::Decode(error.into()))
    }
    let json = |name: &str, most: usize| {
        let text = row.try_get::<Option<&str>, _>(name)?.filter(|text| text.len() <= most);
        Ok::<Option<Value>, sqlx::Error>(text.and_then(|text| serde_json::from_str(text).ok()))
    };
    let status: Status = parsed(row.try_get("status")?)?;
    let error = (
        row.try_get("error_code")?,
        row.try_get("error_message")?,
        row.try_get("error_retryable")?,
    );
    let optional = |name: &str| row.try_get::<Option<String>, _>(name);
    Ok(Job {
        id: parsed(row.try_get("id")?)?,
        kind: parsed(row.try_get("kind")?)?,
        status,
        project_id: row.try_get("project_id")?,
        attempt: unsigned(row.try_get("attempt")?),
        told_attempt: unsigned(row.try_get("told_attempt")?),
        told_status: optional("told_status")?.and_then(|status| status.parse().ok()),
        told_percent: unsigned(row.whole("told_percent")?.unwrap_or(0)),
        failures: unsigned(row.try_get("failures")?),
        model: row.try_get("model")?,
        lane: row.try_get("lane")?,
        hold: row.try_get("hold")?,
        cost: row.whole("cost")?,
        input: json("input", input)?.unwrap_or_default(),
        progress: Progress {
            percent: unsigned(row.whole("progress")?.unwrap_or(0)),
            stage: row.try_get("stage")?,
            message: row.try_get("message")?,
            ..Progress::default()
        },
        created_at: row.try_get("created_at")?,
        started_at: row.try_get("started_at")?,
        updated_at: row.try_get("updated_at")?,
        ended_at: row.try_get("ended_at")?,
        last_event_id: EventId::from_i64(row.try_get("last_event_id")?),
        end_event_id: row.try_get::<Option<i64>, _>("end_event_id")?.map(EventId::from_i64),
        trimmed_through: EventId::from_i64(row.try_get("trimmed_through")?),
        end: Job::end_of(status, json("result", result)?, error, row.try_get("cancel_reason")?),
        retry_of: optional("retry_of")?.as_deref().map(parsed).transpose()?,
        silence_limit_ms: row.try_get("silence_limit_ms")?,
        file_id: optional("file_id")?.as_deref().map(parsed).transpose()?,
    })
}

pub(super) async fn find(tx: On<'_>, id: &JobId) -> Result<Option<Job>, sqlx::Error> {
    let row =
        sql::query("select * from job where id = ?").bind(id.as_str()).fetch_optional(tx).await?;
    row.as_ref().map(decode).transpose()
}

/// Puts a job into the queue, unless it is there already.
#[derive(Clone, Debug)]
pub struct Submit {
    /// The job, pending.
    pub job: Job,
    /// Who is first: higher before lower, then older before newer.
    pub priority: i32,
    /// The client's own key for this submit.
    pub idempotency_key: Option<String>,
    /// Of the whole request, in hex.
    pub request_hash: String,
    /// Of project, kind and input, in hex; nothing when a second one is wanted.
    pub duplicate_key: Option<String>,
    /// The accounts that may pay: the first of them that is open does, the job's hold at most.
    pub accounts: Vec<String>,
    /// The files whose ids are handed out now.
    pub artifacts: Vec<Reserved>,
    /// The chat whose newest job it becomes.
    pub chat: Option<InChat>,
    /// Who is to be told how it ends.
    pub webhook: Option<SecretString>,
    /// How much its project may have.
    pub room: Room,
}

#[cfg(test)]
impl Submit {
    /// A submit of a job and nothing besides, for tests.
    pub(crate) fn sample(job: Job) -> Self {
        Self {
            job,
            priority: 0,
            idempotency_key: None,
            request_hash: String::new(),
            duplicate_key: None,
            accounts: Vec::new(),
            artifacts: Vec::new(),
            chat: None,
            webhook: None,
            room: Room::default(),
        }
    }
}

/// A job with events that a reader has not had.
#[derive(Clone, Debug)]
pub struct Since {
    /// The job.
    pub job: JobId,
    /// Its newest event.
    pub last: EventId,
    /// None of those that the reader has not had is before this one.
    pub begins: EventId,
}

/// What became of a submit.
#[derive(Debug)]
pub enum Submitted {
    /// It is in the queue.
    New(Job),
    /// The same was submitted before, under the same key or in the same chat: its job.
    Repeated(Job),
    /// An identical task is in flight: that one.
    Duplicate(Job),
    /// The same idempotency key was used for another request.
    KeyReused,
    /// The job that it wants to try again is not there.
    UnknownRetry,
    /// The project has all that it may have.
    Full(Full),
    /// The account has less than the job may cost.
    Short {
        /// What new jobs may hold, in micro-credits.
        available: i64,
        /// What this one was to hold.
        needed: i64,
    },
}

impl Change for Submit {
    type Outcome = Submitted;

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<Submitted, sqlx::Error> {
        // What it looks for before it inserts is all of its project: the key, the chat, the same task, and
        // how much there is.
        Alone::Project(&self.job.project_id).wait(tx).await?;
        if let Some(retried) = &self.job.retry_of
            && find((&mut *tx).into(), retried)
                .await?
                .is_none_or(|retried| retried.project_id != self.job.project_id)
        {
            return Ok(Submitted::UnknownRetry);
        }
        if let Some(earlier) = self.earlier(tx).await? {
            if let Submitted::Duplicate(job) = &earlier {
                self.be_told(tx, &job.id).await?;
            }
            return Ok(earlier);
        }
        if let Some(full) = self.room.for_job(tx, &self.job.project_id).await? {
            return Ok(Submitted::Full(full));
        }
        let (account, available) = self.payer(tx).await?;
        let needed = self.job.hold;
        if available < needed {
            return Ok(Submitted::Short { available, needed });
        }
        let turn = self.take_turn(tx).await?;
        self.insert(tx, turn).await?;
        if self.job.hold > 0 {
            let job = &self.job;
            credits::hold(tx, account, &job.id, job.hold, job.created_at).await?;
        }
        for artifact in &self.artifacts {
            artifacts::reserve(tx, &self.job.id, artifact, self.job.created_at).await?;
        }
        if let Some(chat) = &self.chat {
            chat.point_at(tx, &self.job).await?;
        }
        self.be_told(tx, &self.job.id).await?;
        Ok(Submitted::New(self.job.clone()))
    }
}

impl Submit {
    async fn earlier(&self, tx: &mut Conn<'_>) -> Result<Option<Submitted>, sqlx::Error> {
        if let Some(key) = &self.idempotency_key {
            let row = sql::query("select * from job where project_id = ? and idempotency_key = ?")
                .bind(&self.job.project_id)
                .bind(key)
                .fetch_optional(&mut *tx)
                .await?;
            if let Some(row) = row {
                let same = row.try_get::<String, _>("request_hash")? == self.request_hash;
                let job = decode(&row)?;
                return Ok(Some(if same {
                    Submitted::Repeated(job)
                } else {
                    Submitted::KeyReused
                }));
            }
        }
        if let Some(chat) = &self.chat
            && let Some(job) = chat.answer(tx, &self.job.project_id).await?
        {
            return Ok(Some(Submitted::Repeated(job)));
        }
        let Some(key) = &self.duplicate_key else { return Ok(None) };
        let row = sql::query(
            "select * from job where duplicate_key = ? and status in ('pending', 'running')",
        )
        .bind(key)
        .fetch_optional(tx)
        .await?;
        Ok(row.as_ref().map(decode).transpose()?.map(Submitted::Duplicate))
    }

    /// Has whoever submits told of the end of the job that this became.
    async fn be_told(&self, tx: &mut Conn<'_>, job: &JobId) -> Result<(), sqlx::Error> {
        match &self.webhook {
            Some(url) => webhooks::tell(tx, job, url).await,
            None => Ok(()),
        }
    }

    /// The job's turn in its lane, among jobs of its priority: the one after its project's newest
    /// job, or the one that is being served when that is later. So the jobs of several projects
    /// alternate (start-time fair queueing, Goyal, Vin and Cheng, SIGCOMM 1996, with equal shares).
    async fn take_turn(&self, tx: &mut Conn<'_>) -> Result<i64, sqlx::Error> {
        let Some(lane) = &self.job.lane else { return Ok(0) };
        sql::query_scalar(
            "insert into lane_project (lane, project_id, priority, turn) values (?1, ?2, ?3, \
                 coalesce((select turn from lane where lane = ?1 and priority = ?3), 0)) \
             on conflict (lane, project_id, priority) \
                 do update set turn = max(lane_project.turn + 1, excluded.turn) \
             returning turn",
        )
        .bind(lane)
        .bind(&self.job.project_id)
        .bind(self.priority)
        .fetch_one(tx)
        .await
    }

    /// Who pays, and what that has; one that is not open has nothing.
    async fn payer(&self, tx: &mut Conn<'_>) -> Result<(&str, i64), sqlx::Error> {
        if self.job.hold > 0 {
            for account in &self.accounts {
                if let Some(available) = credits::available(tx, account).await? {
                    return Ok((account, available));
                }
            }
        }
        Ok(("", 0))
    }

    async fn insert(&self, tx: &mut Conn<'_>, turn: i64) -> Result<(), sqlx::Error> {
        let job = &self.job;
        sql::query(
            "insert into job (id, kind, project_id, model, lane, turn, hold, priority, input, \
                 idempotency_key, request_hash, duplicate_key, retry_of, silence_limit_ms, \
                 file_id, stage, created_at, updated_at) \
             values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?, ?)",
        )
        .bind(job.id.as_str())
        .bind(job.kind.as_str())
        .bind(&job.project_id)
        .bind(&job.model)
        .bind(&job.lane)
        .bind(turn)
        .bind(job.hold)
        .bind(self.priority)
        .bind(job.input.to_string())
        .bind(&self.idempotency_key)
        .bind(&self.request_hash)
        .bind(&self.duplicate_key)
        .bind(job.retry_of.as_ref().map(JobId::as_str))
        .bind(job.silence_limit_ms)
        .bind(job.file_id.as_ref().map(|id| id.as_str().to_owned()))
        .bind(job.created_at)
        .bind(job.created_at)
        .execute(tx)
        .await?;
        Ok(())
    }
}

/// Which jobs to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only of this project.
    pub project_id: Option<String>,
    /// Only with this status.
    pub status: Option<Status>,
    /// Only of this kind.
    pub kind: Option<Kind>,
    /// Only with this text in their id, project, model, error or input, in upper or lower case; of the
    /// newest ten thousand jobs.
    pub contains: Option<String>,
    /// Only older than this one: the last id of the page before.
    pub before: Option<JobId>,
    /// At most this many.
    pub limit: u32,
}

/// How many of the newest jobs are searched: it looks into each.
const SEARCH_DEPTH: u32 = 10_000;

const SEARCHED: &str = " and id in (select id from job order by id desc limit ?)";

const SEARCH_COLUMNS: [&str; 7] = [
    "id",
    "project_id",
    "coalesce(model, '')",
    "coalesce(lane, '')",
    "coalesce(error_code, '')",
    "status",
    "input",
];

/// What a job was asked for besides its input.
#[derive(Clone, Debug)]
pub struct Besides {
    /// Higher goes first.
    pub priority: i32,
    /// Who is told of its end, where its submit says so; the query may be a secret.
    pub webhook: Option<SecretString>,
}

/// What `like` finds a text by that may hold its signs.
fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for sign in text.chars().take(200) {
        if matches!(sign, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(sign);
    }
    pattern + "%"
}

impl Db {
    /// One job.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn job(&self, id: &JobId) -> Result<Option<Job>, DbError> {
        Ok(find((&self.pool).into(), id).await?)
    }

    /// What a job was asked for that it does not show; nothing for an unknown job.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn besides(&self, id: &JobId) -> Result<Option<Besides>, DbError> {
        let row = sql::query(
            "select priority, (select min(url) from webhook_target where job_id = job.id) as url \
             from job where id = ?",
        )
        .bind(id.as_str())
        .fetch_optional(&self.pool)
        .await?;
        let decode = |row: Row| {
            let webhook = row.try_get::<Option<String>, _>("url")?.map(Into::into);
            let priority = i32::try_from(row.try_get::<i64, _>("priority")?).unwrap_or(0);
            Ok::<_, sqlx::Error>(Besides { priority, webhook })
        };
        Ok(row.map(decode).transpose()?)
    }

    /// The model of the job that a client submitted under this key, if there is one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn model_of_key(&self, project: &str, key: &str) -> Result<Option<String>, DbError> {
        let model: Option<Option<String>> =
            sql::query_scalar("select model from job where project_id = ? and idempotency_key = ?")
                .bind(project)
                .bind(key)
                .fetch_optional(&self.pool)
                .await?;
        Ok(model.flatten())
    }

    /// Jobs that fit the filter, newest first, each as a list has it: with the beginning of its input,
    /// and without a long result. One is read after the other, however much they have.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn jobs(&self, filter: &Filter) -> Result<Vec<Job>, DbError> {
        let mut list = sql::List::new("select * from job where true");
        if let Some(project) = &filter.project_id {
            list.push(" and project_id = ?", project);
        }
        if let Some(status) = filter.status {
            list.push(" and status = ?", status.as_str());
        }
        if let Some(kind) = filter.kind {
            list.push(" and kind = ?", kind.as_str());
        }
        if let Some(before) = &filter.before {
            list.push(" and id < ?", before.as_str());
        }
        let pattern = filter.contains.as_deref().map(pattern);
        if let Some(pattern) = &pattern {
            list.push(SEARCHED, SEARCH_DEPTH);
            for (place, column) in SEARCH_COLUMNS.into_iter().enumerate() {
                let or = if place == 0 { " and (" } else { " or " };
                // Both by the database, which may know fewer capitals than Rust does.
                let test = format!("{or}lower({column}) like lower(?) escape '!'");
                list.push(&test, pattern.as_str());
            }
            list.close();
        }
        list.push(" order by id desc limit ?", filter.limit);
        let mut jobs = Vec::new();
        let one = |row| jobs.extend(readable(std::slice::from_ref(&row), listed::decode));
        list.build().each(&self.pool, one).await?;
        Ok(jobs)
    }

    /// Jobs of a project whose newest events are after `after`, in the order of these.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn jobs_since(
        &self,
        project: &str,
        after: EventId,
        reader: EventId,
        most: u32,
    ) -> Result<Vec<Since>, DbError> {
        let rows: Vec<(String, i64, i64)> = sql::query_as(
            "select id, last_event_id, coalesce((select min(first_id) from event_segment \
                 where event_segment.job_id = job.id and event_segment.last_id > ?3), 0) \
             from job where project_id = ?1 and last_event_id > ?2 \
             order by last_event_id limit ?4",
        )
        .bind(project)
        .bind(after.to_i64())
        .bind(reader.to_i64())
        .bind(i64::from(most))
        .fetch_all(&self.pool)
        .await?;
        let job = |(id, last, begins): (String, i64, i64)| {
            let (last, begins) = (EventId::from_i64(last), EventId::from_i64(begins));
            Some(Since { job: id.parse().ok()?, last, begins })
        };
        Ok(rows.into_iter().filter_map(job).collect())
    }
}
