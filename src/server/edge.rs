//! Where the server meets the network: what it shows, whom it believes, how much anybody may have.

use std::sync::Arc;

use crate::config::Settings;
use crate::db::projects::Room;
use crate::descriptors;
use crate::fanout::Engine;
use crate::http::limits::{self, Limits};
use crate::http::peer::Proxies;
use crate::http::serve;
use crate::tls::{Tls, TlsError};

use super::Error;

/// Descriptors that are no connections: the database, files on their way, requests to providers, and
/// connections that are being refused. Where there are few in all, an eighth has to do.
const OTHERS: usize = 256 + serve::REFUSALS;

/// What is shown to clients, where they are to speak TLS.
///
/// # Errors
/// What is wrong with the files, or that one is missing.
pub(super) fn tls(settings: &Settings) -> Result<Option<Tls>, Error> {
    let half = |given, missing| Err(Error::Tls(TlsError::Half { given, missing }));
    match (&settings.tls_cert, &settings.tls_key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(Tls::open(certificate, key)?)),
        (Some(_), None) => half("tls_cert", "tls_key"),
        (None, Some(_)) => half("tls_key", "tls_cert"),
    }
}

/// How much anybody may have.
pub(super) fn limits(settings: &Settings) -> Limits {
    let descriptors = descriptors::raise_limit();
    let connections = match settings.max_connections {
        0 => descriptors - OTHERS.min(descriptors / 8),
        most => most as usize,
    };
    Limits::new(limits::Options {
        connections,
        connections_per_address: settings.connections_per_address,
        requests_per_second: settings.requests_per_address,
        requests_per_key: settings.requests_per_key,
        streams_per_key: settings.streams_per_key,
        streams_per_ticket: settings.streams_per_ticket,
        streams_per_address: settings.streams_per_address,
        streams_per_job: settings.streams_per_job,
        loopback: settings.limit_loopback,
    })
}

/// How much one project may have.
pub(super) fn room(settings: &Settings) -> Room {
    Room {
        jobs: Some(settings.jobs_per_project).filter(|limit| *limit > 0),
        bytes: Some(settings.disk_per_project as u64).filter(|limit| *limit > 0),
    }
}

/// How connections are served.
pub(super) fn serving(
    settings: &Settings,
    tls: Option<Tls>,
    limits: Limits,
    engine: Option<Arc<Engine>>,
) -> serve::Options {
    serve::Options {
        stall: settings.stall_timeout,
        head: settings.header_timeout,
        idle: settings.idle_timeout,
        head_limit: settings.header_limit,
        tls,
        limits,
        proxies: Proxies::new(settings.trusted_proxies.clone()),
        engine,
    }
}
