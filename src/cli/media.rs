//! The inputs of a video, an image or a lip-sync: what was typed, in the types of the model's row.

use std::path::Path;

use serde_json::{Map, Value};
use tokio::fs::File;

use crate::client::{Client, Model, ModelInput};

use super::args::Media;
use super::{Failure, out, submit};

/// Everything that was said of the job, as the model takes it; files are uploaded.
///
/// # Errors
/// A prompt that the model does not take, an input that is said twice, a file that cannot be read,
/// or what the server says about it.
pub(super) async fn input(client: &Client, model: &Model, media: &Media) -> Result<Value, Failure> {
    let mut input = Map::new();
    for (name, text) in said(model, media)? {
        let known = model.inputs.iter().find(|input| input.is_called(&name));
        let name = known.map_or(name, |known| known.name.clone());
        let value = match (known, text.strip_prefix('@')) {
            (Some(known), Some(path)) if is_file(known) => {
                upload(client, Path::new(path), media.common.project.as_deref()).await?.into()
            }
            (Some(known), _) => typed(known, &text),
            (None, _) => text.into(),
        };
        let is_list = known.is_some_and(is_list);
        add(&mut input, &name, value, is_list)?;
    }
    Ok(input.into())
}

/// Names and texts: the prompt first, then what was said by name.
fn said(model: &Model, media: &Media) -> Result<Vec<(String, String)>, Failure> {
    let mut said = Vec::new();
    if let Some(prompt) = &media.prompt {
        let prompt = if prompt == "-" { submit::standard_input()? } else { prompt.clone() };
        said.push((prompt_name(model)?.to_owned(), prompt));
    }
    said.extend(media.inputs.iter().cloned());
    Ok(said)
}

/// The input that a prompt is for: the one of this name, or the text that is spoken.
fn prompt_name(model: &Model) -> Result<&str, Failure> {
    let called = |name: &str| model.inputs.iter().find(|input| input.is_called(name));
    let found = ["prompt", "prompt_text", "text"].into_iter().find_map(called);
    found.map(|input| input.name.as_str()).ok_or_else(|| {
        let names: Vec<_> = model.inputs.iter().map(|input| input.name.as_str()).collect();
        let (slug, names) = (&model.slug, names.join(", "));
        Failure::bad_input(format!("'{slug}' takes no prompt; its inputs are {names}"))
    })
}

fn is_file(input: &ModelInput) -> bool {
    matches!(input.kind.as_str(), "uri" | "uris")
}

fn is_list(input: &ModelInput) -> bool {
    matches!(input.kind.as_str(), "texts" | "uris")
}

/// The text as what the input holds, where it is one; else the text, which the server refuses in
/// words better than ours.
fn typed(input: &ModelInput, text: &str) -> Value {
    let parsed = || serde_json::from_str::<Value>(text.trim()).ok();
    let value = match input.kind.as_str() {
        "integer" | "number" => parsed().filter(Value::is_number),
        "boolean" => parsed().filter(Value::is_boolean),
        "texts" | "uris" => parsed().filter(Value::is_array),
        "object" => parsed().filter(Value::is_object),
        _ => None,
    };
    value.unwrap_or_else(|| text.into())
}

/// Puts a value in; what is a list grows by it.
fn add(
    input: &mut Map<String, Value>,
    name: &str,
    value: Value,
    is_list: bool,
) -> Result<(), Failure> {
    let value = match value {
        value if !is_list => value,
        list @ Value::Array(_) => list,
        item => Value::Array(vec![item]),
    };
    match (input.get_mut(name), value) {
        (Some(Value::Array(items)), Value::Array(more)) => items.extend(more),
        (Some(_), _) => {
            return Err(Failure::bad_input(format!("the input '{name}' is said twice")));
        }
        (None, value) => {
            input.insert(name.to_owned(), value);
        }
    }
    Ok(())
}

/// Gives the server a file and tells its address there.
async fn upload(client: &Client, path: &Path, project: Option<&str>) -> Result<String, Failure> {
    let shown = path.display();
    let unreadable =
        |reason: String| Failure::bad_input(format!("{shown} cannot be read: {reason}"));
    let file = File::open(path).await.map_err(|error| unreadable(error.to_string()))?;
    let metadata = file.metadata().await.map_err(|error| unreadable(error.to_string()))?;
    if !metadata.is_file() {
        return Err(unreadable("it is no file".into()));
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_default();
    let upload = client.upload(file, metadata.len(), &name, project).await.map_err(|error| {
        let failure = Failure::from(error);
        Failure { message: format!("{shown} cannot be uploaded: {}", failure.message), ..failure }
    })?;
    out::note(&format!("uploaded {shown} ({}, {})", upload.media_type, out::size(upload.bytes)));
    Ok(upload.url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn input_of(kind: &str) -> ModelInput {
        ModelInput { name: "x".to_owned(), kind: kind.to_owned(), ..ModelInput::default() }
    }

    #[test]
    fn a_text_is_sent_as_what_the_input_holds() {
        for (kind, text, value) in [
            ("integer", "5", json!(5)),
            ("integer", "5s", json!("5s")),
            ("number", " 0.5 ", json!(0.5)),
            ("boolean", "true", json!(true)),
            ("boolean", "yes", json!("yes")),
            ("text", "5", json!("5")),
            ("text", "true", json!("true")),
            ("text", "[a]", json!("[a]")),
            ("uri", "https://a/b.png", json!("https://a/b.png")),
            ("uris", r#"["https://a/b"]"#, json!(["https://a/b"])),
            ("object", r#"{"a":1}"#, json!({ "a": 1 })),
            ("object", "7", json!("7")),
        ] {
            assert_eq!(typed(&input_of(kind), text), value, "{kind} {text}");
        }
    }

    #[test]
    fn a_list_grows_and_nothing_else_is_said_twice() {
        let mut input = Map::new();
        add(&mut input, "images", json!("a"), true).unwrap();
        add(&mut input, "images", json!(["b", "c"]), true).unwrap();
        add(&mut input, "seed", json!(7), false).unwrap();
        let failure = add(&mut input, "seed", json!(8), false).unwrap_err();
        assert_eq!((failure.message.as_str(), failure.code), ("the input 'seed' is said twice", 2));
        assert_eq!(Value::from(input), json!({ "images": ["a", "b", "c"], "seed": 7 }));
    }

    #[test]
    fn a_prompt_is_for_the_input_of_that_name_or_the_text_that_is_spoken() {
        let model = |names: &[&str]| -> Model {
            let inputs: Vec<_> =
                names.iter().map(|name| json!({ "name": name, "type": "text" })).collect();
            serde_json::from_value(json!({
                "slug": "m", "title": "M", "provider": "fal", "kind": "video", "mode": "x",
                "cost": { "per": "job", "credits": "0.10" }, "inputs": inputs,
            }))
            .unwrap()
        };
        for (names, prompt) in [
            (vec!["seed", "prompt", "text"], "prompt"),
            (vec!["ratio", "promptText"], "promptText"),
            (vec!["video_url", "text"], "text"),
        ] {
            assert_eq!(prompt_name(&model(&names)).unwrap(), prompt);
        }
        let failure = prompt_name(&model(&["character", "ratio"])).unwrap_err();
        assert_eq!(failure.message, "'m' takes no prompt; its inputs are character, ratio");
    }
}
