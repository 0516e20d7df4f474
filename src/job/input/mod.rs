//! What a job of each kind is asked for, valid by construction.

mod chat;
mod fields;

pub use chat::{Chat, MESSAGES_LIMIT, MESSAGES_TEXT_LIMIT, Message, Role};

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Kind;

use fields::{Fields, type_name};

/// The longest topic, in Unicode scalar values.
pub const TOPIC_LIMIT: usize = 4_000;

/// The longest text of a voiceover, in Unicode scalar values: about an hour of speech.
pub const TEXT_LIMIT: usize = 50_000;

/// How many words a post may be asked to have.
pub const WORDS: RangeInclusive<u64> = 50..=5_000;

/// One thing that is wrong with an input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Where, as a JSON pointer (RFC 6901) into the input.
    pub pointer: String,
    /// What is wrong, with the value where that helps, and what is allowed.
    pub detail: String,
}

/// Input of a `blog` job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blog {
    /// What the post is about.
    pub topic: String,
    /// The language to write and speak in, a BCP 47 tag.
    pub language: String,
    /// How it should sound.
    pub tone: String,
    /// About how many words.
    pub words: u64,
    /// Whether it is narrated.
    pub voiceover: bool,
    /// The voice; the provider's usual one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voice: Option<String>,
}

/// Input of a `voiceover` job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voiceover {
    /// What is spoken; Markdown is read as plain text.
    pub text: String,
    /// The language, a BCP 47 tag.
    pub language: String,
    /// The voice; the provider's usual one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voice: Option<String>,
}

/// Checks an input of this kind and gives it back in its normal form, defaults filled in.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn check(kind: Kind, input: &Value) -> Result<Value, Vec<FieldError>> {
    let Value::Object(object) = input else {
        let detail = format!("must be an object, not {}", type_name(input));
        return Err(vec![FieldError { pointer: String::new(), detail }]);
    };
    let mut fields = Fields::new(object);
    let normal = match kind {
        Kind::Blog => serde_json::to_value(blog(&mut fields)),
        Kind::Voiceover => serde_json::to_value(voiceover(&mut fields)),
        Kind::Chat => serde_json::to_value(chat::read(&mut fields)),
        // A model's inputs are checked by its row in the catalog.
        Kind::Video | Kind::Image | Kind::Lipsync | Kind::External => return Ok(input.clone()),
    };
    fields.finish()?;
    Ok(normal.expect("inputs are plain data"))
}

fn blog(fields: &mut Fields<'_>) -> Blog {
    let prompt = fields.text("prompt", 1..=TOPIC_LIMIT);
    let topic = fields.text("topic", 1..=TOPIC_LIMIT);
    if prompt.is_some() && topic.is_some() {
        fields.fail("prompt", "is another name of 'topic'; give one of the two".into());
    }
    if !fields.has("topic") && !fields.has("prompt") {
        fields.fail("topic", "is required: what the post is about".into());
    }
    Blog {
        topic: topic.or(prompt).unwrap_or_default(),
        language: fields.language(),
        tone: fields.text("tone", 1..=60).unwrap_or_else(|| "friendly".into()),
        words: fields.number("words", WORDS).unwrap_or(600),
        voiceover: fields.flag("voiceover").unwrap_or(false),
        voice: fields.voice(),
    }
}

fn voiceover(fields: &mut Fields<'_>) -> Voiceover {
    let text = fields.text("text", 1..=TEXT_LIMIT);
    if !fields.has("text") {
        fields.fail("text", "is required: what is to be spoken".into());
    }
    Voiceover { text: text.unwrap_or_default(), language: fields.language(), voice: fields.voice() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pointers(kind: Kind, input: &Value) -> Vec<String> {
        check(kind, input).unwrap_err().into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn a_topic_is_enough_and_the_rest_has_defaults() {
        let blog: Blog =
            serde_json::from_value(check(Kind::Blog, &json!({"prompt": " Tides "})).unwrap())
                .unwrap();
        assert_eq!((blog.topic.as_str(), blog.words, blog.voiceover), ("Tides", 600, false));
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let input = json!({"topic": 5, "words": 7, "voiceover": "yes", "topik": 1});
        assert_eq!(pointers(Kind::Blog, &input), ["/topic", "/words", "/voiceover", "/topik"]);
    }

    #[test]
    fn a_missing_topic_is_named() {
        assert_eq!(pointers(Kind::Blog, &json!({})), ["/topic"]);
        assert_eq!(pointers(Kind::Voiceover, &json!({})), ["/text"]);
    }

    #[test]
    fn control_characters_and_endless_topics_are_refused() {
        assert_eq!(pointers(Kind::Blog, &json!({"topic": "a\u{0}b"})), ["/topic"]);
        assert_eq!(pointers(Kind::Blog, &json!({"topic": "x".repeat(1 << 20)})), ["/topic"]);
        assert_eq!(pointers(Kind::Blog, &json!([])), [""]);
    }

    #[test]
    fn an_external_input_is_nobodys_business() {
        let input = json!({"anything": [1, {"nested": null}]});
        assert_eq!(check(Kind::External, &input), Ok(input));
    }
}
