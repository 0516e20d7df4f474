//! What is counted of this process, for `/metrics` and for the operator's page.
//!
//! Each metric is one object that is both written and read, kept in one list ([`metrics`]) by the names
//! that <https://prometheus.io/docs/practices/naming/> asks for. What is counted where readers are
//! served is an addition to a number and nothing more. Labels have few values: providers of the catalog,
//! templates of routes, codes. What can be looked up when somebody asks (how many wait, how old the
//! oldest is) is set at that moment, by [`crate::http`].

mod process;
mod recent;

pub use process::{Process, cpu_seconds, cpu_ticks, kilobytes, note_start, process};
pub use recent::Recent;

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus::core::Collector;
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

/// The media type of [`render`]'s text.
pub const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// From a tenth of a millisecond to ten seconds: writes, commits, requests.
const FAST: &[f64] = &[
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

/// From a tenth of a second to an hour: waits, jobs, requests to providers.
const SLOW: &[f64] =
    &[0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_200.0, 3_600.0];

macro_rules! list {
    ($($(#[doc = $help:literal])+ $name:ident: $kind:ty = $make:expr;)+) => {
        /// Every metric of this process.
        #[derive(Debug)]
        pub struct Metrics {
            registry: Registry,
            $($(#[doc = $help])+ pub $name: $kind,)+
        }

        impl Metrics {
            fn new() -> Self {
                let registry = Registry::new_custom(Some("tailwater".into()), None)
                    .expect("the prefix is a name");
                let make = |name: &str, help: &str| (name.to_owned(), help.trim().to_owned());
                $(let $name = {
                    let made: $kind = $make(make(stringify!($name), concat!($($help),+)));
                    keep(&registry, made)
                };)+
                Self { registry, $($name),+ }
            }
        }
    };
}

list! {
    /// Streams that are open, and polls that wait for an event.
    readers: IntGaugeVec = gauges(&["transport"]);
    /// Events that were written to readers.
    deliveries_total: IntCounter = counter;
    /// Bytes of events that were written to readers.
    delivered_bytes_total: IntCounter = counter;
    /// From the append of an event until it is written to those who wait for it, in seconds.
    append_to_write_seconds: Histogram = histogram(FAST);
    /// Events that were appended, by who made them.
    events_appended_total: IntCounterVec = counters(&["source"]);
    /// How old the oldest event is that is not in the database, in seconds.
    durable_lag_seconds: Gauge = number;
    /// Events that are not in the database yet.
    events_not_durable: IntGauge = gauge;
    /// How long a commit of the journal takes, in seconds.
    journal_commit_seconds: Histogram = histogram(FAST);
    /// Readers that have not all that there is.
    followers_behind: IntGauge = gauge;
    /// How many events the reader lacks that is furthest behind.
    follower_lag_events_max: IntGauge = gauge;
    /// Readers that were told of a gap, by its reason.
    gaps_total: IntCounterVec = counters(&["reason"]);
    /// Logs that were taken out of memory.
    log_evictions_total: IntCounter = counter;
    /// Logs in memory.
    logs: IntGauge = gauge;
    /// What the logs in memory take, in bytes.
    log_memory_bytes: IntGauge = gauge;
    /// What they may take, in bytes.
    log_memory_limit_bytes: IntGauge = gauge;
    /// Jobs that wait or run.
    jobs: IntGaugeVec = gauges(&["status"]);
    /// Jobs that wait, by the provider that they wait for.
    queue_jobs: IntGaugeVec = gauges(&["provider"]);
    /// How long the job has waited that has waited longest, in seconds.
    queue_oldest_seconds: GaugeVec = numbers(&["provider"]);
    /// From submit to claim, in seconds.
    queue_wait_seconds: HistogramVec = histograms(SLOW, &["provider"]);
    /// Jobs that run.
    jobs_running: IntGaugeVec = gauges(&["provider"]);
    /// The longest time without a sign of life from a job that runs, in seconds.
    job_silence_seconds_max: GaugeVec = numbers(&["provider"]);
    /// Jobs that were submitted.
    jobs_submitted_total: IntCounterVec = counters(&["kind"]);
    /// Jobs that ended.
    jobs_ended_total: IntCounterVec = counters(&["kind", "status"]);
    /// From submit to end, in seconds.
    job_seconds: HistogramVec = histograms(SLOW, &["kind", "status"]);
    /// Requests to providers.
    provider_requests_total: IntCounterVec = counters(&["provider", "operation", "outcome"]);
    /// Requests to providers that failed, by code.
    provider_errors_total: IntCounterVec = counters(&["provider", "code"]);
    /// How long providers take to answer, in seconds.
    provider_request_seconds: HistogramVec = histograms(SLOW, &["provider", "operation"]);
    /// Whether a provider is asked: 0 while it fails or has said that it is too much.
    provider_up: IntGaugeVec = gauges(&["provider"]);
    /// Callbacks of providers.
    callbacks_total: IntCounterVec = counters(&["provider"]);
    /// Polls that a callback made needless.
    polls_saved_total: IntCounterVec = counters(&["provider"]);
    /// Micro-credits that jobs hold.
    credits_held_microcredits: IntGauge = gauge;
    /// Micro-credits that new jobs may hold.
    credits_available_microcredits: IntGauge = gauge;
    /// Streams that came with a cursor.
    reconnects_total: IntCounter = counter;
    /// Requests that were refused for a bound: of the server, or of who asks.
    refused_total: IntCounterVec = counters(&["code"]);
    /// Requests that were answered.
    http_requests_total: IntCounterVec = counters(&["method", "route", "status"]);
    /// How long the head of an answer takes, in seconds.
    http_request_seconds: HistogramVec = histograms(FAST, &["route"]);
    /// Attempts to tell somebody how a job ended.
    webhook_deliveries_total: IntCounterVec = counters(&["outcome"]);
    /// Webhooks that nobody has heard yet.
    webhooks_pending: IntGauge = gauge;
    /// Whether the log of the cluster is out of reach.
    degraded: IntGauge = gauge;
    /// Whether new jobs are taken.
    ready: IntGauge = gauge;
    /// This program.
    build_info: IntGaugeVec = gauges(&["version"]);
}

impl Metrics {
    /// Shows what may stay at nothing for long, so that a graph and an alert have something to look at.
    fn begin(&self) {
        let counters: [(&IntCounterVec, &[&str]); 4] = [
            (&self.events_appended_total, &["worker", "producer", "reconciler"]),
            (
                &self.gaps_total,
                &["invalid_cursor", "unknown_epoch", "lost_in_crash", "ahead_of_head", "trimmed"],
            ),
            (&self.webhook_deliveries_total, &["delivered", "failed", "given_up"]),
            (&self.refused_total, &["too_many_requests", "unavailable"]),
        ];
        for (counter, labels) in counters {
            labels.iter().for_each(|label| drop(counter.with_label_values(&[label])));
        }
        set_all(&self.readers, [("stream", 0), ("poll", 0)]);
    }
}

/// The metrics of this process.
#[must_use]
pub fn metrics() -> &'static Metrics {
    static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
        let metrics = Metrics::new();
        metrics.build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        metrics.begin();
        metrics
    });
    &METRICS
}

/// Held while what was looked up is set, and while all is shown: nobody sees a half of it.
static SHOWN: Mutex<()> = Mutex::new(());

/// Sets what was looked up, all of it before anybody is shown any.
pub fn set_together(set: impl FnOnce(&Metrics)) {
    let _shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    set(metrics());
}

/// All of them in Prometheus' text format, with what the system says of this process.
#[must_use]
pub fn render() -> Vec<u8> {
    let of_process = process().to_text();
    let _shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut text = Vec::new();
    TextEncoder::new()
        .encode(&metrics().registry.gather(), &mut text)
        .expect("names are valid, and memory takes every write");
    text.extend_from_slice(of_process.as_bytes());
    text
}

/// Notes a request to a provider: what it was for, when it began, and the code of what went wrong.
pub fn note_request(provider: &str, operation: &str, began: Instant, error: Option<&str>) {
    let metrics = metrics();
    let outcome = if error.is_some() { "error" } else { "ok" };
    metrics.provider_requests_total.with_label_values(&[provider, operation, outcome]).inc();
    if let Some(code) = error {
        metrics.provider_errors_total.with_label_values(&[provider, code]).inc();
    }
    let seconds = metrics.provider_request_seconds.with_label_values(&[provider, operation]);
    seconds.observe(began.elapsed().as_secs_f64());
}

/// Sets all values of a labelled gauge: those that are not named are gone.
pub fn set_all<'a>(gauges: &IntGaugeVec, values: impl IntoIterator<Item = (&'a str, i64)>) {
    gauges.reset();
    values.into_iter().for_each(|(label, value)| gauges.with_label_values(&[label]).set(value));
}

/// The same in seconds.
pub fn set_all_seconds<'a>(
    gauges: &GaugeVec,
    values: impl IntoIterator<Item = (&'a str, Duration)>,
) {
    gauges.reset();
    for (label, value) in values {
        gauges.with_label_values(&[label]).set(value.as_secs_f64());
    }
}

/// The sum of a counter over all its labels but those that are named, in the order of the labels; `None`
/// in its place takes every value.
#[must_use]
pub fn sum(counters: &IntCounterVec, labels: &[Option<&str>]) -> u64 {
    let mut sum = 0;
    for family in counters.collect() {
        for metric in family.get_metric() {
            // They are kept in the order of their names, not of the list.
            let fits = labels
                .iter()
                .flatten()
                .all(|wanted| metric.get_label().iter().any(|label| label.value() == *wanted));
            if fits {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a count that was a whole number before"
                )]
                let value = metric.get_counter().get_value() as u64;
                sum += value;
            }
        }
    }
    sum
}

type Named = (String, String);

fn opts((name, help): Named) -> Opts {
    Opts::new(name, help)
}

/// Registers a metric; what is registered and what is written to are the same.
fn keep<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> C {
    registry.register(Box::new(metric.clone())).expect("each name stands in the list once");
    metric
}

const VALID: &str = "a name of the list is a valid one";

fn counter(named: Named) -> IntCounter {
    IntCounter::with_opts(opts(named)).expect(VALID)
}

fn gauge(named: Named) -> IntGauge {
    IntGauge::with_opts(opts(named)).expect(VALID)
}

fn number(named: Named) -> Gauge {
    Gauge::with_opts(opts(named)).expect(VALID)
}

fn counters(labels: &'static [&'static str]) -> impl Fn(Named) -> IntCounterVec {
    |named| IntCounterVec::new(opts(named), labels).expect(VALID)
}

fn gauges(labels: &'static [&'static str]) -> impl Fn(Named) -> IntGaugeVec {
    |named| IntGaugeVec::new(opts(named), labels).expect(VALID)
}

fn numbers(labels: &'static [&'static str]) -> impl Fn(Named) -> GaugeVec {
    |named| GaugeVec::new(opts(named), labels).expect(VALID)
}

fn histogram(buckets: &'static [f64]) -> impl Fn(Named) -> Histogram {
    |named| {
        let (name, help) = named;
        Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec())).expect(VALID)
    }
}

fn histograms(
    buckets: &'static [f64],
    labels: &'static [&'static str],
) -> impl Fn(Named) -> HistogramVec {
    |named| {
        let (name, help) = named;
        let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        HistogramVec::new(opts, labels).expect(VALID)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_what_is_shown() {
        metrics().gaps_total.with_label_values(&["a_test"]).inc_by(3);
        note_request("a_test", "poll", Instant::now(), Some("timeout"));
        let text = String::from_utf8(render()).unwrap();
        assert!(text.contains("tailwater_gaps_total{reason=\"a_test\"} 3\n"), "{text}");
        assert!(
            text.contains(
                "tailwater_provider_errors_total{code=\"timeout\",provider=\"a_test\"} 1\n"
            )
        );
        assert!(text.contains("# HELP tailwater_build_info This program.\n"), "{text}");
        assert!(text.contains("process_resident_memory_bytes "), "{text}");
    }

    #[test]
    fn a_sum_is_over_what_is_not_named() {
        let counters = IntCounterVec::new(Opts::new("x", "x"), &["provider", "outcome"]).unwrap();
        counters.with_label_values(&["fal", "ok"]).inc_by(2);
        counters.with_label_values(&["fal", "error"]).inc_by(5);
        counters.with_label_values(&["bfl", "ok"]).inc_by(11);
        assert_eq!(sum(&counters, &[]), 18);
        assert_eq!(sum(&counters, &[Some("fal"), None]), 7);
        assert_eq!(sum(&counters, &[None, Some("ok")]), 13);
    }

    #[test]
    fn what_is_gone_is_not_shown_any_more() {
        let gauges = IntGaugeVec::new(Opts::new("y", "y"), &["provider"]).unwrap();
        set_all(&gauges, [("fal", 3)]);
        set_all(&gauges, [("bfl", 1)]);
        assert_eq!(gauges.collect()[0].get_metric().len(), 1);
    }
}
