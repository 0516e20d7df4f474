//! A file that a provider makes: started once, polled politely, fetched, announced.

mod abandoned;
mod collect;
mod inputs;
mod pace;
mod start;
mod watch;

pub(super) use abandoned::cancel_abandoned;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout};

use crate::catalog::Model;
use crate::event::now_ms;
use crate::event::payload::Progress;
use crate::provider::media::Operation;

use super::makers::Maker;
use super::{Halt, Run, run::Done};
use watch::First;

/// Runs a job that a model of the catalog makes.
///
/// # Errors
/// The reason to stop.
pub(super) async fn run(run: &Run) -> Result<Done, Halt> {
    let mut work = Work::of(run)?;
    let (operation, first) = work.operation().await?;
    let files = work.see_through(&operation, first).await?;
    work.tell(100, "finishing", None).await?;
    Ok(work.done(files))
}

/// How long fetching the files of one job may take in all.
const COLLECT_LIMIT: Duration = Duration::from_secs(900);

fn not_collected() -> Halt {
    let message = format!("the files could not be fetched within {} s", COLLECT_LIMIT.as_secs());
    Halt::failed("timeout", message, true)
}

/// A media job at work.
struct Work<'a> {
    run: &'a Run,
    model: Arc<Model>,
    maker: Arc<Maker>,
    input: Map<String, Value>,
    /// When the job has taken too long.
    deadline: Instant,
    /// How far readers were told that it is.
    told_percent: u8,
}

/// What came of it.
struct Files {
    ids: Vec<String>,
    /// How long the first one plays.
    duration_ms: Option<u64>,
    /// What of the provider's answer is kept.
    kept: Map<String, Value>,
}

impl<'a> Work<'a> {
    fn of(run: &'a Run) -> Result<Self, Halt> {
        let job = &run.claimed.job;
        let makers = &run.workshop.makers;
        let slug = job.model.as_deref().unwrap_or_default();
        let model = makers.catalog.get(slug).cloned().ok_or_else(|| {
            Halt::failed("unknown_model", format!("the catalog has no model '{slug}'"), false)
        })?;
        let maker = makers.get(&model.provider).cloned().ok_or_else(|| {
            let message = format!("there is no provider '{}'", model.provider);
            Halt::failed("unknown_provider", message, false)
        })?;
        let Value::Object(input) = job.input.clone() else {
            return Err(Halt::failed("invalid_input", "the input is no object", false));
        };
        let deadline = Instant::now() + maker.time_limit(&model);
        Ok(Self { run, model, maker, input, deadline, told_percent: 0 })
    }

    /// Counts the time limit from when the work was started at the provider, maybe by a process
    /// that is dead now.
    fn started_at(&mut self, started_at: i64) {
        let elapsed = u64::try_from(now_ms() - started_at).unwrap_or(0);
        let limit = self.maker.time_limit(&self.model);
        self.deadline = Instant::now() + limit.saturating_sub(Duration::from_millis(elapsed));
    }

    /// Waits for something within the time limit, unless the job is canceled or the server goes
    /// down first.
    async fn within<T>(&self, wanted: impl Future<Output = T>) -> Result<T, Halt> {
        let limited = tokio::time::timeout_at(self.deadline, wanted);
        self.run.or_halt(limited).await?.map_err(|_| self.timed_out())
    }

    fn timed_out(&self) -> Halt {
        let limit = self.model.time_limit.as_secs();
        let message = format!("the provider did not finish within {limit} s");
        Halt::failed("timeout", message, true)
    }

    async fn tell(
        &mut self,
        percent: u8,
        stage: &str,
        message: Option<String>,
    ) -> Result<(), Halt> {
        self.told_percent = self.told_percent.max(percent);
        let percent = self.told_percent;
        self.run
            .progress(Progress { percent, stage: stage.into(), message, ..Progress::default() })
            .await
    }

    async fn see_through(&mut self, operation: &Operation, first: First) -> Result<Files, Halt> {
        let mut answer = self.watch(operation, first).await?;
        // An address that has expired may be given anew: once more asked, then it is lost.
        let mut asked_again = false;
        loop {
            let collected = timeout(COLLECT_LIMIT, Box::pin(self.collect(&answer))).await;
            match collected.map_err(|_| not_collected())?? {
                Ok(files) => return Ok(files),
                Err(error) if asked_again => return Err(error.into()),
                Err(error) => {
                    tracing::info!(job = %self.run.claimed.job.id, %error, "asking for the file anew");
                    asked_again = true;
                    answer = self.watch(operation, First::Soon).await?;
                }
            }
        }
    }

    fn done(&self, files: Files) -> Done {
        let cost = self.model.cost(&self.input, files.duration_ms);
        // The model's price may have risen since the submit: no more is taken than was held.
        let cost = cost.min(self.run.claimed.job.hold);
        let mut summary = json!({
            "artifacts": files.ids,
            "model": self.model.slug,
            "provider": self.model.provider,
            "cost": cost,
        });
        if let Some(duration_ms) = files.duration_ms {
            summary["duration_ms"] = duration_ms.into();
        }
        if self.maker.setup.simulated {
            summary["simulated"] = true.into();
        }
        if let Value::Object(fields) = &mut summary {
            fields.extend(files.kept);
        }
        Done { summary, cost: Some(cost) }
    }
}
