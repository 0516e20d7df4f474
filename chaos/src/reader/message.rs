//! What a reader gets, taken out of a frame or a page.

use serde::Deserialize;
use serde_json::value::RawValue;
use tailwater::event::parse;

use crate::record::{Reason, Scope, fingerprint};

/// One thing that a reader gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// An event of a job.
    Event {
        id: u64,
        name: String,
        content: u64,
    },
    Gap {
        from: Option<u64>,
        to: u64,
        reason: Reason,
    },
    Snapshot {
        id: Option<u64>,
    },
    /// What is about the stream alone.
    Control,
}

/// The data of a `gap`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct GapData {
    from: Option<u64>,
    pub(super) to: u64,
    reason: Reason,
}

impl From<GapData> for Message {
    fn from(gap: GapData) -> Self {
        Self::Gap { from: gap.from, to: gap.to, reason: gap.reason }
    }
}

/// An event on a stream of several jobs.
#[derive(Debug, Deserialize)]
struct Envelope<'a> {
    job: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// Names that no job's event has.
const CONTROLS: [&str; 5] = ["hello", "queue", "bye", "keep-alive", "message"];

impl Message {
    /// Reads what stands in a frame; `before` is the last event id before it, and so what a frame
    /// without an id of its own carries.
    ///
    /// # Errors
    /// What no server of ours sends, in words.
    pub(super) fn read(
        message: &parse::Message,
        before: &str,
        scope: &Scope,
    ) -> Result<Self, String> {
        let bad = || format!("a frame that cannot be read: {message:?}");
        let is_new = !message.last_event_id.is_empty() && message.last_event_id != before;
        let id = if is_new {
            Some(message.last_event_id.parse::<u64>().map_err(|_| bad())?)
        } else {
            None
        };
        match message.event.as_str() {
            "gap" => {
                serde_json::from_str::<GapData>(&message.data).map(Self::from).map_err(|_| bad())
            }
            "snapshot" => Ok(Self::Snapshot { id }),
            name if CONTROLS.contains(&name) => match id {
                None => Ok(Self::Control),
                Some(_) => Err(format!("'{name}' has an id: {message:?}")),
            },
            name => {
                let id = id.ok_or_else(|| format!("'{name}' has no id of its own: {message:?}"))?;
                let content = match scope {
                    Scope::Job(job) => fingerprint(job, name, &message.data),
                    Scope::Jobs(_) | Scope::Project(_) => {
                        let envelope: Envelope<'_> =
                            serde_json::from_str(&message.data).map_err(|_| bad())?;
                        fingerprint(envelope.job, name, envelope.data.get())
                    }
                };
                Ok(Self::Event { id, name: name.to_owned(), content })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(event: &str, id: &str, data: &str) -> parse::Message {
        parse::Message { event: event.into(), data: data.into(), last_event_id: id.into() }
    }

    #[test]
    fn an_event_is_the_same_in_its_envelope() {
        let (one, many) = (Scope::Job("job_1".into()), Scope::Project("p".into()));
        let plain = Message::read(&frame("step", "7", r#"{"n": 1}"#), "6", &one);
        let enveloped = frame("step", "7", r#"{"job":"job_1","data":{"n": 1}}"#);
        assert_eq!(plain, Message::read(&enveloped, "6", &many));
        assert!(matches!(plain, Ok(Message::Event { id: 7, .. })), "{plain:?}");
    }

    #[test]
    fn an_event_without_an_id_of_its_own_is_refused() {
        let scope = Scope::Job("job_1".into());
        assert!(Message::read(&frame("step", "6", "{}"), "6", &scope).is_err());
        assert!(Message::read(&frame("hello", "7", "{}"), "6", &scope).is_err());
        assert_eq!(Message::read(&frame("hello", "6", "{}"), "6", &scope), Ok(Message::Control));
    }

    #[test]
    fn a_gap_says_from_where_to_where_and_why() {
        let data = r#"{"from":5,"to":9,"reason":"lost_in_crash"}"#;
        let gap = Message::read(&frame("gap", "", data), "", &Scope::Job("j".into()));
        let expected = Message::Gap { from: Some(5), to: 9, reason: Reason::LostInCrash };
        assert_eq!(gap, Ok(expected));
    }
}
