//! What is measured.

use std::time::Duration;

use serde::Serialize;

use super::Report;
use crate::loadtest::crowd::Outcome;
use crate::loadtest::measure::{Bins, share};
use crate::loadtest::polls::Polls;
use crate::loadtest::publish::Published;
use crate::loadtest::stage::Meter;

/// From how much of a core on the part that reads is taken for the narrowest place, in hundredths.
const SATURATED: f64 = 85.0;

/// A number with a name.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// Its name for programs.
    pub key: String,
    /// Its name for people.
    pub label: String,
    /// The number.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
}

/// How fast a long job was read by somebody who only counted.
pub(in crate::loadtest) struct Replayed {
    pub(in crate::loadtest) bytes: u64,
    /// How long each reading took.
    pub(in crate::loadtest) times: Bins,
    /// What one took of the server.
    pub(in crate::loadtest) cpu: Option<Duration>,
}

impl Report {
    /// Adds a figure.
    pub(in crate::loadtest) fn figure(
        &mut self,
        key: &str,
        label: &str,
        value: f64,
        unit: &'static str,
    ) {
        let (key, label) = (key.to_owned(), label.to_owned());
        self.figures.push(Figure { key, label, value, unit });
    }

    /// The value of a figure, if there is one of this name.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<f64> {
        self.figures.iter().find(|figure| figure.key == key).map(|figure| figure.value)
    }

    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(in crate::loadtest) fn count(&mut self, key: &str, label: &str, value: u64) {
        self.figure(key, label, value as f64, "");
    }

    /// How long it took until so many readers had their streams.
    pub(in crate::loadtest) fn connected(&mut self, readers: u32, took: Duration) {
        self.count("readers", "readers", u64::from(readers));
        self.figure("connect_s", "all readers connected in", took.as_secs_f64(), "s");
    }

    /// What readers that have nothing to read took of the server's memory.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(in crate::loadtest) fn memory_per_reader(
        &mut self,
        empty: Option<u64>,
        full: Option<u64>,
        readers: u32,
    ) {
        let (Some(empty), Some(full)) = (empty, full) else { return };
        self.figure("server_memory_mb", "server memory, all connected", full as f64 / 1e6, "MB");
        let each = (full as f64 - empty as f64) / f64::from(readers);
        self.figure("memory_per_reader_bytes", "server memory per reader", each, "B");
    }

    /// What the producer tells of itself.
    pub(in crate::loadtest) fn published(&mut self, published: &Published) {
        self.count("published", "events published", published.events);
        self.figure(
            "publisher_late_p99_ms",
            "producer behind its schedule, p99",
            published.lateness.percentile_ms(99.0),
            "ms",
        );
        if published.answers.count() > 0 {
            self.figure(
                "answer_p50_ms",
                "event answered, p50",
                published.answers.percentile_ms(50.0),
                "ms",
            );
            self.figure(
                "answer_p99_ms",
                "event answered, p99",
                published.answers.percentile_ms(99.0),
                "ms",
            );
        }
    }

    /// What it took of both sides to bring so many events to readers.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(in crate::loadtest) fn cost(&mut self, after: &Meter, before: &Meter, delivered: u64) {
        let (seconds, server, own) = after.since(before);
        let delivered = delivered as f64;
        self.figure("measured_s", "measured for", seconds, "s");
        self.figure("deliveries_per_second", "deliveries per second", delivered / seconds, "1/s");
        let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / delivered;
        let share = |cpu: Duration| cpu.as_secs_f64() / seconds * 100.0;
        if let Some(cpu) = server {
            self.figure("server_cpu_us", "server CPU per delivery", each(cpu), "µs");
            self.figure("server_cpu_percent", "server CPU", share(cpu), "% of a core");
        }
        if let Some(cpu) = own {
            self.figure("client_cpu_us", "load test CPU per delivery", each(cpu), "µs");
            self.figure("client_cpu_percent", "load test CPU", share(cpu), "% of a core");
            if share(cpu) > SATURATED {
                self.note(
                    "the load test itself was at its limit: the latencies are partly its own",
                );
            }
        }
    }

    /// Percentiles of durations, each with a name that begins like this.
    pub(in crate::loadtest) fn percentiles(&mut self, key: &str, label: &str, bins: &Bins) {
        if bins.count() == 0 {
            return;
        }
        for (short, name, percentile) in [
            ("p50", "p50", 50.0),
            ("p90", "p90", 90.0),
            ("p99", "p99", 99.0),
            ("p999", "p99.9", 99.9),
        ] {
            let value = bins.percentile_ms(percentile);
            self.figure(&format!("{key}_{short}_ms"), &format!("{label}, {name}"), value, "ms");
        }
        self.figure(
            &format!("{key}_max_ms"),
            &format!("{label}, longest"),
            bins.longest_ms(),
            "ms",
        );
    }

    /// What readers saw.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(in crate::loadtest) fn deliveries(&mut self, outcome: &Outcome) {
        self.count("delivered", "events delivered", outcome.ledger.counts.delivered);
        self.figure("received_mb", "bytes received", outcome.status.bytes as f64 / 1e6, "MB");
        self.percentiles("latency", "latency from when an event was due", &outcome.latency);
        self.percentiles("opening", "connection to head of the response", &outcome.opening);
        self.count("refused", "connections refused or answered otherwise", outcome.status.refused);
        self.count("dropped", "streams ended early by the server", outcome.status.dropped);
        self.count("keep_alives", "comments (keep-alives) received", outcome.comments);
        self.plot(outcome);
    }

    /// How much memory one more reader takes, over several counts of readers.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(in crate::loadtest) fn memory_slope(&mut self, points: &[(u64, u64)], slope: Option<f64>) {
        let Some(slope) = slope else { return };
        for (readers, memory) in points {
            let label = format!("server memory, {readers} readers");
            self.figure(&format!("memory_{readers}_mb"), &label, *memory as f64 / 1e6, "MB");
        }
        self.figure("memory_per_reader_bytes", "server memory per reader (slope)", slope, "B");
    }

    /// What the server takes once readers have been kept for a while.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(in crate::loadtest) fn memory_after(&mut self, memory: Option<u64>) {
        let Some(memory) = memory else { return };
        self.figure("memory_after_mb", "server memory, after that", memory as f64 / 1e6, "MB");
    }

    /// What it took to keep readers that got next to nothing.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(in crate::loadtest) fn idleness(
        &mut self,
        after: &Meter,
        before: &Meter,
        readers: u32,
        bytes: u64,
    ) {
        let (seconds, server, _) = after.since(before);
        self.figure("measured_s", "measured for", seconds, "s");
        self.figure(
            "idle_bytes_per_second",
            "bytes to all readers per second",
            bytes as f64 / seconds,
            "B/s",
        );
        if let Some(cpu) = server {
            let each = cpu.as_secs_f64() * 1e6 / seconds / f64::from(readers);
            self.figure("idle_cpu_us", "server CPU per reader and second", each, "µs");
            let share = cpu.as_secs_f64() / seconds * 100.0;
            self.figure("server_cpu_percent", "server CPU", share, "% of a core");
        }
    }

    /// By how much the server's memory grew while so much was published.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(in crate::loadtest) fn memory_grown(
        &mut self,
        empty: Option<u64>,
        full: Option<u64>,
        logged: u64,
    ) {
        let (Some(empty), Some(full)) = (empty, full) else { return };
        let grown = (full as f64 - empty as f64) / 1e6;
        self.figure("memory_grown_mb", "server memory grown beside slow readers", grown, "MB");
        self.figure("logged_mb", "data published meanwhile", logged as f64 / 1e6, "MB");
    }

    /// How fast a long job was read.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(in crate::loadtest) fn replayed(
        &mut self,
        key: &str,
        label: &str,
        outcome: &Outcome,
        read: &Replayed,
    ) {
        let megabytes = read.bytes as f64 / 1e6;
        let median = read.times.percentile_ms(50.0);
        let delivered = outcome.ledger.counts.delivered;
        let mut figure = |name: &str, what: &str, value: f64, unit| {
            self.figure(&format!("{key}_{name}"), &format!("{what} {label}"), value, unit);
        };
        figure("delivered", "events read and checked", delivered as f64, "");
        figure("mb", "bytes of one reading", megabytes, "MB");
        figure("ms", "read, only counting bytes,", median, "ms");
        figure("mb_per_second", "read, only counting bytes,", megabytes / median * 1e3, "MB/s");
        let opening = outcome.opening.percentile_ms(50.0);
        figure("opening_ms", "head of the response", opening, "ms");
        if let Some(cpu) = read.cpu {
            figure("cpu_ms_per_mb", "server CPU per MB", cpu.as_secs_f64() * 1e3 / megabytes, "ms");
        }
    }

    /// What polling clients saw.
    pub(in crate::loadtest) fn polled(&mut self, polls: &Polls) {
        self.count("polls", "polls answered", polls.answers);
        self.count("polls_unchanged", "polls answered with 304", polls.unchanged);
        let share = share(polls.unchanged, polls.answers) * 100.0;
        self.figure("polls_unchanged_percent", "polls answered with 304", share, "%");
        self.count("polls_later", "polls asked to come later", polls.later);
        self.percentiles("poll", "poll answered", &polls.answered);
        self.percentiles("end_seen", "job's end to the poll that sees it", &polls.end_seen);
    }

    /// What polls took of the server, the events published meanwhile included.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(in crate::loadtest) fn cost_of_polls(
        &mut self,
        after: &Meter,
        before: &Meter,
        answers: u64,
    ) {
        let (seconds, server, _) = after.since(before);
        self.figure("polls_per_second", "polls per second", answers as f64 / seconds, "1/s");
        if let Some(cpu) = server {
            let each = cpu.as_secs_f64() * 1e6 / answers as f64;
            self.figure("server_cpu_us", "server CPU per poll", each, "µs");
        }
    }
}
