//! The simulator of providers as a process of its own, which survives the server, and the proxies
//! before it.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Stdio;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout};
use tokio::sync::watch;

use crate::failure::Failure;
use crate::plan::ProviderTrouble;
use crate::proxy::Upstream;
use crate::server;

/// The variables that say where a provider is, with the provider's name.
const PLACES: [(&str, &str); 6] = [
    ("OPENAI_BASE_URL", "chat"),
    ("TAILWATER_REPLICATE_BASE_URL", "replicate"),
    ("TAILWATER_FAL_BASE_URL", "fal"),
    ("TAILWATER_RUNWAY_BASE_URL", "runway"),
    ("TAILWATER_MINIMAX_BASE_URL", "minimax"),
    ("TAILWATER_BFL_BASE_URL", "bfl"),
];

/// The providers of media.
pub(crate) const MEDIA: [&str; 5] = ["replicate", "fal", "runway", "minimax", "bfl"];

/// The simulator, running.
#[derive(Debug)]
pub(crate) struct Simulator {
    /// Where each provider is, past the proxies.
    addresses: BTreeMap<&'static str, SocketAddr>,
    /// What the server is told: the proxies' addresses and keys.
    variables: BTreeMap<String, String>,
    trouble: watch::Sender<Option<ProviderTrouble>>,
    _upstreams: Vec<Upstream>,
    _child: Child,
    _stdout: BufReader<ChildStdout>,
}

/// What one provider has counted.
#[derive(Debug, Deserialize)]
pub(crate) struct Counted {
    /// Everything that was ever started there, as far as the simulator remembers.
    pub(crate) operations: Vec<Operation>,
    /// How many pieces of work were ever started.
    pub(crate) started: u64,
}

/// One piece of work.
#[derive(Debug, Deserialize)]
pub(crate) struct Operation {
    /// Its id.
    pub(crate) id: String,
    /// What it was asked for.
    pub(crate) input: serde_json::Value,
}

impl Simulator {
    /// Starts it on free ports of this address, at this many times the pace of real providers.
    ///
    /// # Errors
    /// When the program cannot be run, or says something else than it should.
    pub(crate) async fn start(program: &Path, host: IpAddr, speed: f64) -> Result<Self, Failure> {
        let failed = |error| Failure::machine("the simulator", error);
        let mut child = server::clean(program)
            .args(["simulate", "--listen", &format!("{host}:0"), "--speed", &speed.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let trouble = watch::Sender::new(None);
        let (mut addresses, mut variables) = (BTreeMap::new(), BTreeMap::new());
        let mut upstreams = Vec::new();
        for (variable, provider) in PLACES {
            let mut line = String::new();
            stdout.read_line(&mut line).await.map_err(failed)?;
            let said = || Failure::Server(format!("the simulator says {line:?}"));
            let pairs: HashMap<_, _> =
                line.split_whitespace().filter_map(|pair| pair.split_once('=')).collect();
            let url = pairs.get(variable).ok_or_else(said)?;
            let (address, path) = place(url).ok_or_else(said)?;
            let upstream = Upstream::start(address, trouble.subscribe()).await?;
            let proxied = format!("http://{}{path}", upstream.address());
            for (name, value) in pairs {
                let value = if name == variable { &proxied } else { value };
                variables.insert(name.to_owned(), value.to_owned());
            }
            addresses.insert(provider, address);
            upstreams.push(upstream);
        }
        let (_upstreams, _child, _stdout) = (upstreams, child, stdout);
        Ok(Self { addresses, variables, trouble, _upstreams, _child, _stdout })
    }

    /// What a server must be told to find the providers.
    pub(crate) const fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// Begins or ends trouble at every provider.
    pub(crate) fn set_trouble(&self, trouble: Option<ProviderTrouble>) {
        self.trouble.send_replace(trouble);
    }

    /// What a provider of media has counted.
    ///
    /// # Errors
    /// When it does not say.
    pub(crate) async fn counted(
        &self,
        http: &reqwest::Client,
        provider: &str,
    ) -> Result<Counted, Failure> {
        let failed = |error| Failure::Server(format!("the counts of {provider}: {error}"));
        let url = format!("http://{}/_simulator/counts", self.addresses[provider]);
        http.get(url).send().await.map_err(failed)?.json().await.map_err(failed)
    }
}

/// The address and the path of a URL such as `http://127.0.0.1:9101/v1`.
fn place(url: &str) -> Option<(SocketAddr, &str)> {
    let rest = url.strip_prefix("http://")?;
    let (address, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    Some((address.parse().ok()?, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let address = "127.0.0.1:9101".parse().unwrap();
        assert_eq!(place("http://127.0.0.1:9101/v1"), Some((address, "/v1")));
        assert_eq!(place("http://127.0.0.1:9101"), Some((address, "")));
        assert_eq!(place("127.0.0.1:9101"), None);
    }
}
