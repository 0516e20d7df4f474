//! Why a job stands where it stands, in a sentence or two.

use std::time::Duration;

use crate::event::payload::End;
use crate::http::App;
use crate::job::{Job, Kind, Status};
use crate::store::Log;
use crate::telemetry::trail::{About, Note};

use super::jobs::{provider, waits_for};
use super::now::silence;

/// From when on silence is worth a word.
const QUIET: Duration = Duration::from_secs(5);

/// What there is to say. `began` is when a provider began the work, where one has it.
pub(super) fn sentence(
    app: &App,
    job: &Job,
    log: &Log,
    notes: &[Note],
    place: Option<u32>,
    began: Option<i64>,
    now: i64,
) -> String {
    let standing = log.standing();
    match standing.status {
        Status::Pending => format!("It waits for {}.", waits_for(app, job, place.as_ref())),
        Status::Running => running(app, job, log, notes, began, now),
        Status::Completed => format!("It completed {} after its submit.", lasted(job)),
        Status::Failed => failed(job),
        Status::Canceled => match &job.end {
            Some(End::Canceled(canceled)) => format!("It was canceled: {}.", canceled.reason),
            _ => "It was canceled.".into(),
        },
    }
}

fn running(
    app: &App,
    job: &Job,
    log: &Log,
    notes: &[Note],
    began: Option<i64>,
    now: i64,
) -> String {
    let silent = silence(app, log, now);
    if job.kind == Kind::External {
        let limit = job.silence_limit_ms.map_or_else(
            || "the server's limit for silence".to_owned(),
            |limit| words(Duration::from_millis(limit.try_into().unwrap_or(0))),
        );
        let says = if silent < QUIET { "is at work" } else { "is silent" };
        return format!(
            "Its own worker {says}: the last event came {} ago. After {limit} without one the server \
             ends it (producer_silent).",
            words(silent)
        );
    }
    let attempt = log.standing().attempt;
    let whom = provider(app, job).or_else(|| job.lane.clone()).unwrap_or_default();
    let limit = job
        .model
        .as_deref()
        .and_then(|model| app.makers.catalog.get(model))
        .map_or(app.options.job_time_limit, |model| model.time_limit);
    let mut text = format!("Attempt {attempt} runs. ");
    let last = notes.iter().rfind(|note| note.about != About::Commit && note.about != About::Lease);
    match last {
        Some(note) if note.is_trouble => {
            let detail = note.detail.clone().unwrap_or_default();
            text += &format!("{} ({detail}), {}. ", note.title, ago(note, now));
        }
        Some(note) => {
            let times =
                if note.times > 1 { format!(", {} times", note.times) } else { String::new() };
            text += &format!("Last: {}{times}, {}. ", note.title, ago(note, now));
        }
        None => {}
    }
    if silent >= QUIET {
        text += &format!(
            "Nothing new has come from {whom} for {}: it is slow, or the connection to it hangs. ",
            words(silent)
        );
    }
    let began = began.or(job.started_at).unwrap_or(job.created_at);
    let left = began + i64::try_from(limit.as_millis()).unwrap_or(i64::MAX / 2) - now;
    let left = Duration::from_millis(left.try_into().unwrap_or(0));
    if matches!(job.kind, Kind::Blog | Kind::Chat) && silent >= QUIET {
        let patience = app.options.chat_idle_timeout;
        text += &format!("A text model that says nothing for {} is given up. ", words(patience));
    }
    text + &format!("The time limit of {} ends it in about {}.", words(limit), words(left))
}

fn failed(job: &Job) -> String {
    match &job.end {
        Some(End::Failed(failed)) => {
            let again = if failed.retryable {
                "Trying again may help."
            } else {
                "Trying again as it is will not help."
            };
            format!(
                "It failed after {}: {} ({}). {again}",
                lasted(job),
                failed.message,
                failed.code
            )
        }
        _ => "It failed.".into(),
    }
}

fn lasted(job: &Job) -> String {
    let ms = job.ended_at.unwrap_or(job.created_at) - job.created_at;
    words(Duration::from_millis(ms.try_into().unwrap_or(0)))
}

fn ago(note: &Note, now: i64) -> String {
    let ms = now.saturating_sub(note.until);
    format!("{} ago", words(Duration::from_millis(ms.try_into().unwrap_or(0))))
}

/// A span of time for people.
fn words(span: Duration) -> String {
    match span.as_secs() {
        0 => format!("{} ms", span.as_millis()),
        seconds @ 1..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_as_people_do() {
        let words = [0, 7_500, 119_000, 120_000, 7_199_000, 7_200_000];
        let told = words.map(|ms| super::words(Duration::from_millis(ms)));
        assert_eq!(told, ["0 ms", "7 s", "119 s", "2 min", "119 min", "2 h"]);
    }
}
