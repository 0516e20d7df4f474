//! The body of a chat's submit: what the AI SDK sends, and what an app may add to it.

use serde_json::{Map, Value};

use crate::db::chats::InChat;
use crate::job::Kind;
use crate::queue::{self, Task};

use super::super::envelope::Reader;
use super::super::guard::Call;
use super::super::{Code, Problem, submit};
use super::messages::{self, Conversation};

/// The longest id of a chat, in bytes.
const ID_LIMIT: usize = 200;

/// Reads a body; gives the chat's id and what is to be made. Fields that are not ours are passed
/// over: an app puts its own beside them.
///
/// # Errors
/// Everything that is wrong with the body at once.
pub(super) async fn task(
    call: &Call,
    body: &Map<String, Value>,
) -> Result<(String, Task), Problem> {
    let problem = Problem::new(Code::InvalidField, "the message cannot be taken as it is");
    let only = call.caller().project();
    let mut reader = Reader { fields: body, problem, only };
    let chat_id = chat_id(&mut reader);
    let is_again = is_again(&mut reader);
    let (project_id, webhook) = (reader.project(), reader.webhook(call));
    let conversation = messages::read(&mut reader);
    let kind = kind(&mut reader);
    let input = input(&mut reader, kind, &conversation);
    if !reader.problem.errors().is_empty() {
        return Err(reader.problem);
    }
    let mut fields = Map::from_iter([("input".to_owned(), input)]);
    // Of other kinds it is the call's own: many send the name of a language model.
    if let Some(model) = body.get("model").filter(|_| kind.is_media()) {
        fields.insert("model".into(), model.clone());
    }
    let mut asked = Reader { fields: &fields, problem: reader.problem, only };
    let (input, media) = submit::asked(call, kind, &project_id, &mut asked).await?;
    if !asked.problem.errors().is_empty() {
        return Err(relocated(&asked.problem, body, kind, &conversation.question_at));
    }
    // Asked for once more, the same question wants another answer.
    let submit_hash = (!is_again).then(|| queue::digest(&Value::Object(body.clone())));
    let task = Task {
        kind,
        input,
        media,
        project_id,
        priority: 0,
        idempotency_key: None,
        // A stop in one chat must not end what another one waits for.
        allow_duplicate: true,
        retry_of: None,
        silence_limit_ms: None,
        chat: Some(InChat { chat_id: chat_id.clone(), submit_hash }),
        webhook,
    };
    Ok((chat_id, task))
}

/// The chat's id. It stands in paths as it is, so what would end or change a path is no part of it.
fn chat_id(reader: &mut Reader<'_>) -> String {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"/?#%\\".contains(&byte);
    let id = reader.fields.get("id").and_then(Value::as_str).unwrap_or_default();
    let is_step = matches!(id, "." | "..");
    if id.is_empty() || is_step || id.len() > ID_LIMIT || !id.bytes().all(is_plain) {
        let detail = format!(
            "must be the chat's id: 1 to {ID_LIMIT} visible ASCII characters without / ? # % \\"
        );
        reader.fail("id", detail);
    }
    id.to_owned()
}

/// Whether another answer to the same question is wanted.
fn is_again(reader: &mut Reader<'_>) -> bool {
    match reader.fields.get("trigger") {
        None | Some(Value::Null) => false,
        Some(Value::String(word)) if word == "submit-message" => false,
        Some(Value::String(word)) if word == "regenerate-message" => true,
        Some(_) => {
            reader.fail("trigger", "must be 'submit-message' or 'regenerate-message'");
            false
        }
    }
}

/// The name of the input that the last text of the user is, or for `chat` the whole conversation.
const fn prompt_of(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Chat => Some("messages"),
        Kind::Blog => Some("topic"),
        Kind::Voiceover => Some("text"),
        Kind::Image | Kind::Video => Some("prompt"),
        Kind::Lipsync | Kind::External => None,
    }
}

fn kind(reader: &mut Reader<'_>) -> Kind {
    let kind = match reader.fields.get("kind") {
        None | Some(Value::Null) => return Kind::Chat,
        Some(word) => word.as_str().and_then(|word| word.parse().ok()),
    };
    let kind = kind.filter(|kind| prompt_of(*kind).is_some());
    if kind.is_none() {
        let takes_text = Kind::ALL.into_iter().filter(|kind| prompt_of(*kind).is_some());
        let allowed: Vec<_> = takes_text.map(Kind::as_str).collect();
        reader.fail("kind", format!("must be one of {}", allowed.join(", ")));
    }
    kind.unwrap_or(Kind::Chat)
}

/// The input of the job: what was said, beside the further inputs that the app gives.
fn input(reader: &mut Reader<'_>, kind: Kind, conversation: &Conversation) -> Value {
    let mut input = match reader.fields.get("input") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(fields)) => fields.clone(),
        Some(_) => {
            reader.fail("input", "must be an object");
            Map::new()
        }
    };
    if let Some(voiceover) = reader.fields.get("voiceover").filter(|flag| !flag.is_null()) {
        input.insert("voiceover".into(), voiceover.clone());
    }
    let said = match kind {
        Kind::Chat => conversation.messages.clone().into(),
        _ => conversation.question.clone().into(),
    };
    if let Some(name) = prompt_of(kind) {
        input.insert(name.into(), said);
    }
    input.into()
}

/// The problem with its pointers into the body as it came.
fn relocated(problem: &Problem, body: &Map<String, Value>, kind: Kind, question: &str) -> Problem {
    let said = prompt_of(kind).unwrap_or_default();
    let mut moved = Problem::new(problem.code(), problem.detail());
    for error in problem.errors() {
        let name = error.pointer.strip_prefix("/input/").unwrap_or_default();
        let pointer = match name.split('/').next().unwrap_or_default() {
            "messages" if kind == Kind::Chat => "/messages".to_owned(),
            first if first == said => question.to_owned(),
            "voiceover" if body.contains_key("voiceover") => "/voiceover".to_owned(),
            _ => error.pointer.clone(),
        };
        moved = moved.field(pointer, error.detail.clone());
    }
    moved
}
