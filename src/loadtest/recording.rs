//! A job that was recorded: its events as the ingest API takes them, and when each came.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::LoadError;
use super::payload::checksum_of;

/// One line of a recording.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Line<'a> {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(borrow)]
    pub(super) data: &'a RawValue,
    /// When it came, in UTC milliseconds.
    pub(super) at: i64,
}

/// A recorded job.
#[derive(Clone, Debug)]
pub(super) struct Recording {
    /// What is pushed for each event: its type and its data.
    pub(super) events: Arc<[(String, String)]>,
    /// When each is due after the beginning, in nanoseconds.
    pub(super) times: Arc<[u64]>,
}

impl Recording {
    /// Reads a recording, to be played so many times as fast.
    ///
    /// # Errors
    /// When a line is none, or there is none.
    pub(super) fn parse(text: &str, speed: f64) -> Result<Self, LoadError> {
        let (mut events, mut times, mut first) = (Vec::new(), Vec::new(), None);
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
            let line: Line<'_> = serde_json::from_str(line).map_err(|error| {
                LoadError::Recording { line: number, reason: error.to_string() }
            })?;
            let first = *first.get_or_insert(line.at);
            let after = u64::try_from(line.at.saturating_sub(first)).unwrap_or(0);
            times.push(faster(after.saturating_mul(1_000_000), speed));
            events.push((line.kind, line.data.get().to_owned()));
        }
        if events.is_empty() {
            let reason = "there is no event in it".to_owned();
            return Err(LoadError::Recording { line: 1, reason });
        }
        // Clocks may go back; a schedule does not.
        times.sort_unstable();
        Ok(Self { events: events.into(), times: times.into() })
    }

    /// What readers of it should get.
    pub(super) fn expected(&self) -> Expected {
        let sums = self.events.iter().map(|(kind, data)| sum(kind.as_bytes(), data.as_bytes()));
        Expected { sums: sums.collect(), times: self.times.to_vec() }
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a time in nanoseconds, of hours at most, over a positive number"
)]
fn faster(nanoseconds: u64, speed: f64) -> u64 {
    (nanoseconds as f64 / speed) as u64
}

fn sum(kind: &[u8], data: &[u8]) -> u64 {
    // The server writes the end itself, and adds what it knows.
    let data = if matches!(kind, b"completed" | b"failed" | b"canceled") { b"" } else { data };
    checksum_of(kind).rotate_left(17) ^ checksum_of(data)
}

/// What a reader of a recorded job should get, and when.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Expected {
    sums: Vec<u64>,
    times: Vec<u64>,
}

impl Expected {
    /// Which event of the job this is: the one that should come next if it looks like that one, else
    /// the nearest that does, a later one first. None is like it when it was changed or is not ours.
    pub(super) fn find(&self, kind: &[u8], data: &[u8], next: u32) -> Option<u32> {
        let wanted = sum(kind, data);
        let (before, behind) = self.sums.split_at((next as usize).min(self.sums.len()));
        let later = behind.iter().position(|sum| *sum == wanted).map(|at| before.len() + at);
        let found = later.or_else(|| before.iter().rposition(|sum| *sum == wanted));
        found.and_then(|at| u32::try_from(at).ok())
    }

    /// When each event is due after the beginning, in nanoseconds.
    pub(super) fn times(&self) -> &[u64] {
        &self.times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"type":"log","data":{"line":"a"},"at":1000}
{"type":"log","data":{"line":"b"},"at":1500}

{"type":"log","data":{"line":"a"},"at":3000}
"#;

    #[test]
    fn a_recording_is_played_as_many_times_as_fast() {
        let recording = Recording::parse(TEXT, 2.0).unwrap();
        assert_eq!(*recording.times, [0, 250_000_000, 1_000_000_000]);
        assert_eq!(recording.events[1], ("log".to_owned(), r#"{"line":"b"}"#.to_owned()));
    }

    #[test]
    fn an_event_is_known_by_its_name_and_its_bytes() {
        let expected = Recording::parse(TEXT, 1.0).unwrap().expected();
        let find =
            |kind: &str, data: &str, next| expected.find(kind.as_bytes(), data.as_bytes(), next);
        assert_eq!(find("log", r#"{"line":"a"}"#, 0), Some(0));
        assert_eq!(find("log", r#"{"line":"a"}"#, 1), Some(2), "a later one first");
        assert_eq!(find("log", r#"{"line":"b"}"#, 2), Some(1), "then an earlier one");
        assert_eq!(find("log", r#"{"line": "b"}"#, 1), None);
        assert_eq!(find("other", r#"{"line":"b"}"#, 1), None);
    }

    #[test]
    fn what_is_no_recording_is_refused_with_its_line() {
        let error =
            Recording::parse("{\"type\":\"log\",\"data\":{},\"at\":1}\n{}\n", 1.0).unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
        assert!(Recording::parse("\n", 1.0).is_err());
    }
}
