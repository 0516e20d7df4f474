//! Faults of what is around the database: the artifact folder, the clock.

use std::path::Path;
use std::time::Duration;

use crate::failure::Failure;
use crate::plan::ArtifactTrouble;
use crate::{disk, say};

use super::Striker;

/// How long a process may go on with the time of day that it has seen.
const CLOCK_CACHE: Duration = Duration::from_millis(1500);

impl Striker {
    pub(super) async fn break_artifacts(
        &mut self,
        trouble: ArtifactTrouble,
        hold: Duration,
        kill: bool,
    ) -> Result<(), Failure> {
        let folder = self.server.setup().data.join("artifacts");
        let away = folder.with_extension("away");
        let failed = |error| Failure::machine("the artifact folder", error);
        let trouble = match trouble {
            ArtifactTrouble::ReadOnly if !disk::cover(&folder) => {
                say::line("  nothing can be mounted here: it is renamed away instead");
                ArtifactTrouble::Gone
            }
            trouble => trouble,
        };
        if trouble != ArtifactTrouble::ReadOnly {
            std::fs::rename(&folder, &away).map_err(failed)?;
        }
        if trouble == ArtifactTrouble::Replaced {
            std::fs::write(&folder, "no folder").map_err(failed)?;
        }
        let held = self.hold(hold, kill).await;
        match trouble {
            ArtifactTrouble::ReadOnly => {
                disk::uncover(&folder);
            }
            ArtifactTrouble::Replaced => {
                std::fs::remove_file(&folder).map_err(failed)?;
                std::fs::rename(&away, &folder).map_err(failed)?;
            }
            ArtifactTrouble::Gone => merge(&away, &folder).map_err(failed)?,
        }
        held?;
        self.ensure_started().await
    }

    /// Sets the clock wrong by so many hours, or right again.
    pub(super) async fn set_clock(&mut self, hours: i32) -> Result<(), Failure> {
        self.hours = if self.hours == 0 { hours } else { 0 };
        if let Some(clock) = &self.server.setup().clock {
            clock.set(self.hours)?;
            say::line(&format!("  it is {:+} h now", self.hours));
            tokio::time::sleep(CLOCK_CACHE).await;
        }
        Ok(())
    }
}

/// Moves what is in a folder to where it was: the server has made a new one there meanwhile, as a
/// rule, with files of its own.
fn merge(away: &Path, folder: &Path) -> std::io::Result<()> {
    if !folder.exists() {
        return std::fs::rename(away, folder);
    }
    for entry in std::fs::read_dir(away)? {
        let entry = entry?;
        let target = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() && target.exists() {
            merge(&entry.path(), &target)?;
        } else {
            std::fs::rename(entry.path(), target)?;
        }
    }
    std::fs::remove_dir(away)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_renamed_away_comes_back_beside_what_was_made_meanwhile() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        };
        ["away/job_1/1/a", "away/job_2/1/a", "folder/job_1/2/a", "folder/job_3/1/a"]
            .iter()
            .for_each(|path| write(path));
        merge(&root.path().join("away"), &root.path().join("folder")).unwrap();
        for path in ["job_1/1/a", "job_1/2/a", "job_2/1/a", "job_3/1/a"] {
            assert!(root.path().join("folder").join(path).exists(), "{path}");
        }
        assert!(!root.path().join("away").exists());
    }
}
