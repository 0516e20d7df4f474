//! Rows of keys, and of the sessions that were opened with them.

use crate::job::{IdError, KeyId};

use super::sql::{self, Conn, Row};
use super::{Change, Db, DbError};

/// A key that is kept, or a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// Its id, which is no secret.
    pub id: KeyId,
    /// SHA-256 of its secret.
    pub hash: [u8; 32],
    /// What people call it.
    pub name: String,
    /// Words of its scopes, a space between them.
    pub scopes: String,
    /// The only project that it is for; nothing for all of them.
    pub project_id: Option<String>,
    /// Of a session, the key that opened it.
    pub parent_id: Option<KeyId>,
    /// UTC milliseconds.
    pub created_at: i64,
    /// When it ends by itself, in UTC milliseconds.
    pub expires_at: Option<i64>,
    /// When it was revoked, in UTC milliseconds.
    pub revoked_at: Option<i64>,
    /// When it was last used, in UTC milliseconds; a minute late at most.
    pub last_used_at: Option<i64>,
}

impl KeyRow {
    /// A key for all projects, without a name or an end.
    #[must_use]
    pub fn new(hash: &[u8; 32], scopes: String, now: i64) -> Self {
        Self {
            id: KeyId::generate(),
            hash: *hash,
            name: String::new(),
            scopes,
            project_id: None,
            parent_id: None,
            created_at: now,
            expires_at: None,
            revoked_at: None,
            last_used_at: None,
        }
    }
}

fn decode(row: &Row) -> Result<KeyRow, sqlx::Error> {
    let id = |text: String| {
        text.parse::<KeyId>().map_err(|error: IdError| sqlx::Error::Decode(error.into()))
    };
    let hash: Vec<u8> = row.try_get("hash")?;
    Ok(KeyRow {
        id: id(row.try_get("id")?)?,
        hash: hash.try_into().map_err(|_| sqlx::Error::Decode("a hash has 32 bytes".into()))?,
        name: row.try_get("name")?,
        scopes: row.try_get("scopes")?,
        project_id: row.try_get("project_id")?,
        parent_id: row.try_get::<Option<String>, _>("parent_id")?.map(id).transpose()?,
        created_at: row.try_get("created_at")?,
        expires_at: row.try_get("expires_at")?,
        revoked_at: row.try_get("revoked_at")?,
        last_used_at: row.try_get("last_used_at")?,
    })
}

/// How many sessions one key has. Each is in the memory of every process, and read again whenever a key
/// changes; whoever opens one more ends the oldest.
pub const SESSIONS: u32 = 100;

/// Adds a key, or a session in place of its key's oldest.
#[derive(Clone, Debug)]
pub struct Insert(pub KeyRow);

impl Change for Insert {
    type Outcome = ();

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<(), sqlx::Error> {
        let row = &self.0;
        sql::query(
            "insert into api_key (id, hash, name, scopes, project_id, parent_id, created_at, \
                 expires_at) values (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(row.id.as_str())
        .bind(row.hash.as_slice())
        .bind(&row.name)
        .bind(&row.scopes)
        .bind(&row.project_id)
        .bind(row.parent_id.as_ref().map(KeyId::as_str))
        .bind(row.created_at)
        .bind(row.expires_at)
        .execute(&mut *tx)
        .await?;
        let Some(parent) = &row.parent_id else { return Ok(()) };
        sql::query(
            "delete from api_key where parent_id = ?1 and rowid not in \
                 (select rowid from api_key where parent_id = ?1 order by rowid desc limit ?2)",
        )
        .bind(parent.as_str())
        .bind(SESSIONS)
        .execute(tx)
        .await?;
        Ok(())
    }
}

/// Revokes a key, and every session that was opened with it.
#[derive(Clone, Debug)]
pub struct Revoke {
    /// The key, or one session.
    pub id: KeyId,
    /// UTC milliseconds.
    pub now: i64,
}

/// What became of a revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// It may nothing from now on.
    Now,
    /// It was revoked before.
    Before,
    /// There is no such key.
    Unknown,
}

impl Change for Revoke {
    type Outcome = Revoked;

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<Revoked, sqlx::Error> {
        let revoked: Option<Option<i64>> =
            sql::query_scalar("select revoked_at from api_key where id = ?")
                .bind(self.id.as_str())
                .fetch_optional(&mut *tx)
                .await?;
        match revoked {
            None => return Ok(Revoked::Unknown),
            Some(Some(_)) => return Ok(Revoked::Before),
            Some(None) => {}
        }
        sql::query(
            "update api_key set revoked_at = ?1 \
             where (id = ?2 or parent_id = ?2) and revoked_at is null",
        )
        .bind(self.now)
        .bind(self.id.as_str())
        .execute(tx)
        .await?;
        Ok(Revoked::Now)
    }
}

/// Notes when keys were last used, and removes sessions that are over.
#[derive(Clone, Debug)]
pub struct Tidy {
    /// Keys, each with a time in UTC milliseconds.
    pub used: Vec<(KeyId, i64)>,
    /// UTC milliseconds.
    pub now: i64,
}

impl Change for Tidy {
    type Outcome = ();

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<(), sqlx::Error> {
        for (id, at) in &self.used {
            sql::query(
                "update api_key set last_used_at = max(?2, coalesce(last_used_at, 0)) where id = ?1",
            )
            .bind(id.as_str())
            .bind(at)
            .execute(&mut *tx)
            .await?;
        }
        sql::query(
            "delete from api_key where parent_id is not null \
                 and (expires_at <= ?1 or revoked_at is not null)",
        )
        .bind(self.now)
        .execute(tx)
        .await?;
        Ok(())
    }
}

/// What changes whenever a key comes or is revoked. Sessions are removed as well, so that counts alone
/// could be the same again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeysVersion {
    count: i64,
    revoked: i64,
    places: i64,
    created_at: i64,
    revoked_at: i64,
}

impl Db {
    /// Keys and sessions, oldest first, revoked ones too.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn keys(&self) -> Result<Vec<KeyRow>, DbError> {
        let rows = sql::query("select * from api_key order by rowid").fetch_all(&self.pool).await?;
        Ok(rows.iter().map(decode).collect::<Result<_, _>>()?)
    }

    /// Whether anything has changed since it was last asked for.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn keys_version(&self) -> Result<KeysVersion, DbError> {
        let (count, revoked, places, created_at, revoked_at) = sql::query_as(
            "select count(*), count(revoked_at), cast(coalesce(sum(rowid), 0) as bigint), \
                 coalesce(max(created_at), 0), coalesce(max(revoked_at), 0) from api_key",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(KeysVersion { count, revoked, places, created_at, revoked_at })
    }
}
