//! Requests to addresses that somebody else named: whom they reach, and what they carry.
//!
//! They go to hosts of the open internet and no others, by https, and carry nothing of ours but the
//! name of this program: the clients here know no key, keep no cookie, send no `Referer` and go
//! through no proxy, which would resolve names by itself and reach what only it may reach.

mod address;
mod body;
mod resolve;
mod target;
#[cfg(test)]
mod tests;

pub use body::{Cut, chunks};
pub use resolve::{Lookup, SystemLookup};
pub use target::{Refused, Target, Trust, shown};

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::LOCATION;
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, Response, redirect};

use resolve::{Every, PublicOnly};

/// How long a connection may take to open, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an unused connection is kept: less than the 60 s after which common load balancers
/// close it.
const IDLE_CONNECTION: Duration = Duration::from_secs(50);

/// How many characters of what went wrong are told.
const WORDS: usize = 300;

/// Reaches hosts that somebody else named; make one per process.
#[derive(Debug)]
pub struct Outward {
    /// Reaches public hosts only.
    public: Client,
    /// Reaches every host: for those that a caller trusts.
    trusting: Client,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// The address is not followed.
    #[error("the address {0}")]
    Refused(#[from] Refused),
    /// It leads to another address, which is not followed.
    #[error("it leads to another address, which {0}")]
    Elsewhere(Refused),
    /// The network or the host failed.
    #[error("{words}")]
    Transport {
        /// What failed, without the address, which may hold a secret.
        words: String,
        /// Whether the request certainly did not leave.
        is_unsent: bool,
    },
}

impl Outward {
    /// Clients that ask the system for the addresses of names. The process must have installed a
    /// rustls crypto provider before.
    ///
    /// # Errors
    /// [`NoAnswer::Transport`] when TLS cannot be set up.
    pub fn new() -> Result<Self, NoAnswer> {
        Self::resolving_by(Arc::new(SystemLookup))
    }

    /// The same with another source of addresses.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn resolving_by(lookup: Arc<dyn Lookup>) -> Result<Self, NoAnswer> {
        let public = Client::builder().dns_resolver(Arc::new(PublicOnly(Arc::clone(&lookup))));
        let trusting = Client::builder().dns_resolver(Arc::new(Every(lookup)));
        Ok(Self { public: build(public)?, trusting: build(trusting)? })
    }

    /// A request to an address that was found to be followed. No redirect is.
    pub fn request(&self, method: Method, target: &Target) -> RequestBuilder {
        let client = if target.is_trusted() { &self.trusting } else { &self.public };
        client.request(method, target.url().clone())
    }

    /// Asks for a file, by way of so many other addresses at most, each as good as the first. Gives
    /// what the last one answers, whatever its status is; its bytes are still to come.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn get(
        &self,
        target: Target,
        trust: Trust<'_>,
        redirects: usize,
    ) -> Result<Response, NoAnswer> {
        let mut target = target;
        for _ in 0..redirects {
            let response = send(self.request(Method::GET, &target)).await?;
            match location(&response) {
                None => return Ok(response),
                Some(next) => target = Target::parse(&next, trust).map_err(NoAnswer::Elsewhere)?,
            }
        }
        send(self.request(Method::GET, &target)).await
    }
}

/// Sends a request; gives the answer once its head is here.
///
/// # Errors
/// [`NoAnswer`], without the address.
pub async fn send(request: RequestBuilder) -> Result<Response, NoAnswer> {
    request.send().await.map_err(unanswered)
}

/// Where a redirect leads, if this is one.
fn location(response: &Response) -> Option<String> {
    let place = response.headers().get(LOCATION).filter(|_| response.status().is_redirection())?;
    Some(response.url().join(place.to_str().ok()?).ok()?.into())
}

fn build(builder: ClientBuilder) -> Result<Client, NoAnswer> {
    builder
        .user_agent(concat!("tailwater/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .referer(false)
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_CONNECTION)
        .build()
        .map_err(unanswered)
}

fn unanswered(error: reqwest::Error) -> NoAnswer {
    let mut cause = error.source();
    while let Some(next) = cause {
        if next.is::<Refused>() {
            return Refused::Private.into();
        }
        cause = next.source();
    }
    NoAnswer::Transport { is_unsent: error.is_connect(), words: words(error) }
}

/// An error and its causes in one line, without the address.
fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        words = format!("{words}: {next}");
        cause = next.source();
    }
    words.chars().filter(|letter| !letter.is_control()).take(WORDS).collect()
}
