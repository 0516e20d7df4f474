//! What keeps a run from being a run at all; what the server does wrong is a violation instead.

/// Why a run came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Something of this machine's: a port, a folder, a program.
    #[error("{what}: {source}")]
    Machine {
        /// What was attempted.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The server does not do what a run cannot do without.
    #[error("{0}")]
    Server(String),
    /// The database cannot be looked at.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    /// An argument that is not allowed.
    #[error("{0}")]
    Argument(String),
}

impl Failure {
    /// A failure of this machine's, while this was attempted.
    pub(crate) fn machine(what: impl Into<String>, source: std::io::Error) -> Self {
        Self::Machine { what: what.into(), source }
    }
}
