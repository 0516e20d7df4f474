//! The doctor: looks at what a server stands on, and at the way to it, and says what is wrong.
//!
//! It changes nothing that lasts: a file is written to storage and deleted, two or three jobs of the kind
//! `external` are made and ended, and providers are asked only what costs nothing.

mod clock;
mod database;
mod descriptors;
mod finding;
mod path;
mod providers;
mod settings;
mod space;
mod storage;

pub use finding::{Finding, Report, Verdict};
pub use path::{Proxy, Remedy};

use std::time::Duration;

use secrecy::SecretString;

use crate::config::Loaded;

use clock::Asked;
use path::Ways;

/// What is to be looked at.
#[derive(Debug)]
pub struct Order {
    /// The settings, as `serve` would have them.
    pub loaded: Loaded,
    /// The public address; without it no path is looked at.
    pub url: Option<String>,
    /// The server's own address, for what is not to go through the proxy.
    pub server: Option<String>,
    /// The key for both.
    pub key: Option<SecretString>,
    /// How long a stream is watched that says nothing, 5 s to 10 min: what has more patience is well.
    pub idle: Duration,
}

/// Why the doctor cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// An address is none.
    #[error(
        "'{value}' is not the address of a server (--{flag}); it looks like https://your.domain, without \
         user, query or fragment"
    )]
    BadAddress {
        /// Which flag has it.
        flag: &'static str,
        /// What it has.
        value: String,
    },
    /// TLS cannot be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Setup(String),
}

/// Where it is shown what goes on.
pub trait Screen: Sync {
    /// Something was found.
    fn found(&self, finding: Finding);
    /// Something begins that takes some seconds.
    fn phase(&self, what: &str);
    /// A long wait goes on: so much of it is over.
    fn progress(&self, over: Duration, of: Duration);
}

/// Looks at everything, and shows each finding when it is there.
///
/// # Errors
/// When an address in the order is none; what is wrong with anything else is a finding.
pub async fn run(order: &Order, screen: &dyn Screen) -> Result<(), DoctorError> {
    let ways = Ways::of(order)?;
    let set = &order.loaded.settings;
    settings::check(&order.loaded).into_iter().for_each(|finding| screen.found(finding));
    let mut asked: Vec<Asked> = Vec::new();
    let (findings, clock) = database::check(set).await;
    findings.into_iter().for_each(|finding| screen.found(finding));
    asked.extend(clock);
    screen.found(storage::check(set).await);
    let (findings, clocks) = providers::check(set).await;
    findings.into_iter().for_each(|finding| screen.found(finding));
    asked.extend(clocks);
    screen.found(descriptors::check(set));
    space::check(set).into_iter().for_each(|finding| screen.found(finding));
    asked.extend(path::ask_straight(&ways, screen).await);
    asked.extend(path::run(order, &ways, screen).await);
    screen.found(clock::judge(&asked));
    if !ways.has_path() {
        let why = "name the public address with --url https://your.domain";
        screen.found(Finding::not_checked("path", why));
    }
    Ok(())
}
