//! The arguments of `doctor`.

use std::time::Duration;

use clap::Args;

use crate::config::Flags;

#[derive(Args, Debug)]
pub(in crate::cli) struct Doctor {
    /// The public address: the path through whatever stands before the server is looked at.
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) url: Option<String>,
    /// The server's own address, to push events and to read them beside the proxy.
    #[arg(long, value_name = "URL", env = "TAILWATER_SERVER", hide_env_values = true)]
    pub(in crate::cli) server: Option<String>,
    /// How long streams are watched that say nothing, in seconds, 5 to 585.
    #[arg(
        long, value_name = "SECONDS", default_value = "75", value_parser = seconds, requires = "url"
    )]
    pub(in crate::cli) idle: Duration,
    /// Print one JSON object when all is done.
    #[arg(long)]
    pub(in crate::cli) json: bool,
    #[command(flatten)]
    pub(in crate::cli) flags: Flags,
}

/// The longest silence that a stream can be asked for is 600 s, and it is asked for 15 s more than is
/// watched.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (5..=585).contains(seconds));
    let seconds = seconds.map(Duration::from_secs);
    seconds.ok_or_else(|| "a whole number of seconds from 5 to 585 is allowed".to_owned())
}
