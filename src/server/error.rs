//! Why a server did not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::artifact::ArtifactError;
use crate::db::DbError;
use crate::nats::NatsError;
use crate::queue::claim::RecoverError;
use crate::tls::TlsError;

use super::backup::BackupError;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {}", reason(source))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The data folder cannot be made or written to.
    #[error("cannot use the data folder {}: {}", path.display(), reason(source))]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another server has the data folder.
    #[error("another server uses the data folder {}; stop it, or choose another with --data", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// Everybody could reach the server, and nobody would need a key.
    #[error(
        "{address} can be reached from outside, and no key exists: make one with \
         `tailwater keys create --scope admin --data {}`, or listen on 127.0.0.1", data.display()
    )]
    NoKeys {
        /// The address.
        address: SocketAddr,
        /// The data folder.
        data: PathBuf,
    },
    /// The threads that serve streams do not start.
    #[error("cannot start what serves streams: {}", reason(.0))]
    Engine(io::Error),
    /// The database does not open.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The event log of the cluster cannot be used.
    #[error(transparent)]
    Nats(#[from] NatsError),
    /// A cluster has one database.
    #[error(
        "the setting 'events' makes this server a node of a cluster, which needs 'database' too: the \
         address of a Postgres that all nodes share, as in postgres://user@host:5432/name"
    )]
    EventsAlone,
    /// The log has lost what the database has, so it would give out ids again.
    #[error(
        "the event log {log} ends at entry {last}, and the database has events up to entry {archived}: \
         NATS has lost data, or this is another cluster's. When no node is up and what is lost is lost, \
         delete the stream (`nats stream rm`); the next start begins a new one"
    )]
    LogBehind {
        /// Where it is.
        log: String,
        /// Its newest entry.
        last: u64,
        /// The newest entry in the database.
        archived: u64,
    },
    /// An event may be larger than what NATS takes.
    #[error(
        "NATS takes messages of at most {most} bytes, and where an event may have {event_limit} they \
         have up to {wanted}: raise its `max_payload`, or lower the setting 'event_limit'"
    )]
    SmallLog {
        /// What NATS takes.
        most: usize,
        /// What it has to take.
        wanted: usize,
        /// The setting.
        event_limit: usize,
    },
    /// Artifact storage does not open.
    #[error("{}", artifact_folder(.0))]
    Artifacts(#[from] ArtifactError),
    /// What an earlier process left could not be taken over.
    #[error("cannot take over what the last process left: {0}")]
    Recover(#[from] RecoverError),
    /// The database does not take what stands there from the start: the account, who is told of all.
    #[error("cannot prepare the database: {0}")]
    Account(#[from] crate::store::JournalError),
    /// A provider's client cannot be built.
    #[error("cannot set up a provider: {0}")]
    Provider(#[from] crate::provider::Error),
    /// The operator's catalog cannot be read.
    #[error("cannot use the catalog {}: {message}", path.display())]
    Catalog {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The certificate cannot be shown.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Nobody may listen to the signal that has the certificate read again.
    #[error("cannot listen to the hang-up signal: {}", reason(.0))]
    Signal(io::Error),
    /// A setting names what is not there.
    #[error("the setting '{setting}' names '{name}', which is not {allowed}")]
    UnknownName {
        /// The setting.
        setting: &'static str,
        /// The name.
        name: String,
        /// What it may be, to follow "not".
        allowed: &'static str,
    },
    /// Webhooks cannot be sent as the settings want it.
    #[error("cannot send webhooks to {url}: {reason}")]
    Webhooks {
        /// Where to.
        url: String,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// A backup is not made, or not restored.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The simulator does not start.
    #[error("cannot start the simulator: {0}")]
    Simulator(io::Error),
}

impl Error {
    /// The exit code of the process: 2 for what the caller can mend by other settings, else 1.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Listen { .. }
            | Self::Folder { .. }
            | Self::Locked { .. }
            | Self::NoKeys { .. }
            | Self::Artifacts(ArtifactError::Open { .. } | ArtifactError::Unusable { .. })
            | Self::Catalog { .. }
            | Self::Tls(_)
            | Self::UnknownName { .. }
            | Self::EventsAlone
            | Self::LogBehind { .. }
            | Self::SmallLog { .. }
            | Self::Nats(_)
            | Self::Webhooks { .. }
            | Self::Db(
                DbError::Open { .. }
                | DbError::Address
                | DbError::Encoding { .. }
                | DbError::InUse { .. }
                | DbError::Newer { .. }
                | DbError::Older { .. },
            ) => 2,
            Self::Backup(error) => {
                if error.is_bad_input() {
                    2
                } else {
                    1
                }
            }
            Self::Db(DbError::Migrate(_) | DbError::Statement(_))
            | Self::Artifacts(_)
            | Self::Recover(_)
            | Self::Account(_)
            | Self::Provider(_)
            | Self::Engine(_)
            | Self::Signal(_)
            | Self::Simulator(_) => 1,
        }
    }
}

fn artifact_folder(error: &ArtifactError) -> String {
    match error {
        ArtifactError::Open { path, source } => {
            format!("cannot use the artifact folder {}: {}", path.display(), reason(source))
        }
        other => other.to_string(),
    }
}

/// The system's words without its error number.
fn reason(error: &io::Error) -> String {
    let words = match error.kind() {
        io::ErrorKind::AddrInUse => "another process listens there; choose another with --listen",
        io::ErrorKind::AddrNotAvailable => "this machine has no such address",
        io::ErrorKind::PermissionDenied => "permission denied",
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only",
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            "a part of its path is a file and no folder"
        }
        _ => return error.to_string(),
    };
    words.into()
}
