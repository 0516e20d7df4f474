//! The place of files: one is written, read and deleted.

use std::fs;
use std::time::Instant;

use bytes::Bytes;
use futures_util::TryStreamExt;

use crate::artifact::{ArtifactError, Location};
use crate::config::Settings;
use crate::job::JobId;
use crate::server;

use super::Finding;
use super::database::tempfile_in;
use super::space::nearest;

const CHECK: &str = "storage";

/// What is written.
const TEXT: &str = "The doctor was here, and has forgotten this file.\n";

/// From how long on it is slow.
const SLOW_MS: u128 = 1_000;

/// Tries the place that the settings say. A folder that is not there is not made.
pub(super) async fn check(settings: &Settings) -> Finding {
    let folder = match &settings.artifacts {
        Some(Location::Folder(path)) => Some(path.clone()),
        Some(Location::Bucket(_)) => None,
        None => Some(settings.data.clone()),
    };
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        let shown = folder.display();
        let there = nearest(&folder).ok_or_else(|| "it leads nowhere".to_owned());
        let tried = there.and_then(|there| tempfile_in(&there).map_err(|error| error.to_string()));
        return match tried {
            Ok(()) => Finding::good(CHECK, format!("none yet: a start makes {shown}")),
            Err(why) => Finding::fault(CHECK, format!("a start could not make {shown}: {why}")),
        };
    }
    let place = settings
        .artifacts
        .as_ref()
        .map_or_else(|| settings.data.join("artifacts").display().to_string(), Location::to_string);
    let begin = Instant::now();
    match there_and_back(settings).await {
        Ok(()) => {
            let took = begin.elapsed().as_millis();
            let text = format!("a file was written to {place}, read and deleted in {took} ms");
            let finding = if took > SLOW_MS {
                Finding::warning(CHECK, format!("{text}: that is slow"))
            } else {
                Finding::good(CHECK, text)
            };
            finding.with("took_ms", u64::try_from(took).unwrap_or(u64::MAX))
        }
        Err(error) => Finding::fault(CHECK, error.to_string()),
    }
}

async fn there_and_back(settings: &Settings) -> Result<(), ArtifactError> {
    let files = server::files(settings).await?;
    let job = JobId::generate();
    let stored = files.put(&job, 1, "doctor.txt", Bytes::from_static(TEXT.as_bytes())).await?;
    let read: Vec<Bytes> = files.read(&stored.path, None).await?.try_collect().await?;
    files.remove(&stored.path).await?;
    if let Some(Location::Folder(_)) | None = &settings.artifacts {
        let folder = settings
            .artifacts
            .as_ref()
            .map_or_else(|| settings.data.join("artifacts"), |place| place.to_string().into());
        // Only while they are empty, which those of a job are not.
        let job = folder.join(job.to_string());
        fs::remove_dir(job.join("1")).ok();
        fs::remove_dir(job).ok();
    }
    if read.concat() != TEXT.as_bytes() {
        return Err(ArtifactError::Missing(stored.path));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[tokio::test]
    async fn nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings { data: folder.path().into(), ..Settings::default() };
        let finding = check(&settings).await;
        assert_eq!(finding.verdict, Verdict::Good, "{finding:?}");
        let left = fs::read_dir(folder.path().join("artifacts")).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| !name.to_string_lossy().starts_with("job_")), "{left:?}");
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_used_is_told() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("artifacts"), "a file").unwrap();
        let settings = Settings { data: folder.path().into(), ..Settings::default() };
        assert_eq!(check(&settings).await.verdict, Verdict::Fault);
    }
}
