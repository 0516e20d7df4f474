//! Rows of files that clients gave us.

use crate::job::{IdError, UploadId};

use super::alone::Alone;
use super::projects::{Full, Room};
use super::sql::{self, Conn, Row};
use super::{Change, Db, DbError, signed, unsigned};

/// A file that a client gave us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Its id.
    pub id: UploadId,
    /// Whose it is.
    pub project_id: String,
    /// What the client called it, for people who download it.
    pub name: String,
    /// What its bytes are.
    pub media_type: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// SHA-256 of its bytes, in lower-case hex.
    pub sha256: String,
    /// Its place in artifact storage.
    pub path: String,
    /// How long it plays, in milliseconds, where that is known.
    pub duration_ms: Option<u64>,
    /// How wide its picture is, in pixels, where that is known.
    pub width: Option<u32>,
    /// How high its picture is, in pixels, where that is known.
    pub height: Option<u32>,
    /// When it came, in UTC milliseconds.
    pub created_at: i64,
}

/// Adds the row of a file that is stored.
#[derive(Clone, Debug)]
pub struct Insert {
    /// The file.
    pub upload: Upload,
    /// Whether a file of the project with the same bytes stands in for it, if there is one: a file
    /// that stands in a request is then the same input each time the request is sent.
    pub may_reuse: bool,
    /// How much its project may have.
    pub room: Room,
}

/// What became of the row of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// The file that is kept; the one that was there before where that stands in for it.
    Kept(Upload),
    /// Another file came meanwhile, and there is no room for this one.
    Full(Full),
}

impl Change for Insert {
    type Outcome = Inserted;

    async fn apply(&self, tx: &mut Conn<'_>) -> Result<Inserted, sqlx::Error> {
        let upload = &self.upload;
        Alone::Project(&upload.project_id).wait(tx).await?;
        if self.may_reuse
            && let Some(same) = self.same(tx).await?
        {
            return Ok(Inserted::Kept(same));
        }
        if let Some(full) = self.room.for_file(tx, &upload.project_id, upload.bytes).await? {
            return Ok(Inserted::Full(full));
        }
        sql::query(
            "insert into upload (id, project_id, name, media_type, bytes, sha256, path, \
                 duration_ms, width, height, created_at) \
             values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(upload.id.as_str())
        .bind(&upload.project_id)
        .bind(&upload.name)
        .bind(&upload.media_type)
        .bind(signed(upload.bytes))
        .bind(&upload.sha256)
        .bind(&upload.path)
        .bind(upload.duration_ms.map(signed))
        .bind(upload.width)
        .bind(upload.height)
        .bind(upload.created_at)
        .execute(tx)
        .await?;
        Ok(Inserted::Kept(upload.clone()))
    }
}

impl Insert {
    async fn same(&self, tx: &mut Conn<'_>) -> Result<Option<Upload>, sqlx::Error> {
        let row = sql::query(
            "select * from upload where project_id = ? and sha256 = ? and media_type = ? \
             order by id limit 1",
        )
        .bind(&self.upload.project_id)
        .bind(&self.upload.sha256)
        .bind(&self.upload.media_type)
        .fetch_optional(tx)
        .await?;
        row.as_ref().map(decode).transpose()
    }
}

fn decode(row: &Row) -> Result<Upload, sqlx::Error> {
    let text = |error: IdError| sqlx::Error::Decode(error.into());
    let pixels = |name| Ok::<_, sqlx::Error>(row.try_get::<Option<i64>, _>(name)?.map(unsigned));
    Ok(Upload {
        id: row.try_get::<String, _>("id")?.parse().map_err(text)?,
        project_id: row.try_get("project_id")?,
        name: row.try_get("name")?,
        media_type: row.try_get("media_type")?,
        bytes: unsigned(row.try_get("bytes")?),
        sha256: row.try_get("sha256")?,
        path: row.try_get("path")?,
        duration_ms: row.try_get::<Option<i64>, _>("duration_ms")?.map(unsigned),
        width: pixels("width")?,
        height: pixels("height")?,
        created_at: row.try_get("created_at")?,
    })
}

impl Db {
    /// One upload.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn upload(&self, id: &UploadId) -> Result<Option<Upload>, DbError> {
        let row = sql::query("select * from upload where id = ?")
            .bind(id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.as_ref().map(decode).transpose()?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::projects::FILE_OVERHEAD;
    use super::super::rig::Rig;
    use super::*;

    fn upload() -> Upload {
        Upload {
            id: UploadId::generate(),
            project_id: "default".into(),
            name: "Über uns.mp4".into(),
            media_type: "video/mp4".into(),
            bytes: 5 << 32,
            sha256: "ab".into(),
            path: "uploads/upl_1/video.mp4".into(),
            duration_ms: Some(7_500),
            width: Some(1280),
            height: None,
            created_at: 1_795_176_000_123,
        }
    }

    #[tokio::test]
    async fn an_upload_reads_back_as_it_was_written() {
        let mut rig = Rig::empty().await;
        let upload = upload();
        let room = Room::default();
        let insert = || Insert { upload: upload.clone(), may_reuse: false, room };
        rig.apply(insert()).await.unwrap();
        assert!(rig.apply(insert()).await.is_err(), "an id is given once");
        assert_eq!(rig.db.upload(&upload.id).await.unwrap(), Some(upload));
        assert_eq!(rig.db.upload(&UploadId::generate()).await.unwrap(), None);
    }

    #[tokio::test]
    async fn the_same_bytes_stand_in_for_each_other_within_a_project() {
        let mut rig = Rig::empty().await;
        let first = upload();
        let insert = |upload: Upload| Insert { upload, may_reuse: true, room: Room::default() };
        let kept = |upload: &Upload| Inserted::Kept(upload.clone());
        assert_eq!(rig.apply(insert(first.clone())).await.unwrap(), kept(&first));
        let again = Upload { id: UploadId::generate(), ..first.clone() };
        assert_eq!(rig.apply(insert(again.clone())).await.unwrap(), kept(&first));
        let theirs = Upload { project_id: "other".into(), ..again };
        assert_eq!(rig.apply(insert(theirs.clone())).await.unwrap(), kept(&theirs));
    }

    #[tokio::test]
    async fn two_files_that_fit_one_by_one_do_not_both_pass() {
        let mut rig = Rig::empty().await;
        let room = Room { bytes: Some(2 * FILE_OVERHEAD + 10), ..Room::default() };
        let insert = |bytes: u64| {
            let upload = Upload { id: UploadId::generate(), bytes, ..upload() };
            Insert { upload, may_reuse: false, room }
        };
        assert!(matches!(rig.apply(insert(6)).await.unwrap(), Inserted::Kept(_)));
        let (limit, used) = (2 * FILE_OVERHEAD + 10, FILE_OVERHEAD + 6);
        let full = Inserted::Full(Full::Bytes { limit, used });
        assert_eq!(rig.apply(insert(6)).await.unwrap(), full);
        assert!(matches!(rig.apply(insert(4)).await.unwrap(), Inserted::Kept(_)));
    }
}
