//! Fetching what a provider made, before its addresses expire.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::artifact::Folder;
use crate::backoff::no_sooner_than;
use crate::db::artifacts::content_url;
use crate::event::payload::Artifact;
use crate::job::{ArtifactId, JobId, StoredArtifact};
use crate::provider::Error;
use crate::telemetry::metrics;
use crate::telemetry::trail::{self, About};

use super::super::download::{FetchError, Fetched, Wanted};
use super::super::{Halt, Workshop, retry};
use super::{Files, Work};

/// The most files that are kept of one job.
const MOST_FILES: usize = 16;

/// What of a provider's answer is worth keeping: what later jobs refer to.
const KEPT: [&str; 2] = ["video_id", "seed"];

impl Work<'_> {
    /// Stores every file of the answer and announces it; the error when an address has expired.
    ///
    /// # Errors
    /// The reason to stop.
    pub(super) async fn collect(&mut self, answer: &Value) -> Result<Result<Files, Error>, Halt> {
        let urls = self.model.output.urls(answer);
        if urls.is_empty() {
            let message = "the provider says that it is done and names no file";
            return Err(Halt::failed("no_output", message, true));
        }
        self.tell(92, "downloading", None).await?;
        let mut files = Files { ids: Vec::new(), duration_ms: None, kept: kept(answer) };
        for (index, url) in urls.iter().take(MOST_FILES).enumerate() {
            let fetched = match self.fetch(index, url).await? {
                Ok(fetched) => fetched,
                Err(error) => return Ok(Err(error)),
            };
            if index == 0 {
                files.duration_ms = fetched.probe.duration_ms;
            }
            let stored = self.artifact(index, fetched).await?;
            files.ids.push(stored.view.id.clone());
            self.run.announce(stored).await?;
        }
        Ok(Ok(files))
    }

    async fn fetch(&self, number: usize, url: &str) -> Result<Result<Fetched, Error>, Halt> {
        let job = &self.run.claimed.job;
        let wanted = Wanted {
            url,
            folder: &Folder::Job(job.id.clone(), job.attempt),
            number,
            trusted: self.maker.setup.trusted_host.as_deref(),
        };
        let Workshop { downloader, artifacts, .. } = &self.run.workshop;
        let mut delays = retry::RETRY.delays();
        loop {
            let began = std::time::Instant::now();
            let fetched = self.run.or_halt(downloader.fetch(artifacts, wanted)).await?;
            self.note_fetch(began, fetched.as_ref().err());
            let error = match fetched {
                Ok(fetched) => return Ok(Ok(fetched)),
                Err(FetchError::Provider(error @ Error::Expired { .. })) => return Ok(Err(error)),
                Err(error) => error,
            };
            let Some(delay) = delays.next().filter(|_| error.is_retryable()) else {
                return Err(error.into());
            };
            tracing::info!(job = %job.id, %error, "fetching a file again");
            let delay = no_sooner_than(self.maker.scaled(delay), error.retry_after());
            self.run.or_halt(tokio::time::sleep(delay)).await?;
        }
    }

    fn note_fetch(&self, began: std::time::Instant, error: Option<&FetchError>) {
        let job = self.run.claimed.job.id.as_str();
        metrics::note_request(&self.model.provider, "fetch", began, error.map(FetchError::code));
        let took = format!("{} ms", began.elapsed().as_millis());
        match error {
            None => trail::note(job, About::Request, "fetched a file", Some(took)),
            Some(error) => {
                trail::trouble(job, About::Request, "fetch failed", Some(error.to_string()));
            }
        }
    }

    async fn artifact(&self, index: usize, fetched: Fetched) -> Result<StoredArtifact, Halt> {
        let kind = self.model.kind().file_kind();
        // The first is the one whose id was handed out at submit.
        let id = match index {
            0 => self.run.reserved(kind).await?,
            _ => file_id(&self.run.claimed.job.id, index),
        };
        let view = Artifact {
            id: id.to_string(),
            kind: kind.into(),
            media_type: fetched.sniffed.media_type.into(),
            url: content_url(&id),
            bytes: fetched.stored.bytes,
            duration_ms: fetched.probe.duration_ms,
            width: fetched.probe.width,
            height: fetched.probe.height,
        };
        Ok(StoredArtifact {
            view,
            id,
            attempt: self.run.attempt(),
            name: fetched.stored.name().to_owned(),
            path: Some(fetched.stored.path),
            sha256: Some(fetched.stored.sha256),
            voice: None,
        })
    }
}

/// The id of a job's further file: the same whenever it is fetched, by this run or the next, so that
/// readers get one file of two that are the same. Of one job they stand in the order of its files.
fn file_id(job: &JobId, index: usize) -> ArtifactId {
    let hash = Sha256::digest(job.as_str());
    let number = u128::from_be_bytes(*hash.first_chunk().expect("SHA-256 has 32 bytes")) >> 8;
    format!("file_{number:030x}{index:02x}").parse().expect("it is hexadecimal digits")
}

fn kept(answer: &Value) -> Map<String, Value> {
    let field = |name: &&str| {
        let value = answer.get(*name).or_else(|| answer.get("result")?.get(*name))?;
        (value.is_string() || value.is_number()).then(|| ((*name).to_owned(), value.clone()))
    };
    KEPT.iter().filter_map(field).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_fetched_again_is_the_same_and_files_keep_their_order() {
        let (job, other) = (JobId::generate(), JobId::generate());
        let ids: Vec<_> = (1..MOST_FILES).map(|index| file_id(&job, index).to_string()).collect();
        assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
        assert_eq!(file_id(&job, 1).to_string(), ids[0]);
        assert_ne!(file_id(&other, 1).to_string(), ids[0]);
    }
}
