//! `tailwater health`: for whoever looks after the process, such as a container's health check.

use std::time::Duration;

use serde_json::json;

use crate::client::{Client, Options};

use super::{Failure, args, out};

/// How long a server that is well may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Says whether the server takes jobs: exit code 0, or 1 with the reason.
pub(super) async fn run(args: args::Health) -> Result<u8, Failure> {
    let options = Options {
        connect_timeout: PATIENCE,
        answer_timeout: PATIENCE,
        ..Options::new(&args.server.address)
    };
    let readiness = Client::new(options)?.readiness().await?;
    if args.json {
        out::print(&out::json(&json!(readiness))).ok();
        return Ok(u8::from(!readiness.ready));
    }
    if readiness.ready {
        out::print("ready\n").ok();
        return Ok(0);
    }
    let reason = readiness.reason.unwrap_or_else(|| "it does not say why".into());
    Err(Failure { message: format!("the server takes no jobs: {reason}"), code: 1 })
}
