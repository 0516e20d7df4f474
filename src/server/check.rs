//! What a start would say of its settings, without starting.

use crate::artifact::{ArtifactError, Artifacts};
use crate::config::Settings;

use super::{Error, edge, makers, storage};

/// Reads what the settings name: certificate and catalog.
///
/// # Errors
/// What would keep the server from starting.
pub fn check(settings: &Settings) -> Result<(), Error> {
    if settings.events.is_some() && settings.database.is_none() {
        return Err(Error::EventsAlone);
    }
    edge::tls(settings)?;
    makers::catalog(settings)?;
    Ok(())
}

/// Opens the storage of files, as the server does.
///
/// # Errors
/// As at a start.
pub async fn files(settings: &Settings) -> Result<Artifacts, ArtifactError> {
    storage::open(settings).await
}
