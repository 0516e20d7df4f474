//! `GET /api/admin/stream`: figures every second, and the jobs that fit a filter.

use std::collections::HashMap;
use std::time::Instant;

use axum::extract::RawQuery;
use axum::response::Response;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, timeout};

use crate::db::jobs::Filter;
use crate::event::now_ms;
use crate::http::guard::{Admin, Call, May};
use crate::http::query::Query;
use crate::http::{App, Problem};
use crate::job::{Kind, Status};
use crate::telemetry::metrics::{Recent, cpu_seconds, metrics, process, sum};

use super::feed::{self, Feed, Gone, PACE};
use super::jobs;
use super::now::{self, Now};

/// How many jobs a page has.
const JOBS: u32 = 100;

/// How many seconds the quantiles are of.
const WINDOW: usize = 10;

/// How often a search is repeated, in figures: it looks into texts.
const SEARCH_PACE: u64 = 5;

/// Streams `figures` every second, and `jobs` whenever the page of the filter changes.
///
/// # Errors
/// [`crate::http::Code::InvalidParameter`], [`crate::http::Code::Forbidden`].
#[utoipa::path(
    get, path = "/api/admin/stream", operation_id = "stream_figures", tag = "operator",
    security(("key" = ["admin"])),
    params(
        ("status" = Option<String>, Query, description = "Only jobs with this status"),
        ("kind" = Option<String>, Query, description = "Only jobs of this kind"),
        ("q" = Option<String>, Query,
            description = "Only jobs with this text in their id, project, model, error or input"),
    ),
    responses((
        status = 200, description = "Server-sent events without ids: figures, jobs",
        body = String, content_type = "text/event-stream",
    )),
)]
pub(super) async fn stream(
    May { call, .. }: May<Admin>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    call.caller().require_all_projects()?;
    let query = Query::parse(query.as_deref(), &["status", "kind", "q"])?;
    let filter = Filter {
        status: query
            .read("status", &format!("one of {}", Status::ALL.map(Status::as_str).join(", ")))?,
        kind: query.read("kind", &format!("one of {}", Kind::ALL.map(Kind::as_str).join(", ")))?,
        contains: query.get("q").map(str::trim).filter(|text| !text.is_empty()).map(Into::into),
        limit: JOBS + 1,
        ..Filter::default()
    };
    feed::open(&call, |feed| tell(feed, call.clone(), filter))
}

async fn tell(feed: Feed, call: Call, filter: Filter) -> Result<(), Gone> {
    let mut before = Sample::take();
    let mut latencies = Window::default();
    let mut shown = Value::Null;
    let mut beat = tokio::time::interval(PACE);
    // After a database that was slow, the next look is in a second and not at once.
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for count in 0_u64.. {
        beat.tick().await;
        let now = now::look(&call).await;
        let sample = Sample::take();
        feed.say("figures", &view(&call, &now, &before, &sample, &latencies.next())).await?;
        before = sample;
        if filter.contains.is_none() || count % SEARCH_PACE == 0 {
            // A database that does not answer shows nothing new.
            let page = timeout(now::PATIENCE, jobs::page(&call, &filter, JOBS as usize)).await;
            if let Ok(Ok(page)) = page
                && page != shown
            {
                feed.say("jobs", &page).await?;
                shown = page;
            }
        }
    }
    Ok(())
}

/// How much of everything there was until a moment.
struct Sample {
    at: Instant,
    cpu_seconds: f64,
    totals: HashMap<&'static str, u64>,
}

impl Sample {
    fn take() -> Self {
        let metrics = metrics();
        let totals = [
            ("deliveries", metrics.deliveries_total.get()),
            ("delivered_bytes", metrics.delivered_bytes_total.get()),
            ("appends", sum(&metrics.events_appended_total, &[])),
            ("requests", sum(&metrics.http_requests_total, &[])),
            ("refused", sum(&metrics.refused_total, &[])),
            ("reconnects", metrics.reconnects_total.get()),
            ("gaps", sum(&metrics.gaps_total, &[])),
        ];
        Self { at: Instant::now(), cpu_seconds: cpu_seconds(), totals: totals.into() }
    }

    /// What there was in a second since then, on average.
    #[expect(clippy::cast_precision_loss, reason = "counts of a second are far below 2^52")]
    fn rates(&self, until: &Self) -> Value {
        let seconds = (until.at - self.at).as_secs_f64().max(0.001);
        let rate = |(name, total): (&&str, &u64)| {
            let new = total.saturating_sub(self.totals.get(name).copied().unwrap_or(0));
            ((*name).to_owned(), json!((new as f64 / seconds * 10.0).round() / 10.0))
        };
        Value::Object(until.totals.iter().map(rate).collect())
    }
}

/// The quantiles of the last seconds.
#[derive(Default)]
struct Window {
    /// What each of the last seconds is compared with, the oldest first.
    seconds: std::collections::VecDeque<Recent>,
}

impl Window {
    /// Half of what was written since, and all but a hundredth of it, were written within this, in
    /// milliseconds.
    fn next(&mut self) -> Value {
        let histogram = &metrics().append_to_write_seconds;
        let mut now = Recent::default();
        now.quantiles(histogram, [0.5]);
        self.seconds.push_back(now);
        let mut oldest = self.seconds.front().cloned().unwrap_or_default();
        if self.seconds.len() > WINDOW {
            self.seconds.pop_front();
        }
        let Some([half, most]) = oldest.quantiles(histogram, [0.5, 0.99]) else {
            return Value::Null;
        };
        let ms = |seconds: f64| (seconds * 100_000.0).round() / 100.0;
        json!({ "p50": ms(half), "p99": ms(most) })
    }
}

fn view(app: &App, now: &Now, before: &Sample, sample: &Sample, latency: &Value) -> Value {
    let metrics = metrics();
    let at = now_ms();
    let process = process();
    let seconds = (sample.at - before.at).as_secs_f64();
    let cpu = if seconds < 0.1 {
        0.0
    } else {
        ((sample.cpu_seconds - before.cpu_seconds) / seconds * 100.0).round() / 100.0
    };
    #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970 fit")]
    let started = (process.start_time * 1000.0) as i64;
    let ended = |status| sum(&metrics.jobs_ended_total, &[None, Some(status)]);
    let counted = now.counted.as_ref();
    let credits = counted.map(|counted| {
        let (granted, captured, held) = counted.credits;
        let available = granted - captured - held;
        json!({ "held": held, "available": available, "captured": captured, "granted": granted })
    });
    json!({
        "at": at,
        "version": app.info.version,
        "node": app.store.cluster().map(|cluster| cluster.runner().unsigned_abs()),
        "ready": now.reason.is_none(),
        "reason": now.reason,
        "degraded": app.store.is_degraded(),
        "database": now.counted.is_some(),
        "uptime_ms": (at - started).max(0),
        "rates": before.rates(sample),
        "readers": now.readers,
        "polls_waiting": now.polls,
        "followers_behind": now.behind.0,
        "lag_events_max": now.behind.1,
        "append_to_write_ms": latency,
        "durable_lag_ms": milliseconds(app.store.durable_lag()),
        "not_durable": app.store.not_durable(),
        "memory_bytes": app.store.memory(),
        "memory_limit_bytes": app.store.memory_limit(),
        "logs": app.store.log_count(),
        "process": {
            "cpu": cpu,
            "resident_bytes": process.resident_bytes,
            "open_fds": process.open_fds,
            "max_fds": process.max_fds,
        },
        "jobs": {
            "pending": counted.map(|counted| counted.pending),
            "running": counted.map(|counted| counted.running),
            "completed_total": ended("completed"),
            "failed_total": ended("failed"),
            "canceled_total": ended("canceled"),
        },
        "queue": queue(now, at),
        "providers": providers(app),
        "credits": credits,
        "webhooks": {
            "pending": counted.map(|counted| counted.webhooks),
            "delivered_total": sum(&metrics.webhook_deliveries_total, &[Some("delivered")]),
            "given_up_total": sum(&metrics.webhook_deliveries_total, &[Some("given_up")]),
        },
    })
}

/// Whom jobs wait for or are run by, with how they stand.
fn queue(now: &Now, at: i64) -> Vec<Value> {
    let waiting = now.counted.iter().flat_map(|counted| &counted.waiting);
    let waiting: HashMap<_, _> = waiting.map(|waiting| (waiting.lane.as_str(), waiting)).collect();
    let mut lanes: Vec<_> =
        waiting.keys().copied().chain(now.running.keys().map(String::as_str)).collect();
    lanes.sort_unstable();
    lanes.dedup();
    let lane = |lane: &str| {
        let waiting = waiting.get(lane);
        let running = now.running.get(lane);
        json!({
            "provider": lane,
            "waiting": waiting.map_or(0, |waiting| waiting.jobs),
            "oldest_ms": waiting.map_or(0, |waiting| (at - waiting.oldest).max(0)),
            "running": running.map_or(0, |running| running.jobs),
            "silence_ms_max": running.map(|running| milliseconds(running.silence)),
            "silent_job": running.and_then(|running| running.silent.as_ref()),
        })
    };
    lanes.into_iter().map(lane).collect()
}

fn providers(app: &App) -> Vec<Value> {
    let metrics = metrics();
    let names = app.makers.names();
    let own = ["chat", "speech"].map(str::to_owned);
    let provider = |name: String| {
        let health = app.makers.health(&name);
        let simulated = match name.as_str() {
            "chat" | "speech" => app.info.simulated.contains(&name),
            name => app.makers.is_simulated(name),
        };
        let name = name.as_str();
        json!({
            "name": name,
            "simulated": simulated,
            "status": health.as_ref().map_or("ok", |health| health.status),
            "note": health.as_ref().and_then(|health| health.reason),
            "resumes_in_ms": health.as_ref().and_then(|health| health.resumes_in_ms),
            "requests_total": sum(&metrics.provider_requests_total, &[Some(name)]),
            "errors_total": sum(&metrics.provider_errors_total, &[Some(name)]),
            "polls_saved_total": sum(&metrics.polls_saved_total, &[Some(name)]),
            "callbacks_total": sum(&metrics.callbacks_total, &[Some(name)]),
        })
    };
    own.into_iter().chain(names).map(provider).collect()
}

pub(super) fn milliseconds(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
