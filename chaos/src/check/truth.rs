//! What is there of a job in the end, by its pages of events.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::record::{Seen, fingerprint};
use crate::work::{Record, Task};
use crate::world::World;

/// The names of the events that end a job.
pub(crate) const TERMINAL: [&str; 3] = ["completed", "failed", "canceled"];

/// Failures that nothing in a run is a reason for.
const NEVER: [&str; 10] = [
    "refused_input",
    "moderated",
    "out_of_funds",
    "unauthorised",
    "unknown_model",
    "unknown_provider",
    "unknown_upload",
    "invalid_input",
    "internal",
    "protocol",
];

/// A job with all of its events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Job {
    /// Its events, as readers must have seen them.
    pub(crate) events: Vec<Seen>,
    /// The names of those that end it, with their places.
    ends: Vec<(usize, String)>,
    /// What the end says.
    end: Value,
    /// The attempts that were told, in order.
    attempts: Vec<u64>,
    /// The numbers of an external worker's own events, in order.
    steps: Vec<u64>,
    /// The text of the last attempt.
    pub(crate) text: String,
    /// Narrations that were told of without the file's event just before.
    torn: usize,
    /// The job as a poller sees it.
    pub(crate) view: Value,
}

#[derive(Debug, Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    events: Vec<PageEvent<'a>>,
    next: u64,
    ended: bool,
    #[serde(borrow)]
    gap: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct PageEvent<'a> {
    id: u64,
    #[serde(rename = "type")]
    name: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// Everything of a job, asked past the proxy; nothing where there is no such job.
///
/// # Errors
/// When the server does not answer, or not as the protocol says.
pub(crate) async fn fetch(world: &World, job: &str) -> Result<Option<Job>, Failure> {
    let silent = || Failure::Server(format!("{job}: the server does not answer"));
    let (status, view) = world.ask(&format!("/api/jobs/{job}")).await.ok_or_else(silent)?;
    if status == 404 {
        return Ok(None);
    }
    let mut whole = Job { view, ..Job::default() };
    let mut after = 0;
    loop {
        let url = world.direct(&format!("/api/jobs/{job}/events?after={after}&limit=1000"));
        let failed = |error| Failure::Server(format!("{job}: its events: {error}"));
        let text =
            world.http.get(url).send().await.map_err(failed)?.text().await.map_err(failed)?;
        let page: Page<'_> = serde_json::from_str(&text)
            .map_err(|error| Failure::Server(format!("{job}: its events: {error}: {text}")))?;
        if page.gap.is_some() {
            return Err(Failure::Server(format!("{job}: a gap before {after}")));
        }
        page.events.iter().for_each(|event| whole.add(job, event));
        if page.ended || page.events.is_empty() {
            return Ok(Some(whole));
        }
        after = page.next;
    }
}

#[cfg(test)]
impl Job {
    /// A job that is nothing but these events.
    pub(super) fn of(events: Vec<Seen>) -> Self {
        Self { events, ..Self::default() }
    }

    /// A job that is nothing but what a poller sees of it.
    pub(super) fn seen_as(view: Value) -> Self {
        Self { view, ..Self::default() }
    }
}

impl Job {
    fn add(&mut self, job: &str, event: &PageEvent<'_>) {
        let place = self.events.len();
        let content = fingerprint(job, event.name, event.data.get());
        self.events.push(Seen { id: event.id, content });
        let data = || serde_json::from_str::<Value>(event.data.get()).unwrap_or_default();
        match event.name {
            "status" => {
                self.attempts.extend(data()["attempt"].as_u64());
                self.text.clear();
            }
            "content" => self.text.push_str(data()["text"].as_str().unwrap_or_default()),
            "step" => self.steps.extend(data()["n"].as_u64()),
            "tts_completed" => {
                // In one step with the file's own event: nobody's id lies between.
                let before = place.checked_sub(1).map(|place| self.events[place].id);
                self.torn += usize::from(before != Some(event.id - 1));
            }
            name if TERMINAL.contains(&name) => {
                self.ends.push((place, name.to_owned()));
                self.end = data();
            }
            _ => {}
        }
    }

    /// How it ended: its terminal event's name, or the code of its failure.
    pub(crate) fn end_name(&self) -> &str {
        match self.ends.last() {
            Some((_, name)) if name == "failed" => self.end["code"].as_str().unwrap_or("failed"),
            Some((_, name)) => name,
            None => "no end",
        }
    }

    /// Whether it ended well.
    pub(crate) fn has_completed(&self) -> bool {
        self.end_name() == "completed"
    }

    /// What is wrong with it by itself.
    pub(crate) fn faults(&self, record: &Record) -> Vec<String> {
        let mut faults = Vec::new();
        if !self.events.is_sorted_by(|one, next| one.id < next.id) {
            faults.push("its ids do not rise".to_owned());
        }
        match self.ends.as_slice() {
            [(place, _)] if place + 1 == self.events.len() => {}
            ends => faults.push(format!("its ends are {ends:?} of {} events", self.events.len())),
        }
        if !self.attempts.is_sorted() {
            faults.push(format!("its attempts are {:?}", self.attempts));
        }
        if self.torn > 0 {
            faults.push("a narration did not come in one step with its file".to_owned());
        }
        let status = &self.view["status"];
        if status != self.ends.last().map_or("", |(_, name)| name.as_str()) {
            faults.push(format!("its row says {status}, its events {:?}", self.ends));
        }
        if NEVER.contains(&self.end_name()) {
            faults.push(format!("it ended as {}", self.end));
        }
        // Whoever ended it: what its producer sent has no hole.
        let is_whole = |events: u64| {
            let count = if self.has_completed() { events } else { self.steps.len() as u64 };
            self.steps.iter().copied().eq(1..=count)
        };
        if let Task::External { events } = record.task
            && !is_whole(events)
        {
            let first = self.steps.iter().zip(1..).find(|(step, n)| **step != *n);
            let count = self.steps.len();
            faults.push(format!("{count} of {events} steps are there, the first wrong: {first:?}"));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(events: &[(u64, &str, &str)]) -> Job {
        let mut job = Job::default();
        for (id, name, data) in events {
            let data: &RawValue = serde_json::from_str(data).unwrap();
            job.add("job_1", &PageEvent { id: *id, name, data });
        }
        let end = events.last().map_or("", |(_, name, _)| *name);
        job.view = serde_json::json!({ "status": end });
        job
    }

    fn faults(events: &[(u64, &str, &str)], steps: u64) -> Vec<String> {
        let record = Record::of("job_1", Task::External { events: steps });
        job(events).faults(&record)
    }

    const STATUS: (u64, &str, &str) = (1, "status", r#"{"attempt":1}"#);

    #[test]
    fn a_job_with_all_its_steps_and_one_end_is_right() {
        let events =
            [STATUS, (2, "step", r#"{"n":1}"#), (3, "step", r#"{"n":2}"#), (4, "completed", "{}")];
        assert_eq!(faults(&events, 2), Vec::<String>::new());
    }

    #[test]
    fn two_ends_are_found() {
        let events = [STATUS, (2, "completed", "{}"), (3, "completed", "{}")];
        assert_eq!(faults(&events, 0).len(), 1);
        assert_eq!(faults(&[STATUS, (2, "completed", "{}"), (3, "log", "{}")], 0).len(), 2);
        assert_eq!(faults(&[STATUS], 0).len(), 2);
    }

    #[test]
    fn a_step_that_is_lost_or_doubled_is_found() {
        let lost = [STATUS, (2, "step", r#"{"n":2}"#), (4, "completed", "{}")];
        assert_eq!(faults(&lost, 2).len(), 1);
        let step = |id| (id, "step", r#"{"n":1}"#);
        assert_eq!(faults(&[STATUS, step(2), step(3), (4, "completed", "{}")], 1).len(), 1);
    }

    #[test]
    fn an_attempt_that_goes_back_is_found() {
        let back = [
            (1, "status", r#"{"attempt":2}"#),
            (2, "status", r#"{"attempt":1}"#),
            (3, "completed", "{}"),
        ];
        assert_eq!(faults(&back, 0).len(), 1);
    }

    #[test]
    fn a_narration_that_comes_apart_is_found() {
        let events = [
            STATUS,
            (2, "artifact_ready", "{}"),
            (4, "tts_completed", "{}"),
            (5, "completed", "{}"),
        ];
        assert_eq!(faults(&events, 0).len(), 1);
    }

    #[test]
    fn an_end_that_nothing_is_a_reason_for_is_found() {
        let events = [STATUS, (2, "failed", r#"{"code":"unauthorised"}"#)];
        assert_eq!(faults(&events, 0).len(), 1);
        assert_eq!(
            faults(&[STATUS, (2, "failed", r#"{"code":"transport"}"#)], 0),
            Vec::<String>::new()
        );
    }
}
