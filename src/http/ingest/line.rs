//! One event as a producer sends it.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::event::payload::{Artifact, ArtifactReady, Canceled, End, Failed, Progress};
use crate::event::{Draft, EventType, now_ms};
use crate::http::guard::Call;
use crate::http::problem::quoted;
use crate::http::{Code, Problem};
use crate::job::{ArtifactId, Fact, StoredArtifact};
use crate::store::{Log, ProducerSeq};

use super::{strict, upload};

/// The fields of an event.
const FIELDS: [&str; 4] = ["type", "data", "producer_seq", "producer"];

/// How deep an event's JSON may nest: deeper than anybody's data, and with the three levels of a
/// page around it still within what the strictest of the usual parsers takes by default (64).
pub(super) const DEPTH_LIMIT: usize = 60;

/// The longest name of a producer, in bytes.
pub(super) const PRODUCER_LIMIT: usize = 64;

/// What a producer's count stays below, so that every client can read it back.
pub(super) const SEQ_LIMIT: u64 = 1 << 53;

/// An event's fields as they come; each is read on its own, so that an error can name it.
type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// An event that can be appended.
#[derive(Debug)]
pub(super) struct Incoming<'a> {
    pub(super) kind: EventType,
    /// Its JSON, untouched.
    pub(super) data: &'a str,
    pub(super) producer: Option<ProducerSeq>,
}

/// Reads one line.
pub(super) fn parse(line: &[u8]) -> Result<Incoming<'_>, Problem> {
    let invalid = |detail: String| Problem::new(Code::InvalidEvent, detail);
    let text = std::str::from_utf8(line).map_err(|error| {
        invalid(format!("the event is not UTF-8 at byte {}", error.valid_up_to()))
    })?;
    if depth(line) > DEPTH_LIMIT {
        return Err(invalid(format!("the event nests deeper than {DEPTH_LIMIT} levels")));
    }
    let fields: Fields<'_> = serde_json::from_str(text).map_err(|error| {
        let form =
            r#"the event must be a JSON object such as {"type": "log", "data": {"line": "…"}}"#;
        invalid(format!("{form}: {error}"))
    })?;
    if let Some(name) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        let known = FIELDS.join(", ");
        return Err(field(&pointer(name), format!("is not a field of an event; it has {known}")));
    }
    let data = fields.get("data").map_or("{}", |raw| raw.get());
    strict::check(data)
        .map_err(|error| field("/data", format!("cannot be read by every client: {error}")))?;
    Ok(Incoming { kind: kind(&fields)?, data, producer: producer(&fields)? })
}

/// The JSON pointer of a field, however long or odd its name.
fn pointer(name: &str) -> String {
    let name: String = name.chars().take(64).collect();
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn kind(fields: &Fields<'_>) -> Result<EventType, Problem> {
    let name = read::<String>(fields, "type")
        .map_err(|()| field("/type", "must be a text"))?
        .ok_or_else(|| field("/type", "is required: the event's name"))?;
    EventType::from_producer(&name)
        .map_err(|error| field("/type", format!("{} {error}", quoted(&name))))
}

fn producer(fields: &Fields<'_>) -> Result<Option<ProducerSeq>, Problem> {
    let producer = read::<String>(fields, "producer").map(Option::unwrap_or_default);
    let producer = producer.ok().filter(|name| name.len() <= PRODUCER_LIMIT).ok_or_else(|| {
        field("/producer", format!("must be a text of at most {PRODUCER_LIMIT} bytes"))
    })?;
    match read::<u64>(fields, "producer_seq") {
        Ok(None) => Ok(None),
        Ok(Some(seq)) if (1..SEQ_LIMIT).contains(&seq) => Ok(Some(ProducerSeq { producer, seq })),
        _ => Err(field("/producer_seq", "must be a whole number from 1, below 2^53")),
    }
}

/// A field that may be absent or `null`.
fn read<T: DeserializeOwned>(fields: &Fields<'_>, name: &str) -> Result<Option<T>, ()> {
    fields.get(name).map_or(Ok(None), |raw| serde_json::from_str(raw.get()).map_err(drop))
}

pub(super) fn field(pointer: &str, detail: impl Into<String>) -> Problem {
    let detail = detail.into();
    Problem::new(Code::InvalidEvent, format!("{pointer} {detail}")).field(pointer, detail)
}

/// How deep the arrays and objects of a JSON text nest; strings do not count.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in json {
        match (in_string, *byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'[' | b'{') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

impl Incoming<'_> {
    /// The end that the event makes, if it makes one.
    pub(super) fn end(&self) -> Result<Option<End>, Problem> {
        Ok(Some(match self.kind {
            EventType::Completed => End::Completed(self.object()?),
            EventType::Failed => End::Failed(self.read::<Failed>("'code' and 'message'")?),
            EventType::Canceled => End::Canceled(self.read::<Canceled>("'reason'")?),
            _ => return Ok(None),
        }))
    }

    /// What the event says of the job.
    pub(super) async fn fact(&self, call: &Call, log: &Log) -> Result<Fact, Problem> {
        match self.kind {
            EventType::ArtifactReady => self.artifact(call, log).await,
            EventType::TtsCompleted => self.narration(log),
            EventType::Progress
            | EventType::Content
            | EventType::Log
            | EventType::Status
            | EventType::Completed
            | EventType::Failed
            | EventType::Canceled
            | EventType::Other(_) => self.own_fact(),
        }
    }

    /// The same, of an event that needs nothing else to be understood.
    pub(super) fn own_fact(&self) -> Result<Fact, Problem> {
        match self.kind {
            EventType::Progress => {
                if self.object()?["percent"].as_u64().is_none_or(|percent| percent > 100) {
                    return Err(field("/data/percent", "must be a whole number from 0 to 100"));
                }
                Ok(Fact::Progress(self.read::<Progress>("'percent'")?))
            }
            EventType::Content => match self.object()?["text"].as_str() {
                Some(text) => Ok(Fact::Content(text.into())),
                None => Err(field("/data/text", "is required and must be a text")),
            },
            EventType::Log => match self.object()?["line"].as_str() {
                Some(_) => Ok(Fact::Other),
                None => Err(field("/data/line", "is required and must be a text")),
            },
            EventType::ArtifactReady
            | EventType::TtsCompleted
            | EventType::Status
            | EventType::Completed
            | EventType::Failed
            | EventType::Canceled
            | EventType::Other(_) => Ok(Fact::Other),
        }
    }

    fn object(&self) -> Result<Value, Problem> {
        match serde_json::from_str(self.data) {
            Ok(object @ Value::Object(_)) => Ok(object),
            _ => Err(field("/data", format!("of '{}' must be an object", self.kind))),
        }
    }

    fn read<T: DeserializeOwned>(&self, needed: &str) -> Result<T, Problem> {
        serde_json::from_value(self.object()?).map_err(|error| {
            field("/data", format!("of '{}' must be an object with {needed}: {error}", self.kind))
        })
    }

    /// What readers get: the producer's own JSON, or with an upload everything that is known of it.
    pub(super) fn draft(self, fact: &Fact) -> Draft {
        let names_upload =
            || self.object().is_ok_and(|data| upload::named(&data["artifact"]).is_some());
        match fact {
            Fact::ArtifactReady(stored) if names_upload() => {
                let ready = ArtifactReady { artifact: stored.view.clone() };
                Draft::new(EventType::ArtifactReady, &ready, now_ms())
            }
            Fact::ArtifactReady(_)
            | Fact::Status { .. }
            | Fact::Progress(_)
            | Fact::Content(_)
            | Fact::TtsCompleted { .. }
            | Fact::End(_)
            | Fact::Other => Draft::raw(self.kind, self.data, now_ms()),
        }
    }

    /// A file that was uploaded, one that the job's row of files knows, or one that lies elsewhere
    /// under an `http(s)` URL.
    async fn artifact(&self, call: &Call, log: &Log) -> Result<Fact, Problem> {
        let object = self.object()?;
        let described = &object["artifact"];
        if let Some(id) = upload::named(described) {
            let file = upload::as_file(call, log, &id, described).await?;
            return Ok(Fact::ArtifactReady(Box::new(file)));
        }
        let id: ArtifactId =
            described["id"].as_str().and_then(|id| id.parse().ok()).ok_or_else(|| {
                field(
                    "/data/artifact/id",
                    "is required: 'file_' or 'upl_' and up to 64 letters or digits",
                )
            })?;
        if let Some(row) = call.store.db().artifact(&id).await? {
            if row.job != log.job {
                return Err(field("/data/artifact/id", "is another job's file"));
            }
            return Ok(Fact::ArtifactReady(Box::new(row.stored)));
        }
        let view: Artifact = serde_json::from_value(described.clone()).map_err(|error| {
            let detail =
                "names no file that was uploaded, so it needs kind, media_type, url, bytes";
            field("/data/artifact", format!("{detail}: {error}"))
        })?;
        if !view.url.starts_with("https://") && !view.url.starts_with("http://") {
            return Err(field("/data/artifact/url", "must begin with https:// or http://"));
        }
        Ok(Fact::ArtifactReady(Box::new(StoredArtifact {
            view,
            id,
            // A job that this event starts is in its first attempt then.
            attempt: log.standing().attempt.max(1),
            name: String::new(),
            path: None,
            sha256: None,
            voice: None,
        })))
    }

    fn narration(&self, log: &Log) -> Result<Fact, Problem> {
        let object = self.object()?;
        let artifact: ArtifactId = object["artifact_id"]
            .as_str()
            .and_then(|id| id.parse().ok())
            .ok_or_else(|| field("/data/artifact_id", "is required: the id of a file"))?;
        let stored = log.artifact(&artifact).ok_or_else(|| {
            field("/data/artifact_id", "names no file that 'artifact_ready' announced")
        })?;
        Ok(Fact::TtsCompleted { artifact, attempt: stored.attempt })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_keeps_its_json_untouched() {
        let incoming = parse(br#"{"type":"x.y","data":{"a": 1.50,"b":"\u0000"}}"#).unwrap();
        assert_eq!(incoming.data, r#"{"a": 1.50,"b":"\u0000"}"#);
    }

    #[test]
    fn what_is_no_event_is_told_why() {
        for line in [
            "[]",
            "[\"x\",{},null,null]",
            "null",
            "{}",
            "nonsense",
            "{\"type\":5}",
            "{\"type\":\"hello\"}",
            "{\"type\":\"a\\nb\"}",
            "{\"type\":\"x\",\"extra\":1}",
            "{\"type\":\"x\",\"producer_seq\":0}",
            "{\"type\":\"x\",\"producer_seq\":-1}",
            "{\"type\":\"x\"} {\"type\":\"y\"}",
        ] {
            assert!(parse(line.as_bytes()).is_err(), "{line}");
        }
        assert!(parse(b"{\"type\":\"\xff\"}").is_err());
    }

    #[test]
    fn a_bad_field_is_named_by_its_pointer() {
        let pointer = |line: &str| parse(line.as_bytes()).unwrap_err().errors()[0].pointer.clone();
        assert_eq!(pointer(r#"{"data":1}"#), "/type");
        assert_eq!(pointer(r#"{"type":null}"#), "/type");
        assert_eq!(pointer(r#"{"type":"x","a/b":1}"#), "/a~1b");
        assert_eq!(pointer(r#"{"type":"x","producer_seq":"1"}"#), "/producer_seq");
        assert_eq!(pointer(r#"{"type":"x","producer":7}"#), "/producer");
        assert_eq!(pointer(r#"{"type":"x","data":"\ud800"}"#), "/data");
    }

    #[test]
    fn null_is_data_and_no_data_is_an_empty_object() {
        assert_eq!(parse(br#"{"type":"x","data":null}"#).unwrap().data, "null");
        assert_eq!(parse(br#"{"type":"x","producer_seq":null}"#).unwrap().data, "{}");
    }

    #[test]
    fn a_deep_event_is_refused_whatever_its_brackets_stand_in() {
        let deep =
            format!("{{\"type\":\"x\",\"data\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(parse(deep.as_bytes()).is_err());
        let text = format!("{{\"type\":\"x\",\"data\":\"{}\"}}", "[{".repeat(1000));
        assert!(parse(text.as_bytes()).is_ok());
    }
}
