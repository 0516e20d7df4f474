//! The arguments of `tailwater webhooks`.

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};

use crate::db::webhooks::Status;

use super::{Plain, Server};

#[derive(Args, Debug)]
pub(in super::super) struct Webhooks {
    #[command(subcommand)]
    pub(in super::super) what: Outbox,
}

#[derive(Debug, Subcommand)]
pub(in super::super) enum Outbox {
    /// List the newest deliveries.
    List(ListWebhooks),
    /// Send what was delivered or given up once more, under the same id.
    Replay(ReplayWebhooks),
}

#[derive(Args, Debug)]
pub(in super::super) struct ListWebhooks {
    /// Only of this job.
    #[arg(long, value_name = "JOB")]
    pub(in super::super) job: Option<String>,
    /// Only those that stand like this.
    #[arg(long, value_parser = PossibleValuesParser::new(Status::ALL.map(Status::as_str)))]
    pub(in super::super) status: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(in super::super) limit: u32,
    /// Only those before the one with this id.
    #[arg(long, value_name = "ID")]
    pub(in super::super) before: Option<i64>,
    #[command(flatten)]
    pub(in super::super) plain: Plain,
}

#[derive(Args, Debug)]
#[group(id = "which", required = true, multiple = true, args = ["job", "failed", "since"])]
pub(in super::super) struct ReplayWebhooks {
    /// The job's id, or any link to it: what is told of this job.
    #[arg(value_name = "JOB|URL")]
    pub(in super::super) job: Option<String>,
    /// Only what was given up.
    #[arg(long)]
    pub(in super::super) failed: bool,
    /// Only ends of this long ago and later, as in 90m, 6h or 2d.
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub(in super::super) since: Option<i64>,
    #[command(flatten)]
    pub(in super::super) server: Server,
}

/// A span of time, in milliseconds.
fn span(text: &str) -> Result<i64, String> {
    let units = [('s', 1_000), ('m', 60_000), ('h', 3_600_000), ('d', 86_400_000)];
    let read = |(letter, unit): (char, i64)| {
        let number: u32 = text.strip_suffix(letter)?.parse().ok()?;
        i64::from(number).checked_mul(unit)
    };
    let allowed = "a whole number with s, m, h or d is allowed, as in 90m".to_owned();
    units.into_iter().find_map(read).ok_or(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_a_unit() {
        assert_eq!((span("90m"), span("2d")), (Ok(5_400_000), Ok(172_800_000)));
        for junk in ["", "90", "m", "-1h", "1.5h", "1w"] {
            assert!(span(junk).is_err(), "{junk}");
        }
    }
}
