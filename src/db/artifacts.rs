//! Rows of files.

use crate::event::EventId;
use crate::event::payload::Artifact;
use crate::job::{ArtifactId, JobId, StoredArtifact};

use super::sql::{self, Conn, Row};
use super::{Db, DbError, readable, signed, unsigned};

/// Everything of a file's row, in the order in which [`decode`] reads it.
pub(super) const COLUMNS: &str = "id, job_id, attempt, kind, media_type, name, path, url, bytes, \
                       duration_ms, width, height, sha256, voice, status, ready_event_id, \
                       tts_event_id";

/// A file's row.
#[derive(Clone, Debug)]
pub struct ArtifactRow {
    /// The job that makes it.
    pub job: JobId,
    /// The file; its size and place mean something once it is ready.
    pub stored: StoredArtifact,
    /// Whether the file is stored.
    pub ready: bool,
    /// Whether a committed `artifact_ready` announced it.
    pub announced: bool,
    /// Whether a committed `tts_completed` announced it.
    pub narrated: bool,
}

/// Where a client fetches a file of ours.
#[must_use]
pub fn content_url(id: &ArtifactId) -> String {
    format!("/api/artifacts/{id}/content")
}

pub(super) fn decode(row: &Row) -> Result<ArtifactRow, sqlx::Error> {
    let text = |error: crate::job::IdError| sqlx::Error::Decode(error.into());
    let id: ArtifactId = row.try_get::<String, _>("id")?.parse().map_err(text)?;
    let path: Option<String> = row.try_get("path")?;
    let url: Option<String> = row.try_get("url")?;
    let duration_ms = row.whole("duration_ms")?;
    let url = match (&path, url) {
        (None, Some(url)) => url,
        _ => content_url(&id),
    };
    let pixels = |name: &str| Ok::<_, sqlx::Error>(row.whole(name)?.map(unsigned));
    let view = Artifact {
        id: id.to_string(),
        kind: row.try_get("kind")?,
        media_type: row.try_get("media_type")?,
        url,
        bytes: unsigned(row.whole("bytes")?.unwrap_or(0)),
        duration_ms: duration_ms.map(unsigned),
        width: pixels("width")?,
        height: pixels("height")?,
    };
    Ok(ArtifactRow {
        job: row.try_get::<String, _>("job_id")?.parse().map_err(text)?,
        stored: StoredArtifact {
            view,
            id,
            attempt: unsigned(row.try_get("attempt")?),
            name: row.try_get("name")?,
            path,
            sha256: row.try_get("sha256")?,
            voice: row.try_get("voice")?,
        },
        ready: row.try_get::<String, _>("status")? == "ready",
        announced: row.try_get::<Option<i64>, _>("ready_event_id")?.is_some(),
        narrated: row.try_get::<Option<i64>, _>("tts_event_id")?.is_some(),
    })
}

/// Writes what `artifact_ready` says, in the transaction of that event. A newer attempt's file
/// takes the row over; an older one's never does.
pub(super) async fn announce(
    tx: &mut Conn<'_>,
    job: &JobId,
    artifact: &StoredArtifact,
    event: EventId,
    at: i64,
) -> Result<(), sqlx::Error> {
    let remote = artifact.path.is_none().then_some(artifact.view.url.as_str());
    sql::query(
        "insert into artifact (id, job_id, attempt, kind, media_type, name, path, url, bytes, \
             duration_ms, sha256, voice, status, created_at, ready_event_id, width, height) \
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 'ready', ?13, ?14, ?15, ?16) \
         on conflict (id) do update set attempt = excluded.attempt, kind = excluded.kind, \
             media_type = excluded.media_type, name = excluded.name, path = excluded.path, \
             url = excluded.url, bytes = excluded.bytes, duration_ms = excluded.duration_ms, \
             width = excluded.width, height = excluded.height, \
             sha256 = excluded.sha256, voice = coalesce(excluded.voice, artifact.voice), \
             status = 'ready', ready_event_id = excluded.ready_event_id, tts_event_id = null \
         where excluded.attempt >= artifact.attempt",
    )
    .bind(artifact.id.as_str())
    .bind(job.as_str())
    .bind(i64::from(artifact.attempt))
    .bind(&artifact.view.kind)
    .bind(&artifact.view.media_type)
    .bind(&artifact.name)
    .bind(&artifact.path)
    .bind(remote)
    .bind(signed(artifact.view.bytes))
    .bind(artifact.view.duration_ms.map(signed))
    .bind(&artifact.sha256)
    .bind(&artifact.voice)
    .bind(at)
    .bind(event.to_i64())
    .bind(artifact.view.width)
    .bind(artifact.view.height)
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn announce_narration(
    tx: &mut Conn<'_>,
    artifact: &ArtifactId,
    event: EventId,
) -> Result<(), sqlx::Error> {
    sql::query("update artifact set tts_event_id = ? where id = ?")
        .bind(event.to_i64())
        .bind(artifact.as_str())
        .execute(tx)
        .await?;
    Ok(())
}

/// A file whose id is handed out before it exists.
#[derive(Clone, Debug)]
pub struct Reserved {
    /// Its id.
    pub id: ArtifactId,
    /// `markdown`, `html`, `voice`, `image` or `video`.
    pub kind: &'static str,
    /// The media type that it is expected to have.
    pub media_type: String,
}

pub(super) async fn reserve(
    tx: &mut Conn<'_>,
    job: &JobId,
    artifact: &Reserved,
    now: i64,
) -> Result<(), sqlx::Error> {
    sql::query(
        "insert into artifact (id, job_id, kind, media_type, status, created_at) \
         values (?, ?, ?, ?, 'reserved', ?)",
    )
    .bind(artifact.id.as_str())
    .bind(job.as_str())
    .bind(artifact.kind)
    .bind(&artifact.media_type)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

impl Db {
    /// One file's row.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn artifact(&self, id: &ArtifactId) -> Result<Option<ArtifactRow>, DbError> {
        let row = sql::query(format!("select {COLUMNS} from artifact where id = ?"))
            .bind(id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.as_ref().map(decode).transpose()?)
    }

    /// Every file's row of a job, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn artifacts_of(&self, job: &JobId) -> Result<Vec<ArtifactRow>, DbError> {
        let rows = sql::query(format!(
            "select {COLUMNS} from artifact where job_id = ? order by created_at, id"
        ))
        .bind(job.as_str())
        .fetch_all(&self.pool)
        .await?;
        Ok(readable(&rows, decode).collect())
    }
}
