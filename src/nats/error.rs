//! What can go wrong with NATS.

/// Why NATS could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// No server answers.
    #[error("cannot reach NATS at {place}: {source}")]
    Connect {
        /// Where, without who we are there.
        place: String,
        /// What the library said.
        source: async_nats::ConnectError,
    },
    /// The servers have no `JetStream`.
    #[error(
        "the NATS server has no JetStream: start it with `jetstream {{ }}` in its settings, or with -js"
    )]
    NoJetStream,
    /// The servers are too old.
    #[error("the NATS server is of version {0}; 2.10 or newer is needed")]
    TooOld(String),
    /// There is a stream of our name that would lose events.
    #[error("the JetStream stream '{stream}' has {setting}, which could lose events: {allowed}")]
    Unfit {
        /// Its name.
        stream: String,
        /// The setting as it is.
        setting: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// Anything else, usually that nobody leads at the moment.
    #[error("NATS: {0}")]
    Other(#[source] async_nats::Error),
}

impl NatsError {
    pub(super) fn other(error: impl Into<async_nats::Error>) -> Self {
        Self::Other(error.into())
    }
}
