//! How large the next file of a project may be.

use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use crate::db::projects::{FILE_OVERHEAD, Full, Room as OfProject};
use crate::http::{App, Code, Problem};

use super::receive;
use super::under_way::Share;

/// Room for one file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// The most that it may have, in bytes.
    pub(super) most: u64,
    /// What the project would then be at, where it is not the limit of a file that counts.
    project: Option<Full>,
    /// What it may take on disk, and took when this was asked for, in bytes.
    limit: u64,
    used: u64,
}

impl Room {
    /// Room for a file of this project, before any of it is read.
    ///
    /// # Errors
    /// [`Code::ProjectFull`], where there is none; [`Code::Unavailable`].
    pub(super) async fn of(app: &App, project: &str) -> Result<Self, Problem> {
        let most = app.options.upload_limit;
        let room = app.queue.room();
        let Some(limit) = room.bytes else {
            return Ok(Self { most, project: None, limit: u64::MAX, used: 0 });
        };
        let has = app.store.db().project_use(project).await?;
        if let Some(full) = room.on_disk(has) {
            return Err(full.into());
        }
        let left = (limit - has.bytes).saturating_sub(FILE_OVERHEAD);
        let project = (left < most).then_some(Full::Bytes { limit, used: has.bytes });
        Ok(Self { most: most.min(left), project, limit, used: has.bytes })
    }

    /// The bytes of a file as they come, while those of the project that are on their way together
    /// have room: each by itself would have it, however many there are.
    pub(super) fn watch<S>(
        self,
        share: &mut Share,
        chunks: S,
    ) -> impl Stream<Item = Result<Bytes, Problem>>
    where
        S: Stream<Item = Result<Bytes, Problem>>,
    {
        share.grow(FILE_OVERHEAD);
        chunks.map(move |chunk| {
            let chunk = chunk?;
            let used = self.used.saturating_add(share.grow(chunk.len() as u64));
            if used <= self.limit {
                return Ok(chunk);
            }
            Err(Full::Bytes { limit: self.limit, used }.into())
        })
    }

    /// What is wrong with a file that has more.
    pub(super) fn too_large(self) -> Problem {
        self.project.map_or_else(|| receive::too_large(self.most), Problem::from)
    }

    /// A problem with the size of a file, as what it is.
    pub(super) fn explain(self, problem: Problem) -> Problem {
        if problem.code() == Code::UploadTooLarge { self.too_large() } else { problem }
    }

    /// What the project may have, for the moment in which the file gets its row: another one may
    /// have come meanwhile.
    pub(super) fn of_project(app: &App) -> OfProject {
        app.queue.room()
    }
}

impl From<Full> for Problem {
    fn from(full: Full) -> Self {
        match full {
            Full::Jobs { limit } => {
                let detail = format!("{limit} jobs of the project may wait, and do");
                Self::new(Code::TooManyJobs, detail).with("limit", limit)
            }
            Full::Bytes { limit, used } => {
                let detail =
                    format!("the project may take {limit} bytes on disk, and takes {used} now");
                Self::new(Code::ProjectFull, detail).with("limit", limit).with("used", used)
            }
        }
    }
}
