//! From UI messages to a conversation.
//!
//! A UI message is `{"id", "role", "parts": […]}`, where the parts of the type `text` are what was
//! said. Everything else that a page keeps in its messages (files, progress, tools, metadata) is the
//! page's own and is passed over.

use serde_json::{Value, json};

use crate::job::input::Role;

use super::super::envelope::Reader;

/// A conversation, and where in the body its last message of the user stands.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Conversation {
    /// The messages that have a text, as the input of a `chat` job has them.
    pub(super) messages: Vec<Value>,
    /// The text of the last message of the user.
    pub(super) question: String,
    /// Its JSON pointer in the body.
    pub(super) question_at: String,
}

/// Reads the field `messages`; notes everything that is wrong with it.
pub(super) fn read(reader: &mut Reader<'_>) -> Conversation {
    let mut conversation = Conversation { question_at: "/messages".into(), ..Default::default() };
    let list = match reader.fields.get("messages") {
        Some(Value::Array(list)) if !list.is_empty() => list,
        _ => {
            reader.fail("messages", "must be an array of UI messages, oldest first");
            return conversation;
        }
    };
    for (index, message) in list.iter().enumerate() {
        let at = format!("/messages/{index}");
        let role = role(reader, &at, message);
        let text = text(reader, &at, message);
        let (Some(role), Some(text)) = (role, text) else { continue };
        if text.trim().is_empty() {
            continue;
        }
        conversation.messages.push(json!({ "role": role, "content": text }));
        if role == Role::User {
            (conversation.question, conversation.question_at) = (text, at);
        }
    }
    if conversation.question.is_empty() && reader.problem.errors().is_empty() {
        reader.fail("messages", "must have a message of the role 'user' with a text");
    }
    conversation
}

fn role(reader: &mut Reader<'_>, at: &str, message: &Value) -> Option<Role> {
    let role = message["role"].as_str().and_then(Role::named);
    if role.is_none() {
        let allowed = Role::ALL.map(Role::as_str).join(", ");
        reader.fail_at(format!("{at}/role"), format!("must be one of {allowed}"));
    }
    role
}

/// What a message says: its text parts joined, or the `content` that messages had before they had
/// parts.
fn text(reader: &mut Reader<'_>, at: &str, message: &Value) -> Option<String> {
    match (&message["parts"], &message["content"]) {
        (Value::Array(parts), _) => {
            let texts = parts.iter().filter(|part| part["type"] == "text");
            Some(texts.filter_map(|part| part["text"].as_str()).collect())
        }
        (Value::Null, Value::String(content)) => Some(content.clone()),
        _ => {
            reader.fail_at(format!("{at}/parts"), "must be an array of parts");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Code, Problem};
    use super::*;
    use serde_json::Map;

    fn read_from(messages: Value) -> (Conversation, Vec<String>) {
        let fields = Map::from_iter([("messages".to_owned(), messages)]);
        let problem = Problem::new(Code::InvalidField, "");
        let mut reader = Reader { fields: &fields, problem, only: None };
        let conversation = read(&mut reader);
        let errors = reader.problem.errors().iter();
        (conversation, errors.map(|error| error.pointer.clone()).collect())
    }

    #[test]
    fn the_texts_of_a_message_are_what_was_said() {
        let file = json!({ "type": "file", "url": "data:,", "mediaType": "image/png" });
        let progress = json!({ "type": "data-progress", "data": { "percent": 5 } });
        let (conversation, errors) = read_from(json!([
            { "id": "1", "role": "system", "content": "Be brief." },
            { "id": "2", "role": "user", "parts": [
                { "type": "text", "text": "Why is " }, file, { "type": "text", "text": "it salty?" },
            ]},
            { "id": "3", "role": "assistant", "metadata": {}, "parts": [
                { "type": "step-start" }, progress, { "type": "text", "text": "Rivers." },
            ]},
            { "id": "4", "role": "user", "parts": [{ "type": "text", "text": "And lakes?" }] },
            { "id": "5", "role": "assistant", "parts": [] },
        ]));
        assert_eq!(errors, [""; 0]);
        let said = [
            json!({ "role": "system", "content": "Be brief." }),
            json!({ "role": "user", "content": "Why is it salty?" }),
            json!({ "role": "assistant", "content": "Rivers." }),
            json!({ "role": "user", "content": "And lakes?" }),
        ];
        assert_eq!(conversation.messages, said);
        assert_eq!(conversation.question, "And lakes?");
        assert_eq!(conversation.question_at, "/messages/3");
    }

    #[test]
    fn what_is_no_message_is_named() {
        let bad = json!([
            "hello", { "role": "data", "parts": [] }, { "role": "user", "content": 5 },
            { "role": "user", "parts": "hello" },
        ]);
        let expected = ["/messages/0/role", "/messages/0/parts", "/messages/1/role"];
        let (_, errors) = read_from(bad);
        assert_eq!(errors[..3], expected);
        assert_eq!(errors[3..], ["/messages/2/parts", "/messages/3/parts"]);
        for nothing in
            [json!(null), json!("hello"), json!([]), json!([{ "role": "user", "parts": [] }])]
        {
            assert_eq!(read_from(nothing).1, ["/messages"]);
        }
    }
}
