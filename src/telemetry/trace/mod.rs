//! Which requests and which work belong together: one trace a job, one a request that is about none.
//!
//! The trace of a job is made of its id, so every node has the same one and no row keeps it. A span is
//! written by [`tracing`] at the level `debug`, and costs next to nothing where nobody takes it; with the
//! feature `otlp` a collector does.

#[cfg(feature = "otlp")]
mod otlp;

#[cfg(feature = "otlp")]
pub(super) use otlp::{finish, layer};

use std::fmt;

use sha2::{Digest, Sha256};
use tracing::Span;

tokio::task_local! {
    static CURRENT: TraceId;
}

/// The number of a trace: <https://www.w3.org/TR/trace-context/#trace-id>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// The trace of a job.
    #[must_use]
    pub fn of_job(job: &str) -> Self {
        let hash = Sha256::digest(job);
        Self(*hash.first_chunk().expect("SHA-256 has 32 bytes"))
    }

    /// A new one.
    #[must_use]
    pub fn random() -> Self {
        Self(fastrand::u128(1..).to_be_bytes())
    }

    /// The trace that a request belongs to for whoever sent it: its header `traceparent`
    /// (<https://www.w3.org/TR/trace-context/#traceparent-header>), if that is a valid one.
    #[must_use]
    pub fn of_header(header: &str) -> Option<Self> {
        let (version, rest) = header.split_once('-')?;
        let trace = rest.split('-').next()?;
        let is_known = version.len() == 2 && version != "ff";
        if !is_known || trace.len() != 32 || trace.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return None;
        }
        let number = u128::from_str_radix(trace, 16).ok().filter(|number| *number > 0)?;
        Some(Self(number.to_be_bytes()))
    }

    /// The trace of the request that is being answered.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|trace| *trace).ok()
    }

    /// Does something as part of this trace.
    pub async fn scope<T>(self, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self, work).await
    }

    /// A span of this trace.
    #[must_use]
    pub fn span(self, name: &'static str) -> Span {
        let span = tracing::debug_span!(
            target: "tailwater::trace",
            "span",
            otel.name = name,
            trace_id = %self,
            job = tracing::field::Empty,
            what = tracing::field::Empty,
            code = tracing::field::Empty,
            otel.status_code = tracing::field::Empty,
        );
        #[cfg(feature = "otlp")]
        otlp::adopt(&span, self.0);
        span
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// A span of a job's trace.
#[must_use]
pub fn job_span(job: &str, name: &'static str) -> Span {
    let span = TraceId::of_job(job).span(name);
    span.record("job", job);
    span
}

/// Notes in a span that it ended badly.
pub fn note_failure(span: &Span, code: &str) {
    span.record("code", code);
    span.record("otel.status_code", "ERROR");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_calls_says_which_trace_it_is() {
        let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = TraceId::of_header(header).unwrap();
        assert_eq!(trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        for bad in [
            "",
            "00",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf9-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceId::of_header(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn a_job_has_one_trace_wherever_it_is_looked_at() {
        assert_eq!(TraceId::of_job("job_1"), TraceId::of_job("job_1"));
        assert_ne!(TraceId::of_job("job_1"), TraceId::of_job("job_2"));
        assert_eq!(TraceId::current(), None);
        let trace = TraceId::random();
        assert_eq!(trace.scope(async { TraceId::current() }).await, Some(trace));
    }
}
