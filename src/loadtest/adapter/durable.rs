//! The server of the `durable-streams` crate: a stream of JSON, each append a request, read as
//! server-sent events whose data is a list of what was appended.

use super::{Cursor, Dialect, Jobs, LoadError, Reading, Recording, Way, Wish, head, must};

const JSON: &str = "content-type: application/json\r\n";

pub(super) fn prepare(wish: &Wish<'_>) -> Result<Jobs, LoadError> {
    let names: Vec<_> = (0..wish.jobs).map(|job| format!("{:x}-{job}", wish.run)).collect();
    for name in &names {
        let request = wish.target.request("PUT", &format!("/{name}"), JSON);
        must(wish.target, &request, "a stream")?;
    }
    let base = &wish.target.base;
    let way = |name: &String| Way::Each(head(wish.target, &format!("{base}/{name}"), JSON));
    Ok(Jobs {
        ways: names.iter().map(way).collect(),
        dialect: Dialect::Plain,
        last: None,
        reading: Reading {
            lines: wish.target.lines.clone(),
            paths: names.iter().map(|name| format!("{base}/{name}?offset=-1&live=sse")).collect(),
            cursor: Cursor::NextOffset,
            terminal: None,
            exact: None,
            recording: wish.recording.map(Recording::expected),
        },
        names,
    })
}
