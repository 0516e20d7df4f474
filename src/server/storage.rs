//! Where files are kept.

use std::path::PathBuf;

use crate::artifact::{Account, ArtifactError, Artifacts, InBucket, Location, bucket};
use crate::config::Settings;

/// The folder within the data folder, where the settings say nothing else; a file that comes in for a
/// bucket is there until it is whole.
const FOLDER: &str = "artifacts";

/// Opens the storage that the settings say.
///
/// # Errors
/// [`ArtifactError::Open`], [`ArtifactError::Unusable`].
pub(super) async fn open(settings: &Settings) -> Result<Artifacts, ArtifactError> {
    let own = settings.data.join(FOLDER);
    match &settings.artifacts {
        None => Artifacts::open(&own),
        Some(Location::Folder(path)) => Artifacts::open(path),
        Some(Location::Bucket(place)) => {
            check_limits(settings, place)?;
            Artifacts::connect(place, &account(settings), &own).await
        }
    }
}

/// The folder that files are in; nothing where they are in a bucket.
pub(super) fn folder(settings: &Settings) -> Option<PathBuf> {
    match &settings.artifacts {
        None => Some(settings.data.join(FOLDER)),
        Some(Location::Folder(path)) => Some(path.clone()),
        Some(Location::Bucket(_)) => None,
    }
}

/// What people are told of where files are.
pub(super) fn name(settings: &Settings) -> String {
    let own = || settings.data.join(FOLDER).display().to_string();
    settings.artifacts.as_ref().map_or_else(own, Location::to_string)
}

/// A file must fit into one request.
fn check_limits(settings: &Settings, place: &InBucket) -> Result<(), ArtifactError> {
    let limits = [("upload_limit", settings.upload_limit), ("output_limit", settings.output_limit)];
    match limits.into_iter().find(|(_, limit)| *limit as u64 > bucket::LONGEST) {
        None => Ok(()),
        Some((name, limit)) => Err(ArtifactError::Unusable {
            place: place.to_string(),
            reason: format!("{name} is {limit} bytes, and a file there has 5G at most"),
        }),
    }
}

fn account(settings: &Settings) -> Account {
    Account {
        access_key_id: settings.aws_access_key_id.clone(),
        secret_access_key: settings.aws_secret_access_key.clone(),
        session_token: settings.aws_session_token.clone(),
        region: settings.aws_region.clone(),
        endpoint: settings.aws_endpoint_url.clone(),
    }
}
