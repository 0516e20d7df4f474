//! Proposals as they stand in the log that nodes share.
//!
//! One line of JSON that says what follows, then the data of the events, one behind the other, as they
//! will stand on the wire to browsers. A node of another version reads what it knows and leaves the
//! rest: fields are only ever added.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::event::Draft;
use crate::event::payload::{End, Progress};
use crate::job::{ArtifactId, Fact, Status, StoredArtifact};
use crate::store::accept::{ProducerSeq, Proposal, Source};

/// The form of what is written here.
const VERSION: u32 = 1;

/// What a node proposes at once.
#[derive(Debug)]
pub(super) struct Batch {
    /// Which node.
    pub(super) node: i64,
    /// Its own count of what it proposes, from 1.
    pub(super) count: u64,
    /// The proposals, in order.
    pub(super) proposals: Vec<Proposal>,
}

/// An entry that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    /// It was written by a later version, which says so.
    #[error("it is of version {0}")]
    Later(u32),
    /// It is damaged, or somebody else's.
    #[error("{0}")]
    Damaged(#[from] serde_json::Error),
    /// Its parts are longer than it is.
    #[error("it is cut short")]
    Short,
}

#[derive(Serialize, Deserialize)]
struct Head<'a> {
    v: u32,
    node: i64,
    n: u64,
    #[serde(borrow)]
    events: Vec<Part<'a>>,
}

/// What stands of a proposal before its data.
#[derive(Serialize, Deserialize)]
struct Part<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    len: usize,
    at: i64,
    attempt: u32,
    #[serde(default, skip_serializing_if = "is_usual")]
    by: By,
    says: Says<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    producer: Option<(Cow<'a, str>, u64)>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum By {
    #[default]
    Worker,
    Producer,
    Database,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_usual(by: &By) -> bool {
    *by == By::Worker
}

/// What a proposal says, where its data does not say it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Says<'a> {
    Status {
        status: Status,
        attempt: u32,
    },
    Progress(Cow<'a, Progress>),
    /// The text is in the data.
    Content,
    File(Cow<'a, StoredArtifact>),
    Narration {
        file: ArtifactId,
        attempt: u32,
    },
    End(Cow<'a, End>),
    Other,
}

/// The text in the data of a piece of text.
#[derive(Deserialize)]
struct Text {
    #[serde(default)]
    text: String,
}

/// Writes what a node proposes; gives the bytes of an entry.
pub(super) fn encode(node: i64, count: u64, proposals: &[Proposal]) -> Bytes {
    let events = proposals.iter().map(part).collect();
    let head = Head { v: VERSION, node, n: count, events };
    let room: usize = proposals.iter().map(|proposal| proposal.draft.len() + 128).sum();
    let mut bytes = BytesMut::with_capacity(room + 64);
    serde_json::to_writer((&mut bytes).writer(), &head).expect("a proposal is plain data");
    bytes.put_u8(b'\n');
    for proposal in proposals {
        bytes.extend_from_slice(proposal.draft.data());
    }
    bytes.freeze()
}

fn part(proposal: &Proposal) -> Part<'_> {
    Part {
        name: proposal.draft.name().into(),
        len: proposal.draft.data().len(),
        at: proposal.draft.at(),
        attempt: proposal.attempt,
        by: match proposal.source {
            Source::Worker => By::Worker,
            Source::Producer => By::Producer,
            Source::Database => By::Database,
        },
        says: match &proposal.fact {
            Fact::Status { status, attempt } => Says::Status { status: *status, attempt: *attempt },
            Fact::Progress(progress) => Says::Progress(Cow::Borrowed(progress)),
            Fact::Content(_) => Says::Content,
            Fact::ArtifactReady(stored) => Says::File(Cow::Borrowed(stored)),
            Fact::TtsCompleted { artifact, attempt } => {
                Says::Narration { file: artifact.clone(), attempt: *attempt }
            }
            Fact::End(end) => Says::End(Cow::Borrowed(end)),
            Fact::Other => Says::Other,
        },
        producer: proposal.producer.as_ref().map(|seq| (seq.producer.as_str().into(), seq.seq)),
    }
}

/// Reads an entry.
///
/// # Errors
/// [`Unreadable`]: every node leaves it out.
pub(super) fn decode(entry: &[u8]) -> Result<Batch, Unreadable> {
    let line = memchr::memchr(b'\n', entry).ok_or(Unreadable::Short)?;
    let (head, mut data) = (&entry[..line], &entry[line + 1..]);
    let head: Head<'_> = serde_json::from_slice(head)?;
    if head.v > VERSION {
        return Err(Unreadable::Later(head.v));
    }
    let mut room = BytesMut::with_capacity(data.len() + head.events.len() * 128);
    let mut proposals = Vec::with_capacity(head.events.len());
    for part in head.events {
        let (own, rest) = data.split_at_checked(part.len).ok_or(Unreadable::Short)?;
        data = rest;
        let text = std::str::from_utf8(own).map_err(|_| Unreadable::Short)?;
        proposals.push(Proposal {
            attempt: part.attempt,
            source: match part.by {
                By::Worker => Source::Worker,
                By::Producer => Source::Producer,
                By::Database => Source::Database,
            },
            fact: fact(part.says, text)?,
            draft: Draft::raw_in(&mut room, &part.name, text, part.at),
            producer: part
                .producer
                .map(|(producer, seq)| ProducerSeq { producer: producer.into_owned(), seq }),
        });
    }
    Ok(Batch { node: head.node, count: head.n, proposals })
}

fn fact(says: Says<'_>, data: &str) -> Result<Fact, serde_json::Error> {
    Ok(match says {
        Says::Status { status, attempt } => Fact::Status { status, attempt },
        Says::Progress(progress) => Fact::Progress(progress.into_owned()),
        Says::Content => Fact::Content(text_in(data)?.into()),
        Says::File(stored) => Fact::ArtifactReady(Box::new(stored.into_owned())),
        Says::Narration { file, attempt } => Fact::TtsCompleted { artifact: file, attempt },
        Says::End(end) => Fact::End(end.into_owned()),
        Says::Other => Fact::Other,
    })
}

/// The text in a piece of text. Of a name that stands there twice the last one counts, as where it was
/// taken in.
fn text_in(data: &str) -> Result<String, serde_json::Error> {
    if let Ok(Text { text }) = serde_json::from_str(data) {
        return Ok(text);
    }
    let data: Map<String, Value> = serde_json::from_str(data)?;
    Ok(data.get("text").and_then(Value::as_str).unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::payload::Failed;
    use crate::event::{EventId, EventType};

    #[test]
    fn what_is_proposed_comes_back_as_it_was() {
        let draft = |kind, data| Draft::new(kind, &data, 7);
        let failed = Failed { code: "x".into(), message: "ä\n".into(), retryable: true };
        let proposals = [
            Proposal {
                attempt: 2,
                source: Source::Worker,
                fact: Fact::Content("päck\u{2028}".into()),
                draft: draft(EventType::Content, json!({"text": "päck\u{2028}", "index": 1})),
                producer: None,
            },
            Proposal {
                attempt: 2,
                source: Source::Producer,
                fact: Fact::End(End::Failed(failed)),
                draft: draft(EventType::Failed, json!({"code": "x"})),
                producer: Some(ProducerSeq { producer: "p".into(), seq: 9 }),
            },
        ];
        let batch = decode(&encode(-3, 17, &proposals)).unwrap();
        assert_eq!((batch.node, batch.count, batch.proposals.len()), (-3, 17, 2));
        for (before, after) in proposals.into_iter().zip(batch.proposals) {
            assert_eq!(format!("{:?}", before.fact), format!("{:?}", after.fact));
            assert_eq!((before.attempt, before.source), (after.attempt, after.source));
            assert_eq!(before.producer, after.producer);
            let id = EventId::from_u64(5).unwrap();
            assert_eq!(before.draft.seal(id).bytes(), after.draft.seal(id).bytes());
        }
    }

    #[test]
    fn of_a_text_that_stands_there_twice_the_last_one_counts() {
        let data = r#"{"text":"a","index":1,"text":"b"}"#;
        assert_eq!(text_in(data).unwrap(), "b");
    }

    #[test]
    fn what_is_damaged_is_left_out() {
        for junk in [
            "",
            "{}\n",
            "junk",
            "{\"v\":1,\"node\":1,\"n\":1,\"events\":[",
            "{\"v\":9,\"node\":1,\"n\":1,\"events\":[]}\n",
        ] {
            assert!(decode(junk.as_bytes()).is_err(), "{junk}");
        }
    }
}
