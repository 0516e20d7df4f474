//! Whether a project has room on disk for what its workers say.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::db::projects::Full;
use crate::store::project::{Project, Space};
use crate::sync::MutexGuard;

use super::Queue;

/// How often the database is asked what a project takes, at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Queue {
    /// Why this project's workers may say nothing more than how their jobs end.
    ///
    /// Events do not wait for a database, so this is what was known a second ago: a project takes a
    /// little more than it may, by what was said meanwhile.
    #[must_use]
    pub fn is_full(&self, project: &Arc<Project>) -> Option<Full> {
        let room = self.room();
        room.bytes?;
        let mut space = lock(project);
        if space.looked_at.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
            space.looked_at = Some(Instant::now());
            tokio::spawn(self.clone().look(Arc::clone(project)));
        }
        room.on_disk(space.taken)
    }

    async fn look(self, project: Arc<Project>) {
        match self.store().db().project_use(&project.name).await {
            Ok(taken) => lock(&project).taken = taken,
            // Events go on without a database, until the journal is full.
            Err(error) => tracing::debug!(%error, "what a project takes on disk is not known"),
        }
    }
}

fn lock(project: &Project) -> MutexGuard<'_, Space> {
    project.space.lock().unwrap_or_else(PoisonError::into_inner)
}
