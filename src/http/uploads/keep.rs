//! A file that is here gets its place and its row.

use futures_util::stream;

use crate::artifact::data_url::{self, DataUrlError};
use crate::artifact::{Artifacts, Family, Folder, Sniffed, Staged};
use crate::db::projects::Room as OfProject;
use crate::db::uploads::{Insert, Inserted, Upload};
use crate::event::now_ms;
use crate::http::{App, Code, Problem};
use crate::job::UploadId;
use crate::store::Store;

use super::receive::{self, Received};
use super::room::Room;

/// Stores a file of this family that a client sent as a `data:` URL, for a project whose name is
/// valid. Its media type is what its bytes are, whatever the URL says. The same bytes are stored
/// once: a request that is sent again names the same file, and is known to be the same.
///
/// # Errors
/// What is wrong with the text (the caller knows its field and names it), or why it cannot be
/// stored now.
///
/// # Cancel safety
/// It is then stored, with its row, or not.
pub async fn store_data_url(
    app: &App,
    project: &str,
    text: &str,
    family: Family,
) -> Result<Upload, Problem> {
    let (room, project_id) = (Room::of(app, project).await?, project.to_owned());
    let staged = stage_data_url(&app.artifacts, room.most, text, family).await;
    let (staged, sniffed) = staged.map_err(|problem| room.explain(problem))?;
    let name = sniffed.file_name();
    let received = Received { staged, sniffed, name, project_id, share: None };
    in_task(app, received, true).await
}

async fn stage_data_url(
    artifacts: &Artifacts,
    limit: u64,
    text: &str,
    family: Family,
) -> Result<(Staged, Sniffed), Problem> {
    let bytes = data_url::decode(text, limit).map_err(|error| match error {
        DataUrlError::TooLarge { limit } => receive::too_large(limit),
        DataUrlError::Form | DataUrlError::Encoding(_) => {
            Problem::new(Code::InvalidField, error.to_string())
        }
    })?;
    let (staged, sniffed) = receive::stage(artifacts, limit, stream::iter([Ok(bytes)])).await?;
    if sniffed.family != family {
        let detail = format!("the data is of the type {}, not {family}/…", sniffed.media_type);
        return Err(Problem::new(Code::NotMedia, detail));
    }
    Ok((staged, sniffed))
}

/// Gives a file its place and its row, in a task of its own: a client that leaves now leaves no
/// file without a row.
pub(super) async fn keep(app: &App, received: Received) -> Result<Upload, Problem> {
    in_task(app, received, false).await
}

async fn in_task(app: &App, received: Received, may_reuse: bool) -> Result<Upload, Problem> {
    let (store, artifacts, room) =
        (app.store.clone(), app.artifacts.clone(), Room::of_project(app));
    let keeping =
        tokio::spawn(async move { insert(&store, &artifacts, received, may_reuse, room).await });
    keeping.await.map_err(|error| {
        tracing::error!(%error, "an upload could not be kept");
        Problem::new(Code::Internal, "the file could not be stored")
    })?
}

async fn insert(
    store: &Store,
    artifacts: &Artifacts,
    received: Received,
    may_reuse: bool,
    room: OfProject,
) -> Result<Upload, Problem> {
    // What it takes counts twice for a moment rather than not at all.
    let Received { staged, sniffed, name, project_id, share: _share } = received;
    let id = UploadId::generate();
    let probe = staged.probe(sniffed.media_type).await;
    let stored = staged.publish(&Folder::Upload(id.clone()), &sniffed.file_name()).await;
    let stored = stored.map_err(|error| receive::not_stored(&error))?;
    let upload = Upload {
        id,
        project_id,
        name,
        media_type: sniffed.media_type.into(),
        bytes: stored.bytes,
        sha256: stored.sha256,
        path: stored.path,
        duration_ms: probe.duration_ms,
        width: probe.width,
        height: probe.height,
        created_at: now_ms(),
    };
    let path = upload.path.clone();
    let inserted = store.journal().change(Insert { upload, may_reuse, room }).await;
    let kept = match inserted {
        Ok(Inserted::Kept(kept)) => Ok(kept),
        Ok(Inserted::Full(full)) => Err(full.into()),
        Err(error) => Err(error.into()),
    };
    if !kept.as_ref().is_ok_and(|kept: &Upload| kept.path == path)
        && let Err(error) = artifacts.remove(&path).await
    {
        tracing::warn!(%error, path, "a file stays that has no row");
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::testing;
    use crate::db::{self, Db, Writer};
    use crate::store::journal::Feed;
    use crate::store::{Journal, Options};
    use tokio_util::sync::CancellationToken;

    const GIF: &str = "data:image/png;base64,R0lGODlhQAHwAAAAADs=";

    struct Rig {
        _folder: tempfile::TempDir,
        artifacts: Artifacts,
        db: Db,
        store: Store,
        journal: Option<(Writer, Feed)>,
    }

    impl Rig {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let (db, mut writer, _) = db::open(folder.path()).await.unwrap();
            let epochs = writer.begin_epoch(now_ms()).await.unwrap();
            let (journal, feed) = Journal::new(epochs.last_committed());
            let store = Store::new(db.clone(), epochs, Options::default(), journal);
            let artifacts = testing::open(&folder.path().join("artifacts")).await;
            Self { _folder: folder, artifacts, db, store, journal: Some((writer, feed)) }
        }

        async fn keep(&self, text: &str) -> Result<Upload, Problem> {
            let staged = stage_data_url(&self.artifacts, 100, text, Family::Image).await;
            let (staged, sniffed) = staged?;
            let (name, project_id) = (sniffed.file_name(), "p".into());
            let received = Received { staged, sniffed, name, project_id, share: None };
            insert(&self.store, &self.artifacts, received, true, OfProject::default()).await
        }
    }

    #[tokio::test]
    async fn a_data_url_becomes_an_upload_of_what_it_is() {
        let mut rig = Rig::new().await;
        let (writer, feed) = rig.journal.take().unwrap();
        let stop = CancellationToken::new();
        let journal = tokio::spawn(rig.store.clone().run_journal(writer, feed, stop.clone()));
        let upload = rig.keep(GIF).await.unwrap();
        assert_eq!((upload.media_type.as_str(), upload.bytes), ("image/gif", 14));
        assert_eq!((upload.width, upload.height), (Some(320), Some(240)));
        assert_eq!(upload.path, format!("uploads/{}/image.gif", upload.id));
        assert_eq!(rig.artifacts.size(&upload.path).await.unwrap(), 14);
        assert_eq!(rig.db.upload(&upload.id).await.unwrap().as_ref(), Some(&upload));
        assert_eq!(rig.keep(GIF).await.unwrap(), upload, "the same bytes are one upload");
        stop.cancel();
        journal.await.unwrap();
    }

    #[tokio::test]
    async fn a_file_whose_row_is_not_written_does_not_stay() {
        let mut rig = Rig::new().await;
        rig.journal = None;
        assert_eq!(rig.keep(GIF).await.unwrap_err().code(), Code::Draining);
        let files = testing::files(&rig.artifacts).await;
        assert!(files.iter().all(|file| !file.starts_with("uploads/")), "{files:?}");
    }

    #[tokio::test]
    async fn what_is_no_such_file_is_told() {
        let rig = Rig::new().await;
        let long = format!("data:;base64,{}", "A".repeat(200));
        for (text, code) in [
            ("https://a.example/b.png", Code::InvalidField),
            ("data:image/png,abc", Code::InvalidField),
            ("data:image/png;base64,*", Code::InvalidField),
            ("data:image/png;base64,PHN2Zz4=", Code::NotMedia),
            ("data:image/png;base64,SUQzBAAAAAAAI1RTU0U=", Code::NotMedia),
            (&long, Code::UploadTooLarge),
        ] {
            assert_eq!(rig.keep(text).await.unwrap_err().code(), code, "{text}");
        }
    }
}
