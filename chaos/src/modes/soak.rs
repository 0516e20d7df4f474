//! Placeholder.
use crate::failure::Failure;
use crate::options::{self, Options};
use super::Outcome;

pub(super) async fn run(_: &Options, _: &options::Soak) -> Result<Outcome, Failure> {
    Err(Failure::Argument("not yet".into()))
}
