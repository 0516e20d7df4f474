//! What every provider of images, videos and sounds can do: start, poll, cancel, take a file in,
//! tell a real callback from a forged one.
//!
//! Providers are data to the worker: it holds a [`Service`] by name and knows no more of it than
//! this. None of them sleeps, retries or remembers a job.

use std::fmt;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::HeaderMap;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Error;

/// What is to be made.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The model, by the provider's own name for it.
    pub model: &'a str,
    /// Which of the provider's routes makes it, where it has several; empty where it has one.
    pub endpoint: &'a str,
    /// The model's inputs, by the provider's names, checked.
    pub input: &'a Map<String, Value>,
    /// Where the provider tells that it is done, if it is to.
    pub webhook: Option<&'a Webhook>,
}

/// Where a provider calls back.
#[derive(Clone)]
pub struct Webhook {
    /// The address, which holds a secret.
    pub url: String,
    /// What the provider signs with, where we choose that.
    pub secret: SecretString,
}

impl fmt::Debug for Webhook {
    /// Without the address, whose end is as good as a key.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Webhook").finish_non_exhaustive()
    }
}

/// A piece of work at a provider: all that is needed to ask for it again after a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The provider's id of it.
    pub id: String,
    /// What else the provider needs to find it: addresses that it gave, the model, the route.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
}

/// Where a piece of work is.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// It waits at the provider.
    Queued {
        /// How many are in front of it, where the provider says so.
        position: Option<u32>,
    },
    /// It is being made.
    Running {
        /// How far it is, 0 to 99, where the provider says so.
        percent: Option<u8>,
        /// The newest line that the model wrote about it.
        line: Option<String>,
    },
    /// It is there: the provider's answer, in which the catalog knows the place of the files.
    Succeeded(Value),
    /// It failed.
    Failed(Error),
    /// Somebody, or the provider's own limit, ended it.
    Canceled {
        /// What the provider calls it.
        message: String,
    },
}

impl State {
    /// The same in a few words, and what else there is to it.
    #[must_use]
    pub fn words(&self) -> (String, Option<String>) {
        match self {
            Self::Queued { position } => {
                let ahead = position.map(|ahead| format!("{ahead} in front"));
                ("the provider says: queued".into(), ahead)
            }
            Self::Running { percent, line } => {
                let percent = percent.map(|percent| format!("{percent} %"));
                let words: Vec<_> = percent.into_iter().chain(line.clone()).collect();
                let detail = (!words.is_empty()).then(|| words.join(", "));
                ("the provider says: running".into(), detail)
            }
            Self::Succeeded(_) => ("the provider says: done".into(), None),
            Self::Failed(error) => ("the provider says: failed".into(), Some(error.to_string())),
            Self::Canceled { message } => {
                ("the provider says: canceled".into(), Some(message.clone()))
            }
        }
    }
}

/// A file that a client gave us, on its way to a provider.
#[derive(Clone, Debug)]
pub struct InputFile {
    /// A plain file name.
    pub name: String,
    /// Its media type, found in its bytes.
    pub media_type: String,
    /// All of it.
    pub bytes: Bytes,
}

/// A request that claims to come from a provider.
#[derive(Clone, Copy, Debug)]
pub struct Callback<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body as it came: signatures are over these bytes.
    pub body: &'a [u8],
    /// What the provider was told to sign with, see [`Webhook::secret`].
    pub secret: &'a SecretString,
    /// The time, in Unix seconds.
    pub now: i64,
}

/// What a real callback tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verified {
    /// Names the message, the same in each delivery of it: one that came before is a replay.
    pub message: Option<String>,
    /// The provider's id of the work, in a body that is signed or in an address that is secret.
    pub operation: Option<String>,
    /// Whether it only tells that the work goes on, which is no reason to ask.
    pub is_progress: bool,
    /// The body that the provider wants as the answer.
    pub answer: Option<Value>,
}

/// Why a callback is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// It is not signed, or not by the provider.
    #[error("the signature is missing or wrong: {0}")]
    Forged(&'static str),
    /// It was signed too long ago, or ahead of time.
    #[error("the timestamp is {0} s off")]
    Stale(i64),
    /// What it should be checked with cannot be had at the moment.
    #[error("the signature cannot be checked: {0}")]
    Unchecked(Error),
}

/// How far a callback's timestamp may be off, in seconds
/// (<https://github.com/standard-webhooks/standard-webhooks>).
pub const CLOCK_SKEW: i64 = 300;

/// A provider.
///
/// Every future may be dropped at any point: the request is then abandoned, and whether it arrived
/// is not known.
pub trait Service: fmt::Debug + Send + Sync {
    /// Whether it calls back when it is done.
    fn calls_back(&self) -> bool;

    /// Starts a piece of work.
    ///
    /// # Errors
    /// [`Error::AmbiguousStart`] whenever the request may have arrived and it is not certain that
    /// it was refused; any other error means that nothing was started.
    fn start<'a>(&'a self, request: Request<'a>) -> BoxFuture<'a, Result<Operation, Error>>;

    /// Asks where a piece of work is.
    ///
    /// # Errors
    /// What kept the provider from telling; the work itself may be well.
    fn poll<'a>(&'a self, operation: &'a Operation) -> BoxFuture<'a, Result<State, Error>>;

    /// Asks the provider to stop. Fine when it cannot, or when the work is over: what became of it
    /// is for the next poll to tell.
    ///
    /// # Errors
    /// When the provider could not be told.
    fn cancel<'a>(&'a self, operation: &'a Operation) -> BoxFuture<'a, Result<(), Error>>;

    /// Gives a file to the provider, in the form that it takes: inside the request as a data URL,
    /// or uploaded. Returns what goes into the input.
    ///
    /// # Errors
    /// When the file is larger than the provider takes, or the upload fails.
    fn hand_on(&self, file: InputFile) -> BoxFuture<'_, Result<String, Error>>;

    /// Tells whether a callback is the provider's.
    ///
    /// # Errors
    /// [`Unverified`]; the callback is then to have no effect.
    fn verify<'a>(&'a self, callback: Callback<'a>) -> BoxFuture<'a, Result<Verified, Unverified>>;
}

/// Where a provider is, and how it is spoken to.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Its base URL, without a slash at the end; the provider's own public one when absent.
    pub base_url: Option<String>,
    /// The key; none for a simulator.
    pub key: Option<SecretString>,
    /// What callbacks are signed with, where the provider does not tell it (Replicate's account
    /// secret, `whsec_…`).
    pub webhook_secret: Option<SecretString>,
}
