//! Why a load test did not come to a report.

use std::io;

/// What went wrong before anything could be said about the server.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Arguments that can never do.
    #[error("{0}")]
    Arguments(String),
    /// A recording that cannot be played.
    #[error("the recording cannot be played: line {line}: {reason}")]
    Recording {
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// Something of this machine that a load test needs.
    #[error("{what} cannot be set up: {source}")]
    Setup {
        /// What it is.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// The server that is to be tested did not do what it should before the test.
    #[error("the server {what}")]
    Server {
        /// What it did instead.
        what: String,
    },
    /// The part of the program that reads failed.
    #[error("the part that reads failed; this is a bug in the load test")]
    Readers,
    /// Somebody asked for it.
    #[error("the load test was interrupted")]
    Interrupted,
}

impl LoadError {
    pub(super) fn setup(what: &str, source: &io::Error) -> Self {
        let source = io::Error::new(source.kind(), source.to_string());
        Self::Setup { what: what.to_owned(), source }
    }

    pub(super) fn server(what: impl Into<String>) -> Self {
        Self::Server { what: what.into() }
    }

    /// Whether other arguments would help.
    #[must_use]
    pub const fn is_bad_input(&self) -> bool {
        match self {
            Self::Arguments(_) | Self::Recording { .. } => true,
            Self::Setup { .. } | Self::Server { .. } | Self::Readers | Self::Interrupted => false,
        }
    }
}
