//! The usual lines, read in one pass and without a copy.
//!
//! Text, log lines, progress and events of a worker's own are nearly all that is pushed. Whatever
//! is unusual (another type, an escape in a name, a name twice) or wrong is not plain: it is left to
//! [`line::parse`](super::line::parse), which takes its time and says what is wrong and where. So
//! there is still one place that refuses.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

use crate::event::payload::Progress;
use crate::event::{EventName, EventType};
use crate::job::{Fact, Piece};
use crate::store::ProducerSeq;

use super::line::{DEPTH_LIMIT, PRODUCER_LIMIT, SEQ_LIMIT};
use super::strict::Anything;

/// What stands between the tokens of a JSON text.
const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// An event that can be appended as it is.
#[derive(Debug)]
pub(super) struct Plain<'a> {
    pub(super) name: &'a str,
    /// Its JSON, untouched.
    pub(super) data: &'a str,
    /// What it says of the job.
    pub(super) fact: Fact,
    pub(super) producer: Option<ProducerSeq>,
}

/// Reads one line, if it is plain.
pub(super) fn read(line: &Bytes) -> Option<Plain<'_>> {
    let text = std::str::from_utf8(line).ok()?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let fields = deserializer.deserialize_map(FieldsVisitor { text }).ok()?;
    deserializer.end().ok()?;
    let (name, producer) = (fields.name?, fields.producer()?);
    let (data, found) = fields.data.unwrap_or(("{}", Found::default()));
    let fact = match EventType::from_wire(name) {
        Some(EventType::Content) => Fact::Content(match found.text? {
            Cow::Borrowed(text) => Piece::within(line, text),
            Cow::Owned(text) => text.into(),
        }),
        Some(EventType::Log) => found.has_line.then_some(Fact::Other)?,
        Some(EventType::Progress) => Fact::Progress(progress(data)?),
        Some(_) => return None,
        None => EventName::check(name).ok().map(|()| Fact::Other)?,
    };
    Some(Plain { name, data, fact, producer })
}

fn progress(data: &str) -> Option<Progress> {
    let progress: Progress = serde_json::from_str(data).ok()?;
    (data.starts_with('{') && progress.percent <= 100).then_some(progress)
}

/// The fields of an event.
#[derive(Debug, Default)]
struct Fields<'a> {
    name: Option<&'a str>,
    data: Option<(&'a str, Found<'a>)>,
    producer: Option<Option<&'a str>>,
    producer_seq: Option<Option<u64>>,
}

impl Fields<'_> {
    /// The event's place in its producer's count, if it has one; nothing at all when that is wrong.
    fn producer(&self) -> Option<Option<ProducerSeq>> {
        let producer = self.producer.flatten().unwrap_or_default();
        if producer.len() > PRODUCER_LIMIT {
            return None;
        }
        let Some(seq) = self.producer_seq.flatten() else { return Some(None) };
        let valid = (1..SEQ_LIMIT).contains(&seq);
        valid.then(|| Some(ProducerSeq { producer: producer.to_owned(), seq }))
    }
}

struct FieldsVisitor<'a> {
    text: &'a str,
}

impl<'de> Visitor<'de> for FieldsVisitor<'de> {
    type Value = Fields<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        // The data runs from behind its name to before the next name, or to the end.
        let mut open = None;
        while let Some(name) = map.next_key::<&'de str>()? {
            let start = name.as_ptr().addr() - self.text.as_ptr().addr();
            if let Some((from, found)) = open.take() {
                let before = self.text[from..start - 1].trim_end_matches(BLANKS);
                fields.data = Some((before.trim_end_matches(',').trim_end_matches(BLANKS), found));
            }
            match name {
                "type" if fields.name.is_none() => fields.name = Some(map.next_value()?),
                "data" if fields.data.is_none() => {
                    let behind = &self.text[start + name.len() + 1..];
                    let value = behind.trim_start_matches(BLANKS).trim_start_matches(':');
                    let value = value.trim_start_matches(BLANKS);
                    let found = map.next_value_seed(Data { is_object: value.starts_with('{') })?;
                    open = Some((self.text.len() - value.len(), found));
                }
                "producer" if fields.producer.is_none() => {
                    fields.producer = Some(map.next_value()?);
                }
                "producer_seq" if fields.producer_seq.is_none() => {
                    fields.producer_seq = Some(map.next_value()?);
                }
                _ => return Err(A::Error::custom("it is not plain")),
            }
        }
        if let Some((from, found)) = open {
            let before = self.text[from..].trim_end_matches(BLANKS);
            let before = before.strip_suffix('}').unwrap_or(before);
            fields.data = Some((before.trim_end_matches(BLANKS), found));
        }
        Ok(fields)
    }
}

/// What facts are made of, in the data of an event.
#[derive(Debug, Default)]
struct Found<'a> {
    /// `text`, if it is one.
    text: Option<Cow<'a, str>>,
    /// Whether `line` is a text.
    has_line: bool,
}

/// The data of an event, which every client must be able to read.
struct Data {
    is_object: bool,
}

impl Data {
    /// What it may hold: it stands in the event's own object.
    const WITHIN: Anything = Anything { levels: DEPTH_LIMIT - 1 };
}

impl<'de> DeserializeSeed<'de> for Data {
    type Value = Found<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found<'de>, D::Error> {
        if self.is_object {
            return deserializer.deserialize_map(self);
        }
        Self::WITHIN.deserialize(deserializer).map(|_| Found::default())
    }
}

impl<'de> Visitor<'de> for Data {
    type Value = Found<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found<'de>, A::Error> {
        let within = Self::WITHIN.within()?;
        let mut found = Found::default();
        // Of a name that stands there twice, the last one counts.
        while let Some((name, value)) = map.next_entry_seed(within, within)? {
            match name.as_deref() {
                Some("text") => found.text = value,
                Some("line") => found.has_line = value.is_some(),
                _ => {}
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::line;
    use super::*;

    /// What the exact reading makes of a line that could be plain; nothing for a line that it
    /// refuses, or leaves to the store.
    fn exact(line: &str) -> Option<(String, String, String, Option<ProducerSeq>)> {
        let incoming = line::parse(line.as_bytes()).ok()?;
        let fact = format!("{:?}", incoming.own_fact().ok()?);
        let name = incoming.kind.as_str().to_owned();
        Some((name, incoming.data.to_owned(), fact, incoming.producer))
    }

    fn quick(line: &str) -> Option<(String, String, String, Option<ProducerSeq>)> {
        let line = Bytes::from(line.to_owned());
        let Plain { name, data, fact, producer } = read(&line)?;
        Some((name.into(), data.into(), format!("{fact:?}"), producer))
    }

    #[test]
    fn usual_lines_are_plain_however_they_are_set() {
        for line in [
            r#"{"type":"content","data":{"index":1,"offset":2,"text":"a"}}"#,
            r#"{"type":"content","data":{"text":"a\nb\ud83d\ude00","text":"c, } \" x"}}"#,
            r#"{"data":{"te\u0078t":"a"},"type":"content","producer_seq":7}"#,
            " { \"type\" : \"log\" , \"data\" : { \"line\" : \"\" } , \"producer\" : \"p\" } \r",
            r#"{"type":"progress","data":{"percent":100,"stage":"x","more":[1]}}"#,
            r#"{"type":"frame.done","data":[1,{"a":[-1.5e3,null,true]}] }"#,
            r#"{"producer_seq":9007199254740991,"type":"x","data" : null , "producer":null}"#,
            r#"{"type":"x","producer_seq":null}"#,
            r#"{"type":"x","data":",","producer":""}"#,
        ] {
            assert!(quick(line).is_some(), "{line}");
            assert_eq!(quick(line), exact(line), "{line}");
        }
    }

    #[test]
    fn what_is_unusual_or_wrong_is_not_plain() {
        for line in [
            "",
            "null",
            "[]",
            r#"{"type":"x"} {}"#,
            r#"{"type":"x",}"#,
            r#"{"type":"status"}"#,
            r#"{"type":"completed","data":{}}"#,
            r#"{"type":"artifact_ready","data":{}}"#,
            r#"{"type":"x","type":"y"}"#,
            r#"{"type":"x","data":1,"data":2}"#,
            r#"{"type":"x","more":1}"#,
            r#"{"type":"x","producer_seq":0}"#,
            r#"{"type":"x","producer_seq":1.0}"#,
            r#"{"type":"x","producer":1}"#,
            r#"{"type":"x","data":"\ud800"}"#,
            r#"{"type":"x","data":1e999}"#,
            r#"{"type":"content","data":{"text":1}}"#,
            r#"{"type":"content","data":{"text":"a","text":null}}"#,
            r#"{"type":"content","data":["text","a"]}"#,
            r#"{"type":"log","data":{}}"#,
            r#"{"type":"log"}"#,
            r#"{"type":"progress","data":{"percent":101}}"#,
            r#"{"type":"progress","data":[5]}"#,
        ] {
            assert_eq!(quick(line), None, "{line}");
        }
    }

    #[test]
    fn both_readings_allow_the_same_levels() {
        for levels in 1..70 {
            for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
                let (open, close) = (open.repeat(levels), close.repeat(levels));
                let line = format!(r#"{{"type":"x","data":{open}1{close}}}"#);
                assert_eq!(quick(&line), exact(&line), "{line}");
            }
        }
    }

    /// A text as JSON, sometimes with escapes that need not be, or must not be, there.
    fn text() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            "[a-z ,:{}\\[\\]]{0,4}",
            r#"\\["nrt/\\x]"#,
            r"\\u[0-9a-d]{4}",
            Just(r"\ud83d\ude00".to_owned()),
            Just(r"\ud800".to_owned()),
            Just(r"\u0000".to_owned()),
            Just("ä\u{2028}\u{85}😀".to_owned()),
            Just("\u{1}".to_owned()),
        ];
        prop::collection::vec(part, 0..3).prop_map(|parts| format!("\"{}\"", parts.concat()))
    }

    fn value() -> impl Strategy<Value = String> {
        let number = prop::sample::select(vec![
            "0",
            "-0",
            "7",
            "100",
            "101",
            "1.0",
            "1e2",
            "1e999",
            "-1e-999",
            "01",
            "1.",
            "-",
            "9007199254740992",
            "18446744073709551616",
            "NaN",
        ]);
        let word = prop::sample::select(vec!["null", "true", "false", "nul", ""]);
        let leaf = prop_oneof![
            4 => text(),
            2 => number.prop_map(str::to_owned),
            1 => word.prop_map(str::to_owned),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            let field = (name(), blank(), inner.clone())
                .prop_map(|(name, blank, value)| format!("{name}{blank}:{value}{blank}"));
            prop_oneof![
                prop::collection::vec(inner, 0..4)
                    .prop_map(|values| format!("[{}]", values.join(","))),
                prop::collection::vec(field, 0..5)
                    .prop_map(|fields| format!("{{{}}}", fields.join(","))),
            ]
        })
    }

    fn name() -> impl Strategy<Value = String> {
        let known = prop::sample::select(vec![
            "text",
            "line",
            "percent",
            "stage",
            "message",
            "te\\u0078t",
            "a",
        ]);
        prop_oneof![5 => known.prop_map(|name| format!("\"{name}\"")), 1 => text()]
    }

    fn blank() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec!["", "", "", " ", "\t\r ", "\n", "\u{a0}"])
    }

    fn field() -> impl Strategy<Value = String> {
        let kind = prop::sample::select(vec![
            "\"content\"",
            "\"log\"",
            "\"progress\"",
            "\"x.y\"",
            "\"l\\u006fg\"",
            "\"status\"",
            "\"a b\"",
            "null",
            "5",
        ]);
        let seq = prop::sample::select(vec!["1", "2", "0", "-1", "1.0", "null", "\"1\"", "1e0"]);
        prop_oneof![
            6 => kind.prop_map(|kind| ("\"type\"".to_owned(), kind.to_owned())),
            6 => value().prop_map(|value| ("\"data\"".to_owned(), value)),
            2 => seq.prop_map(|seq| ("\"producer_seq\"".to_owned(), seq.to_owned())),
            1 => value().prop_map(|value| ("\"producer\"".to_owned(), value)),
            1 => (name(), value()),
            1 => value().prop_map(|value| ("\"d\\u0061ta\"".to_owned(), value)),
        ]
        .prop_flat_map(|(name, value)| {
            (blank(), blank(), blank())
                .prop_map(move |(one, two, three)| format!("{one}{name}{two}:{two}{value}{three}"))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn what_is_plain_is_read_as_the_exact_reading_reads_it(
            fields in prop::collection::vec(field(), 0..5),
            end in prop::sample::select(vec!["}", "}", "}", "", "}}", "} \r", ",}"]),
        ) {
            let line = format!("{{{}{end}", fields.join(","));
            if let Some(plain) = quick(&line) {
                prop_assert_eq!(Some(plain), exact(&line), "{}", line);
            } else if let Ok(incoming) = line::parse(line.as_bytes()) {
                // Only what is unusual in its form is left to the exact reading.
                let usual = !line.contains(r"\u006fg") && !line.contains(r"d\u0061ta");
                let once = ["\"type\"", "\"data\"", "\"producer\"", "\"producer_seq\""]
                    .iter()
                    .all(|name| line.matches(name).count() <= 1);
                let escaped = line.contains('\\') || line.matches("percent").count() > 1;
                let refused = incoming.own_fact().is_err();
                prop_assert!(!usual || !once || escaped || refused, "{}", line);
            }
        }
    }
}
