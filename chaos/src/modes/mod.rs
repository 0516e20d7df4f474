//! What there is to do, from the arguments to the exit code.

mod cluster;
mod everybody;
mod faults;
mod recovery;
mod report;
mod soak;
mod stage;

use std::process::ExitCode;

use crate::failure::Failure;
use crate::options::{Mode, Options};
use crate::say;

/// How a run went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As it should.
    Clean,
    /// Something was wrong.
    Violated,
}

/// Does what the options say; 0 when nothing was wrong, 1 when something was, 2 when the run came to
/// nothing.
pub async fn run(options: Options) -> ExitCode {
    let done = tokio::select! {
        done = mode(&options) => done,
        // Dropped in order: the server ends, and the disk is unmounted.
        () = interrupted() => Err(Failure::Argument("interrupted".to_owned())),
    };
    match done {
        Ok(Outcome::Clean) => ExitCode::SUCCESS,
        Ok(Outcome::Violated) => ExitCode::from(1),
        Err(failure) => {
            say::line(&format!("the run came to nothing: {failure}"));
            ExitCode::from(2)
        }
    }
}

async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut told) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = told.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

async fn mode(options: &Options) -> Result<Outcome, Failure> {
    match &options.mode {
        None | Some(Mode::Kills(_)) => faults::run(options).await,
        Some(Mode::Cluster(cluster)) => cluster::run(options, cluster).await,
        Some(Mode::Recovery(recovery)) => recovery::run(options, recovery).await,
        Some(Mode::Soak(soak)) => soak::run(options, soak).await,
    }
}
