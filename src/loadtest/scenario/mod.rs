//! What happens in each kind of load test.

mod fanout;
mod idle;
mod mixed;
mod poll;
mod replay;
mod slow;
mod storm;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::order::Scenario;
use super::report::Report;
use super::stage::Stage;
use super::{LoadError, Order, Screen};

/// Runs a load test to its report.
pub(super) fn run(
    order: &Order,
    screen: &dyn Screen,
    stop: &Arc<AtomicBool>,
) -> Result<Report, LoadError> {
    let mut stage = Stage::set(order, screen, stop)?;
    let ended = match order.scenario {
        Scenario::Fanout | Scenario::ManyJobs | Scenario::Tokens => fanout::run(&mut stage),
        Scenario::Idle => idle::run(&mut stage),
        Scenario::Storm => storm::run(&mut stage),
        Scenario::Slow => slow::run(&mut stage),
        Scenario::Replay => replay::run(&mut stage),
        Scenario::Poll => poll::run(&mut stage),
        Scenario::Mixed => mixed::run(&mut stage),
    };
    ended.map_err(|error| match (error, stage.server.last_words()) {
        (LoadError::Server { what }, Some(words)) => {
            LoadError::server(format!("{what}; its log: {words}"))
        }
        (error, _) => error,
    })?;
    Ok(stage.report)
}
