//! The load test: plays jobs through the ingest API, reads them back with as many real readers as
//! asked for, and checks that each gets every event once, in order, whole.
//!
//! It knows the wire and nothing of the server's insides, and runs the same scenario on other
//! servers ([`Adapter`]), so that a figure has something to stand beside. Latency counts from when
//! an event was due, not from when it was sent: a server that falls behind cannot hide it. The load
//! is made by plain threads over a readiness queue, and by further processes of this program where
//! one may not have as many descriptors as there are readers; nothing of it runs on the runtime of
//! a server.

mod adapter;
mod crowd;
mod error;
mod limit;
mod measure;
mod order;
mod payload;
mod polls;
mod publish;
mod recording;
mod report;
mod scenario;
mod schedule;
mod server;
mod socket;
mod stage;
mod system;
mod target;
mod usage;
mod verify;
mod wire;

pub use adapter::Adapter;
pub use error::LoadError;
pub use order::{Order, Scenario, Usual};
pub use report::{Check, Figure, Machine, Plots, Point, Report, Settings};
pub use verify::Counts;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Where a load test shows what it does.
pub trait Screen: Sync {
    /// Something begins that ends when so much is done; 0 is not known.
    fn phase(&self, what: &str, total: u64);
    /// So much of it is done.
    fn progress(&self, done: u64);
}

/// Runs a load test to its report. It blocks this thread; `stop` ends it before its time.
///
/// # Errors
/// When it does not come to a report. That a check failed is none: see [`Report::passed`].
pub fn run(
    order: &Order,
    screen: &dyn Screen,
    stop: &Arc<AtomicBool>,
) -> Result<Report, LoadError> {
    order.check()?;
    scenario::run(order, screen, stop)
}

/// Runs what this program starts of itself to read with: see `crowd`.
///
/// # Errors
/// When it is not started by a load test, or the system fails.
pub fn run_readers() -> io::Result<()> {
    crowd::run_process()
}

/// Runs the server that only writes, until standard input ends.
///
/// # Errors
/// When the address is not free, or the system fails.
pub fn run_limit(address: SocketAddr) -> io::Result<()> {
    limit::run(address)
}
