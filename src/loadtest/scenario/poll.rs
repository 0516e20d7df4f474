//! Clients that ask again and again, as often as the server tells them to.

use super::super::polls::{Plan, Polling, Polls};
use super::super::stage::Stage;
use super::super::system::now_ns;
use super::LoadError;

pub(super) fn run(stage: &mut Stage<'_>) -> Result<(), LoadError> {
    let clients = stage.order.readers;
    let before = stage.meter();
    let polling = start(stage, clients)?;
    let load = stage.load();
    let playing = stage.play(load)?;
    let published = stage.played(playing)?;
    let after = stage.meter();
    stage.report.published(&published);
    let answers = polling.polls().answers;
    let polls = finish(stage, polling, clients)?;
    stage.report.polled(&polls);
    stage.report.cost_of_polls(&after, &before, answers);
    Ok(())
}

/// Clients that have begun to ask.
pub(super) fn start(stage: &Stage<'_>, clients: u32) -> Result<Polling, LoadError> {
    let plan = Plan::new(&stage.server, &stage.jobs.names, clients, stage.order.seed);
    let polling = Polling::start(plan)?;
    stage.wait_on("asking for the first time", u64::from(clients), || polling.polls().begun)?;
    Ok(polling)
}

/// Ends the jobs, and waits until every client knows.
pub(super) fn finish(
    stage: &mut Stage<'_>,
    polling: Polling,
    clients: u32,
) -> Result<Polls, LoadError> {
    polling.note_end(now_ns());
    stage.end_jobs()?;
    let clients = u64::from(clients);
    stage.wait_on("asking for the end", clients, || polling.polls().ended)?;
    let polls = polling.finish()?;
    stage.report.check_polls(&polls, clients);
    Ok(polls)
}
