//! The chaos suite: the real server in its own process, everything around it broken on purpose, and
//! a checker that holds what every reader saw against what was accepted.
//!
//! A run is drawn from a seed (`plan`): which faults, in which order, each at a moment that is a
//! condition on progress and never a time. So a plan can be repeated, although not its interleaving.
//! Between the server and everybody who speaks to it stands a proxy of ours, another one between the
//! server and the simulator of providers.
//!
//! What is promised and what is not stands in `PROTOCOL.md`, section 15; what was measured, in
//! `docs/reliability.md`.

#![forbid(unsafe_code)]

mod check;
mod clock;
mod cluster;
mod database;
mod disk;
mod epochs;
mod failure;
mod modes;
mod options;
mod plan;
mod proxy;
mod reader;
mod record;
mod say;
mod server;
mod simulator;
mod strike;
mod usage;
mod wal;
mod work;
mod world;

pub use failure::Failure;
pub use modes::run;
pub use options::Options;
pub use plan::{ClusterKind, Kind};
