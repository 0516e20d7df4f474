//! How everything stands at this moment.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::timeout;

use crate::db::figures::{External, Figures};
use crate::event::now_ms;
use crate::http::App;
use crate::http::readers::Transport;
use crate::job::JobId;
use crate::store::Log;
use crate::telemetry::metrics::{Metrics, set_all, set_all_seconds, set_together};
use crate::telemetry::trail;

/// How long the database is waited for. Whoever watches is told the rest without it then: that it does
/// not answer is what they have to know.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// The lane of jobs that have none: others' workers run them.
const EXTERNAL: &str = "external";

/// The jobs of one provider that run here, or in the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Running {
    pub(super) jobs: i64,
    /// The longest that one of them has given no sign of life.
    pub(super) silence: Duration,
    /// Which one that is.
    pub(super) silent: Option<JobId>,
}

/// How everything stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Now {
    /// What the database counts; nothing where it does not answer.
    pub(super) counted: Option<Figures>,
    pub(super) running: BTreeMap<String, Running>,
    pub(super) readers: usize,
    pub(super) polls: usize,
    /// How many readers are behind, and how many events the one lacks that is furthest.
    pub(super) behind: (usize, usize),
    /// Why no job is taken.
    pub(super) reason: Option<&'static str>,
}

/// Looks, and sets the metrics that are looked up.
pub(super) async fn look(app: &App) -> Now {
    let counted = match timeout(PATIENCE, app.store.db().figures()).await {
        Ok(Ok(figures)) => Some(figures),
        Ok(Err(error)) => {
            tracing::debug!(%error, "the database does not count");
            None
        }
        Err(_) => None,
    };
    let now = gather(app, counted);
    set_together(|metrics| set(metrics, app, &now));
    now
}

fn gather(app: &App, counted: Option<Figures>) -> Now {
    let at = now_ms();
    let mut running = BTreeMap::<_, Running>::new();
    for log in app.store.running() {
        let of_lane = running.entry(lane(&log).to_owned()).or_default();
        of_lane.jobs += 1;
        let silence = silence(app, &log, at);
        if of_lane.silent.is_none() || silence > of_lane.silence {
            (of_lane.silence, of_lane.silent) = (silence, Some(log.job.clone()));
        }
    }
    // Of the jobs of others those that are silent leave memory, and after a start none is there.
    if let Some(counted) = &counted {
        running.remove(EXTERNAL);
        if let Some(External { jobs, silent, since }) = &counted.external {
            let silence = elapsed(*since, at);
            let silent = Some(silent.clone());
            running.insert(EXTERNAL.to_owned(), Running { jobs: *jobs, silence, silent });
        }
    }
    Now {
        counted,
        running,
        readers: app.engine.as_ref().map_or(0, |engine| engine.readers())
            + app.readers.count(Transport::Stream),
        polls: app.readers.count(Transport::Poll),
        behind: behind(app),
        reason: app.refuses_jobs(),
    }
}

/// How many readers are behind, of the engine's and of hyper's, and by how much the furthest.
fn behind(app: &App) -> (usize, usize) {
    let engines = app.engine.as_ref().map_or((0, 0), |engine| engine.behind());
    let others = app
        .readers
        .behind(|job, after| app.store.find(job).map_or(0, |log| log.count_after(after)));
    (engines.0 + others.0, engines.1.max(others.1))
}

/// Whom a job waits for, or who runs it.
pub(super) fn lane(log: &Log) -> &str {
    log.lane.as_deref().unwrap_or(EXTERNAL)
}

/// How long a job that runs has given no sign of life.
///
/// Of a file that a provider makes, progress is partly guessed by the time it takes: there only what
/// the provider says counts, which the node knows that runs the job.
pub(super) fn silence(app: &App, log: &Log, now: i64) -> Duration {
    let noted = trail::sign_at(log.job.as_str());
    let appended = log.last_at();
    let is_guessed = log.kind.is_media() && app.queue.runs(&log.job);
    let sign = if is_guessed { noted.or(appended) } else { noted.max(appended) };
    elapsed(sign.unwrap_or(log.created_at), now)
}

fn elapsed(from: i64, until: i64) -> Duration {
    Duration::from_millis(until.saturating_sub(from).try_into().unwrap_or(0))
}

fn set(metrics: &Metrics, app: &App, now: &Now) {
    let whole = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    set_all(&metrics.readers, [("stream", whole(now.readers)), ("poll", whole(now.polls))]);
    metrics.followers_behind.set(whole(now.behind.0));
    metrics.follower_lag_events_max.set(whole(now.behind.1));
    metrics.durable_lag_seconds.set(app.store.durable_lag().as_secs_f64());
    metrics.events_not_durable.set(whole(app.store.not_durable()));
    metrics.logs.set(whole(app.store.log_count()));
    metrics.log_memory_bytes.set(whole(app.store.memory()));
    metrics.log_memory_limit_bytes.set(whole(app.store.memory_limit()));
    metrics.degraded.set(app.store.is_degraded().into());
    metrics.ready.set(now.reason.is_none().into());
    let lanes = now.running.iter().map(|(lane, running)| (lane.as_str(), running));
    set_all(&metrics.jobs_running, lanes.clone().map(|(lane, running)| (lane, running.jobs)));
    set_all_seconds(
        &metrics.job_silence_seconds_max,
        lanes.map(|(lane, running)| (lane, running.silence)),
    );
    let providers = app.makers.names();
    set_all(
        &metrics.provider_up,
        providers.iter().filter_map(|name| {
            Some((name.as_str(), i64::from(app.makers.health(name)?.status == "ok")))
        }),
    );
    let Some(counted) = &now.counted else {
        // What nobody has counted is not shown; sums of money stay what they were.
        metrics.jobs.reset();
        metrics.queue_jobs.reset();
        metrics.queue_oldest_seconds.reset();
        return;
    };
    set_all(&metrics.jobs, [("pending", counted.pending), ("running", counted.running)]);
    set_all(
        &metrics.queue_jobs,
        counted.waiting.iter().map(|waiting| (waiting.lane.as_str(), waiting.jobs)),
    );
    let at = now_ms();
    set_all_seconds(
        &metrics.queue_oldest_seconds,
        counted.waiting.iter().map(|waiting| (waiting.lane.as_str(), elapsed(waiting.oldest, at))),
    );
    let (granted, captured, held) = counted.credits;
    metrics.credits_held_microcredits.set(held);
    metrics.credits_available_microcredits.set(granted - captured - held);
    metrics.webhooks_pending.set(counted.webhooks);
}
