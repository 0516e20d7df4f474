//! Tailwater: jobs of kind `external`, pushed as NDJSON (PROTOCOL.md, § 5).

use std::thread;

use serde::Deserialize;

use super::super::publish::EVENT;
use super::{Cursor, Dialect, Jobs, LoadError, Reading, Recording, Way, Wish, head, must};

/// How many jobs are made at the same time.
const AT_ONCE: usize = 8;

/// What ends a job whose recording does not.
const LAST: &str = "{\"type\":\"completed\",\"data\":{}}\n";

#[derive(Deserialize)]
struct Submitted {
    job_id: String,
}

pub(super) fn prepare(wish: &Wish<'_>) -> Result<Jobs, LoadError> {
    let names = submit_all(wish)?;
    let base = &wish.target.base;
    let way = |name: &String| {
        let path = format!("{base}/api/jobs/{name}/events");
        match wish.one_by_one {
            true => Way::Each(head(wish.target, &path, "content-type: application/json\r\n")),
            false => Way::Stream(head(
                wish.target,
                &path,
                "content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n",
            )),
        }
    };
    let ends = |recording: &Recording| {
        let last = recording.events.last().map(|(kind, _)| kind.clone());
        last.filter(|kind| ["completed", "failed", "canceled"].contains(&kind.as_str()))
    };
    let terminal = wish.recording.and_then(ends);
    Ok(Jobs {
        ways: names.iter().map(way).collect(),
        dialect: Dialect::Line,
        last: terminal.is_none().then(|| LAST.to_owned()),
        reading: Reading {
            lines: wish.target.lines.clone(),
            paths: names.iter().map(|name| format!("{base}/api/jobs/{name}/stream")).collect(),
            cursor: Cursor::LastEventId,
            terminal: Some(terminal.unwrap_or_else(|| "completed".to_owned())),
            exact: Some(EVENT.to_owned()),
            recording: wish.recording.map(Recording::expected),
        },
        names,
    })
}

/// Submits the jobs, some at the same time: each waits for the disk.
fn submit_all(wish: &Wish<'_>) -> Result<Vec<String>, LoadError> {
    let jobs = wish.jobs as usize;
    let part = jobs.div_ceil(AT_ONCE).max(1);
    thread::scope(|scope| {
        let parts: Vec<_> = (0..jobs)
            .step_by(part)
            .map(|first| {
                let count = part.min(jobs - first);
                scope.spawn(move || (0..count).map(|_| submit(wish)).collect::<Result<Vec<_>, _>>())
            })
            .collect();
        let mut names = Vec::with_capacity(jobs);
        for part in parts {
            names.extend(part.join().map_err(|_| LoadError::Readers)??);
        }
        Ok(names)
    })
}

fn submit(wish: &Wish<'_>) -> Result<String, LoadError> {
    let body = r#"{"kind":"external","project_id":"loadtest"}"#;
    let headers = "content-type: application/json\r\n";
    let request = wish.target.request_with("POST", "/api/jobs", headers, body);
    let answer = must(wish.target, &request, "a job")?;
    serde_json::from_slice(&answer.body)
        .map(|submitted: Submitted| submitted.job_id)
        .map_err(|error| LoadError::server(format!("is no Tailwater server: {error}")))
}
