//! A request to a provider, told to those who look: how it went, how long it took, for which job.

use std::time::Instant;

use tracing::Span;

use crate::provider::Error;
use crate::telemetry::metrics;
use crate::telemetry::trace::{job_span, note_failure};
use crate::telemetry::trail::{self, About};

/// A request that is under way.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    provider: &'a str,
    operation: &'static str,
    job: &'a str,
    began: Instant,
    span: Span,
}

impl<'a> Asked<'a> {
    /// A request that is made now: `operation` is `start`, `poll`, `cancel`, `fetch`, `chat` or `speech`.
    pub(super) fn now(provider: &'a str, operation: &'static str, job: &'a str) -> Self {
        let span = job_span(job, operation);
        span.record("what", provider);
        Self { provider, operation, job, began: Instant::now(), span }
    }

    /// Notes what came back; `words` say it in a few words, and what else there is to it.
    pub(super) fn note<T>(
        self,
        answer: &Result<T, Error>,
        words: impl FnOnce(&T) -> (String, Option<String>),
    ) {
        let Self { provider, operation, job, began, span } = self;
        let code = answer.as_ref().err().map(Error::code);
        if let Some(code) = code {
            note_failure(&span, code);
        }
        metrics::note_request(provider, operation, began, code);
        let about = if operation == "poll" { About::Poll } else { About::Request };
        match answer {
            Ok(answer) => {
                let (title, detail) = words(answer);
                let took = format!("{} ms", began.elapsed().as_millis());
                // How long a poll took is no news of the job.
                let detail = if operation == "poll" { detail } else { detail.or(Some(took)) };
                trail::note(job, about, title, detail);
            }
            Err(error) => {
                let title = format!("{operation} failed at {provider}: {}", error.code());
                trail::trouble(job, about, title, Some(error.to_string()));
            }
        }
    }
}
