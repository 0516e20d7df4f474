//! Accounts and their ledger.
//!
//! The migration's triggers hold what must hold: an account moves only by entries, entries are only
//! added, each job has one hold at most, and the hold is settled with the job's end, whoever writes
//! that. So there is nothing here that captures or releases.

#[cfg(test)]
mod history;
#[cfg(test)]
mod tests;

use crate::job::JobId;

use super::alone::{Alone, kept_row};
use super::sql::{self, Conn, On, Row};
use super::{Change, Db, DbError};

/// The most that an account can be granted in all, in micro-credits: 2^53 - 1, the largest integer
/// that every reader of JSON has exactly (RFC 7493, section 2.2).
pub const MOST_EVER: i64 = 9_007_199_254_740_991;

/// The key of the grant that a new account begins with. The keys of clients have a prefix.
const DEMO_KEY: &str = "demo";

/// An account at one moment, in micro-credits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// What new jobs may hold: what was granted, less what was captured, less what is held.
    pub available: i64,
    /// What jobs that have not ended hold.
    pub held: i64,
    /// All that it was ever given.
    pub granted: i64,
    /// All that completed jobs have cost.
    pub captured: i64,
}

/// A balance from both its sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audit {
    /// As the account's row has it.
    pub kept: Balance,
    /// As the entries of the ledger add up.
    pub summed: Balance,
}

/// What an entry does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// Credits come in.
    Grant,
    /// Credits are set aside for a job.
    Hold,
    /// A completed job is paid; what its hold had beyond that is available again.
    Capture,
    /// A job ended otherwise: its hold is available again.
    Release,
}

/// One entry of a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place; later entries have higher ones.
    pub id: i64,
    /// What it does.
    pub kind: EntryKind,
    /// How much, in micro-credits; 0 only for the capture of a job that cost nothing.
    pub amount: i64,
    /// Whose hold it is about; nothing for a grant.
    pub job_id: Option<String>,
    /// What somebody noted about it.
    pub note: Option<String>,
    /// When, in UTC milliseconds.
    pub at: i64,
    /// What the account had available afterwards, in micro-credits.
    pub available: i64,
}

impl EntryKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Grant, Self::Hold, Self::Capture, Self::Release];

    /// The word on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Hold => "hold",
            Self::Capture => "capture",
            Self::Release => "release",
        }
    }
}

fn decode(row: &Row) -> Result<Entry, sqlx::Error> {
    let word: String = row.try_get("entry")?;
    let kind = EntryKind::ALL.into_iter().find(|kind| kind.as_str() == word);
    let unknown = || sqlx::Error::Decode(format!("'{word}' is no kind of entry").into());
    Ok(Entry {
        id: row.try_get("id")?,
        kind: kind.ok_or_else(unknown)?,
        amount: row.try_get("amount")?,
        job_id: row.try_get("job_id")?,
        note: row.try_get("note")?,
        at: row.try_get("at")?,
        available: row.try_get("available")?,
    })
}

/// Opens an account, unless it is open: with credits to try things, which it gets once in its life,
/// however often the server starts and whatever the setting is then.
#[derive(Clone, Debug)]
pub struct OpenAccount {
    /// The account.
    pub account: String,
    /// What it begins with, in micro-credits; 0 for nothing.
    pub demo: i64,
    /// UTC milliseconds.
    pub now: i64,
}

impl Change for OpenAccount {
    type Outcome = bool;

    /// Says whether it was opened now.
    async fn apply(&self, tx: &mut Conn<'_>) -> Result<bool, sqlx::Error> {
        Alone::Account(&self.account).wait(tx).await?;
        if available(tx, &self.account).await?.is_some() {
            return Ok(false);
        }
        sql::query("insert into account (id, created_at) values (?, ?)")
            .bind(&self.account)
            .bind(self.now)
            .execute(&mut *tx)
            .await?;
        if self.demo > 0 {
            let note = Some("to try things with");
            grant(tx, &self.account, self.demo, Some(DEMO_KEY), note, self.now).await?;
        }
        Ok(true)
    }
}

/// Gives credits to an account that is open.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The account.
    pub account: String,
    /// How much, in micro-credits; above 0.
    pub amount: i64,
    /// The client's own key: the same grant again is the same entry.
    pub idempotency_key: Option<String>,
    /// What to note about it.
    pub note: Option<String>,
    /// UTC milliseconds.
    pub now: i64,
}

/// What became of a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Granted {
    /// It is in the ledger.
    New(Entry),
    /// The same key was used for the same grant: its entry.
    Repeated(Entry),
    /// The same key was used for a grant of another amount or with another note.
    KeyReused,
    /// The account would have been granted more than [`MOST_EVER`].
    TooMuch {
        /// What it may still be granted, in micro-credits.
        room: i64,
    },
}

impl Change for Grant {
    type Outcome = Granted;

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<Granted, sqlx::Error> {
        let key = self.idempotency_key.as_ref().map(|key| format!("client:{key}"));
        let granted = granted(tx, &self.account).await?;
        if let Some(earlier) = find_grant(tx, &self.account, key.as_deref()).await? {
            let same = earlier.amount == self.amount && earlier.note == self.note;
            return Ok(if same { Granted::Repeated(earlier) } else { Granted::KeyReused });
        }
        let room = MOST_EVER - granted.unwrap_or_default();
        if self.amount > room {
            return Ok(Granted::TooMuch { room });
        }
        let note = self.note.as_deref();
        let entry = grant(tx, &self.account, self.amount, key.as_deref(), note, self.now).await?;
        Ok(Granted::New(entry))
    }
}

/// What an account was ever granted, which nobody changes until the transaction is over.
async fn granted(tx: &mut Conn<'_>, account: &str) -> Result<Option<i64>, sqlx::Error> {
    sql::query_scalar(format!("select granted from account where id = ? {}", kept_row(tx)))
        .bind(account)
        .fetch_optional(tx)
        .await
}

async fn find_grant(
    tx: &mut Conn<'_>,
    account: &str,
    key: Option<&str>,
) -> Result<Option<Entry>, sqlx::Error> {
    let row = sql::query("select * from ledger where account_id = ? and key = ?")
        .bind(account)
        .bind(key)
        .fetch_optional(tx)
        .await?;
    row.as_ref().map(decode).transpose()
}

async fn grant(
    tx: &mut Conn<'_>,
    account: &str,
    amount: i64,
    key: Option<&str>,
    note: Option<&str>,
    now: i64,
) -> Result<Entry, sqlx::Error> {
    let id: i64 = sql::query_scalar(
        "insert into ledger (account_id, entry, amount, key, note, at) \
         values (?, 'grant', ?, ?, ?, ?) returning id",
    )
    .bind(account)
    .bind(amount)
    .bind(key)
    .bind(note)
    .bind(now)
    .fetch_one(&mut *tx)
    .await?;
    // Read again: what is available afterwards was booked by a trigger.
    let row = sql::query("select * from ledger where id = ?").bind(id).fetch_one(tx).await?;
    decode(&row)
}

/// What new jobs may hold, which nobody else changes until the transaction is over; nothing for an account
/// that is not open.
pub(super) async fn available(
    tx: &mut Conn<'_>,
    account: &str,
) -> Result<Option<i64>, sqlx::Error> {
    sql::query_scalar(format!("select available from account where id = ? {}", kept_row(tx)))
        .bind(account)
        .fetch_optional(tx)
        .await
}

/// Sets credits aside for a job that is in the queue.
pub(super) async fn hold(
    tx: &mut Conn<'_>,
    account: &str,
    job: &JobId,
    amount: i64,
    now: i64,
) -> Result<(), sqlx::Error> {
    sql::query(
        "insert into ledger (account_id, entry, amount, job_id, at) values (?, 'hold', ?, ?, ?)",
    )
    .bind(account)
    .bind(amount)
    .bind(job.as_str())
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

impl Db {
    /// An account's balance; nothing for an account that is not open.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn balance(&self, account: &str) -> Result<Option<Balance>, DbError> {
        Ok(kept((&self.pool).into(), account).await?)
    }

    /// An account's balance as it is kept and as the whole ledger adds up, in one snapshot. The two
    /// are the same; reading every entry takes as long as there are entries.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn audit(&self, account: &str) -> Result<Option<Audit>, DbError> {
        let mut tx = self.pool.snapshot().await?;
        let Some(kept) = kept((&mut tx.conn()).into(), account).await? else { return Ok(None) };
        let summed = summed(&mut tx.conn(), account).await?;
        tx.commit().await?;
        Ok(Some(Audit { kept, summed }))
    }

    /// Entries of an account, newest first; only those before the entry `before`, if given.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ledger(
        &self,
        account: &str,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Entry>, DbError> {
        let rows = sql::query(
            "select * from ledger where account_id = ? and id < ? order by id desc limit ?",
        )
        .bind(account)
        .bind(before.unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.iter().map(decode).collect::<Result<_, _>>()?)
    }
}

/// An entry of a job, and the account that it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfJob {
    /// Its id; later ones are higher.
    pub id: i64,
    /// The account.
    pub account: String,
    /// `hold`, `capture` or `release`.
    pub entry: String,
    /// Micro-credits.
    pub amount: i64,
    /// When, in UTC milliseconds.
    pub at: i64,
}

impl Db {
    /// What was held for a job, and what became of it, in order.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ledger_of(&self, job: &JobId) -> Result<Vec<OfJob>, DbError> {
        // By the indexes of holds and settlements, which are partial.
        let rows: Vec<(i64, String, String, i64, i64)> = sql::query_as(
            "select id, account_id, entry, amount, at from ledger \
                 where job_id = ?1 and entry = 'hold' \
             union all select id, account_id, entry, amount, at from ledger \
                 where job_id = ?1 and entry in ('capture', 'release') order by 1",
        )
        .bind(job.as_str())
        .fetch_all(&self.pool)
        .await?;
        let entry = |(id, account, entry, amount, at)| OfJob { id, account, entry, amount, at };
        Ok(rows.into_iter().map(entry).collect())
    }
}

async fn kept(tx: On<'_>, account: &str) -> Result<Option<Balance>, sqlx::Error> {
    let row: Option<(i64, i64, i64, i64)> =
        sql::query_as("select available, held, granted, captured from account where id = ?")
            .bind(account)
            .fetch_optional(tx)
            .await?;
    let balance =
        |(available, held, granted, captured)| Balance { available, held, granted, captured };
    Ok(row.map(balance))
}

async fn summed(tx: &mut Conn<'_>, account: &str) -> Result<Balance, sqlx::Error> {
    let (granted, captured, held): (i64, i64, i64) = sql::query_as(
        "select cast(coalesce(sum(amount) filter (where entry = 'grant'), 0) as bigint), \
             cast(coalesce(sum(amount) filter (where entry = 'capture'), 0) as bigint), \
             cast(coalesce(sum(amount) filter (where entry = 'hold' and not exists ( \
                 select 1 from ledger as settlement where settlement.job_id = ledger.job_id \
                     and settlement.entry in ('capture', 'release'))), 0) as bigint) \
         from ledger where account_id = ?",
    )
    .bind(account)
    .fetch_one(tx)
    .await?;
    Ok(Balance { available: granted - captured - held, held, granted, captured })
}
