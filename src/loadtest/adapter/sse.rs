//! Any server that streams events at a URL, and perhaps takes each as a POST to another. `{job}` in
//! either stands for the job's number.

use super::{Cursor, Dialect, Jobs, LoadError, Reading, Recording, Way, Wish, head};

pub(super) fn prepare(wish: &Wish<'_>) -> Result<Jobs, LoadError> {
    let named = |path: &str, job: u32| {
        let path = path.replace("{job}", &job.to_string());
        if path.is_empty() { "/".to_owned() } else { path }
    };
    if wish.jobs > 1 && !wish.target.base.contains("{job}") {
        let text = "the URL of several jobs has {job} where their number goes";
        return Err(LoadError::Arguments(text.to_owned()));
    }
    let way = |job: u32, publish: &super::Target| {
        Way::Each(head(publish, &named(&publish.base, job), "content-type: application/json\r\n"))
    };
    let ways = wish.publish.map(|publish| (0..wish.jobs).map(|job| way(job, publish)).collect());
    let paths: Vec<_> = (0..wish.jobs).map(|job| named(&wish.target.base, job)).collect();
    Ok(Jobs {
        ways: ways.unwrap_or_default(),
        dialect: Dialect::Plain,
        last: None,
        names: paths.clone(),
        reading: Reading {
            lines: wish.target.lines.clone(),
            paths,
            cursor: Cursor::LastEventId,
            terminal: None,
            exact: None,
            recording: wish.recording.map(Recording::expected),
        },
    })
}
