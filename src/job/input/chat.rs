//! What a `chat` job is asked for: a conversation, and whether its next message is spoken too.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::fields::{Fields, type_name};

/// How many messages a conversation may have.
pub const MESSAGES_LIMIT: usize = 500;

/// The longest conversation, in Unicode scalar values of all its messages.
pub const MESSAGES_TEXT_LIMIT: usize = 200_000;

/// Who said a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The app: how the model is to answer.
    System,
    /// Whoever asks.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::System, Self::User, Self::Assistant];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }

    /// The role of this name, if it is one.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Message {
    /// Who said it.
    pub role: Role,
    /// What was said.
    pub content: String,
}

/// Input of a `chat` job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chat {
    /// The conversation so far, oldest first; the last message is the user's.
    pub messages: Vec<Message>,
    /// The language that is spoken, a BCP 47 tag; the answer's own is the model's to choose.
    pub language: String,
    /// Whether the answer is narrated.
    pub voiceover: bool,
    /// The voice; the provider's usual one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voice: Option<String>,
}

impl Chat {
    /// The message that is to be answered.
    #[must_use]
    pub fn question(&self) -> &str {
        self.messages.last().map_or("", |message| &message.content)
    }
}

pub(super) fn read(fields: &mut Fields<'_>) -> Chat {
    Chat {
        messages: messages(fields),
        language: fields.language(),
        voiceover: fields.flag("voiceover").unwrap_or(false),
        voice: fields.voice(),
    }
}

fn messages(fields: &mut Fields<'_>) -> Vec<Message> {
    let list = match fields.value("messages") {
        Some(Value::Array(list)) if (1..=MESSAGES_LIMIT).contains(&list.len()) => list,
        other => {
            let detail = match other {
                None => "is required: the conversation, oldest message first".into(),
                Some(Value::Array(list)) => {
                    format!("must have 1 to {MESSAGES_LIMIT} messages, not {}", list.len())
                }
                Some(value) => format!("must be an array, not {}", type_name(value)),
            };
            fields.fail("messages", detail);
            return Vec::new();
        }
    };
    let read = list.iter().enumerate().map(|(index, value)| message(fields, index, value));
    let messages: Vec<_> = read.collect();
    // What is wrong with one message says nothing about the whole.
    let Some(messages) = messages.into_iter().collect::<Option<Vec<_>>>() else {
        return Vec::new();
    };
    check_whole(fields, &messages);
    messages
}

fn check_whole(fields: &mut Fields<'_>, messages: &[Message]) {
    let count: usize = messages.iter().map(|message| message.content.chars().count()).sum();
    if count > MESSAGES_TEXT_LIMIT {
        let detail = format!(
            "must have {MESSAGES_TEXT_LIMIT} characters at most in all messages together, not {count}"
        );
        fields.fail("messages", detail);
    }
    if messages.last().is_some_and(|last| last.role != Role::User) {
        fields.fail("messages", "must end with a message of the role 'user'".into());
    }
}

/// Reads one message. Its text is kept as it is, controls too: half of a conversation is what a
/// model wrote, and comes back as it was.
fn message(fields: &mut Fields<'_>, index: usize, value: &Value) -> Option<Message> {
    let at = format!("/messages/{index}");
    let Value::Object(object) = value else {
        fields.fail_at(at, format!("must be an object, not {}", type_name(value)));
        return None;
    };
    for name in object.keys().filter(|name| !["role", "content"].contains(&name.as_str())).take(16)
    {
        let shown: String = name.chars().take(64).collect();
        let shown = shown.replace('~', "~0").replace('/', "~1");
        let detail = "is not a field of a message; it has role, content".to_owned();
        fields.fail_at(format!("{at}/{shown}"), detail);
    }
    let role = object.get("role").and_then(Value::as_str).and_then(Role::named);
    if role.is_none() {
        let allowed = Role::ALL.map(Role::as_str).join(", ");
        fields.fail_at(format!("{at}/role"), format!("must be one of {allowed}"));
    }
    let content = object.get("content").and_then(Value::as_str);
    let content = content.filter(|content| !content.trim().is_empty());
    if content.is_none() {
        fields.fail_at(format!("{at}/content"), "must be a text that is not empty".into());
    }
    Some(Message { role: role?, content: content?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::super::{FieldError, check};
    use super::*;
    use crate::job::Kind;
    use serde_json::json;

    fn chat(input: &Value) -> Result<Chat, Vec<FieldError>> {
        check(Kind::Chat, input).map(|normal| serde_json::from_value(normal).unwrap())
    }

    fn pointers(input: &Value) -> Vec<String> {
        chat(input).unwrap_err().into_iter().map(|error| error.pointer).collect()
    }

    fn says(role: &str, content: &str) -> Value {
        json!({ "role": role, "content": content })
    }

    #[test]
    fn a_conversation_is_kept_to_the_byte_and_the_rest_has_defaults() {
        let messages = [
            says("system", " Be brief.\n"),
            says("user", "Why is the sea salty?"),
            says("assistant", "Rivers.\u{1b}[0m"),
            says("user", "And lakes?"),
        ];
        let chat = chat(&json!({ "messages": messages })).unwrap();
        assert_eq!(json!(chat.messages), json!(messages));
        assert_eq!(
            (chat.voiceover, chat.language.as_str(), chat.voice.as_deref()),
            (false, "en", None)
        );
        assert_eq!(chat.question(), "And lakes?");
    }

    #[test]
    fn every_bad_message_is_named_by_its_place() {
        let messages = json!([
            says("robot", "hello"), "hello", says("user", " \n"),
            { "role": "user", "content": "hello", "id": 7 }, { "role": "user", "content": [] },
        ]);
        let bad = json!({ "messages": messages, "voiceover": 1, "model": "x" });
        let expected = [
            "/messages/0/role",
            "/messages/1",
            "/messages/2/content",
            "/messages/3/id",
            "/messages/4/content",
            "/voiceover",
            "/model",
        ];
        assert_eq!(pointers(&bad), expected);
    }

    #[test]
    fn a_conversation_has_bounds_and_ends_with_a_question() {
        for messages in [
            json!(null),
            json!("hello"),
            json!([]),
            json!(vec![says("user", "a"); MESSAGES_LIMIT + 1]),
            json!([says("user", &"ä".repeat(MESSAGES_TEXT_LIMIT)), says("user", "a")]),
            json!([says("user", "a"), says("assistant", "b")]),
        ] {
            assert_eq!(pointers(&json!({ "messages": messages })), ["/messages"]);
        }
        let longest = says("user", &"ä".repeat(MESSAGES_TEXT_LIMIT));
        assert!(chat(&json!({ "messages": [longest] })).is_ok());
        assert!(chat(&json!({ "messages": vec![says("user", "a"); MESSAGES_LIMIT] })).is_ok());
    }
}
